"""What goes into a ledger: a cleared run in whole numbers, one spelling for values, digests."""

import hashlib
import json
import struct

import numpy as np
import pytest
import rfc8785
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from otonari.model.settlement import tracing
from otonari.runs.ledger import private_leaves, records
from otonari.runs.ledger.format import block_schema, canonical_json
from otonari.runs.store import digest

from .communities import community

START = np.datetime64("2019-08-20T15:00", "ns")  # 1566313200 s since 1970
SECONDS = 1566313200


def run_tree(slots=2, energy=0.5004, start=START):
    """Return a run of two homes and a guest car by hand: in every slot, home a sells to home b and to a's car."""
    time = start + np.arange(slots) * np.timedelta64(30, "m")
    trades = {
        "trade_time": np.repeat(time, 2),
        "trade_seller": np.array(["a"] * 2 * slots),
        "trade_buyer": np.array(["b", "a"] * slots),
        "trade_seller_vehicle": np.array([""] * 2 * slots),
        "trade_buyer_vehicle": np.array(["", "car"] * slots),
        "trade_energy": np.array([energy, 0.2004] * slots),
        "trade_price": np.array([12.3456] * 2 * slots),
        "trade_fee": np.array([4.9, 0.0] * slots),
        "trade_congestion": np.array([0.0, 1.0] * slots),
    }
    store = {
        "capacity": 9,
        "initial_energy": 1,
        "charge_limit": 3,
        "discharge_limit": 0,
        "electric_economy": 5,
        "charge_efficiency": 1,
        "discharge_efficiency": 1,
    }
    home = {"node": "n", "tariff": "t", "demand": 0}
    case = {
        "slots": [0.5] * slots,
        "nodes": {"n": {"parent": ""}},
        "tariffs": {"t": {"retail_price": 30, "feed_in_price": 8}},
        "participants": {
            "a": home | {"pv_available": 2 * (energy + 0.2004)},
            "b": home | {"demand": 2 * energy + 1.25, "pv_available": 0},
        },
        "batteries": {"cell": {k: v for k, v in store.items() if k != "electric_economy"} | {"owner": "b"}},
        "vehicles": {"car": store | {"owner": "a", "host": ["b"] * slots}},
        "trips": {"later": {"vehicle": "car", "departure": 99, "arrival": 100, "distance": 10}},
    }
    inputs = community(case).assign_coords(time=time)
    nothing = {
        name: (dims, np.zeros([inputs.sizes[d] for d in dims]))
        for names, dims in (
            (("grid_export", "pv_curtailment"), ("participant", "time")),
            (("vehicle_export", "vehicle_discharge", "vehicle_energy"), ("vehicle", "time")),
            (("battery_charge", "battery_discharge", "battery_energy"), ("battery", "time")),
            (("trip_electric_distance",), ("trip",)),
        )
        for name in names
    }
    both = np.repeat([[0.0], [1.25]], slots, axis=1)
    results = xr.Dataset(
        {
            **nothing,
            "grid_import": (("participant", "time"), both, {"units": "kW"}),
            "vehicle_import": (("vehicle", "time"), np.full((1, slots), 0.1)),
            "vehicle_charge": (("vehicle", "time"), np.full((1, slots), 2 * 0.2004 + 0.1)),
            "price": (("node", "time"), np.full((1, slots), 12.3456), {"units": "JPY/kWh"}),
        },
        coords={"time": time, "participant": ["a", "b"], "vehicle": ["car"], "node": ["n"]},
    )
    groups = {
        "/inputs": inputs,
        "/results": results,
        "/trades": xr.Dataset({k: ("trade", v) for k, v in trades.items()}),
    }
    return xr.DataTree.from_dict(groups)


def cleared(market="street", **options):
    return records.cleared(run_tree(**options), market, "otonari 0.1.0")


# blocks


