"""Explanations: each figure is that of the run, and each worth is what clearing again with one more unit changes."""

import json

import numpy as np
import pytest

from otonari.data.problems import InputError
from otonari.runs.clear import single
from otonari.runs.report.explain import stores
from otonari.runs.report.explain.case import Case
from otonari.runs.report.explain.explain import explain, facts, text
from otonari.runs.store import netcdf, run_format

from . import counts
from .communities import community, random_community
from .test_bill import otonari, street
from .test_hostile_text import NAME, harmless
from .test_marginal_values import HOME, cleared, require_between, slopes

SEEDS = counts.all_or(range(40), (6,))


HINDERED = ("draws gives nothing", "gives draws nothing", "had nothing of its own that it gave")


def about(tree, topic, participant=None, time=None, named=()):
    """Return the figures of what is said under a heading."""
    return [s.figures for s in explain(tree, participant, time, named)[1] if s.topic == topic]


def cases(tree):
    sizes = tree["inputs"].to_dataset().sizes
    return [Case(tree, p, t) for p in range(sizes["participant"]) for t in range(sizes["time"])]


@pytest.mark.parametrize("seed", SEEDS)
def test_parts_add_up_and_no_trade_that_was_not_made_would_have_paid(seed):
    """But for who draws itself, and could only have resold: a meter has one direction."""
    from otonari.runs.report.explain import partners, price

    tree = single.clear(random_community(seed))
    for case in cases(tree):
        for said in [
            *price.price(case),
            *partners.partners(case, [n for n in case.people if n != case.name]),
        ]:
            figures = said.figures
            if "paid" in figures:
                assert sum(figures["parts"].values()) == pytest.approx(figures["paid"], abs=1e-6)
                assert "by the buyer's tariff" not in figures["parts"]  # there are no such fees
            if "costs" in figures:
                assert sum(figures["parts"].values()) == pytest.approx(figures["costs"])
                worse = figures["costs"] - figures["brings"]
                assert worse > -1e-5 or any(why in said.text for why in HINDERED)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_saving_is_made_of_trades_and_the_rest(seed):
    """Of powers in the results, not of the trades: what was bought at the retail price, sold at the feed-in price."""
    tree = single.clear(random_community(seed))
    inputs, results, settled = (tree[g].to_dataset() for g in ("inputs", "results", "settlement"))
    hours, tariffs = inputs["slot_hours"].values, inputs["tariff"].values.tolist()
    for p, name in enumerate(inputs["participant"].values):
        mine, tariff = (
            inputs["vehicle_owner"].values == name,
            tariffs.index(inputs["participant_tariff"].values[p]),
        )
        found = {}
        for figures in about(tree, "Saving over the whole horizon", str(name)):
            found |= figures if "gain" not in figures else {k: v for k, v in figures.items() if k != "gain"}
        for way, verb, price, at in (
            ("purchase", "bought", "retail_price", "retailer_asks"),
            ("sale", "sold", "feed_in_price", "retailer_pays"),
        ):
            power = results[f"peer_{way}"].values[p] + results[f"vehicle_{way}"].values[mine].sum(axis=0)
            assert found.get(verb, 0.0) == pytest.approx(power @ hours, abs=1e-5)
            worth = (power * inputs[price].values[tariff]) @ hours
            assert found.get(at, 0.0) == pytest.approx(worth, abs=1e-3)
        gains = found.get("retailer_asks", 0.0) - found.get("paid", 0.0)
        gains += found.get("got", 0.0) - found.get("retailer_pays", 0.0)
        assert gains + found.get("rest", 0.0) == pytest.approx(found["saving"], abs=0.006)
        assert found["saving"] == pytest.approx(float(settled["saving"].values[p]))


@pytest.mark.parametrize("seed", SEEDS)
def test_one_more_of_a_store_saves_what_is_said(seed):
    inputs = random_community(seed)
    cost, _, directions = cleared(inputs)
    tree = single.clear(inputs)
    for device in ("battery", "vehicle"):
        for s in range(min(inputs.sizes[device], 1)):
            case = Case(tree, 0, 0)
            more = {"capacity": stores.capacity_values(case, device)[s]}
            if device == "battery" or (inputs["vehicle_host"] == inputs["vehicle_owner"]).values[s].all():
                more |= {f"{verb}_limit": v for verb, v in stores.power_values(case, device, s).items()}
            for name, saved in more.items():
                if not directions:
                    require_between(-saved.sum(), *slopes(inputs, cost, f"{device}_{name}", s, "p2p"))


