"""Why heat pumps run and appliances wait: their figures are the run's, and prices go with what was done."""

import pytest

import otonari
from otonari.model.clearing import community_block
from otonari.runs.report.explain import heat, tasks
from otonari.runs.report.explain.case import Case
from otonari.runs.report.explain.explain import explain
from otonari.runs.report.tasks import task_runs

from . import counts
from .communities import community, random_community
from .test_heat_pumps import street
from .test_tank_pages import HOME, STREET

PEOPLE = [*STREET["participants"]]


def about(tree, who, time, topic):
    return [s for s in explain(tree, who, time)[1] if s.topic == topic]


def test_why_a_heat_pump_ran_on_paper():
    """0.5 kW at a COP of 2 and 30 each are the last kWh of heat: 15 a kWh, in the first hour as in the second. There
    a kWh of electricity makes 3 of heat, and is worth 45; what is over of the PV is sold at 8. Of 8 and 0.5 * 30 the
    electricity costs 23, where heat as it is drawn costs 2 / 3 * 8 + 30."""
    tree = otonari.clear(street(pv=(2.5, 0.0)))
    worth, ran, over = about(tree, "sun", "00:00", "Heat")
    assert (worth.figures["heat"], worth.figures["cop"], worth.figures["heat_value"]) == (
        3,
        3,
        pytest.approx(15),
    )
    assert (ran.figures["kw"], ran.figures["saving"]) == (1.0, pytest.approx(45 - 8))
    assert "its limit is 1 kW" in ran.text
    assert (over.figures["cost"], over.figures["cost_as_drawn"]) == pytest.approx((23, 30 + 16 / 3))
    _, ran, _ = about(tree, "sun", "01:00", "Heat")
    assert (
        "ran with 0.50 kW: a kWh of electricity cost 30.00 JPY/kWh behind the meter, as much as" in ran.text
    )
    assert about(tree, "shade", "00:00", "Heat") == []


def test_why_appliances_waited_on_paper():
    """The washer has 2.5 kWh for 55 at once, where later is dearer; the dryer's 3 kWh are 2 at 20 and 1 at 30, at once,
    too; of the kWh of 30 nobody wants one that is worth 25."""
    tree = otonari.clear(community(STREET))
    [wash] = about(tree, "home", "01:00", "Appliances")
    assert "at once: 55.00 JPY" in wash.text
    assert wash.figures["cost"] == wash.figures["cost_at_once"] == pytest.approx(55)
    dry, left = about(tree, "other", "01:00", "Appliances")
    assert (dry.figures["cost"], dry.figures["cost_at_once"]) == pytest.approx((70, 70))
    assert (
        left.figures["kwh"],
        left.figures["kwh_left_off"],
        left.figures["most_meter_value"],
    ) == pytest.approx((3, 1, 30))
    assert about(tree, "other", "02:00", "Appliances") == [left]  # the dryer's window is over
    prices = {"retail_price": [30.0, 20.0, 10.0], "feed_in_price": 8.0}
    case = STREET | {
        "tariffs": {"retail": prices},
        "participants": dict.fromkeys(PEOPLE, HOME | {"demand": 0.1}),
    }
    [wash] = about(otonari.clear(community(case)), "home", "00:00", "Appliances")
    assert (wash.figures["cost"], wash.figures["cost_at_once"]) == pytest.approx((45, 70))
    assert "ran from 2025-07-01 01:00 to 2025-07-01 03:00: 45.00 JPY" in wash.text


def test_a_run_that_nobody_planned_says_what_ran_alone():
    tree = otonari.clear(community(STREET), "unmanaged")
    [wash] = about(tree, "home", "01:00", "Appliances")
    assert wash.text.endswith("ran from 2025-07-01 00:00 to 2025-07-01 02:00, at once.")
    [ran] = about(tree, "home", "00:00", "Heat")
    assert "meter_value" not in ran.figures


@pytest.mark.thorough
@pytest.mark.parametrize("seed", counts.all_or([*range(4000, 4015), *range(4023, 4040)], [4000]))
def test_prices_go_with_what_was_done(seed):
    """A pump that could do more does not gain by it, one that runs does not lose; nor does energy that is drawn.

    Where directions are decided, one more kWh used is not what one more kWh through a pump costs.
    """
    inputs = random_community(seed, heat=True, loads=True)
    if community_block(inputs).component("giving") is not None:
        return
    tree = otonari.clear(inputs)
    results, people = tree["results"].to_dataset(), inputs["participant"].values.tolist()
    for h, owner in enumerate(inputs["heat_pump_owner"].values.tolist()):
        for t in range(inputs.sizes["time"]):
            said = heat.heat(Case(tree, people.index(owner), t))
            [ran] = [s for s in said if s.figures.get("heat_pump") == f"boiler{h}" and "kw" in s.figures]
            gain = ran.figures["electricity_worth"] - ran.figures["meter_value"]
            assert gain < 1e-4 or "saving" in ran.figures or results["heat_pump_backup"].values[h, t] > 0
            assert gain > -1e-4 or ran.figures["kw"] < 1e-5
            assert "as a whole" not in ran.text
    hours = inputs["slot_hours"].values
    for task in task_runs(inputs, results):
        who = people.index(str(inputs["flexible_load_owner"].values[task.load]))
        case = Case(tree, who, 0)
        once = tasks.at_once(case, task)
        if task.sheds:
            continue
        assert once @ hours == pytest.approx(task.drawn @ hours, abs=1e-6)
        assert (once[: task.begin] == 0).all()
        assert (once[task.end :] == 0).all()
        least = inputs.get("flexible_load_min_power")
        if not task.shaped and (least is None or float(least[task.load]) == 0):
            price = case.marginal["meter_value"].values[who]
            assert ((task.drawn - once) * price) @ hours < 1e-3
