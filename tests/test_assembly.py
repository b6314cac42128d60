"""Prices and fees of a scenario: each kind has one function in one table."""

from typing import Literal, get_args

import numpy as np
import pytest
from pydantic import Field

from otonari.data.assembly import fees, prices
from otonari.data.assembly.demand_and_pv import frame
from otonari.data.problems import InputError
from otonari.data.schema.file_references import PriceFile
from otonari.data.schema.price_forms import AnyPrice, Flat, TieredAverage, TimeOfUse
from otonari.data.schema.scenario import Time
from otonari.data.schema.table_rows import Node
from otonari.data.schema.tariffs_and_fees import (
    BandFees,
    FeeMethod,
    Fees,
    LengthFees,
    LevelFees,
)
from otonari.data.schema.values import Closed

DAY = frame(Time(start="2020-08-19", slot_minutes=360), seed=1)
NODES = [
    Node(node="root", x_m=0, y_m=0, access_fee_per_kwh=0),
    Node(node="a", parent="root", level="bank", length_m=100, x_m=3, y_m=4, access_fee_per_kwh=1),
    Node(
        node="b",
        parent="a",
        level="pole",
        length_m=20,
        x_m=6,
        y_m=8,
        fee_per_kwh=7,
        access_fee_per_kwh=2,
        limit_kw=5,
    ),
]


def test_every_price_and_every_method_of_fees_has_its_function():
    assert set(prices.PRICES) == set(get_args(AnyPrice))
    assert set(fees.FEES) == set(get_args(get_args(Fees)[0]))


@pytest.mark.parametrize(
    ("tariff", "want"),
    [
        (Flat(price_per_kwh=3), [3.0, 3.0, 3.0, 3.0]),
        (
            TimeOfUse(price_per_kwh=2, windows=[{"start": "06:00", "end": "15:00", "price_per_kwh": 4}]),
            [2.0, 4.0, 3.0, 2.0],
        ),
        (
            TieredAverage(
                monthly_kwh=400, tiers=[{"up_to_kwh": 100, "price_per_kwh": 2}, {"price_per_kwh": 6}]
            ),
            [5.0, 5.0, 5.0, 5.0],
        ),
    ],
)
def test_a_price_by_hand(tariff, want):
    assert prices.price(tariff, DAY).tolist() == want


def test_a_price_from_a_file(tmp_path):
    path = tmp_path / "spot.csv"
    rows = (f"2020-08-19T{hour:02}:00,{1000 * hour}" for hour in range(24))
    path.write_text("\n".join(["time,price", *rows]) + "\n")
    got = prices.price(PriceFile(path=str(path), column="price", unit="per MWh"), DAY)
    assert got == pytest.approx([2.5, 8.5, 14.5, 20.5])


def test_a_problem_of_a_price_goes_to_the_frame(tmp_path):
    day = frame(Time(start="2020-08-19", slot_minutes=360), seed=1)
    got = prices.price(PriceFile(path=str(tmp_path / "none.csv"), column="price"), day)
    assert got.tolist() == [0.0] * 4
    assert [problem.field for problem in day.problems] == ["file"]


@pytest.mark.parametrize(
    ("method", "name", "want"),
    [
        (LevelFees(levels={"bank": 0.5, "pole": 0.1}), "node_fee", [0.0, 0.5, 7.0]),
        (LengthFees(fee_per_kwh_m=0.01), "node_fee", [0.0, 1.0, 7.0]),
        (
            BandFees(bands=[{"up_to_m": 100, "fee_per_kwh": 1}, {"fee_per_kwh": 2}]),
            "trade_fee",
            [[1, 1, 2], [1, 1, 1], [2, 1, 1]],
        ),
        (
            BandFees(distance="straight", bands=[{"up_to_m": 5, "fee_per_kwh": 1}, {"fee_per_kwh": 2}]),
            "trade_fee",
            [[1, 1, 2], [1, 1, 1], [2, 1, 1]],
        ),
    ],
)
def test_fees_by_hand(method, name, want):
    network = fees.fee_network(NODES, method)
    assert network[name][1].tolist() == want
    assert set(network) == {"node_parent", "node_access_fee", "node_limit", name}
    assert network["node_parent"][1].tolist() == ["", "root", "a"]
    assert network["node_access_fee"][1].tolist() == [0, 1, 2]
    assert network["node_limit"][1].tolist() == [np.inf, np.inf, 5]


@pytest.mark.parametrize(
    ("method", "want"),
    [
        (LevelFees(), [(), ("level",), ()]),
        (LengthFees(fee_per_kwh_m=1), [(), ("length_m",), ()]),
        (BandFees(bands=[{"fee_per_kwh": 1}]), [(), ("length_m",), ("length_m",)]),
        (BandFees(distance="straight", bands=[{"fee_per_kwh": 1}]), [("x_m", "y_m")] * 3),
    ],
)
def test_a_method_says_which_columns_it_needs(method, want):
    assert [method.required_columns(node) for node in NODES] == want


def test_a_new_price_and_a_new_method_of_fees_are_a_class_and_a_row(monkeypatch):
    class Weekend(Closed):
        type: Literal["weekend"] = "weekend"
        price_per_kwh: float

    class FlatFees(FeeMethod):
        edge_column = "node"
        fee_per_kwh: float = Field(default=1.0)

    monkeypatch.setitem(
        prices.PRICES, Weekend, lambda price, day: prices.flat(price.price_per_kwh, day.times)
    )
    monkeypatch.setitem(fees.FEES, FlatFees, lambda nodes, fees: np.full(len(nodes), fees.fee_per_kwh))
    assert prices.price(Weekend(price_per_kwh=9), DAY).tolist() == [9.0] * 4
    assert fees.fee_network(NODES, FlatFees())["node_fee"][1].tolist() == [0.0, 1.0, 7.0]


def test_a_day_that_cannot_be_cut_has_no_frame():
    with pytest.raises(InputError):
        frame(Time(start="2020-03-08", slot_minutes=1440, time_zone="America/New_York"), seed=1)
