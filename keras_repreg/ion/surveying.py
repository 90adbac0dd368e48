"""List the rewrites that apply to each layer of a model, and the reasons why others do not."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
from keras import layers

from keras_repreg import graph
from keras_repreg.ion.draft import Draft
from keras_repreg.ion.finding import search
from keras_repreg.ion.folding import fold
from keras_repreg.ion.maps import Kind
from keras_repreg.ion.rules import row_of


@dataclass(frozen=True)
class Surveyed:
    """The rewrites that apply to one layer.

    Attributes:
        layer: The name of the layer.
        type: The name of its class.
        functions: The names of the functions of `keras_repreg.ion` that apply.
        reason: Why others do not apply; empty if all do.
    """

    layer: str
    type: str
    functions: tuple[str, ...]
    reason: str

    def __str__(self) -> str:
        can = ", ".join(self.functions) or "nothing"
        return f"{self.layer} ({self.type}): {can}" + (f"; no more: {self.reason}" if self.reason else "")


FUNCTIONS = {
    Kind.PERMUTATION: ("permute",),
    Kind.SCALING: ("permute", "rescale"),
    Kind.LINEAR: ("permute", "rescale", "orthogonal", "decorrelate", "with_covariance"),
    Kind.AFFINE: (
        "permute", "rescale", "orthogonal", "decorrelate", "with_covariance", "whiten", "align_dead_units",
    ),
}  # fmt: skip


def survey(model: keras.Model, print_fn: Callable[[str], Any] | None = print) -> list[Surveyed]:
    """Print which rewrites apply to each layer with weights, and why others do not, in one line per layer.

    Args:
        model: A built Sequential or functional model.
        print_fn: A function that prints a line; None for no output.

    Returns:
        One `Surveyed` object per line.

    Raises:
        TypeError: if `model` is not a Keras model.
        ValueError: if its graph cannot be read, because it is not built or has a custom `call`.

    Examples:
        >>> import keras, keras_repreg
        >>> model = keras.Sequential([
        ...     keras.Input((4,)),
        ...     keras.layers.Dense(3, activation="gelu", name="z"),
        ...     keras.layers.Dense(2, name="logits"),
        ... ])
        >>> rows = keras_repreg.ion.survey(model)
        z (Dense): permute, remove_units; no more: the gelu of layer 'z'
        logits (Dense): nothing; no more: layer 'logits', whose units reach an output of the model
    """
    if not isinstance(model, keras.Model):
        raise TypeError(f"Expected `model` to be a `keras.Model`. Received: {model!r}")
    if not model.built:
        raise ValueError(f"Expected a built model: call it once on data. Received: '{model.name}' without weights")
    links = graph.Graph(model)
    rows = []
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            rows.append(_surveyed(layer, (), "a nested model: pass it to `survey`"))
        elif type(layer) is layers.BatchNormalization:
            rows.append(_norm(links, layer))
        elif row_of(layer).gives:
            rows.append(_kernel(links, layer))
    if print_fn is not None:
        for row in rows:
            print_fn(str(row))
    return rows


def _kernel(links: graph.Graph, layer: Any) -> Surveyed:
    try:
        site = search(links, layer)
    except ValueError as error:
        return _surveyed(layer, (), _received(error))
    reason = site.reason(Kind.AFFINE)
    functions = FUNCTIONS[site.allows]
    if site.mixing:
        reason = reason or f"each unit depends on all others in {list(site.mixing)}"
    else:
        functions += ("remove_units",)
    return _surveyed(layer, functions, reason)


def _norm(links: graph.Graph, layer: Any) -> Surveyed:
    try:
        fold(links, layer, Draft())
    except ValueError as error:
        return _surveyed(layer, (), _received(error))
    return _surveyed(layer, ("fold_batch_norm",), "")


def _surveyed(layer: Any, functions: tuple[str, ...], reason: str) -> Surveyed:
    return Surveyed(layer.name, type(layer).__name__, functions, reason)


def _received(error: ValueError) -> str:
    """Return the obstacle from the message of an error."""
    return " ".join(str(error).split()).split("Received: ", 1)[-1]
