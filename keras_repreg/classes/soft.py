"""Soft classes: each sample belongs to several classes in part, as with mixup or label smoothing."""

from typing import Any

from keras import ops

from keras_repreg import batch_statistics, normality
from keras_repreg.batch_statistics import safe_ratio
from keras_repreg.classes.base import Classes
from keras_repreg.derivatives import with_gradient
from keras_repreg.exact_products import matmul
from keras_repreg.power_iteration import Matrices, leading_vectors

Tensor = Any

# As `batch_statistics.LARGEST`, for differences of squared Gram matrices.
LARGEST = 1e8
# In a stable rank, a class counts as zero if all its entries are below this fraction of the largest in the batch.
NEGLIGIBLE = 1e-15


class SoftClasses(Classes):
    """The classes of a batch, given by responsibilities.

    Sums over samples are matrix products with the responsibilities. No array is larger than N x N, N x K, K x K or K x
    M.

    Args:
        responsibilities: Float tensor of shape (N, K), numbers >= 0 (negative numbers count as 0).
        sample_weight: The weight of each sample, shape (N,), numbers >= 0; 1 by default.
    """

    def __init__(self, responsibilities: Tensor, sample_weight: Tensor | None = None):
        r = ops.maximum(ops.stop_gradient(responsibilities), 0)
        if sample_weight is not None:
            r = r * ops.cast(sample_weight, r.dtype)[:, None]
        self.responsibilities = r
        size = ops.sum(r, axis=0)
        self.present = ops.cast(size > 0, r.dtype)
        # (N, K): the weight of a sample in the mean of a class, and of a class in a sample.
        self.share = safe_ratio(r, size + ops.zeros_like(r))
        self.membership = safe_ratio(r, ops.sum(r, axis=1, keepdims=True) + ops.zeros_like(r))

    def zero_masked_rows(self, z: Tensor) -> Tensor:
        return batch_statistics.zero_masked_rows(z, ops.sum(self.responsibilities, axis=1))

    def number(self) -> Tensor:
        return ops.maximum(ops.sum(self.present), 1)

    def samples(self) -> Tensor:
        return ops.sum(self.responsibilities)

    def means(self, z: Tensor) -> Tensor:
        """Return mu^(k), shape (K, M)."""
        return matmul(ops.transpose(self.share), z)

    def variances(self, z: Tensor) -> Tensor:
        """Return v_i^(k), shape (K, M)."""
        z = self._center(z)
        return ops.maximum(self.means(ops.square(z)) - ops.square(self.means(z)), 0)

    def variance_sum(self, z: Tensor) -> Tensor:
        return batch_statistics.infinite_if_nan(ops.sum(self.variances(z)))

    def squared_off_diagonal_sum(self, z: Tensor) -> Tensor:
        """See `Classes`.

        ||C^(k)||_F^2 is the sum of s_nk s_mk (G_nm^(k))^2 over pairs of samples, with the shares s and the Gram matrix
        G^(k) of the z_n - mu^(k). G_nm^(k) equals G_nm - a_nk - a_mk with one G and one a for all classes, so the
        squares are summed by matrix products. G and a are not unique. They are chosen to stay small if class means are
        far apart and labels almost hard: z is split into the mean of its classes and the rest, and products of
        differences of means are computed from the squared distances D between means.
        """
        units = z.shape[1]
        if units == 1:
            return 0 * ops.sum(z)
        z = batch_statistics.clip_to_range(self._center(z), LARGEST)
        means = self.means(z)
        if units <= batch_statistics.FEW_UNITS:
            shifts = range(1, units)
            moments = self.means(ops.concatenate([z * ops.roll(z, shift, axis=1) for shift in shifts], axis=1))
            products = ops.concatenate([means * ops.roll(means, shift, axis=1) for shift in shifts], axis=1)
            return ops.sum(ops.square(moments - products))
        p, p_transposed = self.membership, ops.transpose(self.membership)
        rest = z - matmul(p, means)
        along_means = matmul(rest, ops.transpose(means))
        to_explained = matmul(along_means, p_transposed)
        distances = matmul(p, _squared_distances(means))
        gram = matmul(rest, ops.transpose(rest)) + to_explained + ops.transpose(to_explained)
        gram = gram - 0.5 * matmul(distances, p_transposed)
        a = along_means - 0.5 * distances
        s = self.share
        squares = ops.sum(s * matmul(ops.square(gram), s)) - 4 * ops.sum(s * a * matmul(gram, s))
        squares = squares + 2 * ops.sum(s * ops.square(a)) + 2 * ops.sum(ops.square(ops.sum(s * a, axis=0)))
        return batch_statistics.infinite_if_nan(ops.maximum(squares - ops.sum(ops.square(self.variances(z))), 0))

    def stable_rank_sum(self, z: Tensor, method: str) -> Tensor:
        z = batch_statistics.unit_scale(z)
        # Z^(k) has the rows q_nk z_n, with q the root of the responsibility, divided by the largest resulting entry.
        root = ops.sqrt(self.responsibilities)
        rows = batch_statistics.largest(ops.abs(ops.stop_gradient(z)), axis=1)
        largest = batch_statistics.largest(root * rows[:, None], axis=0)
        q = ops.where(largest > NEGLIGIBLE, root / ops.where(largest > NEGLIGIBLE, largest, 1), 0)
        if method == "holder":
            energy = ops.matmul(ops.transpose(ops.square(q)), ops.sum(ops.square(z), axis=1)[:, None])[:, 0]
            magnitude = batch_statistics.absolute(z)
            columns = ops.amax(ops.matmul(ops.transpose(q), magnitude), axis=1)
            bound = columns * batch_statistics.largest(q * ops.sum(magnitude, axis=1, keepdims=True), axis=0)
            return ops.sum(safe_ratio(energy, bound))
        search = _decomposed if method == "svd" else None

        def stable_ranks(z: Tensor, q: Tensor) -> tuple[Tensor, Tensor]:
            vectors = q * leading_vectors(_gram_matrices, z, (q,), search)
            weights = ops.square(q)
            projection = ops.matmul(ops.transpose(vectors), z)
            energy = ops.matmul(ops.transpose(weights), ops.sum(ops.square(z), axis=1)[:, None])
            # The squared spectral norm; its gradient needs no derivative of u (see `batch_statistics.stable_rank`).
            bound = ops.sum(ops.square(projection), axis=1, keepdims=True)
            ranks = safe_ratio(energy, bound)
            inverse = safe_ratio(ops.ones_like(bound), bound)
            gradient = z * ops.matmul(weights, inverse) - ops.matmul(vectors, ranks * inverse * projection)
            return ops.sum(ranks), 2 * gradient

        return with_gradient(stable_ranks, z, (q,))

    def epps_pulley_sum(self, z: Tensor, directions: Tensor) -> Tensor:
        # Each class has its own scale, so the waves of a sample differ between classes.
        each = (self.responsibilities[:, k] for k in range(self.responsibilities.shape[1]))
        total = sum(normality.standardized_epps_pulley(z, directions, weights) for weights in each)
        return total + ops.sum(0 * self.zero_masked_rows(z))

    def _center(self, z: Tensor) -> Tensor:
        """Subtract the mean over the batch, which improves precision and changes no class-wise statistic."""
        return batch_statistics.center(z, ops.sum(self.responsibilities, axis=1))


