# %% [markdown]
# # A first clearing
# Six homes trade for a day. `README.md` beside this file tells the story; here are the numbers in Python.

# %%
from pathlib import Path

import otonari

HERE = Path(globals().get("__file__", "lesson.py")).resolve().parent
inputs = otonari.build_inputs(otonari.load_scenario(HERE))
inputs[["demand", "pv_available"]].sum("time")

# %% [markdown]
# `clear` returns a tree of Datasets: inputs, results, trades, settlement.

# %%
tree = otonari.clear(inputs)
settlement = tree["settlement"].to_dataset()
settlement[["bill", "bill_grid_only", "saving"]].to_dataframe()

# %% [markdown]
# Nobody is worse off than alone, and what buyers pay is what sellers and the network get.

# %%
assert (settlement["saving"] > -1e-6).all()
paid, earned, fees = (float(settlement[name].sum()) for name in ("peer_cost", "peer_revenue", "network_fee"))
rent = float(settlement["congestion_rent"].sum())
assert abs(paid - earned - fees - rent) < 1e-6
f"{paid:.1f} JPY = {earned:.1f} to sellers + {fees:.1f} for the network + {rent:.1f} of congestion"

# %% [markdown]
# The day in pictures, of all homes and of one.

# %%
otonari.plot.dispatch(tree)
otonari.plot.dispatch(tree, participant="home-04")
otonari.plot.prices(tree)
otonari.plot.savings(tree)

# %% [markdown]
# **Exercise.** Clear again with `otonari.load_scenario(HERE, ["fees.access_fee_per_kwh=0"])`. How much more is traded?

# %%
free = otonari.clear(otonari.build_inputs(otonari.load_scenario(HERE, ["fees.access_fee_per_kwh=0"])))
traded = [float(run["trades"]["trade_energy"].sum()) for run in (tree, free)]
assert traded[1] > traded[0]
