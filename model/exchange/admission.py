"""What an exchange asks of an order before it takes it; whoever is refused is told why."""

from __future__ import annotations

from collections import defaultdict
from typing import NamedTuple

import numpy as np
import xarray as xr

from ...data.inputs.currency import WATT_HOURS
from ..labels import Array
from .integer_fees import Wheeling, home_nodes
from .order_book import BUY, MARKET_KEY, SELL, Order
from .products import POSITIONS, Product, Products, Rules, positions
from .records import NO_SLOT, Event

SIDES = ("sell", "buy")
RENEWABLE = ("pv", "wind", "hydro", "biomass", "geothermal")
"""Origins of asks for which bids with a premium add it."""


class Refusal(Exception):
    """Why an order is not taken: a code, and the words for the one who placed it."""

    def __init__(self, code: str, words: str):
        self.code, self.words = code, words
        super().__init__(words)


class Admitted(NamedTuple):
    """What of an order's energy is taken [Wh], and where an envelope cuts it, which one and the words for it."""

    energy: int
    code: str = ""
    words: str = ""

    def tell(self, row: Event, asked: int) -> None:
        """Note on the row that asks for some energy [Wh] what was cut of it."""
        row.code, row.reason, row.refused = self.code, self.words, asked - self.energy


class Admission:
    """The checks of an exchange, and what each meter has committed itself to.

    ``limits`` (see :func:`model.products.positions`) says what a meter can trade: None = no limits.
    """

    def __init__(
        self, inputs: xr.Dataset | None, rules: Rules, network: Wheeling, limits: xr.Dataset | None = None
    ):
        if limits is None and inputs is not None:
            limits = positions(inputs)
        self._products = Products(inputs, rules, network.scale)
        self._network = network
        self._home = None if inputs is None else home_nodes(inputs)
        self._limits = None if limits is None else _whole_limits(limits)
        self._meters = {} if limits is None else _meters(limits)
        self._session = rules.mechanism == "continuous"
        self._committed: dict[tuple[str, str, int, int], int] = defaultdict(int)
        self._standing: dict[tuple[str, int, int, int], list[Order]] = defaultdict(list)

    def order(self, row: Event, sequence: int) -> Order:
        """Return the order that a row places, or raise the :class:`Refusal`."""
        product = self.product(row.slot)
        self.in_time(product, row.placed)
        node = self._place(row)
        premium = 0 if row.price is None else row.premium
        self.in_band(product, row.price, premium)
        side = SIDES.index(row.side)
        order = Order(
            order_id=row.order_id,
            participant=row.participant,
            node_label=row.node,
            node=node,
            slot=row.slot,
            side=side,
            key=key(product, side, row.price),
            market=row.price is None,
            energy=0,
            sequence=sequence,
            origin=row.origin,
            green=side == SELL and row.origin in RENEWABLE,
            premium=premium,
            open=0,
        )
        self.not_with_itself(order, order.key)
        admitted = self.within_limits(order, row.energy)
        admitted.tell(row, row.energy)
        order.energy = order.open = admitted.energy
        self.commit(order, admitted.energy)
        return order

    def product(self, slot: int) -> Product:
        """Return the product of a slot."""
        product = None if slot == NO_SLOT else self._products.find(slot)
        if product is None:
            raise Refusal("product", "no product of this exchange begins at this slot")
        return product

    def in_time(self, product: Product, placed: int) -> None:
        """Refuse what is placed before the product opens, or at its gate or later."""
        if placed < product.opens:
            raise Refusal("early", f"the product opens at {_utc(product.opens)} UTC")
        if placed >= product.gate:
            raise Refusal("late", f"the gate closed at {_utc(product.gate)} UTC")

    def in_band(self, product: Product, price: int | None, premium: int = 0) -> None:
        """Refuse a price outside the slot's band, and one that its premium lifts out of it."""
        low, high, units = product.low, product.high, product.scale.price
        if price is None:
            return
        if (low is not None and price < low) or (high is not None and price + premium > high):
            band = " .. ".join("" if end is None else f"{end / units:.12g}" for end in (low, high))
            more = f" with its premium {premium / units:.12g}" if premium else ""
            raise Refusal("band", f"the price {price / units:.12g}{more} lies outside the slot's band {band}")

    def not_with_itself(self, order: Order, new_key: int) -> None:
        """Refuse what could trade with an open order of the same meter in a session: that has to be cancelled first.

        An auction skips the trades of a meter with itself, since only it knows which orders meet.
        """
        if not self._session:
            return
        fee = int(self._network.fees(order.node, order.side == BUY)[order.node])
        for other in self._standing[order.participant, order.node, order.slot, 1 - order.side]:
            ask, bid = (order, other) if order.side == SELL else (other, order)
            extra = bid.premium if ask.green else 0
            if other.open and other.key + fee - extra <= -new_key:
                raise Refusal(
                    "self-trade", f"it would trade with the same meter's open order {other.order_id}"
                )

    def within_limits(self, order: Order, more: int) -> Admitted:
        """Refuse what the meter could not deliver beside all that it has traded and offers already.

        Of what its envelope alone holds back, as much is taken as fits into it.
        """
        admitted = Admitted(more)
        if self._limits is None or more <= 0:
            return admitted
        meter = self._meters.get((order.participant, order.node_label))
        if meter is None:
            raise Refusal("meter", f"{order.participant} has no meter at node {order.node_label}")
        position, used = self.product(order.slot).position, self._committed[_account(order)]
        for name, whole in self._limits[order.side].items():
            limit = int(whole[meter, position])
            free = max(limit - used, 0)
            if more > free:
                words = f"{kwh(more)} kWh exceed the {name.replace('-', ' ')} of {kwh(limit)} kWh"
                words = f"{words}, of which {kwh(free)} kWh are free"
                if not free or not name.endswith("envelope"):
                    raise Refusal(name, words)
                admitted = Admitted(free, name, f"{words}: so much is taken")
        return admitted

    def commit(self, order: Order, energy: int) -> None:
        """Count more (or less) energy as traded or offered by the order's meter."""
        self._committed[_account(order)] += energy

    def stand(self, order: Order) -> None:
        """Count an order among the open ones of its meter."""
        mine = self._standing[order.participant, order.node, order.slot, order.side]
        mine[:] = [o for o in mine if o.open and o is not order]
        mine.append(order)

    def _place(self, row: Event) -> int:
        """Return the order's node, its participant's own by default."""
        if self._home is not None and row.participant not in self._home:
            raise Refusal("participant", f"the scenario has no participant {row.participant!r}")
        row.node = row.node or (self._home or {}).get(row.participant, "")
        node = self._network.node(row.node)
        if node < 0:
            raise Refusal("node", f"the fee network has no node {row.node!r}")
        return node


