"""Identical output networks (section 3): other weights, other representations, the same output."""

from keras_repreg.ion.surgery import Rewrite, find_consumer, rewrites, transform
from keras_repreg.ion.whitening import whiten, whitening_matrix

__all__ = ["Rewrite", "find_consumer", "rewrites", "transform", "whiten", "whitening_matrix"]
