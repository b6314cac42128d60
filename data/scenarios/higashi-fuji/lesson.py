# %% [markdown]
# # PHEVs and vehicle-to-home
# What nine plug-in hybrids do in a day, with and without discharging to homes.

# %%
from pathlib import Path

import otonari

HERE = Path(globals().get("__file__", "lesson.py")).resolve().parent


def cleared(*changes):
    return otonari.clear(otonari.build_inputs(otonari.load_scenario(HERE, changes)))


tree = cleared()
without = cleared("tables.vehicles.*.discharge_limit_kw=0")

# %%
otonari.plot.storage(tree)
otonari.plot.dispatch(tree, participant="home-05")

# %% [markdown]
# Discharging cannot cost the community anything: a plan without it is a plan with it, too.

# %%
costs = {name: run.attrs["objective"] for name, run in (("V2H", tree), ("no V2H", without))}
assert costs["V2H"] <= costs["no V2H"] + 1e-4 * costs["no V2H"]
costs

# %% [markdown]
# Who gains by it and who loses, in JPY of the day.

# %%
gain = (without["settlement"]["bill"] - tree["settlement"]["bill"]).to_series()
gain.groupby(tree["inputs"]["participant_kind"].to_series()).sum().round(1)

# %% [markdown]
# **Exercise.** How far does each car drive on petrol? A trip that the battery cannot hold takes it.

# %%
fuel = tree["inputs"]["trip_distance"] - tree["results"]["trip_electric_distance"]
by_car = fuel.groupby(tree["inputs"]["trip_vehicle"]).sum().to_series()
by_car[by_car > 1e-6]
