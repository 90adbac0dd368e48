"""Regularization cocktails: several regularizers, each chosen by KerasTuner's hyperparameters."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras

from keras_repreg.regularizer_set import ALL_REGULARIZERS
from keras_repreg.tuning.kernel import kernel_layer, penalize_kernel
from keras_repreg.tuning.regularization import (
    KERNEL_NORMS,
    Regularization,
    check_hyperparameters,
    check_tensor,
    checked_names,
    rate_of,
    weight_of,
)

INGREDIENTS = tuple(name for name in ALL_REGULARIZERS if name != "Baseline")


@dataclass(frozen=True)
class Cocktail:
    """Several regularizers with their strengths; called with a symbolic tensor, they regularize it together.

    They are always applied in this order: L1W and L2W on the kernel; BN and DBN, SIG and cw-SIG before the activation;
    the activation; the other penalties; Dropout.

    Args:
        regularizations: The regularizations, without Baseline; an empty cocktail is the baseline.

    Raises:
        TypeError: if one is not a `Regularization`.
        ValueError: if one is Baseline, or two have the same name.

    Examples:
        >>> import keras, keras_repreg
        >>> from keras_repreg.tuning import Cocktail, Regularization
        >>> cocktail = Cocktail((Regularization("cw-CR", weight=1.0), Regularization("Dropout", rate=0.3)))
        >>> str(cocktail)
        'cw-CR 1 + Dropout 0.3'
        >>> x = keras.Input((4,))
        >>> z = cocktail(keras.layers.Dense(8)(x), activation="relu")
        >>> [layer.name for layer in keras_repreg.Model(x, z).layers[2:]]
        ['regularization_activation', 'regularization_cw-CR', 'regularization_Dropout', 'regularization']

    Reference:
        Kadra, Lindauer, Hutter and Grabocka (2021), "Well-tuned simple nets excel on tabular datasets".
    """

    regularizations: tuple[Regularization, ...] = ()

    def __post_init__(self) -> None:
        given = tuple(self.regularizations)
        for each in given:
            if not isinstance(each, Regularization):
                raise TypeError(f"Expected each of `regularizations` to be a Regularization. Received: {each!r}")
        names = [each.name for each in given]
        if "Baseline" in names or len(set(names)) < len(names):
            raise ValueError(f"Expected distinct `regularizations` without Baseline. Received: {names}")
        object.__setattr__(self, "regularizations", given)

    @property
    def name(self) -> str:
        """The names of the regularizers, such as "BN + cw-CR"; "Baseline" for none."""
        return " + ".join(each.name for each in self.regularizations) or "Baseline"

    def __str__(self) -> str:
        parts = ((each.name, each.weight if each.rate is None else each.rate) for each in self.regularizations)
        return " + ".join(name if size is None else f"{name} {size:.4g}" for name, size in parts) or "Baseline"

    @classmethod
    def choose(
        cls, hp: Any, *, names: Sequence[str] | None = None, prefix: str = "regularization", grid: bool = False
    ) -> "Cocktail":
        """Let hyperparameters choose a cocktail, as the first step of `choose_cocktail`, with the same arguments."""
        chosen = checked_names(names, INGREDIENTS)
        if "Baseline" in chosen:
            raise ValueError(
                f"Expected `names` without Baseline, which is the empty cocktail. Received: names={names!r}"
            )
        check_hyperparameters(hp, prefix)
        parts = []
        for name in chosen:
            switch = f"{prefix}_{name}"
            on = hp.Boolean(switch)
            weight = rate = None
            with hp.conditional_scope(switch, [True]):
                if ALL_REGULARIZERS[name].weights:
                    weight = weight_of(hp, f"{switch}_weight", grid)
                if name == "Dropout":
                    rate = rate_of(hp, f"{switch}_rate", grid)
            if on:
                parts.append(Regularization(name, weight, rate))
        return cls(tuple(parts))

    @classmethod
    def from_values(cls, values: dict[str, Any], prefix: str = "regularization") -> "Cocktail":
        """Return the cocktail described by values of hyperparameters."""
        on = [name for name in INGREDIENTS if values.get(f"{prefix}_{name}") is True]

        def strength(name: str, kind: str) -> float | None:
            return values.get(f"{prefix}_{name}_{kind}")

        return cls(tuple(Regularization(name, strength(name, "weight"), strength(name, "rate")) for name in on))

    def __call__(
        self,
        x: Any,
        labels: Any = None,
        *,
        activation: Any = None,
        label_key: str | int | None = None,
        layer_name: str = "regularization",
    ) -> Any:
        """Regularize a symbolic tensor; arguments as in `choose_cocktail`."""
        check_tensor(x)
        norms = {each.name: float(each.weight or 0.0) for each in self.regularizations if each.name in KERNEL_NORMS}
        if norms:
            penalize_kernel(kernel_layer(x), norms)
        others = [each for each in self.regularizations if each.name not in KERNEL_NORMS]
        # Normalizations come before the penalties on their outputs, and Dropout comes last.
        others.sort(key=lambda each: (each.name == "Dropout", each.name not in ("BN", "DBN")))

        def applied(x: Any, parts: list[Regularization]) -> Any:
            for each in parts:
                x = each.apply(x, labels, label_key, f"{layer_name}_{each.name}")
            return x

        x = applied(x, [each for each in others if each.before_activation])
        if activation is not None:
            x = keras.layers.Activation(activation, name=f"{layer_name}_activation")(x)
        x = applied(x, [each for each in others if not each.before_activation])
        return keras.layers.Identity(name=layer_name)(x)


def choose_cocktail(
    hp: Any,
    x: Any,
    labels: Any = None,
    *,
    names: Sequence[str] | None = None,
    prefix: str = "regularization",
    activation: Any = None,
    grid: bool = False,
    label_key: str | int | None = None,
) -> Any:
    """Regularize the output of a layer with all regularizers that the hyperparameters switch on.

    Unlike `choose_regularization`, which chooses one regularizer, this function switches each one on or off, with a
    separate strength. For each name it registers the boolean hyperparameter `regularization_<name>` and, if it is on,
    `regularization_<name>_weight` or, for Dropout, `regularization_<name>_rate`.

    Args:
        hp: `keras_tuner.HyperParameters`.
        x: A symbolic tensor of shape (samples, units): the output of a layer.
        labels: A symbolic tensor of class labels, see `ClasswiseRegularization`; by default the labels given to `fit`.
        names: Names from `NAMES` and `LATER_NAMES`, without Baseline; all by default.
        prefix: The prefix of the names of hyperparameters and layers, different for each call in a model.
        activation: An activation to apply to `x`; see `Cocktail` for the order.
        grid: Use only the six weights of Appendix D.1 and four rates.
        label_key: The entry that holds the labels, if the targets are a dict, list or tuple.

    Returns:
        The regularized tensor, of the same shape as `x`: the output of a layer named `regularization` (the prefix).

    Raises:
        TypeError: if `hp` is not HyperParameters or `x` is not a symbolic tensor.
        ValueError: if a name is none of these, `x` is not of rank 2, or, with L1W or L2W among the names, `x` does not
            come from a layer with a kernel that has no regularizer yet.

    Examples:
        >>> import keras, keras_repreg, keras_tuner
        >>> hp = keras_tuner.HyperParameters()
        >>> hp.values = {"regularization_cw-CR": True, "regularization_cw-CR_weight": 10.0, "regularization_BN": True}
        >>> z = keras.layers.Dense(8)(keras.Input((4,)))
        >>> z = keras_repreg.tuning.choose_cocktail(hp, z, names=["BN", "cw-CR", "Dropout"])
        >>> sorted(hp.values)
        ['regularization_BN', 'regularization_Dropout', 'regularization_cw-CR', 'regularization_cw-CR_weight']

    Reference:
        Kadra, Lindauer, Hutter and Grabocka (2021), "Well-tuned simple nets excel on tabular datasets".
    """
    # Checked before anything is registered and for any choice, so that a search fails immediately or not at all.
    chosen = checked_names(names, INGREDIENTS)
    check_tensor(x)
    if set(KERNEL_NORMS) & set(chosen):
        kernel_layer(x)
    cocktail = Cocktail.choose(hp, names=chosen, prefix=prefix, grid=grid)
    return cocktail(x, labels, activation=activation, label_key=label_key, layer_name=prefix)
