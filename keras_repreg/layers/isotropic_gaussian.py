"""The sketched isotropic Gaussian regularizer, SIGReg, and its class-wise version."""

import functools
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_repreg import normality
from keras_repreg.batch_statistics import number_of_samples
from keras_repreg.classes import Classes
from keras_repreg.layers.base import RepresentationRegularization
from keras_repreg.layers.classwise import ClasswiseRegularization

Tensor = Any


class _Directions:
    """The random directions of a layer: redrawn in each training step, and fixed in evaluation.

    Args:
        slices: The number of directions.
        seed: An integer, or None for a random seed in training.
    """

    def __init__(self, slices: int, seed: int | None):
        for name, value in (("slices", slices), ("seed", seed)):
            optional = name == "seed" and value is None
            if not optional and (isinstance(value, bool) or not isinstance(value, (int, np.integer))):
                expected = "an integer or None" if name == "seed" else "an integer"
                raise TypeError(f"Expected `{name}` to be {expected}. Received: {name}={value!r}")
        if slices < 1:
            raise ValueError(f"Expected `slices` to be at least 1. Received: slices={slices!r}")
        if seed is not None and not 0 <= seed < 2**31:
            raise ValueError(f"Expected `seed` to be in [0, 2**31). Received: seed={seed!r}")
        self.slices = int(slices)
        self.seed = None if seed is None else int(seed)
        self.generator = keras.random.SeedGenerator(self.seed)

    def draw(self, z: Tensor, training: bool) -> Tensor:
        """Return directions for the units of z, shape (M, slices)."""
        # Prediction and evaluation change no state, so their values are comparable between epochs.
        seed = self.generator if training else (self.seed or 0)
        return normality.random_directions(z.shape[1], self.slices, keras.backend.standardize_dtype(z.dtype), seed)


@keras.saving.register_keras_serializable(package="keras_repreg")
class SIGRegularization(RepresentationRegularization):
    r"""Penalizes the distance from a standard normal distribution: SIGReg.

    $$\Omega = \frac{N}{S} \sum_s \int \left| \frac{1}{N} \sum_n e^{i t a_s^T z^n} - e^{-t^2 / 2} \right|^2
      e^{-t^2 / 2} dt$$

    This is the Epps-Pulley statistic of the projections on S random unit vectors a_s, averaged over the vectors. Its
    expectation is smallest if the activations are N(0, I): uncorrelated units with mean 0 and variance 1. The integral
    is computed as in the authors' code, by the trapezoidal rule on 17 knots from 0 to 3, doubled. With `normalize=True`
    it is divided by N.

    The directions are redrawn in each training step. Outside of training they are fixed: they are drawn from `seed`, or
    from 0 if it is None, which makes `val_loss` comparable between epochs. As with Dropout, a loaded model starts again
    from its seed, and on TensorFlow the random numbers differ with XLA.

    Activations after a ReLU are never normal: put the layer before the activation.

    The layer needs memory for a few arrays of 16 N S numbers.

    Args:
        weight: Loss weight, a finite number >= 0.
        slices: S, the number of directions in each step.
        seed: The seed of the directions, an integer in [0, 2**31). By default they differ between runs, unless
            `keras.utils.set_random_seed` has been called.
        normalize: Whether to divide by the number of samples.
        **kwargs: As in `RepresentationRegularization`.

    Input shape:
        (N, M): N samples of M units.

    Output shape:
        Same as the input, which is returned unchanged.

    Raises:
        TypeError, ValueError: see `RepresentationRegularization`; or if `slices` or `seed` is not an integer or out of
            range.

    Examples:
        >>> import keras, keras_repreg
        >>> layer = keras_repreg.SIGRegularization(1.0, seed=0)
        >>> values = []
        >>> for scale in (0.1, 1.0, 10.0):
        ...     z = layer(scale * keras.random.normal((500, 8), seed=1))
        ...     values.append(float(layer.losses[0]))
        >>> values[1] < 2 < 100 < min(values[0], values[2])
        True

    Reference:
        Balestriero and LeCun (2025), "LeJEPA: provable and scalable self-supervised learning without the heuristics".
    """

    def __init__(
        self,
        weight: float = 0.01,
        *,
        slices: int = 256,
        seed: int | None = None,
        normalize: bool = False,
        **kwargs: Any,
    ):
        directions = _Directions(slices, seed)
        super().__init__(weight, normalize=normalize, **kwargs)
        self.slices, self.seed = directions.slices, directions.seed
        self.seed_generator = directions.generator
        self._directions = directions

    def omega(self, z: Tensor, sample_weight: Tensor | None = None, training: bool = False) -> Tensor:
        return normality.epps_pulley(z, self._directions.draw(z, training), sample_weight)

    def normalizer(self, z: Tensor, sample_weight: Tensor | None = None) -> Tensor:
        return number_of_samples(z, sample_weight)

    def _omega(self, training: bool | None) -> Callable[..., Tensor]:
        return functools.partial(self.omega, training=bool(training))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "slices": self.slices, "seed": self.seed}


