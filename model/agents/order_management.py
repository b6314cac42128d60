"""The exchange of one product as agents meet it: wishes become orders, and orders become deals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

import numpy as np
import xarray as xr

from ..exchange.deals import Deals
from ..exchange.exchange import Exchange, Rules
from ..exchange.integer_fees import MILLI
from ..exchange.order_book import SELL, Order
from ..exchange.records import NO_SLOT
from ..labels import Array
from ..topology.traders import tariff_prices, traders
from .bidding import Wish

TEXTS = ("order_id", "participant", "node", "side", "action", "origin")
_TERMS = ("energy", "price", "fee", "congestion", "energy")  # nothing is delivered yet
Row = tuple[int, str, str, str, str, str, str, float, float, float]
"""Microseconds of ``placed``, the ``TEXTS``, price, energy and premium of one order."""


class ProductBook:
    """The exchange of one slot's product.

    Parameters
    ----------
    inputs : xr.Dataset
        All slots; of them only network and tariffs count.
    slot : int
        Position of the product's slot.
    limits : xr.Dataset
        What each meter can trade in each slot (see :func:`model.products.positions`).
    rules : Rules
        Of the exchange.
    """

    def __init__(self, inputs: xr.Dataset, slot: int, limits: xr.Dataset, rules: Rules):
        own = inputs.isel(time=[slot])
        self.rows: list[Row] = []
        self._account, self._labels = traders(own).account, inputs["participant"].values
        self._nodes = inputs["node"].values
        self._access = inputs["node_access_fee"].values
        self._start = own["time"].values.astype("datetime64[us]").astype(np.int64)[0]
        self._prices = tariff_prices(own, 0)
        self._exchange = Exchange(own, rules, limits.isel(time=[slot]))

    def place(
        self, placed: int, number: int, wishes: Sequence[Wish], turn: Sequence[int], node: Array
    ) -> None:
        """Let the traders' open orders become their wishes, at ``placed`` [microseconds since 1970 UTC].

        ``number`` counts the occasions. ``turn`` (trader,) says who comes first of those who come at once, ``node``
        (trader,) where it expects to be. An order whose price and node stay keeps its place in time as far as its
        energy only falls.
        """
        wanted = {(w.trader, w.part, w.side): w for w in wishes}
        rows = []
        for order in self._open():
            trader, part = _of(order.order_id)
            wish = wanted.get((trader, part, "sell" if order.side == SELL else "buy"))
            price = order.key if order.side == SELL else -order.key
            stays = (
                wish and round(wish.price * MILLI) == price and order.node_label == self._nodes[node[trader]]
            )
            if wish and stays and round(wish.energy * MILLI) <= order.open:
                del wanted[wish.trader, wish.part, wish.side]
                if round(wish.energy * MILLI) < order.open:
                    energy = order.traded / MILLI + wish.energy
                    rows.append((placed, order.order_id, "", "", "", "amend", "", np.nan, energy, 0.0))
            else:
                rows.append((placed, order.order_id, "", "", "", "cancel", "", np.nan, 0.0, 0.0))
        for w in wanted.values():
            name = f"{number:06d}-{turn[w.trader]:05d}-{w.trader}-{w.part}-{w.side}"
            who, at = str(self._labels[self._account[w.trader]]), str(self._nodes[node[w.trader]])
            texts = (name, who, at, w.side, "new", _origin(w))
            rows.append((placed, *texts, w.price, w.energy, w.premium))
        self.submit(rows)

    def submit(self, rows: Sequence[Row]) -> None:
        """Submit rows of orders as they stand, such as those of a book that is made again."""
        self.rows += rows
        if not rows:
            return
        placed, *texts, price, energy, premium = zip(*rows, strict=True)
        columns = {name: np.array(values, dtype=str) for name, values in zip(TEXTS, texts, strict=True)}
        slot = np.where(columns["action"] == "new", self._start, NO_SLOT)
        times = {
            name: np.array(values, dtype=np.int64).astype("datetime64[us]").astype("datetime64[ns]")
            for name, values in (("placed", placed), ("slot", slot))
        }
        numbers = (("price", price), ("energy", energy), ("premium", premium))
        every = columns | times | {name: np.array(values, dtype=float) for name, values in numbers}
        self._exchange.submit(xr.Dataset({name: (("event",), values) for name, values in every.items()}))

    def deals(self, node: Array) -> Deals:
        """Return the trades so far in the order in which they were made, between traders who are at ``node`` (trader,).

        Those of a vehicle that turned up elsewhere, or nowhere, are not: it cannot deliver them.
        """
        return _between(*self._made(), node)

    def _made(self) -> tuple[Deals, tuple[Array, Array]]:
        """Return all trades so far, and the nodes (trade,) at which seller and buyer placed their orders."""
        t = self._exchange.outcome().trades
        orders = [t[f"trade_{side}_order"].values.tolist() for side in ("sell", "buy")]
        seller, buyer = (np.array([_of(order)[0] for order in ids], dtype=np.int64) for ids in orders)
        at = [
            np.array([self._exchange.orders[order].node for order in ids], dtype=np.int64) for ids in orders
        ]
        columns = (t[f"trade_{n}"].values for n in _TERMS)
        return Deals(seller, buyer, *columns), (at[0], at[1])

    def close(self, node: Array) -> tuple[Deals, list[tuple[int, int, float, float]]]:
        """Close the book; return the deals of those who are at ``node`` (trader,), and what is to be learned of all.

        The latter is as `agents.Expectations.learn` takes it.
        """
        waiting = self._open()
        self._exchange.call()
        made, (sold_at, bought_at) = self._made()
        received = made.price + self._access[sold_at]
        paid = made.price + made.fee + made.congestion - self._access[bought_at]
        seen = [
            (side, int(at), float(kwh), float(price))
            for side, place, worth in ((0, bought_at, paid), (1, sold_at, received))
            for at, kwh, price in zip(place, made.energy, worth, strict=True)
        ]
        retail, feed_in = self._prices
        for order in waiting:
            m, left = _of(order.order_id)[0], (order.energy - order.traded) / MILLI
            access = self._access[order.node]
            sells = order.side == SELL
            price = feed_in[m] + access if sells else retail[m] - access
            seen.append((int(sells), order.node, left, float(price)))
        return _between(made, (sold_at, bought_at), node), [row for row in seen if row[2] > 0]

    def _open(self) -> list[Order]:
        return [order for order in self._exchange.orders.values() if order.open]


def _between(made: Deals, at: tuple[Array, Array], node: Array) -> Deals:
    """Return the deals whose sellers and buyers are at ``node`` (trader,) as they were ``at`` their orders' (trade,)."""
    there = (at[0] == node[made.seller]) & (at[1] == node[made.buyer])
    return Deals(*(getattr(made, field.name)[there] for field in fields(made)))


def _origin(wish: Wish) -> str:
    """Return the origin that an ask states: a surplus that no store gave is PV; what a store gives may be anything."""
    return "" if wish.side == "buy" else "pv" if wish.part == "home" else "store"


def _of(order_id: str) -> tuple[int, str]:
    """Return the trader that placed an order, and the part of its wishes that it stands for."""
    _, _, trader, part, _ = order_id.split("-")
    return int(trader), part
