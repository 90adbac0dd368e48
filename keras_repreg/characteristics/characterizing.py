"""Characteristics of an array of activations."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_repreg.characteristics.accumulator import Characteristics
from keras_repreg.characteristics.definitions import select
from keras_repreg.labels import sample_classes
from keras_repreg.rows import rows_of


def characterize(
    z: Any,
    labels: Any = None,
    positive_only: bool = True,
    *,
    characteristics: str | Sequence[str] | None = None,
    units: str = "channels",
    chance: bool = False,
) -> dict[str, Any]:
    """Return the statistical characteristics of Table 1, and others by name, for an array of activations.

    | key | formula |
    | --- | --- |
    | `amplitude` | E[abs(z_i)] |
    | `covariance` | E over i != j of abs(c_ij), c_ij = E[(z_i - mu_i)(z_j - mu_j)] |
    | `correlation` | E over i != j of abs(rho_ij), rho_ij = c_ij / (sigma_i sigma_j) |
    | `sparsity` | P_s, the fraction of activations that are exactly zero |
    | `dead_units` | P_d, the fraction of units that are zero for every sample |
    | `stable_rank` | norm_F(C)^2 / norm_2(C)^2 of the covariance of all values, including zeros |

    These six are the default; with labels, also the two class variances. The others are selected by name, or all with
    `characteristics="all"`. Let lambda_1 >= lambda_2 >= ... be the eigenvalues of C, sigma_k the singular values of Z,
    and C = S_W + S_B, where S_W is the covariance within classes and S_B that of the class means, weighted by class
    size:

    | key | formula |
    | --- | --- |
    | `signed_covariance`, `signed_correlation` | E over i != j of c_ij, rho_ij, as Table 1 writes them |
    | `mean`, `variance` | E over units of mu_i, v_i |
    | `numerical_rank` | the number of lambda_k > 1e-8 lambda_1 |
    | `effective_rank` | exp(- sum of p_k log p_k), p_k = lambda_k / sum of lambda [1] |
    | `participation_ratio` | (sum of lambda_k)^2 / sum of lambda_k^2 [2] |
    | `rankme` | exp(- sum of p_k log p_k), p_k = sigma_k / sum of sigma, Z not centred [3] |
    | `spectrum` | the array of lambda_k |
    | `within_class_variance`, `between_class_variance` | trace(S_W) / M, trace(S_B) / M |
    | `nc1` | trace(S_W S_B^+) / K, the first measure of neural collapse [4] |

    Covariance and correlation are means of ABSOLUTE values: so are the numbers printed in the paper, although its
    Table 1 writes signed means. All values are computed in float64. Undefined values, such as the correlation of a
    single unit, are 0. Pairs of units with fewer than two common samples are ignored, as are constant units for the
    correlation.

    Args:
        z: Activations, shape (N, M), or (N, ..., M) where every position counts as a sample.
        labels: Class of each sample, shape (N,), (N, 1) or one-hot (N, K).
        positive_only: Compute the amplitude over positive activations only, and covariance and correlation of a pair of
            units over the samples where both are positive, as the paper does for ReLU layers.
        characteristics: A name, names, or "all". No M x M matrix is formed if all of them are among amplitude,
            sparsity, dead units, mean, variance and the class variances.
        units: "channels", or "flatten" for each position of each channel as a unit.
        chance: Also return, as `<name>_at_chance`, covariance, correlation and ranks of independent units with the same
            marginal distributions and number of samples, and class characteristics for shuffled labels.

    Returns:
        A dict of floats, and an array for the spectrum.

    Raises:
        TypeError: if `characteristics` is neither a name nor names, or `positive_only` is not a bool.
        ValueError: if `z` is not numeric, of rank 2 or more, finite and not empty, the labels do not match or are
            missing, or there is no such characteristic.

    Examples:
        >>> import numpy as np, keras_repreg
        >>> z = np.array([[1.0, 2.0, 0.0], [3.0, 4.0, 0.0], [0.0, 6.0, 0.0]])
        >>> result = keras_repreg.characterize(z)
        >>> round(result["sparsity"], 3), round(result["dead_units"], 3), result["amplitude"]
        (0.444, 0.333, 3.2)
        >>> keras_repreg.characterize(z, characteristics=["numerical_rank"])
        {'numerical_rank': 2.0}

    Reference:
        Table 1 of Choi, Lee, Shin and Rhee (2018), "On the statistical and information-theoretic characteristics of
        deep network representations".

        - [1] Roy and Vetterli (2007), "The effective rank: a measure of effective dimensionality"; applied to C here.
        - [2] Gao, Trautmann, Yu, Santhanam, Ryu, Shenoy and Ganguli (2017), "A theory of multineuronal dimensionality,
          dynamics and measurement".
        - [3] Garrido, Balestriero, Najman and LeCun (2023), "RankMe: assessing the downstream performance of pretrained
          self-supervised representations by their rank"; without its 1e-7, which guards the logarithm.
        - [4] Papyan, Han and Donoho (2020), "Prevalence of neural collapse during the terminal phase of deep learning
          training", whose classes are of equal size.
    """
    matrix = rows_of(z, units)
    if not matrix.size:
        raise ValueError(f"Expected at least one sample of at least one unit. Received: shape {np.shape(z)}")
    if not np.isfinite(matrix).all():
        raise ValueError(f"Expected finite values. Received: {np.sum(~np.isfinite(matrix))} NaN or infinite ones")
    samples = np.shape(z)[0]
    classes = None if labels is None else np.repeat(sample_classes(labels, samples), len(matrix) // samples)
    select(characteristics, labelled=labels is not None)
    accumulator = Characteristics(positive_only, characteristics, chance=chance)
    accumulator.update(matrix, classes)
    return accumulator.result()
