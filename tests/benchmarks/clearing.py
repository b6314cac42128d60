"""End-to-end clearing against the best linear program of the same case in one cold HiGHS solve, on one core.

Run by hand: ``python -m tests.benchmarks.clearing --homes 100 1000 --variants base one-bus -o clearing.csv --figure
clearing.svg``. Each repeat times, in turn, the best program that we can make by hand (`best_lp`), with ``--own`` our own
program too (both HiGHS's own defaults but for one thread: the arrays are there), and ``otonari.clear`` (inputs -> model
-> solve -> prices and quantities by rule -> trades -> settlement -> checks, with the grid-only baseline). The figures
are medians; ``ratio`` is that of the pairs. All are CPU seconds, which a loaded machine stretches less than the wall
clock's; ``--wall`` measures the latter, for ``--threads``. ``--best SECONDS`` takes the best program's time as known.
Objectives have to agree where no prices cross; ``beyond`` says by how much directions cost more than the program that
knows none.

The variants are those of `variants` (``base`` is the case of ``peers``), ``neighbourhood`` (two tariffs) and ``town``
(the template). ``--days 365 --variants one-bus --homes 20`` is a year. ``--minimum-charge KW`` gives every vehicle a
least charging power and prints, in the place of ratios, the seconds of the p2p solve alone and its gap.
"""

import argparse
import gc
import resource
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import highspy
import numpy as np
import xarray as xr

import otonari
from otonari.data.assembly.inputs import build_inputs
from otonari.data.loading import town
from otonari.model.clearing import community_block
from otonari.model.lp.matrix import compile_block
from otonari.model.solver.highs import pass_model
from otonari.model.solver.solve import solve

from . import table
from .best_lp import best_lp
from .neighbourhood import neighbourhood
from .variants import VARIANTS

CASES: dict[str, Callable[..., xr.Dataset]] = {
    **VARIANTS,
    "neighbourhood": lambda homes, days=1: neighbourhood(homes, days=days),
    "town": lambda homes, days=1: build_inputs(town.scenario(homes, seed=1)),
}
SAME = 1e-9
"""Relative difference up to which two optima are the same."""


def raw_solve(program, clock=time.perf_counter) -> tuple[float, float]:
    """Return the seconds that HiGHS alone needs for a compiled program, and the optimum."""
    begin = clock()
    highs = highspy.Highs()
    highs.setOptionValue("output_flag", False)
    highs.setOptionValue("threads", 1)
    pass_model(highs, program)
    highs.run()
    assert highs.getModelStatus() == highspy.HighsModelStatus.kOptimal
    return clock() - begin, highs.getObjectiveValue()


def own_lp(inputs, clock) -> float:
    """Return the seconds that HiGHS alone needs for our own program, directions relaxed."""
    program = compile_block(community_block(inputs))
    return raw_solve(replace(program, integer=np.zeros_like(program.integer)), clock)[0]


def end_to_end(inputs, clock=time.process_time, threads=1) -> tuple[float, dict[str, Any]]:
    """Return the seconds from inputs to checked results, and what the run says of itself."""
    begin = clock()
    tree = otonari.clear(inputs, threads=threads)
    return clock() - begin, dict(tree.attrs)


def least_power(inputs, kw: float, clock=time.process_time, threads=1) -> str:
    """Return a line on the solve with a minimum charge power: seconds, gap, and how it was found."""
    inputs = inputs.assign(vehicle_min_charge=inputs["vehicle_min_charge"] * 0 + kw)
    begin = clock()
    solution = solve(community_block(inputs), threads=threads)
    return (
        f"{clock() - begin:>9.2f} s  gap {solution.proof['mip_gap']:.2e} {solution.status}  {solution.method}"
    )


