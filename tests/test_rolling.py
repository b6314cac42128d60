"""Days that roll on: physics, money, resuming, and the co-optimum as the yardstick."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
import yaml
from click.testing import CliRunner

from otonari.cli import main
from otonari.data.assembly.inputs import build_inputs
from otonari.data.loading.scenario import load_scenario
from otonari.data.problems import InputError
from otonari.model import clearing
from otonari.model.agents import order_management
from otonari.model.solver import solve
from otonari.model.topology.stores import without_final_limits
from otonari.runs.clear import single
from otonari.runs.ledger import ledger
from otonari.runs.report.pages.run_page import run_page
from otonari.runs.simulate import run, timeline
from otonari.runs.simulate.loop import Options
from otonari.runs.store import run_file, run_format

from . import counts, pages
from .communities import community, metered_net, random_community

DAYS, HOURS = 2, 2
LONG, LONGER = (f"time.slot_minutes={60 * hours}" for hours in (HOURS, 2 * HOURS))
SLOTS = DAYS * 24 // HOURS
GROUPS = ("inputs", "results", "trades", "settlement")


@pytest.fixture(scope="module")
def exchanged(tmp_path_factory):
    """Return six homes simulated for two days of slots of two hours, from the file."""
    path = tmp_path_factory.mktemp("runs") / "exchange.nc"
    seen = []
    options = {"warm_up": 4, "output": path, "progress": lambda done, of: seen.append((done, of))}
    run.run("six-kinds", DAYS, overrides=[LONG], **options)
    assert seen == [(k + 1, SLOTS) for k in range(SLOTS)]
    tree = run_file.open_run(path)
    tree.attrs["path"] = path
    return tree


def test_the_ledger_has_every_slot(exchanged):
    (directory,) = exchanged.attrs["path"].parent.glob("ledger-*")
    blocks = [block for block in ledger.show(directory) if block.get("kind") == "clearing"]
    assert len(blocks) == SLOTS
    traded = sum(block["totals"]["energy"] for block in blocks)
    assert traded / 1000 == pytest.approx(float(exchanged["settlement"]["peer_energy"]), abs=SLOTS / 1000)


def test_its_file_says_what_its_times_are(exchanged):
    """As that of a clearing does: see tests/test_single.py."""
    for group in GROUPS[:2]:
        assert exchanged[group]["time"].attrs.items() >= run_format.TIME_ATTRIBUTES.items()
    assert run_format.TIME_ATTRIBUTES["axis"] == "T"


def test_forecasts_are_stored_as_they_were_made_and_can_be_made_again(exchanged):
    """A simulation that goes on after an interruption makes those before it again: they are the same."""
    line = timeline.timeline("six-kinds", DAYS, 4, [LONG])[1]
    stored = exchanged["forecast"].to_dataset()
    xr.testing.assert_identical(line.forecast(24 // HOURS).drop_attrs(), stored.drop_attrs())
    assert stored["lead"].values.tolist() == [
        0,
        4,
        6,
        12,
        22,
    ]  # of 0, 1, 3, 6 and 12 h, and the last slot of a day
    demand, pv = (line.expected(3, 24 // HOURS)[name] for name in ("demand", "pv"))
    for lead, hours in enumerate(stored["lead"].values):
        at = 3 + round(hours / HOURS)
        for name, expected in (("demand", demand), ("pv", pv)):
            mean = expected[:, at - 3].sum()
            assert float(stored[f"forecast_{name}"][lead, at]) == pytest.approx(mean, abs=6e-4)
    assert stored["lead"].attrs["standard_name"] == "forecast_period"
    assert (
        stored["forecast_pv"].isel(lead=-1).isnull().values.sum() == 11
    )  # nothing was made before the first slot
    quantiles = stored["forecast_demand_quantile"].transpose("level", ...).values
    assert (np.diff(quantiles, axis=0)[~np.isnan(quantiles[1:])] >= 0).all()


def test_books_hold_what_was_traded(exchanged):
    book, trades = exchanged["order_book"].to_dataset(), exchanged["trades"].to_dataset()
    assert (book["level_traded"] <= book["level_energy"]).all()
    assert book["level_side"].attrs["flag_meanings"] == "ask bid"
    for time in exchanged["inputs"]["time"].values:
        here = book.isel(price_level=book["level_time"].values == time)
        contracted = trades["trade_contracted"].values[trades["trade_time"].values == time].sum()
        for side in (0, 1):
            own = here.isel(price_level=here["level_side"].values == side)
            assert float(own["level_traded"].sum()) == pytest.approx(contracted, abs=1e-9)
            step = np.diff(own["level_price"].values)
            assert ((step < 0) if side else (step > 0)).all()


def test_its_page_shows_forecasts_and_orders(exchanged):
    tree = exchanged.copy(deep=False)
    found = pages.read(run_page(tree))
    assert found.faults == []
    came = tree["inputs"]["demand"].sum("participant").values
    made = tree["forecast"]["forecast_demand"].values
    header, rows = found.table("Demand: what was forecast, and what came")
    assert header[1:4] == ["came, kW", "one slot ahead, kW", "22 h ahead, kW"]
    table = np.array(list(rows.values()))
    for column, want in enumerate((came, made[0], made[-1])):
        np.testing.assert_allclose(table[:, column], want, atol=6e-4)
    _, rows = found.table("Errors of forecasts by lead")
    assert [row[0] for row in rows.values()] == pytest.approx(np.nanmean(abs(came - made), axis=1), abs=6e-4)
    assert set(found.table("Order book of one slot")[1]) == {"asks", "bids", "sellers got", "buyers paid"}
    at = pages.read(run_page(tree, "08:00"))
    rows = at.tables[at.titles["Order book of one slot"]][1:]
    book = tree["order_book"].to_dataset()
    slot = tree["inputs"]["time"].values[8 // HOURS]
    want = book["level_energy"].values[(book["level_time"].values == slot) & (book["level_side"].values == 1)]
    assert [float(row[1]) for row in rows if row[0] == "bids"] == pytest.approx(want, abs=6e-5)
    with pytest.raises(InputError, match="time: got '2021-01-01 00:00', want a time of the run"):
        run_page(tree, "2021-01-01 00:00")


def test_a_simulated_run_is_cleared_again_as_one(exchanged, tmp_path):
    """The co-optimum with foresight over the same days, from the same effective scenario."""
    outcome = single.run(exchanged.attrs["path"], record=False, output=tmp_path / "p2p.nc")
    assert outcome.tree.attrs["market"] == "p2p"
    assert outcome.tree.attrs["scenario_hash"] == exchanged.attrs["scenario_hash"]
    xr.testing.assert_equal(
        outcome.tree["inputs"].to_dataset()["demand"], exchanged["inputs"].to_dataset()["demand"]
    )
    assert outcome.tree.attrs["objective"] <= exchanged.attrs["objective"]
    alone = single.run(exchanged.attrs["path"], "grid-only", record=False, output=tmp_path / "alone.nc")
    assert alone.tree.attrs["market"] == "grid-only"


def test_the_command_prints_a_table_and_facts(tmp_path):
    path = tmp_path / "run.nc"
    arguments = [
        "simulate",
        "six-kinds",
        "--days",
        "1",
        "--warm-up-days",
        "1",
        "--mode",
        "co-optimized",
        "--set",
        LONG,
    ]
    result = CliRunner().invoke(main, [*arguments, "-o", str(path), "--no-ledger", "--json"])
    assert result.exit_code == 0, result.output
    facts = json.loads(result.stdout)
    assert facts["market"] == "co-optimized"
    assert facts["ledger"] is None
    assert facts["totals"]["peer_energy"] > 0
    stored = run_file.open_run(path)
    assert stored.attrs["market"] == "co-optimized"
    assert ("forecast" in stored.children, "order_book" in stored.children) == (True, False)
    refused = CliRunner().invoke(main, ["simulate", "six-kinds", "-o", "run.csv"])
    assert refused.exit_code == 2


@pytest.mark.parametrize("mode", ["exchange", "co-optimized"])
def test_pv_that_is_metered_gross_is_refused_by_name(tmp_path, mode):
    """The agents plan for one meter per participant."""
    call = ["simulate", "six-kinds", "--mode", mode, "-o", str(tmp_path / "run.nc")]
    changes = [f"tables.participants.{name}.metering=gross" for name in ("home-03", "home-05")]
    found = CliRunner().invoke(main, [*call, *(part for text in changes for part in ("--set", text))])
    assert found.exit_code == 2
    for name in ("home-03", "home-05"):
        assert (
            f"participants:{name}: metering: got 'gross', want net, in a simulation: orders do not say which of two"
            in found.output
        )
    assert list(tmp_path.iterdir()) == []


def same(one, other):
    for group in GROUPS:
        xr.testing.assert_identical(one[group].to_dataset(), other[group].to_dataset())


def total(tree, name):
    return float(tree["settlement"][name].sum())


def test_peers_trade_and_money_goes_round(exchanged):
    paid, got = total(exchanged, "peer_cost"), total(exchanged, "peer_revenue")
    assert paid > 100
    assert paid == pytest.approx(got + total(exchanged, "network_fee") + total(exchanged, "congestion_rent"))
    # all that leaves the community: to the retailer, the network, petrol stations
    r, i = exchanged["results"], exchanged["inputs"]
    grid = (r["grid_import"].sum("participant") + r["vehicle_import"].sum("vehicle")) * 29.46
    earned = (r["grid_export"].sum("participant") + r["vehicle_export"].sum("vehicle")) * 8.5
    outside = (
        HOURS * float((grid - earned).sum())
        + total(exchanged, "network_fee")
        + float(r["trip_fuel"].sum()) * 135.5
    )
    wear = total(exchanged, "wear_cost")
    assert (i["slot_hours"] == HOURS).all()
    assert total(exchanged, "bill") == pytest.approx(outside + wear)


def test_energy_is_conserved_and_nobody_sells_what_it_does_not_have(exchanged):
    r, i = exchanged["results"], exchanged["inputs"]
    at_home = i["vehicle_host"] == i["vehicle_owner"]
    drawn = float(
        (r["draw"] - r["supply"]).sum() + (r["vehicle_charge"] - r["vehicle_discharge"]).where(~at_home).sum()
    )
    stores = float((r["battery_charge"] - r["battery_discharge"]).sum())
    stores += float((r["vehicle_charge"] - r["vehicle_discharge"]).sum())
    assert drawn == pytest.approx(
        float((i["demand"] - i["pv_available"] + r["pv_curtailment"]).sum()) + stores
    )
    own = (i["pv_available"] - r["pv_curtailment"]).values.copy()
    for device in ("battery", "vehicle"):
        power = r[f"{device}_discharge"].values * (at_home.values if device == "vehicle" else 1)
        np.add.at(own, i.indexes["participant"].get_indexer(i[f"{device}_owner"].to_index()), power)
    assert (r["supply"].values <= own + 1e-9).all()
    assert exchanged.attrs["final_energy_missing"] == pytest.approx(0, abs=1e-6)


def test_the_exchange_never_costs_less_than_the_co_optimum(exchanged):
    best = single.clear(build_inputs(load_scenario("six-kinds", [f"time.days={DAYS}", LONG])))
    assert total(best, "bill") <= exchanged.attrs["objective"] < total(best, "bill_grid_only")


@pytest.mark.parametrize(
    ("case", "mode", "trade"),
    [
        ("guest_charges", "exchange", ("office", "", "home", "car")),
        ("guest_charges", "co-optimized", ("office", "", "home", "car")),
        ("guest_gives", "co-optimized", ("home", "car", "office", "")),
    ],
)
def test_trades_name_the_vehicle_that_trades_as_a_guest(case, mode, trade):
    definition = (Path(__file__).parent / "cases" / f"{case}.yaml").read_text(encoding="utf-8")
    inputs = community(yaml.safe_load(definition))
    traded = run.simulate(timeline.of_inputs(inputs, inputs, foresight=True), Options(mode))["trades"]
    names = ("seller", "seller_vehicle", "buyer", "buyer_vehicle")
    assert [
        tuple(str(traded[f"trade_{n}"].values[k]) for n in names) for k in range(traded.sizes["trade"])
    ] == [trade]


def test_the_seed_decides_and_nothing_else():
    line = timeline.timeline("six-kinds", 1, 2, [LONG])[1]
    runs = [run.simulate(line, Options(window=6, seed=seed)) for seed in (3, 3)]
    same(*runs)


def test_who_gains_most_by_trading_trades_first_whoever_comes_first():
    """One kWh of sun between deficits worth 30 and 20 JPY, within the band from 8 to 30, for fees of 2 x 1 JPY.

    After the share x of the session bids stand at 8 + 22 x and 8 + 12 x, the ask at 30 - 22 x: the first bid covers ask
    and fees from x = 24/44 on, in round 9 of 16, at 20.375 against 17.625; the second one only from x = 24/34 on.
    """
    tariffs = {
        name: {"retail_price": price, "feed_in_price": 8} for name, price in (("dear", 30), ("cheap", 20))
    }
    people = {name: {"node": "bank", "tariff": name, "demand": [1], "pv_available": [0]} for name in tariffs}
    people["sun"] = {"node": "bank", "tariff": "dear", "demand": [0], "pv_available": [1]}
    nodes = {"bank": {"parent": "", "access_fee": 1}}
    inputs = community({"slots": [1], "nodes": nodes, "tariffs": tariffs, "participants": people})
    line = timeline.of_inputs(inputs, inputs, foresight=True)
    prices = set()
    for seed in range(6):
        trades = run.simulate(line, Options(seed=seed))["trades"].to_dataset()
        assert trades["trade_buyer"].values.tolist() == ["dear"]
        prices.add(round(float(trades["trade_price"].values[0]), 3))
    assert prices == {17.625, 18.375}  # of the ask, or of the bid less fees: of whoever came first


def test_rounds_that_leave_nothing_behind_need_no_orders(monkeypatch):
    """Whether they are placed or not: the same trades, and the same ladders of what stood at the end."""
    line, placed = timeline.timeline("six-kinds", 1, 2, [LONG])[1], []
    submit = order_management.ProductBook.submit
    monkeypatch.setattr(
        order_management.ProductBook,
        "submit",
        lambda self, rows: placed.append(len(rows)) or submit(self, rows),
    )
    left_out = run.simulate(line, Options(window=6))
    fewer = sum(placed)
    monkeypatch.setattr(order_management.ProductBook, "can_meet", lambda self, intents, limits, node: True)
    every = run.simulate(line, Options(window=6))
    same(left_out, every)
    assert 0 < fewer < 0.7 * (sum(placed) - fewer)
    assert left_out["order_book"].to_dataset().identical(every["order_book"].to_dataset())


def test_perfect_forecasts_to_the_end_give_the_single_clearing():
    inputs = build_inputs(load_scenario("six-kinds", [LONG]))
    rolled = run.simulate(timeline.of_inputs(inputs, inputs, foresight=True), Options("co-optimized"))
    block = clearing.community_block(inputs, "p2p")
    assert rolled.attrs["objective"] == pytest.approx(solve.solve(block).objective, abs=1e-4)


def test_alone_with_perfect_forecasts_to_the_end_is_grid_only(tmp_path):
    inputs = build_inputs(load_scenario("six-kinds", [LONG]))
    rolled = run.simulate(timeline.of_inputs(inputs, inputs, foresight=True), Options("alone"))
    block = clearing.community_block(inputs, "grid-only")
    assert rolled.attrs["objective"] == pytest.approx(solve.solve(block).objective, abs=1e-4)
    assert rolled["trades"].sizes["trade"] == 0
    assert float(abs(rolled["settlement"]["saving"]).max()) < 1e-4
    kept = run.run("six-kinds", 1, "alone", overrides=[LONG], warm_up=0, output=tmp_path / "alone.nc")
    assert kept.tree.attrs["market"] == "alone"
    assert [path.name for path in tmp_path.iterdir()] == ["alone.nc"]  # no ledger: nobody traded


@pytest.mark.parametrize(
    "exchange",
    [
        "{mechanism: uniform}",
        "{mechanism: pay-as-bid}",
        "{gate_minutes: 270}",  # before the slot begins: what is contracted then is all there is
        "{opening_hours: 0}",  # nothing is traded a day ahead
        "{floor_per_kwh: 15, cap_per_kwh: 20}",
    ],
)
def test_the_scenario_states_how_the_exchange_works(tmp_path, exchange):
    changes = [LONGER, f"exchange={exchange}"]
    tree = run.run("six-kinds", 1, overrides=changes, warm_up=2, record=False, output=tmp_path / "x.nc").tree
    trades, rules = tree["trades"], json.loads(tree.attrs["options"])["rules"]
    assert all(rules[name] == value for name, value in yaml.safe_load(exchange).items() if name in rules)
    assert float(tree["settlement"]["peer_energy"]) > 0
    if "floor" in exchange:
        paid = trades["trade_price"].values + trades["trade_fee"].values
        assert trades["trade_price"].values.min() >= 15
        assert paid.max() <= 20


def test_the_imbalance_fee_reaches_the_bills_and_nothing_else(tmp_path):
    trees = [
        run.run(
            "six-kinds",
            1,
            overrides=[LONGER, f"exchange.imbalance_fee_per_kwh={fee}"],
            warm_up=2,
            record=False,
            output=tmp_path / "x.nc",
        ).tree
        for fee in (0, 5)
    ]
    free, charged = (tree["settlement"].to_dataset() for tree in trees)
    short = charged["imbalance_energy"]
    assert float(short.sum()) > 0
    xr.testing.assert_equal(short, free["imbalance_energy"])
    xr.testing.assert_allclose(charged["imbalance_cost"], 5 * short)
    assert float(free["imbalance_cost"].sum()) == 0
    xr.testing.assert_allclose(charged["bill"] - free["bill"], 5 * short)
    xr.testing.assert_identical(trees[0]["trades"].to_dataset(), trees[1]["trades"].to_dataset())
    traded = trees[0]["trades"]
    left = traded["trade_contracted"].values - traded["trade_energy"].values
    assert left.min() >= -1e-9
    # whoever is short has left trades undelivered, and both of its sides count
    assert float(short.sum()) <= 2 * left.sum() + 1e-6


@pytest.mark.parametrize("mode", ["exchange", "co-optimized"])
@pytest.mark.parametrize("min_charge", [False, True])
@pytest.mark.parametrize("seed", counts.all_or((11, 12, 15, 20), (11, 20)))
def test_any_community_obeys_the_checks(seed, mode, min_charge):
    # `results.account` checks physics and money; here all slots are unknown until they come, without any history
    inputs = metered_net(random_community(seed, min_charge))
    if len(set(inputs["slot_hours"].values)) > 1:
        pytest.skip("slots of one length only")
    inputs.attrs["time_zone"] = "UTC"
    tree = run.simulate(timeline.of_inputs(inputs, inputs), Options(mode))
    best = solve.solve(clearing.community_block(without_final_limits(inputs), "p2p")).objective
    rent = float(tree["settlement"]["congestion_rent"].sum())
    if tree.attrs["final_energy_missing"] < 1e-6:
        assert tree.attrs["objective"] - rent >= best - 1e-5 * max(1, abs(best))


def test_the_future_is_not_read():
    scenario, line = timeline.timeline("six-kinds", 1, 3)
    now = line.known + 10
    before = line.expected(10, 6)
    line.demand[:, now:] += 5
    line.pv[:, now:] *= 3
    for one, other in zip(before.values(), replace(line).expected(10, 6).values(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert pd.Timestamp(line.inputs["time"].values[0]) == pd.Timestamp(scenario.time.start) - pd.Timedelta(
        hours=9
    )
