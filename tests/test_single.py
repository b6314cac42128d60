"""One clearing from end to end: what is stored and committed, and that it is both or neither."""

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import netCDF4
import numpy as np
import pytest
import xarray as xr

from otonari.data.loading.scenario import effective, load_scenario
from otonari.data.problems import InputError
from otonari.model.errors import Infeasible
from otonari.runs import archive
from otonari.runs.clear import single
from otonari.runs.clear.single import clear, run
from otonari.runs.ledger import administration, checkpoints, ledger, private_leaves, receipts, records
from otonari.runs.ledger.format import signed_note
from otonari.runs.store import atomic_file, netcdf, run_file, run_format

from .communities import community

CASE = {
    "slots": [1, 0.5],
    "tariffs": {"t": {"retail_price": 30, "feed_in_price": 8}},
    "nodes": {"n": {"parent": "", "access_fee": 1}},
    "participants": {
        "sun": {"node": "n", "tariff": "t", "demand": [0, 0], "pv_available": [3, 3]},
        "shade": {"node": "n", "tariff": "t", "demand": [2, 5]},
    },
}
LESS = "tables.participants.home-01.persons=1"
"""An override of six-kinds that changes its results."""


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def outcome(tmp_path_factory):
    """Return six-kinds, cleared once with all defaults in a directory of its own."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("outcome")
        patch.chdir(folder)
        done = run("six-kinds")
        return replace(done, path=folder / done.path, directory=folder / done.directory)


@pytest.fixture
def copy(outcome, place):
    """Return that run and its ledger, in a directory of the test's own."""
    shutil.copytree(outcome.path.parents[2], place, dirs_exist_ok=True)
    return replace(
        outcome,
        path=place / "runs-out/six-kinds/p2p.nc",
        directory=place / "runs-out/six-kinds" / outcome.directory.name,
    )


def files(folder):
    """Return every file below a folder with its content, but for the empty locks."""
    found = sorted(p for p in Path(folder).rglob("*") if p.is_file() and p.name != ".lock")
    return {str(p.relative_to(folder)): p.read_bytes() for p in found}


def public(folder):
    """Return the names of all files but locks and private leaves."""
    return [name for name in files(folder) if "/leaves/" not in name]


def test_clear_by_hand():
    """Sun sells 2 kW to shade in the first hour and 3 kW in the next half; the retailer takes and gives the rest.

    Shade's retail 30 less 2 x 1 for access is what a sale is worth while shade lacks power (second slot). In the
    first sun has too much, and is paid what the retailer would give it, 8, and not more.
    """
    tree = clear(community(CASE))
    assert list(tree.children) == ["inputs", "results", "trades", "settlement", "marginal"]
    assert tree["trades"]["trade_energy"].values == pytest.approx([2.0, 1.5])
    assert tree["trades"]["trade_price"].values == pytest.approx([8.0, 28.0])
    bill = dict(zip(tree["settlement"]["participant"].values, tree["settlement"]["bill"].values, strict=True))
    assert bill["sun"] == pytest.approx(-(1 * 8 + 2 * 8 + 1.5 * 28))
    assert bill["shade"] == pytest.approx(2 * (8 + 2) + 1.5 * 30 + 1 * 30)


def test_what_a_run_says_of_itself():
    attributes = clear(community(CASE), time_limit=60).attrs
    assert attributes["market"] == "p2p"
    assert attributes["status"] == "optimal"
    assert attributes["solver"].startswith("HiGHS ")
    assert attributes["objective"] == pytest.approx(-(1 * 8) + 2 * 2 + 1.5 * 2 + 1 * 30)
    assert attributes["proof_duality_gap"] < 1e-6
    assert json.loads(attributes["options"]) == {"minimum_charge": True, "mip_gap": 1e-4, "time_limit": 60}
    assert 0 < attributes["solve_seconds"] < attributes["clear_seconds"]