@pytest.mark.parametrize("seed", SEEDS)
def test_more_pv_saves_what_is_said(seed):
    inputs = random_community(seed)
    cost, _, directions = cleared(inputs)
    tree = single.clear(inputs)
    for p in [] if directions else range(inputs.sizes["participant"]):
        if (saved := stores.pv_value(Case(tree, p, 0))) is not None:
            power, sides = inputs["pv_available"].values[p], []
            for step in (-1e-3, 1e-3):
                changed = inputs.copy(deep=True)
                changed["pv_available"].values[p] = power * (1 + step / power.max())
                sides.append((cleared(changed)[0] - cost) / step)
            require_between(-saved, *sides)


def test_a_store_and_a_connection_on_paper():
    """See `test_marginal_values`: a kWh held is worth 20; a kW of connection in the first hour 6, over the horizon 6."""
    tree = single.clear(community(HOME), "grid-only")
    held, _, end = about(tree, "Stores and PV", "home", "00:00")
    assert (held["kwh"], held["energy_value"]) == pytest.approx((1.6, 20))
    assert (end["final_energy"], end["saving"]) == pytest.approx((0, 20))
    [limit] = about(tree, "Limits", "home", "00:00")
    assert (limit["kw"], limit["saving"], limit["saving_over_horizon"]) == pytest.approx((3, 6, 6))
    assert about(tree, "Trades that were not made", "home", "00:00") == []


def test_a_full_store_on_paper():
    """With 1 kWh of room, one more saves 0.5 kWh at 40 in the second slot for 1 / 0.8 kWh at 10 in the first."""
    case = HOME | {"batteries": {"b": HOME["batteries"]["b"] | {"capacity": 1}}}
    tree = single.clear(community(case), "grid-only")
    assert about(tree, "Stores and PV", "home", "00:00")[1]["capacity_value"] == pytest.approx(20 - 12.5)


DRIVE = {
    "slots": [1, 1],
    "nodes": {"n": {"parent": ""}},
    "tariffs": {"t": {"retail_price": [30, 30], "feed_in_price": 5}},
    "participants": {"home": {"node": "n", "tariff": "t", "demand": 1, "pv_available": 0}},
    "vehicles": {
        "car": {
            "owner": "home",
            "host": ["home", ""],
            "capacity": 4,
            "min_energy": 0,
            "initial_energy": 0,
            "final_energy": 0,
            "charge_limit": 3,
            "discharge_limit": 0,
            "charge_efficiency": 1,
            "discharge_efficiency": 1,
            "wear_cost": 0,
            "min_charge": 0,
            "electric_economy": 5,
            "fuel_economy": 10,
            "fuel_price": 150,
            "fuel_carbon": 2.3,
        }
    },
    "trips": {"trip": {"vehicle": "car", "departure": 1.0, "arrival": 2.0, "distance": 40}},
}


def test_why_a_car_drove_on_fuel_on_paper():
    """3 kWh in the hour at home are 15 km; the other 25 cost 15 a km, and a kWh saves five of them: 75, for 30."""
    tree = single.clear(community(DRIVE), "grid-only")
    [trip] = about(tree, "Driving", "home", "00:00")
    assert (trip["km"], trip["km_on_fuel"], trip["cost_per_km_on_fuel"]) == pytest.approx((40, 25, 15))
    assert (trip["energy_value"], trip["cost_per_km_electric"]) == pytest.approx((75, 15))
    charger = about(tree, "Stores and PV", "home", "00:00")[-1]
    assert (charger["limit"], charger["kw"], charger["saving"]) == ("charge", 3, pytest.approx(75 - 30))
    cheap = DRIVE | {"vehicles": {"car": DRIVE["vehicles"]["car"] | {"fuel_price": 40}}}
    [trip] = about(single.clear(community(cheap), "grid-only"), "Driving", "home", "00:00")
    assert (trip["km_on_fuel"], trip["cost_per_km_on_fuel"]) == pytest.approx((40, 4))
    assert trip["cost_per_km_electric"] >= 4 - 1e-9


