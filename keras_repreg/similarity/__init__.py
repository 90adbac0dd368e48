"""Similarity of representations: between networks, layers, or epochs of training."""

from keras_repreg.similarity.comparing import SimilarityTable, compare
from keras_repreg.similarity.cross_moments import CrossMoments
from keras_repreg.similarity.measures import cca, cka, procrustes
from keras_repreg.similarity.similarity_logger import SimilarityLogger

__all__ = ["CrossMoments", "SimilarityLogger", "SimilarityTable", "cca", "cka", "compare", "procrustes"]
