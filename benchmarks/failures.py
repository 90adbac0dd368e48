"""How a command ends when its input is invalid, it is interrupted, or a worker dies."""

import signal
import sys
from collections.abc import Callable
from concurrent.futures import BrokenExecutor


def run_reporting_errors(command: Callable[[], int]) -> int:
    """Run a command, and report errors and interruptions in one line on stderr. SIGTERM acts like Ctrl-C.

    Returns:
        The command's exit status; 2 for invalid input, 1 if a worker died, 130 after Ctrl-C, 143 after SIGTERM.
    """
    received: list[int] = []

    def interrupt(number: int, _: object) -> None:
        received.append(number)
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        return command()
    except (ValueError, OSError) as error:
        print(f"python -m benchmarks: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except (BrokenExecutor, KeyboardInterrupt) as error:
        # Stopping the workers of an interrupted sweep can also break their pool.
        if received or isinstance(error, KeyboardInterrupt):
            print("Interrupted. Finished runs are recorded; run the same command to continue.", file=sys.stderr)
            return 143 if received else 130
        print(
            "python -m benchmarks: a worker process was killed, perhaps for lack of memory. Finished runs are "
            "recorded; run the same command to continue, with fewer --jobs if necessary.",
            file=sys.stderr,
        )
        return 1
    finally:
        signal.signal(signal.SIGTERM, before)
