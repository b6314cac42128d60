# %% [markdown]
# # The community in a Pyomo study
# A village, a plant next door at 0.12 EUR/kWh, and a line to the market that carries 6 kW at 0.25 EUR/kWh.

# %%
from pathlib import Path

import pyomo.environ as pyo

import otonari

HERE = Path(globals().get("__file__", "lesson.py")).resolve().parent
inputs = otonari.build_inputs(otonari.load_scenario(HERE))

# %%
model = pyo.ConcreteModel()
model.village = otonari.community_block(inputs, own_tariff=False)
time = model.village.sets.time
model.plant = pyo.Var(time, bounds=(0, 2))
model.market = pyo.Var(time, bounds=(0, 6))
model.given = pyo.Var(time, bounds=(0, 6))  # what the village gives, for nothing
model.bus = pyo.Constraint(
    time, rule=lambda m, t: m.plant[t] + m.market[t] - m.given[t] == m.village.net_exchange[t]
)
model.cost = pyo.Objective(
    expr=model.village.cost + sum(0.12 * model.plant[t] + 0.25 * model.market[t] for t in time)
)
model.dual = pyo.Suffix(direction=pyo.Suffix.IMPORT)

# %% [markdown]
# `otonari.solve` solves the whole model, with a proof; any solver of Pyomo does, too.

# %%
solution = otonari.solve(model)
assert solution.proof["duality_gap"] < 1e-6
pyo.value(model.cost)

# %% [markdown]
# What one more kW from the bus is worth, slot by slot: the dual of its row. The plant is full where it is above 0.12.

# %%
worth = {t: abs(model.dual[model.bus[t]]) for t in time}
full = [t for t in time if model.plant[t].value > 2 - 1e-6]
assert all(worth[t] >= 0.12 - 1e-9 for t in full)
worth

# %% [markdown]
# `otonari.settle_block` settles a block that carries its own tariff, with rows of the host: here the line alone.

# %%
study = pyo.ConcreteModel()
study.village = otonari.community_block(inputs)
study.line = pyo.Constraint(study.village.sets.time, rule=lambda m, t: m.village.net_exchange[t] >= -2)
study.cost = pyo.Objective(expr=study.village.cost)
study.dual = pyo.Suffix(direction=pyo.Suffix.IMPORT)
otonari.solve(study)
tree = otonari.settle_block(study.village)
print(tree.attrs["notes"])
otonari.plot.dispatch(tree)
