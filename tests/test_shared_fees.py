"""Fees on shared energy by the law of a place, each worked out by hand."""

import json

import numpy as np
import pytest

import otonari
from otonari.data.assembly.fees import fee_network, lowest_common
from otonari.data.assembly.inputs import build_inputs, problems
from otonari.data.inputs.contract import complete
from otonari.data.loading.scenario import load_scenario
from otonari.data.problems import InputError
from otonari.data.schema.table_rows import Node
from otonari.data.schema.tariffs_and_fees import CommonLevelFees, ExtentFees
from otonari.model.checks.run import check
from otonari.runs import markets
from otonari.runs.clear import by_regions
from otonari.runs.clear.dask_cluster import ClusterError
from otonari.runs.simulate import run, timeline
from otonari.runs.simulate.loop import Options

from . import oracle
from .communities import random_community

#          grid (regional-high)
#         /                    \
#   station (regional)       other (local)
#    /        \                   |
#  one (local) two (local)      far (local)
TREE = [
    ("grid", None, "regional-high"),
    ("station", "grid", "regional"),
    ("other", "grid", "local"),
    ("one", "station", "local"),
    ("two", "station", "local"),
    ("far", "other", "local"),
]
NODES = [Node(node=n, parent=p, level=level, access_fee_per_kwh=0) for n, p, level in TREE]
NETWORK = 0.07
"""Network charge [EUR/kWh], made up. In Austria shared energy pays 57 % less of it at one transformer, 28 % less at one
station on the lower levels and 64 % less on the higher ones (Systemnutzungsentgelte-Verordnung 2018, second amendment
of 2021: of regional communities 64 % for members at level 5, 28 % at level 7)."""
AUSTRIA = {"local": 0.43 * NETWORK, "regional": 0.72 * NETWORK, "regional-high": 0.36 * NETWORK}


def test_the_lowest_common_node():
    names, parents = [n for n, _, _ in TREE], [p or "" for _, p, _ in TREE]
    common = lowest_common(names, parents)
    assert [names[common[names.index(a), names.index(b)]] for a, b in [("one", "one"), ("one", "two")]] == [
        "one",
        "station",
    ]
    assert names[common[names.index("one"), names.index("far")]] == "grid"
    assert np.array_equal(common, common.T)


def test_austria_by_the_level_at_which_members_meet():
    fee = fee_network(NODES, CommonLevelFees(levels=AUSTRIA))["trade_fee"][1]
    place = {name: n for n, (name, _, _) in enumerate(TREE)}
    pairs = {("one", "one"): 0.0301, ("one", "two"): 0.0504, ("two", "far"): 0.0252, ("far", "other"): 0.0301}
    for (a, b), want in pairs.items():
        assert fee[place[a], place[b]] == pytest.approx(want)


@pytest.mark.parametrize(
    ("homes", "want"),
    [(["one", "two"], 0.6 * NETWORK), (["one", "two", "far"], 0.8 * NETWORK), (["one"], 0.6 * NETWORK)],
)
def test_switzerland_by_how_far_the_community_spreads(homes, want):
    """40 % less where all are at one network level, 20 % less for all where one is across a transformer."""
    swiss = {"regional-high": 0.8 * NETWORK, "regional": 0.6 * NETWORK, "local": 0.6 * NETWORK}
    network = fee_network(NODES, ExtentFees(levels=swiss, access_fee_per_kwh=0.0), homes)
    assert not network["node_fee"][1].any()
    assert (2 * network["node_access_fee"][1]).tolist() == pytest.approx([want] * 6)


def case(fees, homes, **more):
    """Return a scenario of a roof and a home at two nodes over a day, with a price of 0.30 and a feed-in of 0.05."""
    flat = {"type": "flat", "price_per_kwh": 0.3}
    return {
        "schema_version": 1,
        "name": "shared",
        "currency": "EUR",
        "time": {"start": "2026-06-01", "slot_minutes": 60, "time_zone": "Europe/Brussels"},
        "site": {"latitude_deg": 50.8, "longitude_deg": 4.4},
        "weather": {"source": "clear-sky"},
        "tables": {
            "participants": [
                {"participant": f"p{k}", "node": home, "persons": 2, **({"pv_kw": 4} if k == 0 else {})}
                for k, home in enumerate(homes)
            ],
            "nodes": [{"node": n, "parent": p, "level": level} for n, p, level in TREE],
        },
        "tariffs": {"t": {"energy": flat, "feed_in": {"type": "flat", "price_per_kwh": 0.05}}},
        "fees": fees,
    } | more


def fee_paid(source):
    trades = otonari.clear(build_inputs(load_scenario(source)))["trades"]
    assert float(trades["trade_energy"].sum()) > 1
    return np.unique(trades["trade_fee"].values.round(9)).tolist()


