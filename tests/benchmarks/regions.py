"""One clearing by regions on a local Dask cluster: wall and CPU seconds, peak memory, gap, and the growth exponent.

Run by hand: ``python -m tests.benchmarks.regions --homes 1000 10000 100000 --workers 2 --folder /tmp/regions``. Every
size is a town from a seed, written as ``otonari init`` and cleared as ``otonari clear --workers`` does, in a process of
its own, so that its peaks of memory are its own: of the process that asks, and of the largest worker. The
exponent is the slope of CPU seconds over homes between the first and the last size, less what no clearing at all costs
(imports, and starting the cluster) where ``--empty`` measures it on a town of one home. A run that was stopped goes on
from what its folder has; its seconds are then too few.
"""

import argparse
import json
import math
import multiprocessing
import resource
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from otonari.data.loading import town
from otonari.runs.clear import by_regions
from otonari.runs.store import atomic_file


def clear(homes: int, workers: int, folder: Path, record: bool) -> dict[str, float]:
    """Return what the clearing of a town costs, and what it says of itself."""
    if not (folder / "town").exists():
        atomic_file.write_new(folder / "town", town.files(homes, 1))
    begin = time.perf_counter()
    tree = by_regions.run(folder / "town", output=folder / "p2p.zarr", workers=workers, record=record).tree
    wall = time.perf_counter() - begin
    own, others = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return {
        "homes": homes,
        "wall_seconds": wall,
        "cpu_seconds": sum(u.ru_utime + u.ru_stime for u in (own, others)),
        "coordinator_mb": own.ru_maxrss / 1024,
        "worker_mb": others.ru_maxrss / 1024,
        "regions": tree.attrs["regions"],
        "certified_gap": tree.attrs["certified_gap"],
    }


def main() -> None:
    """Print a line per size, and the growth exponent."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--homes", type=int, nargs="+", default=[1000, 5000])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--folder", type=Path, default=Path("runs-out/benchmark-regions"))
    parser.add_argument("--ledger", action="store_true", help="commit the slots too")
    parser.add_argument("--empty", action="store_true", help="measure a town of one home first")
    options = parser.parse_args()
    found = []
    for homes in [*([1] if options.empty else []), *options.homes]:
        folder = options.folder.absolute() / str(homes)
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:  # its children are its own
            found.append(pool.submit(clear, homes, options.workers, folder, options.ledger).result())
        print(json.dumps(found[-1]), flush=True)
    first, last = found[-len(options.homes)], found[-1]
    if first is not last:
        spare = found[0]["cpu_seconds"] if options.empty else 0.0
        rise = math.log((last["cpu_seconds"] - spare) / (first["cpu_seconds"] - spare))
        print(f"growth exponent {rise / math.log(last['homes'] / first['homes']):.3f}")


if __name__ == "__main__":
    main()