def test_a_record_by_hand():
    """0.5004 + 0.2004 kWh = 700.8 Wh, so 701: both lose less than a whole Wh, 0.4 each, and the first gets it.

    Sorted by seller, its vehicle, buyer, its vehicle, the car on account a comes before b: 201 Wh at 12.346 and 1
    of congestion to a itself, 500 Wh at 12.346 and 4.9 of fee to b. The retailer gives b 1.25 kW and a's car 0.1 kW.
    """
    first, second = cleared()
    nothing = dict.fromkeys(
        ("purchases", "sales", "paid", "earned", "fees", "congestion", "grid_in", "grid_out"), 0
    ) | {"demand": {}, "charge": {}, "driving": {}}
    a = {"sales": 701, "earned": 701 * 12346, "purchases": 201, "paid": 201 * 12346, "congestion": 201 * 1000}
    b = {"purchases": 500, "paid": 500 * 12346, "fees": 500 * 4900, "grid_in": 625}
    assert first["leaves"] == [
        {
            **nothing,
            "participant": "a",
            "origin": {"a": 201},
            **a,
            "grid_in": 50,
            "charge": {"a": 200, "": 50},
        },
        {**nothing, "participant": "b", "origin": {"a": 500}, **b, "demand": {"a": 500, "": 625}},
    ]
    assert first["totals"] == {
        "energy": 701,
        "money": 701 * 12346,  # micro-JPY: 8.654546 JPY
        "fees": 500 * 4900,
        "congestion": 201 * 1000,
        "grid_in": 675,  # (1.25 + 0.1) kW in half an hour
        "grid_out": 0,
    }
    assert (first["slot"], second["slot"], first["slot_seconds"]) == (SECONDS, SECONDS + 1800, 1800)
    assert first["results"] == second["results"]  # the same values in both slots
    assert first["market"] == "street"


def test_what_stores_hold_goes_on_from_record_to_record():
    """The car drives 1 kWh in slot 1: of 1 kWh unknown, and 0.2004 of a's and 0.05 of retail from slot 0."""
    tree = run_tree()
    inputs = tree["inputs"].to_dataset()
    tree["inputs"] = inputs.assign(trip_departure=("trip", inputs["time"].values[1:]))
    tree["results"]["trip_electric_distance"][0] = 5
    whole = records.cleared(tree, "street", "otonari")
    share = 0.2004 / 1.2504
    assert whole[1]["leaves"][0]["driving"] == {"a": round(1000 * share), "": round(1000 - 1000 * share)}
    content, parts = None, []
    for t in (0, 1):
        part = tree.map_over_datasets(lambda d, t=t: d.isel(time=[t]) if "time" in d.dims else d)
        here = part["trades"]["trade_time"].values == inputs["time"].values[t]
        part["trades"] = part["trades"].to_dataset().isel(trade=here)
        slots = list(
            tracing.follow(*(part[g].to_dataset() for g in ("inputs", "results", "trades")), content)
        )
        parts += records.cleared(part, "street", "otonari", origins=slots)
        content = slots[-1].content
    assert [r["leaves"] for r in parts] == [r["leaves"] for r in whole]


def test_sources_in_wh_sum_to_what_was_used():
    """1.4 + 1.4 + 1.4 = 4.2 Wh are 4: the one that rounding down loses goes to the first, the retailer."""
    used = tracing.Matrix(np.array([[1.4, 1.4, 1.4], [0, 0.6, 0], [0.4, 0, 0]]) / 1000)
    assert records.energy_mix(["b", "a"], used[:2]) == [{"": 2, "a": 1, "b": 1}, {"a": 1}]
    noise = tracing.Matrix(np.array([[0.2999999999999, 0.3], [0.0, 0.0]]))
    assert records.energy_mix(["b", "a"], noise[:, [0, 1, 1]]) == [{"b": 300, "a": 300, "": 300}, {}]


def test_trades_that_round_to_nothing_are_left_out():
    assert [leaf["purchases"] for leaf in cleared(energy=0.00001)[0]["leaves"]] == [200, 0]
    assert cleared(energy=0.00001)[0]["leaves"][1]["origin"] == {}


def test_the_digests_of_a_block_see_a_change_of_their_slot_only():
    tree = run_tree()
    tree["results"]["price"][0, 1] += 0.001
    first, second = records.cleared(tree, "street", "otonari 0.1.0")
    unchanged, before = cleared()
    assert first == unchanged
    assert second["prices"] != before["prices"]
    assert second["results"] != before["results"]
    assert second["inputs"] == before["inputs"]


def test_a_corrected_reading_changes_what_its_slot_reads_and_no_other():
    """Of four slots: demand in one, the trip that departs in one, what is stored at the end of one."""
    tree = run_tree(slots=4)
    inputs = tree["inputs"].to_dataset()
    tree["inputs"] = inputs.assign(trip_departure=("trip", inputs["time"].values[1:2]))
    before = records.cleared(tree, "street", "otonari")

    def changed(group, name, *at):
        other = tree.copy(deep=True)
        other[group][name][at] = other[group][name][at] + 1
        new = records.cleared(other, "street", "otonari")
        return [k for k in range(4) if new[k]["inputs"] != before[k]["inputs"]]

    assert changed("inputs", "demand", 1, 2) == [2]
    assert changed("inputs", "trip_distance", 0) == [1]
    assert changed("results", "battery_energy", 0, 2) == [3]
    assert changed("inputs", "battery_initial_energy", 0) == [0]
    assert changed("inputs", "battery_capacity", 0) == [0, 1, 2, 3]


