"""The twelve regularizers of the paper as a set to tune with (section 6.2), later ones, and cocktails, for KerasTuner.

`RegularizerSearch` needs KerasTuner: install `keras-repreg[tuner]`. The rest does not, and importing this module
imports none.
"""

from keras_repreg.regularizer_set import LATER_REGULARIZERS, REGULARIZERS
from keras_repreg.tuning.cocktail import Cocktail, choose_cocktail
from keras_repreg.tuning.comparison import Comparison, compare
from keras_repreg.tuning.leaderboard import Leaderboard
from keras_repreg.tuning.regularization import Regularization, choose_regularization
from keras_repreg.tuning.search import RegularizerSearch

NAMES: tuple[str, ...] = tuple(REGULARIZERS)
"""The paper's names of the twelve: Baseline, L1W, L2W, Dropout, BN, CR, cw-CR, VR, cw-VR, L1R, RR and cw-RR."""

LATER_NAMES: tuple[str, ...] = tuple(LATER_REGULARIZERS)
"""Those that came later: DBN (`DecorrelatedBatchNormalization`), VC, SIG and cw-SIG."""

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
