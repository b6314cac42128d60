"""Flexible loads as days roll on: agents plan, bid and run them; what is begun goes on, and every deadline is kept."""

import numpy as np
import pytest

import otonari
from otonari.model.agents import bidding, flexible_loads, hedging, planning
from otonari.model.day_ahead import day_ahead_block, results
from otonari.model.solver.solve import solve
from otonari.runs.simulate import run, timeline
from otonari.runs.simulate.loop import Options

from . import counts
from .communities import metered_net, random_community
from .test_flexible_loads import boiler, run_of, street

pytestmark = pytest.mark.thorough

MODES = pytest.mark.parametrize("mode", ["exchange", "co-optimized"])


def simulated(inputs, mode="co-optimized", foresight=True, **options):
    """Return the run of a simulation, whose last step checks all of it."""
    return run.simulate(timeline.of_inputs(inputs, inputs, foresight=foresight), Options(mode, **options))


def drawn(tree):
    return tree["results"]["flexible_load_power"].values[0].tolist()


FORESEEN = boiler(), run_of(2.0, 1.0), boiler(min_power=1.5), run_of(2.0, 1.0, begin=1.0)


@pytest.mark.parametrize("inputs", counts.all_or(FORESEEN, FORESEEN[2:]))
def test_who_knows_the_future_runs_them_as_if_cleared_at_once(inputs):
    """Slot by slot, with what is left of each task: the same power, at the same cost."""
    tree, once = simulated(inputs), otonari.clear(inputs)
    assert drawn(tree) == pytest.approx(drawn(once))
    assert tree.attrs["objective"] == pytest.approx(once.attrs["objective"])


@MODES
def test_what_is_begun_goes_on_and_is_done_by_its_deadline(mode):
    """With a window of two slots and no forecast at all: a run of two slots, 5 kWh of 6 that are possible in time."""
    loads = {
        "washer": {"owner": "sun", "power_limit": 2.0, "shape": [2.0, 1.0], "step_hours": 1.0},
        "boiler": {"owner": "shade", "power_limit": 1.0},
    }
    own = [("washer", 1.0, 5.0, 3.0), ("boiler", 0.0, 6.0, 5.0)]
    inputs = street(loads, own, [1] * 6, (20.0, 30.0, 10.0, 25.0, 28.0, 12.0))
    tree = simulated(inputs, mode, foresight=False, window=2)
    washer, heater = tree["results"]["flexible_load_power"].values
    [begin] = np.flatnonzero(tree["results"]["flexible_load_start"].values[0])
    assert washer[begin : begin + 2].tolist() == [2.0, 1.0]
    assert washer.sum() == 3.0
    assert heater.sum() == pytest.approx(5.0)


def test_what_remains_of_tasks_is_what_agents_see():
    """After a slot: 1 of 3 kWh is drawn, a run is begun, 0.5 kWh of 1 shed. Seen are two slots, and one."""
    loads = {
        "boiler": {"owner": "sun", "power_limit": 2.0},
        "washer": {"owner": "sun", "power_limit": 2.0, "shape": [2.0, 1.0, 0.5], "step_hours": 1.0},
        "cooling": {
            "owner": "shade",
            "power_limit": 2.0,
            "flexible_load_demand": [1.0, 2.0, 2.0],
            "shed_price": 25.0,
        },
    }
    own = [("boiler", 0.0, 3.0, 3.0), ("washer", 0.0, 3.0, 3.5), ("cooling", 0.0, 3.0, 1.0)]
    inputs = street(loads, own)
    before = flexible_loads.Drawn(np.array([[1.0], [2.0], [0.5]]), np.array([[0.0], [1.0], [0.0]]))
    demand = inputs["flexible_load_demand"].values

    def seen(slots):
        return flexible_loads.ahead(inputs, inputs.isel(time=slots), before, demand[:, slots])

    two = seen([1, 2])
    assert two["task_load"].values.tolist() == ["boiler", "cooling"]
    assert two["task_energy"].values.tolist() == [2.0, 0.5]
    assert two["flexible_load_demand"].values.tolist() == [[0.0, 0.0], [1.0, 0.5], [2.0, 2.0]]
    one = seen([1])  # at 2 kW the slot after it serves the rest
    assert one["task_load"].values.tolist() == ["cooling"]
    assert one["task_energy"].values.tolist() == [0.5]


def test_a_bid_is_limited_by_what_a_kwh_is_worth():
    """The boiler could wait for 12 a kWh, the run of three slots could not wait; shed demand is worth 15."""
    loads = {
        "boiler": {"owner": "sun", "power_limit": 2.0},
        "washer": {"owner": "sun", "power_limit": 1.0, "shape": [1.0, 1.0, 1.0], "step_hours": 1.0},
        "cooling": {
            "owner": "shade",
            "power_limit": 1.0,
            "flexible_load_demand": [1.0] * 3,
            "shed_price": 15.0,
        },
    }
    own = [("boiler", 0.0, 3.0, 3.0), ("washer", 0.0, 3.0, 3.0), ("cooling", 0.0, 3.0, float("nan"))]
    inputs = street(loads, own, prices=(20.0, 30.0, 12.0))
    inputs["pv_available"].values[:] = 0.0
    quotes = inputs.drop_vars(inputs.data_vars).assign(
        {name: (("node", "time"), [[9.0, 29.0, 20.0]]) for name in ("price", "sale_price")}
    )
    plan = planning.plan(inputs, quotes)
    assert plan.load[:, 0].tolist() == [2.0, 1.0, 1.0]
    wanted = bidding.order_intents(inputs, plan, 0, np.zeros(len(plan.net)), (0.0, 50.0))
    limits = {(intent.trader, intent.part): (intent.price, intent.energy) for intent in wanted}
    assert limits == {
        (0, "load0"): (12.0, 2.0),
        (0, "load1"): (20.0, 1.0),
        (1, "load2"): (15.0, 1.0),
        (1, "home"): (20.0, 1.0),
    }