def test_grid_only_trades_nothing():
    tree = clear(community(CASE), "grid-only")
    assert tree["trades"].sizes["trade"] == 0
    assert tree["settlement"]["saving"].values == pytest.approx([0, 0])


def test_what_cannot_be_cleared():
    with pytest.raises(ValueError, match="'auction'"):
        clear(community(CASE), "auction")
    with pytest.raises(InputError) as caught:
        clear(community(CASE).drop_vars(["demand", "node_parent"]))
    assert {p.field for p in caught.value.problems} >= {"demand", "node_parent"}
    with pytest.raises(Infeasible) as failure:
        clear(community(CASE).assign(import_limit=("participant", [9.0, 1.0])))
    assert "shade" in str(failure.value)


def test_minimum_charge_can_be_ignored():
    """A car that must gain 1 kWh within two hours of 1 kW charges 2 kW at least in one of them, or 1 kW."""
    case = {
        "slots": [1, 1],
        "tariffs": {"t": {"retail_price": [10, 20], "feed_in_price": 0}},
        "nodes": {"n": {"parent": ""}},
        "participants": {"home": {"node": "n", "tariff": "t", "demand": [0, 0]}},
        "vehicles": {
            "car": {
                "owner": "home",
                "host": ["home", "home"],
                "capacity": 9,
                "initial_energy": 0,
                "final_energy": 1,
            }
            | {"charge_limit": 3, "discharge_limit": 0, "charge_efficiency": 1, "discharge_efficiency": 1}
            | {"min_charge": 2, "electric_economy": 5, "fuel_price": 0}
        },
    }
    assert clear(community(case)).attrs["objective"] == pytest.approx(20)
    assert clear(community(case), minimum_charge=False).attrs["objective"] == pytest.approx(10)


# kept


def test_defaults(outcome):
    folder = outcome.path.parents[2]
    hash_ = outcome.tree.attrs["scenario_hash"]
    book = f"runs-out/six-kinds/ledger-{hash_[:8]}"
    assert public(folder) == [
        f"{book}/checkpoint",
        f"{book}/checkpoints.log",
        f"{book}/ledger.jsonl",
        "runs-out/six-kinds/p2p.nc",
    ]
    assert (outcome.commit.added, outcome.commit.already) == (24, 0)
    summary = ledger.verify(folder / book)
    assert (summary.count, summary.slots) == (25, 24)
    assert summary.market == f"six-kinds@{hash_}"
    attributes = run_file.open_run(outcome.path).attrs
    assert summary.head == outcome.commit.head == attributes["ledger_head"]
    assert attributes["ledger_checkpoint"] == (folder / book / "checkpoint").read_text()


def test_the_file_holds_the_run(outcome):
    again = run_file.open_run(outcome.path)
    for group in run_format.GROUPS:
        xr.testing.assert_identical(again[group].to_dataset(), outcome.tree[group].to_dataset())
    assert {k: again.attrs[k] for k in outcome.tree.attrs} == outcome.tree.attrs
    assert json.loads(again.attrs["scenario_definition"]) == json.loads(
        json.dumps(effective(load_scenario("six-kinds")))
    )


def test_the_blocks_add_up_to_the_settlement(outcome):
    """Each trade is rounded by less than 1 Wh and 0.0005 JPY/kWh, so that a slot's money is right to a few sen."""
    settlement, trades = outcome.tree["settlement"], outcome.tree["trades"]
    totals = ledger.verify(outcome.directory).totals
    count = trades.sizes["trade"]
    near = count * 1e-3 * 40 + float(trades["trade_energy"].sum()) * 5e-4
    assert count > 20
    assert totals["energy"] / 1e3 == pytest.approx(float(trades["trade_energy"].sum()), abs=24 * 1e-3)
    assert totals["money"] / 1e6 == pytest.approx(float(settlement["peer_revenue"].sum()), abs=near)
    assert totals["fees"] / 1e6 == pytest.approx(float(settlement["network_fee"].sum()), abs=near)
    hours, results = outcome.tree["inputs"]["slot_hours"], outcome.tree["results"]
    for total, names in (("grid_in", "import"), ("grid_out", "export")):
        energy = sum(float((results[f"{who}_{names}"] * hours).sum()) for who in ("grid", "vehicle"))
        assert totals[total] / 1e3 == pytest.approx(energy, abs=24 * 0.5e-3)


