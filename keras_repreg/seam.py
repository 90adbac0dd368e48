"""All code that relies on more than Keras's documented interface.

Each assumption has a contract test in `tests/test_seam.py`, which runs on the oldest and the newest supported Keras.
Only this module replaces methods of instances or uses private attributes of Keras.
"""

import contextlib
import functools
import inspect
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import keras
from keras import ops

Tensor = Any

_lock = threading.RLock()


class _Replaced:
    """A method of one instance and its wrappers, the last one added outermost."""

    def __init__(self, owner: Any, name: str):
        own = vars(owner).get(name)
        self._owner = weakref.ref(owner)
        self._name = name
        self._own = own
        self.around: list[Callable[..., Any]] = []

    @property
    def __wrapped__(self) -> Callable[..., Any]:
        """The method without its wrappers; `inspect.signature`, which Keras uses, follows it."""
        return self._own if self._own is not None else getattr(type(self._owner()), self._name).__get__(self._owner())

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        # Another thread may change the list during the call.
        method = self.__wrapped__
        for around in self.around:
            method = functools.partial(around, method)
        return method(*args, **kwargs)

    def restore(self) -> None:
        owner = self._owner()
        if owner is not None and vars(owner).get(self._name) is self:
            vars(owner).pop(self._name)
            if self._own is not None:
                vars(owner)[self._name] = self._own


def replace_method(owner: Any, name: str, around: Callable[..., Any]) -> Callable[[], None]:
    """Make `owner.name(...)` call `around(original, ...)`, on this instance only.

    A method can have any number of wrappers, which can be removed in any order. Removing the last one restores the
    instance.

    Args:
        owner: A layer or model.
        name: The name of a method.
        around: Called with the method, followed by its arguments.

    Returns:
        A function that removes `around`; a second call does nothing.
    """
    with _lock:
        replaced = vars(owner).get(name)
        if not isinstance(replaced, _Replaced):
            replaced = _Replaced(owner, name)
            # Bypasses setattr, which is guarded in built layers.
            vars(owner)[name] = replaced
        replaced.around = [*replaced.around, around]

    def undo() -> None:
        with _lock:
            replaced.around = [function for function in replaced.around if function is not around]
            if not replaced.around:
                replaced.restore()

    return undo


@contextlib.contextmanager
def substituted(owner: Any, name: str, method: Callable[..., Any]) -> Iterator[None]:
    """Replace `owner.name` with `method` within the context, on this instance only."""
    before = vars(owner).get(name)
    vars(owner)[name] = method
    try:
        yield
    finally:
        vars(owner).pop(name)
        if before is not None:
            vars(owner)[name] = before


def around(owner: Any, name: str) -> list[Callable[..., Any]]:
    """Return the wrappers that `replace_method` has added to a method, the outermost last."""
    replaced = vars(owner).get(name)
    return replaced.around if isinstance(replaced, _Replaced) else []


def is_own_method(model: keras.Model, name: str) -> bool:
    """Return whether a method, apart from its wrappers, is defined outside of Keras and this package."""
    method = inspect.unwrap(getattr(model, name))
    return str(getattr(method, "__module__", "")).split(".")[0] not in ("keras", "keras_repreg")


def become(model: keras.Model, kind: type) -> None:
    """Make a model an instance of a subclass of its class; it is then saved as that class."""
    object.__setattr__(model, "__class__", kind)


def forget_compiled(model: keras.Model) -> None:
    """Make the next `fit` and `evaluate` compile their steps again, from the current methods."""
    model.train_function = None
    model.test_function = None


def sublayers(layer: keras.layers.Layer) -> list[keras.layers.Layer]:
    """Return the direct sublayers of a layer, wrapper or model."""
    return layer._flatten_layers(include_self=False, recursive=False)


def all_sublayers(layer: keras.layers.Layer) -> list[keras.layers.Layer]:
    """Return the layers within a layer or model at any depth, each once."""
    return layer._flatten_layers(include_self=False, recursive=True)


def outermost_layer(layer: keras.layers.Layer) -> keras.layers.Layer:
    """Return the layer or model whose call contains the current call of `layer`."""
    outermost = layer._get_call_context().entry_layer
    if outermost is layer:
        # If `call` was called directly, this has opened a context that nothing else would close.
        layer._maybe_reset_call_context()
    return outermost


def functional_class() -> type:
    """Return the class of `keras.Model(inputs, outputs)`."""
    # Explicit names, to leave Keras's numbering of names unchanged.
    start = keras.Input((1,), name="functional_class_input")
    end = keras.layers.Identity(name="functional_class_output")(start)
    return type(keras.Model(start, end, name="functional_class"))