def test_brussels_asks_for_the_least_local_class_of_all():
    """Classes A to D from one building to the region: two neighbours of one building pay C as a third is far away."""
    brussels = {"method": "by-extent", "levels": {"local": 0.02, "regional": 0.035, "regional-high": 0.05}}
    assert fee_paid(case(brussels, ["one", "one"])) == [0.02]
    assert fee_paid(case(brussels, ["one", "two"])) == [0.035]
    assert fee_paid(case(brussels, ["one", "one", "far"])) == [0.05]


def test_by_common_level_each_trade_has_its_own_class():
    assert fee_paid(
        case({"method": "by-common-level", "levels": AUSTRIA}, ["one", "one", "two"])
    ) == pytest.approx([0.0301, 0.0504])


@pytest.mark.parametrize("method", ["by-extent", "by-common-level"])
def test_levels_that_lack_are_named(method):
    source = case({"method": method, "levels": {"local": 0.02, "regional": 0.03}}, ["one"])
    source["tables"]["nodes"][1]["level"] = None
    assert [(p.field, p.got) for p in problems(source)] == [
        ("tables.nodes.0.level", "'regional-high'"),
        ("tables.nodes.1.level", "nothing"),
    ]
    del source["tables"]["nodes"], source["tables"]["participants"][0]["node"]
    assert [(p.field, p.got) for p in problems(source)] == [("tables.nodes", "nothing")]


def test_regions_refuse_a_fee_of_the_whole_by_name(tmp_path):
    source = tmp_path / "scenario.yaml"
    otonari_yaml = case({"method": "by-extent", "levels": dict.fromkeys(AUSTRIA, 0.02)}, ["one", "two"])
    source.write_text(json.dumps(otonari_yaml), encoding="utf-8")
    with pytest.raises(ClusterError, match="by extent"):
        by_regions.run(source, output=tmp_path / "p2p.zarr")


# Fees on shared energy by the contract of who buys it.
def components(*more):
    """Return a contract: energy 0.15 and a network charge of 0.07 to 0.14 from five to eight, with 20 % of tax."""
    high = {"start": "17:00", "end": "20:00", "price_per_kwh": 0.14}
    grid = {"type": "time-of-use", "price_per_kwh": NETWORK, "windows": [high]}
    parts = [
        {"name": "energy", "part": "energy", "price": 0.15},
        {"name": "grid", "part": "network", "price": grid},
    ]
    tax = {"name": "VAT", "part": "tax", "basis": "percent", "price": 20}
    return {"components": [*parts, *more, tax], "feed_in": {"type": "flat", "price_per_kwh": 0.05}}


def discounted(discount):
    tariff = components()
    tariff["components"][1]["shared_discount"] = discount
    return tariff


def shared(source):
    return build_inputs(load_scenario(source))["shared_fee"].values


NO_FEES = {"method": "by-level", "levels": dict.fromkeys(AUSTRIA, 0.0)}


def test_a_discounted_network_charge_follows_its_windows():
    """Shared energy pays 60 % of the charge of its slot, with tax: 1.2 * 0.6 * 0.07, and 0.14 in the evening."""
    fee = shared(case(NO_FEES, ["one", "two"], tariffs={"t": discounted(40)}))
    assert fee[0, [12, 18]] == pytest.approx([1.2 * 0.6 * 0.07, 1.2 * 0.6 * 0.14])


def test_the_discount_is_that_of_the_extent():
    swiss = {"method": "by-extent", "levels": dict.fromkeys(AUSTRIA, 0.0)}
    discount = {"local": 40, "regional": 40, "regional-high": 20}
    for homes, part in ((["one", "two"], 0.6), (["one", "far"], 0.8)):
        fee = shared(case(swiss, homes, tariffs={"t": discounted(discount)}))
        assert fee[0, 12] == pytest.approx(1.2 * part * 0.07)


def flat_discount():
    tariff = discounted({"local": 57, "regional": 28, "regional-high": 64})
    tariff["components"][1]["price"] = NETWORK
    return tariff


def test_discounts_by_common_level_are_fees_of_pairs():
    """Austria again, from the contract: 43, 72 or 36 % of 0.07, with 20 % of tax; nobody pays retail's full charge."""
    law = {"method": "by-common-level", "levels": dict.fromkeys(AUSTRIA, 0.0)}
    source = case(law, ["one", "one", "two"], tariffs={"t": flat_discount()})
    assert fee_paid(source) == pytest.approx([1.2 * 0.0301, 1.2 * 0.0504])
    source["tariffs"]["t"] = discounted({"local": 57, "regional": 28, "regional-high": 64})
    [problem] = problems(source)
    assert "same all the time" in problem.want