def test_every_trade_is_in_the_leaves_of_its_block(outcome):
    """Each account's purchases are its trades', each rounded by less than 1 Wh; what is bought is sold."""
    trades = outcome.tree["trades"]
    shelf = private_leaves.LeafFiles(outcome.directory)
    for block in list(ledger.show(outcome.directory))[1:]:
        private = private_leaves.check_leaves(shelf, block)
        here = trades["trade_time"].values == np.datetime64(block["slot"], "s")
        exact = trades["trade_energy"].values[here] * 1000
        assert abs(block["totals"]["energy"] - exact.sum()) <= 0.5
        assert sum(leaf["sales"] for leaf in private) == block["totals"]["energy"]
        for leaf in private:
            mine = trades["trade_buyer"].values[here] == leaf["participant"]
            assert abs(leaf["purchases"] - exact[mine].sum()) < max(1, mine.sum())
            assert set(leaf["origin"]) <= set(trades["trade_seller"].values[here][mine])
            assert sum(leaf["origin"].values()) == leaf["purchases"]


def test_the_leaves_say_where_every_metered_wh_came_from(outcome):
    """Demand, charge and driving by source sum to the meters, and over the slots to what the settlement says."""
    inputs, results, settlement = (outcome.tree[g].to_dataset() for g in ("inputs", "results", "settlement"))
    shelf, own = private_leaves.LeafFiles(outcome.directory), dict.fromkeys(("demand", "driving"), 0)
    for t, block in enumerate(list(ledger.show(outcome.directory))[1:]):
        for leaf in private_leaves.check_leaves(shelf, block):
            name = leaf["participant"]
            metered = float(inputs["demand"].sel(participant=name)[t] * inputs["slot_hours"][t]) * 1000
            assert abs(sum(leaf["demand"].values()) - metered) <= 0.5 + 1e-6
            took = sum(
                float(results[f"{d}_charge"].values[inputs[f"{d}_owner"].values == name, t].sum())
                for d in ("battery", "vehicle")
            )
            assert (
                abs(sum(leaf["charge"].values()) - took * float(inputs["slot_hours"][t]) * 1000) <= 0.5 + 1e-6
            )
            for use in own:
                own[use] += leaf[use].get(name, 0)
    for use, energy in own.items():
        exact = float(settlement[f"{use}_from"].sel(source="own").sum())
        assert energy / 1000 == pytest.approx(exact, abs=0.024 * inputs.sizes["participant"])
    assert own["demand"] > 1000


def test_a_receipt_is_the_peer_part_of_the_bill(outcome):
    """What a household can check offline is what its settlement says, but for rounding (24 slots, few trades each)."""
    held = [checkpoints.read(outcome.directory / "checkpoint", held=True)]
    settlement = outcome.tree["settlement"].to_dataset()
    for name in settlement["participant"].values:
        text = receipts.make(outcome.directory, str(name))[str(name)]
        proofs = receipts.check(text.encode(), (), held)
        mine = settlement.sel(participant=name)
        paid = sum(sum(p.leaf[n] for n in ("paid", "fees", "congestion")) for p in proofs) / 1e6
        earned = sum(p.leaf["earned"] for p in proofs) / 1e6
        assert len(proofs) == 24
        assert paid == pytest.approx(float(mine["peer_cost"]), abs=24 * 5 * 40e-3)
        assert earned == pytest.approx(float(mine["peer_revenue"]), abs=24 * 5 * 40e-3)


