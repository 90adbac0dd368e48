"""Figure 2: sparsity and accuracy against L1R's loss weight, on data with d independent factors."""

from benchmarks.experiments.factors import figure

EXPERIMENT = figure(
    "figure2",
    "L1R",
    "sparsity",
    claim="Sparsity is controlled well by L1R's loss weight, while the accuracy shows no meaningful dependency on the "
    "number of independent factors of the data.",
)
