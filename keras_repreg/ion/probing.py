"""Compare a model's outputs before and after a rewrite, on random inputs and on data."""

import numbers
import warnings
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import layers, ops
from numpy.typing import NDArray

from keras_repreg import graph
from keras_repreg.arrays import to_float64
from keras_repreg.batches import as_tensors

Array = NDArray[np.float64]

# The maximum number of samples, and of numbers in the inputs of a model.
SAMPLES = 256
NUMBERS = 2**18
# The size used for unknown dimensions, such as the length of a sequence.
LENGTH = 32
# The largest relative change of an output that counts as rounding: two products with factors rounded to half precision,
# or sums of hundreds of terms in float32 and float64.
TOLERANCES = {"bfloat16": 2.0**-5, "float16": 2.0**-8, "float32": 2.0**-15, "float64": 2.0**-40}
if keras.backend.backend() == "torch":
    TOLERANCES["float64"] = TOLERANCES["float32"]  # Keras multiplies float64 matrices in float32 there
_TINY = np.finfo(np.float64).tiny


def tolerance_of(model: keras.Model, tolerance: float | None = None) -> float:
    """Return the largest change that counts as rounding: the argument, or the value for the least precise dtype in use.

    Raises:
        ValueError: if the argument is neither None nor a number between 0 and 1.
    """
    if tolerance is not None:
        if isinstance(tolerance, bool) or not isinstance(tolerance, numbers.Real) or not 0 <= tolerance < 1:
            raise ValueError(f"Expected `tolerance` to be between 0 and 1, or None. Received: tolerance={tolerance!r}")
        return float(tolerance)
    dtypes = {str(layer.compute_dtype) for layer in graph.all_layers(model)}
    return max((TOLERANCES[dtype] for dtype in dtypes if dtype in TOLERANCES), default=TOLERANCES["float32"])


class Probes:
    """Inputs on which a model is compared before and after a rewrite.

    Args:
        model: The model before the rewrite.
        probe: Inputs from data, used as well.
        watched: Names of layers whose outputs are compared in addition to the model's.
        random: Whether to use random inputs.

    Raises:
        ValueError: if the model runs neither on random inputs nor on data.
    """

    def __init__(self, model: keras.Model, probe: Any = None, watched: Sequence[str] = (), *, random: bool = True):
        self._watched = tuple(watched) if _observer(model, watched) is not None else ()
        self._inputs: list[Any] = []
        if probe is not None:
            self._inputs.append(keras.tree.map_structure(lambda a: None if a is None else a[: _samples(model)], probe))
        try:
            x = random_inputs(model) if random else None
            if random:
                _run(model, x)
        except Exception as error:
            if probe is None:
                raise ValueError(
                    "Expected a model that runs on random inputs of its shapes and dtypes, or `data` to compare "
                    f"outputs on. Received: {type(error).__name__}: {' '.join(str(error).split())[:300]}"
                ) from error
        else:
            self._inputs += [x] if random else []
        try:
            self._expected = self._outputs(model)
        except KeyError:
            # Keras 3.11 builds such a model from layers that were first called in another model, but cannot run it.
            self._watched = ()
            self._expected = self._outputs(model)

    def change(self, model: keras.Model) -> float:
        """Return the largest change of an output, relative to the largest in its tensor."""
        pairs = zip(self._expected, self._outputs(model), strict=True)
        return max((largest_change(expected, found) for expected, found in pairs), default=0.0)

    def _outputs(self, model: keras.Model) -> list[Array]:
        observer = _observer(model, self._watched) if self._watched else model
        assert observer is not None  # a copy has its own layers
        return [to_float64(tensor) for x in self._inputs for tensor in keras.tree.flatten(_run(observer, x))]


