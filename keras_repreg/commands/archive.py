"""The parts of a .keras file, as its directory says, before anything in it is read."""

import json
import zipfile
from pathlib import Path, PurePosixPath
from typing import Any

from keras_repreg.commands import memory
from keras_repreg.commands.refusal import Refusal

CONFIG, WEIGHTS = "config.json", "model.weights.h5"
# Keras stores its parts as they are; one that expands more than so many times, and beyond so many bytes, is a bomb.
LARGEST_EXPANSION, HARMLESS = 20, 2**24
LARGEST_CONFIG = 2**27


def check_archive(path: Path) -> None:
    """Check that the file is an archive with a configuration and weights, whose sizes can be true and fit into memory.

    Raises:
        Refusal: otherwise.
    """
    if not path.exists():
        raise Refusal(f"{path} does not exist, a .keras file is expected")
    # Keras cannot tell whether older formats hold code.
    if not path.is_file() or path.suffix != ".keras" or not zipfile.is_zipfile(path):
        raise Refusal(f"{path} is not a .keras file, as `model.save('name.keras')` writes it")
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except (OSError, ValueError, zipfile.BadZipFile, NotImplementedError) as error:
        raise Refusal(f"{path} cannot be loaded: {error}") from error
    names = [member.filename for member in members]
    for name in (CONFIG, WEIGHTS):
        if names.count(name) != 1:
            raise Refusal(f"{path} cannot be loaded: it holds {names.count(name)} parts named {name}")
    for member in members:
        check_member(member, path)
    if next(member for member in members if member.filename == CONFIG).file_size > LARGEST_CONFIG:
        raise Refusal(f"{path} cannot be loaded: its {CONFIG} is larger than {LARGEST_CONFIG} bytes")
    memory.check(sum(member.file_size for member in members), f"the parts of {path}")


def check_member(member: zipfile.ZipInfo, path: Path) -> None:
    """Check that a part of an archive stays in its place and is no bomb.

    Raises:
        Refusal: otherwise.
    """
    place = PurePosixPath(member.filename.replace("\\", "/"))
    if place.is_absolute() or ".." in place.parts or ":" in place.parts[:1]:
        raise Refusal(f"{path} cannot be loaded: its part {member.filename!r} leads out of it")
    if member.file_size > max(LARGEST_EXPANSION * member.compress_size, HARMLESS):
        raise Refusal(
            f"{path} cannot be loaded: its part {member.filename!r} expands from {member.compress_size:,} bytes to "
            f"{member.file_size:,}"
        )


def read_config(path: Path) -> Any:
    """The model's configuration, plain lists and dicts.

    Raises:
        Refusal: if it is none.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return json.loads(archive.read(CONFIG))
    except Exception as error:  # whatever a damaged archive makes zipfile and json raise
        raise Refusal(f"{path} cannot be loaded: {CONFIG}: {error}") from error
