"""Check the parts of a .keras file by its archive directory, before reading any of them."""

import json
import zipfile
from pathlib import Path, PurePosixPath
from typing import Any

from keras_repreg.commands import memory
from keras_repreg.commands.refusal import Refusal

CONFIG, WEIGHTS = "config.json", "model.weights.h5"
# Keras stores its parts uncompressed. A part beyond this expansion ratio and size is a decompression bomb.
LARGEST_EXPANSION, HARMLESS = 20, 2**24
LARGEST_CONFIG = 2**27


def check_archive(path: Path) -> None:
    """Check that the file is an archive with a configuration and weights, of plausible sizes that fit into memory.

    Raises:
        Refusal: otherwise.
    """
    if not path.exists():
        raise Refusal(f"{path} does not exist; expected a .keras file")
    # Keras cannot determine whether older formats contain code.
    if not path.is_file() or path.suffix != ".keras" or not zipfile.is_zipfile(path):
        raise Refusal(f"{path} is not a .keras file, as written by `model.save('name.keras')`")
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except (OSError, ValueError, zipfile.BadZipFile, NotImplementedError) as error:
        raise Refusal(f"{path} cannot be loaded: {error}") from error
    names = [member.filename for member in members]
    for name in (CONFIG, WEIGHTS):
        if names.count(name) != 1:
            raise Refusal(f"{path} cannot be loaded: it contains {names.count(name)} parts named {name}")
    for member in members:
        check_member(member, path)
    if next(member for member in members if member.filename == CONFIG).file_size > LARGEST_CONFIG:
        raise Refusal(f"{path} cannot be loaded: its {CONFIG} is larger than {LARGEST_CONFIG} bytes")
    memory.check(sum(member.file_size for member in members), f"the parts of {path}")


def check_member(member: zipfile.ZipInfo, path: Path) -> None:
    """Check that a part of an archive stays within its folder and is not a decompression bomb.

    Raises:
        Refusal: otherwise.
    """
    place = PurePosixPath(member.filename.replace("\\", "/"))
    if place.is_absolute() or ".." in place.parts or ":" in place.parts[:1]:
        raise Refusal(f"{path} cannot be loaded: its part {member.filename!r} points outside of it")
    if member.file_size > max(LARGEST_EXPANSION * member.compress_size, HARMLESS):
        raise Refusal(
            f"{path} cannot be loaded: its part {member.filename!r} expands from {member.compress_size:,} bytes to "
            f"{member.file_size:,}"
        )


def read_config(path: Path) -> Any:
    """Return the model's configuration as plain lists and dicts.

    Raises:
        Refusal: if it cannot be read.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return json.loads(archive.read(CONFIG))
    except Exception as error:  # zipfile and json raise many errors for damaged archives
        raise Refusal(f"{path} cannot be loaded: {CONFIG}: {error}") from error
