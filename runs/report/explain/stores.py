"""What stores and PV are worth: a kWh held, one more kWh of capacity, one more kW; why a car drove on fuel."""

from collections.abc import Iterator

import numpy as np

from ....data.inputs import devices
from ....data.inputs.contract import optional
from ....data.problems import shown
from ..figures.axes import Array
from .case import SMALL, Case, Sentence

TOPIC = "Stores and PV"
DRIVING = "Driving"
_MOST = 6


def stores(case: Case) -> Iterator[Sentence]:
    """Yield what the participant's batteries and vehicles hold, and what more of them would have brought."""
    if case.marginal is None:
        return
    for device in devices.stores():
        for s in np.flatnonzero(case.inputs[f"{device}_owner"].values == case.name):
            yield from _store(case, device, int(s))


def _store(case: Case, device: str, s: int) -> Iterator[Sentence]:
    name = shown(str(case.inputs[device].values[s]))
    energy = float(case.results[f"{device}_energy"].values[s, case.slot])
    worth = float(energy_values(case, device)[s, case.slot])
    yield Sentence(
        TOPIC,
        f"{name} held {energy:.2f} of {float(case.inputs[f'{device}_capacity'].values[s]):g} kWh at the end of the slot;"
        f" one more kWh in it was worth {case.price(worth)}.",
        {"store": name, "kwh": energy, "energy_value": worth},
    )
    more = float(capacity_values(case, device)[s].sum())
    yield Sentence(
        TOPIC,
        f"One more kWh of its capacity would have saved {case.money(more)} over the horizon"
        + ("." if more > SMALL else ": it was never full when that would have paid."),
        {"store": name, "capacity_value": more},
    )
    end = float(energy_values(case, device)[s, -1]) - _final_value(case, device)[s]
    least = float(case.inputs[f"{device}_final_energy"].values[s])
    held = float(case.results[f"{device}_energy"].values[s, -1])
    if end > SMALL and held < least + SMALL:
        yield Sentence(
            TOPIC,
            f"It must end with {least:g} kWh: one kWh less would have saved {case.money(end)}.",
            {"store": name, "final_energy": least, "saving": end},
        )
    for verb, saved in power_values(case, device, s).items():
        if saved[case.slot] > SMALL:
            limit = float(case.inputs[f"{device}_{verb}_limit"].values[s])
            here, total = float(saved[case.slot]), float(saved.sum())
            yield Sentence(
                TOPIC,
                f"It {verb}s at its limit of {limit:g} kW: one more kW would have saved {case.money(here)} in the slot,"
                f" {case.money(total)} over the horizon.",
                {"store": name, "limit": verb, "kw": limit, "saving": here, "saving_over_horizon": total},
            )


def pv_value(case: Case) -> float | None:
    """Return what one more kW of the participant's PV would have saved over the horizon [currency/kW], of its profile.

    Its highest power counts as its size. None where it has none, and where it has a meter or an inverter of its own: PV
    is then not worth what energy is behind the meter.
    """
    inputs, p = case.inputs, case.participant
    profile = inputs["pv_available"].values[p]
    apart = (
        optional(inputs, "inverter_limit")[p] < np.inf
        or optional(inputs, "participant_metering")[p] == "gross"
    )
    if case.marginal is None or apart or not profile.any():
        return None
    value = np.maximum(case.marginal["meter_value"].values[p], 0.0)  # below zero it would not be used
    return float((value * inputs["slot_hours"].values) @ profile / profile.max())


def pv(case: Case) -> Iterator[Sentence]:
    """Yield what more PV of the participant would have brought."""
    if (saved := pv_value(case)) is not None:
        yield Sentence(
            TOPIC,
            f"One more kW of PV at its best would have saved {case.money(saved)} over the horizon.",
            {"pv_value": saved},
        )


def energy_values(case: Case, device: str) -> Array:
    """Return what one more kWh held at the end of each slot is worth (store, time) [currency/kWh]."""
    assert case.marginal is not None
    return np.asarray(case.marginal[f"{device}_energy_value"].values)


def capacity_values(case: Case, device: str) -> Array:
    """Return what one more kWh of capacity saves by each slot (store, time) [currency/kWh], 0 while there is room.

    With the value v of a kWh held, of which a part k stays to the next slot, a store that is full would take more for
    k[t+1] v[t+1] - v[t]; at the end, for what it is worth then.
    """
    value, inputs = energy_values(case, device), case.inputs
    hours = inputs["slot_hours"].values
    kept = (1 - optional(inputs, f"{device}_self_discharge")[:, None]) ** (hours / 24)
    after = np.append((kept * value)[:, 1:], _final_value(case, device)[:, None], axis=1)
    capacity = inputs[f"{device}_capacity"].values[:, None]
    full = (
        np.abs(case.results[f"{device}_energy"].values - capacity) <= SMALL
    )  # above it, energy is on its way down
    limit = optional(inputs, f"{device}_final_limit")
    full[:, -1] &= ~(limit < inputs[f"{device}_capacity"].values)
    return np.where(full, np.maximum(after - value, 0.0), 0.0)


