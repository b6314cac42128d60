"""A slow tracer to hold `otonari.model.settlement.origins` against: labels and dicts, meter by meter, no arrays.

It follows the text of that module and shares no line with it. A mixture is a dict of source -> share, the sources being
labels of participants (their PV) and ``RETAIL``; carbon dioxide is counted beside it in kg/kWh.
"""

from collections import defaultdict

import numpy as np

RETAIL = ""


def trace(inputs, results, trades):
    """Return (use, account, source, slot) -> kWh (or km), and account -> kg of the electricity driven, of a run.

    The uses are demand, charge, driving and distance; exported, lost and held are by producer alone, as account.
    """
    used, carbon = defaultdict(float), defaultdict(float)
    stores = _stores(inputs)
    for t, time in enumerate(inputs["time"].values):
        hours = float(inputs["slot_hours"].values[t])
        for store in stores:
            _plan(store, inputs, results, t, hours)
        lines = [k for k in range(trades.sizes["trade"]) if trades["trade_time"].values[k] == time]
        of = {m: _injecting(m, lines, inputs, results, trades, t, hours) for m in _meters(inputs)}
        share = {part: (m, of[m][part]) for m in of for part in of[m]}
        leaves = {p: k * _leaves(m, lines, results, trades, t, hours) for p, (m, k) in share.items()}
        given = {m: _given(m, leaves[m], stores, inputs, results, t, hours) for m in leaves}
        pool = {m: _pool(m, given, of, leaves[m], lines, inputs, results, trades, t, hours) for m in given}
        for meter, (sources, _, _) in given.items():
            for source, mixed in pool[meter][0].items():
                used["lost", source, source, t] += max(leaves[meter] - sources, 0.0) * mixed
        for meter, (sources, mixture, _) in given.items():
            for source, mixed in mixture.items():
                whose, part = share[meter]
                exported = part * hours * _at(whose, results, "grid_export", "vehicle_export", t)
                used["exported", source, source, t] += exported * mixed if sources > 0 else 0.0
        for name in inputs["participant"].values:
            demand = hours * float(inputs["demand"].sel(participant=name)[t])
            for source, mixed in pool["home", name][0].items():
                used["demand", name, source, t] += demand * mixed
        for store in stores:
            _advance(store, pool[store["meter"]], used, carbon, t)
    for store in stores:
        for source, energy in store["holds"].items():
            used["held", source, source, -1] += energy
    return used, carbon


def _stores(inputs):
    mean = float(inputs["grid_carbon"].mean())
    found = []
    for device in ("battery", "vehicle"):
        for name in inputs[device].values:
            values = {
                k: inputs[f"{device}_{k}"].sel({device: name}).item() for k in ("owner", "initial_energy")
            }
            gain, loss = (
                inputs[f"{device}_{k}_efficiency"].sel({device: name}).item() for k in ("charge", "discharge")
            )
            start = values["initial_energy"]
            found.append(
                {"device": device, "name": name, "owner": values["owner"], "gain": gain, "loss": loss}
                | {"holds": {RETAIL: start}, "carbon": start * mean}
            )
    return found


def _plan(store, inputs, results, t, hours):
    """Note what a store does in a slot: its meter, kWh charged and discharged (AC) and driven, and its mixture."""
    device, name, owner = store["device"], store["name"], store["owner"]
    charge, discharge = (
        float(results[f"{device}_{k}"].sel({device: name})[t]) * hours for k in ("charge", "discharge")
    )
    both = min(charge, discharge)
    charge, discharge, wasted = charge - both, discharge - both, both * (1 / store["loss"] - store["gain"])
    driven, store["meter"], store["economy"] = 0.0, ("home", owner), np.nan
    if device == "vehicle":
        at = inputs["vehicle_host"].sel(vehicle=name).values[t]
        store["meter"] = ("home", owner) if at == owner else ("guest", name)
        store["economy"] = float(inputs["vehicle_electric_economy"].sel(vehicle=name))
        ends = [*inputs["time"].values[1:], np.datetime64("2100-01-01")]
        for k, trip in enumerate(inputs["trip_vehicle"].values):
            if trip == name and inputs["time"].values[t] <= inputs["trip_departure"].values[k] < ends[t]:
                driven += float(results["trip_electric_distance"][k]) / store["economy"]
    held = sum(store["holds"].values())
    out = discharge / store["loss"] + wasted + driven
    part = min(1.0, held / out) if out > 0 else 1.0
    share = {k: part * v / held for k, v in store["holds"].items()} if held > 1e-9 else {}
    share[RETAIL] = 1.0 - sum(v for k, v in share.items() if k != RETAIL)
    per_kwh = part * store["carbon"] / held if held > 1e-9 else 0.0
    store.update(charge=charge, discharge=discharge, driven=driven, held=held, out=out, share=share)
    store["wasted"] = wasted
    store["per_kwh"] = per_kwh


