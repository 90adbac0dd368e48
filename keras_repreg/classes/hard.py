"""Hard classes: each sample belongs to one class, given by its id.

Each class present occupies one of N slots; the other slots are empty. So neither cost nor memory depends on the number
of classes, which can be unknown, and absent classes do not occur.
"""

from typing import Any

from keras import ops

from keras_repreg import batch_statistics, normality
from keras_repreg.batch_statistics import safe_ratio
from keras_repreg.classes.base import Classes
from keras_repreg.classes.within_class_products import within_class_product
from keras_repreg.derivatives import with_gradient
from keras_repreg.power_iteration import Matrices, leading_vectors

Tensor = Any

# Up to this many samples, all pairs are compared, which is faster than waiting for a sort.
FEW_SAMPLES = 128


class HardClasses(Classes):
    """The classes of a batch, given by class ids.

    Args:
        ids: The class of each sample, an integer tensor of shape (N,) with any values.
        dtype: Float dtype of the statistics.
        sample_weight: The weight of each sample, shape (N,), numbers >= 0; 1 by default.

    Attributes:
        order: (N,), the samples sorted by class.
        position: (N,), the position of each sample in this order.
        slot: (N,), the slot of the class of each sample.
        share: (N,), the weight of each sample in the mean over its class; the weights sum to 1 for each class present.
        present: (slots,), 1 for a slot whose class is present and 0 for the others.
    """

    def __init__(self, ids: Tensor, dtype: str, sample_weight: Tensor | None = None):
        samples = ids.shape[0] if ids.shape[0] is not None else ops.shape(ids)[0]
        # At least one slot, since the maximum of an empty tensor is undefined.
        self.slots = max(samples, 1) if isinstance(samples, int) else ops.maximum(samples, 1)
        self.order = ops.argsort(ids)
        in_order = ops.take(ids, self.order, axis=0)
        changes = ops.cast(ops.not_equal(in_order[1:], in_order[:-1]), "int32")
        self.sorted_slot = ops.cumsum(ops.concatenate([ops.zeros_like(in_order[:1], dtype="int32"), changes]))
        self.position = ops.argsort(self.order)
        self.sample_weight = None if sample_weight is None else ops.cast(sample_weight, dtype)
        counts = ops.ones_like(ids, dtype=dtype) if self.sample_weight is None else self.sample_weight
        self.counts = counts
        if isinstance(samples, int) and 0 < samples <= FEW_SAMPLES:
            # Avoids waiting for the sort, which small batches do not need otherwise.
            same = ops.equal(ids[:, None], ids[None, :])
            self.slot = ops.argmax(ops.cast(same, "int32"), axis=1)
            size = ops.sum(ops.where(same, counts[None, :], ops.zeros_like(counts)), axis=1)
            first = ops.equal(self.slot, ops.arange(samples, dtype=self.slot.dtype))
            self.present = ops.cast(ops.logical_and(first, size > 0), dtype)
        else:
            self.slot = ops.take(self.sorted_slot, self.position, axis=0)
            by_slot = self.sums(counts)
            size = self.at_samples(by_slot)
            self.present = ops.cast(by_slot > 0, dtype)
        self.share = safe_ratio(counts, size)

    def _constants(self) -> tuple[Tensor, ...]:
        """Return the tensors that functions with custom gradients take as arguments; see `_of`."""
        return self.share, self.slot, self.order, self.sorted_slot, self.position

    @classmethod
    def _of(cls, slots: Any, constants: tuple[Tensor, ...]) -> "HardClasses":
        classes = cls.__new__(cls)
        classes.slots = slots
        classes.share, classes.slot, classes.order, classes.sorted_slot, classes.position = constants
        return classes

    def sums(self, per_sample: Tensor) -> Tensor:
        """Return sums over the samples of each class: (N,) to (slots,), or (N, M) to (slots, M)."""
        return ops.segment_sum(per_sample, self.slot, num_segments=self.slots)

    def at_samples(self, per_class: Tensor) -> Tensor:
        """Return the value of the class of each sample: (slots,) to (N,), or (slots, M) to (N, M)."""
        return ops.take(per_class, self.slot, axis=0)

    def zero_masked_rows(self, z: Tensor) -> Tensor:
        return z if self.sample_weight is None else batch_statistics.zero_masked_rows(z, self.sample_weight)

    def number(self) -> Tensor:
        return ops.maximum(ops.sum(self.present), 1)

    def samples(self) -> Tensor:
        return ops.sum(self.counts)

    def center(self, z: Tensor) -> Tensor:
        """Return z minus the mean of its class (eq. 11)."""
        return z - self.at_samples(self.sums(self.share[:, None] * z))

    def variance_sum(self, z: Tensor) -> Tensor:
        slots = self.slots

        def variance(z: Tensor, *constants: Tensor) -> tuple[Tensor, Tensor]:
            classes = HardClasses._of(slots, constants)
            centered = classes.center(z)
            weighted = classes.share[:, None] * centered
            # The weighted rows sum to zero over each class, so centring adds nothing to the gradient.
            return ops.sum(weighted * centered), 2 * weighted

        return with_gradient(variance, z, self._constants())

    def squared_off_diagonal_sum(self, z: Tensor) -> Tensor:
        """See `Classes`.

        With rows y_n scaled by the root of their share, C^(k) is the sum of y y^T over class k, and ||C^(k)||_F^2 is
        the sum of (y_n^T y_m)^2 over pairs within the class. So one Gram matrix of samples gives the norms of all
        classes.
        """
        units = z.shape[1]
        if units == 1:
            return 0 * ops.sum(z)  # no pairs of units, but still a function of z
        if units <= batch_statistics.FEW_UNITS:
            root = ops.sqrt(self.share)[:, None]
            rows = batch_statistics.clip_to_range(root * self.center(z))
            products = [rows * ops.roll(rows, shift, axis=1) for shift in range(1, units)]
            return ops.sum(ops.square(self.sums(ops.concatenate(products, axis=1))))

        slots = self.slots

        def squares(z: Tensor, *constants: Tensor) -> tuple[Tensor, Tensor]:
            classes = HardClasses._of(slots, constants)
            root = ops.sqrt(classes.share)[:, None]
            rows = batch_statistics.clip_to_range(root * classes.center(z))
            variances = classes.at_samples(classes.sums(ops.square(rows)))
            # Each row times the off-diagonal part of the covariance of its class.
            product = within_class_product(rows, classes) - variances * rows
            return batch_statistics.infinite_if_nan(ops.maximum(ops.sum(product * rows), 0)), 4 * root * product

        return with_gradient(squares, z, self._constants())

    def stable_rank_sum(self, z: Tensor, method: str) -> Tensor:
        z = self._unit_scale(z if self.sample_weight is None else ops.sqrt(self.sample_weight)[:, None] * z)
        slots = self.slots

        def holder_ranks(z: Tensor, *constants: Tensor) -> tuple[Tensor, Tensor]:
            return HardClasses._of(slots, constants)._holder_ranks(z)

        if method == "holder":
            return with_gradient(holder_ranks, z, self._constants())

        def matrices(z: Tensor, *constants: Tensor) -> Matrices:
            """Return the Gram matrix of the samples of each class."""
            classes = HardClasses._of(slots, constants)
            return Matrices(
                lambda u: ops.sum(z * classes.at_samples(classes.sums(u[:, None] * z)), axis=1),
                classes._inner,
                ops.sum(ops.square(z), axis=1),
            )

        def decomposed(z: Tensor, *constants: Tensor) -> Tensor:
            return HardClasses._of(slots, constants)._leading_by_decomposition(z)

        def stable_ranks(z: Tensor, *constants: Tensor) -> tuple[Tensor, Tensor]:
            classes = HardClasses._of(slots, constants)
            search = decomposed if method == "svd" else None
            u = leading_vectors(matrices, z, constants, search)[:, None]
            squares = ops.sum(ops.square(z), axis=1, keepdims=True)
            sums = classes.sums(ops.concatenate([u * z, squares], axis=1))
            projection, energy = sums[:, :-1], sums[:, -1:]
            # The squared spectral norm; its gradient needs no derivative of u (see `batch_statistics.stable_rank`).
            bound = ops.sum(ops.square(projection), axis=1, keepdims=True)
            ranks = safe_ratio(energy, bound)
            inverse = classes.at_samples(safe_ratio(ops.ones_like(bound), bound))
            gradient = 2 * inverse * (z - u * classes.at_samples(ranks * projection))
            return ops.sum(ranks), gradient

        return with_gradient(stable_ranks, z, self._constants())

    def _inner(self, *pairs: tuple[Tensor, Tensor]) -> tuple[Tensor, ...]:
        """Return the inner products of pairs of vectors (N,) within each class, in one pass."""
        sums = self.at_samples(self.sums(ops.stack([u * v for u, v in pairs], axis=1)))
        return tuple(sums[:, i] for i in range(len(pairs)))

    def epps_pulley_sum(self, z: Tensor, directions: Tensor) -> Tensor:
        """See `Classes`; the mean waves of all classes are computed at once, by segment sums."""
        centered = self.center(z)
        magnitude, spread = (
            ops.cast(self._largest(batch_statistics.largest(ops.abs(ops.stop_gradient(x)), axis=1)), z.dtype)
            for x in (z, centered)
        )
        varies = normality.varies(spread, magnitude)
        rows = centered / self.at_samples(ops.where(varies, spread, ops.ones_like(spread)))[:, None]
        variance = self.sums(self.share * ops.mean(ops.square(rows), axis=1))
        scale = ops.sqrt(ops.where(varies, variance, ops.ones_like(variance)))
        waves = normality.waves(ops.matmul(rows / self.at_samples(scale)[:, None], directions))
        distances = normality.distances(*(self.sums(self.share[:, None] * wave) for wave in waves))
        statistic = self.sums(self.counts) * distances
        # Non-finite values stay in the sum, because their maximum is unreliable.
        return ops.sum(ops.where(varies, statistic, ops.zeros_like(statistic))) + ops.sum(0 * z)

    def _largest(self, per_sample: Tensor) -> Tensor:
        """Return the maximum over each class of values >= 0, shape (slots,), without a gradient."""
        # In float32, the only dtype for which Keras has this maximum on every backend.
        value = ops.cast(ops.stop_gradient(per_sample), "float32")
        return ops.maximum(ops.segment_max(value, self.slot, num_segments=self.slots), 0)

    def _unit_scale(self, z: Tensor) -> Tensor:
        """Divide the samples of each class by their largest magnitude (see `batch_statistics.unit_scale`)."""
        largest = self._largest(batch_statistics.largest(ops.abs(ops.stop_gradient(z)), axis=1))
        largest = ops.cast(self.at_samples(largest), z.dtype)
        return z / ops.where(largest > batch_statistics.TINY, largest, ops.ones_like(largest))[:, None]

    def _holder_ranks(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Return the sum over classes of ||Z^(k)||_F^2 / (||Z^(k)||_1 ||Z^(k)||_inf) (eq. 9), and its gradient.

        Equal maxima share the gradient.
        """
        sign = ops.stop_gradient(ops.sign(z))
        magnitude = z * sign
        rows = ops.sum(magnitude, axis=1, keepdims=True)
        largest = self.at_samples(self._largest(rows[:, 0]))
        is_row = ops.cast(ops.equal(ops.cast(ops.stop_gradient(rows[:, 0]), "float32"), largest), z.dtype)[:, None]
        squares = ops.sum(ops.square(z), axis=1, keepdims=True)
        # All sums over the samples of a class in one pass.
        sums = self.sums(ops.concatenate([magnitude, squares, is_row * rows, is_row], axis=1))
        columns, energy, row, tied = sums[:, :-3], sums[:, -3:-2], sums[:, -2:-1], sums[:, -1:]
        row = safe_ratio(row, tied)
        column = ops.amax(columns, axis=1, keepdims=True)
        is_column = ops.cast(ops.equal(columns, column), z.dtype)
        bound = column * row
        ranks = safe_ratio(energy, bound)
        by_column = safe_ratio(ranks, column * ops.sum(is_column, axis=1, keepdims=True)) * is_column
        slopes = [by_column, safe_ratio(ranks, row * tied), safe_ratio(ops.ones_like(bound), bound)]
        at_samples = self.at_samples(ops.concatenate(slopes, axis=1))
        by_column, by_row, inverse = at_samples[:, :-2], at_samples[:, -2:-1], at_samples[:, -1:]
        return ops.sum(ranks), 2 * inverse * z - sign * (by_column + by_row * is_row)

    def _leading_by_decomposition(self, z: Tensor) -> Tensor:
        """Use the eigenvectors of the N x N Gram matrix, one block per class: slow, meant for checks."""
        same = ops.cast(ops.equal(self.slot[:, None], self.slot[None, :]), z.dtype)
        values, vectors = ops.linalg.eigh(batch_statistics.finite(same * ops.matmul(z, ops.transpose(z))))
        # With equal eigenvalues in two classes, an eigenvector can span both; its part within a class is still an
        # eigenvector of that class. At least one vector of a class's leading eigenvalue has 1 / N of its mass there.
        mass = ops.matmul(same, ops.square(vectors))
        threshold = 0.5 / batch_statistics.number_of_samples(z)
        eligible = ops.where(mass > threshold, values[None, :], -ops.ones_like(mass))
        u = ops.take_along_axis(vectors, ops.argmax(eligible, axis=1)[:, None], axis=1)[:, 0]
        return safe_ratio(u, ops.sqrt(ops.matmul(same, ops.square(u)[:, None])[:, 0]))
