"""The twelve regularizers of the paper (section 6.2), with the loss weights of Appendix D.1, and later ones.

This module does not import Keras, so that names and records can be read without it.
"""

from dataclasses import dataclass
from typing import Any

GRID = (0.001, 0.01, 0.1, 1.0, 10.0, 100.0)


@dataclass(frozen=True)
class Regularizer:
    """One of the twelve regularizers, or a later one.

    Attributes:
        name: The name in the paper.
        layer: The name of its class in `keras_repreg.layers`; empty if it is not a penalty on activations.
        normalize: Whether its loss weights refer to the normalised penalty. The paper does not say. On the literal
            scale L1R at 0.001 switches the layer off and most of the grid is useless; for the ranks only the literal
            scale reaches the rank of 1.00 shown in Table 6.
        weights: The loss weights to choose from; empty if there is no choice.
        before_activation: Whether it belongs before an activation rather than after it.
        terms: The arguments of the layer that are loss weights.
    """

    name: str
    layer: str = ""
    normalize: bool = True
    weights: tuple[float, ...] = GRID
    before_activation: bool = False
    terms: tuple[str, ...] = ("weight",)

    @property
    def classwise(self) -> bool:
        """Whether the regularizer needs the labels of the batch."""
        return self.layer.startswith("Classwise")

    def keras_layer(self, weight: float, **arguments: Any) -> Any:
        """Return the penalty as a Keras layer."""
        import keras_repreg

        weights = dict.fromkeys(self.terms, weight)
        return getattr(keras_repreg.layers, self.layer)(**weights, normalize=self.normalize, **arguments)


_ALL = (
    Regularizer("Baseline", weights=()),
    Regularizer("L1W"),
    Regularizer("L2W"),
    Regularizer("Dropout", weights=()),
    Regularizer("BN", weights=(), before_activation=True),
    Regularizer("CR", "CovarianceRegularization"),
    Regularizer("cw-CR", "ClasswiseCovarianceRegularization"),
    Regularizer("VR", "VarianceRegularization"),
    Regularizer("cw-VR", "ClasswiseVarianceRegularization"),
    Regularizer("L1R", "L1Regularization"),
    Regularizer("RR", "RankRegularization", normalize=False),
    Regularizer("cw-RR", "ClasswiseRankRegularization", normalize=False),
)
_LATER = (
    Regularizer("DBN", weights=(), before_activation=True),
    Regularizer("VC", "VCRegularization", terms=("variance_weight", "covariance_weight")),
    Regularizer("SIG", "SIGRegularization", before_activation=True),
    Regularizer("cw-SIG", "ClasswiseSIGRegularization", before_activation=True),
)
REGULARIZERS = {regularizer.name: regularizer for regularizer in _ALL}
LATER_REGULARIZERS = {regularizer.name: regularizer for regularizer in _LATER}
ALL_REGULARIZERS = REGULARIZERS | LATER_REGULARIZERS
