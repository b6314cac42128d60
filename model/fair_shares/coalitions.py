"""What every coalition of a community could save together: the game behind fair splits.

A coalition S trades among its members, and everybody outside it with the retailer alone. With c(S) the least cost of the
whole community then, what S gains is what all save by it::

    v(S) = c(nobody) - c(S)

since nobody outside S does anything else than without peers. Networks are those of everybody: lines, fees and the nodes
at which members' vehicles are guests stay. v(N) is what the community's optimum saves; a member whose PV or vehicles are
on meters of their own may gain something by itself. All c(S) are of one linear program in which the purchases and sales
of those outside S have no room (`solver.resolves`): in Gray's order each coalition differs from the last by one member.
"""

from collections.abc import Callable

import numpy as np
import xarray as xr

from ..clearing import community_block
from ..labels import Array, positions
from ..lp.matrix import Program, compile_block
from ..solver.resolves import Resolves
from ..topology.meters import Meters

EXACT = 12
"""Members up to which all coalitions are solved: 4,096."""
GAP, SAMPLED_GAP = 1e-7, 1e-4
"""Relative gap of programs with binaries, whose differences are what a coalition gains; of more members than `EXACT`,
whose orders are sampled, that of clearings."""


class Coalitions:
    """The coalitions of a community's participants; ``resolves`` counts what was solved, up to ``exact`` solves all.

    Parameters
    ----------
    inputs : xr.Dataset
        Completed inputs.
    minimum_charge : bool
        Whether vehicles obey ``vehicle_min_charge``.
    """

    exact = EXACT

    def __init__(self, inputs: xr.Dataset, *, minimum_charge: bool = True):
        block = community_block(inputs, minimum_charge=minimum_charge, pool=False)
        program = compile_block(block)
        self.members = inputs.sizes["participant"]
        self.resolves = Resolves(program, GAP if self.members <= EXACT else SAMPLED_GAP)
        self._trader = _traders(program, block.component("network"), _owners(inputs, block.meters))
        self._upper = program.upper
        self._alone = self._cost(np.zeros(self.members, dtype=bool))

    def gain(self, inside: Array) -> float:
        """Return what a coalition (participant,) bool gains [currency]."""
        return self._alone - self._cost(inside)

    def gains(self, progress: Callable[[int, int], None] = lambda done, of: None) -> Array:
        """Return what all coalitions gain (2^participant,) [currency], by their bits; see `games`."""
        values = np.zeros(2**self.members)
        for k in range(1, len(values)):
            coalition = k ^ k >> 1
            values[coalition] = self.gain((coalition >> np.arange(self.members)) & 1 == 1)
            progress(k + 1, len(values))
        return values

    def _cost(self, inside: Array) -> float:
        """Return the least cost [currency] of all where only a coalition (participant,) bool trades."""
        shut = (self._trader >= 0) & ~inside[self._trader]
        return self.resolves.cost(np.where(shut, 0.0, self._upper))


def _traders(program: Program, network: object, owners: Array) -> Array:
    """Return whose purchase or sale each column of a program is (column,), -1 where it is neither."""
    parts = []
    for family in program.variables:
        trades = family.parent_block() is network and family.local_name in ("purchase", "sale")
        own = owners[family.position // family.shape[-1]] if trades else np.full(len(family.position), -1)
        parts.append(own)
    return np.concatenate([*parts, np.full(len(program.cost) - sum(map(len, parts)), -1)])


def _owners(inputs: xr.Dataset, meters: Meters) -> Array:
    """Return whose each meter is (meter,), where nobody is in a pool."""
    owners = np.full(len(meters.label), -1)
    for at in (meters.draws_at, meters.gives_at, meters.pv_at):
        owners[at] = np.arange(inputs.sizes["participant"])
    guests = np.flatnonzero(meters.guest >= 0)
    owners[meters.guest[guests]] = positions(inputs, "vehicle_owner", "participant")[guests]
    return owners
