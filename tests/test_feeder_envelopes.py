"""Operating envelopes of a feeder: by hand, at every corner of small feeders, and through the command line."""

import json
from itertools import product

import numpy as np
import pytest
import xarray as xr
from click.testing import CliRunner

from otonari.cli import main
from otonari.data.assembly.inputs import build_inputs
from otonari.data.loading.scenario import load_scenario
from otonari.model.errors import Infeasible
from otonari.model.grid import power_flow
from otonari.model.grid.envelopes import SHARES, envelopes
from otonari.model.grid.filling import fill
from otonari.model.grid.limits import BANDS, DUST
from otonari.model.grid.loads import phase_shares

from . import counts
from .communities import START, community

pytestmark = pytest.mark.thorough

EN = BANDS["EN 50160"]
FLAT = {"flat": {"retail_price": 30, "feed_in_price": 8}}


def full(rows, slots=1):
    return np.repeat(np.array(rows, dtype=float)[:, None], slots, axis=1)


def test_shares_by_hand():
    """Rows of 6 for users 0, 1, 2 and of 3 for 2, 3: 1.5 each until the second is full, 2.25 for those of the first."""
    use, has = np.array([[1.0, 1, 1, 0], [0, 0, 1, 1]]), full([6, 3])
    none, plenty = full([0] * 4), full([100] * 4)
    apart, together = np.arange(4), np.zeros(4, dtype=int)
    assert fill(use, has, np.ones(4), none, plenty, apart)[:, 0] == pytest.approx([2.25, 2.25, 1.5, 1.5])
    assert fill(use, has, np.ones(4), none, plenty, together)[:, 0] == pytest.approx([1.5] * 4)
    # user 0 has 3 in any case, of 6 - 3 users 1 and 2 get 2 and 1 as they rise twice and once as fast, user 3 the rest
    rate = np.array([1.0, 2, 1, 1])
    assert fill(use, has, rate, full([3, 0, 0, 0]), plenty, apart)[:, 0] == pytest.approx([3, 2, 1, 2])
    assert fill(use, has, rate, none, full([1, 1, 1, 1]), apart)[:, 0] == pytest.approx([1] * 4)


@pytest.mark.parametrize("seed", counts.share(range(40)))
def test_whoever_could_have_more_shares_a_full_row_with_nobody_who_has_more(seed):
    """The certificate of max-min fairness: a bottleneck for every user that has not all that it could use."""
    rng = np.random.default_rng(seed)
    rows, users, slots = rng.integers(1, 6), int(rng.integers(1, 8)), 3
    use = rng.uniform(0, 2, (rows, users)) * (rng.random((rows, users)) < 0.6)
    least, most = full(rng.uniform(0, 1, users), slots), full(rng.uniform(1, 5, users), slots)
    has = use @ least + rng.uniform(0, 6, (rows, slots))
    share = fill(use, has, np.ones(users), least, most, np.arange(users))
    taken = use @ share
    assert (taken <= has + 1e-9).all()
    for t, i in product(range(slots), range(users)):
        tight = (use[:, i] > 0) & (taken[:, t] >= has[:, t] - 1e-9)
        above_least = [
            share[(use[k] > 0) & (share[:, t] > least[:, t] + 1e-9), t] for k in np.flatnonzero(tight)
        ]
        bottleneck = any((others <= share[i, t] + 1e-9).all() for others in above_least)
        assert share[i, t] >= most[i, t] - 1e-9 or bottleneck


def street(people, edges=(("bank", "root", 0.144, 0.0),), rating=None, slots=(1,), **more):
    """Return inputs of participants on nodes that lines of so many ohms join to the root, at 400 V."""
    nodes = {"root": {"parent": ""}} | {node: {"parent": above} for node, above, *_ in edges}
    inputs = community(
        {"slots": list(slots), "nodes": nodes, "tariffs": FLAT, "participants": people, **more}
    )
    wires = {node: wire for node, _, *wire in edges}
    names = inputs["node"].values.tolist()
    r, x = (np.array([wires.get(n, (0, 0))[k] for n in names], dtype=float) for k in range(2))
    columns = {
        "node_resistance": r,
        "node_reactance": x,
        "node_resistance_zero": 4 * r,
        "node_reactance_zero": 4 * x,
    }
    columns["node_voltage"] = np.full(len(names), 400.0)
    columns["node_current_limit"] = np.array([(rating or {}).get(n, np.inf) for n in names])
    columns["node_edge"] = np.full(len(names), "line")
    return inputs.assign({name: ("node", values) for name, values in columns.items()})


