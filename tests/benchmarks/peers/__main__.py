"""A size sweep: otonari against HiGHS alone, linopy, PyPSA and oemof-solph on the same case, with equal objectives.

Run by hand, with the extra ``bench``: ``python -m tests.benchmarks.peers --homes 20 100 1000 --repeat 3 -o peers.csv
--figure peers.png``. Times are CPU seconds on one thread, each in a fresh process after a small case has loaded what
loads lazily; ``otonari`` is the whole clearing with its baseline, trades, settlement and checks, the others
build and solve one linear program.
"""

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path

from .. import table
from .run import MEASURES

FRAMEWORKS = ("otonari", "highs", "linopy", "pypsa", "oemof")
Rows = list[dict[str, float | int | str]]


def measure(name: str, homes: int) -> dict[str, float]:
    """Return the measures of one run in a process of its own."""
    command = [sys.executable, "-W", "ignore", "-m", "tests.benchmarks.peers.run", name, str(homes)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{name}, {homes} homes:\n{done.stderr}")
    return dict(json.loads(done.stdout.splitlines()[-1]))


def sweep(frameworks: list[str], sizes: list[int], repeat: int, most: dict[str, int]) -> Rows:
    """Return the medians by framework and size; all must find the same cost."""
    rows: Rows = []
    for homes in sizes:
        for name in frameworks:
            if homes > most.get(name, homes):
                continue
            runs = [measure(name, homes) for _ in range(repeat)]
            medians = {key: statistics.median(run[key] for run in runs) for key in MEASURES}
            rows.append({"framework": name, "homes": homes, **medians})
            print(f"{homes:>7} {name:<8}" + "".join(f"{medians[key]:>12.3f}" for key in MEASURES), flush=True)
        costs = [float(row["objective"]) for row in rows if row["homes"] == homes]
        if max(costs) - min(costs) > 1e-6 * abs(max(costs)):
            raise SystemExit(f"{homes} homes: the frameworks find different costs: {costs}")
    return rows


def growth(rows: Rows, name: str) -> float:
    """Return the exponent with which the total time of a framework grows with the number of homes."""
    own = [row for row in rows if row["framework"] == name]
    return table.growth([float(row["homes"]) for row in own], [float(row["total"]) for row in own])


def draw(rows: Rows, frameworks: list[str], path: Path) -> None:
    """Draw total time and memory over the size, both logarithmic."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4), layout="constrained")
    for axes, key, unit in zip(figure.subplots(1, 2), ("total", "memory"), ("CPU s", "MB"), strict=True):
        for name in frameworks:
            own = [(float(r["homes"]), float(r[key])) for r in rows if r["framework"] == name]
            label = f"{name}, n^{growth(rows, name):.2f}" if key == "total" else name
            axes.loglog(*zip(*own, strict=True), marker="o", label=label)
        axes.set(xlabel="homes", ylabel=unit, title=key)
        axes.grid(visible=True, which="both", alpha=0.3)
        axes.legend()
    figure.savefig(path, dpi=150)


def main() -> None:
    """Print and store the sweep."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--homes", type=int, nargs="+", default=[20, 100, 1000])
    parser.add_argument("--frameworks", nargs="+", default=list(FRAMEWORKS), choices=FRAMEWORKS)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument(
        "--most", nargs="*", default=[], metavar="NAME=HOMES", help="largest size of a framework"
    )
    parser.add_argument("-o", "--output", type=Path, help="CSV file")
    parser.add_argument("--figure", type=Path, help="PNG or SVG file")
    options = parser.parse_args()
    most = {name: int(homes) for name, _, homes in (text.partition("=") for text in options.most)}
    print(f"{'homes':>7} {'':<8}" + "".join(f"{key:>12}" for key in MEASURES))
    rows = sweep(options.frameworks, options.homes, options.repeat, most)
    for name in options.frameworks:
        print(f"{name}: total grows with the number of homes to the {growth(rows, name):.2f}")
    if options.output:
        table.store(rows, options.output)
    if options.figure:
        draw(rows, options.frameworks, options.figure)


if __name__ == "__main__":
    main()
