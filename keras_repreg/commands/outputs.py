"""Write the outputs of a command: stdout and the files given as arguments."""

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
    """Check before any work that the output files can be written.

    Raises:
        Refusal: if one exists (unless `overwrite`), is not a regular file, is an input, or is named twice.
    """
    seen: set[Path] = set()
    kept = {path.resolve() for path in read}
    for path in paths:
        _check(path, overwrite)
        if path.resolve() in kept or any(_same(path, other) for other in kept):
            raise Refusal(f"{path} is an input; write to another file")
        if path.resolve() in seen:
            raise Refusal(f"two outputs are the same file, {path}")
        seen.add(path.resolve())


def _check(path: Path, overwrite: bool) -> None:
    try:
        kind = kind_of(path)
    except OSError as error:
        raise Refusal(f"{path} cannot be written: {error.strerror}") from error
    if kind not in (None, "file"):
        raise Refusal(f"{path} is a {kind}, which is never replaced; choose a regular file")
    if kind == "file" and not overwrite:
        raise Refusal(f"{path} exists; pass --overwrite to replace it")
    if not path.absolute().parent.is_dir():
        raise Refusal(f"{path} cannot be written: there is no directory {path.absolute().parent}")


def _same(path: Path, other: Path) -> bool:
    with contextlib.suppress(OSError):
        return path.exists() and stat.S_ISREG(path.stat().st_mode) and path.samefile(other)
    return False


def write(path: Path, content: str, overwrite: bool) -> None:
    """Write a file atomically.

    Raises:
        Refusal: if it cannot be written.
    """
    try:
        write_atomically(path, content, overwrite=overwrite)
    except FileExistsError as error:
        raise Refusal(f"{path} exists; pass --overwrite to replace it") from error
    except OSError as error:
        raise Refusal(f"{path} cannot be written: {error.strerror}") from error


class Terminal:
    """Stdout, which its reader may close (such as `head`), and notes on stderr.

    Attributes:
        closed: Whether stdout has been closed.
    """

    def __init__(self, quiet: bool):
        self._quiet = quiet
        self.closed = False

    def print(self, text: str) -> None:
        """Print text, which must be printable."""
        if self.closed:
            return
        try:
            sys.stdout.write(text + "\n")
            sys.stdout.flush()
        except BrokenPipeError:
            self.closed = True
            # Otherwise Python would fail again when it flushes stdout at exit.
            with contextlib.suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

    def note(self, text: str) -> None:
        """Print a note that is not an error on stderr."""
        if not self._quiet:
            print(f"keras-repreg: note: {printable(text)}", file=sys.stderr)