def test_energy_that_nobody_sells_is_not_drawn_at_a_price_beyond_its_worth():
    """Planned for peers' energy at 9; what of it did not come the boiler takes later, at 12, and the cooling is off."""
    loads = {
        "boiler": {"owner": "sun", "power_limit": 2.0},
        "cooling": {
            "owner": "shade",
            "power_limit": 1.0,
            "flexible_load_demand": [1.0] * 3,
            "shed_price": 15.0,
        },
    }
    inputs = street(loads, [("boiler", 0.0, 3.0, 3.0), ("cooling", 0.0, 3.0, 2.0)], prices=(20.0, 30.0, 12.0))
    inputs["pv_available"].values[:] = 0.0
    quotes = inputs.drop_vars(inputs.data_vars).assign(
        {name: (("node", "time"), [[9.0, 29.0, 20.0]]) for name in ("price", "sale_price")}
    )
    plan = planning.plan(inputs, quotes)
    before = flexible_loads.Drawn(np.zeros((2, 0)), np.zeros((2, 0)))
    for bought, power in ((0.0, [0.0, 0.0]), (1.5, [1.5, 0.0])):
        contracted = np.array([bought, 0.0])
        found = flexible_loads.drawn(inputs, before, inputs, plan, contracted)
        assert found.power == pytest.approx(power)


@pytest.mark.parametrize("seed", counts.all_or(range(4000, 4030), [4003]))
@MODES
def test_any_community_keeps_its_deadlines(seed, mode):
    """Every task is served, every run has its shape: the checks of the run say so."""
    inputs = metered_net(random_community(seed, loads=True))
    inputs["import_limit"].values[:] = np.inf
    hours = np.diff(inputs["time"].values)
    if (hours != hours[:1]).any():
        pytest.skip("slots of one length")
    tree = simulated(inputs, mode)
    assert "flexible_load_power" in tree["results"]


def in_futures(inputs, *sun):
    """Return futures of inputs, as many as there is ``sun`` (slot,) [kW] for in place of that of the home with PV."""
    pv = inputs["pv_available"]
    return [inputs.assign(pv_available=pv.copy(data=[own, np.zeros(len(own))])) for own in sun]


@pytest.mark.parametrize(("later", "begins"), [(0.3, 1.0), (0.7, 0.0)])
def test_a_run_begins_before_it_is_known_which_future_comes(later, begins):
    """1 kWh at 30, or of sun worth 8: now there is 1 kW by half a chance, an hour later some for sure."""
    load = {"owner": "sun", "power_limit": 1.0, "shape": [1.0], "step_hours": 1.0}
    inputs = street({"washer": load}, [("washer", 0.0, 2.0, 1.0)], (1, 1), (30.0, 30.0))
    inputs = inputs.assign(demand=0.0 * inputs["demand"])
    futures = in_futures(inputs, [1.0, later], [0.0, later])
    plan, _ = hedging.hedged(inputs, futures, np.array([0.5, 0.5]))
    assert plan.start[0] == pytest.approx([begins, 1.0 - begins])
    assert plan.load[0] == pytest.approx([begins, 1.0 - begins])
    block = day_ahead_block(futures, [0.5, 0.5])  # a day ahead every run follows the future
    solve(block)
    assert [result["flexible_load_start"].values[0, 0] for result in results(block)] == [1.0, 0.0]


def test_a_deferrable_load_takes_the_same_in_all_futures_and_later_what_each_has_left():
    inputs = street(
        {"boiler": {"owner": "sun", "power_limit": 1.0}}, [("boiler", 0.0, 2.0, 1.0)], (1, 1), (30.0,) * 2
    )
    inputs = inputs.assign(demand=0.0 * inputs["demand"])
    futures = in_futures(inputs, [1.0, 0.2], [0.0, 0.2])
    plan, _ = hedging.hedged(inputs, futures, np.array([0.4, 0.6]))
    assert plan.load[0] == pytest.approx(
        [0.8, 0.2]
    )  # 0.2 kWh of sure sun wait, the rest takes its chance now
    seen = hedging.average(inputs, futures, np.array([0.4, 0.6]))
    assert seen["pv_available"].values[0] == pytest.approx([0.4, 0.2])


def test_a_simulation_with_loads_plans_for_several_futures():
    """A run and a boiler, three days of other sun to learn from: both are done by their deadlines."""
    loads = {
        "washer": {"owner": "sun", "power_limit": 2.0, "shape": [2.0, 1.0], "step_hours": 1.0},
        "boiler": {"owner": "shade", "power_limit": 1.0},
    }
    inputs = street(loads, [("washer", 49.0, 53.0, 3.0), ("boiler", 48.0, 54.0, 5.0)], [1] * 54, [30.0] * 54)
    sun = 2.0 * np.random.default_rng(1).random(54)
    earlier = in_futures(inputs, sun)[0]
    line = timeline.of_inputs(earlier.isel(time=slice(48, None)), earlier)
    tree = run.simulate(line, Options("co-optimized", window=4, futures=3))
    washer, heater = tree["results"]["flexible_load_power"].values
    [begin] = np.flatnonzero(tree["results"]["flexible_load_start"].values[0])
    assert washer[begin : begin + 2].tolist() == [2.0, 1.0]
    assert washer.sum() == 3.0
    assert heater.sum() == pytest.approx(5.0)
