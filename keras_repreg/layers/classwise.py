"""The base class of class-wise penalties, which take labels as a side input."""

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

# The number of rows per slice when labels are checked.
ROWS = 8192


class ClasswiseRegularization(RepresentationRegularization):
    """Base class of class-wise penalties, which take labels as a side input.

    A custom penalty defines `omega(self, z, classes)`, where `classes` is a `keras_repreg.classes.Classes`.

    Without labels, training raises an error, evaluation leaves the penalty out with a warning, and prediction works as
    usual.

    Args:
        weight: Loss weight, a finite number >= 0.
        normalize: Divide Omega by its number of terms (see each layer), so that the same weight suits any width
            and number of classes.
        num_classes: K for `normalize=True`, and the required width of one-hot labels. Defaults to the number of classes
            present in the batch.
        label_key: The entry that holds the labels, if the targets are a dict, list or tuple.
        soft_labels: Whether labels are soft: rows of class probabilities >= 0, as after mixup or label smoothing, which
            weight the class-wise statistics. Smoothed binary labels of shape (N,) or (N, 1), such as 0.05 and 0.95, are
            the probability of the second of two classes. By default labels are hard, and the class is the largest entry
            of a row.
        ignore_class: The class id of samples to ignore, such as -1 or 255, for hard labels. Masked samples are ignored
            as well.
        **kwargs: `units`, `data_format`, `synchronized` and `penalize_evaluation` as in
            `RepresentationRegularization`, and arguments of `keras.layers.Layer`, such as `name` and `dtype`.

    Call arguments:
        - `inputs`: Activations (N, M), or a list `[activations, labels]`.
        - `labels`: Class ids of shape (N,) or (N, 1), cast to int32, or one-hot or soft labels of shape (N, K).
          Defaults to the labels of the surrounding `label_scope`. With `units="channels"` the label of a sample applies
          to all its positions. Labels per position have the dimensions of the positions: (N, ..., 1) or one-hot
          (N, ..., K), or ids (N, ...) if there are at least two of these dimensions.
        - `training`: Whether labels are required.

    Output shape:
        Same as the activations.

    Raises:
        TypeError: if an argument has the wrong type.
        ValueError: if an argument is out of range, the shape of the activations or labels does not match, or labels are
            missing in training.
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
                "Expected `ignore_class` with hard labels only; with soft labels, give samples to ignore a row of "
                f"zeros. Received: soft_labels=True, ignore_class={ignore_class!r}"
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
        """Return the scalar Omega for activations of shape (N, M) and their `Classes`: `omega(self, z, classes)`."""
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
        inputs_mask: Tensor | None = None,  # passed by Keras if labels are a separate argument
    ) -> Tensor:
        # An explicit mask takes precedence over the one attached to the activations.
        z, mask = inputs, inputs_mask if mask is None else mask
        if isinstance(inputs, (list, tuple)):
            if len(inputs) != 2:
                raise ValueError(
                    f"{self._title()} expects `[activations, labels]`. Received: a list of {len(inputs)} inputs"
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
            raise ValueError(f"{self._title()} received no labels in training. {LABEL_OPTIONS} Received: labels=None")
        else:
            # Read by models that evaluate, but not in `predict`: see `on_losses_read`.
            self.add_loss(ops.zeros((), "float64" if "float64" in str(z.dtype) else "float32"))
        return z

    def _classwise_omega(self, inputs: Tensor, labels: Tensor, mask: Tensor | None, training: bool | None) -> Tensor:
        z, sample_weight = self._samples(inputs, mask)
        labels = self._arrangement.labels(labels, inputs, self._title(), self.num_classes)
        with seam.full_precision(z):
            classes = self._classes(self._global(labels), z, sample_weight)
            omega = self._omega(training)(classes.zero_masked_rows(z), classes)
            if self.normalize:
                omega = omega / self._divisor(z, classes, sample_weight)
        return omega

    def _divisor(self, z: Tensor, classes: Classes, sample_weight: Tensor | None) -> Tensor:
        """Return the divisor of Omega for `normalize=True`: `normalizer` times K."""
        number = classes.number() if self.num_classes is None else float(self.num_classes)
        return self._weighted(self.normalizer, z, sample_weight) * number

    def _classes(self, labels: Tensor, z: Tensor, sample_weight: Tensor | None = None) -> Classes:
        """Return the classes of the weighted samples."""
        dtype = keras.backend.standardize_dtype(z.dtype)
        if self.soft_labels:
            return SoftClasses(ops.cast(responsibilities(labels, z, self.num_classes), dtype), sample_weight)
        ids = class_ids(labels, z, self.num_classes)
        if self.ignore_class is not None:
            kept = ops.cast(ops.not_equal(ids, self.ignore_class), dtype)
            sample_weight = kept if sample_weight is None else kept * sample_weight
        return HardClasses(ids, dtype, sample_weight)

    def check_targets(self, y: Any) -> None:
        """Check the values of the targets from which this layer takes its labels.

        Raises:
            ValueError: if they are not class labels: see `keras_repreg.labels.check_label_values`.
        """
        if self.labels_from_scope is False:
            return
        labels = select_target(y, self.label_key, "label_key")
        integers = str(getattr(labels, "dtype", "")).startswith(("int", "uint"))
        by_position = self.units == "channels" and integers  # ids per position look like one-hot rows
        if by_position or getattr(labels, "ndim", 0) == 0:
            return
        # In slices, since the checks would take several times the memory of a large one-hot array.
        for start in range(0, len(labels), ROWS):
            values = to_numpy(labels[start : start + ROWS])
            if values.dtype.kind not in "biuf":
                return
            try:
                check_label_values(
                    values.reshape(-1, values.shape[-1]) if values.ndim > 2 else values, soft=self.soft_labels
                )
            except ValueError as error:
                raise ValueError(f"{self._title()}: {error}") from error

    def on_losses_read(self, losses: list[Tensor]) -> None:
        if self._left_out and losses and not self._warned:
            self._warned = True
            warnings.warn(
                f"The penalty of {self._title()} is left out of this evaluation because the layer received no labels. "
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