@contextlib.contextmanager
def tapped(layers: list[keras.layers.Layer], receive: Callable[[keras.layers.Layer, Any, Any], None]) -> Iterator[None]:
    """Call `receive(layer, output, mask)` after each call of one of the layers within the context.

    Calls in other threads and calls that a layer makes of itself are ignored. `mask` has the structure of the output if
    Keras has a mask for it, and is None otherwise.
    """
    thread = threading.get_ident()
    running: set[int] = set()
    masks = _MaskReader()

    def recording(layer: keras.layers.Layer) -> Callable[..., Any]:
        def call(original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
            if threading.get_ident() != thread or id(layer) in running:
                return original(*args, **kwargs)
            running.add(id(layer))
            try:
                output = original(*args, **kwargs)
            finally:
                running.discard(id(layer))
            receive(layer, output, masks.of_output(layer, output, args, kwargs))
            return output

        return call

    with contextlib.ExitStack() as undo:
        for layer in {id(layer): layer for layer in layers}.values():
            wrapper = recording(layer)
            # The name that Keras calls in quantized layers.
            for name in ("call", "quantized_call"):
                undo.callback(replace_method(layer, name, wrapper))
        yield


class _MaskReader(keras.layers.Layer):
    """Reads the mask attached to a tensor, which Keras passes to layers whose `call` takes one."""

    def __init__(self) -> None:
        super().__init__(name="mask_reader", autocast=False)
        self.supports_masking = True
        self._found: Any = None

    def call(self, inputs: Any, mask: Any = None) -> Any:
        self._found = mask
        return inputs

    def of(self, tensors: Any) -> Any:
        """Return the masks of a structure of tensors, or None if no tensor has one."""
        if not all(ops.is_tensor(part) for part in keras.tree.flatten(tensors)):
            return None
        self(tensors)
        found, self._found = self._found, None
        return found if any(part is not None for part in keras.tree.flatten(found)) else None

    def of_output(self, layer: keras.layers.Layer, output: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Return the mask that Keras attaches to the output of `layer` after its call."""
        mask = self.of(output)
        if mask is None and layer.supports_masking:
            inputs = args[0] if args else next(iter(kwargs.values()), None)
            before = kwargs.get("mask")
            before = self.of(inputs) if before is None else before
            mask = layer.compute_mask(inputs, before)
        return mask


def without_gradients() -> contextlib.AbstractContextManager[Any]:
    """Return a context in which PyTorch keeps no activations for a backward pass."""
    if keras.backend.backend() != "torch":
        return contextlib.nullcontext()
    import torch

    return torch.no_grad()


def full_precision(tensor: Tensor) -> contextlib.AbstractContextManager[Any]:
    """Return a context in which `torch.autocast` does not round the factors of matrix products to half precision."""
    if keras.backend.backend() != "torch":
        return contextlib.nullcontext()
    import torch

    return torch.autocast(tensor.device.type, enabled=False)


def with_hooks(tensor: Tensor, forward: Callable[[], Any], backward: Callable[[], Any]) -> Tensor:
    """Return a JAX tensor that calls `forward` when it is differentiated, and `backward` when it receives a gradient.

    A `keras.ops.custom_gradient` cannot do this on JAX: it is traced with or without a gradient.
    """
    import jax

    @jax.custom_vjp
    def identity(x: Tensor) -> Tensor:
        return x

    def pull_back(residuals: Any, upstream: Tensor) -> tuple[Tensor]:
        backward()
        return (upstream,)

    identity.defvjp(lambda x: (x, forward() and None), pull_back)
    return identity(tensor)


def value_of(tensor: Tensor) -> Any:
    """Return the value of a tensor as an array, or None if it has none because a function is being traced."""
    if isinstance(tensor, keras.KerasTensor):
        return None
    if keras.backend.backend() == "torch" and ops.is_tensor(tensor):
        import torch

        if torch.compiler.is_compiling() or tensor.device.type == "meta":
            return None
    try:
        return ops.convert_to_numpy(tensor)
    except Exception:  # backends raise different errors for a tensor without a value
        return None


def is_usable(tensor: Tensor) -> bool:
    """Return whether a tensor can be used here, which is False if it was made in a loop or function traced before."""
    try:
        ops.add(tensor, 0)
    except Exception:  # backends raise different errors for a tensor outside of its trace
        return False
    return True


class ExactLosses(keras.layers.Layer):
    """Mixin of layers whose losses all appear in `model.losses`, on every backend.

    On JAX, Keras identifies the losses of a layer in a step by `id()`. For a layer that is called twice it keeps only
    the losses of the last call. It also keeps the ids of deleted tensors, so that the loss of another layer that gets
    such an id is lost. This mixin drops ids with their tensors and keeps the losses of every call.
    """

    def add_loss(self, loss: Tensor) -> None:
        super().add_loss(loss)
        if id(loss) in self._loss_ids:
            weakref.finalize(loss, self._loss_ids.discard, id(loss)).atexit = False

    def _clear_losses(self) -> None:
        # In a JAX step, which is one forward pass, losses are in Keras's scope instead of this list.
        if self._losses or not self._loss_ids:
            super()._clear_losses()

    def _get_own_losses(self) -> list[Tensor]:
        losses = super()._get_own_losses()
        self.on_losses_read(losses)
        return losses

    def on_losses_read(self, losses: list[Tensor]) -> None:
        """Called when a model sums its losses after a forward pass, in `fit` and `evaluate` but not in `predict`."""
