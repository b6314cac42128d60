"""Who trades: participants, vehicles plugged in away from home, and pools of those who cannot choose.

A *meter* is what draws or gives energy at a node of the fee network, one of the two in a slot. A participant is a
meter; one that meters gross has its PV on a meter of its own, which only gives. A vehicle plugged in anywhere but at its
owner's is a *guest* meter of its own, on its owner's tariff at its host's node. Participants without battery and vehicle
cannot choose anything but whom they trade with: their net position is a fact, so that deficits and surpluses fold into
one pool per node and tariff, exactly, and unfold again pro rata.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import xarray as xr

from ...data.inputs.contract import optional
from ...data.inputs.devices import Device, present, stores
from ..labels import Array, positions
from . import crossing
from .candidates import candidates
from .connections import connections
from .peaks import members
from .tiers import tiered


@dataclass(frozen=True)
class Meters:
    """The meters of a community; M of them over T slots, P participants and V vehicles.

    ``demand`` and ``pv`` are what the meter's participants take and give uncontrolled (M, T); ``retail`` and
    ``feed_in`` its prices (M, T), ``shared`` what its tariff adds to a kWh from peers (M, T); ``node`` the position
    of its node, -1 while it is nowhere (M, T); ``access`` its access fee (M, T); ``import_limit`` and ``export_limit``
    (M, T), ``inverter_limit`` (M,); ``tariff`` (M,) the position of its tariff. ``draws_at`` and ``gives_at`` (P,) say
    at which meter a participant draws and gives, ``pv_at`` (P,) at which its PV is; ``guest`` (V,) is a vehicle's own
    meter or -1; ``place`` (device, T) the meter that every device is behind, or -1, by the device's name. ``draw_share``
    and ``give_share`` (P, T) are a participant's parts of its meter; ``draw_capacity`` and ``give_capacity`` (M, T) are
    the kW that the meter could draw and give at the most, net and whatever the prices; ``more`` (M, T) the PV that its
    candidates could add; ``chargers`` (M, T) the kW of devices that can draw, ``firm`` (M, T) those of them that have
    deadlines, ``curtailable`` (M, T) the kW of PV that it could pay not to use. ``crossing`` (M, T) says where drawing
    and giving at once could pay, ``below_zero`` (M, T) where charging and discharging at once could.
    """

    label: Array
    demand: Array
    pv: Array
    more: Array
    retail: Array
    feed_in: Array
    shared: Array
    node: Array
    access: Array
    import_limit: Array
    export_limit: Array
    inverter_limit: Array
    tariff: Array
    draws_at: Array
    gives_at: Array
    pv_at: Array
    guest: Array
    place: Mapping[str, Array]
    draw_share: Array
    give_share: Array
    draw_capacity: Array
    give_capacity: Array
    chargers: Array
    firm: Array
    curtailable: Array
    crossing: Array
    below_zero: Array

    @property
    def short(self) -> Array:
        """Where (M, T) a meter draws while its stores rest."""
        return np.asarray((self.draw_capacity > 0) & ((self.demand > self.pv) | (self.give_capacity <= 0)))

    @property
    def directed(self) -> Array:
        """Where (M, T) a meter that could draw and could give might gain by both at once, so that a binary decides."""
        return self.crossing & (self.draw_capacity > 0) & (self.give_capacity > 0)

    @staticmethod
    def at(place: Array, values: Array) -> Array:
        """Return values (M, T) at the meters ``place`` (device, T), zero where it is -1."""
        own = values[place, np.arange(values.shape[1])]
        return np.asarray(np.where(place >= 0, own, np.zeros_like(values[:1])))

    def inverter_part(self, place: Array, limit: Array) -> Array:
        """Return which part (battery, time) of their limits (battery, 1) [kW] batteries have in any case.

        Where the inverter at the meter ``place`` (battery, time) is smaller than all of them, each gets its share.
        """
        total = np.zeros((len(self.label), place.shape[1]))
        np.add.at(total, (place, np.arange(place.shape[1])), np.broadcast_to(limit, place.shape))
        part = np.divide(
            self.inverter_limit[:, None],
            total,
            out=np.ones_like(total),
            where=total > self.inverter_limit[:, None],
        )
        return self.at(place, part)

    def charging_capacity(self, place: Array, limit: Array) -> Array:
        """Return the kW (device, time) that each charger can take at the meters ``place`` (device, time), -1 = none.

        Where a connection limit leaves less than all chargers behind the meter could take, beside loads with deadlines,
        each gets its share.
        """
        headroom = np.maximum(self.import_limit + self.pv - self.demand - self.firm, 0.0)
        chargers = self.chargers - self.firm
        part = np.divide(headroom, chargers, out=np.ones_like(headroom), where=chargers > headroom)
        return np.asarray(limit * self.at(place, part))


def meters(
    inputs: xr.Dataset,
    peers: bool,
    *,
    priced: bool = True,
    quotes: xr.Dataset | None = None,
    pool: bool = True,
    scarce: bool = False,
) -> Meters:
    """Return the meters of the inputs.

    Parameters
    ----------
    peers : bool
        Whether participants trade with peers.
    priced : bool
        False where the retail tariff is someone else's to say. Any price may then be below zero.
    quotes : xr.Dataset, optional
        ``price`` and ``sale_price`` (node, time) [currency/kWh] at which peers trade, if they are given.
    pool : bool
        Whether participants without a choice fold; else each is a meter of its own.
    scarce : bool
        Whether power over the network may cost something itself, so that not using one's own PV could pay anywhere.
    """
    owner = positions(inputs, "vehicle_owner", "participant")
    host = positions(inputs, "vehicle_host", "participant")
    home = (host >= 0) & (host == owner[:, None])
    away = (host >= 0) & ~home
    cheap = crossing.below_zero(inputs, peers, priced and quotes is None)
    folds = _folds(inputs, cheap, owner[home.any(axis=1)]) & pool
    rows = _rows(inputs, folds, np.flatnonzero(away.any(axis=1)))
    visited = np.where(away, positions(inputs, "participant_node", "node")[host], -1)[rows.guests]
    node = np.vstack([np.repeat(rows.node[:, None], inputs.sizes["time"], axis=1), visited])
    taken, given = rows.positions(inputs)
    demand, pv, more = np.zeros((3, *node.shape))
    np.add.at(demand, rows.draws_at, taken)
    np.add.at(pv, rows.pv_at, given)
    np.add.at(more, rows.pv_at, _more_pv(inputs))
    plug = np.where(home, rows.draws_at[owner][:, None], np.where(away, rows.guest[:, None], -1))
    place = {name: plug if row.host else _at_home(inputs, row, rows) for name, row in present(inputs).items()}
    chargers, stored = _device_limits(inputs, place, node.shape)
    retail, feed_in = (inputs[f"{side}_price"].values[rows.tariff] for side in ("retail", "feed_in"))
    shared = optional(inputs, "shared_fee")[rows.tariff]
    free = cheap[rows.tariff]
    if quotes is not None:
        cross, negative = crossing.at_quotes(inputs, node, retail, feed_in, quotes)
    elif priced:
        cross, negative = crossing.at_tariffs(inputs, node, retail, feed_in, shared, peers), free
    else:  # a host model has one price for what its community takes and gives: only passing on could pay in it
        cross, negative = crossing.passing_on(inputs, node), np.zeros(node.shape, dtype=bool)
    most_drawn, most_given = connections(inputs)
    export_limit = rows.limit(most_given, rows.gives)
    inverter_limit = rows.limit(optional(inputs, "inverter_limit")[:, None], rows.draws)[:, 0]
    curtailable = _curtailable(demand, pv, more, stored, free | scarce, export_limit, inverter_limit)
    give_capacity = np.maximum(pv + more - demand + stored, 0.0)
    if "battery_gives" in inputs:
        kept = np.where(inputs["battery_gives"] == "home", inputs["battery_discharge_limit"], 0.0)
        inward = _sum_at_meters({"battery": kept}, place, node.shape)
        give_capacity = np.minimum(give_capacity, pv + more + stored - inward)
    return Meters(
        label=rows.label,
        demand=demand,
        pv=pv,
        more=more,
        retail=retail,
        feed_in=feed_in,
        shared=shared,
        node=node,
        access=np.where(node >= 0, inputs["node_access_fee"].values[node], 0.0),
        import_limit=rows.limit(most_drawn, rows.draws),
        export_limit=export_limit,
        inverter_limit=inverter_limit,
        tariff=rows.tariff,
        draws_at=rows.draws_at,
        gives_at=rows.gives_at,
        pv_at=rows.pv_at,
        guest=rows.guest,
        place=place,
        draw_share=_share(taken, demand[rows.draws_at], rows.folds),
        give_share=_share(given, pv[rows.gives_at], rows.folds),
        draw_capacity=np.maximum(demand - pv + np.minimum(curtailable, pv) + chargers, 0.0),
        give_capacity=give_capacity,
        chargers=chargers,
        firm=_sum_at_meters(_firm(inputs), place, node.shape),
        curtailable=curtailable,
        crossing=cross,
        below_zero=negative,
    )


@dataclass(frozen=True)
class _Rows:
    """Which meter stands where: single participants, pools of deficits and of surpluses, meters of PV, guests.

    ``folds`` (P,) says who is in a pool; ``draws``, ``gives`` and ``guests`` are positions of the participants and
    vehicles with meters of their own: ``draws`` of those at the first of them, ``gives`` of those at meters that
    have a limit of what they give, -1 elsewhere; ``node`` is the position of the node of all meters but the guests,
    ``tariff`` that of all; the rest is as in `Meters`.
    """

    folds: Array
    gross: Array
    draws: Array
    gives: Array
    guests: Array
    label: Array
    node: Array
    tariff: Array
    draws_at: Array
    gives_at: Array
    pv_at: Array
    guest: Array

    @staticmethod
    def limit(values: Array, whose: Array) -> Array:
        """Return limits of the participants (P, ...) at the meters (M, ...), by whose they are: none where nobody's."""
        return np.where(whose[:, None] >= 0, values[whose], np.inf)

    def positions(self, inputs: xr.Dataset) -> tuple[Array, Array]:
        """Return what every participant takes and gives uncontrolled (P, T) [kW]: net in pools, unless metered gross."""
        demand, pv = inputs["demand"].values, inputs["pv_available"].values
        net = (self.folds & ~self.gross)[:, None]
        return np.where(net, np.maximum(demand - pv, 0.0), demand), np.where(
            net, np.maximum(pv - demand, 0.0), pv
        )


