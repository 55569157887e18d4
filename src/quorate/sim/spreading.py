"""Work spread over processes: those of this machine, or of a Dask cluster.

Results come in the order of the work, so that nothing depends on who did what, or when.
"""

from __future__ import annotations

import importlib
import signal
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

from quorate.kernel import UsageError

W = TypeVar("W")
R = TypeVar("R")

CONNECT_S = 5
AHEAD = 64
"""How many pieces of work are handed out at a time, so that an end can come soon."""


def spread(
    function: Callable[[W], R], work: Sequence[W], executor: Executor | None
) -> Generator[R, None, None]:
    """`function` of each piece of work, in order; without an executor, in this process.

    To close the generator calls off what has not begun.
    """
    if executor is None:
        yield from map(function, work)
        return
    futures: list[Future[R]] = []
    try:
        for at in range(len(work)):
            while len(futures) < min(at + AHEAD, len(work)):
                futures.append(executor.submit(function, work[len(futures)]))
            yield futures[at].result()
    finally:
        for future in futures:
            future.cancel()


@contextmanager
def executor_for(jobs: int = 1, dask: str | None = None) -> Iterator[Executor | None]:
    """Processes to spread work over: `jobs` here, or those of the Dask cluster whose scheduler has
    that address. None for one job. Raises UsageError if there is no such cluster."""
    if dask is not None:
        with _cluster(dask) as cluster:
            yield cluster
    elif jobs > 1:
        # An interruption is for this process alone, which calls the others off.
        pool = ProcessPoolExecutor(
            jobs, initializer=signal.signal, initargs=(signal.SIGINT, signal.SIG_IGN)
        )
        try:
            yield pool
        finally:
            pool.shutdown(cancel_futures=True)
    else:
        yield None


@contextmanager
def _cluster(address: str) -> Iterator[Executor]:
    try:
        distributed: Any = importlib.import_module("distributed")
    except ImportError:
        raise UsageError(
            "a Dask cluster needs the package dask: pip install 'quorate[dask]'"
        ) from None
    try:
        client = distributed.Client(address, timeout=CONNECT_S)
    except (OSError, ValueError) as error:
        raise UsageError(f"no Dask scheduler answers at {address}: {error}") from None
    with client:
        if not client.scheduler_info()["workers"]:
            raise UsageError(f"the Dask scheduler at {address} has no workers: start some")
        yield client.get_executor(pure=False)
