"""What commands do and say, without the command line: `runs/commands`."""

from pathlib import Path

import numpy as np
import pytest

from otonari.runs.commands import clear, exchange, forecast, init, report
from otonari.runs.store.atomic_file import RunFileError


def silent(*arguments):
    """Take what a command says of its stages and its progress."""


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Return the answers and files of two markets of six-kinds."""
    folder = tmp_path_factory.mktemp("runs")
    options = {"workers": None, "scheduler": None, "stage": silent, "progress": silent, "record": False}
    files = {market: folder / f"{market}.nc" for market in ("unmanaged", "grid-only")}
    answers = {m: clear.clear("six-kinds", m, output=file, **options) for m, file in files.items()}
    return answers, files


def test_a_clearing_answers_with_figures_and_files(runs):
    answers, files = runs
    for market, answer in answers.items():
        assert (answer.facts["market"], answer.facts["path"]) == (market, str(files[market]))
        assert answer.facts["ledger"] is None
        assert sum(kind["bill"] for kind in answer.facts["kinds"].values()) == pytest.approx(
            answer.facts["totals"]["bill"]
        )
        assert str(files[market]) in answer.text


def test_a_comparison_says_beside_its_facts_where_an_earlier_file_went(runs, tmp_path):
    _, files = runs
    output = tmp_path / "both.csv"
    output.write_text("mine")
    answer = report.compare(list(files.values()), output)
    (beside,) = answer.beside
    assert beside in answer.text
    assert "the earlier, different file is now" in beside
    assert answer.facts["dims"]["scenario"] == 2
    assert report.compare(list(files.values()), None).beside == ()


def test_a_scenario_is_begun_once(tmp_path):
    answer = init.init(tmp_path / "town", "town", homes=10)
    assert answer.facts
    assert all(Path(path).is_file() for path in answer.facts)
    assert answer.text.endswith(f"next: otonari clear {tmp_path / 'town'}")
    with pytest.raises(RunFileError):
        init.init(tmp_path / "town", "town", homes=10)


def test_orders_are_matched(tmp_path):
    orders = tmp_path / "orders.csv"
    orders.write_text(
        "order_id,placed,slot,participant,side,price,energy_kwh\n"
        "a,2020-08-19T02:00,2020-08-19T03:00,anna,sell,10,0.5\n"
        "b,2020-08-19T02:01,2020-08-19T03:00,bert,buy,12,0.8\n"
        "c,2020-08-19T03:20,2020-08-19T03:00,carl,buy,12,0.1\n"
    )
    answer = exchange.answer(exchange.match(orders, currency="JPY"))
    # the resting ask of 10 sets the price: 0.5 kWh for 5.00; c comes as the gate closes
    assert answer.facts["totals"] == {
        "orders": 3,
        "refused": 1,
        "trades": 1,
        "energy_kwh": 0.5,
        "to_sellers": 5.0,
        "fees": 0.0,
        "from_buyers": 5.0,
    }
    assert answer.text.startswith("3 orders, 1 trades, 0.500 kWh, 1 refused\n")
    assert [row["code"] for row in answer.facts["refused"]] == ["late"]


def test_a_back_test_answers_with_its_report(tmp_path):
    hours = np.arange("2021-06-01", "2021-07-15", dtype="datetime64[h]")
    file = tmp_path / "home.csv"
    rows = "".join(f"{t}:00,{1 + int(str(t)[-2:]) % 3}\n" for t in hours)
    file.write_text("time,home\n" + rows)
    answer = forecast.demand(file, time_zone="Asia/Tokyo", holidays=None, dates=(), warm_up=28)
    assert answer.facts["missing"] == {"home": 0.0}
    assert {row["entities"] for row in answer.facts["scores"]} == {1}
    assert "pinball / mean" in answer.text
