"""A participant at a slot of a run, as plain arrays, and the sentences that say something of it."""

from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
import xarray as xr

from ....data.inputs.contract import optional
from ....data.inputs.currency import decimals
from ....data.problems import shown
from ...store import run_format
from .. import moment
from ..figures.axes import Array

SMALL = 1e-6
"""Power, energy and money below this are nothing."""
WIRE_PRICES = {"voltage": "voltage_price", "full edges": "congestion_price", "losses": "loss_price"}
"""Results that are prices of the wires, by what they are for."""


@dataclass(frozen=True)
class Sentence:
    """Something that is said of a run, under a heading, and the figures that are in it, by name."""

    topic: str
    text: str
    figures: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Case:
    """A run, the position of a participant and of a slot in it."""

    tree: xr.DataTree
    participant: int
    slot: int

    @cached_property
    def inputs(self) -> xr.Dataset:
        """Return the inputs."""
        return self.tree["inputs"].to_dataset()

    @cached_property
    def results(self) -> xr.Dataset:
        """Return the results."""
        return self.tree["results"].to_dataset()

    @cached_property
    def trades(self) -> xr.Dataset:
        """Return the trades of the slot."""
        trades = self.tree["trades"].to_dataset()
        here = trades["trade_time"].values == self.inputs["time"].values[self.slot]
        return trades.isel(trade=np.flatnonzero(here))

    @cached_property
    def marginal(self) -> xr.Dataset | None:
        """Return the marginal values; None of a run that has none."""
        known = run_format.MARGINAL in self.tree.children
        return self.tree[run_format.MARGINAL].to_dataset() if known else None

    @property
    def name(self) -> str:
        """Return the name of the participant."""
        return str(self.inputs["participant"].values[self.participant])

    @property
    def people(self) -> list[str]:
        """Return all participants."""
        return [str(name) for name in self.inputs["participant"].values]

    @property
    def hours(self) -> float:
        """Return the length of the slot [h]."""
        return float(self.inputs["slot_hours"].values[self.slot])

    @cached_property
    def node(self) -> Array:
        """Return the positions of the participants' nodes (participant,)."""
        place = {str(n): k for k, n in enumerate(self.inputs["node"].values)}
        return np.array([place[str(n)] for n in self.inputs["participant_node"].values])

    @cached_property
    def parent(self) -> list[int]:
        """Return the positions of the nodes' parents (node,), -1 of the root."""
        place = {str(n): k for k, n in enumerate(self.inputs["node"].values)}
        return [place.get(str(n), -1) for n in self.inputs["node_parent"].values]

    @property
    def meter_value(self) -> Array | None:
        """Return what one more kWh used behind each meter costs in the slot (participant,); None where not known."""
        return (
            None if self.marginal is None else np.asarray(self.marginal["meter_value"].values[:, self.slot])
        )

    def wire_price(self, name: str) -> Array:
        """Return a price of the wires at every connection in the slot (participant,) [currency/kWh], 0 of none."""
        return self.power(name) if name in self.results else np.zeros(len(self.people))

    def power(self, name: str) -> Array:
        """Return a result of every participant in the slot (participant,) [kW]."""
        return np.asarray(self.results[name].values[:, self.slot])

    @cached_property
    def retail(self) -> Array:
        """Return the retail price of one more kWh of every participant in the slot (participant,) [currency/kWh]."""
        dearer = self.power("tier_value") if "tier_value" in self.results else 0.0
        return self._of_tariff("retail_price") + dearer

    @cached_property
    def feed_in(self) -> Array:
        """Return the feed-in price of every participant in the slot (participant,) [currency/kWh]."""
        return self._of_tariff("feed_in_price")

    @cached_property
    def shared_fee(self) -> Array:
        """Return what the tariff of every participant adds to energy from peers in the slot (participant,)."""
        fees = optional(self.inputs, "shared_fee")
        return np.asarray(
            np.broadcast_to(fees, self.inputs["retail_price"].shape)[self._tariffs(), self.slot]
        )

    def _tariffs(self) -> list[int]:
        place = {str(n): k for k, n in enumerate(self.inputs["tariff"].values)}
        return [place[str(n)] for n in self.inputs["participant_tariff"].values]

    def tariff(self, name: str) -> Array:
        """Return a price of the participant's tariff in all slots (time,) [currency/kWh]."""
        return np.asarray(self.inputs[name].values[self._tariffs()[self.participant]])

    def _of_tariff(self, name: str) -> Array:
        return np.asarray(self.inputs[name].values[self._tariffs(), self.slot])

    @property
    def price_unit(self) -> str:
        """Return the unit of prices."""
        return f"{self.tree.attrs['currency']}/kWh"

    def price(self, value: float) -> str:
        """Return a price with its unit, one decimal finer than tables have it."""
        return f"{value + 0.0:.{(decimals(self.price_unit) or 1) + 1}f} {self.price_unit}"

    def money(self, value: float) -> str:
        """Return an amount with its currency."""
        unit = str(self.tree.attrs["currency"])
        return f"{value + 0.0:,.{max(decimals(unit) or 2, 2)}f} {unit}"

    def when(self, slot: int | None = None) -> str:
        """Return when a slot begins, in local time."""
        time = self.inputs["time"].values[self.slot if slot is None else slot]
        return f"{moment.local(self.inputs, [time])[0]:%Y-%m-%d %H:%M}"

    def edges(self, start: int, end: int) -> list[tuple[int, int, int]]:
        """Return the edges of the way between two nodes: the node below each, and from where to where it leads."""
        up, down = [start], [end]
        while self.parent[up[-1]] >= 0:
            up.append(self.parent[up[-1]])
        while self.parent[down[-1]] >= 0:
            down.append(self.parent[down[-1]])
        while len(up) > 1 and len(down) > 1 and up[-2] == down[-2]:
            up.pop()
            down.pop()
        rising = [(a, a, b) for a, b in pairwise(up)]
        return rising + [(b, a, b) for b, a in reversed(list(pairwise(down)))]

    def fee(self, edge: int) -> float:
        """Return the fee of the edge above a node [currency/kWh]."""
        return float(self.inputs["node_fee"].values[edge])

    def access(self, node: int) -> float:
        """Return the access fee of a node [currency/kWh]."""
        return float(self.inputs["node_access_fee"].values[node])

    def label(self, node: int) -> str:
        """Return the name of a node."""
        return shown(str(self.inputs["node"].values[node]))

    def way(self, start: int, end: int) -> dict[str, float]:
        """Return what a trade between nodes pays on its way, part by part [currency/kWh], full edges among them.

        A full edge adds what prices at its ends differ by beyond its fee: the congestion.
        """
        twice = ", twice" if start == end else ""
        parts = {f"access at {self.label(start)}{twice}": self.access(start) * (1 + (start == end))}
        if "trade_fee" in self.inputs:
            parts[f"fee {self.label(start)} to {self.label(end)}"] = float(
                self.inputs["trade_fee"].values[start, end]
            )
        else:
            for edge, a, b in self.edges(start, end):
                parts[f"{self.label(a)} to {self.label(b)}"] = self.fee(edge)
                if (full := self.congestion(edge, a, b)) > SMALL:
                    parts[f"the full edge {self.label(a)} to {self.label(b)}"] = full
        if start != end:
            parts[f"access at {self.label(end)}"] = self.access(end)
        return {name: value for name, value in parts.items() if value}

    def congestion(self, edge: int, start: int, end: int) -> float:
        """Return what a full edge adds in a direction [currency/kWh]; 0 where it is not full or there is no price."""
        if not np.isfinite(self.inputs["node_limit"].values[edge]) or "price" not in self.results:
            return 0.0
        price = self.results["price"].values[:, self.slot]
        return max(0.0, float(np.nan_to_num(price[end] - price[start])) - self.fee(edge))


def sum_of(parts: dict[str, float], case: Case) -> str:
    """Return parts of a price as a sum in words."""
    return " + ".join(
        f"{value:.{(decimals(case.price_unit) or 1) + 1}f} ({shown(name)})" for name, value in parts.items()
    )
