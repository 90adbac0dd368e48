"""A long fit with every layer and callback leaks nothing, and discarded models are freed.

`python -m tests.stress.test_memory 200` prints the growth of the process over 200 epochs and over 200 models.
"""

import collections
import gc
import sys
import weakref

import keras
import pytest

from tests.stress.networks import callbacks, data, fit, network


def objects():
    """Count the objects of each type."""
    gc.collect()
    found = collections.Counter(type(one).__name__ for one in gc.get_objects())
    # TensorFlow itself creates a few more of these at irregular times.
    for name in ("ReferenceType", "builtin_function_or_method"):
        found.pop(name, None)
    return found


class Census(keras.callbacks.Callback):
    """Count objects at the end of some epochs."""

    def __init__(self, *epochs):
        super().__init__()
        self.at = dict.fromkeys(epochs)

    def on_epoch_end(self, epoch, logs=None):
        if epoch in self.at:
            self.at[epoch] = objects()


@pytest.mark.slow
def test_long_fit_keeps_only_its_logs():
    model, (x, y) = network(), data()
    census = Census(5, 25)
    arguments = {"epochs": 26, "batch_size": 16, "validation_data": (x, y), "verbose": 0}
    model.fit(x, y, callbacks=[*callbacks(), census], **arguments)
    grown = {name: n for name, n in (census.at[25] - census.at[5]).items() if n > 2}
    # Each epoch adds a table per logger and a point in the information plane, but no tensor.
    logged = {"CharacteristicsTable": 30, "dict": 60, "MutualInformation": 20}
    assert grown["CharacteristicsTable"] == 30  # these objects are counted
    assert all(n <= logged.get(name, 19) for name, n in grown.items()), grown


@pytest.mark.slow
def test_discarded_models_are_freed():
    dead = []
    for _ in range(2):
        model = network()
        fit(model, 1)
        dead.append((weakref.ref(model), weakref.ref(model.get_layer("hidden"))))
        del model
    keras.backend.clear_session()
    gc.collect()
    gc.collect()
    assert [[one() for one in refs] for refs in dead] == [[None, None]] * 2


def resident():
    """Return the resident memory of this process in megabytes."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * 4096 / 1e6


class Growth(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        if epoch % 50 == 49 or epoch == 9:
            gc.collect()
            print(f"epoch {epoch + 1}: {resident():.1f} MB, {len(gc.get_objects()):,} objects", flush=True)


def main(epochs):
    model, (x, y) = network(every=True), data()
    print(f"{keras.backend.backend()}: one fit of {epochs} epochs")
    together = [*callbacks(), Growth()]
    model.fit(x, y, epochs=epochs, batch_size=16, validation_data=(x, y), callbacks=together, verbose=0)
    print(f"{epochs // 20} models, one after the other")
    for number in range(epochs // 20):
        fit(network(every=True), 2)
        keras.backend.clear_session()
        gc.collect()
        if number % 5 == 4 or number == 1:
            print(f"model {number + 1}: {resident():.1f} MB, {len(gc.get_objects()):,} objects", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]))
