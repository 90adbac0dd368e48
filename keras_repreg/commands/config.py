"""Check that a model's configuration names only layers of Keras and of this package, and no code."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from keras_repreg.commands.refusal import Refusal

# Layers that hold code, or read and run a file that the configuration names.
CODE = ("Lambda", "__lambda__", "TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer")
# The modules of Keras that networks are made of: not `keras.utils`, `keras.config`, `keras.saving` and the like.
MODELLING = (
    "activations", "constraints", "dtype_policies", "initializers", "layers", "losses", "metrics", "models", "ops",
    "optimizers", "quantizers", "random", "regularizers",
)  # fmt: skip
# And those of their functions.
FUNCTIONS = ("activations", "constraints", "initializers", "losses", "metrics", "ops", "random", "regularizers")
# Packages of layers that Keras imports by itself.
PACKAGES = ("keras_repreg", "keras_hub", "keras_nlp", "keras_cv")


def check_config(config: Any, path: Path) -> None:
    """Check that a configuration names nothing but layers and their parts.

    Raises:
        Refusal: if it names code.
    """
    if not isinstance(config, dict):
        raise Refusal(f"{path} cannot be loaded: its configuration is a {type(config).__name__}, a dict is expected")
    for part in _parts({key: value for key, value in config.items() if key != "compile_config"}):
        wrong = _what_is_wrong(part)
        if wrong:
            raise Refusal(f"{path} cannot be loaded: {wrong}")


def _parts(config: Any) -> Iterator[dict[Any, Any]]:
    """Every dict within the configuration; not by recursion, whose depth a file could exhaust."""
    waiting = [config]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            yield part
            waiting.extend(part.values())
        elif isinstance(part, list):
            waiting.extend(part)


def _what_is_wrong(part: dict[Any, Any]) -> str | None:
    name, module, config = part.get("class_name"), part.get("module"), part.get("config")
    # A file, or an address, whose content would become the vocabulary.
    for key in ("vocabulary", "idf_weights"):
        if isinstance(part.get(key), str):
            return f"its layer {part.get('name')!r} reads the file {part[key]!r}, which is not done"
    if not isinstance(name, str):
        return None
    if name in CODE:
        layer = config.get("name") if isinstance(config, dict) else None
        return f"it holds code, a {name}{f' named {layer!r}' if layer else ''}, which is not run"
    function = name == "function"
    if isinstance(module, str) and not _is_allowed(module, function):
        return f"it names {module}.{config if function else name}, which is no part of a network that is read"
    return None


def _is_allowed(module: str, function: bool) -> bool:
    package, *rest = module.split(".")
    if package == "builtins":
        return function
    if package in PACKAGES:
        return not function or package == "keras_repreg"
    if package != "keras":
        return False
    if rest[:1] == ["src"]:
        rest = rest[1:]
        # Applications have layers of their own, and PyTorch optimizers.
        if rest[:1] == ["applications"] or (rest[:1] == ["backend"] and "optimizers" in rest):
            return not function
    return rest[0] in (FUNCTIONS if function else MODELLING) if rest else not function
