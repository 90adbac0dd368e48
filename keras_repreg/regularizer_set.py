"""The twelve regularizers of the paper as a set (section 6.2), with the loss weights of Appendix D.1, and later ones.

No Keras is imported here: a process that only reads names or records needs none.
"""

from dataclasses import dataclass
from typing import Any

GRID = (0.001, 0.01, 0.1, 1.0, 10.0, 100.0)


@dataclass(frozen=True)
class Regularizer:
    """One of the twelve, or of the later ones.

    Attributes:
        name: The paper's name.
        layer: The class of `keras_repreg.layers` that it is; empty for those that are not a penalty on activations.
        normalize: Whether its loss weights are those of the normalised penalty. The paper does not say; on the
            literal scale L1R at 0.001 switches the layer off and most of the grid is useless, while for the ranks
            the literal scale is the one on which the grid reaches the rank of 1.00 that Table 6 shows.
        weights: The loss weights to choose from; empty where there is nothing to choose.
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
        """Whether it needs the labels of the batch."""
        return self.layer.startswith("Classwise")

    def keras_layer(self, weight: float, **arguments: Any) -> Any:
        """The penalty as a Keras layer."""
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
