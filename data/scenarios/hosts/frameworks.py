# %% [markdown]
# # The same community in PyPSA and in oemof-solph
# Needs `pip install 'otonari[hosts]'`.

# %%
import logging
from pathlib import Path

import pandas as pd
import pyomo.environ as pyo
from oemof import solph

import otonari

HERE = Path(globals().get("__file__", "frameworks.py")).resolve().parent
logging.disable(logging.WARNING)
inputs = otonari.build_inputs(otonari.load_scenario(HERE))
tree = otonari.clear(inputs)

# %% [markdown]
# ## PyPSA: the community by its own components
# kW and kWh stand where PyPSA says MW and MWh, so that prices are per kWh.

# %%
network = otonari.to_pypsa(inputs)
network.optimize(solver_name="highs", solver_options={"output_flag": False}, progress=False)
assert abs(network.objective - tree.attrs["objective"]) < 1e-6
network.objective, tree.attrs["objective"]

# %% [markdown]
# The price of a node is the marginal price of its bus, where the optimum has just one.

# %%
pd.DataFrame(
    {
        "PyPSA": network.buses_t.marginal_price["node upper"].to_numpy(),
        "otonari": tree["results"]["price"].sel(node="upper").values,
    }
).round(3)

# %% [markdown]
# ## oemof-solph: the block in an energy system
# A plant at 0.12 and a market at 0.25 EUR/kWh on a bus; the village meets it by a sink and a source.

# %%
index = pd.date_range("2025-06-11", periods=25, freq="h")
system = solph.EnergySystem(timeindex=index, infer_last_interval=False)
bus = solph.Bus(label="bus")
plant = solph.components.Source("plant", outputs={bus: solph.Flow(nominal_capacity=2, variable_costs=0.12)})
market = solph.components.Source("market", outputs={bus: solph.Flow(nominal_capacity=6, variable_costs=0.25)})
takes = solph.components.Sink("village takes", inputs={bus: solph.Flow()})
gives = solph.components.Source("village gives", outputs={bus: solph.Flow()})
spare = solph.components.Sink("given away", inputs={bus: solph.Flow(nominal_capacity=6)})
system.add(bus, plant, market, takes, gives, spare)
model = solph.Model(system)
model.village = otonari.community_block(inputs, own_tariff=False)
slot = dict(zip(model.TIMESTEPS, model.village.sets.time, strict=True))
model.meets = pyo.Constraint(
    model.TIMESTEPS,
    rule=lambda m, t: m.flow[bus, takes, t] - m.flow[gives, bus, t] == m.village.net_exchange[slot[t]],
)
model.objective.expr += model.village.cost
pyo.assert_optimal_termination(pyo.SolverFactory("highs").solve(model))
cost = pyo.value(model.objective)

# %% [markdown]
# `otonari.solve` solves an oemof model too, to the same cost, with its proof.

# %%
proof = otonari.solve(model).proof
assert abs(pyo.value(model.objective) - cost) < 1e-6
assert proof["duality_gap"] < 1e-6

# %% [markdown]
# oemof reads results of what it knows: take the block out first.

# %%
village = model.village
model.del_component(village)
flows = solph.processing.results(model)
{start.label: float(data["sequences"]["flow"].sum()) for (start, end), data in flows.items() if end is bus}

# %% [markdown]
# ## The same in Pyomo alone

# %%
study = pyo.ConcreteModel()
study.village = otonari.community_block(inputs, own_tariff=False)
time = study.village.sets.time
study.plant, study.market = pyo.Var(time, bounds=(0, 2)), pyo.Var(time, bounds=(0, 6))
study.spare = pyo.Var(time, bounds=(0, 6))
study.bus = pyo.Constraint(
    time, rule=lambda m, t: m.plant[t] + m.market[t] - m.spare[t] == m.village.net_exchange[t]
)
study.cost = pyo.Objective(
    expr=study.village.cost + sum(0.12 * study.plant[t] + 0.25 * study.market[t] for t in time)
)
otonari.solve(study)
assert abs(pyo.value(study.cost) - cost) < 1e-6
cost
