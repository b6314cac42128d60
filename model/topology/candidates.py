"""What could be built: the candidates whose size is to be decided, and the inputs once it is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

from ...data.inputs.contract import optional
from ...data.inputs.variables import LEAST
from ..labels import Array, places, positions

RATINGS = ("capacity", "charge_limit", "discharge_limit")
LEVELS = ("min_energy", "initial_energy", "final_energy")
"""What of a battery is proportional to its size: ratings, of which a watt is the least, and energies."""
RAISED = {
    "charger": ("vehicle", "vehicle_charge_limit"),
    "v2h": ("vehicle", "vehicle_discharge_limit"),
    "line": ("node", "node_limit"),
}
"""Of what candidates of a kind raise which limit."""
NOISE = 1e-6
"""Size [kW, kWh] that is none: what the solver's tolerance leaves."""


@dataclass(frozen=True)
class Candidates:
    """The C candidates of a community.

    ``open`` (C,) says whose size is to be decided; ``owner`` (C,) is the position of the participant, ``battery``
    (C,) that of its battery or -1; ``raises`` (C,) by variable that of the vehicle or node whose limit it raises, or
    -1; ``output`` (C, T) PV [kW/kW], 0 of batteries; ``most`` (C,) the greatest size [kW, kWh]; ``cost`` (C,) the cost
    per size over the horizon, ``fixed`` (C,) that of building at all, ``unit`` (C,) the size that is built whole, 0
    for any; ``size`` (C,) what is built, NaN where it is open.
    """

    open: Array
    owner: Array
    battery: Array
    raises: dict[str, Array]
    output: Array
    most: Array
    cost: Array
    fixed: Array
    unit: Array
    size: Array

    def paid(self) -> Array:
        """Return what is paid over the horizon (C,) for what is built, 0 where it is open."""
        size = np.nan_to_num(self.size)
        return np.asarray(self.cost * size + self.fixed * (size > 0))

    def most_output(self) -> Array:
        """Return what the PV that is to be decided gives at its greatest size (C, T) [kW]."""
        return np.where(self.open[:, None], self.most[:, None] * self.output, 0.0)


def candidates(inputs: xr.Dataset) -> Candidates | None:
    """Return the candidates of the inputs; None where there are none."""
    if "candidate" not in inputs.sizes:
        return None
    size = optional(inputs, "candidate_size")
    pv = (inputs["candidate_kind"].values == "pv")[:, None]
    return Candidates(
        open=np.isnan(size),
        owner=positions(inputs, "candidate_owner", "participant"),
        battery=positions(inputs, "candidate_battery", "battery"),
        raises={name: _raised(inputs, kind, dim) for kind, (dim, name) in RAISED.items()},
        output=np.where(pv, optional(inputs, "candidate_output"), 0.0),
        most=inputs["candidate_most"].values,
        cost=inputs["candidate_cost"].values,
        fixed=optional(inputs, "candidate_fixed_cost"),
        unit=optional(inputs, "candidate_unit"),
        size=size,
    )


def _raised(inputs: xr.Dataset, kind: str, dim: str) -> Array:
    """Return which vehicle or node (candidate,) each candidate of a kind is of, -1 for others."""
    place = places(inputs[dim].values, optional(inputs, f"candidate_{dim}"))
    return np.where(inputs["candidate_kind"].values == kind, place, -1)


def to_be_raised(inputs: xr.Dataset, name: str) -> Array:
    """Return of which vehicles or nodes a limit, by its variable, is to be decided, at the shape of the variable."""
    own, some = candidates(inputs), np.zeros(inputs[name].shape, dtype=bool)
    if own is not None:
        place = own.raises[name]
        some[place[own.open & (place >= 0)]] = True
    return some


def to_be_sized(inputs: xr.Dataset, device: str) -> Array:
    """Return which stores (store,) of a device are candidates whose size is to be decided."""
    own, sized = candidates(inputs), np.zeros(inputs.sizes[device], dtype=bool)
    if own is not None and device == "battery":
        sized[own.battery[own.open & (own.battery >= 0)]] = True
    return sized


def built(inputs: xr.Dataset, size: Array) -> xr.Dataset:
    """Return the inputs with the open candidates built at sizes (candidate,) [kW, kWh].

    Limits of vehicles and edges are raised by them; their PV is part of ``pv_available``, their batteries have the
    ratings of the size: proportional to it, but a watt (`data.inputs.variables.LEAST`) where they are less and not
    nothing.
    """
    own = candidates(inputs)
    if own is None:
        return inputs
    size = np.where(own.open, np.where(size > NOISE, size, 0.0), own.size)
    pv = inputs["pv_available"].values.copy()
    np.add.at(pv, own.owner[own.open], (size[:, None] * own.output)[own.open])
    new: dict[str, Array] = {"pv_available": pv}
    mine = own.open & (own.battery >= 0)
    share = np.ones(inputs.sizes["battery"])
    share[own.battery[mine]] = size[mine] / own.most[mine]
    for name in (*RATINGS, *LEVELS):
        values = inputs[f"battery_{name}"].values * share
        small = (share < 1) & (values > 0) & (values < LEAST) & (name in RATINGS)
        new[f"battery_{name}"] = np.where(small, LEAST, values)
    for name, place in own.raises.items():
        raised = own.open & (place >= 0)
        limit = inputs[name].values.copy()
        limit[place[raised]] -= (own.most - size)[raised]
        new[name] = np.where((limit < LEAST) & (limit > NOISE), LEAST, np.where(limit > NOISE, limit, 0.0))
    sized = {"candidate_size": (("candidate",), size)}
    return inputs.assign({n: inputs[n].copy(data=v) for n, v in new.items()}).assign(sized)
