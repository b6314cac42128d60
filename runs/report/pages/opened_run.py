"""A run for its figures: its groups, its slots as figures show them, its currency."""

from dataclasses import dataclass

import numpy as np
import xarray as xr

from ...store.run_format import FORECAST
from .. import moment
from ..figures.axes import Array
from .slots import FINE, Slots, slots
from .slots import MOST as MOST_PERIODS

MOST = 24
"""Rows that a heat map, a matrix or a tree shows; of more, those with the most energy."""
MEMBERS = 60
"""Members that bars show."""


@dataclass(frozen=True)
class Run:
    """The groups of a run, loaded, with the slots as its figures show them and its currency.

    ``slot`` is the one that figures of a single slot show; None: the one with the most trade.
    """

    inputs: xr.Dataset
    results: xr.Dataset
    trades: xr.Dataset
    settlement: xr.Dataset
    slots: Slots
    currency: str
    market: str
    tree: xr.DataTree
    slot: int | None = None

    @property
    def hours(self) -> Array:
        """Return the length of the slots (time,) [h]."""
        return np.asarray(self.inputs["slot_hours"].values)

    @property
    def price_unit(self) -> str:
        """Return the unit of prices."""
        return f"{self.currency}/kWh"

    def group(self, name: str) -> xr.Dataset | None:
        """Return a further group; None of a run that does not have it."""
        return self.tree[name].to_dataset() if name in self.tree.children else None

    def when(self, slot: int) -> str:
        """Return the local time at which a slot begins."""
        return f"{moment.local(self.inputs, self.inputs['time'].values[[slot]])[0]:%Y-%m-%d %H:%M}"

    @property
    def people(self) -> list[str]:
        """Return the participants."""
        return [str(name) for name in self.inputs["participant"].values]


def opened(tree: xr.DataTree, slot: int | None = None) -> Run:
    """Return a run for its figures."""
    groups = {g: tree[g].to_dataset() for g in ("inputs", "results", "trades", "settlement")}
    most = FINE if FORECAST in tree.children else MOST_PERIODS  # the page of a simulation has more figures
    return Run(
        **groups,
        slots=slots(groups["inputs"], most),
        currency=str(tree.attrs["currency"]),
        market=str(tree.attrs["market"]),
        tree=tree,
        slot=slot,
    )


def left_out(all_of_them: int, kept: int, what: str) -> str:
    """Return a sentence on how many of several are shown; nothing where all are."""
    return f" Shown are {kept} of {all_of_them} {what}." if kept < all_of_them else ""
