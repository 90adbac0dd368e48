"""Figure 3: RR's loss weight against rank and accuracy, for data of d independent factors."""

from benchmarks.experiments.factors import Factors

EXPERIMENT = Factors(
    name="figure3",
    place="Section 4.3",
    title="rank and accuracy under RR by number of factors",
    claim="Rank is controlled well by RR's loss weight, while the accuracy shows no meaningful dependency on the "
    "number of independent factors of the data.",
    regularizer="RR",
    characteristic="stable_rank",
)
