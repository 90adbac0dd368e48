"""The base class of the penalties that are computed class by class, from labels as a side input."""

import warnings
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_repreg import seam
from keras_repreg.arrays import to_numpy
from keras_repreg.classes import Classes, HardClasses, SoftClasses
from keras_repreg.labels import (
    LABEL_OPTIONS,
    check_label_values,
    class_ids,
    current_labels,
    responsibilities,
    select_target,
)
from keras_repreg.layers.base import RepresentationRegularization

Tensor = Any

# Labels are checked in slices of this many rows.
ROWS = 8192


class ClasswiseRegularization(RepresentationRegularization):
    """Base class of the penalties that are computed class by class, from labels as a side input.

    A penalty of your own defines `omega(self, z, classes)`, with `classes` a `keras_repreg.classes.Classes`.

    Without labels, prediction passes activations on, an evaluation leaves the penalty out with a warning, and training
    is an error.

    Args:
        weight: Loss weight, a finite number >= 0.
        normalize: Divide Omega by its number of terms (see each layer), so that the same weight suits any width
            and number of classes.
        num_classes: K for `normalize=True`, and the width that one-hot labels must have. By default the
            number of classes present in the batch.
        label_key: Which entry of dict, list or tuple targets holds the labels.
        soft_labels: Whether labels are soft: rows of numbers >= 0, how much the sample belongs to each class, as
            after mixup or label smoothing. Class-wise statistics are then weighted by them. Binary labels of shape
            (N,) or (N, 1) that are smoothed (0.05 and 0.95, say) are the probability of the second of two classes. By
            default labels are hard, and the largest entry of a row is the class.
        ignore_class: The id of samples to leave out, such as -1 or 255; for hard labels. What a mask excludes is left
            out as well.
        **kwargs: `units`, `data_format`, `synchronized` and `penalize_evaluation` as in
            `RepresentationRegularization`, and arguments of `keras.layers.Layer`, such as `name` and `dtype`.

    Call arguments:
        inputs: Activations (N, M), or a list `[activations, labels]`.
        labels: Class ids of shape (N,) or (N, 1), which are taken as int32, or one-hot or soft of shape (N, K). By
            default those of the surrounding `label_scope`. With `units="channels"` they are those of all positions of
            a sample; labels with the positions' dimensions, (N, ..., 1) or one-hot (N, ..., K), or ids (N, ...) where
            there are two of these dimensions or more, are those of each position.
        training: Whether labels are required.

    Output shape:
        That of the activations.

    Raises:
        TypeError: if an argument has the wrong type.
        ValueError: if an argument is out of range, the shape of the activations does not fit, the labels do not fit
            them, or there are none in training.
    """

    def __init__(
        self,
        weight: float = 0.01,
        *,
        normalize: bool = False,
        num_classes: int | None = None,
        label_key: str | int | None = None,
        soft_labels: bool = False,
        ignore_class: int | None = None,
        **kwargs: Any,
    ):
        for name, value in (("num_classes", num_classes), ("ignore_class", ignore_class)):
            if value is not None and (isinstance(value, bool) or not isinstance(value, (int, np.integer))):
                raise TypeError(f"Expected `{name}` to be an integer or None. Received: {name}={value!r}")
        if num_classes is not None and num_classes < 1:
            raise ValueError(f"Expected `num_classes` to be at least 1. Received: num_classes={num_classes!r}")
        if isinstance(label_key, bool) or not isinstance(label_key, (str, int, type(None))):
            raise TypeError(f"Expected `label_key` to be a string, an integer or None. Received: {label_key!r}")
        if ignore_class is not None and not -(2**31) <= ignore_class < 2**31:
            raise ValueError(f"Expected `ignore_class` to fit in int32. Received: ignore_class={ignore_class!r}")
        if not isinstance(soft_labels, bool):
            raise TypeError(f"Expected `soft_labels` to be True or False. Received: soft_labels={soft_labels!r}")
        if soft_labels and ignore_class is not None:
            raise ValueError(
                "Expected `ignore_class` with hard labels only; a row of zeros leaves out a sample with soft ones. "
                f"Received: soft_labels=True, ignore_class={ignore_class!r}"
            )
        super().__init__(weight, normalize=normalize, **kwargs)
        self.num_classes = None if num_classes is None else int(num_classes)
        self.label_key = label_key
        self.soft_labels = soft_labels
        self.ignore_class = None if ignore_class is None else int(ignore_class)
        self.labels_from_scope: bool | None = None  # not known until the layer is called
        self._left_out = False
        self._warned = False

    def omega(self, z: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """Return Omega for activations of shape (N, M) and their `Classes`, a scalar: `omega(self, z, classes)`."""
        raise NotImplementedError(f"{type(self).__name__} must define `omega(self, z, classes)`.")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        inputs = args[0] if args else kwargs.get("inputs")
        passed = isinstance(inputs, (list, tuple)) or len(args) > 1 or kwargs.get("labels") is not None
        self.labels_from_scope = not passed
        return super().__call__(*args, **kwargs)

    def call(
        self,
        inputs: Any,
        labels: Tensor | None = None,
        *,
        training: bool | None = None,
        mask: Any = None,
        inputs_mask: Tensor | None = None,  # where Keras puts it if the labels are an argument of their own
    ) -> Tensor:
        # A mask that is given comes before the one that the activations carry.
        z, mask = inputs, inputs_mask if mask is None else mask
        if isinstance(inputs, (list, tuple)):
            if len(inputs) != 2:
                raise ValueError(
                    f"{self._who()} expects `[activations, labels]`. Received: a list of {len(inputs)} inputs"
                )
            z, labels = inputs
            mask = mask[0] if isinstance(mask, (list, tuple)) else mask
        if not self._is_active(training):
            return z
        if labels is None:
            labels = current_labels(self.label_key)
        self._left_out = labels is None
        if labels is not None:
            self._penalize(self._classwise_omega(z, labels, mask, training), training)
        elif training:
            raise ValueError(f"{self._who()} got no labels while training. {LABEL_OPTIONS} Received: labels=None")
        else:
            # Read back by a model that evaluates, and by none that predicts: see `on_losses_read`.
            self.add_loss(ops.zeros((), "float64" if "float64" in str(z.dtype) else "float32"))
        return z

    def _classwise_omega(self, inputs: Tensor, labels: Tensor, mask: Tensor | None, training: bool | None) -> Tensor:
        z, sample_weight = self._samples(inputs, mask)
        labels = self._arrangement.labels(labels, inputs, self._who(), self.num_classes)
        with seam.full_precision(z):
            classes = self._classes(self._global(labels), z, sample_weight)
            omega = self._omega(training)(classes.zero_masked_rows(z), classes)
            if self.normalize:
                omega = omega / self._divisor(z, classes, sample_weight)
        return omega

    def _divisor(self, z: Tensor, classes: Classes, sample_weight: Tensor | None) -> Tensor:
        """What Omega is divided by under `normalize=True`: `normalizer` times K."""
        number = classes.number() if self.num_classes is None else float(self.num_classes)
        return self._weighted(self.normalizer, z, sample_weight) * number

    def _classes(self, labels: Tensor, z: Tensor, sample_weight: Tensor | None = None) -> Classes:
        """The classes of the samples, each of which counts as much as its weight says."""
        dtype = keras.backend.standardize_dtype(z.dtype)
        if self.soft_labels:
            return SoftClasses(ops.cast(responsibilities(labels, z, self.num_classes), dtype), sample_weight)
        ids = class_ids(labels, z, self.num_classes)
        if self.ignore_class is not None:
            kept = ops.cast(ops.not_equal(ids, self.ignore_class), dtype)
            sample_weight = kept if sample_weight is None else kept * sample_weight
        return HardClasses(ids, dtype, sample_weight)

    def check_targets(self, y: Any) -> None:
        """Check the values of targets from which this layer takes its labels.

        Raises:
            ValueError: if they hold no class labels: see `keras_repreg.labels.check_label_values`.
        """
        if self.labels_from_scope is False:
            return
        labels = select_target(y, self.label_key, "label_key")
        integers = str(getattr(labels, "dtype", "")).startswith(("int", "uint"))
        by_position = self.units == "channels" and integers  # ids of positions look like rows
        if by_position or getattr(labels, "ndim", 0) == 0:
            return
        # In slices: what is computed of large one-hot arrays would take their memory several times over.
        for start in range(0, len(labels), ROWS):
            values = to_numpy(labels[start : start + ROWS])
            if values.dtype.kind not in "biuf":
                return
            try:
                check_label_values(
                    values.reshape(-1, values.shape[-1]) if values.ndim > 2 else values, soft=self.soft_labels
                )
            except ValueError as error:
                raise ValueError(f"{self._who()}: {error}") from error

    def on_losses_read(self, losses: list[Tensor]) -> None:
        if self._left_out and losses and not self._warned:
            self._warned = True
            warnings.warn(
                f"The penalty of {self._who()} is left out of this evaluation, since the layer got no labels. "
                f"{LABEL_OPTIONS}",
                stacklevel=2,
            )
        super().on_losses_read(losses)

    def compute_mask(self, inputs: Any, previous_mask: Any) -> Any:
        return previous_mask[0] if isinstance(previous_mask, (list, tuple)) else previous_mask

    def compute_output_shape(self, input_shape: Any) -> Any:
        listed = input_shape and isinstance(input_shape[0], (list, tuple))
        shape = input_shape[0] if listed else input_shape
        return super().compute_output_shape(shape)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "num_classes": self.num_classes,
            "label_key": self.label_key,
            "soft_labels": self.soft_labels,
            "ignore_class": self.ignore_class,
        }
