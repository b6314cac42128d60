"""The power flow of a day against clearing it, in CPU seconds, at 55 homes and at 1,000.

Run by hand: ``python -m tests.benchmarks.grid --homes 55 1000 --repeat 9``. The case is the bundled ``feeder``, as often
as its homes are asked for: each has its transformer, and its seed for demand and trips, at a station of its own on
a ring main of 10 kV, 500 m apart. Each repeat clears and checks a day (``otonari.clear`` of inputs that are there), and
computes its power flow with all that `otonari grid` tells of it; ratios are those of the pairs.
"""

import argparse
import gc
import statistics
import time

import otonari
from otonari.data.assembly.inputs import build_inputs
from otonari.data.loading.scenario import effective, load_scenario
from otonari.runs.grid.day import flow

HOMES = 55
"""Homes of one feeder."""
MAIN = {"cable": "NA2XS2Y 1x240", "length_m": 500, "level": "main"}
LABELS = {
    "participants": ("participant", "node"),
    "batteries": ("battery", "owner"),
    "vehicles": ("vehicle", "owner"),
    "nodes": ("node", "parent"),
}


def feeders(homes: int):
    """Return the inputs of a day of so many homes on as many feeders as they need."""
    one = effective(load_scenario("feeder"))
    whole, rest = divmod(homes, HOMES)
    tables = {name: [] for name in LABELS}
    tables["nodes"].append({"node": "source", "voltage_v": 10_000})
    for k in range(whole + (rest > 0)):
        above = "source" if k == 0 else f"f{k - 1:02}-grid"
        _add(tables, one["tables"], f"f{k:02}", above, HOMES if k < whole else rest)
    fees = {**one["fees"], "levels": {**one["fees"]["levels"], "main": 0.0}}
    return build_inputs(load_scenario({**one, "fees": fees, "tables": {**one["tables"], **tables}}))


def _add(tables, one, name, above, homes):
    """Add the rows of a feeder with so many homes below a node."""
    kept = {row["participant"] for row in one["participants"][:homes]}
    for table, labels in LABELS.items():
        for row in one[table]:
            if row.get("owner", row.get("participant", next(iter(kept)))) not in kept:
                continue
            named = {label: f"{name}-{row[label]}" for label in labels if row.get(label)}
            tables[table].append(
                {**row, **named, **({"parent": above, **MAIN} if row.get("node") == "grid" else {})}
            )


def main() -> None:
    """Print one line per number of homes: medians of both times and of their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--homes", type=int, nargs="+", default=[55, 1000])
    parser.add_argument("--repeat", type=int, default=9)
    options = parser.parse_args()
    print(f"{'homes':>6} {'nodes':>6} {'clear s':>9} {'flow s':>9} {'ratio':>7} {'range':>17}")
    for homes in options.homes:
        inputs = feeders(homes)
        pairs = [_pair(inputs) for _ in range(options.repeat + 1)][1:]  # imports are not what is measured
        clear, flows = (statistics.median(times) for times in zip(*pairs, strict=True))
        ratios = sorted(b / a for a, b in pairs)
        spread = f"{ratios[0]:.2%} - {ratios[-1]:.2%}"
        size = inputs.sizes["node"]
        print(
            f"{homes:>6} {size:>6} {clear:>9.3f} {flows:>9.4f} {statistics.median(ratios):>7.2%} {spread:>17}"
        )


def _pair(inputs):
    """Return the CPU seconds of a clearing and of its power flow."""
    gc.collect()
    begin = time.process_time()
    run = otonari.clear(inputs, threads=1)
    cleared = time.process_time()
    flow(run)
    return cleared - begin, time.process_time() - cleared


if __name__ == "__main__":
    main()
