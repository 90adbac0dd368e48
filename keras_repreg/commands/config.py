"""Check that a model's configuration names only layers of Keras and of this package, and no code."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from keras_repreg.commands.refusal import Refusal

# Layers that contain code, or read and run a file named in the configuration.
CODE = ("Lambda", "__lambda__", "TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer")
# Modules of Keras with the parts of networks, which excludes `keras.utils`, `keras.config`, `keras.saving` etc.
MODELLING = (
    "activations", "constraints", "dtype_policies", "initializers", "layers", "losses", "metrics", "models", "ops",
    "optimizers", "quantizers", "random", "regularizers",
)  # fmt: skip
# Modules of their functions.
FUNCTIONS = ("activations", "constraints", "initializers", "losses", "metrics", "ops", "random", "regularizers")
# Packages of layers that Keras imports itself.
PACKAGES = ("keras_repreg", "keras_hub", "keras_nlp", "keras_cv")


def check_config(config: Any, path: Path) -> None:
    """Check that a configuration names only layers and their parts.

    Raises:
        Refusal: if it names code.
    """
    if not isinstance(config, dict):
        raise Refusal(f"{path} cannot be loaded: its configuration is a {type(config).__name__}; expected a dict")
    for part in _parts({key: value for key, value in config.items() if key != "compile_config"}):
        wrong = _what_is_wrong(part)
        if wrong:
            raise Refusal(f"{path} cannot be loaded: {wrong}")


def _parts(config: Any) -> Iterator[dict[Any, Any]]:
    """Yield every dict in the configuration, without recursion, whose depth a file could exhaust."""
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
    # A file or an address from which the vocabulary would be read.
    for key in ("vocabulary", "idf_weights"):
        if isinstance(part.get(key), str):
            return f"its layer {part.get('name')!r} reads the file {part[key]!r}, which is not allowed"
    if not isinstance(name, str):
        return None
    if name in CODE:
        layer = config.get("name") if isinstance(config, dict) else None
        return f"it contains code, a {name}{f' named {layer!r}' if layer else ''}, which is not run"
    function = name == "function"
    if isinstance(module, str) and not _is_allowed(module, function):
        return f"it names {module}.{config if function else name}, which is not an allowed part of a network"
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
        # Applications define layers, and PyTorch defines optimizers.
        if rest[:1] == ["applications"] or (rest[:1] == ["backend"] and "optimizers" in rest):
            return not function
    return rest[0] in (FUNCTIONS if function else MODELLING) if rest else not function
