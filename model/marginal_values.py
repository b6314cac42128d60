"""Marginal values of a solved community: of a kWh behind a meter or in a store, of a kW of a limit.

They are duals that prove the optimum together with the published prices. Where several do, prices and quantities follow
the declared rules (`solver.dual_face`, `solver.tie_breaking`), but these are just some that go with them: which ones may
depend on the way of solving. So they are no results.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from pyomo.core.base.var import Var

from ..data.inputs.arrays import assembled
from ..data.inputs.devices import stores
from .labels import Array, positions
from .results import scarcity_of, tier_values
from .topology.meters import Meters, metered_gross

AT_REST = 1e-9
"""Power of a meter that neither draws nor gives [kW]."""


def marginal_values(community: Any, price: Array | None) -> xr.Dataset | None:
    """Return marginal values by the duals of a community block, given its ``price`` (node, time).

    None of a block that another solver solved.

    With the duals y of the rows, per unit of their right-hand side, of a cost that is least::

        energy_value[s,t] = -y_energy_balance[s,t]        heat_value[h,t] = -y_heat_balance[h,t]
        import_limit_value[p,t] = -y_import_limit[m(p),t]
        meter_value[p,t] * hours[t] = -y_balance[m(p),t]

    where ``giving`` is decided, with what the rows of a direction (`clearing`) add to both: they say of what is given
    and drawn that it is no more than a meter could, or than its limit. A meter that rests may draw whatever was decided.
    """
    inputs, meters, giving = community.inputs, community.meters, community.component("giving")
    currency, hours = inputs.attrs["currency"], inputs["slot_hours"].values
    if community.balance.dual is None or not all(f.stored for f in community.component_objects(Var)):
        return None
    drawing = (meters.draw_share > 0) | metered_gross(inputs)[:, None]
    exists, at_work = community.balance.exists(), True
    worth = -community.balance.dense_dual()
    limits = {way: _saving(community, f"{way}_limit") for way in ("import", "export")}
    if giving is not None:
        worth += _of_directions(community, giving.dense(), limits)
        at_work = (_moved(community) > AT_REST) | ~meters.directed

    def own(values: Array) -> Array:
        return np.asarray(np.where(drawing, values[meters.draws_at], values[meters.gives_at]))

    limits["export"] = _with_pv(meters, limits["export"])
    least, value = _cheapest(community, price) + _scarcity(community), own(worth) / hours
    value = np.where(own(exists & at_work), value, np.where(own(exists), np.minimum(value, least), least))
    dims, unit = ("participant", "time"), f"{currency}/kWh"
    doc = "cost of one more kWh used behind the meter"
    values: dict[str, Any] = {"meter_value": (dims, value, {"long_name": doc, "units": unit})}
    for way, saved in limits.items():
        doc = f"saving by one more kW of the {way} limit in the slot"
        saved = own(saved) if way == "import" else saved
        values[f"{way}_limit_value"] = (dims, saved, {"long_name": doc, "units": f"{currency}/kW"})
    for device in stores():
        held = -community.component(device).energy_balance.dense_dual()
        doc = "worth of one more kWh held at the end of the slot"
        values[f"{device}_energy_value"] = (
            (device, "time"),
            held.reshape(inputs.sizes[device], len(hours)),
            {"long_name": doc, "units": unit},
        )
    if "heat_pump" in inputs.sizes:
        warm = -community.component("heat_pump").heat_balance.dense_dual()
        doc = "worth of one more kWh of heat held at the end of the slot"
        values["heat_pump_heat_value"] = (("heat_pump", "time"), warm, {"long_name": doc, "units": unit})
    return assembled(inputs, values)


def _with_pv(meters: Meters, values: Array) -> Array:
    """Return what meters give (meter, time) for participants (participant, time): where they give, and of PV apart."""
    apart = (meters.pv_at != meters.gives_at)[:, None]
    return np.asarray(values[meters.gives_at] + np.where(apart, values[meters.pv_at], 0.0))


def _of_directions(community: Any, giving: Array, limits: dict[str, Array]) -> Array:
    """Return what more use costs in the rows of decided directions (meter, time) [currency/kW]; add to the ``limits``.

    With demand, a meter that gives has less of its own to give and may give less; one that draws may draw more.
    """
    meters, worth = community.meters, giving * _saving(community, "give_own")
    for way, side, on, sign in (("export", "give", giving, 1.0), ("import", "draw", 1.0 - giving, -1.0)):
        most = on * _saving(community, f"{side}_at_most")
        able = getattr(meters, f"{side}_capacity") < getattr(meters, f"{way}_limit")
        worth = worth + np.where(able, sign * most, 0.0)
        limits[way] = limits[way] + np.where(able, 0.0, most)
    return np.asarray(worth)


def _saving(community: Any, name: str) -> Array:
    """Return what one more kW of the right-hand side of a row of every meter saves (meter, time) [currency/kW]."""
    row = community.component(name)
    return np.zeros(community.meters.demand.shape) if row is None else -row.dense_dual()


def _moved(community: Any) -> Array:
    """Return the power that every meter draws and gives (meter, time) [kW]."""
    markets = [community.component(name) for name in ("grid", "network")]
    families = [
        market.component(name)
        for market in markets
        if market is not None
        for name in ("imports", "exports", "purchase", "sale")
    ]
    return np.asarray(sum(family.dense() for family in families if family is not None))


def _scarcity(community: Any) -> Array | float:
    """Return what one more kWh drawn costs others by what is scarce on the wires, and in losses (participant, time)."""
    found = scarcity_of(community)
    scarce = 0.0 if found is None else np.asarray(sum(found[1].values()))
    return scarce if community.loss_price is None else scarce + community.loss_price


def _cheapest(community: Any, price: Array | None) -> Array:
    """Return what energy costs from the retailer or from peers, whichever is less (participant, time) [currency/kWh]."""
    inputs, meters = community.inputs, community.meters
    dearer = tier_values(community)
    retail: Array = meters.retail[meters.draws_at] + (0.0 if dearer is None else dearer)
    if price is None:
        return retail
    home = positions(inputs, "participant_node", "node")
    fees = (meters.access + meters.shared)[meters.draws_at]
    return np.asarray(np.minimum(retail, price[home] + fees))
