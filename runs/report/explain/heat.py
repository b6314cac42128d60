"""Why a heat pump ran, or rested: what its heat was worth, what electricity cost, and what its tank saved."""

from collections.abc import Iterator

import numpy as np

from ....data.inputs.contract import optional
from ....data.problems import shown
from .. import heat as heat_of
from ..figures.axes import Array
from .case import SMALL, Case, Sentence

TOPIC = "Heat"
SAME = 1e-4
"""Prices [currency/kWh] that differ by less are the same."""


def heat(case: Case) -> Iterator[Sentence]:
    """Yield what the participant's heat pumps did in the slot and why, and what their tanks saved."""
    if "heat_pump" not in case.inputs.sizes:
        return
    for h in np.flatnonzero(case.inputs["heat_pump_owner"].values == case.name).tolist():
        if case.marginal is not None:
            yield _worth(case, h)
        yield _power(case, h)
        if case.marginal is not None:
            yield _over_time(case, h)


def value(case: Case, h: int) -> Array:
    """Return what a kWh of heat in a tank is worth at the end of each slot (time,) [currency/kWh]."""
    assert case.marginal is not None
    return np.asarray(case.marginal["heat_pump_heat_value"].transpose("heat_pump", "time").values[h])


def _of(case: Case, name: str, h: int) -> Array:
    """Return an input or a result of a heat pump over time (time,)."""
    group = case.results if name in case.results else case.inputs
    return np.asarray(group[name].transpose("heat_pump", "time").values[h])


def _worth(case: Case, h: int) -> Sentence:
    """Return what a tank holds, and what a kWh in it was worth as heat and as electricity."""
    name, t = shown(str(case.inputs["heat_pump"].values[h])), case.slot
    held, worth, cop = (
        float(values[t]) for values in (_of(case, "heat_pump_heat", h), value(case, h), _cop(case, h))
    )
    most = float(case.inputs["heat_pump_capacity"].values[h])
    return Sentence(
        TOPIC,
        f"{name} held {held:.2f} of {most:.4g} kWh of heat at the end of the slot; one more kWh of it was worth"
        f" {case.price(worth)}, so that a kWh of electricity, which made {cop:.2f} of heat, was worth"
        f" {case.price(worth * cop)} to it.",
        {"tank": name, "heat": held, "heat_value": worth, "cop": cop},
    )


def _cop(case: Case, h: int) -> Array:
    return _of(case, "heat_pump_cop", h)


def _power(case: Case, h: int) -> Sentence:
    """Return whether the pump ran in the slot, and how that goes with what its heat is worth."""
    name, t = shown(str(case.inputs["heat_pump"].values[h])), case.slot
    power, backup = (float(_of(case, f"heat_pump_{n}", h)[t]) for n in ("power", "backup"))
    limit = float(
        case.inputs["heat_pump_power_limit"].values[h] - optional(case.inputs, "heat_pump_backup_limit")[h]
    )
    pump = power - backup
    what = f"ran with {pump:.2f} kW" if pump > SMALL else "rested"
    what += f", its resistive backup with {backup:.2f} kW" if backup > SMALL else ""
    figures = {"heat_pump": name, "kw": pump, "backup_kw": backup}
    if case.marginal is None:
        return Sentence(TOPIC, f"{name} {what}.", figures)
    cost = float(case.marginal["meter_value"].values[case.participant, t])
    worth = float(value(case, h)[t] * _cop(case, h)[t])
    gain = worth - cost
    figures |= {"meter_value": cost, "electricity_worth": worth}
    text = f"{name} {what}: a kWh of electricity cost {case.price(cost)} behind the meter, "
    if abs(gain) <= SAME:
        return Sentence(TOPIC, f"{text}as much as its heat was worth.", figures)
    if gain < 0 and pump <= SMALL:
        return Sentence(TOPIC, f"{text}more than its heat was worth.", figures)
    if gain < 0 or pump < limit - SMALL:
        rest = "what a meter draws and gives is decided as a whole"
        return Sentence(TOPIC, f"{text}and made heat worth {case.price(worth)}: {rest}.", figures)
    saved = gain * case.hours
    figures |= {"kw_limit": limit, "saving": saved}
    more = f"less than its heat was worth, but its limit is {limit:g} kW: one more kW would have saved"
    return Sentence(TOPIC, f"{text}{more} {case.money(saved)} in the slot.", figures)


def _over_time(case: Case, h: int) -> Sentence:
    """Return what electricity of the horizon cost, and what heat made as it is drawn would have cost at these prices."""
    assert case.marginal is not None
    name, hours = shown(str(case.inputs["heat_pump"].values[h])), case.inputs["slot_hours"].values
    price = case.marginal["meter_value"].values[case.participant]
    power, cop = _of(case, "heat_pump_power", h), _cop(case, h)
    drawn = heat_of.drawn(case.inputs, case.results)[h]
    energy, cost = float(power @ hours), float((power * price) @ hours)
    at_once = float((drawn / cop * price) @ hours)
    level = heat_of.levels(case.inputs, case.results)[h]
    rise = float(level[-1] - level[0])
    figures = {
        "heat_pump": name,
        "kwh": energy,
        "cost": cost,
        "cost_as_drawn": at_once,
        "heat_kwh": float(drawn @ hours),
        "rise_kwh": rise,
    }
    left = (
        f", and left {abs(rise):.2f} kWh {'more' if rise > 0 else 'less'} in its tank"
        if abs(rise) > 0.005
        else ""
    )
    return Sentence(
        TOPIC,
        f"Over the horizon {name} drew {energy:.2f} kWh for {case.money(cost)} at what a kWh cost behind the meter"
        f"{left}; made as it was drawn, the heat of {figures['heat_kwh']:.2f} kWh would have cost"
        f" {case.money(at_once)} so.",
        figures,
    )