def homes(count, **row):
    return {f"h{k}": {"node": "bank", "tariff": "flat", "demand": 0.0, **row} for k in range(count)}


def test_a_voltage_that_stops_everybody_by_hand():
    """Over R to a voltage v flow v (1 - v) 400^2 / R: at 0.144 ohm 100 kW to 0.9; at v (v - 1) = 0.11 122.2 kW back."""
    found = envelopes(street(homes(4)), EN, able=False)
    assert found.draw[:, 0] == pytest.approx([100 / 4] * 4, abs=0.01)
    assert found.give[:, 0] == pytest.approx([0.11 * 160 / 0.144 / 4] * 4, abs=0.01)
    assert (found.draw == np.round(found.draw, 3)).all()


def test_a_limit_over_time_of_a_node_is_shared_by_hand():
    """Of 10 and 30 kW into the bank each of four gets a quarter, one who draws 4 in any case 4 of the 10."""
    inputs = street(
        homes(3, demand=0.0) | {"big": {"node": "bank", "tariff": "flat", "demand": 4.0}}, slots=(1, 1)
    )
    per_slot = ("node", "time")
    into, out = (np.full((2, 2), np.inf) for _ in range(2))
    bank = inputs["node"].values.tolist().index("bank")
    into[bank], out[bank] = [10.0, 30.0], [8.0, np.inf]
    limited = inputs.assign(node_import_envelope=(per_slot, into), node_export_envelope=(per_slot, out))
    found = envelopes(limited, EN, able=False)
    assert found.draw.T.tolist() == [[2.0, 2.0, 2.0, 4.0], [7.5] * 4]
    assert found.give[:, 0].tolist() == [2.0] * 4
    assert found.give[:, 1] == pytest.approx(envelopes(inputs, EN, able=False).give[:, 1], abs=0.01)
    into[bank, 0] = 3.0
    with pytest.raises(Infeasible, match=r"node bank.* 1 kW of its limit on what flows into it"):
        envelopes(inputs.assign(node_import_envelope=(per_slot, into)), EN, able=False)


def test_a_rating_that_stops_everybody_by_hand():
    """100 A bring sqrt(3) 400 V 100 A v = 69.28 v kW, of which 1 - v = 0.0624 per unit sag, and rise the other way."""
    found = envelopes(street(homes(4), rating={"bank": 100.0}), EN, able=False)
    full_kw = np.sqrt(3) * 40
    sag = full_kw * 0.144 / 160
    assert found.draw.sum() == pytest.approx(full_kw * (1 - sag), abs=0.02)
    assert found.give.sum() == pytest.approx(full_kw * (1 + sag), abs=0.02)


def test_shares_are_of_connections_of_abilities_and_above_demand():
    """A rating of 100 A again, 64.96 kW: in parts of connections of 10, 20 and 60 kW; no more than what is owned."""
    people = homes(3)
    for name, limit in zip(people, (10.0, 20.0, 60.0), strict=True):
        people[name] |= {"import_limit": limit, "export_limit": limit}
    inputs = street(people, rating={"bank": 100.0})
    found = envelopes(inputs, EN, shares="connection", able=False)
    whole = found.draw.sum()
    assert found.draw[:, 0] == pytest.approx(whole * np.array([10, 20, 60]) / 90, abs=0.01)
    equal = envelopes(inputs, EN, shares="equal", able=False)
    assert equal.draw[:, 0] == pytest.approx([10, 20, equal.draw.sum() - 30], abs=0.01)
    owning = {
        "b": {"owner": "h2", "capacity": 9, "initial_energy": 4, "charge_limit": 3, "discharge_limit": 2}
    }
    owning["b"] |= {"charge_efficiency": 1, "discharge_efficiency": 1}
    people["h0"] |= {"demand": [1.5, 0.25], "pv_available": [0.0, 4.0]}
    inputs = street(people, rating={"bank": 100.0}, slots=(1, 1), batteries=owning)
    able = envelopes(inputs, EN)
    assert able.draw.tolist() == [[1.5, 1.5], [0, 0], [3, 3]]
    assert able.give.tolist() == [[4, 4], [0, 0], [2, 2]]
    people["h1"] |= {"demand": 15.0}
    people["h2"] |= {"demand": 30.0}
    inputs = street(people, rating={"bank": 100.0}, slots=(1, 1))
    kept = envelopes(inputs, EN, able=False)
    assert kept.draw[:, 0] == pytest.approx([10.0, 20.0, kept.draw[:, 0].sum() - 30])
    assert kept.draw[2, 0] >= 30.0
    assert (envelopes(inputs, EN, able=False, demand=False).draw[:, 1] == kept.draw[:, 1]).all()


