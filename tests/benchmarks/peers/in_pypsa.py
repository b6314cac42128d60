"""The case in PyPSA.

Own generation only: each home has a bus of what it generates and one of what it consumes, and a link from the
first to the second; exports and sales leave the first, imports and purchases enter the second.
"""

import logging

import numpy as np
import pandas as pd
import pypsa

from .case import Case


def build(case: Case) -> pypsa.Network:
    """Return the network; PyPSA makes its linear program when it solves."""
    homes, slots = case.demand.shape
    network = pypsa.Network()
    network.set_snapshots(range(slots))
    network.snapshot_weightings = network.snapshot_weightings.astype(float) * case.hours
    made, used = ([f"{kind}{h}" for h in range(homes)] for kind in ("made", "used"))
    tree = [f"node{n}" for n in range(len(case.parent))]
    inside = [f"store{s}" for s in range(len(case.owner))]
    network.add("Bus", ["grid", *made, *used, *tree, *inside])
    given, drawn = case.most_given, case.most_drawn

    def series(names: list[str], values: np.ndarray) -> pd.DataFrame:
        return pd.DataFrame(values.T, index=network.snapshots, columns=names)

    def link(
        kind: str, start: object, end: object, power: np.ndarray, cost: object = 0.0, **more: object
    ) -> None:
        names = [f"{kind} {k}" for k in range(len(power))]
        timed = {
            k: series(names, v) if np.ndim(v) == 2 else v for k, v in {"marginal_cost": cost, **more}.items()
        }
        network.add("Link", names, bus0=start, bus1=end, p_nom=power, **timed)

    network.add("Load", used, bus=used, p_set=series(used, case.demand))
    sunny = [f"pv {h}" for h in range(homes)]
    # what is made must go somewhere, as in the other formulations: PV has a fixed output
    network.add("Load", sunny, bus=made, p_set=series(sunny, -case.pv))
    network.add("Store", "retailer", bus="grid", e_nom=1e9, e_initial=5e8)
    link("self", made, used, np.maximum(given, 1e-3))
    link("import", "grid", used, drawn, case.retail)
    link("export", made, "grid", given, -case.feed_in)
    at, access = [tree[n] for n in case.node], case.access[case.node]
    link("purchase", at, used, drawn, access)
    link("sale", made, at, given, access)
    below = np.flatnonzero(case.parent >= 0)
    child, above, whole = (
        [tree[n] for n in below],
        [tree[n] for n in case.parent[below]],
        np.full(len(below), given.sum()),
    )
    link("up", child, above, whole, case.fee[below])
    link("down", above, child, whole, case.fee[below])
    _stores(network, case, made, used, inside, link, series)
    return network


def _stores(network, case, made, used, inside, link, series) -> None:
    """Add batteries and cars: a store, its two links, what trips take, and petrol that spares it."""
    plugged = case.plugged.astype(float)
    link(
        "charge",
        [used[h] for h in case.owner],
        inside,
        case.charge,
        efficiency=case.charge_efficiency,
        p_max_pu=plugged,
    )
    link(
        "discharge",
        inside,
        [made[h] for h in case.owner],
        case.discharge / case.discharge_efficiency,
        case.wear * case.discharge_efficiency,
        efficiency=case.discharge_efficiency,
        p_max_pu=plugged,
    )
    least = np.repeat((case.least / case.capacity)[:, None], len(network.snapshots), axis=1)
    least[:, -1] = case.final / case.capacity
    network.add(
        "Store",
        inside,
        bus=inside,
        e_nom=case.capacity,
        e_min_pu=series(inside, least),
        e_initial=case.initial,
    )
    cars = np.flatnonzero(case.trip.any(axis=1))
    power, names = case.trip[cars] / case.hours, [inside[s] for s in cars]
    most = power.max(axis=1)
    network.add("Load", [f"trip {n}" for n in names], bus=names, p_set=power.T)
    petrol = [f"petrol {n}" for n in names]
    network.add(
        "Generator",
        petrol,
        bus=names,
        p_nom=most,
        p_max_pu=series(petrol, power / most[:, None]),
        marginal_cost=case.fuel[cars],
    )


def solve(network: pypsa.Network, case: Case) -> float:
    """Solve by HiGHS on one thread and return the cost."""
    logging.disable(logging.WARNING)
    options = {"output_flag": False, "threads": 1}
    status, _ = network.optimize(solver_name="highs", solver_options=options, io_api="direct", progress=False)
    assert status == "ok"
    return float(network.objective)
