"""Marginal loss factors: by how much losses of the network grow with a kW drawn, from a base flow.

With currents I = conj(S / u) at undisturbed voltages u, losses are the sum over edges of Re(I* Z I). A kW more
on phase g at node n adds, over the edges of its path, 2 Re(conj(u[g]) (Z I)[g]): just what these take off the
squared voltage (`linear_flow`). So the factor is the relative drop of the squared voltage v2 from that of the
source, v0::

    factor[n,g,t] = (v0[t] - v2[n,g,t]) / v0[t]

below zero where so much is given nearby that a kW drawn relieves the wires. The base flow is the plan without peers.
Cost and prices have the losses in linear form, price * factor * (d - d0), d0 what was drawn in the base flow.
"""

import numpy as np
import xarray as xr

from ..labels import Array
from .linear_flow import linear_flow
from .loads import taken

PRICED = "lost_energy_price"
"""The input with which losses are who causes them's to pay."""


def loss_prices(inputs: xr.Dataset, base: xr.Dataset) -> Array:
    """Return what one more kWh that a participant draws costs in losses (participant, time) [currency/kWh]."""
    flow = linear_flow(inputs)
    squared = flow.squared_voltage(taken(inputs, base)[0], flow.reactive)
    factor = np.einsum("pf,pft->pt", flow.share, 1.0 - squared[flow.node] / flow.source)
    return np.asarray(inputs[PRICED].values * factor)