def _gram_matrices(z: Tensor, q: Tensor) -> Matrices:
    """Return the Gram matrices of the rows q_nk z_n of all classes k, with vectors as columns of an (N, K) array."""
    return Matrices(
        lambda u: q * ops.matmul(z, ops.matmul(ops.transpose(z), q * u)),
        lambda *pairs: tuple(ops.sum(u * v, axis=0, keepdims=True) for u, v in pairs),
        ops.square(q) * ops.sum(ops.square(z), axis=1, keepdims=True),
    )


def _decomposed(z: Tensor, q: Tensor) -> Tensor:
    """Return the leading eigenvectors of `_gram_matrices`, class by class: slow, meant for checks."""
    rows = (q[:, k : k + 1] * z for k in range(q.shape[1]))
    grams = (batch_statistics.finite(ops.matmul(one, ops.transpose(one))) for one in rows)
    return ops.concatenate([ops.linalg.eigh(gram)[1][:, -1:] for gram in grams], axis=1)


def _squared_distances(points: Tensor) -> Tensor:
    """Return |x_i - x_j|^2 between rows, exactly 0 on the diagonal."""
    squares = ops.sum(ops.square(points), axis=1)
    distances = squares[:, None] + squares[None, :] - 2 * matmul(points, ops.transpose(points))
    return distances * (1 - ops.eye(points.shape[0], dtype=points.dtype))
