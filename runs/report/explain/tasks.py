"""Why an appliance waited: what its run cost, and what it would have cost at once."""

from collections.abc import Iterator

import numpy as np

from ....data.inputs.contract import optional
from ....data.problems import shown
from ....model.devices.loads.tasks import runs
from .. import tasks as tasks_of
from ..figures.axes import Array
from .case import SMALL, Case, Sentence

TOPIC = "Appliances"
_MOST = 6


def tasks(case: Case) -> Iterator[Sentence]:
    """Yield when the participant's tasks ran whose windows hold the slot, and what running at once would have cost."""
    if "flexible_load" not in case.inputs.sizes:
        return
    own = case.inputs["flexible_load_owner"].values == case.name
    here = [
        task
        for task in tasks_of.task_runs(case.inputs, case.results)
        if own[task.load] and task.begin <= case.slot < task.end
    ]
    for task in here[:_MOST]:
        yield _left_off(case, task) if task.sheds else _ran(case, task)


def at_once(case: Case, task: tasks_of.TaskRun) -> Array:
    """Return what a task draws (time,) [kW] if it begins with its window: its run, or its energy at full power."""
    inputs, hours = case.inputs, case.inputs["slot_hours"].values
    power, energy = np.zeros(len(hours)), float(task.drawn @ hours)
    if task.shaped:
        possible = runs(inputs)
        k = [str(name) for name in inputs["task"].values].index(task.task)
        first = int(np.flatnonzero(possible.begins[task.load] == k)[0])
        profile = [p[task.load, first] for p in possible.power][: len(hours) - first]
        power[first : first + len(profile)] = profile
        return power
    limit = float(inputs["flexible_load_power_limit"].values[task.load])
    demand = np.broadcast_to(optional(inputs, "flexible_load_demand")[task.load], hours.shape)
    window = slice(task.begin, task.end)
    most = ((limit - demand) * hours)[window]
    power[window] = np.diff(np.minimum(np.cumsum(most), energy), prepend=0.0) / hours[window]
    return power


def _ran(case: Case, task: tasks_of.TaskRun) -> Sentence:
    """Return when a task ran, at which cost, and what it would have cost at once."""
    hours, when = case.inputs["slot_hours"].values, tasks_of.moments(case.inputs)
    energy, span = float(task.drawn @ hours), task.span
    figures = {"task": task.task, "kwh": energy}
    text = f"{shown(task.task)}, {energy:.2f} kWh between {when[task.begin]} and {when[task.end]},"
    if span is None:
        return Sentence(TOPIC, f"{text} drew nothing.", figures)
    figures |= {"begin": when[span[0]], "end": when[span[1]]}
    text += f" ran from {when[span[0]]} to {when[span[1]]}"
    once = at_once(case, task)
    waited = bool(np.abs(once - task.drawn).max() > SMALL)
    text += "" if waited else ", at once"
    if case.marginal is None:
        return Sentence(TOPIC, f"{text}.", figures)
    price = case.marginal["meter_value"].values[case.participant]
    cost, instead = (float((power * price) @ hours) for power in (task.drawn, once))
    figures |= {"cost": cost, "cost_at_once": instead}
    text += f": {case.money(cost)} at what a kWh cost behind the meter"
    if waited:
        text += f"; at once it would have cost {case.money(instead)}"
        text += ", at the prices of the plan as it is" if instead < cost - SMALL else ""
    return Sentence(TOPIC, f"{text}.", figures)


def _left_off(case: Case, task: tasks_of.TaskRun) -> Sentence:
    """Return how much demand was left off, and why."""
    hours, when = case.inputs["slot_hours"].values, tasks_of.moments(case.inputs)
    load, window = task.load, slice(task.begin, task.end)
    demand = np.broadcast_to(optional(case.inputs, "flexible_load_demand")[load], hours.shape)
    worth = float(optional(case.inputs, "flexible_load_shed_price")[load])
    asked, shed = float((demand * hours)[window].sum()), float(task.shed @ hours)
    figures = {"task": task.task, "kwh": asked, "kwh_left_off": shed, "worth": worth}
    text = (
        f"{shown(task.task)} left off {shed:.2f} of {asked:.2f} kWh between {when[task.begin]} and {when[task.end]},"
        f" of which a kWh is worth {case.price(worth)}"
    )
    if case.marginal is None:
        return Sentence(TOPIC, f"{text}.", figures)
    dearest = float(case.marginal["meter_value"].values[case.participant, window].max())
    figures |= {"most_meter_value": dearest}
    return Sentence(TOPIC, f"{text}: one cost up to {case.price(dearest)} behind the meter.", figures)
