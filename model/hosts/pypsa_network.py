"""A community as a PyPSA network: meters and nodes are buses, the fee tree is links with fees."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import xarray as xr

from ...data.inputs.contract import InputError, Problem
from ...data.inputs.validation import require
from ..topology.meters import meters as meters_of
from .connections import add_meters
from .expressible import require_expressible
from .families import Families
from .heat_pumps import add_heat_pumps
from .loads import add_loads
from .peers import add_peers, add_retailer
from .stores import add_stores

if TYPE_CHECKING:
    from pypsa import Network

MARKETS = ("p2p", "grid-only")


def to_pypsa(inputs: xr.Dataset, market: str = "p2p") -> Network:
    """Return a community as a PyPSA network whose least cost is that of the clearing.

    ``network.optimize()`` states and solves it. Powers stand in kW and energies in kWh where PyPSA says MW and MWh, so
    that prices are per kWh; snapshots are the slots, weighed by their hours. Buses are ``meter LABEL`` (participants,
    vehicles plugged in away from home), ``node LABEL`` of the fee tree, ``battery LABEL``, ``vehicle LABEL``, ``heat
    LABEL`` of heat pumps, ``load LABEL`` of flexible loads, and ``retailer``, where a generator of the same name gives
    and takes any power: a larger network takes its place. Links carry what is imported, exported, bought and sold, at
    prices and fees; heat pumps are links with a COP over time. The price of a node is the marginal price of its bus.
    Where a meter or a store must choose one of two directions, where a vehicle charges or a load runs with a minimum
    power, and where a load runs in a fixed shape, links have a status (unit commitment): the program is then a MILP.

    Parameters
    ----------
    inputs : xr.Dataset
        Completed inputs that obey the variable table.
    market : {"p2p", "grid-only"}
        With trade among peers or without.

    Raises
    ------
    InputError
        With every problem of the inputs, everything that PyPSA cannot hold, by name, or the extra that is missing.
    ValueError
        For another market.
    """
    if market not in MARKETS:
        raise ValueError(f"market: got {market!r}, want one of {', '.join(MARKETS)}")
    if find_spec("pypsa") is None:
        want = "the extra hosts: pip install 'otonari[hosts]'"
        raise InputError([Problem("pypsa", "", "package", "none installed", want)])
    require(inputs)
    require_expressible(inputs)
    import pypsa

    snapshots: Any = inputs["time"].to_index().rename("snapshot")  # PyPSA's types know sequences alone
    network = pypsa.Network()
    network.set_snapshots(snapshots)
    for weighting in network.snapshot_weightings.columns:
        network.snapshot_weightings[weighting] = inputs["slot_hours"].values
    state(network.add, inputs, market)
    return network


def state(add: Callable[..., Any], inputs: xr.Dataset, market: str) -> None:
    """State a community by components of PyPSA: each family is handed to ``add``, as ``Network.add`` takes it."""
    meters = meters_of(inputs, peers=market == "p2p", pool=False)
    families = Families(add)
    buses = add_meters(families, inputs, meters)
    add_retailer(families, meters, buses)
    if market == "p2p":
        add_peers(families, inputs, meters, buses)
    add_stores(families, inputs, meters, buses)
    add_heat_pumps(families, inputs, meters, buses)
    add_loads(families, inputs, meters, buses)
    add("Carrier", sorted(families.carriers))
