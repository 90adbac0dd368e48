"""Mutual information by binning, the estimator of the first studies of the information plane."""

import math
from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_repreg.arguments import positive_integer, positive_number
from keras_repreg.information.result import SATURATION
from keras_repreg.information.samples import as_classes, as_samples, nats_in


@dataclass(frozen=True)
class BinnedMutualInformation:
    """The result of `binned_mutual_information`, in `unit`.

    Attributes:
        zx: I(T; X) = H(T), never above log N.
        zy: I(T; Y) = H(T) - H(T|Y), never above H(y).
        label_entropy: H(y) of these samples.
        n_samples: N.
        n_units: M.
        bin_width: Width of the bins.
        unit: "nats" or "bits".
    """

    zx: float
    zy: float
    label_entropy: float
    n_samples: int
    n_units: int
    bin_width: float
    unit: str

    @property
    def sample_entropy(self) -> float:
        """log N: no estimate from N samples can exceed it."""
        return math.log(self.n_samples) * nats_in(self.unit)

    @property
    def zx_saturated(self) -> bool:
        """Whether I(T; X) is within 1% of log N, where nearly every sample has its own bins."""
        return self.n_samples > 1 and self.zx >= (1 - SATURATION) * self.sample_entropy

    def __str__(self) -> str:
        saturated = f", saturated: log N = {self.sample_entropy:.4g}" if self.zx_saturated else ""
        return (
            f"I(T;X) = {self.zx:.4g}{saturated}; I(T;Y) = {self.zy:.4g} of H(y) = {self.label_entropy:.4g}; "
            f"{self.unit}, bin width = {self.bin_width:g}, N = {self.n_samples}"
        )


def binned_mutual_information(
    z: Any, labels: Any, bins: int = 30, bin_width: float | None = None, information_unit: str = "nats"
) -> BinnedMutualInformation:
    """Return the mutual information of a binned representation T with the sample X and with its class Y.

    Each activation is replaced by its bin, and samples with the same bins have the same T. So I(T; X) = H(T) and I(T;
    Y) = H(T) - H(T|Y), with entropies of the counts.

    Args:
        z: Activations, shape (N, M), or (N, ..., M), where all axes but the first are units.
        labels: Class of each sample, shape (N,), (N, 1) or one-hot (N, K).
        bins: Number of bins of equal width between the smallest and the largest activation of all units, as in
            Shwartz-Ziv and Tishby (30 bins, from -1 to 1 for tanh).
        bin_width: The width of bins that start at zero, instead of `bins`; Saxe et al. use 0.5.
        information_unit: "nats" or "bits".

    Returns:
        A `BinnedMutualInformation`.

    Raises:
        ValueError: if `z` is not numeric, of rank 2 or more, finite and not empty, the labels do not match, `bins` is
            not an integer above zero, `bin_width` is not a number above zero, `information_unit` is unknown, or a bin
            number leaves the range of float64.

    Examples:
        >>> import numpy as np
        >>> from keras_repreg.information import binned_mutual_information
        >>> z = np.array([[0.1], [0.2], [0.8], [0.9]])
        >>> print(binned_mutual_information(z, labels=[0, 0, 1, 1], bin_width=0.5, information_unit="bits"))
        I(T;X) = 1; I(T;Y) = 1 of H(y) = 1; bits, bin width = 0.5, N = 4

    Reference:
        Shwartz-Ziv and Tishby (2017), "Opening the black box of deep neural networks via information"; Saxe et al.
        (2018), "On the information bottleneck theory of deep learning".
    """
    scale = nats_in(information_unit)
    bins = positive_integer(bins, "bins")
    if bin_width is not None:
        bin_width = positive_number(bin_width, "bin_width")
    samples = as_samples(z)
    n, units = samples.shape
    _, classes = as_classes(labels, n)
    rows, width = _binned(samples, int(bins), bin_width)
    of_labels = _entropy(Counter(classes.tolist()), n)
    of_bins = _entropy(Counter(rows), n)
    of_both = _entropy(Counter(zip(rows, classes.tolist(), strict=True)), n)
    # H(T) - H(T|Y) = H(T) + H(Y) - H(T, Y)
    zy = min(max(of_bins + of_labels - of_both, 0.0), of_labels)
    return BinnedMutualInformation(
        zx=scale * of_bins,
        zy=scale * zy,
        label_entropy=scale * of_labels,
        n_samples=n,
        n_units=units,
        bin_width=width,
        unit=information_unit,
    )


def _binned(z: NDArray[np.float64], bins: int, bin_width: float | None) -> tuple[list[bytes], float]:
    """Return the bins of each sample as a hashable value, and their width."""
    with np.errstate(over="ignore", invalid="ignore"):
        if bin_width is None:
            low, high = z.min(), z.max()
            width = float((high - low) / bins)
            index = np.minimum(np.floor((z - low) / width), bins - 1) if width > 0 else np.zeros_like(z)
        else:
            width = bin_width
            index = np.floor(z / width)
    if not (math.isfinite(width) and np.isfinite(index).all()):
        raise ValueError(
            "Expected activations and bins whose bin numbers fit in float64. Received: activations from "
            f"{z.min():.3g} to {z.max():.3g}, bin_width={bin_width!r}"
        )
    index += 0.0  # avoids negative zeros, whose bytes differ
    return [row.tobytes() for row in index], width


def _entropy(counts: "Counter[Any]", samples: int) -> float:
    sizes = np.fromiter(counts.values(), dtype=np.float64)
    return max(math.log(samples) - float(sizes @ np.log(sizes)) / samples, 0.0)
