"""Where the energy came from: own PV, which peer's PV, or the retailer.

Origins mix pro rata, slot by slot, in the gross quantities that are billed (`tracing`):

* What a meter gives is a mixture of its own sources, PV after curtailment and discharge, since no retail
  power is resold. What is left of them and what it draws mix to supply its consumption and charging.
* PV that is metered gross is on a meter of its own, which gives it all: only what its owner buys back of it is own PV
  at home. Where the owner's other meter gives too, every export and sale is of both in one proportion.
* A store gives the mixture that it held when the slot began, to the meter and to driving alike; losses take
  of the mixture too. What it holds at the start of the horizon counts as retail power: nobody can show where
  it came from.
* What a store loses by itself is of the mixture that it held, and its carbon dioxide is gone with it.
* A store charges or discharges in a slot, a meter draws or gives. Where results do both at once, the difference is what
  moves, and the losses of what passes through a store take of what it held, then of what is charged. What a meter gives
  beyond its own sources counts as retail power, and what it drew of PV for it as lost.
* PV energy stays that of whoever made it, through any number of trades and stores: back at its maker, it is own PV.

Carbon dioxide mixes likewise. PV brings none, retail power `grid_carbon` of the slot in which it is drawn, what stores
hold at the start the mean of it. The losses of charging and discharging let no carbon go: what comes out of a store
carries all that went in.

As a meter gives nothing that it draws in the same slot, a single pass over time is exact.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from ..labels import Array, positions, sum_at
from .tracing import LEAST, Content, Matrix, begin, follow, placed

SOURCES = ("own", "peers", "retail")


@dataclass(frozen=True)
class Origins:
    """Energy [kWh], distance [km] and carbon dioxide [kg] over the horizon, of P accounts.

    ``pv`` (P,) after curtailment = what ``demand`` and ``driving`` used of it + ``exported`` + ``lost`` in stores +
    ``held`` there at the end, each by producer. ``given`` (P,) is own PV energy sold to other accounts or exported.
    ``demand``, ``driving`` and ``distance`` (P, P + 1): what each account used by producer, in the last column of
    retail power; ``..._from`` (P, 3, T): the same by slot and ``SOURCES``. ``trips`` (P,) [km] is all that was driven;
    ``carbon`` (P,) that of the electricity driven. ``content`` is what a trace of the next slots begins with.
    """

    pv: Array
    given: Array
    exported: Array
    lost: Array
    held: Array
    demand: Matrix
    driving: Matrix
    distance: Matrix
    demand_from: Array
    driving_from: Array
    distance_from: Array
    trips: Array
    carbon: Array
    content: Content


def trace(
    inputs: xr.Dataset, results: xr.Dataset, trades: xr.Dataset, content: Content | None = None
) -> Origins:
    """Follow the energy through meters, trades and stores.

    Parameters
    ----------
    inputs, results, trades : xr.Dataset
        Of a run, or of a part of its slots.
    content : Content, optional
        What the stores held before: that of the trace of the slots before (default: all of it retail power).
    """
    people, hours = inputs.sizes["participant"], inputs["slot_hours"].values
    owner = positions(inputs, "vehicle_owner", "participant")
    driver = positions(inputs, "trip_vehicle", "vehicle")
    content = begin(inputs) if content is None else content
    used = {name: Matrix((people, people + 1)) for name in ("demand", "driving", "distance")}
    sources = {name: np.zeros((people, len(SOURCES), len(hours))) for name in used}
    given, carbon, exported, lost = np.zeros((4, people))
    done = 0
    for span in follow(inputs, results, trades, content):
        slots = span.demand.shape[0] // people
        for name in used:
            entries = getattr(span, name).tocoo()
            slot, account = np.divmod(entries.row, people)
            used[name] = used[name] + placed(entries.data, account, entries.col, used[name].shape)
            source = np.where(entries.col == people, 2, entries.col != account)
            place = (account * len(SOURCES) + source) * slots + slot
            total = np.bincount(place, entries.data, people * len(SOURCES) * slots)
            sources[name][:, :, done : done + slots] = total.reshape(people, len(SOURCES), slots)
        given, carbon = given + span.given, carbon + span.carbon
        exported, lost, content = exported + span.exported, lost + span.lost, span.content
        done += slots
    return Origins(
        pv=(_power(inputs, "pv_available") - _power(results, "pv_curtailment")) @ hours,
        given=given,
        exported=exported,
        lost=lost,
        held=content.energy.sum(axis=0)[:people],
        demand=used["demand"],
        driving=used["driving"],
        distance=used["distance"],
        demand_from=sources["demand"],
        driving_from=sources["driving"],
        distance_from=sources["distance"],
        trips=sum_at(owner[driver], inputs["trip_distance"].values, people),
        carbon=carbon,
        content=content,
    )


def _power(source: xr.Dataset, name: str) -> Array:
    """Return powers of participants (P, T) [kW]."""
    return np.asarray(source[name].transpose("participant", "time").values)


def variables(inputs: xr.Dataset, origins: Origins) -> Mapping[str, Any]:
    """Return the origins of energy as variables of a settlement, over participant, source, time, and origin.

    ``source`` is own, peers or retail; an ``origin`` is a producer whose PV energy a consumer used, sorted by
    consumer, then producer, in the order of the inputs.
    """
    names, people = inputs["participant"].values, len(origins.pv)
    line = {name: _lines(getattr(origins, name)) for name in ("demand", "driving", "distance")}
    pairs = np.unique(np.concatenate([place for place, _ in line.values()]))
    consumer, producer = np.divmod(pairs, people)
    over, pair = ("participant", "source", "time"), ("origin",)
    parts = {
        "demand": ("demand", "kWh"),
        "driving": ("electricity driven", "kWh"),
        "distance": ("distance driven on electricity", "km"),
    }
    data: dict[str, Any] = {
        f"{name}_from": (
            over,
            getattr(origins, f"{name}_from"),
            {"long_name": f"{text}, by source", "units": unit},
        )
        for name, (text, unit) in parts.items()
    }
    data["origin_consumer"] = (pair, names[consumer], {"long_name": "participant who used PV energy"})
    data["origin_producer"] = (pair, names[producer], {"long_name": "participant who made it"})
    for name, (text, unit) in parts.items():
        place, energy = line[name]
        values = np.zeros(len(pairs))
        values[np.searchsorted(pairs, place)] = energy
        text = f"{text}, of the producer's PV"
        data[f"origin_{name}"] = (pair, values, {"long_name": text, "units": unit})
    for name, text in {
        "exported": "exported, by any account",
        "lost": "lost in stores",
        "held": "in stores at the end",
    }.items():
        attributes = {"long_name": f"own PV energy {text}", "units": "kWh"}
        data[f"pv_{name}"] = (("participant",), getattr(origins, name), attributes)
    return data


def _lines(used: Matrix) -> tuple[Array, Array]:
    """Return where accounts used PV, as consumer * P + producer, and how much; none of it is retail power or noise."""
    entries, people = used.tocoo(), used.shape[0]
    some = (entries.col < people) & (entries.data > LEAST)
    return entries.row[some].astype(np.int64) * people + entries.col[some], entries.data[some]
