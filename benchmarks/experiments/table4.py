"""Table 4: the twelve regularizers under seven conditions on CIFAR-10, the CNN's fully connected layer regularized."""

from benchmarks import paper
from benchmarks.experiments.cifar import EPOCHS, SIZES, SMOKE, Cifar
from benchmarks.training.cifar import CifarRun, train

EXPERIMENT = Cifar(
    name="table4",
    place="Section 6, CIFAR-10",
    title="test errors (%) on CIFAR-10 under conditions of data size, width and optimizer",
    claim="No regularizer performs best under all conditions, but the best of the twelve, a representation "
    "regularizer in each of them, improves on the baseline by 1.9 to 6 points.",
    base=CifarRun("Baseline", 0.0, seed=1, epochs=EPOCHS),
    conditions=SIZES | {"momentum": {"optimizer": "momentum"}, "rmsprop": {"optimizer": "rmsprop"}},
    train=train,
    paper=paper.errors("table4"),
    smoke=SMOKE,
)
