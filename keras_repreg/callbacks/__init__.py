"""Callbacks that look inside a network while it trains."""

from keras_repreg.callbacks.characteristics_logger import CharacteristicsLogger
from keras_repreg.callbacks.information_plane_logger import InformationPlaneLogger

__all__ = ["CharacteristicsLogger", "InformationPlaneLogger"]