def _folds(inputs: xr.Dataset, cheap: Array, drivers: Array) -> Array:
    """Return which participants (P,) fold: those with no choice, no tiers, and no connection or inverter that binds.

    PV is a choice where energy may cost less than nothing (tariff, T): not using it could pay, and drawing instead.
    """
    demand, pv = inputs["demand"].values, inputs["pv_available"].values
    own = candidates(inputs)
    choosers = drivers if own is None else np.concatenate([drivers, own.owner[own.open]])
    owner = positions(inputs, "vehicle_owner", "participant")
    without_choice = ~_among(choosers, len(demand)) & ~(_among(owner, len(demand)) & members(inputs))
    without_choice &= ~tiered(inputs)
    for device in (row for row in present(inputs).values() if not row.host):
        without_choice &= ~_among(positions(inputs, device.owner, "participant"), len(demand))
    gross = metered_gross(inputs)
    tariff = positions(inputs, "participant_tariff", "tariff")
    without_choice &= gross | ~(cheap[tariff] & (pv > 0)).any(axis=1)
    taken = np.where(gross[:, None], demand, demand - pv)
    given = np.where(gross[:, None], pv, pv - demand)
    most_drawn, most_given = connections(inputs)
    limits = ((most_drawn, taken), (most_given, given), (optional(inputs, "inverter_limit")[:, None], pv))
    for limit, power in limits:
        without_choice &= (limit >= power).all(axis=1)
    return np.asarray(without_choice)


