"""Class-wise statistics of one batch, without a loop over classes and without their number.

The paper's eq. 11 to 13 sum over the samples S_k of each class k. Here everything that belongs to a class is
kept once per SAMPLE of that class: with E_nm = 1 where samples n and m share a label and n_k the class sizes,
the class means are (E / n) Z, and a sum over classes is a sum over samples weighted by 1 / n_k. Cost and memory
do not depend on the number of classes, and an absent class cannot occur.
"""

from typing import Any

from keras import ops

from keras_repreg import statistics
from keras_repreg.statistics import safe_ratio

Tensor = Any


class Classes:
    """Which samples of a batch share a class.

    Args:
        ids: Integer tensor of shape (N,): the class of each sample.
        dtype: Float dtype of the statistics.

    Attributes:
        same: (N, N), 1 where two samples have the same class and 0 elsewhere (E above).
        size: (N,), the number of samples in each sample's class.
    """

    def __init__(self, ids: Tensor, dtype: str):
        self.same = ops.cast(ops.equal(ids[:, None], ids[None, :]), dtype)
        self.size = ops.sum(self.same, axis=1)

    def sum_over_classes(self, per_sample: Tensor) -> Tensor:
        """Sum of a class-wise scalar over the classes present, from its value at each sample, shape (N,)."""
        return ops.sum(per_sample / self.size)

    def number(self) -> Tensor:
        """How many classes are present in the batch; 1 for an empty one."""
        return ops.maximum(ops.sum(1 / self.size), 1)

    def total(self, per_sample: Tensor) -> Tensor:
        """Sum over each sample's class; (N,) or (N, M), as the argument."""
        return ops.matmul(self.same, per_sample)

    def largest(self, per_sample: Tensor) -> Tensor:
        """Maximum over each sample's class of non-negative values, shape (N,)."""
        return _largest_in_rows(self.same * per_sample[None, :])

    def center(self, z: Tensor) -> Tensor:
        """z minus the mean of its class (eq. 11)."""
        return z - self.total(z) / self.size[:, None]

    def variance_sum(self, z: Tensor) -> Tensor:
        """Sum over classes k and units i of v_i^(k) (eq. 13)."""
        return self.sum_over_classes(ops.sum(ops.square(self.center(z)), axis=1))

    def off_diagonal_energy(self, z: Tensor) -> Tensor:
        """Sum over classes k and units i != j of (c_ij^(k))^2 (eq. 12).

        With rows scaled by n_k^(-1/2), the entries of ONE N x N Gram matrix within a class are those of its
        Gram matrix over n_k, and their squares sum to ||C_k||_F^2; the squared variances are subtracted.
        """
        units = z.shape[1]
        if units == 1:
            return 0 * ops.sum(z)  # no pair of units, and still a function of z
        scaled = self.center(z) / ops.sqrt(self.size)[:, None]
        if units <= statistics.FEW_UNITS:
            products = [scaled * ops.roll(scaled, shift, axis=1) for shift in range(1, units)]
            covariances = self.total(ops.concatenate(products, axis=1))
            return self.sum_over_classes(ops.sum(ops.square(covariances), axis=1))
        gram = ops.matmul(scaled, ops.transpose(scaled))
        variances = self.total(ops.square(scaled))
        energy = ops.sum(self.same * ops.square(gram))
        return ops.maximum(energy - self.sum_over_classes(ops.sum(ops.square(variances), axis=1)), 0)

    def unit_scale(self, z: Tensor) -> Tensor:
        """z with each class divided by its largest magnitude (see `statistics.unit_scale`)."""
        largest = ops.stop_gradient(self.largest(_largest_in_rows(ops.abs(z))))
        return z / ops.where(largest > statistics.TINY, largest, ops.ones_like(largest))[:, None]

    def holder_bound(self, z: Tensor) -> Tensor:
        """||Z^(k)||_1 ||Z^(k)||_inf of each sample's class (eq. 9), shape (N,)."""
        magnitude = statistics.absolute(z)
        columns = _largest_in_rows(self.total(magnitude))
        return columns * self.largest(ops.sum(magnitude, axis=1))

    def squared_spectral_norm(self, z: Tensor, method: str) -> Tensor:
        """||Z^(k)||_2^2 of each sample's class, shape (N,), with its exact gradient.

        The Gram matrix restricted to pairs of the same class is block diagonal: what is done to it is done to
        all classes at once, and a leading vector of each block is enough (see `statistics`).
        """
        blocks = self.same * ops.matmul(z, ops.transpose(z))
        find = self._leading_by_decomposition if method == "svd" else self._leading_by_squaring
        u = ops.stop_gradient(find(ops.stop_gradient(blocks)))
        rayleigh = self.total(u * ops.matmul(blocks, u))
        return safe_ratio(rayleigh, self.total(ops.square(u)))

    def _leading_by_squaring(self, blocks: Tensor) -> Tensor:
        def normalized(power: Tensor) -> Tensor:
            trace = self.total(ops.diagonal(power))[:, None]
            return safe_ratio(power, trace + ops.zeros_like(power))

        power = normalized(blocks)
        for _ in range(statistics.SQUARINGS):
            power = normalized(ops.matmul(power, power))
        start = ops.argmax(self.same * ops.diagonal(power)[None, :], axis=1)
        return ops.take_along_axis(power, start[:, None], axis=1)[:, 0]

    def _leading_by_decomposition(self, blocks: Tensor) -> Tensor:
        values, vectors = ops.linalg.eigh(blocks)
        # Equal eigenvalues of two classes can share an eigenvector; its part within a class is still one of
        # that class. At least one vector of a class's leading eigenvalue has 1 / N of its mass there.
        mass = self.total(ops.square(vectors))
        threshold = 0.5 / statistics.number_of_samples(blocks)
        eligible = ops.where(mass > threshold, values[None, :], -ops.ones_like(mass))
        chosen = ops.argmax(eligible, axis=1)
        return ops.take_along_axis(vectors, chosen[:, None], axis=1)[:, 0]


def _largest_in_rows(x: Tensor) -> Tensor:
    """The maximum of each row of non-negative values; of no rows, none."""
    if x.shape[0]:
        return ops.max(x, axis=1)
    # Keras has no maximum of an empty tensor, which the batch of a replica can be: a row of zeros is lent to it.
    return ops.max(ops.pad(x, [[0, 1], [0, 1]]), axis=1)[:-1]