@keras.saving.register_keras_serializable(package="keras_repreg")
class ClasswiseSIGRegularization(ClasswiseRegularization):
    r"""Penalizes the distance of each class from an isotropic normal distribution with its mean and variance.

    Omega = sum over k of the statistic of `SIGRegularization` for the samples of class k, minus their mean (eq. 11) and
    divided by

    $$s_k = \sqrt{\frac{1}{M} \sum_i v_i^{(k)}}$$

    which is one factor for all units of a class. So the means and scales of the classes do not matter, only their
    shapes: Omega is smallest if, within each class, units are uncorrelated, have equal variances and are normal. With
    `normalize=True` it is divided by N, which gives the mean over samples of the distance of their class for any K. A
    class with one sample, or with identical samples, contributes zero.

    Args:
        weight: Loss weight, a finite number >= 0.
        slices: The number of random directions in each step.
        seed: The seed of the directions, see `SIGRegularization`.
        normalize: Whether to divide by the number of samples.
        **kwargs: `num_classes`, `label_key`, `soft_labels`, `ignore_class` and the other arguments of
            `ClasswiseRegularization`. With `soft_labels=True`, classes are processed one at a time.

    Call arguments:
        - `inputs`: Activations (N, M), or a list `[activations, labels]`.
        - `labels`: Class ids (N,) or (N, 1), or one-hot or soft (N, K).

    Output shape:
        Same as the activations, which are returned unchanged.

    Raises:
        TypeError, ValueError: see `ClasswiseRegularization`; or if `slices` or `seed` is not an integer or out of
            range.

    Examples:
        >>> import keras, keras_repreg
        >>> layer = keras_repreg.ClasswiseSIGRegularization(1.0, seed=0)
        >>> labels = keras.ops.arange(500) % 2
        >>> z = keras.random.normal((500, 8), seed=1)
        >>> z = layer([3 * z + 100 * keras.ops.cast(labels, "float32")[:, None], labels])  # two normal classes
        >>> float(layer.losses[0]) < 2
        True

    Reference:
        Balestriero and LeCun (2025) for the statistic; here it is computed within classes.
    """

    def __init__(
        self,
        weight: float = 0.01,
        *,
        slices: int = 256,
        seed: int | None = None,
        normalize: bool = False,
        **kwargs: Any,
    ):
        directions = _Directions(slices, seed)
        super().__init__(weight, normalize=normalize, **kwargs)
        self.slices, self.seed = directions.slices, directions.seed
        self.seed_generator = directions.generator
        self._directions = directions

    def omega(self, z: Tensor, classes: Classes, training: bool = False) -> Tensor:
        return classes.epps_pulley_sum(z, self._directions.draw(z, training))

    def _omega(self, training: bool | None) -> Callable[..., Tensor]:
        return functools.partial(self.omega, training=bool(training))

    def _divisor(self, z: Tensor, classes: Classes, sample_weight: Tensor | None) -> Tensor:
        return ops.maximum(classes.samples(), 1)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "slices": self.slices, "seed": self.seed}