def _meters(inputs):
    return [("home", p) for p in inputs["participant"].values] + [
        ("guest", v) for v in inputs["vehicle"].values
    ]


def _at(meter, results, of_home, of_guest, t):
    where, name = meter
    if where == "home":
        return float(results[of_home].sel(participant=name)[t])
    if where == "guest":
        return float(results[of_guest].sel(vehicle=name)[t])
    return 0.0


def _party(trades, k, side):
    vehicle = trades[f"trade_{side}_vehicle"].values[k]
    return ("guest", vehicle) if vehicle else ("home", trades[f"trade_{side}"].values[k])


def _gross(inputs, name):
    return (
        "participant_metering" in inputs and inputs["participant_metering"].sel(participant=name) == "gross"
    )


def _made(inputs, results, name, t, hours):
    """Return the kWh that a participant's PV gives."""
    pv, unused = (d.sel(participant=name)[t] for d in (inputs["pv_available"], results["pv_curtailment"]))
    return float(pv - unused) * hours


def _injecting(meter, lines, inputs, results, trades, t, hours):
    """Return the meters that inject for one, and the part of each: of a home with gross metering also that of its PV."""
    where, name = meter
    if where == "guest" or not _gross(inputs, name):
        return {meter: 1.0}
    whole = _leaves(meter, lines, results, trades, t, hours)
    part = min(_made(inputs, results, name, t, hours) / whole, 1.0) if whole > 0 else 0.0
    return {meter: 1.0 - part, ("pv", name): part}


def _leaves(meter, lines, results, trades, t, hours):
    """Return the kWh that a meter sells and exports."""
    sold = sum(trades["trade_energy"].values[k] for k in lines if _party(trades, k, "seller") == meter)
    return sold + hours * _at(meter, results, "grid_export", "vehicle_export", t)


def _given(meter, leaves, stores, inputs, results, t, hours):
    """Return the kWh of a meter's own sources, what it gives is a mixture of, and its kg/kWh."""
    parts, carbon = defaultdict(float), 0.0
    where, name = meter
    if where == "pv" or (where == "home" and not _gross(inputs, name)):
        parts[name] += _made(inputs, results, name, t, hours)
    for store in stores:
        if store["meter"] == meter:
            for source, share in store["share"].items():
                parts[source] += store["discharge"] * share
            carbon += store["discharge"] / store["loss"] * store["per_kwh"]
    total = sum(parts.values())
    if total <= 1e-9:
        return 0.0, {RETAIL: 1.0}, 0.0
    parts[RETAIL] += max(leaves - total, 0.0)
    whole = max(leaves, total)
    return total, {k: v / whole for k, v in parts.items()}, carbon / whole


def _pool(meter, given, of, leaves, lines, inputs, results, trades, t, hours):
    """Return what a meter's consumption and charging are a mixture of, and its kg/kWh."""
    sources, mixture, per_kwh = given[meter]
    energy = trades["trade_energy"].values
    left = max(sources - leaves, 0.0)
    parts, carbon = defaultdict(float), left * per_kwh
    for source, share in mixture.items():
        parts[source] += left * share
    for k in lines:
        if _party(trades, k, "buyer") == meter:
            for seller, part in of[_party(trades, k, "seller")].items():
                _, theirs, their_kg = given[seller]
                carbon += energy[k] * part * their_kg
                for source, share in theirs.items():
                    parts[source] += energy[k] * part * share
    imported = hours * _at(meter, results, "grid_import", "vehicle_import", t)
    parts[RETAIL] += imported
    carbon += imported * float(inputs["grid_carbon"][t])
    total = sum(parts.values())
    return (
        ({k: v / total for k, v in parts.items()}, carbon / total) if total > 1e-9 else ({RETAIL: 1.0}, 0.0)
    )


def _advance(store, pool, used, carbon, t):
    mixture, per_kwh = pool
    owner, charge, driven, held, out = (store[k] for k in ("owner", "charge", "driven", "held", "out"))
    for source, share in mixture.items():
        used["charge", owner, source, t] += charge * share
    for source, share in store["share"].items():
        used["driving", owner, source, t] += driven * share
        used["distance", owner, source, t] += driven * share * store["economy"] if driven else 0.0
        lost = store["discharge"] / store["loss"] - store["discharge"] + store["wasted"]
        used["lost", source, source, t] += lost * share
    carbon[owner] += driven * store["per_kwh"]
    left, added = (max(1.0 - out / held, 0.0) if held > 1e-9 else 0.0), store["gain"] * charge
    stays = 1.0 - min(max(out - held, 0.0) / added, 1.0) if added > 1e-9 else 1.0
    store["holds"] = defaultdict(float, {k: left * v for k, v in store["holds"].items()})
    for source, share in mixture.items():
        store["holds"][source] += stays * added * share
        used["lost", source, source, t] += (charge - stays * added) * share
    store["carbon"] = left * store["carbon"] + stays * charge * per_kwh
