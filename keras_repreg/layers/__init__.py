"""The penalties of Table 5 and later ones as layers, and the two base classes for custom penalties."""

from keras_repreg.layers.base import RepresentationRegularization
from keras_repreg.layers.classwise import ClasswiseRegularization
from keras_repreg.layers.covariance import ClasswiseCovarianceRegularization, CovarianceRegularization
from keras_repreg.layers.decorrelated_batch_normalization import DecorrelatedBatchNormalization
from keras_repreg.layers.isotropic_gaussian import ClasswiseSIGRegularization, SIGRegularization
from keras_repreg.layers.l1 import L1Regularization
from keras_repreg.layers.rank import ClasswiseRankRegularization, RankRegularization
from keras_repreg.layers.variance import ClasswiseVarianceRegularization, VarianceRegularization
from keras_repreg.layers.variance_covariance import VCRegularization
from keras_repreg.layers.weight_factor import WeightFactor

__all__ = [
    "ClasswiseCovarianceRegularization",
    "ClasswiseRankRegularization",
    "ClasswiseRegularization",
    "ClasswiseSIGRegularization",
    "ClasswiseVarianceRegularization",
    "CovarianceRegularization",
    "DecorrelatedBatchNormalization",
    "L1Regularization",
    "RankRegularization",
    "RepresentationRegularization",
    "SIGRegularization",
    "VCRegularization",
    "VarianceRegularization",
    "WeightFactor",
]
