"""Files of orders, and ``otonari exchange match``: what it writes where, and what it says of a file that is wrong."""

import csv
import json

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from otonari.cli import main
from otonari.data.loading.orders_file import REQUIRED, read_orders
from otonari.data.problems import InputError

from . import counts

HEADER = "order_id,placed,slot,participant,side,price,energy_kwh"
GOOD = [
    "s1,2020-08-19T09:00,2020-08-19T12:00,home-08,sell,9,0.4",
    "b1,2020-08-19T10:00,2020-08-19T12:00,home-01,buy,20.5,1",
    "b2,2020-08-19T11:00:30,2020-08-19T12:00,home-02,buy,,0.123",
]


YEN = ("--currency", "JPY")


@pytest.fixture
def call(tmp_path, monkeypatch):
    """Return a function that writes orders.csv, matches it, checks the exit code and returns what was printed."""
    monkeypatch.chdir(tmp_path)

    def run(rows, *arguments, header=HEADER, code=0):
        text = "\n".join([header, *rows]) + "\n" if isinstance(rows, list) else rows
        (tmp_path / "orders.csv").write_bytes(text.encode() if isinstance(text, str) else text)
        currency = () if {"--scenario", "--currency"} & set(arguments) or "currency" in header else YEN
        result = CliRunner().invoke(main, ["exchange", "match", "orders.csv", *arguments, *currency])
        assert result.exit_code == code, result.output
        return result

    return run


