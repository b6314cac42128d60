"""Tiers of energy by month and day: to the cent by hand, as duals, on every way of clearing, and what is refused."""

from dataclasses import replace

import numpy as np
import pytest

import otonari
from otonari.data.assembly.inputs import build_inputs, problems
from otonari.data.inputs.contract import complete
from otonari.data.loading.scenario import load_scenario
from otonari.data.problems import InputError
from otonari.model.checks.run import check
from otonari.model.fair_shares.payments import payments
from otonari.runs.clear import single
from otonari.runs.report import page
from otonari.runs.report.bills import accounts, bill, issue, receipt
from otonari.runs.report.bills import page as paper
from otonari.runs.settle import run as settling
from otonari.runs.simulate import run as rolling

from . import counts, oracle
from .books import KEY
from .communities import community, random_community
from .settlements import written
from .test_bill import keep
from .test_contracts import scenario
from .test_payments import run_of
from .test_peaks import home


def with_tiers(inputs, tiers, slots_per_day=None, earlier=0.0):
    """Return inputs whose every tariff has tiers (start [kWh], step, month or day) beside its prices."""
    tariffs, slots = inputs["tariff"].values.tolist(), inputs.sizes["time"]
    day = np.arange(slots) // (slots_per_day or slots)
    labels = [f"2025-07-{n + 1:02d}" for n in range(day.max() + 1)]
    rate, credit = np.zeros((2, 2 * len(tariffs), slots))
    rate[::2], credit[1::2] = inputs["retail_price"].values, inputs["feed_in_price"].values
    start, step, period = (list(column) * len(tariffs) for column in zip(*tiers, strict=True))
    part = np.zeros((2 * len(tariffs), len(start)))
    part[::2] = np.repeat(np.eye(len(tariffs)), len(tiers), axis=1) * step
    more = {
        "component_tariff": ("component", np.repeat(tariffs, 2)),
        "component_part": ("component", ["energy", "energy"] * len(tariffs)),
        "component_basis": ("component", ["per-kwh", "per-kwh-injected"] * len(tariffs)),
        "component_price": (("component", "time"), rate),
        "component_credit": (("component", "time"), credit),
        "component_tier": (("component", "tier"), part),
        "tier_tariff": ("tier", np.repeat(tariffs, len(tiers))),
        "tier_price": ("tier", step),
        "tier_start": ("tier", start),
        "tier_period": ("tier", period),
        "earlier_energy": ("participant", np.full(inputs.sizes["participant"], earlier)),
        "slot_day": ("time", np.array(labels)[day]),
        "day_month": ("day", ["2025-07"] * len(labels)),
    }
    coords = {
        "component": [f"{t}/{n}" for t in tariffs for n in ("energy", "feed-in")],
        "tier": [f"{t}/energy/{n}" for t in tariffs for n in range(2, 2 + len(tiers))],
        "day": labels,
        "month": ["2025-07"],
    }
    return complete(inputs.assign(more).assign_coords(coords))


MONTH, DAY = [(4.0, 0.1, "month"), (6.0, 0.2, "month")], [(3.0, 0.1, "day")]


def charged(tree):
    return tree["settlement"]["tier_charges"].values.tolist()


@pytest.mark.parametrize(
    ("market", "tiers", "slots_per_day", "earlier", "want"),
    [
        ("p2p", MONTH, None, 0.0, 4 * 0.1 + 2 * 0.2),  # of 8 kWh four beyond 4 kWh, two of them beyond 6
        ("grid-only", MONTH, None, 3.0, 7 * 0.1 + 5 * 0.2),  # after 3 kWh seven and five
        (
            "unmanaged",
            MONTH,
            None,
            5.0,
            8 * 0.1 + 7 * 0.2,
        ),  # after 5 kWh, of which one was charged, eight and seven
        ("p2p", DAY, 2, 9.0, 0.1 * 3),  # 2 and 6 kWh: three of the second day; the month counts for nothing
        ("grid-only", MONTH + DAY, 2, 0.0, 0.8 + 0.3),
    ],
)
def test_a_home_without_a_choice_pays_its_tiers(market, tiers, slots_per_day, earlier, want):
    tree = otonari.clear(with_tiers(home([1.0, 1, 1, 5], False), tiers, slots_per_day, earlier), market)
    assert charged(tree) == pytest.approx([want])
    assert tree["settlement"]["bill"].values == pytest.approx([8 * 0.2 + want])
    assert tree.attrs["objective"] == pytest.approx(8 * 0.2 + want)


