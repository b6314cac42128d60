"""End-to-end clearing against the raw HiGHS solve of the same linear program, directions relaxed, on one core.

Run by hand: ``python -m tests.benchmarks.clearing --homes 20 100 1000 --repeat 5``. Each repeat times, in turn, the raw
solve (HiGHS's own defaults but for one thread: the arrays are there, the model is passed and run cold) and
``otonari.clear`` (inputs -> model -> solve -> prices and quantities by rule -> trades -> settlement -> checks, with the
grid-only baseline). The figure is the median of the ratios. Both are CPU seconds, which a loaded machine stretches less
than the wall clock's; ``--wall`` measures the latter, for ``--threads``. ``--raw SECONDS`` takes the raw solve as known.
``--town`` clears towns, whose businesses have guests, in the place of neighbourhoods. ``--minimum-charge KW`` gives
every vehicle a least charging power and prints, in the place of ratios, the seconds of the p2p solve alone and its gap.
"""

import argparse
import statistics
import time
from dataclasses import replace

import highspy
import numpy as np

import otonari
from otonari.data.assembly.inputs import build_inputs
from otonari.data.loading import town
from otonari.model.clearing import community_block
from otonari.model.lp.matrix import compile_block
from otonari.model.solver.highs import pass_model
from otonari.model.solver.solve import solve

from .neighbourhood import neighbourhood


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


def end_to_end(inputs, clock=time.process_time, threads=1) -> float:
    """Return the seconds from inputs to checked results."""
    begin = clock()
    otonari.clear(inputs, threads=threads)
    return clock() - begin


def least_power(inputs, kw: float, clock=time.process_time, threads=1) -> str:
    """Return a line on the solve with a minimum charge power: seconds, gap, and how it was found."""
    inputs = inputs.assign(vehicle_min_charge=inputs["vehicle_min_charge"] * 0 + kw)
    begin = clock()
    solution = solve(community_block(inputs), threads=threads)
    return (
        f"{clock() - begin:>9.2f} s  gap {solution.proof['mip_gap']:.2e} {solution.status}  {solution.method}"
    )


def main() -> None:
    """Print one line per size: medians of both times and of their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--homes", type=int, nargs="+", default=[20, 100, 1000])
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--wall", action="store_true")
    parser.add_argument("--raw", type=float)
    parser.add_argument("--town", action="store_true")
    parser.add_argument("--minimum-charge", type=float, metavar="KW")
    options = parser.parse_args()
    clock = time.perf_counter if options.wall else time.process_time
    end_to_end(neighbourhood(6))  # imports are not what is measured
    print(f"{'homes':>6} {'columns':>8} {'rows':>7} {'HiGHS s':>9} {'clear s':>9} {'ratio':>6} (range)")
    for homes in options.homes:
        inputs = build_inputs(town.scenario(homes, seed=1)) if options.town else neighbourhood(homes)
        if options.minimum_charge:
            print(f"{homes:>6}", least_power(inputs, options.minimum_charge, clock, options.threads))
            continue
        program = compile_block(community_block(inputs))
        program = replace(program, integer=np.zeros_like(program.integer))
        pairs = [
            (options.raw or raw_solve(program, clock)[0], end_to_end(inputs, clock, options.threads))
            for _ in range(options.repeat)
        ]
        raw, ours = (statistics.median(times) for times in zip(*pairs, strict=True))
        ratios = sorted(b / a for a, b in pairs)
        rows, columns = program.matrix.shape
        print(
            f"{homes:>6} {columns:>8} {rows:>7} {raw:>9.3f} {ours:>9.3f}"
            f" {statistics.median(ratios):>6.2f} ({ratios[0]:.2f} - {ratios[-1]:.2f})"
        )


if __name__ == "__main__":
    main()
