"""The ledger: its blocks in whole numbers, its one spelling, and everything that must not pass unseen."""

import copy
import fcntl
import hashlib
import json
import os
import struct
import subprocess
import sys

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from otonari.runs import blocks, chain, digest, ledger

START = np.datetime64("2019-08-20T15:00", "ns")  # 1566313200 s since 1970
SECONDS = 1566313200


def run_tree(slots=2, energy=0.5004, start=START):
    """Return a run of two homes and a guest car by hand: in every slot, home a sells to home b and to a's car."""
    time = start + np.arange(slots) * np.timedelta64(30, "m")
    over = (("participant", "time"), np.zeros((2, slots)))
    both = np.repeat([[0.0], [1.25]], slots, axis=1)
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
    inputs = xr.Dataset({"slot_hours": (("time",), np.full(slots, 0.5), {"units": "h"})}, {"time": time})
    results = xr.Dataset(
        {
            "grid_import": (("participant", "time"), both, {"units": "kW"}),
            "grid_export": over,
            "vehicle_import": (("vehicle", "time"), np.full((1, slots), 0.1)),
            "vehicle_export": (("vehicle", "time"), np.zeros((1, slots))),
            "price": (("node", "time"), np.full((1, slots), 12.3456), {"units": "JPY/kWh"}),
            "trip_fuel": (("trip",), np.array([1.0])),
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
    return blocks.cleared(run_tree(**options), market, "otonari 0.1.0")


@pytest.fixture
def stored(tmp_path):
    """Return a ledger of a genesis and two slots."""
    ledger.commit(tmp_path / "book", cleared())
    return tmp_path / "book" / "ledger.jsonl"


def refused(path, *errors):
    with pytest.raises(errors or (ledger.LedgerTampered, ledger.LedgerTorn)) as caught:
        ledger.verify(path.parent)
    return caught.value


# blocks


def test_a_block_by_hand():
    """0.5004 + 0.2004 kWh = 700.8 Wh, so 701: both lose less than a whole Wh, 0.4 each, and the first gets it."""
    first, second = cleared()
    seller = {"seller": "a", "seller_vehicle": "", "price": 12346}
    # sorted by seller, its vehicle, buyer, its vehicle: the car on account a comes before b
    assert first["trades"] == [
        {**seller, "buyer": "a", "buyer_vehicle": "car", "energy": 201, "fee": 0, "congestion": 1000},
        {**seller, "buyer": "b", "buyer_vehicle": "", "energy": 500, "fee": 4900, "congestion": 0},
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


def test_trades_that_round_to_nothing_are_left_out():
    assert [t["energy"] for t in cleared(energy=0.00001)[0]["trades"]] == [200]


def test_the_digests_of_a_block_see_a_change_of_their_slot_only():
    tree = run_tree()
    tree["results"]["price"][0, 1] += 0.001
    first, second = blocks.cleared(tree, "street", "otonari 0.1.0")
    before = cleared()[0]
    assert first == before
    assert second["prices"] != before["prices"]
    assert second["results"] != before["results"]
    assert second["inputs"] == before["inputs"]


@given(st.lists(st.floats(0, 1e6), max_size=30))
def test_largest_remainder_keeps_the_sum(values):
    whole = digest.largest_remainder(np.array(values))
    assert whole.dtype == np.int64
    assert abs(whole.sum() - sum(values)) <= 0.5 + 1e-6
    assert (np.abs(whole - values) < 1).all()
    assert (whole >= 0).all()


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=30))
def test_largest_remainder_leaves_whole_numbers_alone(values):
    assert digest.largest_remainder(np.array(values)).tolist() == values


def test_largest_remainder_by_hand():
    """1.5 + 2.5 + 0.9 + 0.1 = 5: floors 1 + 2 + 0 + 0 lack 2, for 0.9 and then for the first of the halves."""
    assert digest.largest_remainder(np.array([1.5, 2.5, 0.9, 0.1])).tolist() == [2, 2, 1, 0]


# one spelling

texts = st.text(st.characters(min_codepoint=32, max_codepoint=126, exclude_characters='"\\'))
values = st.recursive(
    texts | st.integers(-(2**53) + 1, 2**53 - 1),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=20,
)


@given(values)
def test_canonical_json_round_trip(value):
    data = digest.canonical(value)
    assert digest.parse(data) == value
    assert data == json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


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
        digest.canonical(value)


SPELLINGS = [
    b"", b" {}", b"{} ", b"[1, 2]", b'{"a":1,"a":1}', b'{"b":1,"a":1}', b"1.0", b"1e3", b"-0", b"01", b"+1", b"--1",
    b"true", b"null", b"NaN", b"-Infinity", b'"\\u0041"', b'"\xc3\xa9"', b'"\x7f"', b'"\t"', b"9007199254740992",
    b"9" * 5000, b"[" * 100_000 + b"]" * 100_000, b"[1,]", b'{"a"}', b"{}{}", b"\xef\xbb\xbf{}", b'"a', b"\x00", b"{}\n",
]  # fmt: skip


@pytest.mark.parametrize("data", SPELLINGS, ids=lambda data: repr(data[:20]))
def test_another_spelling_is_refused(data):
    with pytest.raises(ValueError):  # noqa: PT011 (whatever the parser says)
        digest.parse(data)


@given(st.binary(max_size=60))
def test_any_bytes_are_parsed_or_refused(data):
    try:
        value = digest.parse(data)
    except ValueError:
        return
    assert digest.canonical(value) == data


@given(st.text(), st.text())
def test_labels_stay_apart(one, other):
    try:
        spelled = digest.label(one), digest.label(other)
    except UnicodeEncodeError:  # a lone surrogate is no text
        return
    assert (spelled[0] == spelled[1]) == (one == other)
    assert digest.parse(digest.canonical(spelled[0])) == spelled[0]


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


# the file


def test_commit_and_verify(stored):
    summary = ledger.verify(stored.parent)
    assert (summary.count, summary.market, summary.size) == (3, "street", stored.stat().st_size)
    assert summary.slots == [(SECONDS, SECONDS + 1800), (SECONDS + 1800, SECONDS + 3600)]
    assert summary.totals["energy"] == 2 * 701
    assert summary.units["money"] == "micro-JPY"
    kinds = [block["kind"] for block in ledger.show(stored.parent)]
    assert kinds == ["genesis", "clearing", "clearing"]


def test_a_verifier_of_the_standard_library_alone(stored):
    """What LEDGER.md says, followed line by line."""
    prev = "0" * 64
    for index, line in enumerate(stored.read_bytes().splitlines(keepends=True)):
        data = line[9:-76]
        block = json.loads(data)
        assert json.dumps(block, sort_keys=True, separators=(",", ":")).encode() == data
        assert (block["index"], block["prev"]) == (index, prev)
        prev = hashlib.sha256(b"\x00" + data).hexdigest()
        assert line == b'{"block":' + data + b',"hash":"' + prev.encode() + b'"}\n'
    assert prev == ledger.verify(stored.parent).head


def test_committing_again_changes_nothing(stored):
    before = stored.read_bytes()
    again = ledger.commit(stored.parent, cleared())
    assert (again.added, again.already) == (0, 2)
    newer = blocks.cleared(run_tree(), "street", "otonari 9.9.9")
    assert ledger.commit(stored.parent, newer).added == 0
    assert stored.read_bytes() == before
    assert again.head == ledger.verify(stored.parent).head


def test_the_same_clearing_gives_the_same_bytes(stored, tmp_path):
    ledger.commit(tmp_path / "other", cleared())
    assert (tmp_path / "other" / "ledger.jsonl").read_bytes() == stored.read_bytes()


def test_a_longer_run_adds_what_is_missing(stored):
    before = stored.read_bytes()
    longer = [{**b, "inputs": cleared()[0]["inputs"]} for b in cleared(slots=4)]
    done = ledger.commit(stored.parent, longer)
    assert (done.added, done.already) == (2, 2)
    assert stored.read_bytes().startswith(before)
    assert len(ledger.verify(stored.parent).slots) == 4


def test_an_earlier_day_may_come_later(stored):
    earlier = cleared(start=START - np.timedelta64(1, "D"))
    assert ledger.commit(stored.parent, earlier).added == 2
    slots = ledger.verify(stored.parent).slots
    assert slots == sorted(slots)


CONFLICTS = {
    "another result": lambda: cleared(slots=4, energy=0.6),
    "another result in one of its slots": lambda: [*cleared()[:1], *cleared(energy=0.6)[1:]],
    "another market": lambda: cleared("avenue", start=START + np.timedelta64(1, "D")),
    "slots that overlap": lambda: cleared(slots=1, start=START + np.timedelta64(15, "m")),
    "a slot twice, differently": lambda: [
        *cleared(slots=1, start=START + np.timedelta64(1, "D")),
        *cleared(slots=1, start=START + np.timedelta64(1, "D"), energy=0.6),
    ],
}


@pytest.mark.parametrize("case", CONFLICTS)
def test_a_conflict_leaves_the_file_alone(stored, case):
    before, files = stored.read_bytes(), sorted(os.listdir(stored.parent))
    with pytest.raises(ledger.LedgerConflict):
        ledger.commit(stored.parent, CONFLICTS[case]())
    assert stored.read_bytes() == before
    assert sorted(os.listdir(stored.parent)) == files


def test_a_conflict_names_its_slots(stored):
    with pytest.raises(ledger.LedgerConflict, match=r"1 of 2 slots .* 2019-08-20 15:30 UTC") as caught:
        ledger.commit(stored.parent, CONFLICTS["another result in one of its slots"]())
    assert caught.value.slots == (SECONDS + 1800,)


def test_what_is_prepared_but_not_appended_is_not_there(tmp_path):
    with ledger.prepare(tmp_path, cleared()) as (planned, _):
        assert planned.added == 2
    assert not (tmp_path / "ledger.jsonl").exists()


def test_there_is_no_ledger(tmp_path):
    with pytest.raises(ledger.LedgerError, match="No such file"):
        ledger.verify(tmp_path)
    (tmp_path / "ledger.jsonl").touch()
    with pytest.raises(ledger.LedgerTorn, match="empty"):
        ledger.verify(tmp_path)
    assert ledger.commit(tmp_path, cleared()).added == 2  # a crash before the first write


# tampering


def test_every_flipped_bit_is_seen(stored):
    good = stored.read_bytes()
    with stored.open("r+b", buffering=0) as file:
        for place, byte in enumerate(good):
            for bit in range(8):
                os.pwrite(file.fileno(), bytes([byte ^ 1 << bit]), place)
                error = refused(stored)
                if isinstance(error, ledger.LedgerTampered):
                    assert error.index == good[:place].count(b"\n")
            os.pwrite(file.fileno(), bytes([byte]), place)
    assert ledger.verify(stored.parent).count == 3


def test_every_truncation_inside_a_line_is_seen(stored):
    """At the end of a line it is not: that takes a checkpoint held elsewhere (see LEDGER.md)."""
    good = stored.read_bytes()
    for size in reversed(range(len(good))):
        os.truncate(stored, size)
        if size and good[size - 1 : size] == b"\n":
            assert ledger.verify(stored.parent).count == good[:size].count(b"\n")
        else:
            refused(stored, ledger.LedgerTorn)


def lines_of(path):
    return path.read_bytes().splitlines(keepends=True)


MANGLED = {
    "dropped": lambda g, a, b: [g, b],
    "no genesis": lambda g, a, b: [a, b],
    "two genesis": lambda g, a, b: [g, g, a, b],
    "duplicated": lambda g, a, b: [g, a, a, b],
    "swapped": lambda g, a, b: [g, b, a],
    "CRLF": lambda g, a, b: [g, a[:-1] + b"\r\n", b],
    "blank line": lambda g, a, b: [g, a, b"\n", b],
    "trailing line": lambda g, a, b: [g, a, b, b"x\n"],
    "trailing NULs": lambda g, a, b: [g, a, b, b"\0" * 512],
    "NUL block": lambda g, a, b: [g, b"\0" * len(a), b],
    "byte order mark": lambda g, a, b: [b"\xef\xbb\xbf" + g, a, b],
    "space": lambda g, a, b: [g, a.replace(b":", b": ", 1), b],
    "upper-case hash": lambda g, a, b: [g, a[:-67] + a[-67:-3].upper() + a[-3:], b],
}


@pytest.mark.parametrize("case", MANGLED)
def test_a_mangled_file_is_seen(stored, case):
    stored.write_bytes(b"".join(MANGLED[case](*lines_of(stored))))
    before = stored.read_bytes()
    refused(stored)
    with pytest.raises((ledger.LedgerTampered, ledger.LedgerTorn)):
        ledger.commit(stored.parent, cleared())
    assert stored.read_bytes() == before


def rehashed(path, change, index=1):
    """Rewrite the ledger with one block changed and every hash made right again, as an insider could."""
    found = [json.loads(line)["block"] for line in lines_of(path)]
    change(found[index])
    prev, lines = "0" * 64, []
    for block in found:
        block["prev"] = prev
        data = json.dumps(block, sort_keys=True, separators=(",", ":")).encode()
        prev = hashlib.sha256(b"\x00" + data).hexdigest()
        lines.append(b'{"block":' + data + b',"hash":"' + prev.encode() + b'"}\n')
    path.write_bytes(b"".join(lines))


INSIDE = {
    "energy of a trade": lambda b: b["trades"][0].update(energy=5),
    "price of a trade": lambda b: b["trades"][0].update(price=5),
    "fee of a trade": lambda b: b["trades"][0].update(fee=5),
    "congestion of a trade": lambda b: b["trades"][0].update(congestion=5),
    "a trade more": lambda b: b["trades"].append(copy.deepcopy(b["trades"][0])),
    "a trade of nothing": lambda b: b["trades"].append({**b["trades"][0], "energy": 0}),
    "a negative trade": lambda b: b["trades"][0].update(energy=-201),
    "total": lambda b: b["totals"].update(money=0),
    "negative grid": lambda b: b["totals"].update(grid_in=-1),
    "index": lambda b: b.update(index=7),
    "market": lambda b: b.update(market="avenue"),
    "kind": lambda b: b.update(kind="rumour"),
    "a second genesis": lambda b: b.update(kind="genesis"),
    "no kind": lambda b: b.pop("kind"),
    "unknown key": lambda b: b.update(note="x"),
    "missing key": lambda b: b.pop("results"),
    "digest cut short": lambda b: b.update(results="ab"),
    "digest of other letters": lambda b: b.update(inputs="g" * 64),
    "number for a label": lambda b: b["trades"][0].update(seller=1),
    "label for a number": lambda b: b.update(slot="1"),
    "overlapping slot": lambda b: b.update(slot_seconds=1801),
    "slot of no length": lambda b: b.update(slot_seconds=0),
    "slot of the next": lambda b: b.update(slot=SECONDS + 1800),
    "trades that are no list": lambda b: b.update(trades={}),
    "version that is no number": lambda b: b.update(version="1"),
    "float": lambda b: b.update(slot=1.5),
    "null": lambda b: b.update(slot=None),
}


@pytest.mark.parametrize("case", INSIDE)
def test_a_block_that_contradicts_itself_is_seen_though_its_hashes_are_right(stored, case):
    rehashed(stored, INSIDE[case])
    assert refused(stored, ledger.LedgerTampered).index in (1, 2)


def test_another_version_is_not_read(stored):
    rehashed(stored, lambda block: block.update(version=2), index=0)
    with pytest.raises(ledger.LedgerError, match="format version 2, want 1"):
        ledger.verify(stored.parent)


def test_a_consistent_rewrite_is_not_seen(stored):
    """The limit of a chain without a checkpoint held elsewhere; LEDGER.md says so."""

    def lie(block):
        block["trades"][0]["buyer"] = "c"

    rehashed(stored, lie)
    assert ledger.verify(stored.parent).count == 3


def test_an_error_says_where_and_what(stored):
    good = lines_of(stored)
    stored.write_bytes(b"".join([good[0], good[1].replace(b'"energy":201', b'"energy":202'), good[2]]))
    error = refused(stored, ledger.LedgerTampered)
    assert (error.index, error.field) == (1, "hash")
    assert error.got == good[1][-67:-3].decode()
    assert len(error.want) == 64


@given(st.binary(max_size=300))
def test_arbitrary_bytes_are_refused_quietly(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("any") / "ledger.jsonl"
    path.write_bytes(data)
    refused(path)


# writing


def test_a_locked_ledger(stored):
    with (stored.parent / ".lock").open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(ledger.LedgerLocked):
            ledger.commit(stored.parent, cleared(), wait=0.0)
    assert ledger.commit(stored.parent, cleared(), wait=0.0).already == 2


def test_two_writers_take_turns(tmp_path):
    """Two processes commit 20 slots each, one by one; all 40 are there, in one chain."""
    script = """
import json, sys
from otonari.runs import ledger
for block in json.load(open(sys.argv[1])):
    ledger.commit(sys.argv[2], [block], wait=60)
"""
    writers = []
    for name, day in (("one", 0), ("two", 1)):
        (tmp_path / name).write_text(json.dumps(cleared(slots=20, start=START + np.timedelta64(day, "D"))))
        command = [sys.executable, "-c", script, str(tmp_path / name), str(tmp_path / "book")]
        writers.append(subprocess.Popen(command))
    assert [writer.wait(timeout=120) for writer in writers] == [0, 0]
    summary = ledger.verify(tmp_path / "book")
    assert (summary.count, len(summary.slots)) == (41, 40)


def test_a_failed_write_leaves_the_file_as_it_was(stored, monkeypatch):
    before, write = stored.read_bytes(), os.write
    later = cleared(start=START + np.timedelta64(1, "D"))
    monkeypatch.setattr(os, "write", lambda file, data: write(file, data[: len(data) // 2]))
    with pytest.raises(ledger.LedgerError, match="No space left on device; nothing was committed"):
        ledger.commit(stored.parent, later)
    monkeypatch.undo()
    assert stored.read_bytes() == before
    assert ledger.commit(stored.parent, later).added == 2


def test_a_failed_sync_is_an_error(stored, monkeypatch):
    def fail(file):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="Input/output"):
        ledger.commit(stored.parent, cleared(start=START + np.timedelta64(1, "D")))


def test_a_torn_ledger_is_not_written_to(stored):
    torn = stored.read_bytes()[:-10]
    stored.write_bytes(torn)
    with pytest.raises(ledger.LedgerTorn, match="inside block 2"):
        ledger.commit(stored.parent, cleared())
    assert stored.read_bytes() == torn


def test_the_chain_wants_more_than_shape():
    assert blocks.misfit([]) == "kind"
    assert blocks.misfit({"kind": ["genesis"]}) == "kind"
    assert blocks.misfit({"kind": "genesis"}) == "keys of block"
    assert chain.Summary().head == blocks.FIRST
