"""The statistical characteristics of Table 1 and related ones, for arrays and for layers of a model."""

from keras_repreg.characteristics.accumulator import Characteristics
from keras_repreg.characteristics.characterizing import characterize
from keras_repreg.characteristics.definitions import CHARACTERISTICS, NAMES
from keras_repreg.characteristics.measuring import accumulate, measure
from keras_repreg.characteristics.measuring_units import measure_units
from keras_repreg.characteristics.selection import select_layers
from keras_repreg.characteristics.spectrum import stable_rank
from keras_repreg.characteristics.table import CharacteristicsTable, UnitsTable

__all__ = [
    "CHARACTERISTICS",
    "NAMES",
    "Characteristics",
    "CharacteristicsTable",
    "UnitsTable",
    "accumulate",
    "characterize",
    "measure",
    "measure_units",
    "select_layers",
    "stable_rank",
]
