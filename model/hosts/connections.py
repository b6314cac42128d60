"""Meters as buses: what is behind each, and the way in and out that its connection and its direction allow."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

from ...data.inputs.contract import optional
from ..labels import Array, positions
from ..topology.meters import Meters
from .families import Families
from .switches import add_switches


@dataclass(frozen=True)
class Connections:
    """The buses of M meters, each by its name.

    ``used`` is where demand is and stores charge; ``given`` where PV and stores give, the same unless a battery gives to
    the home alone; ``inverter`` where PV and batteries are behind an inverter, "" without one that could bind; ``into``
    where what is bought arrives and ``out`` where what is sold leaves.
    """

    used: list[str]
    given: list[str]
    inverter: list[str]
    into: list[str]
    out: list[str]


def add_meters(add: Families, inputs: xr.Dataset, meters: Meters) -> Connections:
    """Add the buses of all meters, their demand and PV, and what lies between them and their connection."""
    labels = meters.label.tolist()
    limited, inward = _limited_inverters(inputs, meters), _inward(inputs, meters)
    gated = _gated(meters)
    used = [f"meter {label}" for label in labels]
    buses = Connections(
        used=used,
        given=_where(inward, "own", labels, used),
        inverter=_where(limited, "inverter", labels, [""] * len(labels)),
        into=_where(gated, "draws", labels, used),
        out=_where(gated, "gives", labels, _where(inward, "own", labels, used)),
    )
    names = [*buses.used, *buses.given, *buses.inverter, *buses.into, *buses.out]
    add.buses(filter(None, names), "electricity")
    add.loads(_named("demand", labels), used, meters.demand)
    sunny = [inverter or given for inverter, given in zip(buses.inverter, buses.given, strict=True)]
    add.generators(_named("pv", labels), sunny, meters.pv, "solar")
    behind = np.where(limited, meters.inverter_limit, 0.0)[:, None]
    ends = buses.inverter, used
    add.links(_named("inverter", labels), ends, behind + 0 * meters.pv, "inverter", p_min_pu=-1.0)
    most = meters.pv + meters.give_capacity
    add.links(_named("own use", labels), (buses.given, used), inward[:, None] * most, "own use")
    _add_gates(add, meters, buses, gated)
    return buses


def _where(some: Array, word: str, labels: list[str], others: list[str]) -> list[str]:
    """Return buses of their own for some meters, and those of others for the rest."""
    return [
        f"{word} {label}" if one else other for one, label, other in zip(some, labels, others, strict=True)
    ]


def _named(word: str, labels: list[str]) -> list[str]:
    return [f"{word} {label}" for label in labels]


def _limited_inverters(inputs: xr.Dataset, meters: Meters) -> Array:
    """Return which meters (M,) have an inverter smaller than what is behind it."""
    if "inverter_limit" not in inputs:
        return np.zeros(len(meters.label), dtype=bool)
    power = meters.pv.max(axis=1)
    owner = meters.draws_at[positions(inputs, "battery_owner", "participant")]
    limits = np.maximum(inputs["battery_charge_limit"].values, inputs["battery_discharge_limit"].values)
    np.add.at(power, owner, limits)
    return np.asarray(meters.inverter_limit < power)


def _inward(inputs: xr.Dataset, meters: Meters) -> Array:
    """Return which meters (M,) have a battery that gives to the home alone."""
    inward = np.zeros(len(meters.label), dtype=bool)
    home = optional(inputs, "battery_gives") == "home"
    inward[meters.draws_at[positions(inputs, "battery_owner", "participant")][home]] = True
    return inward


def _gated(meters: Meters) -> Array:
    """Return which meters (M,) have a connection that could bind, or a direction to choose."""
    gated = meters.directed | (meters.draw_capacity > meters.import_limit)
    return np.asarray((gated | (meters.give_capacity > meters.export_limit)).any(axis=1))


def _add_gates(add: Families, meters: Meters, buses: Connections, gated: Array) -> None:
    """Add the links through which meters draw and give, within their connection and one way at a time."""
    at = np.flatnonzero(gated)
    draw = np.minimum(meters.draw_capacity, meters.import_limit)[at]
    give = np.minimum(meters.give_capacity, meters.export_limit)[at]
    labels = meters.label[at].tolist()
    names = _named("direction", labels)
    way = add_switches(add, names, (draw, give), meters.directed[at])
    pairs = (("draw", buses.into, buses.used, draw), ("give", buses.given, buses.out, give))
    for (word, start, end, power), third in zip(pairs, way, strict=True):
        ends = [start[k] for k in at], [end[k] for k in at]
        add.links(_named(word, labels), ends, power, "connection", third=third)
