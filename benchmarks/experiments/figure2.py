"""Figure 2: L1R's loss weight against sparsity and accuracy, for data of d independent factors."""

from benchmarks.experiments.factors import Factors

EXPERIMENT = Factors(
    name="figure2",
    place="Section 4.3",
    title="sparsity and accuracy under L1R by number of factors",
    claim="Sparsity is controlled well by L1R's loss weight, while the accuracy shows no meaningful dependency on the "
    "number of independent factors of the data.",
    regularizer="L1R",
    characteristic="sparsity",
)
