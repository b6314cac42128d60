"""Peaks of all customers of a tariff together: by hand, as duals, who pays, and what is refused."""

import numpy as np
import pytest
import xarray as xr

import otonari
from otonari.data.assembly.inputs import build_inputs, problems
from otonari.data.inputs.contract import complete
from otonari.data.loading.scenario import load_scenario
from otonari.data.problems import InputError
from otonari.model.checks.run import check
from otonari.model.fair_shares.payments import payments
from otonari.runs.clear import by_regions, dask_cluster, single
from otonari.runs.report import sections
from otonari.runs.report.bills import accounts
from otonari.runs.settle import run as settling
from otonari.runs.simulate import run as rolling

from . import counts, oracle
from .communities import community, random_community
from .settlements import written
from .test_contracts import scenario
from .test_payments import run_of
from .test_peaks import FEED_IN, RETAIL, contract, with_peak

PRICE = 10.0


def homes(batteries=None, vehicles=None, **people):
    """Return homes on one tariff at one node, by name their demand by the hour, or demand and PV."""
    rows = {
        name: dict(zip(("demand", "pv_available"), own if isinstance(own, tuple) else (own,), strict=False))
        for name, own in people.items()
    }
    case = {
        "slots": [1] * len(next(iter(rows.values()))["demand"]),
        "nodes": {"n": {"parent": ""}},
        "tariffs": {"t": {"retail_price": RETAIL, "feed_in_price": FEED_IN}},
        "participants": {name: {"node": "n", "tariff": "t", **row} for name, row in rows.items()},
    }
    if batteries:
        case["batteries"] = batteries
    if vehicles:
        case["vehicles"] = vehicles
    return community(case)


@pytest.fixture(scope="module")
def two():
    """Return two homes of 3 and 1 kW, and of 1 and 4 kW, among peers."""
    return otonari.clear(with_peak(homes(early=[3.0, 1], late=[1.0, 4]), joint=True))


def charges(tree):
    return tree["settlement"]["peak_charges"].values.tolist()


def test_who_draws_while_the_peak_is_reached_pays_for_it():
    """3 and 1 kW, 1 and 4 kW: 5 kW in the second hour, at 10 each: 10 and 40. Alone it would be 30 and 40."""
    inputs = with_peak(homes(early=[3.0, 1], late=[1.0, 4]), joint=True)
    tree = otonari.clear(inputs)
    assert charges(tree) == pytest.approx([10, 40])
    assert tree["settlement"]["bill_grid_only"].values == pytest.approx([4 * RETAIL + 30, 5 * RETAIL + 40])
    np.testing.assert_allclose(tree["results"]["joint_peak_value"].values, [[0, 10]])
    assert tree.attrs["objective"] == pytest.approx(9 * RETAIL + 50)
    assert charges(otonari.clear(inputs, "grid-only")) == pytest.approx([30, 40])
    assert charges(otonari.clear(inputs, "unmanaged")) == pytest.approx([30, 40])


def test_who_gives_while_the_peak_is_reached_is_paid_for_it():
    """4 kW drawn and 1 kW of PV in the second hour make 3 kW: 40 less 10; the sun lowers the bill of nobody else."""
    tree = otonari.clear(with_peak(homes(sun=([0.0, 0], [0.0, 1]), late=[1.0, 4]), joint=True))
    assert charges(tree) == pytest.approx([-10, 40])
    assert float(tree["settlement"]["saving"].sum()) == pytest.approx(10 + RETAIL - FEED_IN)


def test_a_battery_lowers_the_peak_of_all():
    """1, 1 and 1, 5 kW: one that holds 1 kWh at 0.5 kW gives half a kW at the peak, 5.5 kW are charged."""
    store = {
        "owner": "a",
        "capacity": 2.0,
        "charge_limit": 0.5,
        "discharge_limit": 0.5,
        "initial_energy": 0.0,
    }
    store |= {"charge_efficiency": 1.0, "discharge_efficiency": 1.0}
    tree = otonari.clear(with_peak(homes({"b": store}, a=[1.0, 1], c=[1.0, 5]), joint=True))
    assert sum(charges(tree)) == pytest.approx(55)
    assert charges(tree) == pytest.approx([5, 50])
    assert tree["settlement"]["peak_power"].values.ravel() == pytest.approx([0.5, 5])


