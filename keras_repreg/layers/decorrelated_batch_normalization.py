"""Decorrelated batch normalization, which whitens the activations of each batch."""

import math
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_repreg import batch_statistics, inverse_root, replicas, seam
from keras_repreg.arguments import one_of
from keras_repreg.layers.arrangement import Arrangement
from keras_repreg.layers.weight_factor import checked_factor

Tensor = Any

METHODS = ("exact", "newton_schulz")


@keras.saving.register_keras_serializable(package="keras_repreg")
class DecorrelatedBatchNormalization(keras.layers.Layer):
    r"""Normalizes units and removes the correlation between them: decorrelated batch normalization.

    $$\hat z = \gamma \odot (C + \epsilon I)^{-1/2} (z - \mu) + \beta$$

    with the mean and the covariance of the batch (divided by N) in training. At inference they are replaced by a moving
    mean and a moving average of the whitening matrix. The symmetric whitening matrix (ZCA) is the one that changes the
    activations least. With `groups`, neighbouring units are divided into that many groups, which are whitened
    separately.

    `method="exact"` uses an eigendecomposition of the covariance, with a gradient that is finite for equal eigenvalues
    too. `method="newton_schulz"` (IterNorm) uses only matrix products, which suits GPUs and XLA, and stops after
    `iterations`. Directions of small variance are then whitened only in part, which the paper of 2019 finds useful.
    With enough iterations the output covariance is I: an eigenvalue that is a fraction l of the trace needs about 0.9
    log2(1 / l) + 3.

    A batch should have several times as many samples as a group has units. With fewer samples than units the covariance
    is singular, and noise is amplified by up to epsilon^(-1/2) at inference.

    With `layer.trainable = False`, the layer runs in inference mode, as `BatchNormalization` does. On TensorFlow the
    exact method is not compiled by XLA, whose decomposition is slow; `jit_compile="auto"` takes this into account.

    Args:
        groups: The number of groups; it must divide the number of units.
        method: "exact" or "newton_schulz".
        iterations: The number of Newton-Schulz iterations.
        momentum: The momentum of the moving averages, in [0, 1).
        epsilon: Added to the variances, a number > 0.
        center: Whether to add beta.
        scale: Whether to multiply by gamma.
        units: Which entries are the units if activations have more than two dimensions, see
            `RepresentationRegularization`.
        data_format: See `RepresentationRegularization`.
        synchronized: Compute the statistics over the global batch of all replicas of a `tf.distribute` strategy.
        **kwargs: Arguments of `keras.layers.Layer`, such as `name` and `dtype`.

    Call arguments:
        - `inputs`: Activations (N, M), or with more dimensions if `units` is given.
        - `training`: Whether to use the statistics of the batch and update the moving averages.
        - `mask`: Samples, or positions with `units="channels"`, to keep in the statistics.

    Output shape:
        Same as the input.

    Raises:
        TypeError: if an argument has the wrong type.
        ValueError: if an argument is out of range, the shape of the activations does not fit, or `groups` does not
            divide the number of units.

    Examples:
        >>> import keras, keras_repreg, numpy as np
        >>> z = np.random.default_rng(0).normal(size=(500, 3)) @ [[1.0, 0.9, 0.0], [0.0, 1.0, 0.5], [0.0, 0.0, 2.0]]
        >>> whitened = keras_repreg.DecorrelatedBatchNormalization()(z, training=True)
        >>> bool(np.abs(np.cov(keras.ops.convert_to_numpy(whitened).T) - np.eye(3)).max() < 0.01)
        True

    Reference:
        Huang et al. (2018), "Decorrelated batch normalization"; Huang et al. (2019), "Iterative normalization: beyond
        standardization towards efficient whitening".
    """

    def __init__(
        self,
        *,
        groups: int = 1,
        method: str = "exact",
        iterations: int = 5,
        momentum: float = 0.99,
        epsilon: float = 1e-5,
        center: bool = True,
        scale: bool = True,
        units: str | None = None,
        data_format: str | None = None,
        synchronized: bool = False,
        **kwargs: Any,
    ):
        for name, number in (("groups", groups), ("iterations", iterations)):
            if isinstance(number, bool) or not isinstance(number, (int, np.integer)):
                raise TypeError(f"Expected `{name}` to be an integer. Received: {name}={number!r}")
            if number < 1:
                raise ValueError(f"Expected `{name}` to be at least 1. Received: {name}={number!r}")
        if not checked_factor(momentum, "momentum") < 1:
            raise ValueError(f"Expected `momentum` to be in [0, 1). Received: momentum={momentum!r}")
        if not checked_factor(epsilon, "epsilon") > 0:
            raise ValueError(f"Expected `epsilon` to be > 0. Received: epsilon={epsilon!r}")
        for name, flag in {"center": center, "scale": scale, "synchronized": synchronized}.items():
            if not isinstance(flag, bool):
                raise TypeError(f"Expected `{name}` to be True or False. Received: {name}={flag!r}")
        method = one_of(method, METHODS, "method")
        arrangement = Arrangement(units, data_format)
        super().__init__(**kwargs)
        self.groups = int(groups)
        self.method = method
        self.iterations = int(iterations)
        self.momentum = float(momentum)
        self.epsilon = float(epsilon)
        self.center = center
        self.scale = scale
        self.units = arrangement.units
        self.data_format = arrangement.data_format
        self.synchronized = synchronized
        self.supports_masking = True
        if method == "exact" and keras.backend.backend() == "tensorflow":
            self.supports_jit = False
        self._arrangement = arrangement

    def build(self, input_shape: Any) -> None:
        number = self._number_of_units(tuple(input_shape))
        if number % self.groups:
            raise ValueError(
                f"Expected `groups` of {self._title()} to divide the number of units. Received: groups={self.groups}, "
                f"inputs.shape={tuple(input_shape)}"
            )
        width = number // self.groups

        def identities(shape: tuple[int, ...], dtype: Any = None) -> Tensor:
            return ops.tile(ops.eye(width, dtype=dtype)[None], (self.groups, 1, 1))

        moving: dict[str, Any] = {"trainable": False, "autocast": False, "aggregation": "mean"}
        self.gamma = self.beta = None
        if self.scale:
            self.gamma = self.add_weight(shape=(number,), name="gamma", initializer="ones", autocast=False)
        if self.center:
            self.beta = self.add_weight(shape=(number,), name="beta", initializer="zeros", autocast=False)
        self.moving_mean = self.add_weight(shape=(number,), name="moving_mean", initializer="zeros", **moving)
        self.moving_matrix = self.add_weight(
            shape=(self.groups, width, width), name="moving_matrix", initializer=identities, **moving
        )

    def call(self, inputs: Tensor, *, training: bool | None = None, mask: Tensor | None = None) -> Tensor:
        own = batch_statistics.upcast(
            self._arrangement.rows(ops.convert_to_tensor(inputs, sparse=False), self._title())
        )
        with seam.full_precision(own):
            if training and self.trainable:
                own, mean, matrix = self._of_batch(own, self._arrangement.sample_weight(mask, inputs, self._title()))
            else:
                mean, matrix = (ops.cast(moving, own.dtype) for moving in (self.moving_mean, self.moving_matrix))
            # The matrices are symmetric.
            rows = self._ungrouped(ops.matmul(self._grouped(own - mean), matrix))
            if self.gamma is not None:
                rows = rows * ops.cast(self.gamma, rows.dtype)
            if self.beta is not None:
                rows = rows + ops.cast(self.beta, rows.dtype)
        return self._arrangement.restore(ops.cast(rows, self.compute_dtype), inputs)

    def _of_batch(self, own: Tensor, sample_weight: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        """Return the samples of the replica, with zeros for masked ones, the mean, and the whitening matrix."""
        if sample_weight is not None:
            sample_weight = ops.cast(sample_weight, own.dtype)
            own = batch_statistics.zero_masked_rows(own, sample_weight)
        z = own
        if self.synchronized:
            z = replicas.gather(own)
            sample_weight = None if sample_weight is None else replicas.gather(sample_weight)
        mean = batch_statistics.mean(z, sample_weight)
        share = batch_statistics.normalized_weights(z, sample_weight)
        rows = self._grouped((z - mean) * ops.sqrt(share))
        covariance = ops.matmul(ops.swapaxes(rows, 1, 2), rows)
        covariance = covariance + self.epsilon * ops.eye(covariance.shape[-1], dtype=z.dtype)
        if self.method == "exact":
            matrix = inverse_root.by_decomposition(covariance, self.epsilon)
        else:
            matrix = inverse_root.by_newton_schulz(covariance, self.iterations)
        # A single sample has no covariance.
        several = batch_statistics.number_of_samples(z, sample_weight) > 1
        change = (1 - self.momentum) * ops.cast(several, z.dtype)
        for moving, value in ((self.moving_mean, mean), (self.moving_matrix, matrix)):
            old = ops.cast(moving, z.dtype)
            moving.assign(ops.cast(old + change * (ops.stop_gradient(value) - old), moving.dtype))
        return own, mean, matrix

    def _grouped(self, rows: Tensor) -> Tensor:
        """Reshape (N, M) to (groups, N, M / groups)."""
        return ops.swapaxes(ops.reshape(rows, (-1, self.groups, rows.shape[1] // self.groups)), 0, 1)

    def _ungrouped(self, rows: Tensor) -> Tensor:
        return ops.reshape(ops.swapaxes(rows, 0, 1), (-1, self.groups * rows.shape[2]))

    def _number_of_units(self, shape: tuple[int | None, ...]) -> int:
        self._arrangement.check(shape, self._title())
        first = self.data_format == "channels_first" and self.units == "channels"
        units = shape[1:] if self.units == "flatten" else (shape[1 if first else -1],)
        if None in units:
            raise ValueError(f"{self._title()} expects a known number of units. Received: inputs.shape={shape}")
        return math.prod(units)  # type: ignore[arg-type]

    def _title(self) -> str:
        return f"{type(self).__name__} '{self.name}'"

    def compute_output_shape(self, input_shape: Any) -> Any:
        self._arrangement.check(tuple(input_shape), self._title())
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "groups": self.groups,
            "method": self.method,
            "iterations": self.iterations,
            "momentum": self.momentum,
            "epsilon": self.epsilon,
            "center": self.center,
            "scale": self.scale,
            "units": self.units,
            "data_format": self.data_format,
            "synchronized": self.synchronized,
        }
