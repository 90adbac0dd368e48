"""The inputs of a model, and the assignment of arrays to them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from keras_repreg.commands.refusal import Refusal

LABELS = ("y", "labels", "label", "targets", "target")


@dataclass(frozen=True)
class ModelInput:
    """An input: its shape, starting with the samples, with None for any length; optional if it may be absent."""

    name: str
    shape: tuple[int | None, ...]
    optional: bool


@dataclass(frozen=True)
class ModelInputs:
    """The inputs of a model in order, or None if unknown."""

    inputs: tuple[ModelInput, ...] | None

    @classmethod
    def of(cls, model: Any) -> "ModelInputs":
        """Return the inputs of a Keras model or of None."""
        tensors = getattr(model, "inputs", None)
        if not tensors:
            return cls(None)
        optional = {layer.name for layer in model.layers if getattr(layer, "optional", False)}
        return cls(tuple(ModelInput(t.name, tuple(t.shape), t.name in optional) for t in tensors))

    @property
    def required(self) -> tuple[ModelInput, ...]:
        """The inputs that cannot be absent; a single input if unknown."""
        if self.inputs is None:
            return (ModelInput("x", (), False),)
        return tuple(i for i in self.inputs if not i.optional) or self.inputs[:1]

    def only(self, name: str) -> ModelInput:
        """Return the only input that the data can be used for.

        Raises:
            Refusal: if the model needs several.
        """
        if len(self.required) != 1:
            raise Refusal(f"{name} has one input, but the model takes {len(self.required)}: {_listed(self.required)}")
        return self.required[0]

    def arranged(self, arrays: Mapping[str, Any]) -> list[Any]:
        """Return arrays in the order of the model's inputs, with None for absent ones."""
        if self.inputs is None:
            return list(arrays.values())
        return [arrays.get(i.name) for i in self.inputs]


def match(inputs: ModelInputs, names: Sequence[str], source: str) -> tuple[dict[str, str], str | None]:
    """Return the array for each input, and the one that contains labels.

    Raises:
        Refusal: if the arrays do not match the inputs.
    """
    suffix = "_test" if any(name.endswith("_test") for name in names) else ""
    labels = next((f"{name}{suffix}" for name in LABELS if f"{name}{suffix}" in names), None)
    required = inputs.required
    given = {name.removesuffix("_test"): name for name in names if name.endswith(suffix) and name != labels}
    by_name = {i.name: given[i.name] for i in (inputs.inputs or required) if i.name in given}
    if all(i.name in by_name for i in required):
        # A label input with the same name as an array of the data is an input, and also provides the classes.
        return by_name, labels
    if len(required) == 1:
        found = given.get("x") or (next(iter(given.values())) if len(given) == 1 else None)
        if found is not None:
            return {required[0].name: found}, labels
    order = [name for name in given.values() if not name.startswith("arr_")] or list(given.values())
    if len(order) == len(required):
        return {i.name: name for i, name in zip(required, order, strict=True)}, labels
    # The names used by `numpy.savez` without names.
    if labels is None and len(order) == len(required) + 1 and all(name.startswith("arr_") for name in order):
        return {i.name: name for i, name in zip(required, order, strict=False)}, order[-1]
    held = ", ".join(names) or "nothing"
    if len(required) == 1:
        raise Refusal(f"{source} contains no array x or x_test, but {held}")
    raise Refusal(f"{source} contains {held}; the model takes {len(required)} inputs: {_listed(required)}")


def check_shape(shape: tuple[int, ...], taken: ModelInput, source: str, *, reshape: bool = False) -> tuple[int, ...]:
    """Return the shape of an array for an input, with the samples in the first axis.

    Args:
        shape: The shape of the array.
        taken: The input.
        source: The name of the array in messages.
        reshape: Whether flat rows and images may be reshaped into each other.

    Raises:
        Refusal: if the shape does not match.
    """
    expected = taken.shape
    fits = len(shape) == len(expected) and all(
        wanted in (None, given) for wanted, given in zip(expected[1:], shape[1:], strict=True)
    )
    if not expected or fits:
        return shape
    if reshape and None not in expected[1:] and _product(expected[1:]) == _product(shape[1:]):
        return (shape[0], *(int(n or 0) for n in expected[1:]))
    raise Refusal(f"the model takes inputs of shape {shown(expected)}, but {source} has {shown((None, *shape[1:]))}")


def shown(shape: Sequence[int | None]) -> str:
    """Return a shape with N for the samples and ? for any length."""
    return f"({', '.join('N' if i == 0 else '?' if n is None else str(n) for i, n in enumerate(shape))})"


def _product(shape: Sequence[int | None]) -> int:
    product = 1
    for n in shape:
        product *= n or 0
    return product


def _listed(inputs: Sequence[ModelInput]) -> str:
    return ", ".join(f"{i.name} {shown(i.shape)}" for i in inputs)
