"""A device: a Pyomo Block with families of variables and rows over named sets, and its sockets.

A device offers these sockets over (meter, time): ``draw``, kW at the meter (+ takes, - gives); ``charged`` and
``discharged``, the kW of it that stores take and give, at the most ``charge_limit`` and ``discharge_limit``, and
``inward``, the kW given that may not leave the meter. And ``cost``, the currency that it spends over the horizon.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from pyomo.core.base.block import ScalarBlock
from pyomo.core.base.set import Set

from ...data.inputs.devices import present
from ..grid.loads import PHASES
from ..grid.network_limits import stated
from ..labels import Array
from ..lp.components import ArrayVar, Copy
from ..lp.expressions import Linear, Relation
from ..lp.one_way import OneWay
from ..lp.rows import ArrayConstraint, ArrayCost, ArrayExpression
from ..topology.meters import Meters
from ..topology.subtrees import Subtrees, VirtualNodes


def loosened(bound: Array) -> Array:
    """Return an upper bound looser than the one that the rows imply: it helps the solver and never carries a dual."""
    return 1.1 * bound + 1.0


class Sets(ScalarBlock):
    """The Pyomo sets of a community, one per dim and named like it; their order is that of the inputs."""

    def __init__(self, inputs: xr.Dataset, meters: Meters):
        super().__init__(concrete=True)
        times = np.datetime_as_string(inputs["time"].values, unit="m").tolist()
        labels = {d: inputs[d].values.tolist() for d in (*present(inputs), "trip", "node")}
        if "peak" in inputs.sizes:
            labels["tariff"] = inputs["tariff"].values.tolist()
        if "tier" in inputs.sizes:
            labels["participant"] = inputs["participant"].values.tolist()
        labels |= {d: inputs[d].values.tolist() for d in ("month", "day", "candidate") if d in inputs.sizes}
        if stated(inputs):
            labels["phase"] = list(PHASES)
        labels |= {"meter": meters.label.tolist(), "time": times, "node_to": labels["node"]}
        self.axes = {dim: Set(initialize=entries, ordered=True, dimen=1) for dim, entries in labels.items()}
        for dim, axis in self.axes.items():
            self.add_component(dim, axis)


class Families(ScalarBlock):
    """A Pyomo Block of array-backed components; ``dims`` names the sets of its families, ``axes`` are all by name."""

    def __init__(self, dims: tuple[str, ...], axes: dict[str, Set]):
        super().__init__(concrete=True)
        self.dims, self.axes = dims, axes
        self.one_ways: list[OneWay] = []

    def var(
        self,
        name: str,
        unit: str,
        doc: str,
        *,
        lower: Any = 0.0,
        upper: Any = np.inf,
        where: Any = True,
        dims: tuple[str, ...] = (),
        binary: bool = False,
        result: str | None = "",
        pricing_stage: Any = 0,
        virtual_node: Any = 0,
        basic: Any = False,
        in_use: Any = False,
        shared: bool = False,
        copied: Copy | None = None,
    ) -> Linear:
        """Add a family of variables and return it as expressions.

        ``where`` says which entries exist (the others are zero); ``result`` is the name in the results, by
        default ``<block>_<name>``; None leaves it out. ``pricing_stage`` is the stage of a bottom-up solve from which
        an entry is priced in (`fee_tree.stages`), 0 from the start; ``virtual_node`` is the number of
        the one that an entry is at (`topology.subtrees`); ``basic`` says which entries the initial basis
        holds, one for every ``balanced`` row, and ``in_use`` which others start at their upper bound. ``copied`` is what
        auxiliary variables stand for that only rows which tighten a direction know (:meth:`row`).
        """
        dims = dims or self.dims
        family = ArrayVar(tuple(self.axes[d] for d in dims), lower, upper, where, binary, unit, doc)
        family.dims, family.result = dims, result
        marks = {
            "pricing_stage": pricing_stage,
            "virtual_node": virtual_node,
            "basic": basic,
            "in_use": in_use,
        }
        for mark, entries in marks.items():
            if np.ndim(entries) or entries:
                setattr(family, mark, family.entries_of(entries))
        family.shared, family.copied = shared, copied
        self.add_component(name, family)
        return family.linear()

    def row(
        self,
        name: str,
        relation: Relation,
        doc: str,
        *,
        where: Any = True,
        dims: tuple[str, ...] = (),
        lack: str = "",
        priced: bool = False,
        rent: bool = False,
        balanced: bool = False,
        virtual: VirtualNodes | None = None,
        tightened: ArrayVar | None = None,
    ) -> None:
        """Add a family of rows; ``doc`` is its formula.

        ``lack`` names, for people, what is short where the row cannot be met; such a row can be the cause
        of an infeasible model. The duals of ``priced`` rows are prices, those of ``rent`` rows what a full edge adds to
        them: both are ``published`` (row,), by the declared rule, unless nobody asks for prices there. ``balanced``
        rows have one ``basic`` entry each; ``virtual`` nodes have a part each of their node's row. Rows that hold by
        themselves wherever the binaries ``tightened``, over the same sets, are as their powers flow, may be left out.
        """
        dims = dims or self.dims
        family = ArrayConstraint(tuple(self.axes[d] for d in dims), relation, where, doc)
        family.dims, family.lack, family.balanced = dims, lack, balanced
        family.priced, family.rent, family.virtual = priced, rent, virtual
        family.published = np.full(len(family.position), priced or rent)
        family.tightened = tightened
        self.add_component(name, family)

    def one_way(
        self,
        switch: str,
        doc: str,
        sides: dict[str, Linear],
        limits: tuple[Array, Array],
        where: Array,
        *,
        formulas: tuple[str, str],
        held: Any = False,
        in_use: Any = False,
        implied: bool = False,
    ) -> Linear | None:
        """Let of two powers over the dims of the block one be zero in every slot: forward or backward.

        forward <= limit * switch,  backward <= limit * (1 - switch)

        The binaries ``switch`` and these rows, ``<side>_at_most``, exist only ``where`` a direction is decided; returned
        are the binaries, if there are any. ``sides`` are both powers by name, ``limits`` the most that they can be [kW],
        ``held`` where the binaries mean something else as well, ``in_use`` as for :meth:`var`. Limits that other rows
        imply, where one side is zero, are ``implied``: the rows may then be left out as in :meth:`row`.
        """
        shape = where.shape
        (forward, given), (backward, taken) = sides.items()
        most = np.broadcast_to(limits[0], shape), np.broadcast_to(limits[1], shape)
        decided = None
        if where.any():
            decided = self.var(
                switch, "1", doc, upper=1.0, where=where, binary=True, result=None, in_use=in_use
            )
        family = None if decided is None else decided.terms[0].variable
        self.one_ways.append(OneWay(given, taken, *most, (most[0] > 0) & (most[1] > 0), family, held))
        if decided is not None:
            forward_only, backward_only = given <= most[0] * decided, taken <= most[1] * (1.0 - decided)
            own: ArrayVar | None = family if implied else None
            self.row(
                f"{forward}_at_most", forward_only, formulas[0], where=where & (most[0] > 0), tightened=own
            )
            self.row(
                f"{backward}_at_most", backward_only, formulas[1], where=where & (most[1] > 0), tightened=own
            )
        return decided

    def expression(self, name: str, linear: Linear, doc: str, *, dims: tuple[str, ...] = ()) -> None:
        """Add a named array of expressions that a host model may use."""
        family = ArrayExpression(tuple(self.axes[d] for d in dims or self.dims), linear, doc)
        self.add_component(name, family)


class Device(Families):
    """One device (or market): its families, and the sockets of the module."""

    def __init__(self, dims: tuple[str, ...], inputs: xr.Dataset, meters: Meters, sets: Sets):
        super().__init__(dims, sets.axes)
        self.meters = meters
        zero = Linear((len(meters.label), inputs.sizes["time"]))
        self.draw, self.charged, self.discharged = zero, zero, zero
        self.charge_limit, self.discharge_limit = zero.constant, zero.constant
        self.inward = zero
        self.spent = Linear(())
        self.cost = ArrayCost(doc="cost of the block over the horizon, in currency")


def peer_trade(block: Device, meters: Meters, cut: Subtrees | None = None) -> tuple[Linear, Linear]:
    """Add the purchases and sales of each meter (meter, time) [kW], and its sockets; ``cut`` says how trade is cut."""
    present = meters.node >= 0
    stages: dict[str, Any] = {}
    if cut is not None:
        stages = {"pricing_stage": cut.trade, "virtual_node": cut.virtual}
    purchase = block.var(
        "purchase",
        "kW",
        "bought from peers",
        upper=loosened(meters.draw_capacity),
        where=present & (meters.draw_capacity > 0),
        result="peer_purchase",
        **stages,
    )
    sale = block.var(
        "sale",
        "kW",
        "sold to peers",
        upper=loosened(meters.give_capacity),
        where=present & (meters.give_capacity > 0),
        result="peer_sale",
        **stages,
    )
    block.draw = sale - purchase
    block.taken, block.given = purchase, sale
    return purchase, sale
