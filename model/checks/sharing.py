"""Checks of a settled run: every watt-hour and every unit of money of shared energy counted again, slot by slot.

They read the Datasets alone and share no code with what made them. All energies are whole Wh, so that nothing is
"within a tolerance": what a meter shows is shared and the retailer's, to the Wh, in every slot.
"""

from collections.abc import Iterator

import numpy as np
import xarray as xr

from .run import CheckError, Violation

_MOST = 5


def require_shared(
    inputs: xr.Dataset, allocation: xr.Dataset, results: xr.Dataset, settlement: xr.Dataset
) -> None:
    """Raise :class:`CheckError` where a settled run contradicts itself.

    With withdrawn c, injected g, shared a and sold s of every member and slot [Wh], n slots' retail energy of the
    results, and the price p of shared energy::

        c = a + from the retailer,   g = s + to the retailer,   0 <= a <= c,   0 <= s <= g
        sum a = sum s <= min(sum c, sum g),   sum paid = sum earned,   paid = sum a p,   earned = sum s p

    and of every metering point, what of it is shared lies within what it metered; those of all points that draw are all
    that was drawn, and shared, and likewise of those that give.
    """
    found = [*_identities(inputs, allocation, results), *_points(allocation), *_pool(allocation)]
    found += _money(allocation, settlement)
    if found:
        raise CheckError(found)


def _identities(inputs: xr.Dataset, allocation: xr.Dataset, results: xr.Dataset) -> Iterator[Violation]:
    to_wh = inputs["slot_hours"].values * 1000.0
    pairs = (
        ("withdrawn", "shared", "grid_import", "peer_purchase"),
        ("injected", "sold", "grid_export", "peer_sale"),
    )
    for whole, part, grid, peer in pairs:
        total, among = allocation[whole].values, allocation[part].values
        retail, peers = (np.rint(results[name].values * to_wh).astype(np.int64) for name in (grid, peer))
        yield from _worst(f"{whole} = {part} + {grid}", allocation, total - among - retail)
        yield from _worst(f"{part} = {peer}", allocation, among - peers)
        yield from _worst(
            f"{part} within {whole}", allocation, np.minimum(among, 0) + np.maximum(among - total, 0)
        )


def _points(allocation: xr.Dataset) -> Iterator[Violation]:
    metered, shared = allocation["point_metered"].values, allocation["point_shared"].values
    for p, t in np.argwhere((shared < 0) | (shared > metered))[:_MOST]:
        where = f"{allocation['point'].values[p]}, {allocation['time'].values[t]}"
        yield Violation("point_shared within point_metered", where, float(shared[p, t] - metered[p, t]))
    for direction, names in (("withdrawal", ("withdrawn", "shared")), ("injection", ("injected", "sold"))):
        mine = allocation["point_direction"].values == direction
        for name, values in zip(names, (metered, shared), strict=True):
            off = values[mine].sum(axis=0) - allocation[name].values.sum(axis=0)
            for t in np.flatnonzero(off)[:_MOST]:
                yield Violation(f"{name} of all points", str(allocation["time"].values[t]), float(off[t]))


def _pool(allocation: xr.Dataset) -> Iterator[Violation]:
    shared, sold = (allocation[name].values.sum(axis=0) for name in ("shared", "sold"))
    most = np.minimum(*(allocation[name].values.sum(axis=0) for name in ("withdrawn", "injected")))
    for name, off in (
        ("sum shared = sum sold", shared - sold),
        ("shared of what there is", np.maximum(shared - most, 0)),
    ):
        for t in np.flatnonzero(off)[:_MOST]:
            yield Violation(name, str(allocation["time"].values[t]), float(off[t]))


def _money(allocation: xr.Dataset, settlement: xr.Dataset) -> Iterator[Violation]:
    price = allocation["shared_price"].values
    for name, line, fees in (("shared", "peer_cost", "network_fee"), ("sold", "peer_revenue", "")):
        want = (allocation[name].values * price).sum(axis=1) / 1000
        got = settlement[line].values - (settlement[fees].values if fees else 0.0)
        for i in np.flatnonzero(np.abs(got - want) > 1e-6 * np.maximum(1.0, np.abs(want)))[:_MOST]:
            yield Violation(line, str(settlement["participant"].values[i]), float(got[i] - want[i]))
    paid = float((settlement["peer_cost"] - settlement["network_fee"]).sum())
    earned = float(settlement["peer_revenue"].sum())
    if abs(paid - earned) > 1e-6 * max(1.0, abs(paid)):
        yield Violation("sum paid = sum earned", "", paid - earned)


def _worst(name: str, allocation: xr.Dataset, off: np.ndarray) -> Iterator[Violation]:
    places = np.argwhere(off != 0)
    for i, t in places[np.argsort(-np.abs(off[tuple(places.T)]), kind="stable")][:_MOST]:
        where = f"{allocation['member'].values[i]}, {allocation['time'].values[t]}"
        yield Violation(name, where, float(off[i, t]))
