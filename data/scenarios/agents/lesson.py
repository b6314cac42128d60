# %% [markdown]
# # The exchange, and agents
# A day of agents in Python: simulated by the command line, opened from its file.

# %%
import tempfile
from pathlib import Path

from click.testing import CliRunner

import otonari
from otonari.cli import main

HERE = Path(globals().get("__file__", "lesson.py")).resolve().parent
folder = Path(tempfile.mkdtemp())
said = CliRunner().invoke(main, ["simulate", str(HERE), "--days", "1", "-o", str(folder / "day.nc")])
assert said.exit_code == 0, said.output
print(said.stdout)

# %%
run = otonari.open_run(folder / "day.nc")
best = otonari.clear(otonari.build_inputs(otonari.load_scenario(HERE)))
compared = otonari.compare([run, best])
efficiency = compared["efficiency"].values
assert efficiency[1] == 1.0
assert 0 < efficiency[0] < 1
efficiency

# %% [markdown]
# Prices of the exchange beside those of the co-optimum.

# %%
otonari.plot.prices(run)
otonari.plot.prices(best)

# %% [markdown]
# **Exercise.** Of what was agreed ahead, how much came? Who fell short?

# %%
trades = run["trades"].to_dataset()
short = (trades["trade_contracted"] - trades["trade_energy"]).groupby(trades["trade_seller"]).sum()
short.to_series()
