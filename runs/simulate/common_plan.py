"""The community co-optimized at a slot: one plan within the limits of its network, and the deals of the first slot.

Limits that a plan meets are likely to bind in the next one, a slot later: they are rows of it from the first round on.
Limits that no plan keeps, since demand is never shed, are left out: a forecast of them ends no simulation.
What is drawn beyond the plan in the slot that closes, where that adds to a limit that binds, costs its price beside the
retailer's, so that stores make way where that pays.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import xarray as xr

from ...model.agents import planning
from ...model.exchange.deals import Deals
from ...model.grid.loads import PHASES
from ...model.grid.network_limits import Rows, stated
from ...model.labels import Array
from ...model.network_clearing import NO_ROWS, broken, solve_as_possible
from ...model.settlement import trades
from ...model.solver.basis import Basis
from ...model.topology.traders import parties

Met = Mapping[str, Array]
"""Limits of the network that a plan meets, by family: node, phase (none of nodes' own) and slot (2 or 3, limit)."""
SCARCE = 1e-6
"""Least price [currency/kWh] at which a limit counts as binding."""


def common_plan(
    seen: xr.Dataset, slot: int, start: Basis | None, likely: Met
) -> tuple[planning.Plan, Deals, Met]:
    """Return the community's plan from a slot on, the deals of that slot at nodal prices, and limits that it meets.

    Parameters
    ----------
    seen : xr.Dataset
        The inputs as expected.
    start : Basis, optional
        Of the plan before.
    likely : Met
        Limits that the plan before meets.
    """
    seen = planning.ways(seen)
    inputs = planning.without_least_charge(seen)
    block, solution, found = solve_as_possible(inputs, "p2p", start, _rows(inputs, slot, likely))
    first = seen.isel(time=[0])
    contracted = trades.bilateral(first, found.isel(time=[0]))
    seller, buyer, _ = parties(first, contracted)
    columns = (
        contracted[f"trade_{n}"].values for n in ("energy", "price", "fee", "congestion", "contracted")
    )
    deals = Deals(seller, buyer, *columns)
    planned = planning.of_block(block, seen, wanted=True, basis=solution.basis)
    return _scarce(planned, deals, seen, found), deals, _met(inputs, slot, found)


def _rows(inputs: xr.Dataset, slot: int, likely: Met) -> Rows | None:
    """Return the limits of a window from a slot on that are likely to bind; None for none of them."""
    if not likely:
        return None
    nodes, slots, rows = inputs.sizes["node"], inputs.sizes["time"], dict(NO_ROWS)
    for family, places in likely.items():
        *where, time = places[:, (places[-1] >= slot) & (places[-1] < slot + slots)]
        own = np.zeros((nodes, *(len(PHASES) for _ in where[1:]), slots), dtype=bool)
        own[(*where, time - slot)] = True
        rows[family] = own
    return rows


def _met(inputs: xr.Dataset, slot: int, found: xr.Dataset) -> Met:
    """Return the limits of the network that results meet, of later slots than this one."""
    if not stated(inputs):
        return {}
    places = {family: np.array(np.nonzero(mask)) for family, mask in broken(inputs, found).items()}
    later = {family: own[:, own[-1] > 0] for family, own in places.items() if own[-1].any()}
    return {family: np.vstack([own[:-1], own[-1:] + slot]) for family, own in later.items()}


def _scarce(planned: planning.Plan, deals: Deals, seen: xr.Dataset, found: xr.Dataset) -> planning.Plan:
    """Return a plan that says what it costs others to draw more than planned in its first slot, where wires are full."""
    kinds = [name for name in ("voltage_price", "congestion_price") if name in found]
    if not kinds:
        return planned
    people, hours = seen.sizes["participant"], float(seen["slot_hours"].values[0])
    price = np.sum([found[name].values[:, 0] for name in kinds], axis=0)
    net = (planned.wanted[:, 0] + deals.net(len(planned.net)) / hours)[:people]
    ceiling, beyond = planned.ceiling.copy(), planned.beyond.copy()
    ceiling[:people] = np.where(price > SCARCE, np.minimum(ceiling[:people], net), ceiling[:people])
    beyond[:people] += np.maximum(price, 0.0)
    return replace(planned, ceiling=ceiling, beyond=beyond)
