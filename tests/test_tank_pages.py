"""Tanks and tasks on the page of a run: what tables say is the run's, and heat goes nowhere unseen."""

import re
from itertools import product

import numpy as np
import pytest

import otonari
from otonari.data.assembly import summary
from otonari.data.problems import InputError
from otonari.runs.commands.inspect import _read
from otonari.runs.report import heat, tasks
from otonari.runs.report.pages import pictures
from otonari.runs.report.pages.document import document, gallery
from otonari.runs.report.pages.opened_run import opened
from otonari.runs.report.pages.run_page import run_page

from . import counts, pages
from .communities import community, random_community

HOME = {"node": "street", "tariff": "retail", "demand": 0.0, "pv_available": 0.0}
STREET = {
    "slots": [1, 1, 1],
    "nodes": {"street": {"parent": ""}},
    "tariffs": {"retail": {"retail_price": [20.0, 30.0, 10.0], "feed_in_price": 8.0}},
    "participants": {"home": HOME, "other": HOME},
    "heat_pumps": {
        "boiler": {
            "owner": "home",
            "capacity": 10.0,
            "min_heat": 1.0,
            "initial_heat": 2.0,
            "power_limit": 1.0,
            "cop": 3.0,
            "heat_demand": [1.0, 0.0, 2.0],
        }
    },
    "flexible_loads": {
        "washer": {"owner": "home", "power_limit": 2.0, "shape": [2.0, 0.5], "step_hours": 1.0},
        "dryer": {"owner": "other", "power_limit": 2.0},
        "spare": {
            "owner": "other",
            "power_limit": 1.0,
            "flexible_load_demand": [1.0, 1.0, 1.0],
            "shed_price": 25.0,
        },
    },
    "tasks": {
        "wash": {"load": "washer", "earliest": 0.0, "deadline": 3.0, "energy": 2.5},
        "dry": {"load": "dryer", "earliest": 0.0, "deadline": 2.0, "energy": 3.0},
        "leave": {"load": "spare", "earliest": 0.0, "deadline": 3.0, "energy": np.nan},
    },
}


@pytest.fixture(scope="module")
def tree():
    return otonari.clear(community(STREET))


@pytest.fixture(scope="module")
def found(tree):
    return pages.read(run_page(tree))


def test_a_tank_is_drawn_in_its_band(found):
    """3 kWh of heat are drawn: all is made in the last hour, when energy is cheap, but for the kWh that it must keep."""
    assert found.faults == []
    header, rows = found.table("Heat in tanks")
    assert header == ["time", "boiler, kWh (1 to 10)", "heat drawn, kW"]
    assert [*rows.values()] == [[1.0, 1.0], [1.0, 0.0], [2.0, 2.0]]
    header, rows = found.table("Heat made and drawn")
    assert header == [
        "time",
        *(f"{n}, kW" for n in ("made by heat pumps", "out of tanks", "drawn", "into tanks")),
    ]
    assert [*rows.values()] == [[0, 1, -1, 0], [0, 0, 0, 0], [3, 0, -2, -1]]


def test_tasks_are_drawn_in_their_windows(found):
    """The washer costs 40 + 15 in the first hours and 60 + 5 in the last; the dryer has the first hour and a half of
    the second; demand that is worth 25 is left off at 30."""
    header, rows = found.table("When appliances ran")
    assert header == ["task", "window from", "to", "ran from", "to", "kWh drawn", "kWh left off"]
    day = "2025-07-01"
    at = [f"{day} 0{hour}:00" for hour in range(4)]
    assert rows == {
        "wash": [at[0], at[3], at[0], at[2], 2.5, 0.0],
        "dry": [at[0], at[2], at[0], at[2], 3.0, 0.0],
        "leave": [at[0], at[3], at[1], at[2], 0.0, 1.0],
    }


RUNS = [*product(range(4000, 4015), ["p2p", "unmanaged"])]


