"""What heat pumps and appliances of a member cost and when they ran, by what was paid in the same slots.

With the power u[d,t] of device d, all that is used behind the meter U[t] (demand, loads, charging), and what was paid
m[t] for energy drawn in slot t, from peers with fees and from the retailer at its price of a kWh::

    cost[d] = sum over t of m[t] * u[d,t] / U[t]

Energy of one's own PV and stores costs nothing so.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr

from ...data import clock
from ...data.inputs import devices
from ...data.inputs.contract import optional
from .figures.axes import Array

HOURS = 24


@dataclass(frozen=True)
class Appliance:
    """A heat pump or an appliance: its energy by the local hour of the day (24,) [kWh], and its cost [currency]."""

    label: str
    by_hour: Array
    cost: float


def appliances(groups: tuple[xr.Dataset, ...], participant: str, counts: Array) -> list[Appliance]:
    """Return the heat pumps and appliances of a participant in the slots that count (time,), those that ran.

    ``groups`` are inputs, results and trades of a run. Demand that may be left off is no appliance.
    """
    inputs, results, trades = groups[:3]
    if not devices.loads(inputs) or participant not in inputs["participant"].values:
        return []
    hours = inputs["slot_hours"].values * counts
    used, paid = _used(inputs, results, participant), _paid(inputs, results, trades, participant)
    price = np.divide(paid, used, out=np.zeros(len(hours)), where=used > 0)
    starts = pd.DatetimeIndex(inputs["time"].values)
    hour = clock.local(starts, str(inputs.attrs.get("time_zone", "UTC"))).hour
    found = []
    for name, row in devices.loads(inputs).items():
        own = inputs[row.owner].values == participant
        if name == "flexible_load":
            own = own & np.isnan(optional(inputs, "flexible_load_shed_price"))
        power = results[row.draw].transpose(name, "time").values
        for n in np.flatnonzero(own):
            energy = power[n] * hours
            if energy.any():
                by_hour = np.bincount(hour, energy, HOURS)
                found.append(Appliance(str(inputs[name].values[n]), by_hour, float(energy @ price)))
    return found


def _used(inputs: xr.Dataset, results: xr.Dataset, participant: str) -> Array:
    """Return all that is used behind a participant's meter (time,) [kW]: its demand, and what devices there take."""
    used = inputs["demand"].sel(participant=participant).values.copy()
    for name, row in devices.present(inputs).items():
        power = results[row.draw].transpose(name, "time").values
        here = (inputs[row.owner].values == participant)[:, None]
        if row.host:
            here = here & (inputs[row.host].transpose(name, "time").values == participant)
        used = used + np.where(here, power, 0.0).sum(axis=0)
    return np.asarray(used)


def _paid(inputs: xr.Dataset, results: xr.Dataset, trades: xr.Dataset, participant: str) -> Array:
    """Return what a participant paid for energy drawn at its meter (time,) [currency/h]."""
    tariff = inputs["participant_tariff"].sel(participant=participant).item()
    retail = inputs["retail_price"].sel(tariff=tariff).values
    imported = results["grid_import"].sel(participant=participant).values * retail
    mine = (trades["trade_buyer"].values == participant) & (trades["trade_buyer_vehicle"].values == "")
    slot = np.searchsorted(inputs["time"].values, trades["trade_time"].values[mine])
    price = sum(trades[f"trade_{part}"].values[mine] for part in ("price", "fee", "congestion"))
    bought = np.bincount(slot, trades["trade_energy"].values[mine] * price, len(retail))
    return np.asarray(imported + bought / inputs["slot_hours"].values)