def test_a_battery_moves_energy_from_a_dear_day_to_one_before():
    """2 kWh on one day, 6 on the next: of the latter 1 kWh is bought the day before, where that is all that is cheap."""
    tree = otonari.clear(with_tiers(home([1.0, 1, 1, 5]), DAY, 2), "grid-only")
    assert tree["results"]["grid_import"].values[0].reshape(2, 2).sum(axis=1) == pytest.approx([3, 5])
    assert charged(tree) == pytest.approx([0.2])
    value = tree["results"]["tier_value"].values[0]
    assert value[2:] == pytest.approx([0.1, 0.1])
    assert value[:2] == pytest.approx([0.09, 0.09])  # what it saves a day later, less its wear


def neighbours(tiers, earlier=None, **more):
    """Return a roof that gives 3 kWh in all, and two homes that need 4 kWh and 2 kWh."""
    case = {
        "slots": [1, 1],
        "nodes": {"n": {"parent": "", "access_fee": 0.01}},
        "tariffs": {"t": {"retail_price": 0.2, "feed_in_price": 0.05}},
        "participants": {
            "roof": {"node": "n", "tariff": "t", "demand": [0.0, 0], "pv_available": [1.5, 1.5]},
            "large": {"node": "n", "tariff": "t", "demand": [2.0, 2]},
            "small": {"node": "n", "tariff": "t", "demand": [1.0, 1]},
        },
    } | more
    inputs = with_tiers(community(case), tiers)
    if earlier:
        inputs["earlier_energy"].values[:] = earlier
    return inputs


def test_energy_of_peers_goes_to_who_would_pay_most_for_more():
    """3 kWh from the roof save the large home its second tier first, from 1.5 kWh on: it buys 2.5 of them, at least."""
    tree = otonari.clear(neighbours([(1.5, 0.1, "month")]))
    bought = tree["results"]["peer_purchase"].values.sum(axis=1)
    assert bought[1:].tolist() == pytest.approx([2.5, 0.5])
    assert charged(tree) == pytest.approx([0, 0, 0])
    assert tree.attrs["objective"] == pytest.approx(3 * 0.2 + 3 * 0.02)
    assert float(tree["settlement"]["bill_grid_only"].sum()) == pytest.approx(
        6 * 0.2 + 0.25 + 0.05 - 3 * 0.05
    )
    assert (tree["settlement"]["saving"] >= -1e-9).all()


@pytest.fixture(scope="module")
def short():
    """Return the neighbours where all need more of the second tier than the roof has."""
    return otonari.clear(neighbours([(0.5, 0.1, "month")]))


def test_a_kilowatt_hour_is_worth_what_the_dearest_buyer_saves(short):
    """Energy of the roof is worth 0.3 less the fees."""
    np.testing.assert_allclose(short["results"]["price"].values, 0.3 - 0.01)
    np.testing.assert_allclose(short["results"]["tier_value"].values[1:], 0.1)


def test_a_cheap_tier_is_not_resold():
    """A home with a battery and free kWh to spare gives none of them in the slot in which it draws."""
    store = {
        "owner": "small",
        "capacity": 4.0,
        "charge_limit": 2.0,
        "discharge_limit": 2.0,
        "initial_energy": 0.0,
    }
    store |= {"charge_efficiency": 1.0, "discharge_efficiency": 1.0}
    inputs = neighbours([(2.0, 0.5, "month")], [0, 9, 0], batteries={"b": store})
    tree = otonari.clear(inputs)  # its checks hold directions
    assert tree.attrs["objective"] == pytest.approx(oracle.solve(inputs).objective)
    both = np.minimum(tree["results"]["draw"].values, tree["results"]["supply"].values)
    assert both.max() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("seed", counts.few(range(24)))
