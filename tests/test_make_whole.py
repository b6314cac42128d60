"""Make-whole payments: two streets on paper, the rule itself, and random communities with minimum charge powers."""

import re
import shutil

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose

import otonari
from otonari.data.inputs.currency import scale
from otonari.model.checks.run import check
from otonari.model.settlement.account_lines import MONEY, SIGNS
from otonari.model.settlement.accounts import made_whole, settle
from otonari.model.settlement.make_whole import make_whole
from otonari.runs import archive, compare
from otonari.runs.commands import ledger as commands
from otonari.runs.ledger import ledger, private_leaves, records
from otonari.runs.ledger.checkpoints import read as read_checkpoint
from otonari.runs.ledger.format import block_schema
from otonari.runs.ledger.format.errors import LedgerTampered
from otonari.runs.report.bills import bill, issue, page

from . import counts
from .communities import community, of_examples, random_community

pytestmark = pytest.mark.thorough

few = of_examples(100)
money = arrays(float, 4, elements=st.floats(-1000, 1000))


def street(pv, limit=np.inf, least=3.0):
    """Return two slots at 30 and 20: the sun shines in the first, the car takes 3 kW or nothing, and needs 3 kWh."""
    car = {
        "owner": "driver",
        "host": ["driver", "driver"],
        "capacity": 10,
        "final_energy": 3,
        "initial_energy": 0,
    }
    charger = {"charge_limit": 3, "min_charge": least, "discharge_limit": 0}
    efficiency = {"charge_efficiency": 1, "discharge_efficiency": 1, "electric_economy": 5}
    return community(
        {
            "slots": [1, 1],
            "nodes": {
                "root": {"parent": ""},
                "a": {"parent": "root", "limit": limit},
                "b": {"parent": "root", "limit": np.inf},
            },
            "tariffs": {"t": {"retail_price": [30, 20], "feed_in_price": 8}},
            "participants": {
                "sun": {"node": "a", "tariff": "t", "demand": 0, "pv_available": [pv, 0]},
                "driver": {"node": "b", "tariff": "t", "demand": 0, "pv_available": 0},
            },
            "vehicles": {"car": car | charger | efficiency},
        }
    )


PAPER = {
    # 2 of 3 kWh come from the sun, whose marginal value is the retailer's 30: 90 for what costs 60 in the second slot
    "those who gain": (street(2), {"bill": [-60 + 30, 90 - 30], "bill_grid_only": [-16, 60], "rent": 0}),
    # over a full line all the gain is rent: (30 - 8) x 2 = 44, of which 30 make the driver whole
    "the rent": (street(4, limit=2), {"bill": [-32, 90 - 30], "bill_grid_only": [-32, 60], "rent": 44}),
    # 3.5 kWh of sun, 2.5 over the line: 30 at the driver, 8 at the sun
    "the rent in part": (
        street(3.5, limit=2.5),
        {"bill": [-28, 60], "bill_grid_only": [-28, 60], "rent": 55},
    ),
}


@pytest.mark.parametrize("case", PAPER)
def test_a_street_on_paper(case):
    inputs, paper = PAPER[case]
    tree = otonari.clear(inputs)
    settlement = tree["settlement"].to_dataset()
    assert_allclose(tree["results"]["vehicle_charge"], [[3, 0]])
    assert_allclose(tree["results"]["price"].sel(node="b").values[0], 30)
    for name in ("bill", "bill_grid_only"):
        assert_allclose(settlement[name], paper[name], err_msg=name)
    assert settlement["congestion_rent"].sum() == pytest.approx(paper["rent"])
    assert_allclose(settlement["make_whole"], [0 if paper["rent"] else 30, -30])
    assert (settlement["saving"] >= 0).all()
    cost = settlement["bill"] - settlement["make_whole"] - settlement["congestion_rent"]
    assert float(cost.sum()) == pytest.approx(tree.attrs["objective"])


def test_nobody_pays_where_prices_alone_leave_nobody_worse_off():
    settlement = otonari.clear(street(2, least=0.0))["settlement"]
    assert (settlement["make_whole"] == 0).all()
    assert_allclose(settlement["saving"], [2 * (20 - 8), 0])  # 2 kW in the first slot, at the second one's 20


