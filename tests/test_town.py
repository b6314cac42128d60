"""Towns of any size: valid, the same for the same seed, regular trees, kinds in their shares."""

from collections import Counter

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from otonari.cli import main
from otonari.data.assembly.inputs import build_inputs
from otonari.data.inputs.variables import KINDS
from otonari.data.loading import town
from otonari.data.loading.scenario import digest, load_scenario
from otonari.runs.clear.single import clear

from .counts import examples

HOMES = st.integers(1, 700)
SEED = st.integers(0, 2**32 - 1)


def level(label):
    return label.split("-")[0] if label != "town" else "town"


@given(HOMES, SEED)
@settings(max_examples=examples(25), deadline=None)
def test_the_tree_is_regular_and_as_large_as_it_must_be(homes, seed):
    """25 homes at a bank, 5 banks and a business at a feeder, 5 feeders at a substation; only the last is not full."""
    made = town.tables(homes, seed)
    parents = {row["node"]: row.get("parent") for row in made["nodes"]}
    assert next(iter(parents)) == "town"
    assert parents.pop("town") is None
    assert {(level(node), level(parent)) for node, parent in parents.items()} == {
        ("substation", "town"),
        ("feeder", "substation"),
        ("bank", "feeder"),
        ("site", "feeder"),
    }
    at = Counter(row["node"] for row in made["participants"] if row["kind"] == "home")
    below = {kind: Counter(p for n, p in parents.items() if level(n) == kind) for kind in ("bank", "feeder")}
    for counts, full, total in (
        (at, 25, homes),
        (below["bank"], 5, len(at)),
        (below["feeder"], 5, len(below["bank"])),
    ):
        assert sum(counts.values()) == total
        assert all(n == full for n in list(counts.values())[:-1])
        assert 1 <= list(counts.values())[-1] <= full
    businesses = [row for row in made["participants"] if row["kind"] == "business"]
    assert {parents[row["node"]] for row in businesses} == set(below["bank"])
    assert len(businesses) == len(below["bank"])


@given(HOMES, SEED)
@settings(max_examples=examples(12), deadline=None)
def test_a_town_is_valid_and_has_the_kinds_in_their_shares(homes, seed):
    """Full banks have 5, 4, 5, 5, 4 and 2 homes of the six kinds."""
    inputs = build_inputs(town.scenario(homes, seed))
    kinds, nodes = inputs["participant_kind"].values, inputs["participant_node"].values
    assert set(kinds) <= set(KINDS)
    shares = [5, 4, 5, 5, 4, 2]
    for bank in range(homes // 25):
        here = kinds[nodes == f"bank-{bank + 1:05d}"].tolist()
        assert [here.count(kind) for kind in town.KINDS] == shares
    rest = kinds[nodes == f"bank-{homes // 25 + 1:05d}"].tolist()
    assert all(rest.count(kind) <= most for kind, most in zip(town.KINDS, shares, strict=True))
    owners = inputs["vehicle_owner"].values.tolist()
    assert len(owners) == len(set(owners)) == sum("phev" in kind for kind in kinds)
    assert inputs.sizes["battery"] == sum("battery" in kind for kind in kinds)


@given(HOMES, st.integers(1, 300), SEED)
@settings(max_examples=examples(15), deadline=None)
def test_a_larger_town_holds_a_smaller_one(homes, more, seed):
    small, large = town.tables(homes, seed), town.tables(homes + more, seed)
    assert small == town.tables(homes, seed)
    for name, rows in small.items():
        assert all(row in large[name] for row in rows[:: max(1, len(rows) // 20)])
    if homes >= 25:
        assert town.tables(homes, (seed + 1) % 2**32)["participants"] != small["participants"]


def test_a_part_has_the_same_inputs_alone_as_in_the_whole():
    """Demand, PV, trips and where cars are plugged do not depend on who else lives in the town."""
    part, whole = (build_inputs(town.scenario(homes, 11, days=2)) for homes in (40, 140))
    people, cars = (
        part["participant"].values[:-1],
        part["vehicle"].values,
    )  # the business of a feeder comes last
    for name in ("demand", "pv_available", "participant_kind", "import_limit"):
        np.testing.assert_array_equal(part[name].sel(participant=people), whole[name].sel(participant=people))
    for name in ("vehicle_host", "vehicle_capacity", "vehicle_final_energy"):
        np.testing.assert_array_equal(part[name].sel(vehicle=cars), whole[name].sel(vehicle=cars))
    for name in ("trip_departure", "trip_arrival", "trip_distance"):
        np.testing.assert_array_equal(part[name], whole[name].sel(trip=part["trip"]))
    np.testing.assert_array_equal(
        part["demand"].sel(participant="site-0001"), whole["demand"].sel(participant="site-0001")
    )


@pytest.mark.parametrize("homes", [1, 26, 130])
def test_the_files_are_the_scenario(tmp_path, homes):
    """What init writes is what is made in memory, digest and all; a second seed is another town."""
    result = CliRunner().invoke(
        main, ["init", str(tmp_path / "t"), "--template", "town", "--homes", str(homes), "--seed", "7"]
    )
    assert result.exit_code == 0, result.output
    stored = load_scenario(tmp_path / "t")
    assert digest(stored) == digest(town.scenario(homes, 7)) != digest(town.scenario(homes, 8))
    assert stored.name == f"town-{homes}"
    comments = (tmp_path / "t" / "vehicles.csv").read_text().splitlines()
    assert comments[0].startswith("# Prius PHV")


def test_a_town_clears():
    """Peers gain; guests at a site trade there free of fees."""
    inputs = build_inputs(town.scenario(50, 3))
    tree = clear(inputs)
    assert float(tree["settlement"]["saving"].sum()) > 0
    assert float(tree["settlement"]["peer_energy"]) > 0
    hosted = np.isin(inputs["vehicle_host"].values, ["site-0001"])
    assert hosted.any()
    fee = inputs["node_access_fee"].sel(node="site-0001-node")
    assert float(fee) == 0


def test_sizes_belong_to_the_town_alone(tmp_path):
    for arguments in (["--homes", "5"], ["--template", "six-kinds", "--seed", "1"]):
        result = CliRunner().invoke(main, ["init", str(tmp_path / "x"), *arguments])
        assert (result.exit_code, (tmp_path / "x").exists()) == (2, False)
    result = CliRunner().invoke(main, ["init", str(tmp_path / "x"), "--template", "twon"])
    assert "did you mean 'town'?" in result.stderr
