# %% [markdown]
# # Plan a battery
# The plan of the scenario's two days in Python, and what one more kWh is worth.

# %%
import tempfile
from pathlib import Path

import xarray as xr
from click.testing import CliRunner

import otonari
from otonari.cli import main

HERE = Path(globals().get("__file__", "lesson.py")).resolve().parent
folder = Path(tempfile.mkdtemp())


def planned(name, *options):
    said = CliRunner().invoke(main, ["plan", str(HERE), *options, "-o", str(folder / f"{name}.nc")])
    assert said.exit_code == 0, said.output
    return xr.open_dataset(folder / f"{name}.nc")


# %%
plan = planned("together")
plan[["size", "price", "worthwhile_price"]].to_dataframe()

# %% [markdown]
# What is built to an interior size is worth its price: neither more nor less would pay.

# %%
battery = plan.sel(candidate=[str(c) for c in plan["candidate"].values if str(c).startswith("battery")])
inner = (battery["size"] > 0.01) & (battery["size"] < 9.99)
assert bool(inner.any())

# %% [markdown]
# Dearer batteries, smaller ones.

# %%
sizes = {}
for price in (300, 450, 900):
    one = planned(f"at-{price}", "--set", f"investment.candidates.battery.cost_per_kwh={price}")
    here = [str(c).startswith("battery") for c in one["candidate"].values]
    sizes[price] = float(one["size"].values[here].sum())
assert sizes[300] >= sizes[450] >= sizes[900]
sizes

# %% [markdown]
# **Exercise.** A day as it is, before anything is built.

# %%
otonari.plot.dispatch(otonari.clear(otonari.build_inputs(otonari.load_scenario(HERE))))
