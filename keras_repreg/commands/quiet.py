"""Silence backend messages during import, to keep stderr for the command's own messages."""

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Suppress stderr, also from compiled code, within the context, unless it ends with an exception."""
    try:
        kept = os.dup(2)
    except OSError:  # there is no stderr
        yield
        return
    with tempfile.TemporaryFile() as swallowed:
        sys.stderr.flush()
        os.dup2(swallowed.fileno(), 2)
        try:
            yield
        except BaseException:
            os.dup2(kept, 2)
            swallowed.seek(0)
            os.write(2, swallowed.read())
            raise
        finally:
            sys.stderr.flush()
            os.dup2(kept, 2)
            os.close(kept)
