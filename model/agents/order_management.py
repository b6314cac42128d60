"""The exchange of one product as agents meet it: order intents become orders, and orders become deals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import xarray as xr

from ...data.inputs.currency import WATT_HOURS, scale
from ..exchange.deals import Deals
from ..exchange.exchange import Exchange, Rules
from ..exchange.integer_fees import network
from ..exchange.ladder import Ladder, ladder
from ..exchange.order_book import SELL, Order
from ..exchange.records import NO_SLOT, Event, line
from ..labels import Array
from ..topology.traders import tariff_prices, traders
from .bidding import OrderIntent
from .price_expectations import Observation


class OrderRow(NamedTuple):
    """A new order, an amendment or a cancellation: when it was ``placed`` [microseconds since 1970 UTC], and by whom.

    ``trader`` and ``part`` are those of its intent, which the exchange does not know; all else is as an exchange takes
    it (see ``data/orders``), with price and premium in currency/kWh and energy in kWh.
    """

    placed: int
    order_id: str
    participant: str
    node: str
    side: str
    action: str
    origin: str
    price: float
    energy: float
    premium: float
    trader: int
    part: str


class Held(NamedTuple):
    """What limits held of a product when it closed, whole Wh: what envelopes cut, and what filled edges.

    ``cuts`` are rows of participant, side and the most that was cut of one of its orders, which it places again and
    again; ``full`` rows of an edge's node, the way and what trades sent over it, all that it lets through.
    """

    cuts: list[tuple[str, str, int]]
    full: list[tuple[str, str, int]]


class ProductBook:
    """The exchange of one slot's product.

    Parameters
    ----------
    inputs : xr.Dataset
        All slots; of them only network and tariffs count.
    slot : int
        Position of the product's slot.
    limits : xr.Dataset
        What each meter can trade in each slot (see :func:`model.exchange.products.positions`).
    rules : Rules
        Of the exchange.
    """

    def __init__(self, inputs: xr.Dataset, slot: int, limits: xr.Dataset, rules: Rules):
        own = inputs.isel(time=[slot])
        self.rows: list[OrderRow] = []
        self._placed: dict[str, OrderRow] = {}
        self._account, self._labels = traders(own).account, inputs["participant"].values
        self._nodes = inputs["node"].values
        self._access = inputs["node_access_fee"].values
        self._units = scale(own.attrs["currency"]).price
        self._start = own["time"].values.astype("datetime64[us]").astype(np.int64)[0]
        self._prices = tariff_prices(own, 0)
        self._network = network(inputs).at(slot)
        self._exchange = Exchange(own, rules, limits.isel(time=[slot]), network=self._network)
        self._traded: tuple[Deals, tuple[Array, Array]] | None = None
        self.ladder: Ladder | None = None
        self.held = Held([], [])

    def place(
        self, placed: int, number: int, intents: Sequence[OrderIntent], turn: Sequence[int], node: Array
    ) -> None:
        """Let the traders' open orders become their intents, at ``placed`` [microseconds since 1970 UTC].

        ``number`` counts the occasions. ``turn`` (trader,) says who comes first of those who come at once, ``node``
        (trader,) where it expects to be. An order whose price and node stay keeps its place in time as far as its
        energy only falls.
        """
        wanted = {(w.trader, w.part, w.side): w for w in intents}
        rows = []
        for order in self._open_orders():
            row = self._placed[order.order_id]
            intent = wanted.get((row.trader, row.part, row.side))
            if intent and self._keeps_its_place(order, intent, node):
                del wanted[row.trader, row.part, row.side]
                if round(intent.energy * WATT_HOURS) < order.open:
                    energy = order.traded / WATT_HOURS + intent.energy
                    rows.append(_change(row, placed, "amend", energy))
            else:
                rows.append(_change(row, placed, "cancel"))
        rows += [self._new(placed, number, turn[w.trader], w, node) for w in wanted.values()]
        self.submit(rows)

    def can_meet(self, intents: Sequence[OrderIntent], limits: Sequence[float], node: Array) -> bool:
        """Tell whether orders of the intents of traders at ``node`` (trader,) alone could trade, all of them taken.

        ``limits`` [currency/kWh] stand for the prices of the intents.
        """
        sells = [price for intent, price in zip(intents, limits, strict=True) if intent.side == "sell"]
        buys = [price for intent, price in zip(intents, limits, strict=True) if intent.side == "buy"]
        units, premium = self._units, max((intent.premium for intent in intents), default=0.0)
        if (
            not sells
            or not buys
            or round(min(sells) * units) > round(max(buys) * units) + round(premium * units)
        ):
            return False
        least: dict[int, int] = {}
        most: dict[int, int] = {}
        for intent, limit in zip(intents, limits, strict=True):
            at, price = int(node[intent.trader]), round(limit * units)
            if intent.side == "sell":
                least[at] = min(price, least.get(at, price))
            else:
                price += round(intent.premium * units)
                most[at] = max(price, most.get(at, price))
        sold_at, asked = np.array([*least]), np.array([*least.values()])
        return any((asked + self._network.fees(at, True)[sold_at] <= bid).any() for at, bid in most.items())

    def _keeps_its_place(self, order: Order, intent: OrderIntent, node: Array) -> bool:
        """Tell whether an open order can become an intent without losing its place in time."""
        same_node = order.node_label == self._nodes[node[intent.trader]]
        same_price = round(intent.price * self._units) == order.price
        return same_node and same_price and round(intent.energy * WATT_HOURS) <= order.open

    def _new(self, placed: int, number: int, turn: int, intent: OrderIntent, node: Array) -> OrderRow:
        """Return the row of a new order; its id decides among orders of one moment."""
        m, part, side = intent.trader, intent.part, intent.side
        return OrderRow(
            placed=placed,
            order_id=f"{number:06d}-{turn:05d}-{m}-{part}-{side}",
            participant=str(self._labels[self._account[m]]),
            node=str(self._nodes[node[m]]),
            side=side,
            action="new",
            origin=_origin(intent),
            price=intent.price,
            energy=intent.energy,
            premium=intent.premium,
            trader=m,
            part=part,
        )

    def submit(self, rows: Sequence[OrderRow]) -> None:
        """Submit rows of orders as they stand, such as those of a book that is made again."""
        self.rows += rows
        self._placed |= {row.order_id: row for row in rows if row.action == "new"}
        if not rows:
            return
        self._exchange.take(sorted(map(self._event, rows), key=line))

    def _event(self, row: OrderRow) -> Event:
        """Return a row of orders in the whole numbers of the exchange."""
        return Event(
            row=0,
            order_id=row.order_id,
            placed=row.placed,
            action=row.action,
            slot=self._start if row.action == "new" else NO_SLOT,
            participant=row.participant,
            node=row.node,
            side=row.side,
            price=None if math.isnan(row.price) else round(row.price * self._units),
            energy=round(row.energy * WATT_HOURS),
            origin=row.origin,
            premium=round(row.premium * self._units),
        )

    def deals(self, node: Array) -> Deals:
        """Return the trades so far in the order in which they were made, between traders who are at ``node`` (trader,).

        Those of a vehicle that turned up elsewhere, or nowhere, are not: it cannot deliver them.
        """
        trades, places = self._trades()
        return _between(trades, places, node)

    def close(self, node: Array) -> tuple[Deals, list[Observation]]:
        """Close the book; return the deals of those who are at ``node`` (trader,), and the prices observed at all.

        Its ``ladder``, and what limits ``held``, are known from then on.
        """
        waiting = self._open_orders()
        offered = [(order, order.traded + order.open) for order in self._exchange.orders.values()]
        self._exchange.call()
        self.ladder = ladder(offered, self._units, WATT_HOURS)
        cuts = [(*who, energy) for who, energy in sorted(self._exchange.cuts().items())]
        self.held = Held(cuts, [(edge.node, edge.way, edge.energy) for edge in self._exchange.full()])
        trades, places = self._trades()
        observed = self._of_trades(trades, places) + [self._of_the_rest(order) for order in waiting]
        return _between(trades, places, node), [one for one in observed if one.energy > 0]

    def _trades(self) -> tuple[Deals, tuple[Array, Array]]:
        """Return all trades so far, and the nodes (trade,) at which seller and buyer placed their orders."""
        fills = self._exchange.fills()
        if self._traded is not None and len(fills) == len(self._traded[0].energy):
            return self._traded
        orders = [fill.ask for fill in fills], [fill.bid for fill in fills]
        seller, buyer = (
            np.array([self._placed[o.order_id].trader for o in side], dtype=np.int64) for side in orders
        )
        sold_at, bought_at = (np.array([o.node for o in side], dtype=np.int64) for side in orders)
        energy = np.array([fill.energy for fill in fills], dtype=np.int64) / WATT_HOURS
        money = [(fill.price, fill.fee, fill.congestion) for fill in fills]
        price, fee, congestion = np.array(money, dtype=np.int64).reshape(-1, 3).T / self._units
        self._traded = Deals(seller, buyer, energy, price, fee, congestion, energy), (sold_at, bought_at)
        return self._traded

    def _of_trades(self, trades: Deals, places: tuple[Array, Array]) -> list[Observation]:
        """Return what purchases, then sales, cost and earned at their nodes, access fees not in it."""
        sold_at, bought_at = places
        received = trades.price + self._access[sold_at]
        paid = trades.price + trades.fee + trades.congestion - self._access[bought_at]
        return [
            Observation(side, int(at), float(kwh), float(price))
            for side, nodes, prices in ((0, bought_at, paid), (1, sold_at, received))
            for at, kwh, price in zip(nodes, trades.energy, prices, strict=True)
        ]

    def _of_the_rest(self, order: Order) -> Observation:
        """Return what the retailer charges or pays for what an order did not trade, access fees not in it."""
        m, (retail, feed_in), access = (
            self._placed[order.order_id].trader,
            self._prices,
            self._access[order.node],
        )
        sells = order.side == SELL
        price = feed_in[m] + access if sells else retail[m] - access
        return Observation(int(sells), order.node, (order.energy - order.traded) / WATT_HOURS, float(price))

    def _open_orders(self) -> list[Order]:
        return [order for order in self._exchange.orders.values() if order.open]


def _change(row: OrderRow, placed: int, action: str, energy: float = 0.0) -> OrderRow:
    """Return the row that amends or cancels the order of a row."""
    return OrderRow(placed, row.order_id, "", "", "", action, "", np.nan, energy, 0.0, row.trader, row.part)


def _between(trades: Deals, places: tuple[Array, Array], node: Array) -> Deals:
    """Return the trades whose sellers and buyers are at ``node`` (trader,) as they were at their orders' (trade,)."""
    sold_at, bought_at = places
    return trades.where((sold_at == node[trades.seller]) & (bought_at == node[trades.buyer]))


def _origin(intent: OrderIntent) -> str:
    """Return the origin that an ask states: a surplus that no store gave is PV; what a store gives may be anything."""
    return "" if intent.side == "buy" else "pv" if intent.part == "home" else "store"