def test_what_the_feeder_does_not_carry_is_named():
    people = homes(2, demand=[1.0, 60.0])
    with pytest.raises(Infeasible) as told:
        envelopes(street(people, slots=(1, 1)), EN)
    [cause] = told.value.causes
    assert (cause.who, cause.when) == ("node bank", f"{START + np.timedelta64(1, 'h')}"[:16] + "Z")
    assert "voltage above the least" in cause.lack
    # 120 kW at v (1 - v) = 0.108: v = 0.8769
    assert cause.amount == pytest.approx((0.9**2 - 0.8769**2) / 1.8, rel=0.01)


def test_a_guest_may_charge_besides():
    """A car of 20 kW that visits h0 leaves 80 kW to the others, whoever they are."""
    car = {"owner": "h1", "capacity": 50, "initial_energy": 20, "charge_limit": 20, "discharge_limit": 0}
    car |= {"charge_efficiency": 1, "discharge_efficiency": 1, "electric_economy": 5, "host": ["h0", "h1"]}
    inputs = street(homes(4), slots=(1, 1), vehicles={"car": car})
    found = envelopes(inputs, EN, able=False)
    assert found.draw.sum(axis=0) == pytest.approx([80, 100], abs=0.02)


def corner_flow(inputs, draw, give, up):
    """Return the power flow where some draw all that they may, and the others give it."""
    real = np.zeros((inputs.sizes["node"], 3, inputs.sizes["time"]))
    node = [inputs["node"].values.tolist().index(n) for n in inputs["participant_node"].values]
    power = np.where(np.array(up)[:, None], draw, -give)
    np.add.at(real, node, phase_shares(inputs)[:, :, None] * power[:, None, :])
    return power_flow.solved(inputs, real, np.zeros_like(real))


def holds(flow, band):
    voltage, loading = flow["voltage"], flow["loading"].where(np.isfinite(flow["loading"]), 0.0)
    return (
        float(voltage.min()) >= band.low - DUST
        and float(voltage.max()) <= band.high + DUST
        and float(loading.max()) <= 1 + DUST
    )


@pytest.mark.parametrize("seed", counts.share(range(16)))
@pytest.mark.parametrize("shares", ["equal", "max-min"])
def test_every_corner_holds(seed, shares):
    """Random trees, people on any phases: all 2^n choices of drawing or giving hold, and a limit is reached."""
    rng = np.random.default_rng(seed)
    size, count = int(rng.integers(2, 5)), int(rng.integers(2, 6))
    names = ["root", *(f"n{k}" for k in range(size))]
    edges = [
        (name, str(rng.choice(names[: k + 1])), rng.uniform(0.05, 0.5), rng.uniform(0.02, 0.2))
        for k, name in enumerate(names[1:])
    ]
    rating = {names[1]: float(rng.uniform(20, 80))} if rng.random() < 0.5 else {}
    people = {
        f"h{k}": {"node": str(rng.choice(names[1:])), "tariff": "flat", "demand": 0.0, "pv_available": 0.0}
        for k in range(count)
    }
    inputs = street(people, edges, rating)
    inputs = inputs.assign(participant_phase=("participant", rng.choice(["a", "b", "c", "abc"], count)))
    found = envelopes(inputs, EN, shares=shares, able=False)
    flows = [corner_flow(inputs, found.draw, found.give, up) for up in product([True, False], repeat=count)]
    assert all(holds(flow, EN) for flow in flows)
    assert found.headroom.min() < 2e-3
    assert found.headroom.min() >= 0