def rows_of(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_anybody_s_orders_without_a_scenario(call, tmp_path):
    result = call([*GOOD, "x,2020-08-19T12:20,2020-08-19T12:00,home-02,buy,10,1"], "-o", "trades.csv")
    assert (tmp_path / "trades.csv").read_text() == (
        "slot,seller,buyer,energy_kwh,price,fee,sell_order,buy_order\n"
        "2020-08-19T12:00,home-08,home-01,0.400,9.000,0.000,s1,b1\n"
    )
    market, late = rows_of(tmp_path / "trades.refused.csv")
    assert (market["row"], market["code"], market["refused_kwh"]) == ("4", "no-counterpart", "0.123")
    assert late == {
        "row": "5",
        "order_id": "x",
        "placed": "2020-08-19T12:20",
        "action": "new",
        "slot": "2020-08-19T12:00",
        "participant": "home-02",
        "side": "buy",
        "refused_kwh": "1.000",
        "code": "late",
        "reason": "the gate closed at 2020-08-19 12:20 UTC",
    }
    assert "refused x (line 5): the gate closed" in result.stdout
    assert "4 orders, 1 trades, 0.400 kWh, 2 refused" in result.stdout


def test_a_scenario_brings_fees_limits_and_prices(call, tmp_path):
    """home-01, home-02 and home-08 are of one bank: 2 x 2.45; higashi-fuji's band is 8.5 .. 35.12 (32.14 + 2.98)."""
    rows = [
        *GOOD[:2],
        "c,2020-08-19T11:00,2020-08-19T12:00,home-02,sell,9,0.1",
        "d,2020-08-19T11:00,2020-08-19T12:00,home-01,buy,35.121,0.1",
        "e,2020-08-19T11:00,2020-08-20T12:00,home-01,buy,20,0.1",
    ]
    found = json.loads(call(rows, "--scenario", "higashi-fuji", "--json").stdout)
    assert found["trades"] == [
        {
            "slot": "2020-08-19T12:00",
            "seller": "home-08",
            "buyer": "home-01",
            "energy_kwh": 0.4,
            "price": 9.0,
            "fee": 4.9,
            "sell_order": "s1",
            "buy_order": "b1",
        }
    ]
    assert [(r["order_id"], r["code"]) for r in found["refused"]] == [
        ("c", "own-generation"),
        ("d", "band"),
        ("e", "product"),
    ]
    assert found["totals"] == {
        "orders": 5,
        "refused": 3,
        "trades": 1,
        "energy_kwh": 0.4,
        "to_sellers": 3.6,
        "fees": 1.96,
        "from_buyers": 5.56,
    }


@pytest.mark.parametrize(
    ("mechanism", "price"), [("continuous", "9.000"), ("uniform", "15.600"), ("pay-as-bid", "15.600")]
)
def test_mechanisms(call, tmp_path, mechanism, price):
    """The buyer, who is cut, sets the uniform price: 20.5 less the fee of 4.90; it pays its bid as well."""
    call(GOOD[:2], "--scenario", "higashi-fuji", "--mechanism", mechanism, "-o", "t.csv")
    (trade,) = rows_of(tmp_path / "t.csv")
    assert (trade["price"], trade["fee"]) == (price, "4.900")


def test_times_with_offsets_come_back_with_offsets(call, tmp_path):
    rows = [
        "s,2020-08-19T09:00+09:00,2020-08-19T03:00Z,a,sell,9,1",
        "b,2020-08-19T02:00Z,2020-08-19T12:00+09:00,b,buy,9,1",
    ]
    call(rows, "-o", "t.csv")
    assert rows_of(tmp_path / "t.csv")[0]["slot"] == "2020-08-19T03:00+00:00"
    call(
        rows,
        "-o",
        "u.csv",
        "--scenario",
        "higashi-fuji",
        "--set",
        "tables.participants.home-01.participant=x",
    )
    assert [r["code"] for r in rows_of(tmp_path / "u.refused.csv")] == ["participant", "participant"]
    assert rows_of(tmp_path / "u.refused.csv")[0]["slot"] == "2020-08-19T12:00+09:00"


def test_a_different_earlier_file_is_kept(call, tmp_path):
    call(GOOD, "-o", "t.csv")
    first = (tmp_path / "t.csv").read_text()
    assert "now" not in call(GOOD, "-o", "t.csv").stdout.split("stored", 1)[1]
    result = call(GOOD[:1], "-o", "t.csv")
    assert "an earlier, different file is now t.1.csv" in result.stdout
    assert (tmp_path / "t.1.csv").read_text() == first


def test_amend_and_cancel_leave_blank_what_stays(call):
    rows = [f"{row},,new" for row in GOOD[:1]]
    rows += ["s1,2020-08-19T09:30,,,,9.5,,,amend", f"{GOOD[1]},,new", "s1,2020-08-19T10:30,,,,,,pv,cancel"]
    rows += ["s1,2020-08-19T10:31,,,,,,,cancel"]
    found = json.loads(call(rows, "--json", header=f"{HEADER},origin,action").stdout)
    assert [(t["price"], t["energy_kwh"]) for t in found["trades"]] == [(9.5, 0.4)]
    assert [(r["row"], r["code"]) for r in found["refused"]] == [("5", "attributes"), ("6", "closed-order")]


def test_a_file_without_orders_has_no_trades(call, tmp_path):
    call([], "-o", "t.csv")
    assert rows_of(tmp_path / "t.csv") == []


def swap(old, new):
    return [GOOD[0].replace(old, new)]


BAD = {
    "no file": (None, ": file: got "),
    "empty": ("", ": file: got "),
    "not text": (b"\xff\xfe\x00", ""),
    "column missing": ("order_id,placed,slot,participant,side,price\n", ":1: energy_kwh: got no such column"),
    "unknown column": (
        swap("0.4", "0.4,1"),
        ":1: nodes: got an unknown column 'nodes' (did you mean 'node'?)",
    ),
    "cells": (swap("0.4", "0.4,1"), ":2: row: got 8 cells, want 7, as in the header"),
    "side": (swap("sell", "sel"), ":2: side: got 'sel' (did you mean 'sell'?), want one of buy, sell"),
    "price": (swap(",9,", ",cheap,"), ":2: price: got 'cheap', want a"),
    "not finite": (swap(",9,", ",nan,"), ":2: price: got 'nan', want a finite number"),
    "huge price": (swap(",9,", ",1e9,"), ":2: price: got '1e9', want "),
    "fine price": (swap(",9,", ",9.0001,"), ":2: price: got '9.0001', want at most three decimals"),
    "fine energy": (swap("0.4", "0.4005"), ":2: energy_kwh: got '0.4005', want at most three decimals"),
    "no energy to speak of": (
        swap("0.4", "1e-320"),
        ":2: energy_kwh: got '1e-320', want at most three decimals",
    ),
    "no number": (swap("0.4", "1_0"), ":2: energy_kwh: got '1_0', want a number"),
    "no price": (swap(",9,", ",1_0,"), ":2: price: got '1_0', want a number"),
    "no price to speak of": (swap(",9,", ",1e-320,"), ":2: price: got '1e-320', want at most three decimals"),
    "no energy": (swap("0.4", ""), ":2: energy_kwh: got nothing, want a value"),
    "zero": (swap("0.4", "0"), ":2: energy_kwh: got '0', want "),
    "no slot": (swap("2020-08-19T12:00", ""), ":2: slot: got nothing, want a value"),
    "time": (swap("2020-08-19T09:00", "nine"), ":2: placed: got 'nine', want a time like"),
    "twice": ([*GOOD, GOOD[0]], ":5: order_id: got 's1' again (line 2), want an order placed once"),
}
CELLS = ("", "a", "-1", "1", "9.5", "buy", "sell", "2020-08-19T12:00", "\x00", "nan", '"')


@pytest.mark.parametrize("case", BAD)
def test_a_malformed_file_has_one_message_and_writes_nothing(call, tmp_path, case):
    rows, message = BAD[case]
    header = f"{HEADER},nodes" if case == "unknown column" else HEADER
    if rows is None:
        call([])
        (tmp_path / "orders.csv").unlink()
        result = CliRunner().invoke(main, ["exchange", "match", "orders.csv", "-o", "t.csv", *YEN])
        assert result.exit_code == 2
    else:
        result = call(rows, "-o", "t.csv", header=header, code=2)
    first, last = result.stderr.splitlines()
    assert first.startswith(f"orders.csv{message}"), first
    assert last == "otonari: 1 problem, nothing was done"
    assert {p.name for p in tmp_path.iterdir()} <= {"orders.csv"}


def test_all_problems_come_at_once(call):
    rows = [GOOD[0].replace("sell", "give").replace(",9,", ",x,"), GOOD[1].replace(",1", ",-1"), GOOD[2]]
    lines = call(rows, code=2).stderr.splitlines()
    assert [line.split(": ")[:2] for line in lines[:-1]] == [
        ["orders.csv:2", "price"],
        ["orders.csv:2", "side"],
        ["orders.csv:3", "energy_kwh"],
    ]


@pytest.mark.parametrize(
    ("cells", "field", "want"),
    [
        ("s1,2020-08-19T09:30,,,,5,,cancel", "price", "nothing: a cancellation takes all that is open"),
        ("s1,2020-08-19T09:30,,,,,1,cancel", "energy_kwh", "nothing: a cancellation takes all that is open"),
        ("s1,2020-08-19T09:30,,,,,1,change", "action", "one of new, amend, cancel"),
    ],
)
def test_changes_that_say_too_much(call, cells, field, want):
    line = call([cells], header=f"{HEADER},action", code=2).stderr.splitlines()[0]
    assert line.startswith(f"orders.csv:2: {field}: got ")
    assert line.endswith(f"want {want}")


def test_the_same_change_twice_at_one_moment(call):
    rows = [f"{GOOD[0]},new", "s1,2020-08-19T09:30,,,,5,,amend", "s1,2020-08-19T09:30,,,,6,,amend"]
    line = call(rows, header=f"{HEADER},action", code=2).stderr.splitlines()[0]
    assert line == "orders.csv:4: order_id: got 's1' again (line 3), want one amend of an order at a time"


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["-o", "t.nc"], "want a name that ends in .csv"),
        (["--set", "a=b"], "no --scenario"),
        (["--price-band", "5", "1"], "want the lower price first"),
        (["--mechanism", "random"], "random"),
        (["--scenario", "nowhere"], "nowhere"),
    ],
)
def test_bad_usage(call, tmp_path, arguments, text):
    assert text in call(GOOD, *arguments, code=2).stderr
    assert [p.name for p in tmp_path.iterdir()] == ["orders.csv"]


