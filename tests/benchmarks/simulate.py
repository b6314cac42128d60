"""CPU milliseconds of a simulated slot, from forecast to ledger: agents' plans, orders, dispatch, checks, commitment.

Run by hand: ``python -m tests.benchmarks.simulate --homes 20 100``. 20 homes are those of ``higashi-fuji``, others a
town. What is timed is this process on one core, from the end of one slot to the end of the next; what waits for the disk
is not. On a busy machine the least is nearest to what the work takes.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

from otonari.data.loading import town
from otonari.data.loading.scenario import effective
from otonari.runs.simulate import run

FIRST = 3
"""Slots that are left out: caches are filled in them."""


def timed(homes, days, mode):
    """Return the CPU milliseconds of each slot."""
    source = "higashi-fuji" if homes == 20 else effective(town.scenario(homes, seed=1))
    marks = []
    with tempfile.TemporaryDirectory() as folder:
        output, book = Path(folder) / "run.nc", Path(folder) / "ledger"
        mark = lambda done, slots: marks.append(time.thread_time())  # noqa: E731
        run.run(source, days, mode, output=output, directory=book, progress=mark)
    return [1000 * (end - begin) for begin, end in zip(marks[FIRST:], marks[FIRST + 1 :], strict=False)]


def main():
    """Print a line for each number of homes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--homes", type=int, nargs="+", default=[20, 100])
    parser.add_argument("--days", type=int, default=1)
    parser.add_argument("--mode", default="exchange")
    options = parser.parse_args()
    print(f"{'homes':>6} {'least ms':>9} {'median ms':>10} {'most ms':>8}")
    for homes in options.homes:
        found = timed(homes, options.days, options.mode)
        print(f"{homes:>6} {min(found):>9.1f} {statistics.median(found):>10.1f} {max(found):>8.1f}")


if __name__ == "__main__":
    main()
