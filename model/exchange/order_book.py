"""The book of one product: resting orders per node, and the continuous session's matching.

An order's ``key`` is its price where it sells and minus its price where it buys, so that both sides read
alike: a resting order m and an incoming order t match if key[m] + fee <= -key[t], and the best m is the one
with the least key + fee, of these the earliest. ``fee`` is that of the path between their nodes, less the buyer's
premium where the ask is of renewable origin. So each side has two boards: asks of other and of renewable origin; bids
as they stand, and those with a premium once more, as renewable asks see them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from heapq import heappop, heappush

import numpy as np

from ..labels import Array
from .integer_fees import UNLIMITED, Wheeling

NOTHING = 1 << 60
"""Key of a side of a node where no order rests."""
SELL, BUY = 0, 1
MARKET_KEY = -(1 << 52)
"""Key of a market order where no price band bounds it: it takes every price."""


@dataclass(slots=True, eq=False)
class Order:
    """One order: energies in Wh, prices in thousandths of the minor unit per kWh.

    ``open`` is what is neither traded nor withdrawn of ``energy``; ``sequence`` is its place in time; ``green``
    says that it sells energy of renewable origin, ``premium`` what a buyer adds to its limit for such energy.
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
    green: bool = False
    premium: int = 0
    open: int = 0
    traded: int = 0

    @property
    def price(self) -> int:
        """Return the limit: the least that a seller takes, the most that a buyer pays, fee included."""
        return self.key if self.side == SELL else -self.key

    @property
    def boards(self) -> tuple[tuple[int, int], ...]:
        """Return the boards of its side on which it rests, each with its key there."""
        if self.side == SELL:
            return ((int(self.green), self.key),)
        return ((0, self.key), (1, self.key - self.premium)) if self.premium else ((0, self.key),)


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
    """The open orders of one product over the nodes of a fee network; ``limit`` (2, E) is in Wh, up and down.

    ``flow`` (E,) is the net energy traded so far over each limited edge, + towards the root.
    """

    network: Wheeling
    limit: Array
    fills: list[Fill] = field(default_factory=list)

    def __post_init__(self) -> None:
        size = self.network.size
        self._heaps: list[list[list[list[tuple[int, int, Order]]]]] = [
            [[[] for _ in range(size)] for _ in range(2)] for _ in range(2)
        ]
        self._best = np.full((2, 2, size), NOTHING, dtype=np.int64)
        self._kinds = [1, 1]  # boards of each side that were ever used
        self.flow = np.zeros(self.limit.shape[1], dtype=np.int64)
        self._now = 0

    def arrive(self, order: Order, now: int) -> None:
        """Match an order with the resting ones; what is left of it rests, unless it is a market order."""
        self._now = now
        while order.open and (best := self._counterpart(order)) is not None:
            other, fee, headroom = best
            self._trade(order, other, min(order.open, other.open, headroom), fee)
            if not other.open:
                self.refresh(other)
        if order.open and not order.market:
            self._rest(order)

    def refresh(self, order: Order) -> None:
        """Take closed and replaced orders off the top of the board where this one stands."""
        for board, _ in order.boards:
            heap = self._heaps[order.side][board][order.node]
            while heap and (not heap[0][2].open or heap[0][1] != heap[0][2].sequence):
                heappop(heap)
            self._best[order.side, board, order.node] = heap[0][0] if heap else NOTHING

    def _rest(self, order: Order) -> None:
        """Put an order on the boards of its node."""
        for board, key in order.boards:
            heappush(self._heaps[order.side][board][order.node], (key, order.sequence, order))
            best = self._best[order.side, board]
            best[order.node] = min(best[order.node], key)
            self._kinds[order.side] = max(self._kinds[order.side], board + 1)

    def _counterpart(self, order: Order) -> tuple[Order, int, int] | None:
        """Return the best resting order that matches, the fee between both and the Wh that edges leave."""
        side = 1 - order.side
        fees = self.network.fees(order.node, order.side == BUY)
        cost = self._best[side, : self._kinds[side]] + fees
        if len(cost) > 1:
            cost[1] = cost[1] - order.premium if order.side == BUY or order.green else NOTHING
        headrooms = None
        if self.limit.size:
            headrooms = self._headroom(order)
            cost[:, headrooms <= 0] = NOTHING
        place = int(cost.argmin())
        least = cost.flat[place]
        if least > -order.key:
            return None
        heaps, size = self._heaps[side], len(fees)
        if cost.size > 1 and np.count_nonzero(cost == least) > 1:  # equal prices: the earliest order
            best = np.flatnonzero(cost == least).tolist()
            place = min(best, key=lambda k: heaps[k // size][k % size][0][1])
        node = place % size
        other = heaps[place // size][node][0][2]
        return other, int(fees[node]), UNLIMITED if headrooms is None else int(headrooms[node])

    def _headroom(self, order: Order) -> Array:
        """Return the Wh (N,) that limited edges leave between an order's node and every other."""
        below = self.network.below
        sign = below.astype(np.int64) - below[:, [order.node]]  # + upward, towards a buyer elsewhere
        if order.side == SELL:
            sign = -sign
        up, down = self.limit[:, :, None]
        headroom = np.where(sign == 0, UNLIMITED, np.where(sign > 0, up, down) - sign * self.flow[:, None])
        return np.asarray(headroom.min(axis=0))

    def _trade(self, order: Order, other: Order, energy: int, fee: int) -> None:
        """Record a trade at the price of the resting order: an ask as it stands, a bid and its premium less the fee."""
        ask, bid = (order, other) if order.side == SELL else (other, order)
        extra = bid.premium if ask.green else 0
        price = other.key if other.side == SELL else extra - other.key - fee
        for party in (ask, bid):
            party.open -= energy
            party.traded += energy
        if self.limit.size:
            below = self.network.below
            sign = below[:, ask.node].astype(np.int64) - below[:, bid.node]
            self.flow += sign * energy
        self.fills.append(Fill(ask, bid, energy, price, fee, time=self._now))