@pytest.mark.parametrize("mechanism", ["uniform", "pay-as-bid"])
def test_an_auction_over_pairs_holds_limits(call, mechanism):
    """Over 2 x 2.45 + 1; bank-1 lets out half of 0.4 kW, so 0.2 kWh of the 0.4 that home-08 would sell."""
    change = "fees={method: by-distance, access_fee_per_kwh: 2.45, bands: [{fee_per_kwh: 1}]}"
    changes = [change, "tables.nodes.*.length_m=100", "tables.participants.home-08.node=bank-2"]
    changes.append("tables.nodes.bank-2.limit_kw=0.4")
    arguments = ["--mechanism", mechanism, *(x for c in changes for x in ("--set", c))]
    found = json.loads(call(GOOD[:2], "--scenario", "higashi-fuji", *arguments, "--json").stdout)
    (trade,) = found["trades"]
    assert trade["energy_kwh"] == 0.2
    assert trade["price"] + trade["fee"] == 20.5  # the buyer, who is cut
    assert trade["fee"] == (
        11.5 if mechanism == "uniform" else 5.9
    )  # the uniform price leaves a rent: 20.5 - 9


def test_green_premiums_in_a_file(call):
    rows = [f"{GOOD[0]},pv,", "b1,2020-08-19T08:00,2020-08-19T12:00,home-01,buy,8,1,,1.5"]
    found = json.loads(call(rows, "--json", header=f"{HEADER},origin,green_premium").stdout)
    assert [t["price"] for t in found["trades"]] == [9.5]
    wrong = [f"{GOOD[0]},1", f"{GOOD[1]},0.0001", f"{GOOD[2]},1", f"{GOOD[1]},-1".replace("b1", "b3")]
    told = call(wrong, header=f"{HEADER},green_premium", code=2).stderr
    assert told.count("want nothing: only a new bid with a price adds a premium") == 2
    assert "orders.csv:3: green_premium: got '0.0001', want at most three decimals" in told
    assert "orders.csv:5: green_premium: got '-1', want at least 0" in told


