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
    """The statistical characteristics of Table 1 for an array of activations, and others by name.

    | key | formula |
    | --- | --- |
    | `amplitude` | E[abs(z_i)] |
    | `covariance` | E over i != j of abs(c_ij), c_ij = E[(z_i - mu_i)(z_j - mu_j)] |
    | `correlation` | E over i != j of abs(rho_ij), rho_ij = c_ij / (sigma_i sigma_j) |
    | `sparsity` | P_s, the fraction of activations that are exactly zero |
    | `dead_units` | P_d, the fraction of units that are zero for every sample |
    | `stable_rank` | norm_F(C)^2 / norm_2(C)^2 of the covariance of all values, zeros included |

    These six are the default; with labels the two variances of classes as well. The others are there by name, or all
    of them as `characteristics="all"`. With lambda_1 >= lambda_2 >= ... the eigenvalues of C, sigma_k the singular
    values of Z, and S_W and S_B the covariance within classes and that of the class means, each class counting by
    its share of the samples, so that C = S_W + S_B:

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

    Covariance and correlation are means of ABSOLUTE values: the numbers that the paper prints are, although its
    Table 1 writes signed means. Computed in float64. What is not defined, such as the correlation of a single
    unit, is 0; a pair of units with fewer than two common samples does not count, nor does a constant unit for
    the correlation.

    Args:
        z: Activations, shape (N, M), or (N, ..., M) where every position counts as a sample.
        labels: Class of each sample, shape (N,), (N, 1) or one-hot (N, K).
        positive_only: Amplitude over positive activations only, covariance and correlation of a pair of units
            over the samples where both are positive, as the paper does for ReLU layers.
        characteristics: Names of those wanted, or "all". Where all of them are among amplitude, sparsity, dead units,
            mean, variance and the class variances, no M x M matrix is formed.
        units: "channels", or "flatten" for each position of each channel as a unit.
        chance: Also give, under `<name>_at_chance`, what covariance, correlation and ranks are for independent units
            of the same margins and this number of samples, and characteristics of classes for shuffled labels.

    Returns:
        A dict of floats, and of an array for the spectrum.

    Raises:
        TypeError: if `characteristics` is neither a name nor names, or `positive_only` no bool.
        ValueError: if `z` is not numeric, of rank 2 or more, finite and not empty, the labels do not fit or are
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
        Table 1 of Choi, Lee, Shin and Rhee (2018), "On the statistical and information-theoretic
        characteristics of deep network representations".
        [1] Roy and Vetterli (2007), "The effective rank: a measure of effective dimensionality"; of C here.
        [2] Gao, Trautmann, Yu, Santhanam, Ryu, Shenoy and Ganguli (2017), "A theory of multineuronal dimensionality,
        dynamics and measurement".
        [3] Garrido, Balestriero, Najman and LeCun (2023), "RankMe: assessing the downstream performance of pretrained
        self-supervised representations by their rank"; without its 1e-7, which guards the logarithm.
        [4] Papyan, Han and Donoho (2020), "Prevalence of neural collapse during the terminal phase of deep learning
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