# sealed


def test_a_sealed_record_reveals_totals_only():
    record = cleared()[0]
    block, private = private_leaves.seal(record, b"s" * 32)
    assert "participant" not in str(block)
    assert (block["leaves"], len(private)) == (2, 2)
    assert block_schema.mismatch({**block, "index": 1, "prev": block_schema.FIRST}) == ""
    assert block["totals"] == record["totals"]
    assert all(block[name] != record[name] for name in ("inputs", "results"))
    assert [private_leaves.parse(leaf)["participant"] for leaf in private] == ["a", "b"]


def test_salts_are_never_shared_nor_guessable():
    one, two = (private_leaves.seal(record, b"s" * 32)[1] for record in cleared())
    salts = [private_leaves.parse(leaf)["salt"] for leaf in (*one, *two)]
    assert len(set(salts)) == 4
    assert salts[:2] == [
        private_leaves.parse(leaf)["salt"] for leaf in private_leaves.seal(cleared()[0], b"s" * 32)[1]
    ]
    other = [private_leaves.parse(leaf)["salt"] for leaf in private_leaves.seal(cleared()[0], b"t" * 32)[1]]
    assert not {*other} & {*salts}
    changed = private_leaves.seal(cleared(energy=0.6)[0], b"s" * 32)[1]
    assert private_leaves.parse(changed[0])["salt"] not in salts


@settings(deadline=None)
@given(st.binary(max_size=80))
def test_arbitrary_bytes_are_no_leaf(data):
    with pytest.raises(ValueError):  # noqa: PT011 (whatever the parser says)
        private_leaves.parse(data)


@settings(deadline=None)
@given(st.lists(st.floats(0, 1e6), max_size=30))
def test_largest_remainder_keeps_the_sum(values):
    whole = digest.largest_remainder(np.array(values))
    assert whole.dtype == np.int64
    assert abs(whole.sum() - sum(values)) <= 0.5 + 1e-6
    assert (np.abs(whole - values) < 1).all()
    assert (whole >= 0).all()


@settings(deadline=None)
@given(st.lists(st.integers(0, 1000), min_size=1, max_size=30))
def test_largest_remainder_leaves_whole_numbers_alone(values):
    assert digest.largest_remainder(np.array(values)).tolist() == values


def test_largest_remainder_by_hand():
    """1.5 + 2.5 + 0.9 + 0.1 = 5: floors 1 + 2 + 0 + 0 lack 2, for 0.9 and then for the first of the halves."""
    assert digest.largest_remainder(np.array([1.5, 2.5, 0.9, 0.1])).tolist() == [2, 2, 1, 0]


# one spelling (RFC 8785)

texts = st.text(st.characters(min_codepoint=32, max_codepoint=126, exclude_characters='"\\'))
values = st.recursive(
    texts | st.integers(-(2**53) + 1, 2**53 - 1),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=20,
)


@settings(deadline=None)
@given(values)
def test_canonical_json_round_trip(value):
    data = canonical_json.dump(value)
    assert canonical_json.parse(data) == value
    assert data == json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
    assert data == rfc8785.dumps(value)


@pytest.mark.parametrize(
    "value",
    [
        1.0,
        True,
        None,
        "é",
        'a"b',
        "a\\b",
        "a\n",
        "\x7f",
        2**53,
        -(2**53),
        {1: 2},
        {"a": [float("nan")]},
        b"a",
    ],
)
def test_canonical_json_refuses(value):
    with pytest.raises(ValueError, match="canonical"):
        canonical_json.dump(value)


SPELLINGS = [
    b"", b" {}", b"{} ", b"[1, 2]", b'{"a":1,"a":1}', b'{"b":1,"a":1}', b"1.0", b"1e3", b"-0", b"01", b"+1", b"--1",
    b"true", b"null", b"NaN", b"-Infinity", b'"\\u0041"', b'"\xc3\xa9"', b'"\x7f"', b'"\t"', b"9007199254740992",
    b"9" * 5000, b"[" * 100_000 + b"]" * 100_000, b"[1,]", b'{"a"}', b"{}{}", b"\xef\xbb\xbf{}", b'"a', b"\x00", b"{}\n",
]  # fmt: skip


@pytest.mark.parametrize("data", SPELLINGS, ids=lambda data: repr(data[:20]))
def test_another_spelling_is_refused(data):
    with pytest.raises(ValueError):  # noqa: PT011 (whatever the parser says)
        canonical_json.parse(data)


