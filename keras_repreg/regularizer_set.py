"""The twelve regularizers of the paper as a set (section 6.2), with the loss weights to choose from (Appendix D.1).

No Keras is imported here: a process that only reads names or records needs none.
"""

from dataclasses import dataclass
from typing import Any

GRID = (0.001, 0.01, 0.1, 1.0, 10.0, 100.0)


@dataclass(frozen=True)
class Regularizer:
    """One of the twelve.

    Attributes:
        name: The paper's name.
        layer: The class of `keras_repreg.layers` that it is; empty for those that are not a penalty on activations.
        normalize: Whether its loss weights are those of the normalised penalty. The paper does not say; on the
            literal scale L1R at 0.001 switches the layer off and most of the grid is useless, while for the ranks
            the literal scale is the one on which the grid reaches the rank of 1.00 that Table 6 shows.
        weights: The loss weights to choose from; empty where there is nothing to choose.
    """

    name: str
    layer: str = ""
    normalize: bool = True
    weights: tuple[float, ...] = GRID

    @property
    def classwise(self) -> bool:
        """Whether it needs the labels of the batch."""
        return self.layer.startswith("Classwise")

    def keras_layer(self, weight: float, **arguments: Any) -> Any:
        """The penalty as a Keras layer."""
        import keras_repreg

        return getattr(keras_repreg.layers, self.layer)(weight, normalize=self.normalize, **arguments)


_ALL = (
    Regularizer("Baseline", weights=()),
    Regularizer("L1W"),
    Regularizer("L2W"),
    Regularizer("Dropout", weights=()),
    Regularizer("BN", weights=()),
    Regularizer("CR", "CovarianceRegularization"),
    Regularizer("cw-CR", "ClasswiseCovarianceRegularization"),
    Regularizer("VR", "VarianceRegularization"),
    Regularizer("cw-VR", "ClasswiseVarianceRegularization"),
    Regularizer("L1R", "L1Regularization"),
    Regularizer("RR", "RankRegularization", normalize=False),
    Regularizer("cw-RR", "ClasswiseRankRegularization", normalize=False),
)
REGULARIZERS = {regularizer.name: regularizer for regularizer in _ALL}