def test_local_times_where_the_clock_changes(tmp_path):
    path = tmp_path / "orders.csv"
    row = "s,2020-10-25T{},2020-10-25T12:00,a,sell,9,1"
    path.write_text(f"{HEADER}\n{row.format('02:30')}\n")
    with pytest.raises(InputError, match="placed: got 2020-10-25T02:30:00, want a time with its UTC offset"):
        read_orders(path, "Europe/Berlin", "EUR")
    path.write_text(f"{HEADER}\n{row.format('02:30+01:00')}\n")
    found = read_orders(path, "Europe/Berlin", "EUR")
    assert found["placed"].values[0] == np.datetime64("2020-10-25T01:30")
    assert found["slot"].values[0] == np.datetime64("2020-10-25T11:00")


@settings(max_examples=counts.examples(200), deadline=None)
@given(st.lists(st.lists(st.sampled_from(CELLS), max_size=8), max_size=4))
def test_any_cells_are_read_or_refused_with_their_place(tmp_path_factory, rows):
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_text("\n".join([HEADER, *map(",".join, rows)]) + "\n", encoding="utf-8")
    problems = ()
    try:
        found = read_orders(path, currency="EUR")
    except InputError as error:
        problems = error.problems
    else:
        assert set(found["side"].values.tolist()) <= {"buy", "sell"}
        assert (found["energy"].values > 0).all()
    assert all(p.where == str(path) and p.field and p.got and p.want for p in problems)


def test_the_documented_columns_are_the_ones_that_must_be_there():
    assert ",".join(REQUIRED) == HEADER


RULES = [
    (("exchange.opening_hours=1",), (), ["early", "early"]),  # b2 comes 59 minutes before the slot
    (("exchange.opening_hours=1",), ("--opening-hours", "3"), []),
    (("exchange.gate_minutes=91",), (), ["late"]),  # 10:59 is the gate, and b2 comes at 11:00:30
    (("exchange.gate_minutes=91",), ("--gate-minutes", "89"), []),
    (("exchange={floor_per_kwh: 9.001}",), (), ["band"]),
    (("exchange={cap_per_kwh: 20}",), (), ["band"]),
    (("exchange={cap_per_kwh: 20}",), ("--price-band", "9", "20.5"), []),
]


