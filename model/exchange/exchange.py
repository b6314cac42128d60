"""The exchange: takes orders, matches them, and says what became of each. Its rules are in ``README.md``.

Orders come as a Dataset over ``event`` (see ``data/orders``): one row per new order, amendment or cancellation.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import xarray as xr

from ...data.inputs.currency import scale
from ..labels import Array
from . import call_auction
from .admission import SIDES, Admission, Refusal, key, kwh
from .integer_fees import Wheeling, wheeling
from .order_book import Book, Fill, Order
from .products import MECHANISMS, Product, Rules, positions
from .records import NO_SLOT, Event, events, orders_dataset, trades_dataset

__all__ = ["MECHANISMS", "Exchange", "Outcome", "Rules", "match", "positions"]

WAYS = ("out of", "into")
"""Ways over an edge, as seen from its node."""


class FullEdge(NamedTuple):
    """An edge that carries all that it may in a slot: the label of its node, and the Wh into it, or out of it."""

    slot: int
    node: str
    way: str
    energy: int


@dataclass(frozen=True)
class Outcome:
    """The outcome of orders: ``trades`` (trade) and ``orders`` (event), see :mod:`model.exchange.records`.

    ``full`` are the edges that let no more through by their limits: whoever is behind them was passed over.
    """

    trades: xr.Dataset
    orders: xr.Dataset
    full: tuple[FullEdge, ...] = ()


def match(orders: xr.Dataset, inputs: xr.Dataset | None = None, rules: Rules | None = None) -> Outcome:
    """Return the trades of orders, and what became of each order.

    Parameters
    ----------
    orders : Dataset
        Over ``event``, its rows in any order. Its attribute ``currency`` says in which they are, where no inputs do.
    inputs : Dataset, optional
        Of the variable table: participants, fee network, connection limits, tariffs. Without it anybody may trade,
        at one place and free of fees.
    rules : Rules, optional
        Default: the continuous session with the published gate.

    Raises
    ------
    InputError
        If there is no currency, or ISO 4217 has no minor unit of it.
    """
    exchange = Exchange(inputs, rules, currency=str(orders.attrs.get("currency", "")))
    exchange.submit(orders)
    exchange.call()
    return exchange.outcome()


class Exchange:
    """A running exchange: ``submit`` orders as time goes on, ``call`` the auctions, ask for the ``outcome``.

    Parameters
    ----------
    inputs, rules
        As for :func:`match`.
    limits : Dataset, optional
        What each meter can trade in each slot, shaped as :func:`positions` says (default: that of the inputs).
    currency : str
        Of all prices where there are no inputs to say so.
    network : Wheeling, optional
        Of the inputs, where it is known already.
    """

    def __init__(
        self,
        inputs: xr.Dataset | None = None,
        rules: Rules | None = None,
        limits: xr.Dataset | None = None,
        currency: str = "",
        network: Wheeling | None = None,
    ):
        self.rules = rules or Rules()
        self.orders: dict[str, Order] = {}
        self._scale = scale(currency if inputs is None else str(inputs.attrs["currency"]), "orders")
        self._network = network or wheeling(inputs, self._scale)
        self._admission = Admission(inputs, self.rules, self._network, limits)
        self._continuous = self.rules.mechanism == "continuous"
        self._events: list[Event] = []
        self._placed: dict[str, Event] = {}
        self._books: dict[int, Book] = {}
        self._called: list[Fill] = []

    def submit(self, orders: xr.Dataset) -> None:
        """Take orders in the order of time; simultaneous ones by order_id, then new before amend before cancel.

        Raises
        ------
        ValueError
            If one of them was placed before one that was submitted earlier: time does not run backwards.
        """
        self.take(events(orders, self._scale))

    def take(self, rows: Sequence[Event]) -> None:
        """Take rows of orders in the order in which they count (:func:`line`); else as :meth:`submit`."""
        handle = {"new": self._new, "amend": self._amend, "cancel": self._cancel}
        if rows and self._events and rows[0].placed < self._events[-1].placed:
            raise ValueError(f"order {rows[0].order_id}: placed before what was submitted already")
        for row in rows:
            self._events.append(row)
            try:
                handle[row.action](row)
            except Refusal as refusal:
                row.code, row.reason = refusal.code, refusal.words
                row.refused = row.energy if row.action == "new" else 0

    def call(self, until: int | None = None) -> None:
        """Clear the auctions whose gate is not after ``until`` [microseconds since 1970 UTC], or all of them.

        What a call leaves of an order is closed: each product is called once.
        """
        if self._continuous:
            return
        waiting: dict[int, list[Order]] = defaultdict(list)
        for order in self.orders.values():
            if order.open and (until is None or self._admission.product(order.slot).gate <= until):
                waiting[order.slot].append(order)
        for slot, orders in sorted(waiting.items()):
            self._called += self._cleared(self._admission.product(slot), orders)

    def outcome(self) -> Outcome:
        """Return all trades so far, by slot and time, and what became of every order so far."""
        trades = trades_dataset(self.fills(), self._scale)
        return Outcome(trades, orders_dataset(self._events, self.orders, self._scale), tuple(self.full()))

    def full(self) -> Iterator[FullEdge]:
        """Yield the edges that trades have filled so far, by slot."""
        network, labels = self._network, list(self._network.index)
        flows: dict[int, Array] = {}
        for fill in self.fills() if network.limited.size else ():
            crossed = network.below[:, fill.ask.node].astype(np.int64) - network.below[:, fill.bid.node]
            flows[fill.ask.slot] = flows.get(fill.ask.slot, 0) + crossed * fill.energy
        for slot, flow in sorted(flows.items()):
            product = self._admission.product(slot)
            most = network.limits(product.hours, product.position)
            for way, limit, over in zip(WAYS, most, (flow, -flow), strict=True):
                for edge in np.flatnonzero((over >= limit) & (over > 0)).tolist():
                    yield FullEdge(slot, labels[network.limited[edge]], way, int(over[edge]))

    def cuts(self) -> dict[tuple[str, str], int]:
        """Return the most that an envelope kept of an order [Wh], by participant and side: who is cut asks again."""
        most: dict[tuple[str, str], int] = {}
        for row in self._events:
            if row.refused and row.code.endswith("envelope"):
                key = row.participant, row.side
                most[key] = max(most.get(key, 0), row.refused)
        return most

    def fills(self) -> list[Fill]:
        """Return all trades so far, by slot and time, in whole Wh and units of the scale."""
        return [*(fill for _, book in sorted(self._books.items()) for fill in book.fills), *self._called]

    def standing(self, slot: int) -> list[Order]:
        """Return the open orders of a slot [microseconds since 1970 UTC]: asks, bids, each by price and time."""
        of_slot = [o for o in self.orders.values() if o.open and o.slot == slot]
        return sorted(of_slot, key=lambda o: (o.side, o.key, o.sequence))

    def _new(self, row: Event) -> None:
        if row.order_id in self.orders:
            raise Refusal("duplicate", f"an order {row.order_id} was placed already")
        order = self._admission.order(row, len(self._events))
        self.orders[row.order_id] = order
        self._placed[row.order_id] = row
        row.taken = True
        self._arrive(order, row)

    def _amend(self, row: Event) -> None:
        """Change price or total energy; the place in time stays only where nothing but the energy falls."""
        order, admission = self._open_order(row), self._admission
        product = admission.product(order.slot)
        energy = row.energy or order.energy
        if energy < order.traded:
            raise Refusal("volume", f"{kwh(order.traded)} kWh of the order are traded already")
        admission.in_band(product, row.price, order.premium)
        new = order.key if row.price is None else key(product, order.side, row.price)
        if new < order.key:
            admission.not_with_itself(order, new)
        more = energy - order.energy
        admitted = admission.within_limits(order, more)
        admitted.tell(row, more)
        energy = order.energy + admitted.energy
        admission.commit(order, admitted.energy)
        row.taken = True
        stays = new == order.key and energy <= order.energy
        order.key, order.energy, order.open = new, energy, energy - order.traded
        order.market = order.market and row.price is None
        if not stays:
            order.sequence = len(self._events)
        self._leave(order)
        if not stays:
            self._arrive(order, row)

    def _cancel(self, row: Event) -> None:
        """Withdraw what is open of an order; what is traded stays traded."""
        order = self._open_order(row)
        self._admission.commit(order, -order.open)
        row.taken = True
        order.open = 0
        self._leave(order)

    def _open_order(self, row: Event) -> Order:
        """Return the open order that a row amends or cancels; the row inherits its attributes, the origin too."""
        order = self.orders.get(row.order_id)
        if order is None:
            raise Refusal("unknown-order", f"no order {row.order_id} was taken before")
        own = {"participant": order.participant, "slot": order.slot, "side": SIDES[order.side]}
        for name, value in {**own, "node": order.node_label, "origin": order.origin}.items():
            if getattr(row, name) not in ("", NO_SLOT, value):
                raise Refusal("attributes", f"the {name} is not that of the order, which keeps it")
            setattr(row, name, value)
        self._admission.in_time(self._admission.product(order.slot), row.placed)
        if not order.open:
            raise Refusal("closed-order", "nothing of the order is open any more")
        return order

    def _arrive(self, order: Order, row: Event) -> None:
        """Match a new or moved order; a market order leaves at once what finds no counterpart."""
        self._admission.stand(order)
        if not self._continuous or not order.open:
            return
        self._book(order.slot).arrive(order, row.placed)
        if order.market and order.open:
            self._admission.commit(order, -order.open)
            order.open = 0
            _unmatched(order, self._placed[order.order_id])

    def _leave(self, order: Order) -> None:
        """Take a closed or moved order off the top of its board."""
        if order.slot in self._books:
            self._books[order.slot].refresh(order)

    def _book(self, slot: int) -> Book:
        if slot not in self._books:
            product = self._admission.product(slot)
            self._books[slot] = Book(self._network, self._network.limits(product.hours, product.position))
        return self._books[slot]

    def _cleared(self, product: Product, orders: list[Order]) -> list[Fill]:
        """Hold the call auction of a product."""
        limit = self._network.limits(product.hours, product.position)
        fills = call_auction.clear(orders, self._network, limit, self.rules.mechanism)
        for fill in fills:
            fill.time = product.gate
            for party in (fill.ask, fill.bid):
                party.traded += fill.energy
        for order in orders:
            order.open = 0
            if order.market:
                _unmatched(order, self._placed[order.order_id])
        return fills


def _unmatched(order: Order, row: Event) -> None:
    """Note on a market order's row how much of it found no counterpart."""
    rest = order.energy - order.traded
    if rest:
        words = f"no order to match {kwh(rest)} of {kwh(order.energy)} kWh of this market order"
        row.code, row.refused = row.code or "no-counterpart", row.refused + rest
        row.reason = f"{row.reason}; {words}" if row.reason else words
