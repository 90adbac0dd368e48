"""How similar representations are: of two networks, of two layers, or of one layer at two times."""

from keras_repreg.similarity.comparing import SimilarityTable, compare
from keras_repreg.similarity.cross_moments import CrossMoments
from keras_repreg.similarity.measures import cca, cka, procrustes
from keras_repreg.similarity.similarity_logger import SimilarityLogger

__all__ = ["CrossMoments", "SimilarityLogger", "SimilarityTable", "cca", "cka", "compare", "procrustes"]
