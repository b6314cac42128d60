"""Runs side by side: totals, kinds and differences, in tables and files."""

import csv
import json
import os

import numpy as np
import pytest
import xarray as xr

from otonari.runs import compare
from otonari.runs.clear.single import clear
from otonari.runs.report import tables
from otonari.runs.store import netcdf

from .communities import community


def street(homes=1, slots=2, price=30):
    """Return the inputs of a sunny home and some others; the sunny one has 3 kW to give, each other one needs 1 kW."""
    tariff = {"retail_price": price, "feed_in_price": 8}
    others = {f"home {i}": {"node": "n", "tariff": "t", "demand": 1} for i in range(homes)}
    for home in others.values():
        home["demand"], home["pv_available"] = [1] * slots, [0] * slots
    sun = {"node": "n", "tariff": "t", "demand": [0] * slots, "pv_available": [3] * slots}
    case = {"slots": [1] * slots, "tariffs": {"t": tariff}, "nodes": {"n": {"parent": ""}}}
    return community({**case, "participants": {"sun": sun, **others}, "grid_carbon": 0.5})


@pytest.fixture(scope="module")
def runs():
    """Return grid-only and p2p of one street, and p2p of a longer street of three kinds of day."""
    alone, together = (clear(street(), market) for market in ("grid-only", "p2p"))
    longer = clear(street(homes=2, slots=4))
    return alone, together, longer


def test_totals_by_hand(runs):
    """Alone: 2 kWh bought at 30, 6 kWh sold at 8. Together: the neighbour's 2 kWh come from the sun, 4 kWh are sold."""
    found = compare.compare(runs[:2])
    assert found["scenario"].values.tolist() == ["grid-only", "p2p"]
    assert found["market"].values.tolist() == ["grid-only", "p2p"]
    for name, want in {
        "participants": [2, 2],
        "hours": [2, 2],
        "bill": [60 - 48, -32],
        "bill_grid_only": [12, 12],
        "saving": [0, 44],
        "saving_share": [0, 44 / 12],
        "peer_energy": [0, 2],
        "grid_import": [2, 0],
        "grid_export": [6, 4],
        "demand": [2, 2],
        "self_sufficiency": [0, 1],
        "self_consumption": [0, 1 / 3],
        "renewable_share": [0, 1],
        "renewable_driving_share": [np.nan, np.nan],
        "fuel": [0, 0],
        "co2": [1, 0],
        "driving_co2": [0, 0],
        "driving_co2_reduction": [np.nan, np.nan],
        "efficiency": [0, 1],
    }.items():
        assert found[name].values == pytest.approx(want, nan_ok=True, abs=1e-9), name
        assert found[name].attrs["units"]
    assert found["bill"].attrs["units"] == "JPY"
    assert found.sel(kind="consumer", scenario="grid-only")["kind_bill"] == pytest.approx(60)
    assert found.sel(kind="pv", scenario="grid-only")["kind_bill"] == pytest.approx(-48)
    assert found["kind_bill"].sum("kind").values == pytest.approx(found["bill"].values)


def test_runs_of_other_sizes_and_kinds(runs):
    sunless = clear(street().sel(participant=["home 0"]))
    found = compare.compare([*runs, sunless], ["a", "b", "c", "d"])
    assert found["participants"].values.tolist() == [2, 2, 3, 1]
    assert found["hours"].values.tolist() == [2, 2, 4, 2]
    assert found["kind_participants"].sel(kind="consumer").values.tolist() == [1, 1, 2, 1]
    assert np.isnan(found["kind_bill"].sel(kind="pv", scenario="d"))


def test_stored_runs_compare_as_fresh_ones(runs, tmp_path):
    for name, tree in zip("ab", runs, strict=False):
        netcdf.write_run(tree, tmp_path / f"{name}.nc")
    stored = compare.compare([tmp_path / "a.nc", str(tmp_path / "b.nc")])
    xr.testing.assert_identical(stored, compare.compare(runs[:2]))


