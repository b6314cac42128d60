"""A community that shares metered energy, over the slots of a month: whose it is, who is a member when, its price."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from ..clock import local
from ..inputs.contract import complete
from ..loading.settlement_file import KEYED
from ..problems import InputError, Problem
from ..schema.price_forms import Flat
from ..schema.scenario import Time
from ..schema.settlement import Fixed, Settlement
from ..schema.tariffs_and_fees import Tariff
from .contracts import contracts, coordinates, shared_fees
from .demand_and_pv import Frame, frame
from .devices_and_trips import labels
from .metered import MeterReadings, meter_readings
from .prices import price

NO_TARIFF = "not billed here"
"""The tariff of members whose retail contract is nobody's business here: all its prices are zero."""
NODE = "community"
"""The one node of the network: shared energy has no way between meters."""


@dataclass(frozen=True)
class Community:
    """Metered energy of points (point, time) [Wh] and what is needed to share and to settle it.

    ``shares`` (point, member) say whose the energy of a point is: 1 of its member, in proportion to them of a plant in
    common. ``active`` (member, time) is true while somebody is a member. ``keys`` (member, time), ``order`` (member,),
    None where the rule takes none; ``participation`` (member,), 0 to 1. ``price`` (time,) of shared energy
    [currency/kWh]. ``inputs`` are those of a clearing of its members, but for their energy.
    """

    inputs: xr.Dataset
    readings: MeterReadings
    injects: np.ndarray
    shares: np.ndarray
    active: np.ndarray
    keys: np.ndarray | None
    order: np.ndarray | None
    participation: np.ndarray
    price: np.ndarray


def build_community(settlement: Settlement, time: Time) -> Community:
    """Return the community of a settlement in a part of its period.

    Raises
    ------
    InputError
        With every problem of the files.
    """
    slots = frame(time, 1, settlement.holidays)
    members, points = settlement.tables.members, settlement.tables.points
    place = {row.member: n for n, row in enumerate(members)}
    active = np.array([_between(slots, row.joined, row.left) for row in members])
    shares = _shares(settlement, place)
    asked = np.array(
        [active[share > 0].any(axis=0) if (share > 0).sum() == 1 else _always(slots) for share in shares]
    )
    readings = meter_readings(settlement, slots, asked)
    slots.problems += _ownerless(settlement, slots, shares, active, readings)
    own, given = _inputs(settlement, slots), settlement.sharing.price
    if isinstance(given, Fixed):
        shared = price(given.price, slots)
    else:
        tariffs = own["tariff"].isin([row.tariff for row in members]).values
        shared = (
            own["retail_price"].values[tariffs].min(axis=0) + own["feed_in_price"].values[tariffs].max(axis=0)
        ) / 2
    if slots.problems:
        raise InputError(sorted(set(slots.problems)))
    own.attrs["notes"] = json.dumps([*slots.notes, *readings.notes], ensure_ascii=False)
    return Community(
        inputs=own,
        readings=readings,
        injects=np.array([row.direction == "injection" for row in points]),
        shares=shares,
        active=active,
        keys=_keys(settlement, slots, place),
        order=_order(settlement, place),
        participation=np.array([row.participation_percent / 100 for row in members]),
        price=shared,
    )


def _ownerless(
    settlement: Settlement, slots: Frame, shares: np.ndarray, active: np.ndarray, readings: MeterReadings
) -> Iterator[Problem]:
    """Yield plants in common that inject while none of their owners is a member."""
    for point, share, energy in zip(settlement.tables.points, shares, readings.energy, strict=True):
        if (lost := (energy > 0) & ~active[share > 0].any(axis=0)).any():
            day = local(slots.times, slots.time.time_zone)[int(np.argmax(lost))]
            got = f"{point.point!r} injects on {day:%Y-%m-%d}, when none of its owners is a member"
            yield Problem("readings", "", "owners", got, "an owner who is a member")


def _always(slots: Frame) -> np.ndarray:
    return np.ones(len(slots.times), dtype=bool)


def _between(slots: Frame, first: Any, last: Any) -> np.ndarray:
    """Return the slots (time,) of the local days from a first to a last one, both included."""
    day = local(slots.times, slots.time.time_zone).tz_localize(None).normalize().to_numpy()
    inside = _always(slots)
    if first is not None:
        inside &= day >= np.datetime64(first)
    if last is not None:
        inside &= day <= np.datetime64(last)
    return inside


def _shares(settlement: Settlement, place: dict[str, int]) -> np.ndarray:
    points = settlement.tables.points
    shares = np.zeros((len(points), len(place)))
    for n, point in enumerate(points):
        if point.member is not None:
            shares[n, place[point.member]] = 1.0
            continue
        for row in settlement.tables.owners:
            if row.point == point.point:
                shares[n, place[row.member]] = row.share
    return shares


def _order(settlement: Settlement, place: dict[str, int]) -> np.ndarray | None:
    if settlement.sharing.rule != "priority":
        return None
    return np.array([place[label] for label in settlement.sharing.order])


def _keys(settlement: Settlement, slots: Frame, place: dict[str, int]) -> np.ndarray | None:
    if settlement.sharing.rule not in KEYED:
        return None
    keys = np.zeros((len(place), len(slots.times)))
    for row in settlement.tables.keys:
        keys[place[row.member]] += row.key * _between(slots, row.since, row.until)
    return keys


def _inputs(settlement: Settlement, slots: Frame) -> xr.Dataset:
    """Return the inputs of a clearing as far as tariffs and members make them."""
    members = settlement.tables.members
    tariffs: dict[str, Tariff] = dict(settlement.tariffs)
    if any(row.tariff is None for row in members):
        tariffs[NO_TARIFF] = Tariff(energy=Flat(price_per_kwh=0.0))
    rows: Any = members  # what contracts ask of a participant a member has, too
    rates = contracts(tariffs, rows, slots)
    fees, _ = shared_fees(tariffs, slots, [settlement.sharing.level])
    size, times = len(members), slots.times.to_numpy()
    none = (("participant", "time"), np.zeros((size, len(times))))
    variables: dict[str, Any] = {
        "slot_hours": (("time",), np.full(len(times), slots.hours)),
        "demand": none,
        "participant_node": (("participant",), np.full(size, NODE)),
        "participant_tariff": (("participant",), labels(str(row.tariff or NO_TARIFF) for row in members)),
        "node_parent": (("node",), np.array([""])),
        "node_fee": (("node",), np.zeros(1)),
        **rates,
        **fees,
    }
    coords = {
        "participant": labels(row.member for row in members),
        "time": times,
        "tariff": labels(tariffs),
        "node": np.array([NODE]),
    }
    coords |= coordinates(tariffs, slots)
    attrs = {
        "scenario": settlement.name,
        "currency": settlement.currency,
        "time_zone": settlement.time.time_zone,
    }
    return complete(xr.Dataset(variables, coords=coords, attrs=attrs))