def measure(inputs: xr.Dataset, options: argparse.Namespace, clock: Callable[[], float]) -> dict[str, Any]:
    """Return the medians of a case, and by how much its objective exceeds that of the best program."""
    best, own, clear = [], [], []
    for _ in range(options.repeat):
        seconds, optimum = best_lp(inputs).seconds(clock) if options.best is None else (options.best, np.nan)
        best.append(seconds)
        if options.own:
            own.append(own_lp(inputs, clock))
        gc.collect()
        seconds, run = end_to_end(inputs, clock, options.threads)
        clear.append(seconds)
    ratios = sorted(ours / raw for ours, raw in zip(clear, best, strict=True))
    beyond = (run["objective"] - optimum) / abs(optimum)
    if beyond < -SAME or (beyond > SAME and "directions" not in run["method"]):
        raise SystemExit(f"the objective is {beyond:.2e} beyond that of the best program")
    return {
        "best_lp": statistics.median(best),
        "own_lp": statistics.median(own) if own else np.nan,
        "clear": statistics.median(clear),
        "ratio": statistics.median(ratios),
        "least": ratios[0],
        "most": ratios[-1],
        "beyond": beyond,
        "gap": run["proof_mip_gap"],
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def draw(rows: list[dict[str, Any]], path: Path) -> None:
    """Draw the seconds of both over the homes, one pair of lines a variant, both axes logarithmic."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 5), layout="constrained")
    axes = figure.subplots()
    for number, variant in enumerate(dict.fromkeys(row["variant"] for row in rows)):
        own = [row for row in rows if row["variant"] == variant]
        homes = [row["homes"] for row in own]
        for key, style in (("clear", "o-"), ("best_lp", "x:")):
            seconds = [row[key] for row in own]
            label = f"{variant}: {key}, n^{table.growth(homes, seconds):.2f}"
            axes.loglog(homes, seconds, style, color=f"C{number}", label=label)
    axes.set(xlabel="homes", ylabel="CPU s", title="whole clearing and best linear program alone")
    axes.grid(visible=True, which="both", alpha=0.3)
    axes.legend(fontsize="small")
    figure.savefig(path, dpi=150)


def main() -> None:
    """Print one line per case: medians of the times and of their ratio; store and draw them if asked to."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--homes", type=int, nargs="+", default=[20, 100, 1000])
    parser.add_argument("--variants", nargs="+", default=["base"], choices=CASES)
    parser.add_argument("--days", type=int, default=1)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--wall", action="store_true")
    parser.add_argument("--own", action="store_true", help="time our own program in HiGHS alone, too")
    parser.add_argument("--best", type=float, metavar="SECONDS")
    parser.add_argument("--minimum-charge", type=float, metavar="KW")
    parser.add_argument("-o", "--output", type=Path, help="CSV file")
    parser.add_argument("--figure", type=Path, help="PNG or SVG file")
    options = parser.parse_args()
    clock = time.perf_counter if options.wall else time.process_time
    end_to_end(neighbourhood(6))  # imports are not what is measured
    print(
        f"{'variant':<15}{'homes':>7}{'days':>5}{'best LP s':>11}{'own LP s':>10}{'clear s':>9}{'ratio':>7} (range)"
    )
    rows = []
    for variant in options.variants:
        for homes in options.homes:
            inputs = CASES[variant](homes, options.days)
            if options.minimum_charge:
                print(f"{homes:>6}", least_power(inputs, options.minimum_charge, clock, options.threads))
                continue
            row = {
                "variant": variant,
                "homes": homes,
                "days": options.days,
                **measure(inputs, options, clock),
            }
            rows.append(row)
            directed = f" beyond {row['beyond']:.1e}, gap {row['gap']:.1e}" if row["beyond"] > SAME else ""
            print(
                f"{variant:<15}{homes:>7}{options.days:>5}{row['best_lp']:>11.3f}{row['own_lp']:>10.3f}"
                f"{row['clear']:>9.3f}{row['ratio']:>7.2f} ({row['least']:.2f} - {row['most']:.2f}){directed}",
                flush=True,
            )
    for variant in dict.fromkeys(row["variant"] for row in rows):
        own = [row for row in rows if row["variant"] == variant]
        exponent = table.growth([row["homes"] for row in own], [row["clear"] for row in own])
        print(f"{variant}: a clearing grows with the number of homes to the {exponent:.2f}")
    if options.output:
        table.store(rows, options.output)
    if options.figure:
        draw(rows, options.figure)


if __name__ == "__main__":
    main()
