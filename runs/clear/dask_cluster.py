"""Tasks on a Dask cluster: that of a scheduler, or processes of this machine alone. The only module that knows Dask."""

import contextlib
import importlib.util
import logging
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar, TypeVar

PATIENCE = 10.0
"""Time within which a scheduler must answer [s]."""

Task = TypeVar("Task")
Answer = TypeVar("Answer")


class ClusterError(ValueError):
    """Tasks cannot be run: an extra is missing, or the scheduler does not answer or goes away."""

    exit_code: ClassVar[int] = 2


def require(what: str, *packages: str) -> None:
    """Raise :class:`ClusterError` if a package that something needs is not installed."""
    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    if missing:
        names = " and ".join(missing)
        raise ClusterError(f"{what} needs {names}, not installed here: pip install 'otonari[sweep]'")


def answers(
    client: Any, work: Callable[[Task], Answer], tasks: Sequence[Task]
) -> Iterator[tuple[Task, Answer | BaseException]]:
    """Yield each task with its answer as it comes, or with why it has none.

    Dask gives those of a lost worker to another one. Tasks that nobody waits for any longer are called off.

    Raises
    ------
    ClusterError
        If the connection to the scheduler is lost.
    """
    from distributed import CancelledError, as_completed

    futures = {client.submit(_alone, work, task, pure=False): task for task in tasks}
    try:
        for future in as_completed(list(futures), loop=client.loop):
            error = future.exception()
            yield futures[future], error if error else future.result()
            future.release()
    except (CancelledError, OSError) as error:  # nobody else cancels: the connection is lost
        raise ClusterError("the scheduler went away; what is stored stays, run it again to go on") from error
    finally:
        with contextlib.suppress(CancelledError, OSError):
            client.cancel(list(futures))


def lost(error: BaseException) -> str:
    """Return why a task has no answer: its workers died, again and again, or could not even begin."""
    if type(error).__name__ == "KilledWorker":
        return "every worker that took it died: out of memory? Fewer --workers leave more to each"
    return f"{type(error).__name__}: {error}"


@contextlib.contextmanager
def connected(scheduler: str | None, workers: int | None) -> Iterator[Any]:
    """Give a client of the scheduler, or of a cluster of processes that nobody else can reach."""
    from dask.system import CPU_COUNT
    from distributed import Client, LocalCluster
    from distributed.system import MEMORY_LIMIT
    from distributed.utils import silence_logging_cmgr

    if scheduler is not None:
        try:
            client = Client(scheduler, timeout=PATIENCE, set_as_default=False)
        except (OSError, ValueError) as error:
            raise ClusterError(f"--scheduler {scheduler}: {' '.join(str(error).split())}") from error
        with silence_logging_cmgr(logging.CRITICAL), client:  # what is wrong is said by an error of ours
            yield client
        return
    count = workers or CPU_COUNT
    with _uninterrupted():
        cluster = LocalCluster(
            n_workers=count,
            threads_per_worker=1,
            memory_limit=MEMORY_LIMIT // count,
            processes=True,
            host="127.0.0.1",
            dashboard_address=None,
            scheduler_kwargs={"dashboard_address": "127.0.0.1:0"},  # not one port for all sweeps of a machine
            security=True,  # others on this machine cannot hand it tasks
            silence_logs=logging.CRITICAL,
        )
    with cluster, Client(cluster, set_as_default=False) as client:
        yield client


def _alone(work: Callable[[Task], Answer], task: Task) -> Answer:
    """Return the answer of a task on a worker, where xarray would ask the cluster to write its files."""
    import dask

    with dask.config.set(scheduler="synchronous"):
        return work(task)


@contextlib.contextmanager
def _uninterrupted() -> Iterator[None]:
    """Keep Ctrl-C from the processes that are started meanwhile: this one alone answers it, and ends them."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
