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

    ``open`` is what is neither traded nor withdrawn of ``energy``; ``sequence`` is its place in time.
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
        self._now = 0

    def arrive(self, order: Order, now: int) -> None:
        """Match an order with the resting ones; what is left of it rests, unless it is a market order."""
        self._now = now
        while order.open and (found := self._counterpart(order)) is not None:
            other, fee, room = found
            self._trade(order, other, min(order.open, other.open, room), fee)
            if not other.open:
                self.refresh(other)
        if order.open and not order.market:
            self._rest(order)

    def refresh(self, order: Order) -> None:
        """Take closed and replaced orders off the top of the board where this one stands."""
        heap = self._heaps[order.side][order.node]
        while heap and (not heap[0][2].open or heap[0][1] != heap[0][2].sequence):
            heappop(heap)
        self._best[order.side][order.node] = heap[0][0] if heap else NOTHING

    def _rest(self, order: Order) -> None:
        """Put an order on the board of its node."""
        heappush(self._heaps[order.side][order.node], (order.key, order.sequence, order))
        best = self._best[order.side]
        best[order.node] = min(best[order.node], order.key)

    def _counterpart(self, order: Order) -> tuple[Order, int, int] | None:
        """Return the best resting order that matches, the fee between both and the Wh that edges leave."""
        side = 1 - order.side
        fees = self.network.fees(order.node, order.side == BUY)
        cost = self._best[side] + fees
        rooms = None
        if len(self.limit):
            rooms = self._room(order)
            cost[rooms <= 0] = NOTHING
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
        """Record a trade at the price of the resting order: an ask as it stands, a bid less the fee."""
        ask, bid = (order, other) if order.side == SELL else (other, order)
        price = other.key if other.side == SELL else -other.key - fee
        for party in (ask, bid):
            party.open -= energy
            party.traded += energy
        if len(self.limit):
            below = self.network.below
            sign = below[:, ask.node].astype(np.int64) - below[:, bid.node]
            self.flow += sign * energy
        self.fills.append(Fill(ask, bid, energy, price, fee, time=self._now))
