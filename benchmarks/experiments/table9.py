"""Table 9: the twelve regularizers under seven conditions on CIFAR-100, the CNN's fully connected layer regularized.

Batches have 500 samples (Appendix D.1), so that each contains most classes. Conditions with fewer classes use the first
ones. With 1,000 and 5,000 images, training takes five times as many epochs as in Table 4, and so as many steps.
"""

from benchmarks import paper
from benchmarks.experiments.cifar import EPOCHS, SIZES, SMOKE, Cifar
from benchmarks.training.cifar import CifarRun, train

SMALL = {name: {**SIZES[name], "epochs": 5 * EPOCHS} for name in ("data_1k", "data_5k")}
EXPERIMENT = Cifar(
    name="table9",
    place="Appendix D.4, CIFAR-100",
    title="test errors (%) on CIFAR-100 under conditions of data size, width and number of classes",
    claim="No regularizer performs best under all conditions, but the best of the twelve improves on the baseline in "
    "each of them.",
    base=CifarRun("Baseline", 0.0, seed=1, epochs=EPOCHS, dataset="cifar100", batch_size=500),
    conditions=SIZES | SMALL | {"classes_16": {"classes": 16}, "classes_64": {"classes": 64}},
    train=train,
    paper=paper.errors("table9"),
    smoke=SMOKE,
)
