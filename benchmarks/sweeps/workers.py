"""The workers that execute runs: local processes, or a Dask or Ray cluster, through joblib's backends."""

import contextlib
import importlib
import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor
from dataclasses import dataclass
from typing import Any

import joblib
from joblib.externals.loky import get_reusable_executor

from benchmarks.quiet import quiet

BACKENDS = ("loky", "dask", "ray")
# How often a worker checks that its parent is alive.
PARENT_CHECK_SECONDS = 1.0


@dataclass(frozen=True)
class Workers:
    """Number and location of worker processes.

    On a cluster, each worker should have one thread, this package, and preferably a file system shared with the others.
    Without one, the process that started the sweep writes the records that workers return.

    Attributes:
        jobs: Number of processes; -1 for one per core, or for all workers of the cluster.
        backend: One of `BACKENDS`.
        address: Address of the cluster's scheduler; None starts a Dask or Ray cluster on this machine.
        quiet: Whether to hide the progress bar.
        threads: Threads per local process.
    """

    jobs: int = -1
    backend: str = "loky"
    address: str | None = None
    quiet: bool = False
    threads: int = 1

    def __post_init__(self) -> None:
        if self.backend not in BACKENDS:
            raise ValueError(f"Expected a backend in {BACKENDS}. Received: {self.backend!r}")
        if self.address and self.backend == "loky":
            raise ValueError(f"Expected no address for local processes. Received: {self.address!r}")

    @property
    def return_as(self) -> str:
        """How joblib returns results: one by one as they finish, or with Ray all at the end."""
        return "list" if self.backend == "ray" else "generator_unordered"

    @contextlib.contextmanager
    def ready(self) -> Iterator[None]:
        """Run `joblib.Parallel()` on these workers within the context.

        Raises:
            ValueError: if the backend is not installed, or no scheduler answers at the address.
            BrokenExecutor: if a worker dies.
        """
        with contextlib.ExitStack() as stack:
            if self.backend == "loky":
                stack.enter_context(_loky(self.jobs, self.threads))
            elif self.backend == "dask":
                stack.enter_context(_dask(self.address, self.jobs))
                stack.enter_context(joblib.parallel_config("dask", n_jobs=self.jobs))
            else:
                stack.enter_context(_ray(self.address, self.jobs))
                stack.enter_context(joblib.parallel_config("ray", n_jobs=self.jobs))
            yield


# One process per core of this machine.
LOCAL = Workers()


@contextlib.contextmanager
def _loky(jobs: int, threads: int) -> Iterator[None]:
    try:
        with joblib.parallel_config(
            "loky", n_jobs=jobs, inner_max_num_threads=threads, initializer=begin, initargs=(os.getpid(),)
        ):
            yield
    except BaseException:
        # Otherwise the workers would finish their runs and then stay idle for minutes.
        get_reusable_executor(reuse=True).shutdown(kill_workers=True)
        raise


def begin(parent: int) -> None:
    """Initialize a worker process: end it when its parent ends, and suppress Keras's import messages."""
    watch(parent)
    with quiet():
        importlib.import_module("keras_repreg")


def watch(parent: int) -> None:
    """Start a thread that ends this process when its parent ends."""
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(PARENT_CHECK_SECONDS)
    os._exit(1)


@contextlib.contextmanager
def _dask(address: str | None, jobs: int) -> Iterator[None]:
    try:
        from dask.distributed import Client
    except ImportError as error:
        raise ValueError(f"Expected dask to be installed: `pip install distributed`. Received: {error}") from None
    processes = jobs if jobs > 0 else os.cpu_count() or 1
    local: dict[str, Any] = {"n_workers": processes, "threads_per_worker": 1, "dashboard_address": None}
    try:
        client = Client(address, timeout=10) if address else Client(**local)
    except OSError as error:
        raise ValueError(f"Expected a Dask scheduler at {address}. Received: {error}") from None
    from distributed.scheduler import KilledWorker

    with client:
        try:
            yield
        except KilledWorker as error:
            raise BrokenExecutor(str(error)) from error


@contextlib.contextmanager
def _ray(address: str | None, jobs: int) -> Iterator[None]:
    try:
        import ray
        from ray.util.joblib import register_ray
    except ImportError as error:
        raise ValueError(f"Expected ray to be installed: `pip install ray`. Received: {error}") from None
    local: dict[str, Any] = {} if address or jobs < 0 else {"num_cpus": jobs}
    try:
        ray.init(address=address, log_to_driver=False, include_dashboard=False if not address else None, **local)
    except ConnectionError as error:
        raise ValueError(f"Expected a Ray cluster at {address}. Received: {error}") from None
    register_ray()
    try:
        yield
    except ray.exceptions.RayError as error:
        raise BrokenExecutor(str(error)) from error
    finally:
        ray.shutdown()