def _among(chosen: Array, size: int) -> Array:
    """Return which of so many are among the ``chosen`` positions, of which -1 is nobody's."""
    mask = np.zeros(size + 1, dtype=bool)
    mask[chosen] = True
    return mask[:-1]


def _more_pv(inputs: xr.Dataset) -> Array:
    """Return the PV (P, T) [kW] that participants' candidates add at their greatest sizes."""
    own, more = candidates(inputs), np.zeros(inputs["pv_available"].shape)
    if own is not None:
        np.add.at(more, own.owner, own.most_output())
    return more


def metered_gross(inputs: xr.Dataset) -> Array:
    """Return whose PV (P,) is on a meter of its own."""
    return np.asarray(optional(inputs, "participant_metering") == "gross")


def _rows(inputs: xr.Dataset, folds: Array, guests: Array) -> _Rows:
    """Return the order of the meters: participants by themselves, pools by node and tariff, meters of PV, guests."""
    node = positions(inputs, "participant_node", "node")
    tariff = positions(inputs, "participant_tariff", "tariff")
    owner = positions(inputs, "vehicle_owner", "participant")
    names, gross = inputs["participant"].values, metered_gross(inputs)
    single = np.flatnonzero(~folds)
    some = inputs["pv_available"].values + _more_pv(inputs) > 0
    apart = np.flatnonzero(~folds & gross & some.any(axis=1))
    tariffs = inputs.sizes["tariff"]
    group, pool = np.unique(node[folds] * tariffs + tariff[folds], return_inverse=True)
    group = np.stack(np.divmod(group, tariffs))
    pools, first = group.shape[1], len(single)
    draws_at, gives_at, guest = np.empty_like(node), np.empty_like(node), np.full(len(owner), -1)
    draws_at[single] = gives_at[single] = np.arange(first)
    draws_at[folds], gives_at[folds] = first + pool.reshape(-1), first + pools + pool.reshape(-1)
    pv_at = gives_at.copy()
    pv_at[apart] = first + 2 * pools + np.arange(len(apart))
    guest[guests] = first + 2 * pools + len(apart) + np.arange(len(guests))
    places = list(zip(inputs["node"].values[group[0]], inputs["tariff"].values[group[1]], strict=True))
    others = [f"{kind}@{n}/{t}" for kind in ("deficit", "surplus") for n, t in places]
    others += [f"pv:{p}" for p in names[apart]] + [f"guest:{v}" for v in inputs["vehicle"].values[guests]]
    nobody = np.full(2 * pools, -1)
    visitors = np.full(len(guests), -1)
    return _Rows(
        folds=folds,
        gross=gross,
        draws=np.concatenate([single, nobody, np.full(len(apart), -1), visitors]),
        gives=np.concatenate([single, nobody, apart, visitors]),
        guests=guests,
        label=_distinct(names[single], others),
        node=np.concatenate([node[single], group[0], group[0], node[apart]]),
        tariff=np.concatenate([tariff[single], group[1], group[1], tariff[apart], tariff[owner[guests]]]),
        draws_at=draws_at,
        gives_at=gives_at,
        pv_at=pv_at,
        guest=guest,
    )


