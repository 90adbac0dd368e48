"""The information-theoretic characteristics of Table 1: information of a representation about its input and class."""

from keras_repreg.information.binning import BinnedMutualInformation, binned_mutual_information
from keras_repreg.information.entropy import EntropyBounds, entropy_bounds
from keras_repreg.information.mutual import mutual_information, noise_sweep
from keras_repreg.information.noise import relative_noise_variance
from keras_repreg.information.result import MutualInformation

__all__ = [
    "BinnedMutualInformation",
    "EntropyBounds",
    "MutualInformation",
    "binned_mutual_information",
    "entropy_bounds",
    "mutual_information",
    "noise_sweep",
    "relative_noise_variance",
]
