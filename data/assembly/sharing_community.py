"""A community that shares metered energy, over the slots of a month: whose it is, who is a member when, its price."""

import json
from collections.abc import Iterator, Mapping, Sequence
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
from ..schema.settlement import Fixed, MidMarket, Settlement
from ..schema.tariffs_and_fees import Tariff
from .contracts import contracts, coordinates, shared_fees
from .demand_and_pv import Frame, frame
from .devices_and_trips import labels
from .key_file import Key, key
from .metered import energies
from .missing_readings import MeterReadings, in_whole
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
    [currency/kWh], zeros where energies or contracts decide it. ``inputs`` are those of a clearing of its members, but
    for their energy. ``key`` is the file of a rule that takes one.
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
    key: Key | None = None


def build_communities(
    settlement: Settlement, months: Mapping[str, Time], every: bool = True
) -> dict[str, Community]:
    """Return the community of a settlement in each month; its files are read once for all of them.

    Parameters
    ----------
    settlement
        Who shares what, and the files.
    months
        Parts of its period, in their order.
    every
        Whether months of which nothing was read yet are problems; else they are left out.

    Raises
    ------
    InputError
        With every problem of the files, in all months.
    """
    slots = frame(_span(months), 1, settlement.holidays, settlement.doubtful == "refuse")
    energy = energies(settlement, slots)
    whose = _whose(slots, months)
    if not every:
        known = [month for n, month in enumerate(months) if (~np.isnan(energy[:, whose == n])).any()]
        whose = np.where(np.isin(whose, [list(months).index(month) for month in known]), whose, -1)
        months = {month: months[month] for month in months if month in known or not known}
    active = np.array([_between(slots, row.joined, row.left) for row in settlement.tables.members])
    shares = _shares(settlement)
    asked = np.array([_asked(share, active) for share in shares]) & (whose >= 0 if len(months) else True)
    readings = in_whole(settlement, slots, energy, asked)
    slots.problems += _ownerless(settlement, slots, shares, active, readings)
    built = {}
    for month, time in months.items():
        own = frame(time, 1, settlement.holidays)
        first = int(np.searchsorted(slots.times.to_numpy(), own.times.to_numpy()[0]))
        last = first + len(own.times)
        part = readings.between(first, last, month)
        built[month] = _community(settlement, own, part, shares, active[:, first:last], slots.notes)
        slots.problems += own.problems
    if slots.problems:
        raise InputError(sorted(set(slots.problems)))
    return built


def _span(months: Mapping[str, Time]) -> Time:
    """Return the time from the first day of the first month to the last day of the last one."""
    first, last = next(iter(months.values())), list(months.values())[-1]
    return first.model_copy(update={"days": (last.start - first.start).days + last.days})


def _whose(slots: Frame, months: Mapping[str, Time]) -> np.ndarray:
    """Return the position of the month of each slot (time,), -1 where it is in none."""
    names = local(slots.times, slots.time.time_zone).strftime("%Y-%m").to_numpy(str)
    return np.array([{month: n for n, month in enumerate(months)}.get(name, -1) for name in names])


def _asked(share: np.ndarray, active: np.ndarray) -> np.ndarray:
    """Return the slots (time,) in which a point belongs to the community: one in common always does."""
    own = active[share > 0]
    return own[0] if len(own) == 1 else np.ones(active.shape[1], dtype=bool)


def _community(
    settlement: Settlement,
    slots: Frame,
    readings: MeterReadings,
    shares: np.ndarray,
    active: np.ndarray,
    notes: Sequence[str],
) -> Community:
    """Return the community in a month; problems of prices go to the frame."""
    members, points = settlement.tables.members, settlement.tables.points
    inputs = _inputs(settlement, slots)
    told = [*notes, *slots.notes, *(text for _, text in readings.notes)]
    inputs.attrs["notes"] = json.dumps(told, ensure_ascii=False)
    return Community(
        inputs=inputs,
        readings=readings,
        injects=np.array([row.direction == "injection" for row in points]),
        shares=shares,
        active=active,
        keys=_keys(settlement, slots),
        order=_order(settlement),
        participation=np.array([row.participation_percent / 100 for row in members]),
        price=_price(settlement, slots, inputs),
        key=key(settlement, slots),
    )


def _price(settlement: Settlement, slots: Frame, inputs: xr.Dataset) -> np.ndarray:
    """Return the price of shared energy (time,) [currency/kWh]."""
    given = settlement.sharing.price
    if isinstance(given, Fixed):
        return price(given.price, slots)
    if isinstance(given, MidMarket):
        lowest, highest = tariff_range(settlement, inputs)
        return np.asarray((lowest + highest) / 2)
    return np.zeros(len(slots.times))


def tariff_range(settlement: Settlement, inputs: xr.Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Return the lowest retail and the highest feed-in price of the members' tariffs (time,) [currency/kWh]."""
    own = inputs["tariff"].isin([row.tariff for row in settlement.tables.members]).values
    return inputs["retail_price"].values[own].min(axis=0), inputs["feed_in_price"].values[own].max(axis=0)


def _ownerless(
    settlement: Settlement, slots: Frame, shares: np.ndarray, active: np.ndarray, readings: MeterReadings
) -> Iterator[Problem]:
    """Yield plants in common that inject while none of their owners is a member."""
    for point, share, energy in zip(settlement.tables.points, shares, readings.energy, strict=True):
        if (lost := (energy > 0) & ~active[share > 0].any(axis=0)).any():
            day = local(slots.times, slots.time.time_zone)[int(np.argmax(lost))]
            got = f"{point.point!r} injects on {day:%Y-%m-%d}, when none of its owners is a member"
            yield Problem("readings", "", "owners", got, "an owner who is a member")


def _place(settlement: Settlement) -> dict[str, int]:
    return {row.member: n for n, row in enumerate(settlement.tables.members)}


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


def _shares(settlement: Settlement) -> np.ndarray:
    points, place = settlement.tables.points, _place(settlement)
    shares = np.zeros((len(points), len(place)))
    for n, point in enumerate(points):
        if point.member is not None:
            shares[n, place[point.member]] = 1.0
            continue
        for row in settlement.tables.owners:
            if row.point == point.point:
                shares[n, place[row.member]] = row.share
    return shares


def _order(settlement: Settlement) -> np.ndarray | None:
    if settlement.sharing.rule != "priority":
        return None
    return np.array([_place(settlement)[label] for label in settlement.sharing.order])


def _keys(settlement: Settlement, slots: Frame) -> np.ndarray | None:
    if settlement.sharing.rule not in KEYED:
        return None
    place = _place(settlement)
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
