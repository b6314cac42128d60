# %% [markdown]
# # Does the feeder hold
# The power flow of a cleared day, by power-grid-model (extra `grid`).

# %%
import tempfile
from pathlib import Path

from click.testing import CliRunner

import otonari
from otonari.cli import main

HERE = Path(globals().get("__file__", "lesson.py")).resolve().parent
path = str(Path(tempfile.mkdtemp()) / "day.nc")
for words in (["clear", str(HERE), "-o", path], ["grid", path]):
    said = CliRunner().invoke(main, words)
    assert said.exit_code == 0, said.output

# %%
run = otonari.open_run(path)
network = run["network"].to_dataset()
lowest = network["voltage"].min(["phase", "time"]).to_series().sort_values()
assert 0.9 < lowest.iloc[0] < 1.0
lowest.head()

# %% [markdown]
# Losses are what the station feeds in beyond what all meters draw.

# %%
losses = float((network["losses"].sum("node") * run["inputs"]["slot_hours"]).sum())
assert losses > 0
losses

# %% [markdown]
# **Exercise.** The farthest house over the day, beside its street's PV.

# %%
otonari.plot.dispatch(run)
network["voltage"].sel(node=lowest.index[0]).max("phase").to_series()
