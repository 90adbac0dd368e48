"""The statistical characteristics of Table 1, of arrays and of the layers of a model."""

from keras_repreg.characteristics.accumulator import NAMES, Characteristics, stable_rank
from keras_repreg.characteristics.measuring import accumulate, characterize, measure, select_layers

__all__ = [
    "NAMES",
    "Characteristics",
    "accumulate",
    "characterize",
    "measure",
    "select_layers",
    "stable_rank",
]
