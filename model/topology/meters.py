"""Who trades: participants, vehicles plugged in away from home, and pools of those who cannot choose.

A *meter* is what draws and gives energy at a node of the fee network. A participant is a meter; a vehicle
plugged in anywhere but at its owner's is a *guest* meter of its own, on its owner's tariff at its host's
node. Participants without battery and vehicle cannot choose anything but whom they trade with: where
nothing can make them resell, their deficits and surpluses fold into one pool per node and tariff, exactly,
and unfold again pro rata.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import xarray as xr

from ...data.inputs.devices import DEVICES, Device, stores
from ..labels import Array, positions


@dataclass(frozen=True)
class Meters:
    """The meters of a community; M of them over T slots, P participants and V vehicles.

    ``demand`` and ``pv`` are what the meter's participants take and give uncontrolled (M, T); ``retail``
    and ``feed_in`` its prices (M, T); ``node`` the position of its node, -1 while it is nowhere (M, T);
    ``access`` its access fee (M, T); ``import_limit`` and ``export_limit`` (M,). ``draws_at`` and
    ``gives_at`` (P,) say at which meter a participant draws and gives; ``guest`` (V,) is a vehicle's own
    meter or -1; ``place`` (device, T) the meter that every device is behind, or -1, by the device's name.
    ``draw_share`` and ``give_share`` (P, T) are a participant's parts of its meter;
    ``resale`` (M, T) says where the own-generation rule could bind; ``draw_capacity`` and ``give_capacity`` (M, T)
    are the kW that the meter could draw and give at the most, whatever the prices; ``curtails`` (M, T)
    where not using PV could pay.
    """

    label: Array
    demand: Array
    pv: Array
    retail: Array
    feed_in: Array
    node: Array
    access: Array
    import_limit: Array
    export_limit: Array
    draws_at: Array
    gives_at: Array
    guest: Array
    place: Mapping[str, Array]
    draw_share: Array
    give_share: Array
    resale: Array
    draw_capacity: Array
    give_capacity: Array
    curtails: Array

    def charging_capacity(self, place: Array, limit: Array) -> Array:
        """Return the kW (device, time) that each charger can take at the meters ``place`` (device, time), -1 = none.

        Where a connection limit leaves less than all chargers behind the meter could take, each gets its
        share.
        """
        headroom = np.maximum(self.import_limit[:, None] + self.pv - self.demand, 0.0)
        chargers = self.draw_capacity - self.demand
        part = np.divide(headroom, chargers, out=np.ones_like(headroom), where=chargers > headroom)
        return (
            np.where(place >= 0, limit * np.take_along_axis(part, place, axis=0), 0.0)
            if place.size
            else 0.0 * limit
        )


def meters(inputs: xr.Dataset, peers: bool, priced: bool = True) -> Meters:
    """Return the meters of the inputs; ``priced`` is False where the retail tariff is someone else's to say.

    Without a price nothing proves that a participant never resells, so that only those who own no
    generation fold.
    """
    owner = positions(inputs, "vehicle_owner", "participant")
    host = positions(inputs, "vehicle_host", "participant")
    home = (host >= 0) & (host == owner[:, None])
    away = (host >= 0) & ~home
    resale = _may_resell(inputs, peers) if priced else inputs["pv_available"].values > -1.0
    folds = _folds(inputs, resale, owner[home.any(axis=1)])
    rows = _rows(inputs, folds, np.flatnonzero(away.any(axis=1)))
    node = np.vstack(
        [
            np.repeat(rows.node[:, None], inputs.sizes["time"], axis=1),
            np.where(away, positions(inputs, "participant_node", "node")[host], -1)[rows.guests],
        ]
    )
    net = inputs["demand"].values - inputs["pv_available"].values
    deficit, surplus = np.maximum(net, 0.0), np.maximum(-net, 0.0)
    taken = np.where(folds[:, None], deficit, inputs["demand"].values)
    given = np.where(folds[:, None], surplus, inputs["pv_available"].values)
    demand, pv = np.zeros(node.shape), np.zeros(node.shape)
    np.add.at(demand, rows.draws_at, taken)
    np.add.at(pv, rows.gives_at, given)
    plug = np.where(home, rows.draws_at[owner][:, None], np.where(away, rows.guest[:, None], -1))
    place = {name: plug if row.host else _at_home(inputs, row, rows) for name, row in DEVICES.items()}
    draw_limits = {name: row.draw_limit for name, row in DEVICES.items()}
    give_limits = {name: row.give_limit for name, row in stores().items()}
    export_limit = rows.limit(inputs["export_limit"].values)
    unwanted = np.isfinite(export_limit)[:, None] | _below_zero(inputs, peers)[rows.tariff] | (not priced)
    return Meters(
        label=rows.label,
        demand=demand,
        pv=pv,
        retail=inputs["retail_price"].values[rows.tariff],
        feed_in=inputs["feed_in_price"].values[rows.tariff],
        node=node,
        access=np.where(node >= 0, inputs["node_access_fee"].values[node], 0.0),
        import_limit=rows.limit(inputs["import_limit"].values),
        export_limit=export_limit,
        draws_at=rows.draws_at,
        gives_at=rows.gives_at,
        guest=rows.guest,
        place=place,
        draw_share=_share(taken, demand[rows.draws_at], folds),
        give_share=_share(given, pv[rows.gives_at], folds),
        resale=rows.spread(resale),
        draw_capacity=demand + _installed(inputs, draw_limits, place, node.shape),
        give_capacity=pv + _installed(inputs, give_limits, place, node.shape),
        curtails=(pv > 0) & unwanted,
    )


@dataclass(frozen=True)
class _Rows:
    """Which meter stands where: single participants, pools of deficits, pools of surpluses, guests.

    ``single`` and ``guests`` are positions of participants and vehicles; ``node`` is the position of the node of all
    meters but the guests, ``tariff`` that of all; the rest is as in `Meters`.
    """

    single: Array
    guests: Array
    label: Array
    node: Array
    tariff: Array
    draws_at: Array
    gives_at: Array
    guest: Array

    def limit(self, values: Array) -> Array:
        """Return a limit of the participants (P,) at the meters (M,): none at pools and guests."""
        return np.concatenate([values[self.single], np.full(len(self.label) - len(self.single), np.inf)])

    def spread(self, resale: Array) -> Array:
        """Return where resale could pay (P, T) at the meters (M, T): nowhere in pools, anywhere at guests."""
        slots = resale.shape[1]
        pools = np.zeros((len(self.node) - len(self.single), slots), dtype=bool)
        return np.vstack([resale[self.single], pools, np.ones((len(self.guests), slots), dtype=bool)])


def _folds(inputs: xr.Dataset, resale: Array, drivers: Array) -> Array:
    """Return which participants (P,) fold: those with no choice, no resale, and a connection that never binds."""
    participants = np.arange(inputs.sizes["participant"])
    net = inputs["demand"].values - inputs["pv_available"].values
    without_choice = ~np.isin(participants, drivers)
    for device in (row for row in DEVICES.values() if not row.host):
        without_choice &= ~np.isin(participants, positions(inputs, device.owner, "participant"))
    without_choice &= (~resale | (inputs["pv_available"].values == 0)).all(axis=1)
    fits = (inputs["import_limit"].values >= net.max(axis=1)) & (
        inputs["export_limit"].values >= -net.min(axis=1)
    )
    return np.asarray(without_choice & fits)


def _rows(inputs: xr.Dataset, folds: Array, guests: Array) -> _Rows:
    """Return the order of the meters: participants by themselves, pools by node and tariff, guests."""
    node = positions(inputs, "participant_node", "node")
    tariff = positions(inputs, "participant_tariff", "tariff")
    owner = positions(inputs, "vehicle_owner", "participant")
    single = np.flatnonzero(~folds)
    group, pool = np.unique(np.stack([node[folds], tariff[folds]]), axis=1, return_inverse=True)
    pools, first = group.shape[1], len(single)
    draws_at, gives_at, guest = np.empty_like(node), np.empty_like(node), np.full(len(owner), -1)
    draws_at[single] = gives_at[single] = np.arange(first)
    draws_at[folds], gives_at[folds] = first + pool.reshape(-1), first + pools + pool.reshape(-1)
    guest[guests] = first + 2 * pools + np.arange(len(guests))
    places = list(zip(inputs["node"].values[group[0]], inputs["tariff"].values[group[1]], strict=True))
    others = [f"{kind}@{n}/{t}" for kind in ("deficit", "surplus") for n, t in places]
    others += [f"guest:{v}" for v in inputs["vehicle"].values[guests]]
    return _Rows(
        single=single,
        guests=guests,
        label=_distinct(inputs["participant"].values[single], others),
        node=np.concatenate([node[single], group[0], group[0]]),
        tariff=np.concatenate([tariff[single], group[1], group[1], tariff[owner[guests]]]),
        draws_at=draws_at,
        gives_at=gives_at,
        guest=guest,
    )


def _at_home(inputs: xr.Dataset, row: Device, rows: _Rows) -> Array:
    """Return the meter (device, time) of the owner of each device."""
    meter = rows.draws_at[positions(inputs, row.owner, "participant")]
    return np.repeat(meter[:, None], inputs.sizes["time"], axis=1)


def _installed(
    inputs: xr.Dataset, limits: Mapping[str, str], place: Mapping[str, Array], shape: tuple[int, ...]
) -> Array:
    """Return the sums (meter, time) [kW] of the limits of the devices behind each meter; ``limits`` by device."""
    power = np.zeros(shape)
    for name, limit in limits.items():
        device, slot = np.nonzero(place[name] >= 0)
        np.add.at(power, (place[name][device, slot], slot), inputs[limit].values[device])
    return power


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


def _may_resell(inputs: xr.Dataset, peers: bool) -> Array:
    """Return where (participant, time) a meter might gain by giving energy that it draws in the same slot.

    With retail price r, feed-in price f and access fee a, a participant i can get at most g for a kWh, and pays at
    least d for one, since every buyer among peers could buy, and every seller sell, at its retailer instead::

        g[i,t] = max(f[i,t], max over tariffs r[t] - min over nodes a - a[i])
        d[i,t] = min(r[i,t], min over tariffs f[t] + min over nodes a + a[i])

    Selling to peers what was bought from peers loses a[i] twice. So reselling can pay only where g >= r (bought from
    the retailer), f >= d (sold to the retailer), a <= 0, or energy has a price below zero.
    """
    tariff = positions(inputs, "participant_tariff", "tariff")
    retail, feed_in = inputs["retail_price"].values, inputs["feed_in_price"].values
    r, f, below_zero = retail[tariff], feed_in[tariff], _below_zero(inputs, peers)[tariff]
    if not peers:
        return np.asarray((f >= r) | below_zero)
    if "trade_fee" in inputs:  # pairwise fees need not obey the triangle inequality: passing on can pay
        return np.ones_like(r, dtype=bool)
    access = inputs["node_access_fee"].values
    a = access[positions(inputs, "participant_node", "node")][:, None]
    g = np.maximum(f, retail.max(axis=0) - access.min() - a)
    d = np.minimum(r, feed_in.min(axis=0) + access.min() + a)
    return np.asarray((g >= r) | (f >= d) | (a <= 0) | below_zero)


def _below_zero(inputs: xr.Dataset, peers: bool) -> Array:
    """Return where (tariff, time) energy could cost less than nothing, so that not using one's own PV could pay."""
    retail, feed_in = inputs["retail_price"].values, inputs["feed_in_price"].values
    lowest = feed_in.min(axis=0) if peers else feed_in
    return np.asarray((retail < 0) | (lowest < 0))


def sum_at_nodes(power: Array, meters: Meters, size: int) -> Array:
    """Return the sum of ``power`` (meter, time) over the meters at each node (node, time)."""
    total = np.zeros((size, power.shape[1]))
    meter, slot = np.nonzero(meters.node >= 0)
    np.add.at(total, (meters.node[meter, slot], slot), power[meter, slot])
    return total
