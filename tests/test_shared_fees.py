"""Fees on shared energy by the law of a place, each worked out by hand."""

import json

import numpy as np
import pytest

import otonari
from otonari.data.assembly.fees import fee_network, lowest_common
from otonari.data.assembly.inputs import build_inputs, problems
from otonari.data.loading.scenario import load_scenario
from otonari.data.schema.table_rows import Node
from otonari.data.schema.tariffs_and_fees import CommonLevelFees, ExtentFees
from otonari.runs.clear import by_regions
from otonari.runs.clear.dask_cluster import ClusterError

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
station on the lower levels and 64 % less on the higher ones (the percentages are those of the law; which of the two
regional ones applies depends on the levels at which the members are connected)."""
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
