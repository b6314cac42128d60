"""Flexible loads as days roll on: what is left of their tasks, what is begun, and what they draw in a slot.

A run that is begun goes on. A deferrable load draws at least what must be now so that full power serves the rest by the
deadline. Both it and demand that may be shed depart from the plan only by what the plan did not know, like stores
(`dispatch`): before these do.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import xarray as xr

from ...data.inputs.contract import optional
from ..devices.loads.tasks import NONE, Tasks, runs, tasks
from ..labels import Array, positions, sum_at
from ..topology.connections import connections
from ..topology.traders import tariff_prices, uncontrolled
from .planning import Plan

DONE = 1e-9
"""Energy [kWh] of a task that is none."""
TIGHT = 1e-6
"""Prices [currency/kWh] that differ by less are the same."""


class Drawn(NamedTuple):
    """What flexible loads draw (L, ...) [kW], and 1 where a run begins."""

    power: Array
    start: Array


class _Left(NamedTuple):
    """Of every task (K,): the energy that is left [kWh], and whether its run is begun."""

    energy: Array
    begun: Array


def of_owners(inputs: xr.Dataset, power: Array) -> Array:
    """Return the sums (P, ...) of what loads (L, ...) draw, by their owners."""
    owner = positions(inputs, "flexible_load_owner", "participant")
    return sum_at(owner, power, inputs.sizes["participant"])


def _started(inputs: xr.Dataset, start: Array) -> Array:
    """Return starts so far (L, t) over all slots (L, T)."""
    whole = np.zeros(tasks(inputs).of_slot.shape)
    whole[:, : start.shape[1]] = start
    return whole


def _left(inputs: xr.Dataset, before: Drawn) -> _Left:
    """Return what is left of every task after slots in which loads drew so much (L, t)."""
    own, slot, hours = tasks(inputs), before.power.shape[1], inputs["slot_hours"].values
    taken = (before.power - optional(inputs, "flexible_load_demand")[:, :slot]) * hours[:slot]

    def within(values: Array) -> Array:
        so_far = np.concatenate([np.zeros((len(values), 1)), np.cumsum(values, axis=1)], axis=1)
        first, end = np.minimum(own.first, slot), np.minimum(own.last + 1, slot)
        return np.asarray(so_far[own.load, end] - so_far[own.load, first])

    sign = np.where(own.sheds[own.load], 1.0, -1.0)
    return _Left(np.maximum(own.energy + sign * within(taken), 0.0), within(before.start) > 0.5)


def ahead(inputs: xr.Dataset, window: xr.Dataset, before: Drawn, demand: Array) -> xr.Dataset:
    """Return the inputs of a window of slots with what is left of tasks then.

    Parameters
    ----------
    inputs : xr.Dataset
        Of all slots.
    window : xr.Dataset
        Of those after the ones of ``before``, as agents expect them.
    before : Drawn
        What loads drew in the slots so far (L, t).
    demand : Array
        (L, n) of loads that may be shed, as it is expected in the window [kW].

    Returns
    -------
    xr.Dataset
        A run that is begun is demand. Of a task whose deadline lies beyond the window, so much is due in it that full
        power serves the rest; a run has until then.
    """
    own, left, slot = tasks(inputs), _left(inputs, before), before.power.shape[1]
    end, hours = slot + window.sizes["time"], inputs["slot_hours"].values
    limit = inputs["flexible_load_power_limit"].values
    clock = np.concatenate([[0.0], np.cumsum(hours)])
    beyond = np.maximum(clock[own.last + 1] - clock[end], 0.0)
    energy = np.where(
        own.deferrable[own.load], np.maximum(left.energy - limit[own.load] * beyond, 0.0), left.energy
    )
    due = np.where(own.deferrable[own.load], energy > DONE, ~left.begun & (own.last < end))
    due |= own.sheds[own.load]
    kept = np.flatnonzero(due & (own.last >= slot) & (own.first < end))
    energy = np.where(own.shaped[own.load], own.energy, energy)
    going_on = runs(inputs).drawn(_started(inputs, before.start))[:, slot:end]
    power = np.minimum(demand + going_on, limit[:, None])
    firm = of_owners(inputs, np.where(own.sheds[:, None], 0.0, power))
    room = connections(window)[0] + window["pv_available"].values - firm
    forecast = np.minimum(window["demand"].values, np.maximum(room, 0.0))
    window = window.assign(
        flexible_load_demand=(("flexible_load", "time"), power), demand=window["demand"].copy(data=forecast)
    )
    if not len(kept):
        return window.drop_dims("task") if "task" in window.sizes else window
    window = window.isel(task=kept)
    ends = window["time"].values[-1] + np.timedelta64(round(float(hours[end - 1]) * 3.6e12), "ns")
    deadline = np.minimum(window["task_deadline"].values, ends)
    return window.assign(task_deadline=(("task",), deadline), task_energy=(("task",), energy[kept]))


def drawn(inputs: xr.Dataset, before: Drawn, seen: xr.Dataset, planned: Plan, contracted: Array) -> Drawn:
    """Return what loads draw (L,) in the slot that comes after those of ``before``, as it really is.

    ``seen`` are the inputs that ``planned`` is for: both begin with the slot. ``contracted`` (P + V,) [kW] is
    bought less sold. With the net power n of the plan and the demand and PV that really came, e of contracts and
    what the plan has of the retailer, and what a kWh drawn is worth, v: of a deficit n - e > 0 as much less is
    drawn as has v below the retail price, of a surplus as much more as has v above the feed-in price; and less,
    where a connection asks for it.
    """
    own, slot = tasks(inputs), before.power.shape[1]
    owner, people = positions(inputs, "flexible_load_owner", "participant"), inputs.sizes["participant"]
    start = np.round(planned.start[:, 0])
    starts = _started(inputs, before.start)
    starts[:, slot] = start
    bounds = _bounds(inputs, own, before, seen, planned)
    power = bounds.planned + runs(inputs).drawn(starts)[:, slot]
    stored = planned.net[:people, 0] - uncontrolled(seen)[:people, 0] - of_owners(seen, planned.load[:, 0])
    fixed = uncontrolled(inputs)[:people, slot] + stored
    value, (retail, feed_in) = planned.load_value[:, 0], tariff_prices(inputs, slot)
    expected = contracted[:people] + planned.wanted[:people, 0]

    def shared(asked: Array, able: Array) -> Array:
        total = of_owners(inputs, able)
        part = np.divide(np.maximum(asked, 0.0), total, out=np.zeros_like(total), where=total > 0)
        return np.asarray(able * np.minimum(part, 1.0)[owner])

    def net() -> Array:
        return np.asarray(fixed + of_owners(inputs, power))

    less = np.where(value < retail[owner] - TIGHT, bounds.less, 0.0)
    power = power - (given_up := shared(np.minimum(net() - expected, np.maximum(net(), 0.0)), less))
    more = np.where((value > feed_in[owner] + TIGHT) & (given_up <= 0), bounds.more, 0.0)
    power = power + (taken := shared(expected - net(), more))
    over = net() - stored - connections(inputs)[0][:, slot]
    return Drawn(power - shared(over, bounds.less - given_up + taken), start)


class _Bounds(NamedTuple):
    """What loads draw by plan (L,) [kW], without runs, and by how much they can draw less and more in the slot."""

    planned: Array
    less: Array
    more: Array


def _bounds(inputs: xr.Dataset, own: Tasks, before: Drawn, seen: xr.Dataset, planned: Plan) -> _Bounds:
    """Return what loads draw by plan in a slot, of the demand that really comes, and what else they could."""
    left, slot, load = _left(inputs, before), before.power.shape[1], planned.load[:, 0]
    hours, clock = inputs["slot_hours"].values, np.cumsum(inputs["slot_hours"].values)
    limit, least = inputs["flexible_load_power_limit"].values, optional(inputs, "flexible_load_min_power")
    demand, task = optional(inputs, "flexible_load_demand")[:, slot], own.of_slot[:, slot]
    rest = np.where(task != NONE, np.append(left.energy, 0.0)[task], 0.0)
    last = np.where(task != NONE, np.append(own.last, 0)[task], slot)
    most = np.minimum(limit, rest / hours[slot])
    must = np.minimum(np.maximum(rest - limit * (clock[last] - clock[slot]), 0.0) / hours[slot], most)
    power = np.clip(np.where(last == slot, most, load), must, most)
    steady = least > 0
    power = np.where(
        steady, np.where(power < least / 2, 0.0, np.minimum(np.maximum(power, least), limit)), power
    )
    allowed = np.minimum(np.where(np.isnan(rest), np.inf, rest / hours[slot]), demand)
    shed = np.clip(optional(seen, "flexible_load_demand")[:, 0] - load, 0.0, allowed)
    elastic = own.deferrable & ~steady
    return _Bounds(
        np.where(own.deferrable, power, 0.0) + demand - np.where(own.sheds, shed, 0.0),
        np.where(own.sheds, allowed - shed, np.where(elastic, power - must, 0.0)),
        np.where(own.sheds, shed, np.where(elastic, most - power, 0.0)),
    )


def alone(inputs: xr.Dataset, power: xr.DataArray | Array) -> xr.Dataset:
    """Return inputs of some slots whose loads draw so much (L, t) [kW], whatever it is that they do."""
    if "flexible_load" not in inputs.sizes:
        return inputs
    shaped = ("task", "step")
    over = [n for n in inputs.variables if set(inputs[n].dims) & set(shaped)]
    names = ("flexible_load_step_hours", "flexible_load_min_power", "flexible_load_shed_price")
    bare = inputs.drop_vars([*over, *(name for name in names if name in inputs)])
    return bare.assign(flexible_load_demand=(("flexible_load", "time"), np.asarray(power)))