@pytest.mark.parametrize(("changes", "options", "codes"), RULES)
def test_the_scenario_states_the_rules_and_options_go_before_it(call, changes, options, codes):
    changed = [part for change in changes for part in ("--set", change)]
    found = json.loads(call(GOOD, "--scenario", "higashi-fuji", *changed, *options, "--json").stdout)
    told = [r["code"] for r in found["refused"] if r["code"] != "no-counterpart"]
    assert told == codes


def test_the_scenario_states_the_mechanism(call, tmp_path):
    uniform = ["--set", "exchange.mechanism=uniform"]
    for options, price in ((uniform, 15.6), ([*uniform, "--mechanism", "continuous"], 9.0)):
        found = json.loads(call(GOOD[:2], "--scenario", "higashi-fuji", *options, "--json").stdout)
        assert [t["price"] for t in found["trades"]] == [price]


# currencies: fees and prices of ten lines of 0.0004 EUR/kWh, see tests/test_money.py for the ledger


@pytest.mark.parametrize(
    ("currency", "price", "decimals", "words"),
    [("EUR", "0.10003", 5, "five"), ("KWD", "0.030004", 6, "six"), ("JPY", "9.003", 3, "three")],
)
def test_prices_have_the_decimals_of_their_currency(call, tmp_path, currency, price, decimals, words):
    rows = [f"s,2020-08-19T09:00,2020-08-19T12:00,a,sell,{price},0.4", GOOD[1].replace("home-01", "b")]
    call(rows, "-o", "trades.csv", "--currency", currency)
    (trade,) = rows_of(tmp_path / "trades.csv")
    assert (trade["price"], trade["fee"]) == (price, f"{0:.{decimals}f}")
    result = call([rows[0].replace(price, price + "1"), rows[1]], "--currency", currency, code=2)
    assert f"orders.csv:2: price: got '{price}1', want at most {words} decimals" in result.output


def test_totals_are_exact_in_every_currency(call):
    rows = ["s,2020-08-19T09:00,2020-08-19T12:00,a,sell,0.12345,0.007", GOOD[1].replace("home-01", "b")]
    result = call(rows, "--currency", "EUR", "--json")
    assert json.loads(result.output)["totals"]["to_sellers"] == 0.00086415
    assert "0.0009 EUR" in call(rows, "--currency", "EUR").output


def test_the_file_may_state_its_currency_once(call):
    rows = [f"{row},EUR" for row in GOOD[:2]]
    header = HEADER + ",currency"
    assert " EUR: " in call(rows, header=header).output
    result = call([rows[0], rows[1].replace("EUR", "USD")], header=header, code=2)
    assert (
        "orders.csv: currency: got EUR and USD, want one: of a scenario, --currency or a column"
        in result.output
    )
    result = call(rows, "--currency", "JPY", header=header, code=2)
    assert "currency: got EUR and JPY, want one" in result.output
    result = call([f"{row}," for row in GOOD[:2]], header=header, code=2)
    assert "orders.csv: currency: got none, want one" in result.output
    result = call([f"{row},XAU" for row in GOOD[:2]], header=header, code=2)
    assert (
        "orders.csv:2: currency: got 'XAU', want a currency of ISO 4217 that has a minor unit"
        in result.output
    )
    assert "--scenario, which has its own" in call(GOOD, *YEN, "--scenario", "six-kinds", code=2).output


def test_sums_that_are_too_large_to_be_exact_are_refused_by_name(call, tmp_path):
    rows = [
        "s,2020-08-19T09:00,2020-08-19T12:00,a,sell,1000,90072",
        "b,2020-08-19T10:00,2020-08-19T12:00,b,buy,1000,90072",
    ]
    call(rows, "-o", "yen.csv", "--currency", "JPY")
    result = call(rows, "-o", "trades.csv", "--currency", "EUR", code=2)
    assert "orders.csv: to_sellers: got 90,072,000, want less than 90,071,992 EUR" in result.output
    assert not (tmp_path / "trades.csv").exists()
