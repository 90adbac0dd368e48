"""The penalties of Table 5 as layers, and the two base classes for penalties of your own."""

from keras_repreg.layers.base import RepresentationRegularization
from keras_repreg.layers.classwise import ClasswiseRegularization
from keras_repreg.layers.covariance import ClasswiseCovarianceRegularization, CovarianceRegularization
from keras_repreg.layers.l1 import L1Regularization
from keras_repreg.layers.rank import ClasswiseRankRegularization, RankRegularization
from keras_repreg.layers.variance import ClasswiseVarianceRegularization, VarianceRegularization
from keras_repreg.layers.weight_factor import WeightFactor

__all__ = [
    "ClasswiseCovarianceRegularization",
    "ClasswiseRankRegularization",
    "ClasswiseRegularization",
    "ClasswiseVarianceRegularization",
    "CovarianceRegularization",
    "L1Regularization",
    "RankRegularization",
    "RepresentationRegularization",
    "VarianceRegularization",
    "WeightFactor",
]