def test_a_stranger_finds_the_groups_and_what_values_mean(outcome, tmp_path):
    """As the CF conventions have it: names, units, axes, cells of time and how values stand for them."""
    with xr.open_dataset(outcome.path) as root:
        assert not root.variables
        assert root.attrs["groups"] == "inputs, results, trades, settlement, marginal"
        assert "open_datatree" in root.attrs["comment"]
    hours = outcome.tree["inputs"]["slot_hours"].values
    with netCDF4.Dataset(outcome.path) as file:
        for group in file.groups.values():
            for name, variable in group.variables.items():
                said = {key: variable.getncattr(key) for key in variable.ncattrs()}
                label = variable.dtype is str and variable.dimensions == (name,)
                assert label or name == "time_bnds" or said.get("long_name"), name
                assert variable.dtype is str or name == "time_bnds" or "units" in said, name
                assert set(variable.dimensions) <= {*group.dimensions}, name
                mean = "time" in variable.dimensions and said.get("units") == "kW"
                assert not mean or said["cell_methods"] == "time: mean", name
            if "time" in group.variables:
                time = group["time"]
                assert (time.standard_name, time.axis, time.bounds) == ("time", "T", "time_bnds")
                assert "Asia/Tokyo" in time.comment
                begin, end = group["time_bnds"][:].T
                assert (begin == time[:]).all()
                assert (end - begin == 3600 * hours).all()
    shutil.copy(outcome.path, tmp_path / "edited.nc")
    with netCDF4.Dataset(tmp_path / "edited.nc", "a") as file:
        file["results/time_bnds"][0, 1] += 60
    with pytest.raises(atomic_file.RunFileError, match="edited: results/time_bnds"):
        run_file.open_run(tmp_path / "edited.nc")


def test_again_changes_nothing_but_wall_times(copy, place):
    before = files(place)
    second = run("six-kinds")
    assert (second.commit.added, second.commit.already, second.kept) == (0, 24, None)
    assert list(files(place)) == list(before)
    after = files(place)
    assert all(after[name] == before[name] for name in before if not name.endswith(".nc"))


def test_the_same_scenario_and_secret_give_the_same_ledger_anywhere(outcome, place):
    (place / "book" / "leaves").mkdir(parents=True, mode=0o700)
    shutil.copy(outcome.directory / "leaves" / "secret", place / "book" / "leaves")
    done = run("six-kinds", output=place / "elsewhere" / "mine.nc", directory=place / "book")
    assert files(done.directory) == files(outcome.directory)


def test_a_signed_ledger(place, remembered):
    market, key = ["market_id=susono"], place / "susono.key"
    public = administration.keygen("susono", key)
    done = run("six-kinds", overrides=market, key=key)
    assert ledger.verify(done.directory, pinned=[public]).slots == 24
    attributes = run_file.open_run(done.path).attrs
    assert attributes["ledger_checkpoint"] == (done.directory / "checkpoint").read_text(encoding="utf-8")
    assert signed_note.verified(signed_note.parse(attributes["ledger_checkpoint"].encode()), [public]) == [
        public
    ]
    assert run("six-kinds", overrides=market).commit.already == 24  # nothing to sign
    before = files(place)
    with pytest.raises(ledger.LedgerError, match="key: got none"):
        archive.correct(run("six-kinds", overrides=[*market, LESS], record=False).path, done.directory)
    assert files(done.directory) == {
        name.removeprefix("runs-out/six-kinds/ledger/"): data
        for name, data in before.items()
        if "/ledger/" in name
    }


def test_a_correction(place, remembered):
    market = ["market_id=susono"]
    first = run("six-kinds", overrides=market)
    right = run("six-kinds", overrides=[*market, LESS], record=False, output=place / "right.nc")
    done = archive.correct(right.path, first.directory)
    assert (done.commit.corrected, done.kept) == (done.commit.added, None)
    assert done.commit.corrected + done.commit.already == 24
    assert run_file.open_run(right.path).attrs["ledger_checkpoint"] == done.commit.checkpoint
    assert run("six-kinds", overrides=[*market, LESS]).commit.already == 24
    assert ledger.verify(first.directory, private=True).slots == 24
    with pytest.raises(ledger.LedgerError, match="no ledger to correct"):
        archive.correct(right.path, place / "nowhere")
    alone = run("six-kinds", "grid-only", overrides=market)
    with pytest.raises(atomic_file.RunFileError, match="not the run of a market that is recorded"):
        archive.correct(alone.path, first.directory)