def test_names(runs):
    assert compare.compare([runs[1]] * 3)["scenario"].values.tolist() == ["p2p", "p2p (2)", "p2p (3)"]
    for names in (["a"], ["a", "a"], ["a", "b", "c"]):
        with pytest.raises(ValueError, match="want a name of its own for each"):
            compare.compare(runs[:2], names)
    with pytest.raises(ValueError, match="got 0 runs"):
        compare.compare([])


def test_runs_of_one_name_are_told_apart_by_what_was_changed(runs):
    def said(**changes):
        tree = runs[1].copy()
        definition = {"fuel": {"price": 135.5}, "fees": {"price": 5.0, "levels": [1]}}
        for key, value in changes.items():
            definition[key]["price"] = value
        tree.attrs = {**tree.attrs, "scenario": "s", "scenario_definition": json.dumps(definition)}
        return tree

    names = compare.compare([said(), said(fuel=170)])["scenario"].values.tolist()
    assert names == ["s p2p price 135.5", "s p2p price 170"]
    names = compare.compare([said(), said(fuel=170, fees=6)])["scenario"].values.tolist()
    assert names[1] == "s p2p fuel.price 170, fees.price 6"
    assert compare.compare([said(), said()])["scenario"].values.tolist() == ["s p2p", "s p2p (2)"]


def test_a_table_of_many_runs_fits_and_says_what_it_leaves_out(runs):
    many = xr.concat([compare.compare(runs[1:2])] * 70, "scenario")
    keys = {"tariffs.day.price": np.arange(70.0), "tariffs.night.price": np.arange(70) % 2}
    many = many.assign_coords(
        scenario=[f"a long name {k}" for k in range(70)],
        **{n: ("scenario", v) for n, v in keys.items()},
    )
    lines = tables.compared(many).splitlines()
    assert max(map(len, lines[:-1])) <= tables.WIDTH
    assert lines[1].split()[:2] == ["day", "night"]
    assert lines[2].split()[:2] == ["price", "price"]
    assert len(lines) == 3 + tables.MOST_ROWS + 2
    assert lines[-1] == "left out: 10 more lines; otonari compare ... -o FILE.csv has all"


def test_currencies_do_not_mix(runs):
    other = runs[1].copy()
    other.attrs["currency"] = "EUR"
    with pytest.raises(ValueError, match="EUR, JPY, want one currency"):
        compare.compare([runs[0], other])