def key(product: Product, side: int, price: int | None) -> int:
    """Return an order's key; a market order takes every price of the band, or every price."""
    if price is not None:
        return price if side == SELL else -price
    end = product.low if side == SELL else product.high
    return MARKET_KEY if end is None else (end if side == SELL else -end)


def kwh(energy: int) -> str:
    """Return Wh as text in kWh.

    >>> kwh(1500)
    '1.500'
    """
    return f"{energy / WATT_HOURS:.3f}"


def _account(order: Order) -> tuple[str, str, int, int]:
    return order.participant, order.node_label, order.slot, order.side


def _whole_limits(limits: xr.Dataset) -> tuple[dict[str, Array], dict[str, Array]]:
    """Return, for selling and buying, the limits by name (meter, time) in whole Wh."""
    sell, buy = (
        {
            n.replace("_", "-"): np.floor(np.minimum(limits[n].values, 1e12) * WATT_HOURS + 1e-6).astype(int)
            for n in names
        }
        for names in (POSITIONS[:3], POSITIONS[3:])
    )
    return sell, buy


def _meters(limits: xr.Dataset) -> dict[tuple[str, str], int]:
    """Return the position of each meter by its participant and node."""
    people, nodes = (limits[f"meter_{name}"].values.tolist() for name in ("participant", "node"))
    return {meter: k for k, meter in enumerate(zip(people, nodes, strict=True))}


def _utc(time: int) -> str:
    return str(np.datetime64(time, "us").astype("datetime64[m]")).replace("T", " ")
