"""What heat pumps and appliances cost a member, on paper and on its page, which is checked as ever."""

import json

import numpy as np
import pytest

import otonari as package
from otonari.runs.ledger.format.errors import LedgerTampered
from otonari.runs.report.appliances import appliances
from otonari.runs.report.bills import bill, issue, page
from otonari.runs.report.pages import member_page
from otonari.runs.report.pages.languages.phrases import FOLDER, MODEL, phrases, shipped

from . import counts, pages
from .books import KEY
from .communities import community, random_community
from .test_bill import ATTRIBUTES, keep, otonari
from .test_tank_pages import HOME, STREET

SUNNY = HOME | {"demand": [2.0, 0.0, 0.0], "pv_available": [2.0, 0.0, 0.0]}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    tree = package.clear(community(STREET | {"participants": {"home": SUNNY, "other": HOME}}))
    tree.attrs |= ATTRIBUTES
    return keep(tree, tmp_path_factory.mktemp("tanks"))


@pytest.fixture(scope="module")
def receipt(run):
    return issue.issue(run, issue.Request())["home"]


def test_costs_are_parts_of_what_was_paid_on_paper(receipt):
    """Of 4 kWh in the first hour 2 are bought for 40, half of them for the washer; then its 0.5 kWh cost 15, and the
    boiler's kWh 10."""
    boiler, washer = bill.bill(receipt).appliances
    assert (boiler.label, boiler.amount, boiler.busiest) == ("boiler", 10_000_000, 2)
    assert (washer.label, washer.amount, washer.busiest) == ("washer", 35_000_000, 0)
    assert washer.hours[:3] == (2000, 500, 0)
    assert sum(washer.hours) == 2500


@pytest.mark.parametrize("language", shipped())
def test_a_page_says_what_they_cost_and_when_they_ran(receipt, language):
    say = phrases(language)
    found = pages.read(member_page.write(receipt, say))
    assert found.faults == []
    _, hours = found.table(say("When your heat pumps and appliances ran"))
    assert hours["00:00"] == [0.0, 2.0]
    assert hours["02:00"] == [1.0, 0.0]
    rows = [row for table in found.tables.values() for row in table]
    assert ["washer", "2.500", "14.00", "35"] in rows
    assert ["boiler", "1.000", "10.00", "10"] in rows
    known = json.loads((FOLDER / f"{MODEL}.json").read_text(encoding="utf-8"))
    assert {member_page._APPLIANCES, "hour", "Your heat pumps and appliances"} <= known.keys()
    text = page.write(bill.bill(receipt))
    [line] = [line.split() for line in text.splitlines() if line.strip().startswith("washer")]
    assert line == ["washer", "2.500", "35", "00:00"]


def test_the_household_checks_it(run, tmp_path):
    path = tmp_path / "bill.html"
    otonari("report", run, "home", "-o", path)
    assert "3 slots" in otonari("ledger", "check", path, "--key", KEY.key).stdout
    path.write_text(path.read_text(encoding="utf-8").replace("2.500", "2.400"), encoding="utf-8")
    otonari("ledger", "check", path, "--key", KEY.key, code=4)


def test_statements_of_another_form_are_refused(receipt):
    [one, other] = receipt.stated["appliances"]
    for wrong in ({**one, "hours": one["hours"][:-1]}, {**one, "amount": "35"}):
        receipt.stated["appliances"] = [wrong, other]
        with pytest.raises(LedgerTampered):
            bill.bill(receipt)
    receipt.stated["appliances"] = [one, other]


@pytest.mark.thorough
@pytest.mark.parametrize("seed", counts.all_or(range(4000, 4015), [4000]))
def test_parts_add_up(seed):
    """Over slots to the whole, over devices to the energy of the run."""
    tree = package.clear(random_community(seed, heat=True, loads=True))
    groups = tuple(tree[name].to_dataset() for name in ("inputs", "results", "trades"))
    inputs, results, _ = groups
    hours, total = inputs["slot_hours"].values, 0.0
    even = np.arange(len(hours)) % 2 == 0
    for who in inputs["participant"].values.tolist():
        own = appliances(groups, who, np.ones(len(hours), dtype=bool))
        total += sum(one.by_hour.sum() for one in own)
        halves = [*appliances(groups, who, even), *appliances(groups, who, ~even)]
        assert sum(one.cost for one in halves) == pytest.approx(sum(one.cost for one in own))
    served = np.isnan(inputs["flexible_load_shed_price"].values)
    drawn = results["flexible_load_power"].values[served] @ hours
    assert total == pytest.approx(float((results["heat_pump_power"].values @ hours).sum() + drawn.sum()))
