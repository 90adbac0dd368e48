"""Tune the twelve regularizers of the paper (section 6.2), later ones, and cocktails with KerasTuner.

Only `RegularizerSearch` needs KerasTuner: install `keras-repreg[tuner]`. Importing this module does not import it.
"""

from keras_repreg.regularizer_set import LATER_REGULARIZERS, REGULARIZERS
from keras_repreg.tuning.cocktail import Cocktail, choose_cocktail
from keras_repreg.tuning.comparison import Comparison, compare
from keras_repreg.tuning.leaderboard import Leaderboard
from keras_repreg.tuning.regularization import Regularization, choose_regularization
from keras_repreg.tuning.search import RegularizerSearch

NAMES: tuple[str, ...] = tuple(REGULARIZERS)
"""The names of the twelve regularizers in the paper: Baseline, L1W, L2W, Dropout, BN, CR, cw-CR, VR, cw-VR, L1R, RR and
cw-RR."""

LATER_NAMES: tuple[str, ...] = tuple(LATER_REGULARIZERS)
"""Later regularizers: DBN (`DecorrelatedBatchNormalization`), VC, SIG and cw-SIG."""

__all__ = [
    "LATER_NAMES",
    "NAMES",
    "Cocktail",
    "Comparison",
    "Leaderboard",
    "Regularization",
    "RegularizerSearch",
    "choose_cocktail",
    "choose_regularization",
    "compare",
]