@pytest.mark.parametrize(("zonal", "want"), [(60, 130), (150, 120), (200, 90)])
def test_italy_pays_a_premium_on_shared_energy_by_the_zonal_price(tmp_path, zonal, want):
    """Plants up to 200 kW: 80 and what the zonal price lacks of 180, at the most 120, and 10 in the north [EUR/MWh]."""
    hours = np.arange("2026-06-01T00", 24, dtype="datetime64[h]")[:24]
    (tmp_path / "zone.csv").write_text("\n".join(["time,eur", *(f"{h}:00,{zonal}" for h in hours)]) + "\n")
    premium = {"type": "series", "path": str(tmp_path / "zone.csv"), "column": "eur", "unit": "per MWh"}
    premium |= {"factor": 1, "plus": -0.27, "at_least": -0.13, "at_most": -0.09}
    incentive = {"name": "premium", "part": "other", "basis": "per-kwh-shared", "price": premium}
    tariff = components()
    tariff["components"].append(incentive)  # behind the tax, which is not of it
    source = case(NO_FEES, ["one", "two"], tariffs={"t": tariff})
    assert (shared(source) * 1000).round(9).tolist() == [[-want] * 24]
    run = otonari.clear(build_inputs(load_scenario(source)))  # its checks hold
    assert np.allclose(run["trades"]["trade_fee"], -want / 1000)
    assert float(run["settlement"]["network_fee"].sum()) == pytest.approx(
        -want / 1000 * float(run["settlement"]["peer_energy"])
    )


@pytest.mark.thorough
@pytest.mark.parametrize("crossing", [False, True])
@pytest.mark.parametrize("seed", range(10))
def test_any_community_with_fees_by_tariff(seed, crossing):
    """Its runs pass their checks and cost no more than without peers; what they pay is the fee of the buyer's tariff."""
    inputs = random_community(seed, crossing=crossing)
    rng = np.random.default_rng(seed)
    fee = rng.uniform(-3, 6, inputs["retail_price"].shape)
    inputs = complete(inputs.assign(shared_fee=(("tariff", "time"), fee)))
    tree = otonari.clear(inputs)
    alone = otonari.clear(inputs, "grid-only")
    want = oracle.solve(inputs).objective
    assert tree.attrs["objective"] == pytest.approx(want, rel=2e-4 if crossing else 1e-6, abs=1e-6)
    assert tree.attrs["objective"] <= alone.attrs["objective"] + 1e-6 * max(1, abs(alone.attrs["objective"]))


def test_the_checks_hold_the_fee_of_the_buyers_tariff():
    tree = otonari.clear(
        build_inputs(load_scenario(case(NO_FEES, ["one", "two"], tariffs={"t": discounted(40)})))
    )
    groups = {g: tree[g].to_dataset().copy(deep=True) for g in ("inputs", "results", "trades", "settlement")}
    groups["inputs"]["shared_fee"].values[...] += 0.01
    assert {"trade fee", "buyer's price", "peer_cost"} <= {v.check for v in check(*groups.values())}


@pytest.mark.parametrize(
    ("tariff", "got"),
    [(discounted({"local": 40}), "local"), (discounted({"local": 1, "region": 2}), "local, region")],
)
def test_a_discount_has_every_level_of_the_fees(tariff, got):
    law = {"method": "by-extent", "levels": dict.fromkeys(AUSTRIA, 0.0)}
    [problem] = problems(case(law, ["one", "two"], tariffs={"t": tariff}))
    assert (problem.field, problem.got) == ("tariffs.t.components.1.shared_discount", got)
    [problem] = problems(case(NO_FEES, ["one", "two"], tariffs={"t": tariff}))
    assert "one number" in problem.want


def test_orders_and_simulations_refuse_them_by_name(tmp_path):
    inputs = build_inputs(load_scenario(case(NO_FEES, ["one", "two"], tariffs={"t": discounted(40)})))
    for refuse in (markets.require_simulated, markets.require_no_shared_fees):
        with pytest.raises(InputError, match="fees on shared energy"):
            refuse(inputs)


def test_a_community_that_is_planned_at_every_slot_pays_them():
    """With foresight up to the end as in the single clearing; without it the checks hold all the same."""
    whole = build_inputs(load_scenario(case(NO_FEES, ["one", "two"], tariffs={"t": discounted(40)})))
    inputs = whole.isel(time=slice(10, 15))  # about noon
    once = otonari.clear(inputs)
    line = timeline.of_inputs(inputs, inputs, foresight=True)
    rolled = run.simulate(line, Options("co-optimized"))
    assert rolled.attrs["objective"] == pytest.approx(once.attrs["objective"])
    paid = [float(tree["settlement"]["network_fee"].sum()) for tree in (once, rolled)]
    assert paid[1] == pytest.approx(paid[0])
    assert paid[0] > 0
    blind = run.simulate(timeline.of_inputs(inputs, inputs), Options("co-optimized"))
    assert blind.attrs["objective"] >= once.attrs["objective"] - 1e-6
    with pytest.raises(InputError, match="fees on shared energy"):
        run.simulate(line, Options("exchange"))
