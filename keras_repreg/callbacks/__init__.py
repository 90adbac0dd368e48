"""Callbacks that measure representations during training and change loss weights."""

from keras_repreg.callbacks.characteristics_logger import CharacteristicsLogger
from keras_repreg.callbacks.information_plane_logger import InformationPlaneLogger
from keras_repreg.callbacks.penalty_logger import PenaltyLogger
from keras_repreg.callbacks.weight_schedule import WeightSchedule, linear_warm_up

__all__ = ["CharacteristicsLogger", "InformationPlaneLogger", "PenaltyLogger", "WeightSchedule", "linear_warm_up"]