def _at_home(inputs: xr.Dataset, row: Device, rows: _Rows) -> Array:
    """Return the meter (device, time) of the owner of each device."""
    meter = rows.draws_at[positions(inputs, row.owner, "participant")]
    return np.repeat(meter[:, None], inputs.sizes["time"], axis=1)


def _device_limits(
    inputs: xr.Dataset, place: Mapping[str, Array], shape: tuple[int, ...]
) -> tuple[Array, Array]:
    """Return what the devices behind each meter can draw, and what its stores can give (meter, time) [kW]."""
    draws = {name: inputs[row.draw_limit].values for name, row in present(inputs).items()}
    gives = {name: inputs[row.give_limit].values for name, row in stores().items()}
    return _sum_at_meters(draws, place, shape), _sum_at_meters(gives, place, shape)


def _firm(inputs: xr.Dataset) -> dict[str, Array]:
    """Return the limits (device,) [kW], by name, of devices that must draw by a deadline."""
    name = "flexible_load"
    return {name: inputs[f"{name}_power_limit"].values} if name in present(inputs) else {}


def _curtailable(
    demand: Array,
    pv: Array,
    more: Array,
    stored: Array,
    free: Array,
    export_limit: Array,
    inverter_limit: Array,
) -> Array:
    """Return the PV (meter, time) [kW] not to use which could pay: none, but for a limit or where energy is ``free``."""
    narrow = np.isfinite(inverter_limit)[:, None]
    unwanted = np.isfinite(export_limit) | free | narrow
    whole = (
        free | (stored > 0) | narrow | (more > 0)
    )  # else what is beyond the surplus is worth the demand that it covers
    return np.where(unwanted, np.where(whole, pv + more, np.maximum(pv - demand, 0.0)), 0.0)


def _sum_at_meters(values: Mapping[str, Array], place: Mapping[str, Array], shape: tuple[int, ...]) -> Array:
    """Return the sums (meter, time) of values (device,) of the devices behind each meter."""
    total = np.zeros(shape)
    for name, own in values.items():
        device, slot = np.nonzero(place[name] >= 0)
        np.add.at(total, (place[name][device, slot], slot), own[device])
    return total


def _distinct(participants: Array, others: list[str]) -> Array:
    """Return the labels of all meters; what a participant happens to be called already gets a prime."""
    taken = set(participants.tolist())
    for k, label in enumerate(others):
        while others[k] in taken:
            others[k] = label = f"{label}'"
        taken.add(label)
    return np.array([*participants.tolist(), *others], dtype=str)


def _share(part: Array, whole: Array, folds: Array) -> Array:
    """Return each participant's part of its meter: pro rata in a pool, all of it elsewhere."""
    pooled = np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)
    return np.where(folds[:, None], pooled, 1.0)


def sum_at_nodes(power: Array, meters: Meters, size: int) -> Array:
    """Return the sum of ``power`` (meter, time) over the meters at each node (node, time)."""
    total = np.zeros((size, power.shape[1]))
    meter, slot = np.nonzero(meters.node >= 0)
    np.add.at(total, (meters.node[meter, slot], slot), power[meter, slot])
    return total