def _observer(model: keras.Model, watched: Sequence[str]) -> keras.Model | None:
    """Return a model that also outputs some layers, or None if these were first called in another model."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            inputs = model.inputs[0] if isinstance(model, keras.Sequential) else model.input
            return keras.Model(inputs, [*model.outputs, *(model.get_layer(name).output for name in watched)])
        except (AttributeError, ValueError):
            return None


def _run(model: keras.Model, x: Any) -> Any:
    """Return the outputs at inference, and restore state that the call changes, such as seeds and recurrent states."""
    trained = {id(variable) for variable in model.trainable_variables}
    state = [variable for variable in model.variables if id(variable) not in trained]
    for layer in graph.all_layers(model):
        # Not in the layer's variables.
        state += [
            each for each in keras.tree.flatten(getattr(layer, "states", None)) if isinstance(each, keras.Variable)
        ]
    before = [ops.copy(ops.convert_to_tensor(variable)) for variable in state]
    try:
        return model(as_tensors(x), training=False)
    finally:
        for variable, value in zip(state, before, strict=True):
            variable.assign(value)


def _samples(model: keras.Model) -> int:
    """Return the number of samples to compare on: the batch size of the model, if it is fixed."""
    fixed = [int(tensor.shape[0]) for tensor in model.inputs if tensor.shape[0] is not None]
    if fixed:
        return fixed[0]
    numbers = sum(int(np.prod([size or LENGTH for size in tensor.shape[1:]])) for tensor in model.inputs)
    return int(np.clip(NUMBERS // max(numbers, 1), 2, SAMPLES))


def random_inputs(model: keras.Model) -> Any:
    """Return inputs of the model's shapes and dtypes: standard normal, or integers and words in its vocabularies."""
    rng, samples = np.random.default_rng(0), _samples(model)
    arrays = [
        _random(rng, (samples, *(size or LENGTH for size in tensor.shape[1:])), tensor.dtype, vocabulary)
        for tensor, vocabulary in zip(model.inputs, _vocabularies(model), strict=True)
    ]
    if isinstance(model, keras.Sequential):
        return arrays[0]
    return keras.tree.pack_sequence_as(model.input, arrays)


def _random(rng: np.random.Generator, shape: tuple[int, ...], dtype: str, vocabulary: Any) -> Any:
    if vocabulary is not None:
        drawn = rng.choice(np.asarray(vocabulary), size=shape)
        return drawn if dtype == "string" else drawn.astype("float32" if "float" in dtype else dtype)
    if dtype == "string":
        return rng.choice(np.asarray(["a", "b", "one", "two"]), size=shape)
    if dtype == "bool":
        return rng.random(shape) < 0.5
    if dtype.startswith(("int", "uint")):
        return rng.integers(0, 2, size=shape).astype(dtype)
    return rng.standard_normal(shape).astype("float64" if dtype == "float64" else "float32")


def _vocabularies(model: keras.Model) -> list[Any]:
    """Return the valid values of each input: ids of an embedding, words of a lookup, or None for any number."""
    anything: list[Any] = [None] * len(model.inputs)
    if not any(_knows(layer) for layer in graph.all_layers(model)):
        return anything
    try:
        links = graph.Graph(model)
    except ValueError:
        return anything
    return [_vocabulary(links, position) for position in range(len(anything))]


def _knows(layer: Any) -> bool:
    """Return whether the layer accepts only certain inputs."""
    return isinstance(layer, layers.Embedding) or hasattr(layer, "get_vocabulary")


def _vocabulary(links: graph.Graph, position: int) -> Any:
    takers = links.takers(position)
    while takers and all(graph.is_identity(layer) for layer in takers):
        takers = [taker for layer in takers for taker in links.consumers(layer)]
    found = [_vocabularies(layer)[0] for layer in takers if isinstance(layer, keras.Model)]
    found += [np.arange(layer.input_dim) for layer in takers if isinstance(layer, layers.Embedding)]
    words = [layer.get_vocabulary() for layer in takers if hasattr(layer, "get_vocabulary")]
    if words:
        return [word for word in words[0] if word != ""]
    # The values that all of them accept.
    return min((each for each in found if each is not None), key=len, default=None)


def largest_change(expected: Array, found: Array) -> float:
    """Return the largest absolute difference, relative to the largest expected magnitude; infinite for NaN."""
    if expected.shape != found.shape:
        return float("inf")
    with np.errstate(invalid="ignore", over="ignore"):
        change = np.abs(found - expected).max(initial=0) / max(np.abs(expected).max(initial=0), _TINY)
    return float("inf") if np.isnan(change) else float(change)
