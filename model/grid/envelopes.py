"""Operating envelopes: what each connection may draw and give in a slot, whatever the others do within theirs.

With draws d (participant,) anywhere in -E <= d <= I, every voltage and every edge of the feeder has to hold. In the
linear power flow the headroom of a limit k is ``h[k](d) = b[k] + R[k] d``; at the worst within the envelopes it is ::

    h[k] = b[k] - sum over p of (max(-R[k,p], 0) I[p] + max(R[k,p], 0) E[p])  >=  0

so that I and E are shares of what limits have (`filling`). Nobody knows what the others do, and a load on one phase
raises the voltage of the next: the worst corner of an undervoltage is not everybody's import. The linear answer is held
against the power flow at the worst corner of every limit (`worst_corners`), and b corrected by what the linear flow
does not see, until all of them hold. Limits over time of nodes (`node_limits`) are shared in the same way, by all who
draw, and all who give, below them. (The ideal envelopes of Team-Nando/OE1-Ideal, from the University of Melbourne's
project "Assessing the benefits of using operating envelopes", ask the same of one corner: everybody at once.)
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import xarray as xr

from ...data.inputs.contract import optional
from ...data.inputs.devices import present, stores
from ..errors import Cause, Infeasible, NoPowerFlow
from ..labels import Array, positions
from ..topology.connections import SMALL, connections, drawn_by_demand
from .filling import fill
from .limits import Band
from .node_limits import node_limits
from .worst_corners import DOWN, HIGH, LESS, LOW, UP, Corners, Limits, limits

SHARES = ("equal", "connection", "max-min")
"""Equal kW for all, equal parts of their connections, or more than equal kW for those whom no full limit concerns."""
MARGIN = 1e-5
"""Voltage and loading, per unit, that is kept from limits while they are corrected."""
CLOSE = 3e-6
"""Correction of a limit, per unit, that is none."""
MOST_ROUNDS = 12
NEAR = 0.15
"""Headroom, per unit, from which on a limit does not count, however it is corrected."""
WATTS = 1000.0
UNLIMITED = 1e4
"""Power [kW] of a connection from which on it counts as unlimited."""
LACKS = {
    LOW: "per unit of voltage above the least",
    HIGH: "per unit of voltage below the greatest",
    DOWN: "of the rating of its edge for what is drawn",
    UP: "of the rating of its edge for what is given",
}
LACKS_OF_NODE = "kW of its limit on what flows into it", "kW of its limit on what flows out of it"


class Envelopes(NamedTuple):
    """Most that connections draw and give in every slot (P, T) [kW], and the headroom of limits at the worst.

    ``headroom`` (K, T) is that of the power flow at the corners, per unit of the ``limits``; ``corners`` counts them.
    """

    draw: Array
    give: Array
    limits: Limits
    headroom: Array
    corners: int


def envelopes(
    inputs: xr.Dataset, band: Band, *, shares: str = "max-min", demand: bool = True, able: bool = True
) -> Envelopes:
    """Return the operating envelopes of a feeder, in whole watts.

    Parameters
    ----------
    inputs : Dataset
        That describe their network (``node_voltage`` and others of the variable table).
    band : Band
        Of voltage, at every node.
    shares : str
        ``equal``: all connections get the same kW, up to what they could use; ``connection``: the same part of their
        limits, which must be finite; ``max-min``: as ``equal``, and who takes nothing of a limit that is reached gets
        more.
    demand : bool
        Whether each may draw in any case what its demand draws beside its PV: it cannot be shed.
    able : bool
        Whether nobody gets more than its highest demand and its chargers draw, its highest PV and its stores give.

    Raises
    ------
    Infeasible
        Where the feeder does not carry what is drawn in any case: node, slot, by how much.
    NoPowerFlow
        If it carries that at no voltage.
    """
    most, guests = np.minimum(_most(inputs, able), UNLIMITED), _guests(inputs)
    least = np.zeros_like(most)
    if demand:
        drawn = _rounded_up(drawn_by_demand(inputs))
        least[: len(drawn)] = np.minimum(drawn, most[: len(drawn)])
    of_nodes = _of_nodes(inputs, least, guests)
    every = limits(inputs, band)
    near = every.chosen((every.use @ (most + guests) > every.headroom - NEAR).any(axis=1))
    corners = Corners(inputs, band, near, guests)
    try:
        share = _shared(corners, of_nodes, least, most, *_rates(inputs, shares))
        share, measured = _held(inputs, corners, _whole(share, least), least)
    except NoPowerFlow:
        _require(inputs, near, near.headroom - near.use @ (least + guests))
        raise
    draw, give = np.split(np.where(share >= UNLIMITED, np.inf, share), 2)
    return Envelopes(draw, give, near, measured, len(corners))


def _shared(
    corners: Corners, of_nodes: tuple[Array, Array], least: Array, most: Array, rate: Array, group: Array
) -> Array:
    """Return shares (2 P, T) of the limits, corrected until they agree with the power flow at the worst corners."""
    rows, left = of_nodes
    use, guests, headroom = corners.limits.use, corners.guests, corners.limits.headroom
    for _ in range(MOST_ROUNDS):
        has = np.maximum(headroom - use @ guests - MARGIN, use @ least)
        every = np.vstack([use, rows]), np.vstack([has, left])
        share, measured = corners.measured(fill(*every, rate, least, most, group), least)
        change = measured - (headroom - use @ (share + guests))
        if (np.abs(change) < CLOSE).all():
            break
        headroom = headroom + change
    return share


def _of_nodes(inputs: xr.Dataset, least: Array, guests: Array) -> tuple[Array, Array]:
    """Return what connections take (2 N, 2 P) of limits over time of nodes, and what these have (2 N, T) [kW].

    At the worst everybody below a node draws at once, or gives. Raises Infeasible where that is too much in any case.
    """
    own = node_limits(inputs)
    inside = own.above[own.node].toarray().T
    use = np.kron(np.eye(2), inside)
    has = np.vstack([own.into, own.out]) - use @ guests
    lack = use @ least - has
    nodes, times = inputs["node"].values, np.datetime_as_string(inputs["time"].values, unit="m")
    causes = [
        Cause(
            f"node {nodes[k % len(nodes)]}", f"{times[t]}Z", float(lack[k, t]), LACKS_OF_NODE[k // len(nodes)]
        )
        for k, t in np.argwhere(lack > SMALL)
    ]
    if causes:
        raise Infeasible(causes)
    return use, np.maximum(has, use @ least)


def _most(inputs: xr.Dataset, able: bool) -> Array:
    """Return what connections draw, and then give, at the most (2 P, T) [kW]: their limits, or what they are able to."""
    most = np.vstack(connections(inputs))
    if not able:
        return most
    draw, give = (inputs[name].values.max(axis=1) for name in ("demand", "pv_available"))
    outward = {"battery": optional(inputs, "battery_gives") != "home"}
    for name, row in present(inputs).items():
        owner = positions(inputs, row.owner, "participant")
        np.add.at(draw, owner, inputs[row.draw_limit].values)
        if name in stores():
            np.add.at(give, owner, inputs[row.give_limit].values * outward.get(name, 1.0))
    return np.asarray(np.minimum(most, _rounded_up(np.concatenate([draw, give]))[:, None]))


def _guests(inputs: xr.Dataset) -> Array:
    """Return what vehicles plugged in away from home draw, and then give, at their hosts at the most (2 P, T) [kW]."""
    owner, host = (positions(inputs, f"vehicle_{who}", "participant") for who in ("owner", "host"))
    vehicle, slot = np.nonzero((host >= 0) & (host != owner[:, None]))
    total = np.zeros((2, inputs.sizes["participant"], inputs.sizes["time"]))
    for way, name in enumerate(("charge", "discharge")):
        np.add.at(total[way], (host[vehicle, slot], slot), inputs[f"vehicle_{name}_limit"].values[vehicle])
    return np.concatenate(total)


def _rates(inputs: xr.Dataset, shares: str) -> tuple[Array, Array]:
    """Return how fast shares rise (2 P,), and who stops together (2 P,)."""
    people = inputs.sizes["participant"]
    rate, group = np.ones(2 * people), np.repeat([0, 1], people)
    if shares == "connection":
        rate = np.concatenate([inputs[f"{way}_limit"].values for way in ("import", "export")])
        if not np.isfinite(rate).all():
            raise ValueError(
                "shares: got connection, want limits of all connections (import_limit, export_limit)"
            )
        rate = np.maximum(rate, 1 / WATTS)
    elif shares == "max-min":
        group = np.arange(2 * people)
    elif shares != "equal":
        raise ValueError(f"shares: got {shares!r}, want one of {', '.join(SHARES)}")
    return rate, group


def _rounded_up(power: Array) -> Array:
    """Return powers [kW] in whole watts, none less."""
    return np.asarray(np.ceil(power * WATTS - 1e-6) / WATTS)


def _whole(share: Array, least: Array) -> Array:
    """Return shares in whole watts, none less than the least."""
    return np.maximum(np.floor(share * WATTS + 1e-6) / WATTS, least)


def _held(inputs: xr.Dataset, corners: Corners, share: Array, least: Array) -> tuple[Array, Array]:
    """Return shares (2 P, T) less what limits do not hold at a corner, and their headroom (K, T); or raise why not."""
    while True:
        share, measured = corners.measured(share, least)
        broken = (measured < 0).any(axis=0)
        if not broken.any():
            return share, measured
        _require(inputs, corners.limits, np.where((share <= least).all(axis=0), measured, 0.0))
        share = np.where(broken, _whole(least + LESS * (share - least), least), share)


def _require(inputs: xr.Dataset, limits: Limits, headroom: Array) -> None:
    """Raise Infeasible with the limit that lacks the most (K, T) [per unit] in each slot where one lacks anything."""
    slots = np.flatnonzero((headroom < 0).any(axis=0))
    nodes, times = inputs["node"].values, np.datetime_as_string(inputs["time"].values, unit="m")
    causes = [
        Cause(
            f"node {nodes[limits.node[k]]}",
            f"{times[t]}Z",
            float(-headroom[k, t]),
            LACKS[int(limits.family[k])],
        )
        for k, t in zip(headroom[:, slots].argmin(axis=0), slots, strict=True)
    ]
    if causes:
        raise Infeasible(causes)
