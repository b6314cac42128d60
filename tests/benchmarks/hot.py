"""A solve that starts where a like one ended, against the same solve from nothing, on one core.

Run by hand: ``python -m tests.benchmarks.hot --homes 20 100 1000 --repeat 5``. A town is cleared; then, again and again,
with other demand and PV, with other retail prices, or half an hour later, each time from the solution before and from
nothing. What is timed is ``solve``: compiled, solved, ties settled, proved; building the block is not. CPU seconds.
"""

import argparse
import statistics
import time

import numpy as np

from otonari.data.assembly.inputs import build_inputs
from otonari.data.loading import town
from otonari.model.clearing import community_block
from otonari.model.solver.solve import solve

DAY = 48


def demand_and_pv(inputs, random, _):
    """Return the first day with every demand and PV power a tenth higher or lower."""
    part = window(inputs, 0)
    names = ("demand", "pv_available")
    return part.assign({n: part[n] * np.exp(random.normal(0, 0.1, part[n].shape)) for n in names})


def prices(inputs, random, _):
    """Return the first day with other retail prices."""
    part = window(inputs, 0)
    return part.assign(retail_price=part["retail_price"] * random.uniform(0.9, 1.1))


def rolled(inputs, random, turn):
    """Return a day that begins so many slots later, as another forecast sees it."""
    part = window(inputs, turn)
    return part.assign(demand=part["demand"] * np.exp(random.normal(0, 0.02, part["demand"].shape)))


def window(inputs, slot):
    """Return a day from a slot on, whose stores end where they like."""
    part = inputs.isel(time=slice(slot, slot + DAY))
    departure, times = part["trip_departure"].values, part["time"].values
    inside = (departure >= times[0]) & (departure < times[-1] + np.timedelta64(30, "m"))
    free = {f"{d}_final_energy": part[f"{d}_final_energy"] * np.nan for d in ("battery", "vehicle")}
    return part.isel(trip=np.flatnonzero(inside)).assign(free)


def timed(inputs, start=None):
    """Return the CPU seconds of a solve, and its solution."""
    block = community_block(inputs, minimum_charge=False)
    begin = time.process_time()
    solution = solve(block, start=start)
    return time.process_time() - begin, solution


def main() -> None:
    """Print one line per size and change: medians of both times, of their ratio, and of the pivots."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--homes", type=int, nargs="+", default=[20, 100, 1000])
    parser.add_argument("--repeat", type=int, default=5)
    options = parser.parse_args()
    print(
        f"{'homes':>6} {'change':<14} {'cold s':>8} {'hot s':>8} {'ratio':>6} {'pivots cold':>12} {'hot':>7}"
    )
    for homes in options.homes:
        scenario = town.scenario(homes, seed=1)
        days = scenario.time.model_copy(update={"days": 2})
        inputs = build_inputs(scenario.model_copy(update={"time": days}))
        for change in (demand_and_pv, prices, rolled):
            random, found = np.random.default_rng(1), []
            _, last = timed(change(inputs, random, 0))
            for turn in range(1, options.repeat + 1):
                like = change(inputs, random, turn)
                (cold, one), (hot, last) = timed(like), timed(like, last)
                assert np.isclose(one.objective, last.objective, rtol=1e-7)
                found.append((cold, hot, cold / hot, one.iterations, last.iterations))
            cold, hot, ratio, pivots, fewer = (
                statistics.median(column) for column in zip(*found, strict=True)
            )
            print(
                f"{homes:>6} {change.__name__:<14} {cold:>8.3f} {hot:>8.3f} {ratio:>6.1f} {pivots:>12.0f} {fewer:>7.0f}"
            )


if __name__ == "__main__":
    main()
