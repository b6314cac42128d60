# %% [markdown]
# # Heat pumps that plan
# Twelve homes without gas on a day in March. What is it worth that heat pumps and appliances may wait?

# %%
from pathlib import Path

import otonari

HERE = Path(globals().get("__file__", "lesson.py")).resolve().parent
inputs = otonari.build_inputs(otonari.load_scenario(HERE))
runs = {market: otonari.clear(inputs, market) for market in ("unmanaged", "grid-only", "p2p")}


def cost(run):
    """Return the bills of all, less what stores and tanks hold beyond what they hold where homes plan alone."""
    settlement = run["settlement"].to_dataset()
    return float((settlement["bill"] - settlement["final_energy_value"]).sum())


costs = {market: cost(run) for market, run in runs.items()}
assert costs["p2p"] < costs["grid-only"] < costs["unmanaged"]
costs

# %% [markdown]
# When heat pumps run [kW of all, by slot], and what they take over the day [kWh]: on their clocks at night, when it is
# cold and the COP is low; planned, when the sun shines.

# %%
power = {
    market: (run["results"]["heat_pump_power"] + run["results"]["heat_pump_backup"]).sum("heat_pump")
    for market, run in runs.items()
}
energy = {market: float((kw * inputs["slot_hours"]).sum()) for market, kw in power.items()}
assert energy["p2p"] < energy["unmanaged"]
power["p2p"].to_series(), energy

# %% [markdown]
# The flexibility of heat pumps alone: all else trades as before, they stay on thermostats and clocks. Their power is
# then demand like any other; the heat that they leave in tanks beyond the start is credited at the mean retail price.

# %%


def fixed(inputs, device, kw):
    """Return inputs in which the power of devices of a kind is demand of their owners, as it is given (device, time)."""
    own = kw.groupby(inputs[f"{device}_owner"]).sum().rename({f"{device}_owner": "participant"})
    gone = {"heat_pump": ["heat_pump"], "flexible_load": ["flexible_load", "task"]}[device]
    return inputs.drop_dims(gone).assign(
        demand=inputs["demand"] + own.reindex(participant=inputs["participant"], fill_value=0)
    )


thermostats = runs["unmanaged"]["results"].to_dataset()
clocks = fixed(inputs, "heat_pump", thermostats["heat_pump_power"] + thermostats["heat_pump_backup"])
left = thermostats["heat_pump_heat"].isel(time=-1) - inputs["heat_pump_final_heat"]
credit = float((left / inputs["heat_pump_cop"].mean("time")).sum() * inputs["retail_price"].mean())
worth = {
    market: cost(otonari.clear(clocks, market)) - credit - costs[market] for market in ("grid-only", "p2p")
}
assert worth["p2p"] > worth["grid-only"] > 0
worth

# %% [markdown]
# The sun and the heat in pictures.

# %%
otonari.plot.dispatch(runs["p2p"])
otonari.plot.dispatch(runs["p2p"], participant="home-04")

# %% [markdown]
# **Exercise.** Do the same for the appliances of `loads.csv`: what is it worth that they may wait? Nobody pays for the
# demand that a home leaves off of an evening, so it counts beside the bills. How much of it is the dryers' part?

# %%
waiting = otonari.build_inputs(otonari.load_scenario(HERE, ["tables.loads=loads.csv"]))
at_once = otonari.clear(waiting, "unmanaged")["results"]["flexible_load_power"]
patient = otonari.clear(waiting)
hasty = otonari.clear(fixed(waiting, "flexible_load", at_once))
off = (waiting["flexible_load_demand"] - patient["results"]["flexible_load_power"]) * waiting["slot_hours"]
shed = float((off * waiting["flexible_load_shed_price"]).sum())
assert cost(patient) + shed < cost(hasty)
cost(hasty) - cost(patient) - shed