STREET = {
    "slots": [1],
    "nodes": {"up": {"parent": ""}, "low": {"parent": "up", "fee": 2, "access_fee": 1, "limit": 1}},
    "tariffs": {"t": {"retail_price": 30, "feed_in_price": 5}},
    "participants": {
        "sun": {"node": "low", "tariff": "t", "demand": 0, "pv_available": 4},
        "near": {"node": "low", "tariff": "t", "demand": 2, "pv_available": 0},
        "far": {"node": "up", "tariff": "t", "demand": 5, "pv_available": 0},
    },
}


def test_who_sets_a_price_and_what_a_full_edge_is_worth_on_paper():
    """Below the full edge sun sells to the retailer, too: 5 + 1. Above it far buys from it, too: 30."""
    tree = single.clear(community(STREET))
    prices = about(tree, "Price", "near")
    assert prices[0]["price"] == pytest.approx(6)
    assert (prices[1]["set_by"], prices[1]["own_price"]) == ("sun", pytest.approx(5))
    assert prices[2]["meter_value"] == pytest.approx(7)
    assert prices[3]["parts"] == {"to the seller": pytest.approx(5), "access at low, twice": pytest.approx(2)}
    [edge] = about(tree, "Limits", "near")
    assert (edge["kw"], edge["saving"]) == pytest.approx((1, 30 - 6 - 2))
    less, more = slopes(community(STREET), cleared(community(STREET))[0], "node_limit", 1, "p2p")
    assert (-less, -more) == pytest.approx((22, 22), abs=1e-6)
    [other] = about(tree, "Trades that were not made", "near", named=["far"])
    assert other["costs"] >= other["brings"]


def test_what_is_said_in_all(golden):
    tree = single.clear(community(STREET))
    golden("explain.txt", text(*explain(tree, "near", None, ["far"])) + "\n")


def test_the_command_says_it_to_people_and_machines(tmp_path):
    path = tmp_path / "run.nc"
    netcdf.write_run(single.clear(community(STREET)), path)
    told = otonari("explain", path, "--participant", "near").stdout
    assert told.startswith("near, 2025-07-01 00:00, 60 minutes\n")
    answer = json.loads(otonari("explain", path, "--participant", "near", "--json").stdout)
    assert all(s["text"] in told for s in answer["sentences"])
    assert next(s["price"] for s in answer["sentences"] if s["topic"] == "Price") == pytest.approx(6)
    wrong = otonari("explain", path, "--participant", "neer", "--time", "07:00", "--with", "x", code=2).stderr
    assert "did you mean 'near'?" in wrong
    assert wrong.count("got") == 3


def test_a_time_may_be_written_in_several_ways():
    tree = single.clear(community(HOME), "grid-only")
    tree["inputs"].attrs["time_zone"] = "Asia/Tokyo"  # nine hours ahead
    for time in ("09:00", "9:59", "2025-07-01 09:30", "2025-07-01T00:00Z"):
        assert explain(tree, None, time)[0].slot == 0
    assert explain(tree, None, "10:29")[0].slot == 1
    for time in ("08:59", "10:30", "soon", "2025-07-02 09:00"):
        with pytest.raises(InputError, match="2025-07-01 09:00 to 2025-07-01 10:00"):
            explain(tree, None, time)


def test_a_run_without_marginal_values_says_so():
    for tree in (street(), single.clear(community(STREET), "unmanaged")):
        case, said = explain(tree, None, None)
        assert said[-1].topic == "Not known"
        assert not any("marginal" in key for s in said for key in s.figures)
        price = next(s for s in facts(case, said)["sentences"] if s["topic"] == "Price")
        assert np.isfinite(price["retail"])


def test_names_of_strangers_steer_nothing():
    tree = single.clear(community(STREET))
    other = street({"anna": NAME, "bert": f"b{NAME}", "site": f"c{NAME}"})
    named = {"sun": NAME, "near": f"n{NAME}", "far": f"f{NAME}"}
    groups = {}
    for group in run_format.groups(tree):
        dataset = tree[group].to_dataset()
        for key, array in dataset.variables.items():
            if array.dtype.kind == "U":
                found = np.array([named.get(x, x) for x in array.values.ravel()]).reshape(array.shape)
                dataset[key] = (array.dims, found, array.attrs)
        groups[group] = dataset
    renamed = run_format.as_tree(
        *(groups[g] for g in run_format.GROUPS), **{run_format.MARGINAL: groups[run_format.MARGINAL]}
    )
    renamed.attrs = tree.attrs
    for run in (renamed, other):
        assert harmless(text(*explain(run, None, None)))