def test_a_run_file_clears_again_to_the_same_result(outcome, place):
    again = run(outcome.path, output=place / "again.nc", directory=outcome.directory)
    assert again.commit.already == 24
    assert again.tree.attrs["scenario_hash"] == outcome.tree.attrs["scenario_hash"]
    one, two = (run_file.open_run(path).attrs for path in (outcome.path, again.path))
    assert all(one[f"{group}_digest"] == two[f"{group}_digest"] for group in run_format.GROUPS)


def test_a_run_file_keeps_its_market(place, remembered):
    done = run("six-kinds", "grid-only")
    assert run(done.path, output=place / "again.nc").tree.attrs["market"] == "grid-only"


def test_a_run_file_without_a_scenario(place):
    netcdf.write_run(clear(community(CASE)), place / "library.nc")
    with pytest.raises(atomic_file.RunFileError, match="holds no scenario"):
        run(place / "library.nc")


def test_a_run_file_keeps_which_tariff_is_the_default(place):
    """It is the first, wherever its name stands in the alphabet; homes that name none pay 26.48 + 2.98."""
    other = [
        "tariffs.alternative.energy={type: flat, price_per_kwh: 99}",
        "tariffs.alternative.feed_in={type: flat, price_per_kwh: 1}",
    ]
    first = single.run("six-kinds", "grid-only", overrides=other)
    again = single.run(first.path, output=place / "again.nc")
    assert again.tree.attrs["objective"] == pytest.approx(first.tree.attrs["objective"])
    assert set(again.tree["inputs"]["participant_tariff"].values) == {"standard"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scenario_definition": '{"name": '}, "scenario_definition: got no JSON object"),
        ({"scenario_definition": "[1]"}, "scenario_definition: got no JSON object"),
        ({"scenario_definition": 3.0}, "scenario_definition: got no JSON object"),
        ({"market": None}, "market: got None, want one of p2p"),
        ({"market": "bazaar"}, "market: got 'bazaar', want one of p2p"),
    ],
)
def test_a_run_file_that_cannot_be_cleared_again(outcome, place, change, message):
    """Whole by its digests, but written by something else."""
    tree = outcome.tree.copy()
    tree.attrs = {k: v for k, v in (outcome.tree.attrs | change).items() if v is not None}
    netcdf.write_run(tree, place / "odd.nc")
    with pytest.raises(atomic_file.RunFileError, match=message):
        run(place / "odd.nc")
    if "market" in change:
        with pytest.raises(atomic_file.RunFileError, match="not the run of a market that is recorded"):
            archive.correct(place / "odd.nc", outcome.directory)


def test_options_are_json(outcome):
    def refuse(name):
        raise AssertionError(name)

    assert json.loads(outcome.tree.attrs["options"], parse_constant=refuse)["time_limit"] is None
    for limit in (float("nan"), float("inf")):
        with pytest.raises(ValueError, match="want a finite number of seconds"):
            clear(community(CASE), time_limit=limit)


def test_grid_only_commits_nothing(place, remembered):
    done = run("six-kinds", "grid-only")
    assert done.commit is None
    assert list(files(place)) == ["runs-out/six-kinds/grid-only.nc"]


def test_no_record(place, remembered):
    assert run("six-kinds", record=False).directory is None
    assert list(files(place)) == ["runs-out/six-kinds/p2p.nc"]


