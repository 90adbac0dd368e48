"""One regularizer of the output of a layer, chosen by KerasTuner's hyperparameters or by name."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from keras_repreg.arguments import one_of
from keras_repreg.layers import DecorrelatedBatchNormalization
from keras_repreg.regularizer_set import ALL_REGULARIZERS, GRID, REGULARIZERS
from keras_repreg.tuning.kernel import kernel_layer, penalize_kernel

# The starting values of a search: the weight that is best most often in Table 6, and the usual dropout rate.
FIRST_WEIGHT = 1.0
FIRST_RATE = 0.5
RATES = (0.1, 0.3, 0.5, 0.7)
KERNEL_NORMS = ("L1W", "L2W")
# The maximum number of units per group of DBN, whose covariance a batch of 100 samples can determine.
GROUP_WIDTH = 16


@dataclass(frozen=True)
class Regularization:
    """A regularizer with its strength; call it to regularize a symbolic tensor.

    | name | effect on the output of a layer |
    | --- | --- |
    | Baseline | nothing |
    | L1W, L2W | adds `weight` times the mean of abs(w), of w^2, over the kernel w of that layer |
    | Dropout | `keras.layers.Dropout(rate)` |
    | BN | `keras.layers.BatchNormalization()` |
    | CR, cw-CR, VR, cw-VR, L1R | adds `weight` times the penalty of Table 5, normalised (`normalize=True`) |
    | RR, cw-RR | adds `weight` times the penalty of Table 5, Hölder's bound, not normalised |
    | DBN | `DecorrelatedBatchNormalization`, by Newton-Schulz, in equal groups of at most 16 units |
    | VC, SIG, cw-SIG | adds `weight` times the normalised penalty; both terms of VC have this weight |

    Args:
        name: One of `keras_repreg.tuning.NAMES` or `LATER_NAMES`.
        weight: The loss weight, for all except Baseline, Dropout, BN and DBN.
        rate: The rate, for Dropout.

    Raises:
        TypeError: if `weight` or `rate` is not a number.
        ValueError: if the name is none of these, the weight is negative or not finite, the rate is not in [0, 1), or
            one of them is required but missing, or given but not applicable.

    Examples:
        >>> import keras, keras_repreg
        >>> x = keras.Input((4,))
        >>> z = keras.layers.Dense(8, activation="relu")(x)
        >>> z = keras_repreg.tuning.Regularization("cw-VR", weight=1.0)(z)
        >>> model = keras_repreg.Model(x, keras.layers.Dense(3)(z))
        >>> model.get_layer("regularization").weight
        1.0

    Reference:
        Section 6.2, Table 5 and Appendix D.1 of Choi, Lee, Shin and Rhee (2018), "On the statistical and
        information-theoretic characteristics of deep network representations".
    """

    name: str
    weight: float | None = None
    rate: float | None = None

    def __post_init__(self) -> None:
        one_of(self.name, list(ALL_REGULARIZERS), "name")
        _check_strength(self.name, "weight", self.weight, bool(ALL_REGULARIZERS[self.name].weights), math.inf)
        _check_strength(self.name, "rate", self.rate, self.name == "Dropout", 1.0)

    @classmethod
    def choose(
        cls, hp: Any, *, names: Sequence[str] | None = None, prefix: str = "regularization", grid: bool = False
    ) -> "Regularization":
        """Let hyperparameters choose, as the first step of `choose_regularization`, with the same arguments."""
        chosen = checked_names(names)
        check_hyperparameters(hp, prefix)
        name = hp.Choice(prefix, chosen, default=chosen[0])
        weight = rate = None
        weighted = [each for each in chosen if ALL_REGULARIZERS[each].weights]
        if weighted:
            # One weight for all of them, since the range is the same: separate weights would give a Gaussian process
            # nine dimensions instead of one.
            with hp.conditional_scope(prefix, weighted):
                weight = weight_of(hp, f"{prefix}_weight", grid)
        if "Dropout" in chosen:
            with hp.conditional_scope(prefix, ["Dropout"]):
                rate = rate_of(hp, f"{prefix}_rate", grid)
        return cls(name, weight, rate)

    def __call__(
        self,
        x: Any,
        labels: Any = None,
        *,
        activation: Any = None,
        label_key: str | int | None = None,
        layer_name: str = "regularization",
    ) -> Any:
        """Regularize a symbolic tensor; arguments as in `choose_regularization`."""
        check_tensor(x)
        if self.name in KERNEL_NORMS:
            penalize_kernel(kernel_layer(x), {self.name: float(self.weight or 0.0)})
        if self.before_activation and activation is not None:
            kind = "batch_normalization" if self.name in ("BN", "DBN") else "penalty"
            x = self.apply(x, labels, label_key, f"{layer_name}_{kind}")
            return keras.layers.Activation(activation, name=layer_name)(x)
        if activation is not None:
            x = keras.layers.Activation(activation, name=f"{layer_name}_activation")(x)
        return self.apply(x, labels, label_key, layer_name)

    @property
    def before_activation(self) -> bool:
        """Whether the regularizer belongs before an activation rather than after it."""
        return ALL_REGULARIZERS[self.name].before_activation

    def apply(self, x: Any, labels: Any, label_key: str | int | None, name: str) -> Any:
        """Return the output of a layer of this name that regularizes x; an identity for Baseline, L1W and L2W."""
        regularizer = ALL_REGULARIZERS[self.name]
        if self.name == "BN":
            return keras.layers.BatchNormalization(name=name)(x)
        if self.name == "DBN":
            groups = next(g for g in range(1, x.shape[1] + 1) if x.shape[1] % g == 0 and x.shape[1] / g <= GROUP_WIDTH)
            return DecorrelatedBatchNormalization(groups=groups, method="newton_schulz", name=name)(x)
        if self.name == "Dropout":
            return keras.layers.Dropout(self.rate, name=name)(x)
        if not regularizer.layer:
            return keras.layers.Identity(name=name)(x)
        weight = float(self.weight or 0.0)
        if not regularizer.classwise:
            return regularizer.keras_layer(weight, name=name)(x)
        layer = regularizer.keras_layer(weight, name=name, label_key=label_key)
        return layer(x) if labels is None else layer([x, labels])


def choose_regularization(
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
    """Regularize the output of a layer with the regularizer that the hyperparameters choose.

    Call it in a model-building function of KerasTuner, in the place of a Dropout. It registers

    - `regularization`, the name of one of the twelve;
    - `regularization_weight`, if it has a loss weight: on a log scale from 0.001 to 100, the range of Appendix D.1;
    - `regularization_rate`, if it is Dropout: from 0.1 to 0.7.

    For any choice, the regularized output is that of a layer named `regularization` (the prefix), so it can be logged
    and measured by that name. `Regularization` describes the effect of each one.

    In the paper, BN is between the weights of a layer and its activation. To do the same, pass the activation here
    instead of to the layer: `choose_regularization(hp, Dense(100)(x), activation="relu")`. BN then normalizes before
    the activation, and all others act on the activations. Without `activation`, BN normalizes `x`; if `x` is the output
    of a ReLU, this is after the ReLU.

    Class-wise penalties need the labels of the batch: pass them here as a `keras.Input`, or use `keras_repreg.Model` or
    `keras_repreg.label_aware(model)`. `RegularizerSearch` does this automatically.

    Args:
        hp: `keras_tuner.HyperParameters`.
        x: A symbolic tensor of shape (samples, units): the output of a layer.
        labels: A symbolic tensor of class labels, see `ClasswiseRegularization`; by default the labels given to `fit`.
        names: Names from `NAMES` and `LATER_NAMES` to choose from, the first being the default; by default `NAMES`.
        prefix: The prefix of the names of hyperparameters and layers, different for each call in a model.
        activation: An activation to apply to `x`: before the regularizer, but after BN.
        grid: Use only the six weights of Appendix D.1, {0.001, 0.01, 0.1, 1, 10, 100}, and four rates, for a grid
            search.
        label_key: The entry that holds the labels, if the targets are a dict, list or tuple.

    Returns:
        The regularized tensor, of the same shape as `x`.

    Raises:
        TypeError: if `hp` is not HyperParameters or `x` is not a symbolic tensor.
        ValueError: if a name is none of these, `x` is not of rank 2, or, with L1W or L2W among the names, `x`
            does not come from a layer with a kernel that has no regularizer yet.

    Examples:
        >>> import keras, keras_repreg, keras_tuner
        >>> def build(hp):
        ...     x = keras.Input((4,))
        ...     z = keras.layers.Dense(8)(x)
        ...     z = keras_repreg.tuning.choose_regularization(hp, z, activation="relu")
        ...     model = keras_repreg.Model(x, keras.layers.Dense(3)(z))
        ...     model.compile("adam", keras.losses.SparseCategoricalCrossentropy(True), metrics=["accuracy"])
        ...     return model
        >>> hp = keras_tuner.HyperParameters()
        >>> hp.values = {"regularization": "cw-CR", "regularization_weight": 10.0}
        >>> type(build(hp).get_layer("regularization")).__name__
        'ClasswiseCovarianceRegularization'

    Reference:
        Section 6.2 of Choi, Lee, Shin and Rhee (2018), "On the statistical and information-theoretic characteristics
        of deep network representations".
    """
    # Checked before anything is registered and for any choice, so that a search fails immediately or not at all.
    chosen = checked_names(names)
    check_tensor(x)
    if set(KERNEL_NORMS) & set(chosen):
        kernel_layer(x)
    regularization = Regularization.choose(hp, names=chosen, prefix=prefix, grid=grid)
    return regularization(x, labels, activation=activation, label_key=label_key, layer_name=prefix)


def weight_of(hp: Any, name: str, grid: bool) -> float | None:
    """Return the hyperparameter of a loss weight, or None if it is inactive."""
    return _number(hp, name, GRID, FIRST_WEIGHT, grid, sampling="log")


def rate_of(hp: Any, name: str, grid: bool) -> float | None:
    """Return the hyperparameter of a dropout rate, or None if it is inactive."""
    return _number(hp, name, RATES, FIRST_RATE, grid, sampling="linear")


def _number(hp: Any, name: str, values: Sequence[float], first: float, grid: bool, sampling: str) -> float | None:
    if grid:
        return hp.Choice(name, list(values), default=first)
    return hp.Float(name, values[0], values[-1], sampling=sampling, default=first)


def checked_names(names: Sequence[str] | None, default: Sequence[str] = tuple(REGULARIZERS)) -> list[str]:
    """Return the names to choose from as a list.

    Raises:
        ValueError: if there are no names, or some are unknown or duplicated.
    """
    chosen = list(default) if names is None else [names] if isinstance(names, str) else list(names)
    if not chosen or len(set(chosen)) < len(chosen) or not set(chosen) <= set(ALL_REGULARIZERS):
        raise ValueError(
            f"Expected `names` to be distinct names from {list(ALL_REGULARIZERS)}. Received: names={names!r}"
        )
    return chosen


def check_hyperparameters(hp: Any, prefix: str) -> None:
    """Check the arguments for registering hyperparameters.

    Raises:
        TypeError: if `hp` is not HyperParameters.
        ValueError: if `prefix` is not a name.
    """
    if not all(callable(getattr(hp, method, None)) for method in ("Choice", "Float", "conditional_scope")):
        raise TypeError(f"Expected `hp` to be KerasTuner's HyperParameters. Received: hp={hp!r}")
    if not isinstance(prefix, str) or not prefix:
        raise ValueError(f"Expected `prefix` to be a name. Received: prefix={prefix!r}")


def check_tensor(x: Any) -> None:
    """Check the tensor to regularize.

    Raises:
        TypeError: if `x` is not symbolic.
        ValueError: if it is not of rank 2.
    """
    if not isinstance(x, keras.KerasTensor):
        raise TypeError(f"Expected `x` to be a symbolic tensor, the output of a layer. Received: x={x!r}")
    if len(x.shape) != 2:
        raise ValueError(
            "Expected `x` of shape (samples, units); put a Flatten or pooling layer before it. "
            f"Received: x.shape={tuple(x.shape)}"
        )


def _check_strength(name: str, argument: str, value: Any, needed: bool, limit: float) -> None:
    if not needed:
        if value is not None:
            raise ValueError(f"Expected no `{argument}`, because {name} has none. Received: {argument}={value!r}")
        return
    if value is None:
        raise ValueError(f"Expected a `{argument}` for {name}. Received: {argument}=None")
    if isinstance(value, bool) or not isinstance(value, (int, float, np.number)):
        raise TypeError(f"Expected `{argument}` to be a number. Received: {argument}={value!r}")
    if not 0 <= value < limit:
        raise ValueError(f"Expected `{argument}` in [0, {limit:g}). Received: {argument}={value!r}")
