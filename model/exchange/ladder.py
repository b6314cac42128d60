"""The ladder of a product that closed: what was bid and asked at each price, and what was traded of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from ..labels import Array
from .order_book import SELL, Order


class Ladder(NamedTuple):
    """The price levels of a product, an array (L,) each: asks by rising, then bids by falling price.

    ``side`` is 0 of asks and 1 of bids, ``price`` the limit at which orders stood last [currency/kWh]: the least that a
    seller takes, the most that a buyer pays, fees included. ``energy`` is what was traded of them or stood open at the
    end, ``traded`` the former [kWh].
    """

    side: Array
    price: Array
    energy: Array
    traded: Array


def ladder(offered: Iterable[tuple[Order, int]], units: int, watt_hours: int) -> Ladder:
    """Return the ladder of orders, each with what it traded or left open [Wh].

    ``units`` of price are one unit of the currency, so many ``watt_hours`` one kWh.
    """
    levels: dict[tuple[int, int], list[int]] = {}
    for order, energy in offered:
        if energy:
            level = levels.setdefault((order.side, order.key), [0, 0])
            level[0] += energy
            level[1] += order.traded
    rows = [[side, key if side == SELL else -key, *of] for (side, key), of in sorted(levels.items())]
    side, price, total, traded = np.array(rows, dtype=np.int64).reshape(-1, 4).T
    return Ladder(side, price / units, total / watt_hours, traded / watt_hours)