def power_values(case: Case, device: str, s: int) -> dict[str, Array]:
    """Return what one more kW of charging and of discharging saves in each slot (time,) [currency/kW]; 0 below a limit.

    With the value v of a kWh held and m of one at the meter: hours * (charge_efficiency v - m) and hours * (m - v /
    discharge_efficiency - wear). Nothing is said where other limits stand between store and meter (an inverter, a
    battery that gives to its home alone, decided directions), of a vehicle that is not at home, and of what starts
    outside its bounds.
    """
    inputs, results = case.inputs, case.results
    owner = case.people.index(str(inputs[f"{device}_owner"].values[s]))
    start, least, most = (
        float(inputs[f"{device}_{name}"].values[s]) for name in ("initial_energy", "min_energy", "capacity")
    )
    inward = device == "battery" and optional(inputs, "battery_gives")[s] == "home"
    apart = optional(inputs, "inverter_limit")[owner] < np.inf or case.tree.attrs.get("directions", 0)
    if case.marginal is None or apart or inward or not least <= start <= most:
        return {}
    value, hours = energy_values(case, device)[s], inputs["slot_hours"].values
    meter = case.marginal["meter_value"].values[owner]
    home = np.full(len(hours), True)
    if host := devices.DEVICES[device].host:
        home = inputs[host].transpose(device, "time").values[s] == case.name
    wear = float(inputs[f"{device}_wear_cost"].values[s])
    gains = {
        "charge": value * float(inputs[f"{device}_charge_efficiency"].values[s]) - meter,
        "discharge": meter - value / float(inputs[f"{device}_discharge_efficiency"].values[s]) - wear,
    }
    return {
        verb: np.where(
            home
            & (results[f"{device}_{verb}"].values[s] > inputs[f"{device}_{verb}_limit"].values[s] - SMALL),
            np.maximum(hours * gain, 0.0),
            0.0,
        )
        for verb, gain in gains.items()
        if float(inputs[f"{device}_{verb}_limit"].values[s]) > SMALL
    }


def driving(case: Case) -> Iterator[Sentence]:
    """Yield why the participant's vehicles drove on fuel: what a km cost so, and on what was stored."""
    inputs, results = case.inputs, case.results
    names = [str(n) for n in inputs["vehicle"].values]
    own = {n for n, o in zip(names, inputs["vehicle_owner"].values, strict=True) if str(o) == case.name}
    trips = [
        k
        for k, n in enumerate(inputs["trip_vehicle"].values)
        if str(n) in own and float(results["trip_fuel"].values[k]) > SMALL
    ]
    for k in sorted(trips, key=lambda k: -float(results["trip_fuel"].values[k]))[:_MOST]:
        yield _on_fuel(case, k, names.index(str(inputs["trip_vehicle"].values[k])))


def _on_fuel(case: Case, trip: int, vehicle: int) -> Sentence:
    """Return why a trip was made on fuel, all of it or in part."""
    inputs, results = case.inputs, case.results
    distance = float(inputs["trip_distance"].values[trip])
    fuel = distance - float(results["trip_electric_distance"].values[trip])
    on_fuel = float(inputs["fuel_price"].values[vehicle] / inputs["vehicle_fuel_economy"].values[vehicle])
    slot = (
        int(np.searchsorted(inputs["time"].values, inputs["trip_departure"].values[trip], side="right")) - 1
    )
    name = shown(str(inputs["trip"].values[trip]))
    text = (
        f"{name}, {case.when(slot)}: {fuel:.1f} of {distance:.1f} km on fuel, at {case.money(on_fuel)} a km."
    )
    figures = {"trip": name, "km": distance, "km_on_fuel": fuel, "cost_per_km_on_fuel": on_fuel}
    if case.marginal is None:
        return Sentence(DRIVING, text, figures)
    economy = float(inputs["vehicle_electric_economy"].values[vehicle])
    worth = float(energy_values(case, "vehicle")[vehicle, slot])
    figures |= {"energy_value": worth, "cost_per_km_electric": worth / economy}
    more = float(capacity_values(case, "vehicle")[vehicle, : slot + 1].sum())
    text += (
        f" A kWh in its battery was worth {case.price(worth)} then, so {case.money(worth / economy)} a km: "
        + (
            "dearer than fuel."
            if worth / economy > on_fuel + SMALL
            else "as much as fuel, so that all was used that could be had for less."
        )
    )
    if more > SMALL:
        figures["capacity_value"] = more
        text += f" One more kWh of battery before it would have saved {case.money(more)}."
    return Sentence(DRIVING, text, figures)


def _final_value(case: Case, device: str) -> Array:
    """Return what energy at the end is worth by itself (store,) [currency/kWh]."""
    return np.asarray(np.nan_to_num(optional(case.inputs, f"{device}_final_value")))