@settings(deadline=None)
@given(st.binary(max_size=60))
def test_any_bytes_are_parsed_or_refused(data):
    try:
        value = canonical_json.parse(data)
    except ValueError:
        return
    assert canonical_json.dump(value) == data


@settings(deadline=None)
@given(st.text(), st.text())
def test_labels_stay_apart(one, other):
    try:
        spelled = canonical_json.label(one), canonical_json.label(other)
    except UnicodeEncodeError:  # a lone surrogate is no text
        return
    assert (spelled[0] == spelled[1]) == (one == other)
    assert canonical_json.parse(canonical_json.dump(spelled[0])) == spelled[0]


# digests


def text(word):
    return struct.pack("<I", len(word.encode())) + word.encode()


def test_a_digest_by_hand():
    dataset = xr.Dataset(
        {
            "power": (("home",), [1.0005, np.nan], {"units": "kW"}),
            "when": (("home",), np.array(["1970-01-01T00:00:01", "NaT"], "datetime64[ns]")),
        },
        coords={"home": ["a", "お"]},
    )
    dims = struct.pack("<I", 1) + text("home") + struct.pack("<Q", 2)
    want = (
        text("test")
        + (text("home") + text("") + b"s" + dims + text("a") + text("お"))
        + (text("power") + text("kW") + b"n" + dims + struct.pack("<qq", 1000, -(2**63)))
        + (text("when") + text("") + b"t" + dims + struct.pack("<qq", 1_000_000, -(2**63)))
    )
    assert digest.values(dataset, "test", 1000) == hashlib.sha256(want).hexdigest()
    turned = dataset[["when", "power"]]
    assert digest.values(turned, "test", 1000) == digest.values(dataset, "test", 1000)


def test_the_digest_of_a_slot_by_hand():
    """At a slot there is no time: the price of two nodes is one variable over the nodes, the fuel of trips is none."""
    dataset = xr.Dataset(
        {
            "price": (("node", "time"), [[1.5, 2.5], [3.5, 4.5]], {"units": "JPY/kWh"}),
            "rate": (("time",), [0.25, 0.5]),
            "fuel": (("trip",), [7.0]),
        },
        coords={"node": ["a", "b"], "time": [0, 1], "trip": ["t"]},
    )
    nodes = struct.pack("<I", 1) + text("node") + struct.pack("<Q", 2)
    wants = [
        text("test")
        + (text("node") + text("") + b"s" + nodes + text("a") + text("b"))
        + (text("price") + text("JPY/kWh") + b"n" + nodes + struct.pack("<qq", *price))
        + (text("rate") + text("") + b"n" + struct.pack("<I", 0) + struct.pack("<q", rate))
        for price, rate in (((1500, 3500), 250), ((2500, 4500), 500))
    ]
    assert digest.slots(dataset, "test", 1000) == [hashlib.sha256(want).hexdigest() for want in wants]


def test_a_digest_sees_every_change():
    tree = run_tree()
    base = tree["results"].to_dataset()
    changed = [base]
    for name in base.data_vars:
        other = base.copy(deep=True)
        other[name].values.flat[0] += 0.01
        changed.append(other)
    changed += [
        base.assign_coords(participant=["a", "c"]),
        base.rename(price="prices"),
        base.assign(price=base["price"].assign_attrs(units="EUR/kWh")),
        base.isel(participant=[1, 0]),
        base.isel(time=[0]),
        base.isel(trip=[]),
        base.where(base["price"] < 0),
        base.where(base["price"] < 0, np.inf),
        base.where(base["price"] < 0, -np.inf),
    ]
    assert (
        len({digest.values(d, "results", 1000) for d in changed} | {digest.values(base, "other", 1000)})
        == len(changed) + 1
    )


def test_the_digest_of_a_slot_does_not_depend_on_its_neighbours():
    short, long = run_tree(1)["results"].to_dataset(), run_tree(4)["results"].to_dataset()
    assert digest.slots(long, "x", 1000) == digest.slots(short, "x", 1000) * 4


def test_a_digest_refuses_what_does_not_fit():
    with pytest.raises(ValueError, match="no digest for values of type"):
        digest.values(xr.Dataset({"x": ("t", [1 + 1j])}), "x", 1000)


def test_numbers_in_a_digest():
    given = [0.0005, 0.0015, -0.0, 1e300, -np.inf, np.inf, np.nan, 4e15]
    want = [0, 2, 0, 2**62, -(2**62), 2**62, -(2**63), 4 * 10**18]
    assert digest.integers(given, 1000).tolist() == want