def test_all_regions_make_whole_together():
    """The driver of one loses 30; the suns of both gain: 44, and in the other 12 x 2, without a minimum charge power."""
    settled = [otonari.clear(street(2, least=least))["settlement"] for least in (3.0, 0.0)]
    lines = {name: np.concatenate([s[name].values for s in settled]) for name in MONEY if name in settled[0]}
    found = made_whole(lines)
    assert_allclose(found["make_whole"], [30 * 44 / 68, -30, 30 * 24 / 68, 0])
    assert_allclose(found["saving"], [44 - 30 * 44 / 68, 0, 24 - 30 * 24 / 68, 0], atol=1e-9)


def test_what_members_receive_is_compared_and_no_gift_of_the_network():
    trees = [otonari.clear(street(4, limit=2)), otonari.clear(street(4, limit=2), "grid-only")]
    found = compare.compare(trees)
    assert_allclose(found["made_whole"], [30, 0])
    assert_allclose(found["make_whole"], [-30, 0])
    assert_allclose(found["efficiency"], [1, 0])
    before = trees[0].copy()
    before["settlement"] = before["settlement"].to_dataset().drop_vars("make_whole")
    assert float(compare.summary(before)["made_whole"]) == 0


def test_trades_at_prices_of_their_own_promise_nothing():
    tree = otonari.clear(street(2))
    inputs, results, trades = (tree[g].to_dataset() for g in ("inputs", "results", "trades"))
    alone = otonari.clear(street(2), "grid-only")["results"].to_dataset()
    settlement = settle(inputs, results, trades, alone, prices="traded")
    assert_allclose(settlement["make_whole"], 0)
    assert_allclose(settlement["saving"], [44, -30])
    found = check(inputs, results, trades, settlement, grid_only=alone, prices="traded")
    assert {v.check for v in found} <= {"price", "sale_price"}  # which are those of the clearing here
    assert {v.check for v in check(inputs, results, trades, settlement, grid_only=alone)} == {
        "make_whole",
        "worse off than without peers",
    }


@few
@given(money, money, st.floats(0, 1000))
def test_the_rule(bill, alone, rent):
    """Who gains pays in proportion, nobody beyond its gain; nobody gets more than its loss; the rent is used last."""
    paid = make_whole(bill, alone, abs(bill), rent)
    loss, gain = np.maximum(bill - alone, 0.0), np.maximum(alone - bill, 0.0)
    saving = alone - bill - paid
    rounding = 2e-6 * max(1.0, *abs(bill)) * len(bill)
    assert (paid <= gain + 1e-9).all()
    assert (-paid <= loss + 1e-9).all()
    assert -rent - rounding <= paid.sum() <= rounding
    assert_allclose(paid.clip(0) * gain.sum(), gain * paid.clip(0).sum(), atol=1e-6 * (1 + gain.sum() ** 2))
    if gain.sum() + rent >= loss.sum():
        assert (saving >= -rounding).all()
    if paid.sum() < -rounding:
        assert_allclose(paid.clip(0), gain, atol=rounding)


def chargers(seed):
    """Return a street of cars with minimum charge powers and neighbours with PV, behind lines that are often full."""
    rng = np.random.default_rng(seed)
    slots, homes = 4, [f"p{k}" for k in range(rng.integers(2, 5))]
    limits = rng.choice([np.inf, 1.0, 2.0, 3.0], 2)
    participants, vehicles = {}, {}
    for k, name in enumerate(homes):
        pv = rng.uniform(0, 4, slots) * rng.integers(0, 2, slots) * (k % 2 == 0 or rng.random() < 0.3)
        demand = rng.uniform(0, 1, slots) * rng.integers(0, 2, slots)
        participants[name] = {
            "node": "ab"[k % 2],
            "tariff": "t",
            "demand": demand.tolist(),
            "pv_available": pv.tolist(),
        }
        if k % 2 or rng.random() < 0.3:
            rate = rng.uniform(2, 4)
            vehicles[f"car {name}"] = {
                "owner": name,
                "host": [name] * slots,
                "capacity": 20,
                "initial_energy": 0,
                "final_energy": rate * rng.uniform(0.5, 2.5),
                "charge_limit": rate,
                "min_charge": rate * rng.uniform(0.5, 1.0),
                "discharge_limit": 0,
                "charge_efficiency": 1,
                "discharge_efficiency": 1,
                "electric_economy": 5,
            }
    case = {
        "slots": [1] * slots,
        "nodes": {
            "root": {"parent": ""},
            **{
                n: {"parent": "root", "fee": 1, "limit": limit} for n, limit in zip("ab", limits, strict=True)
            },
        },
        "tariffs": {"t": {"retail_price": rng.choice([20, 25, 30, 35], slots).tolist(), "feed_in_price": 8}},
        "participants": participants,
        "vehicles": vehicles,
    }
    return community(case)