def test_everybody_at_the_envelope_of_the_bundled_feeder():
    """What the ideal envelopes of Team-Nando/OE1-Ideal promise: at most 253 V, the transformer below its rating."""
    inputs = build_inputs(load_scenario("feeder")).isel(time=[26])
    inputs["power_factor"][:] = 1.0
    found = envelopes(inputs, EN, shares="equal", able=False)
    for up, side in ((np.ones(55, bool), found.draw), (np.zeros(55, bool), found.give)):
        flow = corner_flow(inputs, found.draw, found.give, up)
        assert float(flow["voltage"].max()) * 230 <= 253
        assert float(flow["voltage"].min()) * 230 >= 207
        assert 0.99 < float(flow["loading"].sel(node="station").max()) <= 1.0
        assert side.min() > 3.9
        assert np.ptp(side) < 0.05
    rng = np.random.default_rng(0)
    assert all(holds(corner_flow(inputs, found.draw, found.give, rng.random(55) < 0.5), EN) for _ in range(3))


# the command

WEAK = (
    "grid={source_voltage: 1.04}",
    "tables.nodes=[{node: grid}, {node: bank, parent: grid, level: bank, cable: NAYY 4x50, length_m: 900}]",
    "tables.participants.*.node=bank",
    "fees={method: by-level, levels: {bank: 1}}",
    "time.slot_minutes=240",
)


def invoke(*words, code=0):
    done = CliRunner().invoke(main, list(map(str, words)))
    assert done.exit_code == code, done.output
    return done


def weak(*more):
    return [word for text in (*WEAK, *more) for word in ("--set", text)]


def test_a_scenario_names_the_envelopes_that_the_command_writes(tmp_path):
    """They come back as they were computed, the market obeys them, and the feeder holds that broke before."""
    series, plain, kept = tmp_path / "env.csv", tmp_path / "plain.nc", tmp_path / "kept.nc"
    facts = json.loads(
        invoke("envelopes", "six-kinds", *weak(), "-o", series, "--band", "JP", "--json").stdout
    )
    assert facts["voltage"]["lowest"] >= 0.95 - DUST
    assert facts["voltage"]["highest"] <= 1.07 + DUST
    assert facts["export"]["stopped_by"] or facts["import"]["stopped_by"]
    names = {
        f"series.{way}_limit.{key}={value}"
        for way in ("import", "export")
        for key, value in (
            ("path", series),
            ("meter_column", "participant"),
            ("value_column", f"{way}_limit_kw"),
        )
    }
    inputs = build_inputs(load_scenario("six-kinds", [*WEAK, *sorted(names)]))
    assert float(inputs["import_envelope"].min()) == facts["import"]["least_kw"]
    assert float(inputs["export_envelope"].max()) == facts["export"]["most_kw"]
    invoke("clear", "six-kinds", *weak(*sorted(names)), "-o", kept, "--no-ledger")
    invoke("clear", "six-kinds", *weak(), "-o", plain, "--no-ledger")
    invoke("grid", kept, "--band", "JP", "--strict")
    invoke("grid", plain, "--band", "JP", "--strict", code=3)
    text = invoke("envelopes", plain, "-o", tmp_path / "env.nc", "--band", "JP").output
    assert "worst corners of every slot" in text
    stored = xr.load_dataset(tmp_path / "env.nc")
    np.testing.assert_allclose(stored["import_envelope"].values, inputs["import_envelope"].values)
    assert stored.attrs["shares"] == "max-min"


@pytest.mark.parametrize(
    ("words", "code", "want"),
    [
        (("six-kinds",), 2, "nothing said of its wires"),
        (("six-kinds", *weak(), "--shares", "connection"), 2, "one, for --shares connection"),
        (("six-kinds", *weak("tables.nodes.bank.length_m=20000")), 3, "node bank at"),
        (("six-kinds", *weak(), "-o", "env.txt"), 2, ".csv"),
        (("six-kinds", *weak(), "--shares", "fair"), 2, "is not one of"),
    ],
)
def test_what_cannot_be_shared_is_told(tmp_path, monkeypatch, words, code, want):
    monkeypatch.chdir(tmp_path)
    assert want in invoke("envelopes", *words, code=code).output
    assert not list(tmp_path.rglob("env*"))


def test_shares_have_names():
    assert set(SHARES) == {"equal", "connection", "max-min"}
    with pytest.raises(ValueError, match="one of equal"):
        envelopes(street(homes(2)), EN, shares="fair")
