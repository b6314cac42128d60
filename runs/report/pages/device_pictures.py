"""Figures of heat pumps and flexible loads: heat in tanks, heat made and drawn, and when tasks ran."""

import numpy as np

from .. import heat, tasks
from ..figures import lanes
from ..figures.areas import stacked
from ..figures.figure import Figure, Row
from .energy_pictures import COLOURS
from .opened_run import MOST, Run, left_out
from .slots import slots

COARSE = 60
"""Periods in which heat of a long horizon is shown, at most."""
TANKS, CELLS, TASKS = 12, 480, 84
"""Tanks of heat pumps that a figure shows, tanks times periods, and tasks, all of each load: a page is to be small."""


def tanks(run: Run) -> Figure:
    """Return what tanks of heat pumps hold [kWh] within their band, and the heat drawn from them [kW]."""
    level, drawn = heat.levels(run.inputs, run.results), heat.drawn(run.inputs, run.results)
    capacity, least = (run.inputs[f"heat_pump_{name}"].values for name in ("capacity", "min_heat"))
    coarse = slots(run.inputs, COARSE)
    most = min(TANKS, max(1, CELLS // len(coarse.labels)))
    kept = np.sort(np.argsort(-(drawn @ run.hours), kind="stable")[:most])
    names = [str(name) for name in run.inputs["heat_pump"].values]
    ends = np.append(level[:, :1], coarse.last(level[:, 1:]), axis=1)
    means = coarse.mean(drawn)
    return lanes.stores(
        "Heat in tanks",
        "Heat that tanks, or buildings, hold in their band of comfort; below it the heat that is drawn, as bars up to"
        " the most of each." + left_out(len(names), len(kept), "heat pumps"),
        ("kWh", "kW"),
        coarse.labels,
        coarse.marks,
        [lanes.Store(names[k], float(least[k]), float(capacity[k]), ends[k], means[k]) for k in kept],
        ("band", "heat held", "heat drawn"),
        (COLOURS["heat pump"], COLOURS["demand"]),
    )


def heat_balance(run: Run) -> Figure:
    """Return heat of all heat pumps by where it comes from, above zero, and where it goes, below [kW]."""
    parts, coarse = heat.balance(run.inputs, run.results), slots(run.inputs, COARSE)
    return stacked(
        "Heat made and drawn",
        "Heat that heat pumps make or that tanks give above zero; what is drawn, lost, or goes into tanks below.",
        "kW",
        coarse.labels,
        coarse.marks,
        {name: coarse.mean(power) for name, power in parts.items() if power.any()},
        COLOURS,
    )


def schedule(run: Run) -> Figure:
    """Return when the tasks of flexible loads ran within their windows, and what they drew or left off [kWh]."""
    made = tasks.task_runs(run.inputs, run.results)
    names = [str(name) for name in run.inputs["flexible_load"].values]
    busy = sorted({task.load for task in made})
    shown = busy[: max(1, min(MOST, TASKS * len(busy) // len(made)))]
    lasting, most = run.slots.period, run.inputs["flexible_load_power_limit"].values
    when = tasks.moments(run.inputs)

    def placed(task: tasks.TaskRun) -> lanes.Task:
        ran = ["", ""] if task.span is None else [when[slot] for slot in task.span]
        powers = {"ran": task.drawn, "left off": task.shed}
        cells: Row = [
            when[task.begin],
            when[task.end],
            *ran,
            *(float(p @ run.hours) for p in powers.values()),
        ]
        begin, end = int(lasting[task.begin]), int(lasting[task.end - 1]) + 1
        return lanes.Task(begin, end, {n: run.slots.mean(p) for n, p in powers.items()}, cells)

    return lanes.schedule(
        "When appliances ran",
        "The windows of flexible loads, and when within them they ran or left demand off, as high as their power."
        + left_out(len(busy), len(shown), "loads"),
        run.slots.marks,
        len(run.slots.labels),
        [
            lanes.Lane(names[n], float(most[n]), {t.task: placed(t) for t in made if t.load == n})
            for n in shown
        ],
        ["task", "window from", "to", "ran from", "to", "kWh drawn", "kWh left off"],
        {"ran": COLOURS["flexible load"], "left off": COLOURS["demand"]},
    )