def test_a_what_if_has_its_own_ledger(copy):
    changed = run("six-kinds", overrides=[LESS])
    assert changed.directory.name != copy.directory.name
    assert changed.commit.added == 24
    assert changed.path == Path(f"runs-out/six-kinds/p2p-{changed.tree.attrs['scenario_hash'][:8]}.nc")
    assert changed.kept is None
    assert copy.path.exists()


def test_an_operators_market_has_one_truth(place, remembered):
    operator = "market_id=susono"
    run("six-kinds", overrides=[operator])
    folder = "runs-out/six-kinds"
    names = [f"{folder}/ledger/{name}" for name in ("checkpoint", "checkpoints.log", "ledger.jsonl")]
    assert public(place)[:3] == names
    assert run("six-kinds", overrides=[operator]).commit.already == 24
    before = files(place)
    with pytest.raises(ledger.LedgerConflict):
        run("six-kinds", overrides=[operator, LESS])
    with pytest.raises(ledger.LedgerConflict):
        run("six-kinds", overrides=[operator, LESS], output=Path("runs-out/six-kinds/new.nc"))
    assert files(place) == before


def test_a_ledger_of_another_market(outcome, place):
    before = (outcome.directory / ledger.NAME).read_bytes()
    with pytest.raises(ledger.LedgerConflict, match="several markets"):
        run("six-kinds", overrides=["name=seven-kinds"], directory=outcome.directory)
    assert (outcome.directory / ledger.NAME).read_bytes() == before
    assert files(place) == {}


def test_relaxed_runs_are_other_scenarios(place):
    car = ["tables.vehicles.*.min_charge_kw=3", "time.slot_minutes=180"]
    strict, relaxed = run("six-kinds", overrides=car), run("six-kinds", overrides=car, relax=True)
    assert relaxed.tree.attrs["objective"] <= strict.tree.attrs["objective"] + 1e-6
    assert (strict.tree["inputs"]["vehicle_min_charge"].values == 3).all()
    assert (relaxed.tree["inputs"]["vehicle_min_charge"].values == 0).all()
    assert relaxed.directory != strict.directory
    assert run_file.open_run(relaxed.path).attrs["scenario_hash"] == relaxed.tree.attrs["scenario_hash"]


# neither


@pytest.mark.parametrize(
    ("overrides", "error"),
    [
        (["tables.participants.*.import_limit_kw=0.01"], Infeasible),
        (["tables.participants.home-01.persons=-1"], InputError),
        (["naem=x"], InputError),
    ],
)
def test_a_failure_leaves_nothing(place, overrides, error):
    with pytest.raises(error):
        run("six-kinds", overrides=overrides)
    assert os.listdir(place) == []


def test_what_cannot_be_stored_is_not_committed(place, remembered):
    output = place / "run.nc"
    output.write_text("my thesis")
    with pytest.raises(atomic_file.RunFileError, match="not a run file"):
        run("six-kinds", output=output)
    assert files(place) == {"run.nc": b"my thesis"}


def test_a_torn_ledger_stores_nothing(outcome, place, remembered):
    (place / "book").mkdir()
    torn = (outcome.directory / ledger.NAME).read_bytes()[:-5]
    (place / "book" / ledger.NAME).write_bytes(torn)
    with pytest.raises(ledger.LedgerTorn):
        run("six-kinds", directory=place / "book")
    assert files(place) == {f"book/{ledger.NAME}": torn}


def test_a_market_with_labels_of_other_scripts(place):
    inputs = community(
        {**CASE, "participants": {f"{name} お隣%": v for name, v in CASE["participants"].items()}}
    )
    tree = clear(inputs)
    found = records.cleared(tree, "street", "otonari")
    assert ledger.commit(place / "book", found).added == 2
    (text,) = receipts.make(place / "book", "shade お隣%").values()
    (first, _) = receipts.check(text.encode(), (), [checkpoints.read(place / "book" / "checkpoint")])
    assert first.leaf["participant"] == "shade %E3%81%8A%E9%9A%A3%25"
    assert first.leaf["origin"] == {"sun %E3%81%8A%E9%9A%A3%25": 2000}