def test_any_community_plans_for_its_tiers(seed):
    """Its runs pass their checks and cost what the oracle says."""
    inputs = random_community(seed)
    dear = float(abs(inputs["retail_price"].values).mean())
    energy = float((inputs["demand"].values @ inputs["slot_hours"].values).max())
    tiers = [
        (0.3 * energy, 0.2 * dear, "month"),
        (0.6 * energy, 0.3 * dear, "month"),
        (0.2 * energy, 0.1 * dear, "day"),
    ]
    inputs = with_tiers(inputs, tiers, 2, earlier=0.1 * energy * (seed % 2))
    for market in ("p2p", "grid-only"):
        tree = otonari.clear(inputs, market)
        want = oracle.solve(inputs, market).objective
        assert tree.attrs["objective"] == pytest.approx(want, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize(
    ("group", "name", "at", "more", "broken"),
    [
        ("settlement", "tier_charges", (1,), 1.0, {"tier_charges", "bill", "lines of components"}),
        ("settlement", "component_cost", (1, 0), 1.0, {"component_cost"}),
        ("results", "tier_value", (1, 0), 0.5, {"tier_value", "price for grid_import"}),
        ("results", "tier_value", (1, 0), -0.5, {"tier_value", "price for peer_purchase"}),
        ("inputs", "tier_price", (0,), 0.5, {"tier_price by component", "tier_charges"}),
        ("inputs", "earlier_energy", (1,), 0.25, {"tier_charges"}),
    ],
)
def test_the_checks_hold_every_tier(short, group, name, at, more, broken):
    tree = short
    groups = {g: tree[g].to_dataset().copy(deep=True) for g in ("inputs", "results", "trades", "settlement")}
    groups[group][name].values[at] += more
    assert broken <= {violation.check for violation in check(*groups.values())}


# From a scenario.
TIERED = {
    "type": "tiered",
    "tiers": [
        {"up_to_kwh": 120, "price_per_kwh": 0.2},
        {"up_to_kwh": 300, "price_per_kwh": 0.25},
        {"price_per_kwh": 0.3},
    ],
}


def contract(price=TIERED, **more):
    parts = [
        {"name": "energy", "part": "energy", "price": price, **more},
        {"name": "grid", "part": "network", "price": 0.05},
        {"name": "VAT", "part": "tax", "basis": "percent", "price": 10},
    ]
    return {"components": parts}


@pytest.fixture(scope="module")
def month(tmp_path_factory):
    """Return June on the contract of three tiers, each home alone."""
    return single.cleared(load_scenario(scenario(tmp_path_factory.mktemp("june"), contract())), "grid-only")


def test_a_month_of_three_tiers_with_tax_by_hand(month):
    """360 kWh: 120 at 0.20, 180 at 0.25, 60 at 0.30 = 87.00; grid 18.00; 10 % of 105.00: 115.50."""
    account = month["settlement"].to_dataset().sel(participant="home")
    np.testing.assert_allclose(account["component_cost"], [87.0, 18.0, 10.5])
    assert round(float(account["bill"]), 2) == 115.50
    assert float(account["tier_charges"]) == pytest.approx(1.1 * (240 * 0.05 + 60 * 0.05))
    assert "dearer tiers" in page.report(month)
    np.testing.assert_allclose(month["results"]["tier_value"].sel(participant="home"), 1.1 * 0.1)


def test_a_month_goes_on_where_its_first_days_ended(tmp_path):
    """The bill of the last two days, of which 336 kWh were used before, is what they add to that of the month."""
    source = scenario(tmp_path, contract(), days=2, start="2026-06-29")
    source["tables"]["participants"][0]["earlier_kwh"] = 336
    rest = single.cleared(load_scenario(source), "unmanaged")
    bill = float(rest["settlement"]["bill"].sel(participant="home"))
    assert bill == pytest.approx(1.1 * 24 * (0.3 + 0.05))


def test_free_energy_up_to_a_cap_in_the_short_form(tmp_path):
    """5 kWh a day are free, the other 7 of 12 cost 0.4; two days."""
    free = {
        "type": "tiered",
        "per": "day",
        "tiers": [{"up_to_kwh": 5, "price_per_kwh": 0}, {"price_per_kwh": 0.4}],
    }
    run = single.cleared(load_scenario(scenario(tmp_path, {"energy": free}, days=2)), "grid-only")
    assert float(run["settlement"]["bill"].sel(participant="home")) == pytest.approx(2 * 7 * 0.4)
    assert run["inputs"]["tier"].values.tolist() == ["house/energy/2"]


def test_a_bill_has_tiers_and_can_be_checked(tmp_path):
    """Of 12 kWh 2 are the roof's, free: 4 at 0.20, 4 at 0.25 and 2 at 0.30 are 2.40, with grid and tax 3.19."""
    tiers = [{**tier, "up_to_kwh": 4 * n + 4} for n, tier in enumerate(TIERED["tiers"][:2])]
    price = {**TIERED, "tiers": [*tiers, TIERED["tiers"][2]]}
    source = scenario(tmp_path, contract(price), days=1, market_id="street")
    tree = single.cleared(load_scenario(source), "p2p")
    (made,) = issue.issue(keep(tree, tmp_path), issue.Request(["home"])).values()
    text = paper.write(bill.bill(receipt.check(made.packed(), [KEY.key])))
    assert text.split("\n      energy ")[1].split()[:3] == ["10.000", "0.2400", "2.40"]
    assert "to pay: **3.19 EUR**" in text


def test_bills_of_parts_of_a_run_add_up(month, tmp_path):
    """The last 10 days of June cost what they add to the 20 before, tier by tier; so do the stated lines."""
    run = accounts.StoredRun(tmp_path / "run.nc", month)
    first = np.arange(720) < 480
    before, after = (accounts.Part(run, counts) for counts in (first, ~first))
    want = 1.1 * (0.05 * 120 + 0.05 * 60)  # of the last 120 of 360 kWh: 60 beyond 300 are in the third tier
    assert after.lines["tier_charges"][0] == pytest.approx(want)
    for name in ("grid_cost", "tier_charges"):
        assert before.lines[name] + after.lines[name] == pytest.approx(month["settlement"][name].values)
    np.testing.assert_allclose(before.components + after.components, month["settlement"]["component_cost"])


def refused(tree):
    """Return the problems of a split by coalitions."""
    run = replace(run_of(tree), metered=True)
    with pytest.raises(InputError, match="tiers tie the slots") as error:
        payments(run, ["shapley"])
    return error.value.problems


def test_a_settlement_charges_tiers(tmp_path):
    """Of 0.6 kWh at noon, and what is shared of it, what is beyond 0.1 kWh costs 0.1 more; without sharing all of it."""
    price = {"type": "tiered", "tiers": [{"up_to_kwh": 0.1, "price_per_kwh": 0.2}, {"price_per_kwh": 0.3}]}
    path = written(tmp_path, tariffs=lambda tariffs: {"home": tariffs["home"] | {"energy": price}})
    (settled,) = settling.run(path, record=False, output=tmp_path / "out")
    bert = settled.outcome.tree["settlement"].to_dataset().sel(participant="bert")
    drawn = 0.6 - 0.375
    assert float(bert["tier_charges"]) == pytest.approx(0.1 * (drawn - 0.1))
    assert float(bert["bill_grid_only"]) == pytest.approx(0.6 * 0.2 + 0.5 * 0.1)
    assert [p.got for p in refused(settled.outcome.tree)] == ["'shapley'"]
    assert float(bert["bill"]) == pytest.approx(drawn * 0.2 + 0.1 * (drawn - 0.1) + 0.375 * 0.12)


@pytest.mark.parametrize(
    ("tariff", "want"),
    [
        (contract({**TIERED, "tiers": [*TIERED["tiers"][:2], {"price_per_kwh": 0.1}]}), "tiered-average"),
        (contract({**TIERED, "tiers": TIERED["tiers"][:2]}), "none in the last tier"),
        (contract({**TIERED, "per": "week"}), "day"),
        (contract(basis="per-kwh-injected"), "flat, time-of-use or series"),
        (contract(shared_discount=20), "nothing, as its price is tiered"),
        (contract(basis="per-month"), "a number, as it is per-month"),
        ({"energy": {"type": "flat", "price_per_kwh": 1}, "feed_in": TIERED}, "flat"),
    ],
)
def test_wrong_tiers_are_refused(tmp_path, tariff, want):
    with pytest.raises(InputError) as error:
        load_scenario(scenario(tmp_path, tariff, days=1))
    assert any(want in problem.want for problem in error.value.problems)


def test_energy_before_needs_tiers_by_month(tmp_path):
    source = scenario(tmp_path, contract({**TIERED, "per": "day"}), days=1)
    source["tables"]["participants"][0]["earlier_kwh"] = 20
    [problem] = problems(source)
    assert (problem.field, problem.got) == ("tables.participants.0.earlier_kwh", "20")
    source["tariffs"] = {"house": contract()}
    assert build_inputs(load_scenario(source))["earlier_energy"].values.tolist() == [20, 0]


def test_a_simulation_refuses_tiers_by_name(tmp_path):
    change = "tariffs.standard.energy={type: tiered, tiers: [{up_to_kwh: 5, price_per_kwh: 20}, {price_per_kwh: 30}]}"
    with pytest.raises(InputError, match="standard/energy/2: price: got 'tiered', want tiered-average"):
        rolling.run(
            "six-kinds", output=tmp_path / "run.nc", days=1, overrides=[change, "time.slot_minutes=240"]
        )
