"""Monte Carlo estimates of mutual information with Gaussian noise, and the number of draws they need.

The noise reduces log N by E[L], and H(y) by E[L - L of the class]; see `draws`. Every sample is a stratum with the same
number of draws, so differences between samples add no error to the mean.
"""

import math
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from keras_repreg.information.draws import COLUMNS, ROWS, Draws
from keras_repreg.information.kernels import parts
from keras_repreg.information.tally import Mean, Tally

# Sampling stops when the standard error is below this fraction of the value.
ERROR_SHARE = 0.005
# The initial and the maximum number of pairs of draws; at least two per sample.
FEWEST, MOST = 4096, 2**20
# The maximum number of exponents (pairs of draws times samples), unless two pairs per sample need more.
MOST_EXPONENTS = 2**29


class Losses(NamedTuple):
    """The loss of information due to noise of one variance, in nats.

    Attributes:
        zx: log N - I(z; x).
        zy: H(y) - I(z; y).
        pairs: The number of pairs of draws.
    """

    zx: Mean
    zy: Mean
    pairs: int


def mean_losses(
    z: NDArray[np.float64],
    classes: NDArray[np.intp],
    noise_variances: list[float],
    draws: int | None = None,
    seed: int = 0,
) -> list[Losses]:
    """Return the losses of I(z; x) and I(z; y) to noise, in float64, for all variances from the same draws.

    Args:
        z: Activations, shape (N, M), finite.
        classes: Class of each sample, shape (N,).
        noise_variances: s^2, each above zero.
        draws: The number of draws, rounded up to pairs and to the same number for each sample. If None, draw until the
            error of I(z; x) is below `ERROR_SHARE` times its value, and that of I(z; y) below the same fraction of I(z;
            x) and H(y), within limits.
        seed: The seed of the noise.

    Returns:
        `Losses` per variance.

    Raises:
        ValueError: if the squares of the activations, also divided by s^2, leave the range of float64.
    """
    n = len(z)
    shares = np.bincount(classes) / n
    label_entropy = -float(shares @ np.log(np.maximum(shares, 1 / n)))
    tallies = [Tally(n, values=2, controls=2) for _ in noise_variances]

    def unfinished(tally: Tally) -> bool:
        if draws is not None or not tally.rounds:
            return True
        zx, zy = tally.means()
        value = math.log(n) - zx.value
        return zx.error > ERROR_SHARE * value or zy.error > ERROR_SHARE * min(value, label_entropy)

    with ThreadPoolExecutor(os.cpu_count() or 1) as threads:
        sampler = Draws(z, classes, noise_variances, threads)
        for batch, rounds in enumerate(_batches(n, draws)):
            active = [k for k, tally in enumerate(tallies) if unfinished(tally)]
            if not active:
                break
            for number, (rows, some) in enumerate(_pieces(n, rounds)):
                rng = np.random.default_rng([seed, batch, number])
                for k, found in zip(active, sampler.draw(rng, rows, some, active), strict=True):
                    tallies[k].add(rows, found)
            for k in active:
                tallies[k].rounds += rounds
    means = [tally.means() for tally in tallies]
    return [Losses(zx, zy, n * tally.rounds) for (zx, zy), tally in zip(means, tallies, strict=True)]


def _batches(samples: int, draws: int | None) -> Iterator[int]:
    """Yield the pairs of draws per sample between checks of the errors; each batch doubles their total number."""
    total = max(2, -(-FEWEST // samples))
    if draws is not None:
        wanted = max(2, -(-draws // (2 * samples)))
        yield from (min(total, wanted - done) for done in range(0, wanted, total))
        return
    yield total
    while 2 * total * samples <= MOST and 2 * total * samples**2 <= MOST_EXPONENTS:
        yield total
        total *= 2


def _pieces(samples: int, rounds: int) -> Iterator[tuple[slice, int]]:
    """Yield samples and their number of pairs of draws: a batch in pieces of one strip of tiles."""
    for rows in parts(0, samples, ROWS // 2):
        step = ROWS * COLUMNS // ((rows.stop - rows.start) * min(samples, COLUMNS))  # two if there are many samples
        yield from ((rows, min(step, rounds - done)) for done in range(0, rounds, step))
