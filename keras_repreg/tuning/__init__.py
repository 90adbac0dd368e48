"""The twelve regularizers of the paper as a set to tune with (section 6.2), for KerasTuner.

`RegularizerSearch` needs KerasTuner: install `keras-repreg[tuner]`. The rest does not, and importing this module
imports none.
"""

from keras_repreg.regularizer_set import REGULARIZERS
from keras_repreg.tuning.leaderboard import Leaderboard
from keras_repreg.tuning.regularization import Regularization, choose_regularization
from keras_repreg.tuning.search import RegularizerSearch

NAMES: tuple[str, ...] = tuple(REGULARIZERS)
"""The paper's names of the twelve: Baseline, L1W, L2W, Dropout, BN, CR, cw-CR, VR, cw-VR, L1R, RR and cw-RR."""

__all__ = ["NAMES", "Leaderboard", "Regularization", "RegularizerSearch", "choose_regularization"]
