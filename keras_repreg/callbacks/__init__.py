"""Callbacks that look inside a network while it trains."""

from keras_repreg.callbacks.characteristics_logger import CharacteristicsLogger

__all__ = ["CharacteristicsLogger"]
