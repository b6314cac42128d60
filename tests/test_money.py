"""Money in every currency from end to end: clear, ledger, bills and exchange count fees that are small."""

import csv
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from otonari.cli import main
from otonari.runs.ledger.format import block_schema
from otonari.runs.store.run_file import open_run

EURO = """
schema_version: 1
name: lines
market_id: lines
currency: CUR
time: {start: '2026-06-01', days: 1, slot_minutes: 240, time_zone: Europe/Berlin}
weather: {source: clear-sky}
site: {latitude_deg: 52.5, longitude_deg: 13.4, altitude_m: 40}
tables:
  participants:
  - {participant: sun, node: n10, persons: 2, pv_kw: 5}
  - {participant: shade, node: n0, persons: 2}
  nodes:
  - {node: n0}
NODES
tariffs:
  std:
    energy: {type: flat, price_per_kwh: RETAIL}
    feed_in: {type: flat, price_per_kwh: FEED_IN}
fees: {method: by-length, fee_per_kwh_m: FEE, access_fee_per_kwh: ACCESS}
fuel: {price_per_litre: 1.8}
"""
NODES = "\n".join(f"  - {{node: n{k}, parent: n{k - 1}, length_m: 40}}" for k in range(1, 11))
# currency: retail, feed-in, fee per metre, access; fee of a trade over ten lines of 40 m and two accesses; its digits
CASES = {
    "EUR": ("0.3", "0.08", "1.0e-5", "0.0004", 0.0048, 2),
    "KWD": ("0.03", "0.008", "2.5e-6", "0.000125", 0.00125, 3),
    "JPY": ("31.27", "8.5", "0.01", "0.123", 4.246, 0),
}


def scenario(currency):
    """Return the scenario of two homes ten lines apart."""
    retail, feed_in, fee, access, *_ = CASES[currency]
    text = EURO.replace("CUR", currency).replace("NODES", NODES).replace("RETAIL", retail)
    return text.replace("FEED_IN", feed_in).replace("FEE", fee).replace("ACCESS", access)


@pytest.fixture(params=CASES)
def place(request, tmp_path, monkeypatch):
    """Return currency, fee per kWh and digits, in a folder with the scenario."""
    (tmp_path / "lines.yaml").write_text(scenario(request.param))
    monkeypatch.chdir(tmp_path)
    return request.param, *CASES[request.param][-2:]


@pytest.fixture(scope="module", params=CASES)
def run(request, tmp_path_factory):
    """Return currency, a folder with its cleared scenario and a bill, and what the command has printed."""
    folder = tmp_path_factory.mktemp(request.param)
    (folder / "lines.yaml").write_text(scenario(request.param))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        printed = otonari("clear", "lines.yaml", "-o", "run.nc")
        otonari("report", "run.nc", "shade", "-o", "shade.md")
    return request.param, folder, printed


@pytest.fixture
def cleared(run, monkeypatch):
    """Return currency, fee per kWh and digits, in the folder of the cleared scenario."""
    monkeypatch.chdir(run[1])
    return run[0], *CASES[run[0]][-2:]


def otonari(*arguments, code=0):
    result = CliRunner().invoke(main, list(map(str, arguments)))
    assert result.exit_code == code, result.output
    return result.output


def test_what_bills_prove_is_what_the_fees_are(cleared):
    currency, fee, digits = cleared
    assert "good: market lines" in otonari("ledger", "verify", "ledger", "--private")
    blocks = [json.loads(line) for line in otonari("ledger", "show", "ledger", "--json").splitlines()]
    money = block_schema.unit_of_money(currency, digits)
    assert blocks[0]["version"] == 5
    assert blocks[0]["units"]["money"] == money
    assert {b["money"] for b in blocks[1:]} == {money}
    energy = sum(b["totals"]["energy"] for b in blocks[1:])
    assert energy > 1000
    exact = energy * round(fee * 10 ** (3 + digits))
    assert sum(b["totals"]["fees"] for b in blocks[1:]) == exact  # Wh times the exact fee, in units of money
    answer = json.loads(otonari("ledger", "check", "shade.md", "--checkpoint", "ledger/checkpoint", "--json"))
    assert (answer["fees"], answer["money"]) == (exact, money)
    [fees] = [
        n for n in Path("shade.md").read_text(encoding="utf-8").splitlines() if "network fees on it" in n
    ]
    assert fees.split()[-3:] == [
        f"{fee:.{digits + 2}f}",
        f"{exact / 10 ** (6 + digits):.{digits}f}",
        "proved",
    ]
    settled = open_run("run.nc")["settlement"].to_dataset().sel(participant="shade")
    assert exact / 10 ** (6 + digits) == pytest.approx(float(settled["network_fee"]), abs=fee * 1e-3)


def test_a_bill_of_another_currency_is_found(cleared):
    currency, *_ = cleared
    with open("shade.md") as file:
        forged = file.read().replace(currency, "USD")
    with open("forged.bill", "w") as file:
        file.write(forged)
    told = otonari("ledger", "check", "forged.bill", "--checkpoint", "ledger/checkpoint", code=4)
    assert "got - to pay: **" in told
    assert " USD**, want - to pay: **" in told
    assert f" {currency}**" in told


def test_orders_match_only_where_the_bid_pays_the_fee(place):
    """One unit of price less than the fee between ask and bid, and there is no trade."""
    currency, fee, digits = place
    ask = float(CASES[currency][1]) * 1.25
    unit = 10.0 ** -(3 + digits)
    header = "order_id,placed,slot,participant,side,price,energy_kwh,node\n"
    for more, traded in ((0, 1), (-1, 0)):
        bid = f"{ask + fee + more * unit:.{3 + digits}f}"
        with open("orders.csv", "w") as file:
            file.write(f"{header}s,2026-06-01T08:00,2026-06-01T12:00,sun,sell,{ask:.{3 + digits}f},0.5,n10\n")
            file.write(f"b,2026-06-01T08:01,2026-06-01T12:00,shade,buy,{bid},0.5,n0\n")
        for mechanism in ("continuous", "uniform", "pay-as-bid"):
            options = ("--scenario", "lines.yaml", "--mechanism", mechanism, "-o", "trades.csv")
            otonari("exchange", "match", "orders.csv", *options)
            with open("trades.csv") as file:
                rows = list(csv.DictReader(file))
            assert len(rows) == traded, (mechanism, bid)
            assert all(row["fee"] == f"{fee:.{3 + digits}f}" for row in rows)


def test_tables_have_the_decimals_of_the_currency(run):
    currency, _, printed = run
    digits = CASES[currency][-1]
    line = next(line for line in printed.splitlines() if line.startswith("all"))
    assert len(line.split()[2].partition(".")[2]) == max(digits, 1)


def test_a_simulation_on_the_exchange_pays_the_fee(place):
    _, fee, _ = place
    otonari("simulate", "lines.yaml", "--days", 1, "--warm-up-days", 5, "-o", "run.nc")
    trades = open_run("run.nc")["trades"].to_dataset()
    assert trades.sizes["trade"] > 0
    assert trades["trade_fee"].values.tolist() == pytest.approx([fee] * trades.sizes["trade"], abs=1e-12)
    assert "good" in otonari("ledger", "verify", "ledger", "--private")
