"""Prices of a run at its nodes: those of an equilibrium, at which nobody would trade differently, or means of trades.

Findings as in `physics`.
"""

from collections.abc import Iterator

import numpy as np

from ..labels import Array
from .money import Trades
from .physics import PARTICIPANT, VEHICLE, Finding, Run, edges, index

_SOME = 1e-5
"""Power [kW] from which on somebody buys or sells."""
_NODE = ("node", "time")


def equilibrium(run: Run) -> Iterator[Finding]:
    """Yield every price at which somebody would trade differently [currency/kWh].

    With the prices p of buying and q of selling at a node, its access fee a, retail price r of one more kWh (that of the
    first, and by how much it is dearer in its tier), feed-in price f, and what the tariff adds to energy from peers s:
    who buys from peers pays p + a + s <= r, who imports r <= p + a + s; who sells gets q - a >= f, who exports
    f >= q - a. An edge that is not full carries no more than its fee between the
    prices of its ends, and exactly that where power flows. What one more watt offered is worth obeys the like; it is the
    price, or zero where nobody would pay.
    """
    if "price" not in run.r:
        return
    i, r = run.i, run.r
    access, offer = i["node_access_fee"][:, None], r.get("offer_value")
    quoted = [("", r["price"], r["sale_price"])]
    if offer is not None:
        quoted.append((" (offer)", offer, offer))
    tariff = index(run.labels["tariff"], i["participant_tariff"])
    shared = i.get("shared_fee", np.zeros_like(i["retail_price"]))
    dearer = r.get("tier_value", np.zeros_like(r["grid_import"]))
    people = tariff, run.home[:, None], np.arange(run.participants)
    guests = tariff[run.owner["vehicle"]], run.host_node, run.owner["vehicle"]
    for (rate, node, owner), dims, grid, peer in (
        (people, PARTICIPANT, "grid", "peer"),
        (guests, VEHICLE, "vehicle", "vehicle"),
    ):
        slot = np.arange(len(run.hours))
        retail, feed_in = i["retail_price"][rate] + dearer[owner], i["feed_in_price"][rate]
        for which, buying, selling in quoted:
            pays, gets = (buying + access)[node, slot] + shared[rate], (selling - access)[node, slot]
            for name, gap in (
                (f"{peer}_purchase", pays - retail),
                (f"{grid}_import", retail - pays),
                (f"{peer}_sale", feed_in - gets),
                (f"{grid}_export", gets - feed_in),
            ):
                wrong = np.where((r[name] > _SOME) & (node >= 0), gap, 0.0)
                yield Finding(f"price for {name}{which}", dims, wrong, abs(retail) + abs(feed_in))
    if "trade_fee" in i:
        return
    yield Finding("sale_price", _NODE, abs(r["sale_price"] - r["price"]), r["price"])
    if offer is not None:
        yield Finding("offer_value", _NODE, np.minimum(abs(offer - r["price"]), abs(offer)), r["price"])
    yield from _edges(run)


def _edges(run: Run) -> Iterator[Finding]:
    """Yield what the prices at the ends of an edge differ by beyond its fee, and where power flows, from its fee."""
    parent, price = index(run.labels["node"], run.i["node_parent"]), run.r["price"]
    inner, fee = parent >= 0, run.i["node_fee"][:, None]
    limit = run.i["node_limit"][:, None] * (1 - 1e-5) - 1e-5
    above = np.where(inner[:, None], price[parent], price)
    up, down = edges(run)
    for name, flow, gain in (("up", up, above - price), ("down", down, price - above)):
        wrong = np.where(flow > _SOME, np.maximum(gain - fee, fee - gain), gain - fee)
        full = np.where(flow > _SOME, fee - gain, 0.0)  # a full edge may earn more than its fee, never less
        wrong = np.where(flow >= limit, full, wrong)
        yield Finding(f"price {name} the edge", _NODE, np.where(inner[:, None], wrong, 0.0), price)


def means(run: Run, traded: Trades) -> Iterator[Finding]:
    """Yield the mean prices of what was delivered at every node, less access fees; NaN where nothing was."""
    if not traded.known.all():
        return
    access, shape = run.i["node_access_fee"], (len(run.labels["node"]), len(run.hours))
    total = traded.price + traded.fee + traded.congestion
    for name, side, price, sign in (("price", "buyer", total, -1), ("sale_price", "seller", traded.price, 1)):
        node, slot = traded.node[side], traded.slot
        energy, money = np.zeros((2, *shape))
        np.add.at(energy, (node, slot), traded.energy)
        np.add.at(money, (node, slot), traded.energy * (price + sign * access[node]))
        mean: Array = np.divide(money, energy, out=np.full(shape, np.nan), where=energy > 0)
        stored = run.r[name]
        off = np.where(np.isnan(mean) & np.isnan(stored), 0.0, abs(stored - mean))
        yield Finding(name, _NODE, off, np.nan_to_num(mean))
