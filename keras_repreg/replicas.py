"""From the batch of one replica to the global batch.

The one place that speaks to a backend itself: `keras.ops` has no way to gather tensors from replicas. What Keras
does with the loss makes the gradient right: it divides each replica's loss by the number of replicas and sums their
gradients, so that a penalty of the global batch, which every replica computes, counts once.
"""

import threading
from typing import Any

import keras
from keras import ops

Tensor = Any


def gather(rows: Tensor) -> Tensor:
    """The rows of all replicas, one below the other in the order of the replicas; gradients flow back to each.

    - TensorFlow: gathered across the replicas of the `tf.distribute` strategy whose step is running; replicas may
      have different numbers of rows, also none.
    - JAX: a tensor that is sharded over devices is the global batch already.
    - PyTorch: one process has one replica.

    Raises:
        ValueError: on PyTorch, in a group of several processes, from which nothing is gathered.
    """
    backend = keras.backend.backend()
    if backend == "torch":
        _check_torch()
    replica = _replica() if backend == "tensorflow" else None
    if replica is None:
        return rows
    gathered = replica.all_gather(rows, axis=0)
    # The number of units is lost on the way, and the statistics ask for it.
    return gathered if None in rows.shape[1:] else ops.reshape(gathered, (-1, *rows.shape[1:]))


class SharedLosses:
    """The losses of one synchronized layer, which the replicas of a process keep in one list.

    `MirroredStrategy` traces the replicas in threads, and a thread that gathers waits for the others. So when a
    replica sums up the losses of its model, those of others may be there. Their gradient is not, since the replica's
    tape has not seen them; and for the value to count once, all but the first add theirs as `p - stop_gradient(p)`.
    """

    def __init__(self) -> None:
        self._owners: dict[int, int] = {}

    def share(self, penalty: Tensor, layer: keras.layers.Layer) -> Tensor:
        """What to pass to `layer.add_loss` for the penalty."""
        if keras.backend.backend() != "tensorflow" or _replica() is None:
            return penalty
        present = {id(loss) for loss in layer.losses}
        self._owners = {loss: owner for loss, owner in self._owners.items() if loss in present}
        me, owners = threading.get_ident(), list(self._owners.values())
        # A layer that is called twice in a model has two penalties of each replica.
        if any(owners.count(other) > owners.count(me) for other in set(owners)):
            penalty = penalty - ops.stop_gradient(penalty)
        self._owners[id(penalty)] = me
        return penalty


def _replica() -> Any:
    """The replica whose step is running, or None if it is the only one."""
    import tensorflow as tf

    replica = tf.distribute.get_replica_context()
    return replica if replica is not None and replica.num_replicas_in_sync > 1 else None


def _check_torch() -> None:
    import torch

    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return
    processes = torch.distributed.get_world_size()
    if processes > 1:
        raise ValueError(
            "Expected a single process: on PyTorch statistics are those of each process's own batch, and "
            f"`synchronized=True` cannot be kept. Received: a process group of {processes} processes"
        )
