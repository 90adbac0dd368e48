"""Gather the global batch from the batches of the replicas.

This module uses the backends directly, because `keras.ops` cannot gather tensors from replicas. Keras divides the loss
of each replica by the number of replicas and sums the gradients, so a penalty on the global batch, which every replica
computes, counts once.
"""

import threading
from typing import Any

import keras
from keras import ops

Tensor = Any


def gather(rows: Tensor) -> Tensor:
    """Concatenate the rows of all replicas in order; gradients flow back to each replica.

    - TensorFlow: gathered across the replicas of the active `tf.distribute` strategy; replicas may have different
      numbers of rows, including none.
    - JAX: a tensor that is sharded over devices is already the global batch.
    - PyTorch: a process has one replica.

    Raises:
        ValueError: on PyTorch, in a group of several processes, where gathering is not supported.
    """
    backend = keras.backend.backend()
    if backend == "torch":
        _check_torch()
    replica = _replica() if backend == "tensorflow" else None
    if replica is None:
        return rows
    gathered = replica.all_gather(rows, axis=0)
    # Gathering loses the static number of units, which the statistics need.
    return gathered if None in rows.shape[1:] else ops.reshape(gathered, (-1, *rows.shape[1:]))


class SharedLosses:
    """The losses of one synchronized layer, which the replicas of a process keep in one list.

    `MirroredStrategy` traces the replicas in threads, and a thread that gathers waits for the others. So when a replica
    sums the losses of its model, those of other replicas may be among them. They add no gradient, because the replica's
    tape has not recorded them. To count the value once, all replicas but the first add `p - stop_gradient(p)`.
    """

    def __init__(self) -> None:
        self._owners: dict[int, int] = {}

    def share(self, penalty: Tensor, layer: keras.layers.Layer) -> Tensor:
        """Return the tensor to pass to `layer.add_loss` for the penalty."""
        if keras.backend.backend() != "tensorflow" or _replica() is None:
            return penalty
        present = {id(loss) for loss in layer.losses}
        self._owners = {loss: owner for loss, owner in self._owners.items() if loss in present}
        me, owners = threading.get_ident(), list(self._owners.values())
        # A layer that is called twice in a model has two penalties per replica.
        if any(owners.count(other) > owners.count(me) for other in set(owners)):
            penalty = penalty - ops.stop_gradient(penalty)
        self._owners[id(penalty)] = me
        return penalty


def _replica() -> Any:
    """Return the replica of the current step, or None if it is the only one."""
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
            "Expected a single process: on PyTorch, statistics of several processes cannot be combined for "
            f"`synchronized=True`. Received: a process group of {processes} processes"
        )
