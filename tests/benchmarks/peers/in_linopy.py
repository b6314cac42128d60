"""The case in linopy: the same linear program over labelled arrays."""

from typing import Any

import linopy
import numpy as np
import pandas as pd
import xarray as xr

from .case import Case


def build(case: Case) -> linopy.Model:
    """Return the model."""
    model = linopy.Model()
    homes, nodes, stores, slots = (
        pd.RangeIndex(size, name=name)
        for name, size in (
            ("home", len(case.demand)),
            ("node", len(case.parent)),
            ("store", len(case.owner)),
            ("time", case.demand.shape[1]),
        )
    )

    def at(index: pd.Index, values: np.ndarray) -> xr.DataArray:
        return xr.DataArray(values, coords=[index, slots] if values.ndim == 2 else [index])

    def variable(name: str, index: pd.Index, upper: Any, lower: Any = 0.0) -> linopy.Variable:
        shape = (len(index), len(slots))
        lower, upper = (
            at(index, np.broadcast_to(np.asarray(v).reshape(len(index), -1) if np.ndim(v) else v, shape))
            for v in (lower, upper)
        )
        return model.add_variables(lower=lower, upper=upper, coords=[index, slots], name=name)

    drawn, given = case.most_drawn, case.most_given
    imports, purchase = variable("import", homes, drawn), variable("purchase", homes, drawn)
    exports, sale = variable("export", homes, given), variable("sale", homes, given)
    charge = variable("charge", stores, case.charge[:, None] * case.plugged)
    discharge = variable("discharge", stores, case.discharge[:, None] * case.plugged)
    least = np.repeat(case.least[:, None], len(slots), axis=1)
    least[:, -1] = case.final
    energy = variable("energy", stores, case.capacity, lower=least)
    electric = variable("electric", stores, case.trip)
    whole = given.sum() * (case.parent >= 0)
    up, down = variable("up", nodes, whole), variable("down", nodes, whole)

    owner, node = at(stores, case.owner).rename("home"), at(homes, case.node).rename("node")
    net, generation = (
        part.groupby(owner).sum().reindex(home=homes) for part in (charge - discharge, 1.0 * discharge)
    )
    model.add_constraints(
        imports + purchase - exports - sale - net == at(homes, case.demand - case.pv), name="balance"
    )
    model.add_constraints(exports + sale - generation <= at(homes, case.pv), name="own generation")
    start = np.zeros((len(stores), len(slots)))
    start[:, 0] = case.initial
    gain, loss = case.charge_efficiency * case.hours, case.hours / case.discharge_efficiency
    model.add_constraints(
        energy - energy.shift(time=1) - at(stores, gain) * charge + at(stores, loss) * discharge + electric
        == at(stores, start),
        name="energy",
    )
    traded = (sale - purchase).groupby(node).sum().reindex(node=nodes)
    inner = case.parent >= 0
    parent = xr.DataArray(case.parent[inner], coords=[nodes[inner]]).rename("node")
    arrives = (up - down).sel(node=nodes[inner]).groupby(parent.rename("above")).sum().rename(above="node")
    model.add_constraints(traded + arrives.reindex(node=nodes) - up + down == 0, name="node")
    access = at(homes, case.access[case.node])
    cost = (
        (at(homes, case.retail) * imports - at(homes, case.feed_in) * exports).sum()
        + (access * (purchase + sale)).sum()
        + (at(nodes, case.fee) * (up + down)).sum()
        + (at(stores, case.wear) * discharge).sum()
    )
    model.add_objective(case.hours * cost - (at(stores, case.fuel) * electric).sum())
    return model


def solve(model: linopy.Model, case: Case) -> float:
    """Solve by HiGHS on one thread and return the cost."""
    model.solve(solver_name="highs", io_api="direct", output_flag=False, threads=1, progress=False)
    assert model.status == "ok"
    return float(model.objective.value) + float((case.fuel[:, None] * case.trip).sum())
