"""The interface between class-wise penalties and the classes of a batch, hard or soft."""

import abc
from typing import Any

Tensor = Any


class Classes(abc.ABC):
    """The classes of a batch of N samples; statistics are scalars with a finite value and gradient.

    Sample n belongs to class k with responsibility r_nk >= 0, multiplied by the weight of the sample, if any. With
    class ids (`HardClasses`) r_nk is 1 for the class of the sample and 0 for the others; with soft labels
    (`SoftClasses`) it can be any number. With n_k the sum of r_nk over n, the class-wise statistics are

        mu^(k)   = sum over n of r_nk z_n / n_k                                   (eq. 11)
        c_ij^(k) = sum over n of r_nk (z_ni - mu_i^(k)) (z_nj - mu_j^(k)) / n_k    (eq. 12)
        v_i^(k)  = c_ii^(k)                                                       (eq. 13)

    and Z^(k) has the rows sqrt(r_nk) z_n. A class with n_k = 0 is absent and contributes nothing.
    """

    @abc.abstractmethod
    def zero_masked_rows(self, z: Tensor) -> Tensor:
        """Set samples that belong to no class to zero, since multiplying a NaN by 0 would keep it."""

    @abc.abstractmethod
    def number(self) -> Tensor:
        """Return the number of classes present in the batch, or 1 for an empty batch."""

    @abc.abstractmethod
    def samples(self) -> Tensor:
        """Return the sum over classes k of n_k."""

    @abc.abstractmethod
    def variance_sum(self, z: Tensor) -> Tensor:
        """Return the sum over classes k and units i of v_i^(k)."""

    @abc.abstractmethod
    def squared_off_diagonal_sum(self, z: Tensor) -> Tensor:
        """Return the sum over classes k and units i != j of (c_ij^(k))^2."""

    @abc.abstractmethod
    def stable_rank_sum(self, z: Tensor, method: str) -> Tensor:
        """Return the sum over classes k of ||Z^(k)||_F^2 / ||Z^(k)||_2^2, or of its lower bound.

        See `batch_statistics.stable_rank`.
        """

    @abc.abstractmethod
    def epps_pulley_sum(self, z: Tensor, directions: Tensor) -> Tensor:
        """Return the sum over classes k of the Epps-Pulley statistic of the standardized samples of the class.

        See `normality.standardized_epps_pulley`; `directions` are the columns of an array of shape (M, slices).
        """