@pytest.fixture(scope="module")
def streets():
    return [otonari.clear(chargers(seed)) for seed in counts.share(range(60))]


def test_nobody_is_worse_off_in_any_street(streets):
    lost = 0
    for tree in streets:
        s = tree["settlement"].to_dataset()
        amounts = sum(abs(s[name]) for name in SIGNS if name in s)
        assert (s["saving"] >= -1e-5 * np.maximum(1, amounts)).all()
        assert 0 <= round(-float(s["make_whole"].sum()), 9) <= float(s["congestion_rent"].sum()) + 1e-9
        cost = (s["bill"] - s["make_whole"] - s["congestion_rent"]).sum()
        assert float(cost) == pytest.approx(tree.attrs["objective"], rel=1e-6)
        lost += bool((s["make_whole"] != 0).any())
    assert lost >= len(streets) // 6  # prices alone would leave somebody worse off there


def test_a_solved_street_that_was_settled_before_there_was_the_line_still_passes():
    inputs = street(2, least=0.0)
    tree = otonari.clear(inputs)
    groups = [tree[g].to_dataset() for g in ("inputs", "results", "trades")]
    old: xr.Dataset = tree["settlement"].to_dataset().drop_vars("make_whole")
    assert check(*groups, old) == []


@pytest.mark.parametrize("seed", [15, 54, 81])
def test_a_solution_within_a_wide_gap_costs_no_more_than_without_peers(seed):
    """Decisions that cost more than what each decides alone are not taken; the gap is still that to the first bound."""
    tree, best = (otonari.clear(chargers(seed), mip_gap=gap) for gap in (0.5, 1e-6))
    s = tree["settlement"].to_dataset()
    assert tree.attrs["objective"] <= float(s["bill_grid_only"].sum()) + 1e-6
    assert (s["saving"] >= -1e-6).all()
    bound = tree.attrs["objective"] - tree.attrs["proof_mip_gap"] * abs(tree.attrs["objective"])
    assert bound <= best.attrs["objective"] + 1e-6
    assert tree.attrs["status"] == "optimal"


def test_directions_within_a_wide_gap_cost_no_more_than_without_peers():
    """As above, where directions and not chargers are decided."""
    tree = otonari.clear(random_community(49, crossing=True), mip_gap=0.5)
    s = tree["settlement"].to_dataset()
    assert tree.attrs["objective"] <= float(s["bill_grid_only"].sum()) + 1e-6
    assert (s["saving"] >= -1e-6).all()


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """Return the outcomes of the streets on paper, stored and committed to a ledger each."""
    folder = tmp_path_factory.mktemp("streets")
    outcomes = {}
    for case, (inputs, _) in PAPER.items():
        tree = otonari.clear(inputs)
        tree.attrs |= {"market_id": "street"}
        outcomes[case] = archive.store(tree, folder / case / "p2p.nc", folder / case / "ledger", None)
    return outcomes


@pytest.mark.parametrize("case", PAPER)
def test_the_slots_of_a_ledger_hold_the_payments_by_their_hours(stored, case):
    """30 in two slots of an hour: 15 each, in millionths."""
    blocks = records.of_run(stored[case].tree)
    given = -15_000_000 if PAPER[case][1]["rent"] else 0
    for block in blocks:
        assert [leaf["make_whole"] for leaf in block["leaves"]] == [
            -15_000_000,
            given + 15_000_000,
        ]  # by label
        assert block["totals"]["make_whole"] == given
    summary = ledger.verify(stored[case].directory, private=True)
    assert summary.totals["make_whole"] == 2 * given


