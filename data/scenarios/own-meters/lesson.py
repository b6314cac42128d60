# %% [markdown]
# # Your own meters
# The files of `README.md` in Python: what was read, held against the file itself.

# %%
from pathlib import Path

import pandas as pd

import otonari

HERE = Path(globals().get("__file__", "lesson.py")).resolve().parent
inputs = otonari.build_inputs(otonari.load_scenario(HERE))
energy = (inputs["demand"] * inputs["slot_hours"]).sum("time").to_series()

# %% [markdown]
# The same day summed by pandas, from the cells as they stand there.

# %%
cells = pd.read_csv(HERE / "readings.csv", sep=";", decimal=",", skiprows=[0, 2])
day = cells[cells["Datum"] == "13.05.2025"]
assert (energy - day[["amsel", "drossel", "fink"]].sum()).abs().max() < 1e-9
energy

# %% [markdown]
# The roof of drossel feeds its neighbours at noon.

# %%
tree = otonari.clear(inputs)
trades = tree["trades"].to_dataset()
assert set(trades["trade_seller"].values.tolist()) == {"drossel"}
otonari.plot.dispatch(tree)

# %% [markdown]
# **Exercise.** Which half-hour has the most trade, and what does a kWh cost then?

# %%
by_slot = trades.to_dataframe().groupby("trade_time")["trade_energy"].sum()
by_slot.idxmax(), by_slot.max()