@pytest.mark.thorough
@pytest.mark.parametrize(("seed", "market"), counts.all_or(RUNS, [(4000, "unmanaged"), (4000, "p2p")]))
def test_heat_is_made_drawn_lost_or_held_in_every_slot(seed, market):
    tree = otonari.clear(random_community(seed, heat=True, loads=True), market)
    inputs, results = tree["inputs"].to_dataset(), tree["results"].to_dataset()
    parts = heat.balance(inputs, results)
    assert sum(parts.values()) == pytest.approx(0, abs=1e-5)
    assert parts["drawn"].sum() < 0
    for task in tasks.task_runs(inputs, results):
        if not task.sheds:
            energy = float(inputs["task_energy"].sel(task=task.task))
            assert task.drawn @ inputs["slot_hours"].values == pytest.approx(energy, abs=1e-5)
            assert task.begin <= task.span[0] < task.span[1] <= task.end
    shown = pages.read(document("t", [], {"Figures": gallery(pictures.figures(opened(tree)))}))
    assert shown.faults == []
    assert {"Heat in tanks", "Heat made and drawn", "When appliances ran"} <= set(shown.titles)


def test_a_page_without_tanks_and_tasks_has_no_figures_of_them():
    titles = [figure.title for figure in pictures.figures(opened(otonari.clear(random_community(7))))]
    assert not {"Heat in tanks", "Heat made and drawn", "When appliances ran"} & set(titles)


def test_the_tanks_with_the_most_heat_are_drawn():
    pumps = {f"boiler-{k:02d}": STREET["heat_pumps"]["boiler"] | {"heat_demand": 0.1 * k} for k in range(14)}
    run = opened(otonari.clear(community(STREET | {"heat_pumps": pumps})))
    [figure] = [f for f in pictures.figures(run) if f.title == "Heat in tanks"]
    assert figure.description.endswith("Shown are 12 of 14 heat pumps.")
    assert [h.partition(",")[0] for h in figure.header[1::2]] == [f"boiler-{k:02d}" for k in range(2, 14)]


def test_what_was_read_of_tanks_and_tasks_is_summed_up():
    """3 kWh in three hours are 24 a day; the COP is the mean of the hours in which heat is drawn, 1 and 2 kWh."""
    pump = STREET["heat_pumps"]["boiler"] | {"cop": [3.0, 1.0, 4.5]}
    inputs = community(STREET | {"heat_pumps": {"boiler": pump}})
    [row] = summary.heat_pumps(inputs)
    assert row == summary.HeatPump("boiler", "home", pytest.approx(24.0), 1.0, 4.0, 4.5, 1.0, 1.0, 10.0)
    washer, dryer, spare = summary.loads(inputs)
    assert washer == summary.Load("washer", "home", "runs once", 1, 2.5, 2.0)
    assert (dryer.does, dryer.kwh, spare.does, np.isnan(spare.kwh)) == (
        *("by a deadline", 3.0),
        *("may be left off", True),
    )
    told = "\n".join(_read(inputs.assign_attrs(time_zone="UTC")))
    assert re.search(r"boiler +home +24 +1\.00 +4\.00 +4\.50 +1 +1 to 10", told)
    assert re.search(r"spare +other +may be left off +1 +1\n?", told)
    assert "heat pump" not in "\n".join(_read(random_community(7).assign_attrs(time_zone="UTC")))


def test_plots_are_of_the_run(tree):
    plot = pytest.importorskip("matplotlib", reason="install the extra plot for matplotlib") and otonari.plot
    from matplotlib.figure import Figure

    ax = plot.heat(tree, Figure().add_subplot(), "boiler")
    assert ax.get_lines()[0].get_ydata().tolist() == [2.0, 1.0, 1.0, 2.0]
    assert ax.patches[-1].get_data().values.tolist() == [1.0, 0.0, 2.0]
    assert plot.heat(tree, Figure().add_subplot()).get_title() == "all heat pumps"
    with pytest.raises(InputError, match="heat_pump: got 'oven', want one of boiler"):
        plot.heat(tree, Figure().add_subplot(), "oven")
    ax = plot.tasks(tree, Figure().add_subplot())
    assert [label.get_text() for label in ax.get_yticklabels()] == ["washer", "dryer", "spare"]
    drawn = {p.get_label(): p.get_data() for p in ax.patches if hasattr(p, "get_data")}
    heights = (drawn["wash"].baseline - drawn["wash"].values) / 0.8 * 2.0
    assert heights == pytest.approx([2.0, 0.5, 0.0])
