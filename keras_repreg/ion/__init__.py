"""Identical output networks (section 3): other weights, other representations, the same output."""

from keras_repreg.ion.covariance import align_dead_units, decorrelate, whiten, whitening_matrix, with_covariance
from keras_repreg.ion.folding import fold_batch_norm
from keras_repreg.ion.matrices import orthogonal, permute, rescale
from keras_repreg.ion.site import find_site
from keras_repreg.ion.surgery import Rewrite, rewrites, transform
from keras_repreg.ion.verification import verify

__all__ = [
    "Rewrite",
    "align_dead_units",
    "decorrelate",
    "find_site",
    "fold_batch_norm",
    "orthogonal",
    "permute",
    "rescale",
    "rewrites",
    "transform",
    "verify",
    "whiten",
    "whitening_matrix",
    "with_covariance",
]