def test_a_bill_proves_the_payment(stored, tmp_path):
    outcome = stored["those who gain"]
    issued = issue.issue(outcome.path, issue.Request(), outcome.directory)
    made = {who: bill.bill(one) for who, one in issued.items()}
    assert {who: _made_whole(one) for who, one in made.items()} == {"sun": 30 * 10**6, "driver": -30 * 10**6}
    assert made["driver"].total + sum(line.amount for line in made["driver"].borne) == 60 * 10**6
    (tmp_path / made["driver"].receipt_name).write_bytes(issued["driver"].packed())
    held = [read_checkpoint(outcome.directory / "checkpoint", held=True)]
    text = page.write(made["driver"])
    page.check(tmp_path / "driver.md", text.encode(), held=held)
    forged = re.sub("(make-whole payment +)-30 ", r"\1-31 ", text)
    assert forged != text
    with pytest.raises(LedgerTampered, match="-31"):
        page.check(tmp_path / "driver.md", forged.encode(), held=held)


def _made_whole(one):
    return sum(line.amount for line in one.lines if line.name == "make_whole")


def test_a_receipt_shows_the_payment(stored, tmp_path):
    directory = stored["those who gain"].directory
    commands.receipt(directory, "sun", None, None, tmp_path / "sun")
    answer = commands.check(tmp_path / "sun", [directory / "checkpoint"], [])
    assert ["make-whole", "payment", "30.00", "JPY"] in [line.split() for line in answer.text.splitlines()]


def test_where_nobody_is_made_whole_no_leaf_and_no_bill_speaks_of_it(tmp_path):
    tree = otonari.clear(street(2, least=0.0))
    tree.attrs |= {"market_id": "street"}
    outcome = archive.store(tree, tmp_path / "p2p.nc", tmp_path / "ledger", None)
    assert not any("make_whole" in leaf for r in records.of_run(tree) for leaf in r["leaves"])
    assert "make_whole" not in ledger.verify(tmp_path / "ledger", private=True).totals
    (sun,) = issue.issue(outcome.path, issue.Request(["sun"]), outcome.directory).values()
    assert "make-whole" not in page.write(bill.bill(sun))


def test_a_correction_takes_payments_back(stored, tmp_path):
    """The driver pays more for the first slot: its leaf, and nothing else, tells; all payments come anew."""
    outcome = stored["the rent"]
    shutil.copytree(outcome.directory, tmp_path / "ledger")
    tree = outcome.tree.copy(deep=True)
    tree["settlement"]["make_whole"][:] = [1, -31]
    archive.store(tree, tmp_path / "p2p.nc", tmp_path / "ledger", None, correct=True)
    assert ledger.verify(tmp_path / "ledger", private=True).totals["make_whole"] == -30 * 10**6


def test_totals_in_which_members_pay_more_than_they_receive_are_no_block(stored):
    record = records.of_run(stored["those who gain"].tree)[0]
    record["totals"]["make_whole"] = 1
    block, _ = private_leaves.seal(record, b"0" * 32)
    assert block_schema.mismatch({**block, "index": 1, "prev": "0" * 64}) == "make_whole"


@few
@given(
    arrays(float, 4, elements=st.floats(-1e4, 1e4)),
    arrays(float, 5, elements=st.sampled_from([0.25, 0.5, 1.0])),
)
def test_any_payments_add_up_over_slots_and_accounts(amounts, hours):
    """To the micro-currency, and no slot is 2 of them away from its share."""
    amounts[-1] = -amounts[:-1].sum() - abs(amounts[-1])  # the rent gives the rest
    groups = {"/inputs": xr.Dataset({"slot_hours": ("time", hours)})}
    groups["/settlement"] = xr.Dataset({"make_whole": ("participant", amounts)})
    slots = records.make_whole(xr.DataTree.from_dict(groups), scale("JPY"))
    if slots[0]:
        paid = np.array([slot["make_whole"] for slot in slots])
        assert_allclose(paid.sum(axis=0), amounts * 1e6, atol=1)
        assert abs(paid.sum() - np.rint(amounts.sum() * 1e6)) <= 1
        assert (paid.sum(axis=1) <= 0).all()
        assert (abs(paid - np.outer(hours / hours.sum(), amounts * 1e6)) < 3).all()
    else:
        assert (abs(amounts) < 1e-6).all()


def test_directions_that_are_decided_may_leave_somebody_worse_off_at_the_prices_alone():
    """Prices cross here: no CheckError, and all are made whole."""
    settlement = otonari.clear(random_community(21))["settlement"]
    assert (settlement["saving"] >= -1e-5).all()