def test_csv(runs, tmp_path):
    found = compare.compare(runs[:2])
    assert compare.write(found, tmp_path / "out.csv") is None
    with (tmp_path / "out.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {"grid-only", "p2p"} == {row["scenario"] for row in rows}
    (bill,) = [r for r in rows if (r["measure"], r["kind"], r["scenario"]) == ("bill", "", "p2p")]
    assert (float(bill["value"]), float(bill["difference"]), bill["unit"]) == (
        pytest.approx(-32),
        pytest.approx(-44),
        "JPY",
    )
    hourly = [r for r in rows if r["measure"] == "peer_energy" and r["scenario"] == "p2p"]
    assert [(r["hour"], float(r["value"])) for r in hourly][:4] == [("", 2), ("0", 1), ("1", 1), ("2", 0)]
    (saving,) = [r for r in rows if (r["measure"], r["kind"], r["scenario"]) == ("saving", "consumer", "p2p")]
    assert float(saving["value"]) == float(saving["difference"]) > 0


def test_netcdf(runs, tmp_path):
    found = compare.compare(runs)
    compare.write(found, tmp_path / "out.nc")
    with xr.open_dataset(tmp_path / "out.nc", engine="netcdf4") as file:
        again = file.load()
    assert again.attrs == found.attrs
    assert again["scenario"].values.tolist() == found["scenario"].values.tolist()
    for name in found.data_vars:
        np.testing.assert_array_equal(again[name].values, found[name].values)


def test_a_comparison_is_kept_too(runs, tmp_path):
    first = compare.compare(runs[:2])
    for _ in range(2):
        assert compare.write(first, tmp_path / "out.csv") is None
    assert compare.write(compare.compare(runs), tmp_path / "out.csv") == tmp_path / "out.1.csv"
    assert sorted(os.listdir(tmp_path)) == ["out.1.csv", "out.csv"]
    with pytest.raises(ValueError, match=r"want \.csv or \.nc"):
        compare.write(first, tmp_path / "out.xlsx")


def test_a_netcdf_comparison_is_kept_too(runs, tmp_path):
    first = compare.compare(runs[:2])
    for _ in range(2):
        assert compare.write(first, tmp_path / "out.nc") is None
    before = (tmp_path / "out.nc").read_bytes()
    assert compare.write(compare.compare(runs), tmp_path / "out.nc") == tmp_path / "out.1.nc"
    assert (tmp_path / "out.1.nc").read_bytes() == before


def test_what_is_hard_to_compare_is_said(runs):
    """The same street has one horizon; a longer one with another home has neither it nor its participants."""
    assert "comment" not in compare.compare(runs[:2]).attrs
    found = compare.compare(runs, ["a", "b", "c"])
    start = np.datetime_as_string(runs[0]["inputs"]["time"].values[0], "m").replace("T", " ")
    assert found.attrs["comment"] == (
        f"the runs cover different horizons: a 2 h from {start} UTC, b 2 h from {start} UTC, c 4 h from {start} UTC; "
        "the runs have different participants: a 2, b 2, c 3"
    )
    horizon = next(line for line in tables.compared(found).splitlines() if line.startswith("horizon"))
    assert horizon.split() == ["horizon", "2.0", "h", "2.0", "h", "(+0.0)", "4.0", "h", "(+2.0)"]
    later = runs[0].copy()
    later["inputs"] = (
        later["inputs"].to_dataset().assign_coords(time=later["inputs"]["time"] + np.timedelta64(1, "D"))
    )
    assert compare.compare([runs[0], later]).attrs["comment"].startswith("the runs cover different horizons")


def test_a_table_says_the_differences(runs):
    lines = tables.compared(compare.compare(runs[:2])).splitlines()
    assert lines[0].split() == ["grid-only", "p2p"]
    cost = next(line for line in lines if line.startswith("cost  "))
    assert cost.split() == ["cost", "12.0", "JPY", "-32.0", "JPY", "(-44.0)"]
    share = next(line for line in lines if line.startswith("self-sufficiency"))
    assert share.split() == ["self-sufficiency", "0.0", "%", "100.0", "%", "(+100.0)"]
    driving = next(line for line in lines if line.startswith("renewable driving"))
    assert driving.split() == ["renewable", "driving", "-", "-"]


def as_exchange(run, saved, **attributes):
    """Return a run as if the exchange had come to it, with another saving of the sunny home."""
    tree = run.copy()
    settlement = run["settlement"].to_dataset().copy(deep=True)
    settlement["saving"][:] = [saved, 0]
    tree["settlement"] = settlement
    tree.attrs = {**run.attrs, "market": "exchange", **attributes}
    return tree


def test_efficiency_is_the_share_of_the_co_optimums_saving(runs):
    """The co-optimum saves 44: 11 of them are a quarter, and a loss of 4.4 is a tenth."""
    alone, together, longer = runs
    found = compare.compare([alone, as_exchange(together, 11), as_exchange(together, -4.4), together])
    assert found["efficiency"].values == pytest.approx([0, 0.25, -0.1, 1])
    assert "comment" not in found["efficiency"].attrs
    found = compare.compare([alone, as_exchange(together, 11)])
    assert np.isnan(found["efficiency"]).all()
    why = "no p2p run of the same inputs as grid-only; no p2p run of the same inputs as exchange"
    assert found["efficiency"].attrs["comment"] == why
    assert f"efficiency: {why}" in tables.compared(found).splitlines()
    other = compare.compare([as_exchange(together, 11), longer])
    assert np.isnan(other["efficiency"].values[0])
    assert other["efficiency"].values[1] == 1


def test_a_congestion_rent_is_no_cost_of_the_community(runs):
    together = as_exchange(runs[1], 11)
    together["settlement"]["congestion_rent"][:] = [11, 0]
    assert compare.compare([together, runs[1]])["efficiency"].values[0] == pytest.approx(0.5)


def test_a_saving_from_empty_stores_is_said(runs):
    found = compare.compare([as_exchange(runs[1], 11, final_energy_missing=2.0), runs[1]])
    assert found["efficiency"].attrs["comment"] == (
        "exchange ends with 2.0 kWh less in its stores than it should, which its saving counts at retail prices"
    )


def test_trades_by_local_hour(runs):
    """1 kWh in each of two hours from midnight UTC, which is 9:00 in Tokyo; nothing else is traded."""
    run = runs[1].copy()
    inputs = run["inputs"].to_dataset()
    for zone, first in (("UTC", 0), ("Asia/Tokyo", 9)):
        run["inputs"] = inputs.assign_attrs(time_zone=zone)
        trades = run["trades"].to_dataset().copy(deep=True)
        trades["trade_price"][:], trades["trade_fee"][:], trades["trade_congestion"][:] = [20, 10], 1, [0, 2]
        run["trades"] = trades
        found = compare.summary(run)
        assert found["hour_peer_energy"].values[first : first + 2].tolist() == [1, 1]
        assert float(found["hour_peer_energy"].sum()) == 2
        assert found["hour_seller_price"].values[first : first + 2] == pytest.approx([20, 10])
        assert found["hour_buyer_price"].values[first : first + 2] == pytest.approx([21, 13])
        assert int(found["hour_seller_price"].count()) == 2
    lines = tables.compared(compare.compare([runs[0], run])).splitlines()
    (header,) = [k for k, line in enumerate(lines) if line.startswith("peers by hour")]
    assert lines[header].split()[-2:] == ["JPY/kWh", "p2p"]
    assert [line.split() for line in lines[header + 1 :]] == [
        ["09", "1.0", "at", "20.0"],
        ["10", "1.0", "at", "10.0"],
    ]


def test_carbon_of_driving_is_compared_where_petrol_is_an_alternative(runs):
    run = runs[0].copy()
    settlement = run["settlement"].to_dataset().copy(deep=True)
    settlement["driving_co2"][:], settlement["driving_co2_petrol"][:] = [3, 2], [4, np.nan]
    run["settlement"] = settlement
    found = compare.summary(run)
    assert [float(found[f"driving_co2{n}"]) for n in ("", "_petrol", "_reduction")] == [5, 4, 0.25]
    run["settlement"] = settlement.drop_vars(
        ["driving_co2", "driving_co2_petrol"]
    )  # stored by an earlier version
    assert np.isnan(compare.summary(run)["driving_co2"])


def test_four_runs_fit_into_a_hundred_columns(runs):
    many = compare.compare(
        [*runs[:2], *runs[:2]], [f"my street {n}" for n in ("unmanaged", "grid-only", "exchange", "p2p")]
    )
    many["bill"][:] = -1234567.8
    lines = tables.compared(many).splitlines()
    assert max(map(len, lines)) <= tables.WIDTH
    assert lines[0].split() == ["my", "street", "unmanaged", "grid-only", "exchange", "p2p"]
    assert "(" not in tables.compared(many)


def test_a_table_of_a_clearing(runs):
    text = tables.cleared(compare.summary(runs[1]), "JPY")
    everybody = next(line for line in text.splitlines() if line.startswith("all "))
    assert everybody.split() == ["all", "2", "-32.0", "12.0", "44.0", "366.7"]
    assert "peer volume" in text


@pytest.mark.parametrize(
    ("value", "unit", "want"),
    [
        (-0.04, "JPY", "0.0 JPY"),
        (-0.0, "", "0.0"),
        (1e6, "", "1,000,000.0"),
        (-0.06, "", "-0.1"),
        (-1e-9, "1", "0.0 %"),
    ],
)
def test_numbers(value, unit, want):
    assert tables.number(value, unit) == want
