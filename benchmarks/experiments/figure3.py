"""Figure 3: rank and accuracy against RR's loss weight, on data with d independent factors."""

from benchmarks.experiments.factors import figure

EXPERIMENT = figure(
    "figure3",
    "RR",
    "stable_rank",
    claim="Rank is controlled well by RR's loss weight, while the accuracy shows no meaningful dependency on the "
    "number of independent factors of the data.",
)
