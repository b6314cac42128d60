"""Dask clusters of processes on this machine."""

from distributed import LocalCluster


def local(workers: int) -> LocalCluster:
    """Return a real cluster of processes, without pages on a port that another test may have."""
    dashboard = {"dashboard_address": None, "scheduler_kwargs": {"dashboard_address": "127.0.0.1:0"}}
    return LocalCluster(n_workers=workers, threads_per_worker=1, host="127.0.0.1", **dashboard)
