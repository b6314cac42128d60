"""The book of one product: resting orders per node, and the continuous session's matching.

An order's ``key`` is its price where it sells and minus its price where it buys, so that both sides read
alike: a resting order m and an incoming order t match if key[m] + fee <= -key[t], and the best m is the one
with the least key + fee, of these the earliest. ``fee`` is that of the path between their nodes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from heapq import heappop, heappush

import numpy as np

from .algebra import Array
from .wheeling import UNLIMITED, Wheeling

NOTHING = 1 << 60
"""Key of a side of a node where no order rests."""
SELL, BUY = 0, 1
MARKET_KEY = -(1 << 52)
"""Key of a market order where no price band bounds it: it takes every price."""


@dataclass(slots=True, eq=False)
class Order:
    """One order: energies in Wh, prices in milli-currency per kWh.

    ``open`` is what is neither traded nor withdrawn of ``energy``; ``sequence`` is its place in time;
    ``kept_apart`` says that a limited edge stands between it and an order that it would match.
    """

    order_id: str
    participant: str
    node_label: str
    node: int
    slot: int
    side: int
    key: int
    market: bool
    energy: int
    sequence: int
    origin: str = ""
    open: int = 0
    traded: int = 0
    kept_apart: bool = False

    @property
    def price(self) -> int:
        """Return the limit: the least that a seller takes, the most that a buyer pays, fee included."""
        return self.key if self.side == SELL else -self.key


@dataclass(slots=True)
class Fill:
    """A match of two orders: what the seller gets per kWh, what the buyer adds, and the moment in microseconds."""

    ask: Order
    bid: Order
    energy: int
    price: int
    fee: int
    congestion: int = 0
    time: int = 0


@dataclass
class Book:
    """The open orders of one product over the nodes of a fee network; ``limit`` (E,) is in Wh.

    ``flow`` (E,) is the net energy traded so far over each limited edge, + towards the root.
    """

    network: Wheeling
    limit: Array
    fills: list[Fill] = field(default_factory=list)

    def __post_init__(self) -> None:
        size = self.network.size
        self._heaps: list[list[list[tuple[int, int, Order]]]] = [[[] for _ in range(size)] for _ in range(2)]
        self._best = [np.full(size, NOTHING, dtype=np.int64) for _ in range(2)]
        self.flow = np.zeros(len(self.limit), dtype=np.int64)
        self._apart: list[Order] = []
        self._freed = False
        self._now = 0

    def arrive(self, order: Order, now: int) -> None:
        """Match an order with the resting ones; what is left of it rests, unless it is a market order.

        Where its trades relieved a full edge, the orders that a limit keeps apart are tried again, the earliest
        first, until none of them trades.
        """
        self._now = now
        self._match(order)
        if order.open and not order.market:
            self.rest(order)
        while self._freed:
            self._freed = False
            self._apart = [o for o in self._apart if o.open]
            for waiting in sorted(self._apart, key=lambda o: o.sequence):
                self._match(waiting)
                self.refresh(waiting)

    def rest(self, order: Order) -> None:
        """Put an order on the board of its node."""
        if order.kept_apart:
            self._apart.append(order)
        heappush(self._heaps[order.side][order.node], (order.key, order.sequence, order))
        best = self._best[order.side]
        if order.key < best[order.node]:
            best[order.node] = order.key

    def refresh(self, order: Order) -> None:
        """Take closed and replaced orders off the top of the board where this one stands."""
        heap = self._heaps[order.side][order.node]
        while heap and (not heap[0][2].open or heap[0][1] != heap[0][2].sequence):
            heappop(heap)
        self._best[order.side][order.node] = heap[0][0] if heap else NOTHING

    def _match(self, order: Order) -> None:
        """Trade an order with its best counterparts while there are any."""
        while order.open:
            found = self._counterpart(order)
            if found is None:
                return
            other, fee, room = found
            energy = min(order.open, other.open, room)
            self._trade(order, other, energy, fee)
            if not other.open:
                self.refresh(other)

    def _counterpart(self, order: Order) -> tuple[Order, int, int] | None:
        """Return the best resting order that matches, the fee between both and the Wh that edges leave."""
        side = 1 - order.side
        fees = self.network.fees(order.node, order.side == BUY)
        cost = self._best[side] + fees
        rooms = None
        if len(self.limit):
            rooms = self._room(order)
            full = rooms <= 0
            if not order.kept_apart and (cost[full] <= -order.key).any():
                order.kept_apart = True
            cost[full] = NOTHING
        node = int(cost.argmin())
        least = cost[node]
        if least > -order.key:
            return None
        heaps = self._heaps[side]
        if len(cost) > 1 and np.count_nonzero(cost == least) > 1:  # equal prices: the earliest order
            node = min(np.flatnonzero(cost == least).tolist(), key=lambda n: heaps[n][0][1])
        return heaps[node][0][2], int(fees[node]), UNLIMITED if rooms is None else int(rooms[node])

    def _room(self, order: Order) -> Array:
        """Return the Wh (N,) that limited edges leave between an order's node and every other."""
        below = self.network.below
        sign = below.astype(np.int64) - below[:, [order.node]]  # + upward, towards a buyer elsewhere
        if order.side == SELL:
            sign = -sign
        room = np.where(sign == 0, UNLIMITED, self.limit[:, None] - sign * self.flow[:, None])
        return np.asarray(room.min(axis=0))

    def _trade(self, order: Order, other: Order, energy: int, fee: int) -> None:
        """Record a trade at the price of the earlier order: an ask as it stands, a bid less the fee."""
        ask, bid = (order, other) if order.side == SELL else (other, order)
        price = ask.key if ask.sequence < bid.sequence else -bid.key - fee
        for party in (ask, bid):
            party.open -= energy
            party.traded += energy
        if len(self.limit):
            below = self.network.below
            sign = below[:, ask.node].astype(np.int64) - below[:, bid.node]
            self._freed |= bool(((sign != 0) & (-sign * self.flow == self.limit)).any())
            self.flow += sign * energy
        self.fills.append(Fill(ask, bid, energy, price, fee, time=self._now))
