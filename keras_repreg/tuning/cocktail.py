"""Several regularizers at once: a regularization cocktail, of which KerasTuner's hyperparameters choose each part."""

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

    They act in this order, whatever the order in which they are given: L1W and L2W on the kernel; BN and DBN, SIG and
    cw-SIG before the activation; the activation; the other penalties; Dropout.

    Args:
        regularizations: One `Regularization` for each of them, without Baseline; none is the baseline.

    Raises:
        TypeError: if one is no `Regularization`.
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
                raise TypeError(f"Expected `regularizations` of type Regularization. Received: {each!r}")
        names = [each.name for each in given]
        if "Baseline" in names or len(set(names)) < len(names):
            raise ValueError(f"Expected different `regularizations`, and no Baseline among them. Received: {names}")
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
        """Let hyperparameters choose; what `choose_cocktail` does first, and takes the same arguments."""
        chosen = checked_names(names, INGREDIENTS)
        if "Baseline" in chosen:
            raise ValueError(
                f"Expected `names` without Baseline, which is the cocktail of nothing. Received: names={names!r}"
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
        """The cocktail that the values of hyperparameters say."""
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
        """Regularize a symbolic tensor; arguments as those of `choose_cocktail`."""
        check_tensor(x)
        norms = {each.name: float(each.weight or 0.0) for each in self.regularizations if each.name in KERNEL_NORMS}
        if norms:
            penalize_kernel(kernel_layer(x), norms)
        others = [each for each in self.regularizations if each.name not in KERNEL_NORMS]
        # Normalizations come before the penalties that see what they make, and Dropout comes last.
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
    """Regularize the output of a layer with all the regularizers that the hyperparameters switch on.

    As `choose_regularization`, which chooses one of them. Here each is on or off by itself, with a strength of its own:
    for each name, the hyperparameters `regularization_<name>`, a boolean, and if it is on
    `regularization_<name>_weight` or, of Dropout, `regularization_<name>_rate`.

    Args:
        hp: `keras_tuner.HyperParameters`.
        x: A symbolic tensor of shape (samples, units): the output of a layer.
        labels: A symbolic tensor of class labels, see `ClasswiseRegularization`; by default those of the surrounding
            model.
        names: Which of `NAMES` and `LATER_NAMES` to switch, without Baseline; by default all.
        prefix: Of the names of hyperparameters and layers; another one for each call in one model.
        activation: An activation to apply to `x`; `Cocktail` says what comes before it and what after.
        grid: Only the six weights of Appendix D.1 and four rates.
        label_key: Which entry of dict, list or tuple targets holds the labels.

    Returns:
        The regularized tensor, of the shape of `x`: the output of a layer called `regularization` (the prefix).

    Raises:
        TypeError: if `hp` is not HyperParameters or `x` not a symbolic tensor.
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
    # Before anything is registered, and whatever is chosen: a search must fail at once or not at all.
    chosen = checked_names(names, INGREDIENTS)
    check_tensor(x)
    if set(KERNEL_NORMS) & set(chosen):
        kernel_layer(x)
    cocktail = Cocktail.choose(hp, names=chosen, prefix=prefix, grid=grid)
    return cocktail(x, labels, activation=activation, label_key=label_key, layer_name=prefix)
