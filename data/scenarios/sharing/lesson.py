# %% [markdown]
# # Settle a month
# The month in Python. `otonari.settle` gives months as trees and stores nothing.

# %%
import tempfile
from pathlib import Path

import otonari
from otonari.data.loading import sharing_template

HERE = Path(globals().get("__file__", "lesson.py")).resolve().parent
if not (HERE / "readings.csv").exists():  # `otonari init` makes them; they are not stored with the template
    HERE = Path(tempfile.mkdtemp())
    for name, content in sharing_template.files().items():
        (HERE / name).write_bytes(content)

# %%
months = otonari.settle(HERE)
month = months["2026-06"]
allocation = month["allocation"].to_dataset()
assert int(allocation["shared"].sum()) == int(allocation["sold"].sum())
assert (allocation["shared"] <= allocation["withdrawn"]).all()

# %% [markdown]
# How much of each hour's demand was shared, over the month.

# %%
hour = month["inputs"].indexes["time"].tz_localize("UTC").tz_convert("Europe/Vienna").hour
share = allocation[["shared", "withdrawn"]].sum("member").to_dataframe().groupby(hour).sum()
(share["shared"] / share["withdrawn"]).round(2)

# %%
otonari.plot.savings(month)

# %% [markdown]
# **Exercise.** What the retailers are left with: each member's rest, drawn and given.

# %%
rest = (allocation["withdrawn"] - allocation["shared"]).sum("time") / 1000
given = (allocation["injected"] - allocation["sold"]).sum("time") / 1000
assert (rest >= 0).all()
assert (given >= 0).all()
rest.to_series(), given.to_series()