@pytest.mark.parametrize(
    ("more", "want"),
    [
        ({"floor": 8.0}, [40, 40]),  # 5 kW are less than the least: all share alike
        ({"earlier": 4.0}, [10 - 20, 40 - 20]),  # 4 kW have been paid for: 20 less for each
        ({"earlier": 6.0}, [0, 0]),
        ({"days": 2, "slots_per_day": 1}, [(3 + 1) * 5, (1 + 4) * 5]),  # the mean of both days
    ],
)
def test_what_marginal_values_leave_is_shared_alike(more, want):
    tree = otonari.clear(with_peak(homes(early=[3.0, 1], late=[1.0, 4]), joint=True, **more))
    assert charges(tree) == pytest.approx(want, abs=1e-9)


def test_a_tariff_without_customers_charges_no_least_peak():
    case = homes(early=[3.0, 1], late=[1.0, 4])
    other = case[["retail_price", "feed_in_price"]].assign_coords(tariff=["other"])
    both = case.drop_dims("tariff").merge(
        xr.concat([case[["retail_price", "feed_in_price"]], other], "tariff")
    )
    tree = otonari.clear(with_peak(complete(both), floor=8.0, joint=True))
    assert charges(tree) == pytest.approx([40, 40])


def test_a_vehicle_elsewhere_draws_on_the_account_of_its_owner():
    """It charges 2 kWh at its neighbour's, who needs 3 kW in one hour, in the other; alone it is charged for 1 kW."""
    car = {"owner": "a", "capacity": 4.0, "charge_limit": 2.0, "initial_energy": 0.0, "final_energy": 2.0}
    car |= {"charge_efficiency": 1.0, "discharge_efficiency": 1.0, "discharge_limit": 0.0}
    car |= {"electric_economy": 5.0, "host": ["b", "b"]}
    inputs = with_peak(homes(vehicles={"car": car}, a=[0.0, 0], b=[3.0, 1]), joint=True)
    tree = otonari.clear(inputs)
    assert tree["results"]["vehicle_charge"].values[0] == pytest.approx([0, 2])
    assert sum(charges(tree)) == pytest.approx(30)
    alone = otonari.clear(inputs, "grid-only")
    assert charges(alone) == pytest.approx([10, 30])
    np.testing.assert_allclose(alone["results"]["vehicle_charge"].values, [[1, 1]])


