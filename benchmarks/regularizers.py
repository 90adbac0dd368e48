"""The twelve regularizers of the paper, as the package has them; importing them imports no Keras."""

from keras_repreg.regularizer_set import GRID, REGULARIZERS, Regularizer

__all__ = ["GRID", "REGULARIZERS", "Regularizer"]
