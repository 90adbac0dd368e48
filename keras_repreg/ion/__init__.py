"""Identical output networks (section 3): different weights and representations with the same output."""

from keras_repreg.ion.covariance import align_dead_units, decorrelate, whiten, with_covariance
from keras_repreg.ion.cpn import Candidate, comparable, search_comparable
from keras_repreg.ion.finding import find_site
from keras_repreg.ion.folding import fold_batch_norm
from keras_repreg.ion.insertion import insert_linear
from keras_repreg.ion.matching import Matching, match
from keras_repreg.ion.matrices import orthogonal, permute, rescale
from keras_repreg.ion.removal import Removal, RemovedUnit, remove_units
from keras_repreg.ion.site import Site
from keras_repreg.ion.spectrum import whitening_matrix
from keras_repreg.ion.surgery import Rewrite, rewrites
from keras_repreg.ion.surveying import Surveyed, survey
from keras_repreg.ion.theorems import transform
from keras_repreg.ion.verification import verify

__all__ = [
    "Candidate",
    "Matching",
    "Removal",
    "RemovedUnit",
    "Rewrite",
    "Site",
    "Surveyed",
    "align_dead_units",
    "comparable",
    "decorrelate",
    "find_site",
    "fold_batch_norm",
    "insert_linear",
    "match",
    "orthogonal",
    "permute",
    "remove_units",
    "rescale",
    "rewrites",
    "search_comparable",
    "survey",
    "transform",
    "verify",
    "whiten",
    "whitening_matrix",
    "with_covariance",
]
