"""The case in oemof-solph: own generation only, by two buses a home as in PyPSA's."""

import numpy as np
import pandas as pd
import pyomo.environ as pyomo
from oemof import solph
from oemof.solph import components

from .case import Case


def build(case: Case) -> solph.Model:
    """Return the Pyomo model that oemof makes of its energy system."""
    homes, slots = case.demand.shape
    index = pd.date_range("2020-01-01", periods=slots + 1, freq=pd.Timedelta(hours=case.hours))
    system = solph.EnergySystem(timeindex=index, infer_last_interval=False)
    made, used = ([solph.Bus(label=f"{kind}{h}") for h in range(homes)] for kind in ("made", "used"))
    tree = [solph.Bus(label=f"node{n}") for n in range(len(case.parent))]
    grid = solph.Bus(label="grid")
    system.add(grid, *made, *used, *tree)
    # the retailer gives and takes at prices that stand at the homes
    system.add(components.Source("retailer", outputs={grid: solph.Flow()}))
    system.add(components.Sink("feed-in", inputs={grid: solph.Flow()}))
    given, drawn, access = case.most_given, case.most_drawn, case.access[case.node]
    for h in range(homes):
        at = tree[case.node[h]]
        demand = solph.Flow(fix=case.demand[h], nominal_capacity=1)
        sun = solph.Flow(fix=case.pv[h], nominal_capacity=1)
        system.add(components.Sink(f"demand{h}", inputs={used[h]: demand}))
        system.add(components.Source(f"pv{h}", outputs={made[h]: sun}))
        system.add(
            _road(f"self{h}", made[h], used[h], max(given[h], 1e-3)),
            _road(f"import{h}", grid, used[h], drawn[h], case.retail[h]),
            _road(f"purchase{h}", at, used[h], drawn[h], access[h]),
        )
        if given[h]:
            system.add(
                _road(f"export{h}", made[h], grid, given[h], -case.feed_in[h]),
                _road(f"sale{h}", made[h], at, given[h], access[h]),
            )
    for n in np.flatnonzero(case.parent >= 0):
        above, whole, fee = tree[case.parent[n]], given.sum(), case.fee[n]
        system.add(_road(f"up{n}", tree[n], above, whole, fee), _road(f"down{n}", above, tree[n], whole, fee))
    for s, owner in enumerate(case.owner):
        _store(system, case, s, used[owner], made[owner])
    return solph.Model(system)


def _road(
    label: str, start: solph.Bus, end: solph.Bus, power: float, cost: object = 0.0
) -> components.Converter:
    """Return what carries energy from one bus to another at a price."""
    flow = solph.Flow(nominal_capacity=power, variable_costs=cost)
    return components.Converter(label, inputs={start: flow}, outputs={end: solph.Flow()})


def _store(system: solph.EnergySystem, case: Case, s: int, used: solph.Bus, made: solph.Bus) -> None:
    """Add a battery or a car: the store, what its trips take from it, and petrol that spares it."""
    inside, plugged = solph.Bus(label=f"inside{s}"), case.plugged[s].astype(float)
    # the energies at the starts of all slots and at the end of the last one
    least = np.full(case.demand.shape[1] + 1, min(case.least[s], case.initial[s]) / case.capacity[s])
    least[1:] = case.least[s] / case.capacity[s]
    least[-1] = case.final[s] / case.capacity[s]
    charge = solph.Flow(nominal_capacity=case.charge[s], max=plugged)
    discharge = solph.Flow(nominal_capacity=case.discharge[s], max=plugged, variable_costs=case.wear[s])
    system.add(inside)
    system.add(
        components.Converter(
            f"charger{s}",
            inputs={used: charge},
            outputs={inside: solph.Flow()},
            conversion_factors={inside: case.charge_efficiency[s]},
        ),
        components.Converter(
            f"inverter{s}",
            inputs={inside: solph.Flow()},
            outputs={made: discharge},
            conversion_factors={made: case.discharge_efficiency[s]},
        ),
        components.GenericStorage(
            f"store{s}",
            inputs={inside: solph.Flow()},
            outputs={inside: solph.Flow()},
            nominal_capacity=case.capacity[s],
            initial_storage_level=case.initial[s] / case.capacity[s],
            min_storage_level=least,
            balanced=False,
        ),
    )
    if case.trip[s].any():
        power = case.trip[s] / case.hours
        trip = solph.Flow(fix=power, nominal_capacity=1)
        petrol = solph.Flow(max=power, nominal_capacity=1, variable_costs=case.fuel[s])
        system.add(components.Sink(f"trip{s}", inputs={inside: trip}))
        system.add(components.Source(f"petrol{s}", outputs={inside: petrol}))


def solve(model: solph.Model, case: Case) -> float:
    """Solve by HiGHS on one thread and return the cost."""
    solver = pyomo.SolverFactory("highs")
    pyomo.assert_optimal_termination(solver.solve(model, options={"threads": 1}))
    return float(model.objective())
