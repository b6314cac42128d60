"""Communities solved on paper, one file each in ``cases/``: the arithmetic stands in the file's comment.

``expect`` holds, per market, the objective, the bills, and what is unique of the results (whole series by
label), of the node prices (by node and slot) and of the trades. Oracle and model must both arrive at the
paper's numbers.
"""

from pathlib import Path

import numpy as np
import pytest
import yaml
from numpy.testing import assert_allclose

from otonari.data.inputs.validation import validate
from otonari.runs.clear.single import clear

from .communities import community
from .oracle import solve

CASES = {path.stem: path for path in sorted((Path(__file__).parent / "cases").glob("*.yaml"))}
MARKETS = ("grid-only", "p2p")
CLOSE = {"rtol": 1e-7, "atol": 1e-6}

every_case = pytest.mark.parametrize("case", [pytest.param(path, id=name) for name, path in CASES.items()])


def read(path):
    """Return the inputs of a case and what it expects."""
    case = yaml.safe_load(path.read_text(encoding="utf-8"))
    return community(case), case["expect"]


@pytest.fixture(scope="module")
def cleared():
    """Return a function of case and market: the expectations and the cleared run, computed once."""
    runs = {}

    def run(path, market="p2p"):
        if (path, market) not in runs:
            inputs, expect = read(path)
            runs[path, market] = expect[market], clear(inputs, market=market)
        return runs[path, market]

    return run


def test_every_feature_has_a_case():
    """Every case is found, and none lacks its arithmetic."""
    assert len(CASES) >= 15
    for path in CASES.values():
        assert path.read_text(encoding="utf-8").startswith("# "), path


@every_case
def test_case_is_valid(case):
    assert validate(read(case)[0]) == []


@every_case
@pytest.mark.parametrize("market", MARKETS)
def test_oracle_finds_the_papers_objective(case, market):
    inputs, expect = read(case)
    assert_allclose(solve(inputs, market).objective, expect[market]["objective"], **CLOSE)


@every_case
def test_oracle_finds_the_papers_quantities(case):
    inputs, expect = read(case)
    optimum = solve(inputs)
    for name, series in expect["p2p"]["results"].items():
        for label, want in series.items():
            got = oracle_series(inputs, optimum, name, label)
            if got is not None:
                assert_allclose(got, want, **CLOSE, err_msg=f"{name} of {label}")


def oracle_series(inputs, optimum, name, label):
    """Return what the oracle says of a result variable, or None where it has no such variable."""
    device, _, kind = name.partition("_")
    slots = range(inputs.sizes["time"])
    if name == "trip_electric_distance":
        return optimum["electric km", label]
    if name == "pv_curtailment":
        available = inputs["pv_available"].sel(participant=label).values
        return available - [optimum["pv used", label, t] for t in slots]
    if device in ("battery", "vehicle") and kind in ("charge", "discharge", "energy"):
        return [optimum[kind, label, t] for t in slots]
    meters = [("guest", label)] if device == "vehicle" else [label, ("pv", label)]
    bought, sold = (sum_of_trades(optimum, place, meters, slots) for place in (2, 1))
    retail, export = (
        [sum(optimum[key, meter, t] for meter in meters) for t in slots] for key in ("import", "export")
    )
    return {
        "import": retail,
        "export": export,
        "purchase": bought,
        "sale": sold,
        "draw": np.add(retail, bought),
        "supply": np.add(export, sold),
    }.get(kind or name)


def sum_of_trades(optimum, place, meters, slots):
    trades = {key: kw for key, kw in optimum.values.items() if key[0] == "trade" and key[place] in meters}
    return [sum(kw for key, kw in trades.items() if key[3] == t) for t in slots]


@every_case
@pytest.mark.parametrize("market", MARKETS)
def test_cost(case, market, cleared):
    expect, tree = cleared(case, market)
    settlement = tree["settlement"]
    for participant, bill in expect.get("bill", {}).items():
        assert_allclose(settlement["bill"].sel(participant=participant), bill, **CLOSE, err_msg=participant)
    cost = settlement["bill"].sum() - settlement["congestion_rent"].sum()
    assert_allclose(cost, expect["objective"], **CLOSE)


@every_case
def test_quantities(case, cleared):
    expect, tree = cleared(case)
    for name, series in expect["results"].items():
        array = tree["results"][name]
        for label, want in series.items():
            assert_allclose(array.sel({array.dims[0]: label}), want, **CLOSE, err_msg=f"{name} of {label}")


@every_case
def test_prices(case, cleared):
    expect, tree = cleared(case)
    for name in ("price", "sale_price"):
        for node, slots in expect.get(name, {}).items():
            for slot, want in slots.items():
                got = tree["results"][name].sel(node=node).values[slot]
                assert_allclose(got, want, **CLOSE, err_msg=f"{name} at {node} in slot {slot}")
    for node, slots in expect.get("between", {}).items():
        for slot, (low, high) in slots.items():
            assert low - 1e-6 <= tree["results"]["price"].sel(node=node).values[slot] <= high + 1e-6


@every_case
def test_settlement(case, cleared):
    expect, tree = cleared(case)
    for name, amounts in expect["settlement"].items():
        for participant, want in amounts.items():
            got = tree["settlement"][name].sel(participant=participant)
            assert_allclose(got, want, **CLOSE, err_msg=f"{name} of {participant}")


@every_case
def test_trades(case, cleared):
    expect, tree = cleared(case)
    if "trades" not in expect:
        return
    got = sorted(listed(tree), key=by_name)
    want = sorted(({"seller_vehicle": "", "buyer_vehicle": "", **t} for t in expect["trades"]), key=by_name)
    assert [by_name(trade) for trade in got] == [by_name(trade) for trade in want]
    for a, b in zip(got, want, strict=True):
        for key in ("energy", "price", "fee", "congestion"):
            assert_allclose(a[key], b[key], **CLOSE, err_msg=f"{key} of {by_name(a)}")


def listed(tree):
    """Return the trades of a run as dicts keyed as in the case files."""
    slots = {when: t for t, when in enumerate(tree["inputs"]["time"].values)}
    names = ("seller", "buyer", "seller_vehicle", "buyer_vehicle", "energy", "price", "fee", "congestion")
    columns = {"slot": [slots[when] for when in tree["trades"]["trade_time"].values]}
    columns |= {name: tree["trades"][f"trade_{name}"].values.tolist() for name in names}
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def by_name(trade):
    return tuple(trade[key] for key in ("slot", "seller", "buyer", "seller_vehicle", "buyer_vehicle"))
