"""Orders as an exchange sees them, row by row, and its trades and verdicts as Datasets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from ...data.inputs.currency import WATT_HOURS, Scale
from .order_book import Fill, Order

ACTIONS = ("new", "amend", "cancel")
"""What a row can ask for, in the order in which rows of one order and one moment count."""
NO_SLOT = int(np.iinfo(np.int64).min)


@dataclass(slots=True)
class Event:
    """One row of orders: times in microseconds since 1970 UTC, price in units of a scale, energy in Wh.

    ``price`` None is a market order (new) or no change (amend), ``energy`` 0 no change, ``premium`` what a buyer adds
    for renewable origin. Once handled, ``taken`` tells whether the exchange took it; ``code`` and ``reason`` say why
    not, or why ``refused`` Wh of a market order were left.
    """

    row: int
    order_id: str
    placed: int
    action: str
    slot: int
    participant: str
    node: str
    side: str
    price: int | None
    energy: int
    origin: str
    premium: int
    taken: bool = False
    code: str = ""
    reason: str = ""
    refused: int = 0


def line(event: Event) -> tuple[int, str, int]:
    """Return the place of a row among others: by time, then order_id, then action."""
    return event.placed, event.order_id, ACTIONS.index(event.action)


def events(orders: xr.Dataset, scale: Scale) -> list[Event]:
    """Return the rows of orders (event) on a scale, in the order in which they count: time, order_id, action."""
    columns = {str(n): orders[n].values for n in orders.data_vars}
    columns.setdefault("premium", np.zeros(orders.sizes["event"]))
    rank = np.array([ACTIONS.index(a) for a in columns["action"].tolist()], dtype=int)
    line = np.lexsort((rank, columns["order_id"], columns["placed"]))
    blank = np.isnan(columns["price"]).tolist()
    whole = {
        n: np.rint(np.nan_to_num(columns[n]) * units).astype(np.int64).tolist()
        for n, units in (("price", scale.price), ("energy", WATT_HOURS), ("premium", scale.price))
    }
    times = {n: columns[n].astype("datetime64[us]").astype(np.int64).tolist() for n in ("placed", "slot")}
    texts = {n: columns[n].tolist() for n in ("order_id", "participant", "node", "side", "action", "origin")}
    rows = columns["row"].tolist() if "row" in columns else [0] * len(line)
    return [
        Event(
            row=rows[k],
            placed=times["placed"][k],
            slot=times["slot"][k],
            price=None if blank[k] else whole["price"][k],
            energy=whole["energy"][k],
            premium=whole["premium"][k],
            **{n: text[k] for n, text in texts.items()},
        )
        for k in line.tolist()
    ]


def trades_dataset(fills: Sequence[Fill], scale: Scale) -> xr.Dataset:
    """Return trades (trade,) in the order given: who, what, when, and what is paid to whom.

    The seller gets ``trade_price``; the buyer pays ``trade_price + trade_fee + trade_congestion``, where the fee is
    the network's and ``trade_congestion`` the rent of full edges (uniform-price auctions only).
    """
    price, units = f"{scale.currency}/kWh", scale.price
    columns: dict[str, tuple[Any, str, str]] = {
        "time": (_times(f.ask.slot for f in fills), "start of the slot of delivery, UTC", ""),
        "matched": (_times(f.time for f in fills), "when it was matched, UTC", ""),
        "seller": (_texts(f.ask.participant for f in fills), "participant who sells", ""),
        "buyer": (_texts(f.bid.participant for f in fills), "participant who buys", ""),
        "seller_node": (_texts(f.ask.node_label for f in fills), "node of the seller's meter", ""),
        "buyer_node": (_texts(f.bid.node_label for f in fills), "node of the buyer's meter", ""),
        "energy": (_decimals((f.energy for f in fills), WATT_HOURS), "energy", "kWh"),
        "price": (_decimals((f.price for f in fills), units), "what the seller gets", price),
        "fee": (_decimals((f.fee for f in fills), units), "what the buyer adds for the network", price),
        "congestion": (
            _decimals((f.congestion for f in fills), units),
            "what the buyer adds for full edges",
            price,
        ),
        "sell_order": (_texts(f.ask.order_id for f in fills), "order of the seller", ""),
        "buy_order": (_texts(f.bid.order_id for f in fills), "order of the buyer", ""),
        "origin": (_texts(f.ask.origin for f in fills), "origin that the seller's order states", ""),
    }
    return _dataset({f"trade_{n}": c for n, c in columns.items()}, "trade")


def orders_dataset(rows: Sequence[Event], orders: dict[str, Order], scale: Scale) -> xr.Dataset:
    """Return the rows (event,) as they counted, with the attributes that they inherited, and their verdicts.

    ``traded`` and ``open`` [kWh] are those of the order by now, on the row that placed it; ``refused`` [kWh] is what
    was not taken or, of a market order, found no counterpart; ``reason`` says why, and ``code`` in one word.
    """
    per_kwh, units = f"{scale.currency}/kWh", scale.price
    price = np.array([np.nan if e.price is None else e.price / units for e in rows], dtype=float)
    placed = [orders[e.order_id] if e.taken and e.action == "new" else None for e in rows]
    columns: dict[str, tuple[Any, str, str]] = {
        "row": (np.array([e.row for e in rows], dtype=np.int64), "line of the file", ""),
        "order_id": (_texts(e.order_id for e in rows), "order", ""),
        "placed": (_times(e.placed for e in rows), "when it was placed, UTC", ""),
        "action": (_texts(e.action for e in rows), "what is asked for", ""),
        "slot": (_times(e.slot for e in rows), "start of the slot of delivery, UTC", ""),
        "participant": (_texts(e.participant for e in rows), "who placed it", ""),
        "node": (_texts(e.node for e in rows), "node of its meter", ""),
        "side": (_texts(e.side for e in rows), "buy or sell", ""),
        "price": (price, "limit price; NaN = market order, or no change", per_kwh),
        "energy": (_decimals((e.energy for e in rows), WATT_HOURS), "energy; 0 = no change", "kWh"),
        "origin": (_texts(e.origin for e in rows), "origin of the energy, as stated", ""),
        "premium": (
            _decimals((e.premium for e in rows), units),
            "what a buyer adds for renewable origin",
            per_kwh,
        ),
        "taken": (np.array([e.taken for e in rows], dtype=bool), "whether the exchange took it", ""),
        "traded": (_decimals((o.traded if o else 0 for o in placed), WATT_HOURS), "traded by now", "kWh"),
        "open": (_decimals((o.open if o else 0 for o in placed), WATT_HOURS), "on the board by now", "kWh"),
        "refused": (
            _decimals((e.refused for e in rows), WATT_HOURS),
            "not taken, or without a counterpart",
            "kWh",
        ),
        "code": (_texts(e.code for e in rows), "why not, in one word", ""),
        "reason": (_texts(e.reason for e in rows), "why not", ""),
    }
    return _dataset(columns, "event")


def _dataset(columns: dict[str, tuple[Any, str, str]], dim: str) -> xr.Dataset:
    return xr.Dataset(
        {
            name: ((dim,), values, {"long_name": text, **({"units": unit} if unit else {})})
            for name, (values, text, unit) in columns.items()
        }
    )


def _texts(values: Any) -> np.ndarray:
    return np.array(list(values), dtype=str)


def _times(values: Any) -> np.ndarray:
    return np.array(list(values), dtype=np.int64).astype("datetime64[us]").astype("datetime64[ns]")


def _decimals(values: Any, units: int) -> np.ndarray:
    return np.array(list(values), dtype=np.int64) / units
