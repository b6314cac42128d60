"""The exchange of one product as agents meet it: wishes become orders, and orders become deals."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from .agents import Wish, tariff_prices
from .delivery import Deals
from .exchange import Exchange, Rules
from .orderbook import SELL, Order
from .outcome import NO_SLOT
from .traders import traders
from .wheeling import MILLI

TEXTS = ("order_id", "participant", "node", "side", "action", "origin")
Row = tuple[int, str, str, str, str, str, str, float, float]
"""Microseconds of ``placed``, the ``TEXTS``, price and energy of one order."""


class ProductBook:
    """The exchange of one slot's product.

    Parameters
    ----------
    inputs : xr.Dataset
        All slots; of them only network, tariffs and who is plugged in where count.
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
        self._who, self._labels = traders(own), inputs["participant"].values
        self._nodes = inputs["node"].values
        self._access = inputs["node_access_fee"].values
        self._start = own["time"].values.astype("datetime64[us]").astype(np.int64)[0]
        self._prices = tariff_prices(own, 0)
        self._exchange = Exchange(own, rules, limits.isel(time=[slot]))

    def place(self, placed: int, number: int, wishes: Sequence[Wish], turn: Sequence[int]) -> None:
        """Let the traders' open orders become their wishes, at ``placed`` [microseconds since 1970 UTC].

        ``number`` counts the occasions. ``turn`` (trader,) says who comes first of those who come at once. An order
        whose price stays keeps its place in time as far as its energy only falls.
        """
        wanted = {(w.trader, w.part, w.side): w for w in wishes}
        rows = []
        for order in self._open():
            trader, part = _of(order)
            wish = wanted.get((trader, part, "sell" if order.side == SELL else "buy"))
            price = order.key if order.side == SELL else -order.key
            if wish and round(wish.price * MILLI) == price and round(wish.energy * MILLI) <= order.open:
                del wanted[wish.trader, wish.part, wish.side]
                if round(wish.energy * MILLI) < order.open:
                    energy = order.traded / MILLI + wish.energy
                    rows.append((placed, order.order_id, "", "", "", "amend", "", np.nan, energy))
            else:
                rows.append((placed, order.order_id, "", "", "", "cancel", "", np.nan, 0.0))
        for w in wanted.values():
            name = f"{number:06d}-{turn[w.trader]:05d}-{w.trader}-{w.part}-{w.side}"
            who, node = str(self._labels[self._who.account[w.trader]]), self._who.node[w.trader, 0]
            rows.append((placed, name, who, str(self._nodes[node]), w.side, "new", "own", w.price, w.energy))
        self.submit(rows)

    def submit(self, rows: Sequence[Row]) -> None:
        """Submit rows of orders as they stand, such as those of a book that is made again."""
        self.rows += rows
        if not rows:
            return
        placed, *texts, price, energy = zip(*rows, strict=True)
        columns = {name: np.array(values, dtype=str) for name, values in zip(TEXTS, texts, strict=True)}
        slot = np.where(columns["action"] == "new", self._start, NO_SLOT)
        times = {
            name: np.array(values, dtype=np.int64).astype("datetime64[us]").astype("datetime64[ns]")
            for name, values in (("placed", placed), ("slot", slot))
        }
        numbers = {"price": np.array(price, dtype=float), "energy": np.array(energy, dtype=float)}
        every = columns | times | numbers
        self._exchange.submit(xr.Dataset({name: (("event",), values) for name, values in every.items()}))

    def deals(self) -> Deals:
        """Return the trades so far in the order in which they were made."""
        t = self._exchange.outcome().trades
        sides = [
            np.array([int(o.split("-")[2]) for o in t[f"trade_{side}_order"].values.tolist()], dtype=np.int64)
            for side in ("sell", "buy")
        ]
        return Deals(*sides, *(t[f"trade_{n}"].values for n in ("energy", "price", "fee", "congestion")))

    def close(self) -> tuple[Deals, list[tuple[int, int, float, float]]]:
        """Close the book; return its deals and what is to be learned of it, as `agents.Expectations.learn` takes it."""
        waiting = self._open()
        self._exchange.call()
        deals, node = self.deals(), self._who.node[:, 0]
        received = deals.price + self._access[node[deals.seller]]
        paid = deals.price + deals.fee + deals.congestion - self._access[node[deals.buyer]]
        seen = [
            (side, int(node[m]), float(kwh), float(price))
            for side, party, worth in ((0, deals.buyer, paid), (1, deals.seller, received))
            for m, kwh, price in zip(party, deals.energy, worth, strict=True)
        ]
        retail, feed_in = self._prices
        for order in waiting:
            m, left = _of(order)[0], (order.energy - order.traded) / MILLI
            access = self._access[node[m]]
            sells = order.side == SELL
            price = feed_in[m] + access if sells else retail[m] - access
            seen.append((int(sells), int(node[m]), left, float(price)))
        return deals, [row for row in seen if row[2] > 0]

    def _open(self) -> list[Order]:
        return [order for order in self._exchange.orders.values() if order.open]


def _of(order: Order) -> tuple[int, str]:
    """Return the trader that placed an order, and the part of its wishes that it stands for."""
    _, _, trader, part, _ = order.order_id.split("-")
    return int(trader), part
