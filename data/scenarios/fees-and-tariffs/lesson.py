# %% [markdown]
# # Fees and tariffs
# How much is traded between the banks, as the fee between them rises.

# %%
from itertools import pairwise
from pathlib import Path

import otonari

HERE = Path(globals().get("__file__", "lesson.py")).resolve().parent


def cleared(*changes):
    return otonari.clear(otonari.build_inputs(otonari.load_scenario(HERE, changes)))


# %%
over_the_edge = {}
for fee in (0.0, 0.015, 0.03, 0.06, 0.12):
    run = cleared(f"fees.levels.bank={fee}")
    flow = abs(run["results"]["node_flow"].sel(node=["north", "south"]))
    over_the_edge[fee] = float((flow * run["inputs"]["slot_hours"]).sum() / 2)
over_the_edge

# %% [markdown]
# The dearer, the less; and there is a fee from which the substation is quiet.

# %%
amounts = list(over_the_edge.values())
assert all(more >= less - 1e-6 for more, less in pairwise(amounts))

# %% [markdown]
# What a tariff by time of use changes: the price of the night reaches the neighbours through a battery.

# %%
tree = cleared()
otonari.plot.prices(tree)
otonari.plot.dispatch(tree, participant="night-south")

# %% [markdown]
# **Exercise.** Price rules share the same energies: the sum of all bills is that of the marginal prices.

# %%
mid = otonari.clear(tree["inputs"].to_dataset(), rule="mid-market")
totals = [float(run["settlement"]["bill"].sum()) for run in (tree, mid)]
assert abs(totals[0] - totals[1]) < 1e-6
otonari.plot.savings(mid)