@pytest.mark.parametrize("seed", counts.few(range(24)))
def test_any_community_pays_for_its_peaks_together(seed):
    """Its runs pass their checks, cost what the oracle says, and nobody pays more than alone (a check)."""
    more = {"days": 1 + seed % 2, "floor": 0.3 * (seed % 4), "earlier": None if seed % 3 else 0.5}
    inputs = with_peak(random_community(seed), price=7.0, slots_per_day=2, joint=True, **more)
    for market in ("p2p", "grid-only"):
        tree = otonari.clear(inputs, market)
        want = oracle.solve(inputs, market).objective
        assert tree.attrs["objective"] == pytest.approx(want, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize(
    ("group", "name", "at", "more", "broken"),
    [
        ("settlement", "peak_charges", (0,), 1.0, {"peak_charges", "bill"}),
        ("settlement", "peak_power", (0, 0, 0), 1.0, {"peak_power", "parts of a joint peak"}),
        ("results", "joint_peak_value", (0, 0), 3.0, {"joint_peak_value", "peak_power"}),
        ("results", "joint_peak_value", (0, 1), -12.0, {"negative joint_peak_value", "joint_peak_value"}),
        ("results", "joint_peak_value", (0, 1), -2.0, {"joint_peak_value"}),
    ],
)
def test_the_checks_hold_the_peaks_of_tariffs(two, group, name, at, more, broken):
    groups = {g: two[g].to_dataset().copy(deep=True) for g in ("inputs", "results", "trades", "settlement")}
    groups[group][name].values[at] += more
    assert broken <= {violation.check for violation in check(*groups.values())}


# From a scenario.
def test_a_bill_says_what_of_the_peak_of_all_is_charged(tmp_path):
    """Two homes of 500 W, one with a roof of which neither peak has any: 1 kW at 4 a month, with 6 % of tax."""
    tree = single.cleared(
        load_scenario(scenario(tmp_path, contract(peak_of="tariff"), days=1, market_id="street")), "p2p"
    )
    assert float(tree["settlement"]["peak_charges"].sum()) == pytest.approx(1.06 * 4 * 1.0)
    rows = sections.peaks(tree)
    assert sum(row["kw"] for row in rows) == pytest.approx(1.0)
    assert [row["marginal"] for row in rows] == pytest.approx([4.24, 4.24])
    part = accounts.Part(accounts.StoredRun(tmp_path / "run.nc", tree), np.ones(24, dtype=bool))
    [(name, (kilowatt, saves))] = accounts.peaks([part], "home").items()
    assert (name, saves) == ("capacity", pytest.approx(4.24))
    assert kilowatt == pytest.approx(rows[0]["kw"])


def test_an_earlier_peak_of_all_stands_in_the_component(tmp_path):
    source = scenario(tmp_path, contract(peak_of="tariff", earlier_peak_kw=0.25), days=1)
    tree = single.cleared(load_scenario(source), "p2p")
    assert float(tree["settlement"]["peak_charges"].sum()) == pytest.approx(1.06 * 4 * 0.75)
    source["tables"]["participants"][0]["earlier_peak_kw"] = 2
    [problem] = problems(source)
    assert (problem.field, "all its customers" in problem.want) == (
        "tables.participants.0.earlier_peak_kw",
        True,
    )


@pytest.mark.parametrize(
    ("more", "want"),
    [
        ({"peak_of": "street"}, "tariff"),
        ({"earlier_peak_kw": 1}, "of a peak of the tariff"),
        ({"peak_of": "tariff", "highest_days": 2, "earlier_peak_kw": 1}, "of one day"),
        ({"basis": "per-month", "peak_of": "tariff"}, "nothing, as it is per-month"),
    ],
)
def test_a_wrong_peak_of_a_tariff_is_refused(tmp_path, more, want):
    with pytest.raises(InputError, match=want):
        load_scenario(scenario(tmp_path, contract(**more), days=1))


JOINT = (
    "tariffs.standard.components=[{name: peak, part: network, basis: per-kw-peak, price: 5, peak_of: tariff}]"
)


def test_simulations_and_regions_refuse_it_by_name(tmp_path):
    with pytest.raises(InputError, match="peak_of"):
        rolling.run(
            "six-kinds", output=tmp_path / "run.nc", days=1, overrides=[JOINT, "time.slot_minutes=240"]
        )
    with pytest.raises(dask_cluster.ClusterError, match="standard/peak"):
        by_regions._outline("six-kinds", [JOINT], True)


def test_a_settlement_refuses_it_by_name(tmp_path):
    part = {"name": "peak", "part": "network", "basis": "per-kw-peak", "price": 5, "peak_of": "tariff"}
    path = written(tmp_path, tariffs=lambda tariffs: {"home": tariffs["home"] | {"components": [part]}})
    with pytest.raises(InputError, match="home/peak: peak_of"):
        list(settling.run(path, record=False, output=tmp_path / "out"))


def test_splits_by_coalitions_refuse_it(two):
    run = run_of(two)
    with pytest.raises(InputError, match="no coalition's own"):
        payments(run, ["shapley"])
    want = 9 * RETAIL + 50
    assert float(payments(run, ["equal"])["payment"].sum()) == pytest.approx(want)


def test_scenarios_without_it_have_no_such_variables(tmp_path):
    inputs = build_inputs(load_scenario(scenario(tmp_path, contract(), days=1)))
    assert not {"peak_of", "peak_earlier"} & set(inputs)
