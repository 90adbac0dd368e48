"""The outputs of a command: stdout and the files it was given, and nothing else."""

import contextlib
import os
import stat
import sys
from collections.abc import Iterable
from pathlib import Path

from keras_repreg.commands.refusal import Refusal
from keras_repreg.commands.text import printable
from keras_repreg.files import kind_of, write_atomically


def check_outputs(paths: Iterable[Path], read: Iterable[Path], overwrite: bool) -> None:
    """Check that files can be written where they are wanted, before any work.

    Raises:
        Refusal: if one exists (unless `overwrite`), is no regular file, is what is read, or is named twice.
    """
    seen: set[Path] = set()
    kept = {path.resolve() for path in read}
    for path in paths:
        _check(path, overwrite)
        if path.resolve() in kept or any(_same(path, other) for other in kept):
            raise Refusal(f"{path} is what is measured; write elsewhere")
        if path.resolve() in seen:
            raise Refusal(f"two outputs are the same file, {path}")
        seen.add(path.resolve())


def _check(path: Path, overwrite: bool) -> None:
    try:
        kind = kind_of(path)
    except OSError as error:
        raise Refusal(f"{path} cannot be written: {error.strerror}") from error
    if kind not in (None, "file"):
        raise Refusal(f"{path} is a {kind}, which is never replaced; name a file")
    if kind == "file" and not overwrite:
        raise Refusal(f"{path} exists; --overwrite replaces it")
    if not path.absolute().parent.is_dir():
        raise Refusal(f"{path} cannot be written: there is no directory {path.absolute().parent}")


def _same(path: Path, other: Path) -> bool:
    with contextlib.suppress(OSError):
        return path.exists() and stat.S_ISREG(path.stat().st_mode) and path.samefile(other)
    return False


def write(path: Path, content: str, overwrite: bool) -> None:
    """Write a file whole.

    Raises:
        Refusal: if it cannot be written.
    """
    try:
        write_atomically(path, content, overwrite=overwrite)
    except FileExistsError as error:
        raise Refusal(f"{path} exists; --overwrite replaces files") from error
    except OSError as error:
        raise Refusal(f"{path} cannot be written: {error.strerror}") from error


class Terminal:
    """Stdout whose reader may leave, such as `head`, and notes on stderr.

    Attributes:
        closed: Whether it has left.
    """

    def __init__(self, quiet: bool):
        self._quiet = quiet
        self.closed = False

    def print(self, text: str) -> None:
        """Print text that is printable already."""
        if self.closed:
            return
        try:
            sys.stdout.write(text + "\n")
            sys.stdout.flush()
        except BrokenPipeError:
            self.closed = True
            # Python would fail once more when it flushes at its end.
            with contextlib.suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

    def note(self, text: str) -> None:
        """Say on stderr what is no error but should be known."""
        if not self._quiet:
            print(f"keras-repreg: note: {printable(text)}", file=sys.stderr)
