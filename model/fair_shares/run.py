"""A run as splits see it: what its community pays to others, what each would pay without peers, what all save."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import xarray as xr

from ..labels import Array, sum_at
from ..settlement.account_lines import MONEY, SIGNS
from ..settlement.unpaid import SIGNS as BESIDE
from ..topology.traders import parties, traders

Lines = Mapping[str, Array]
"""Money of accounts (participant,) by the names of `account_lines`, zeros where a run has no such line."""
_WITHIN = ("peers", "members", "network")
"""Counterparties that a rule decides about: peers, and the network by what it keeps as a rent."""


@dataclass(frozen=True)
class Run:
    """A run whose payments are asked for.

    ``bids`` says whether its trades have the prices of orders; ``minimum_charge`` whether vehicles obeyed theirs.
    ``metered`` says that the energies are those of meters, which nobody plans; ``participation`` (participant,) what
    part of a withdrawal then takes part. ``samples`` orders are drawn from ``seed`` where coalitions are too many.
    """

    inputs: xr.Dataset
    results: xr.Dataset
    trades: xr.Dataset
    lines: Lines
    bids: bool = False
    minimum_charge: bool = True
    metered: bool = False
    participation: Array | None = None
    samples: int = 200
    seed: int = 1
    progress: Callable[[int, int], None] = lambda done, of: None

    @property
    def others(self) -> Array:
        """What each member pays to others than peers and network (participant,) [currency]."""
        return np.asarray(
            sum(SIGNS[n] * self.lines[n] for n in SIGNS if MONEY[n].counterparty not in _WITHIN)
        )

    @property
    def yardstick(self) -> Array:
        """What each would pay without peers for what it has, stores included (participant,) [currency]."""
        return np.asarray(
            self.lines["bill_grid_only"] - sum(sign * self.lines[n] for n, sign in BESIDE.items())
        )

    @property
    def gain(self) -> float:
        """What the community saves in all [currency]: nobody keeps a rent of it."""
        return float((self.yardstick - self.others - self.lines["network_fee"]).sum())

    @property
    def traded(self) -> Array:
        """What each buys from and sells to peers (participant,) [kWh]."""
        seller, buyer, _ = parties(self.inputs, self.trades)
        account, people = traders(self.inputs).account, self.inputs.sizes["participant"]
        energy = self.trades["trade_energy"].values
        return sum_at(account[seller], energy, people) + sum_at(account[buyer], energy, people)
