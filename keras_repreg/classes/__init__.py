"""Class-wise statistics of one batch (eq. 11 to 13), without a loop over classes."""

from keras_repreg.classes.base import Classes
from keras_repreg.classes.hard import HardClasses
from keras_repreg.classes.soft import SoftClasses

__all__ = ["Classes", "HardClasses", "SoftClasses"]
