"""Collect the activations of chosen layers in a forward pass over data."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
from keras import ops

from keras_repreg.arrays import to_numpy
from keras_repreg.batches import as_tensors, batches, samples_in
from keras_repreg.rows import is_real
from keras_repreg.seam import tapped, value_of, without_gradients
from keras_repreg.step_masks import followed


@dataclass(frozen=True)
class Source:
    """The source of activations.

    Attributes:
        name: The name used in results.
        layer: The layer whose outputs are the activations.
        part: The key or index, if the output is a dict, list or tuple. None stands for all entries of a dict, and the
            first entry of a list or tuple.
    """

    name: str
    layer: keras.layers.Layer
    part: str | int | None = None

    def arrays_of_mask(self, output: Any, mask: Any) -> dict[str, Any]:
        """Return the masks of `arrays(output)` by name, if any."""
        if mask is None:
            return {}
        if isinstance(output, (dict, list, tuple)) and not isinstance(mask, (dict, list, tuple)):
            return dict.fromkeys(self.arrays(output), mask)  # the mask that Keras derives from the first input
        if isinstance(mask, dict) and self.part is None:
            return {f"{self.name}/{key}": value for key, value in mask.items()}
        if isinstance(mask, (list, tuple)) and self.part is None:
            return {self.name: mask[0] if mask else None}
        return {self.name: mask if self.part is None else mask[self.part]}

    def arrays(self, output: Any) -> dict[str, Any]:
        """Return the tensors of an output of the layer by name.

        Raises:
            ValueError: if the output has no such part.
        """
        structured = isinstance(output, (dict, list, tuple))
        if self.part is not None:
            parts = dict(output) if isinstance(output, dict) else dict(enumerate(output)) if structured else {}
            if self.part not in parts:
                raise ValueError(
                    f"Expected a part of the output of layer '{self.layer.name}', one of {list(parts)}. "
                    f"Received: {self.part!r}"
                )
            return {self.name: parts[self.part]}
        if isinstance(output, dict):
            arrays = {f"{self.name}/{key}": value for key, value in output.items() if ops.is_tensor(value)}
            return {name: value for name, value in arrays.items() if len(value.shape) > 1 and is_real(value)}
        # A recurrent layer may return its output followed by its states.
        return {self.name: output[0] if structured and len(output) else output}


def forward_pass(
    model: keras.Model,
    data: Any,
    sources: Sequence[Source],
    begin: Callable[[Any, int, Any], None],
    receive: Callable[[str, keras.layers.Layer, Any, Any], Any],
    *,
    batch_size: int,
    steps: int | None = None,
    mask: str | None = None,
) -> int:
    """Pass data through a model at inference, and pass on the output of each layer as it is computed.

    Args:
        model: A built model.
        data: See `batches`.
        sources: The layers whose outputs are passed on.
        begin: Called as `begin(targets, samples, inputs)` before each batch.
        receive: Called as `receive(name, layer, output, mask)` after each call of a layer, with the mask of the rows or
            positions, or None.
        batch_size: Samples per batch, if the data is not batched already.
        steps: At most this many batches.
        mask: The name of a model input that is the mask. By default Keras's masks are used.

    Returns:
        The number of batches.

    Raises:
        ValueError: if the data is invalid, a layer is not called by the model or only in compiled functions, or the
            model has no such mask.
    """
    by_layer: dict[int, list[Source]] = {}
    for source in sources:
        by_layer.setdefault(id(source.layer), []).append(source)
    called: set[int] = set()
    given: Any = None

    def tap(layer: keras.layers.Layer, output: Any, found: Any) -> None:
        called.add(id(layer))
        for source in by_layer[id(layer)]:
            masks = source.arrays_of_mask(output, step_masks.of_step(None) if found is None else found)
            for name, array in source.arrays(output).items():
                if value_of(array) is None:
                    raise ValueError(
                        f"Expected layer '{layer.name}' to be called outside of compiled functions. "
                        "Received: an output without a value"
                    )
                mask = masks.get(name) if given is None else given
                step = None if given is None else step_masks.of_step(given)
                receive(name, layer, array, mask if step is None else step)

    number = 0
    with followed(model) as step_masks, tapped([source.layer for source in sources], tap), without_gradients():
        for x, y in batches(data, batch_size, steps):
            given = None if mask is None else _named_input(model, x, mask)
            begin(y, samples_in(x), x)
            model(as_tensors(x), training=False)
            number += 1
    missing = [source.name for source in sources if id(source.layer) not in called]
    if not number:
        raise ValueError(f"Expected at least one batch of data. Received: an empty {type(data).__name__}")
    if missing:
        raise ValueError(f"Expected the model to call layer '{missing[0]}' when it is called. Received: no call")
    return number


def _named_input(model: keras.Model, x: Any, name: str) -> Any:
    """Return the array of one input of the model."""
    if not isinstance(x, dict):
        inputs = [tensor.name for tensor in getattr(model, "inputs", None) or []]
        x = dict(zip(inputs, x if isinstance(x, (list, tuple)) else [x], strict=False))
    if name not in x:
        raise ValueError(f"Expected `mask` to be an input of the model, one of {list(x)}. Received: mask={name!r}")
    return to_numpy(x[name]) != 0
