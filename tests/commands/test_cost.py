"""Memory estimates are upper bounds, and close to the memory used."""

import tracemalloc

import keras
import numpy as np
import pytest
from keras import layers

from keras_repreg.characteristics import CHARACTERISTICS, NAMES, Characteristics
from keras_repreg.characteristics.collection import Collection
from keras_repreg.characteristics.selection import select_layers
from keras_repreg.commands import cost

EVERY = [name for name, one in CHARACTERISTICS.items() if not any(need.startswith("class ") for need in one.needs)]
CHOICES = {"Table 1": list(NAMES), "every": EVERY, "norms": ["stable_rank"], "class pairs": ["classwise_correlation"]}


@pytest.mark.parametrize("chosen", CHOICES)
@pytest.mark.parametrize("positive_only", [True, False])
@pytest.mark.parametrize("samples", [300, 1500])
def test_estimate_for_an_accumulator(chosen, positive_only, samples):
    width, classes, names = 400, 3, CHOICES[chosen]
    rng = np.random.default_rng(0)
    z = rng.normal(size=(samples, width)).astype("float32")
    if positive_only:
        z = np.maximum(z, 0)
    labels = np.arange(samples) % classes
    accumulator = Characteristics(positive_only, names)
    tracemalloc.start()
    for start in range(0, samples, 250):
        accumulator.update(z[start : start + 250], labels[start : start + 250])
    kept, _ = tracemalloc.get_traced_memory()
    accumulator.result()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    estimate = cost.accumulator_bytes(width, names, classes)
    assert kept < estimate
    total = estimate + cost.result_bytes(width, names, report=False)
    assert peak < total
    if samples > 1024 and chosen != "class pairs":
        assert total < 4 * peak


MODELS = {
    "dense": lambda: [keras.Input((50,)), *(layers.Dense(n, activation="relu") for n in (300, 200)), layers.Dense(9)],
    "convolution": lambda: [
        keras.Input((10, 10, 3)),
        layers.Conv2D(160, 3, activation="relu"),
        layers.Conv2D(200, 3),
        layers.GlobalAveragePooling2D(),
        layers.Dense(9),
    ],
}


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="the NumPy part is the same on all backends")
@pytest.mark.parametrize("kind", MODELS)
def test_estimate_for_a_model(kind):
    model = keras.Sequential(MODELS[kind]())
    x = np.random.default_rng(0).random((200, *model.input_shape[1:]), dtype="float32")
    names = [name for name in EVERY if "classes" not in CHARACTERISTICS[name].needs]

    def collect():
        collection = Collection(select_layers(model), None, names, all_layers=True, model=model)
        collection.fill(model, x, 100, None)
        return collection

    collect()
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    accumulators = collect().accumulators
    for name in list(accumulators):
        accumulators.pop(name).result()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    widths = [layer.output.shape[-1] for layer in model.layers[:-1]]
    estimate = sum(cost.accumulator_bytes(width, names) for width in widths)
    estimate += max(cost.result_bytes(width, names, report=False) for width in widths)
    assert 0.1 * estimate < peak - before < estimate + 100 * cost.forward_bytes(model)
