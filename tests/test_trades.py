"""Bilateral trades: on paper, and for random positions on random trees."""

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from otonari.model.settlement.trades import bilateral

from . import counts, neighbourhood
from .communities import community
from .oracle import fee, path, plain

many = settings(max_examples=counts.examples(80), derandomize=True, database=None, deadline=None)
seeds = st.integers(0, 10**6)
CAR = dict.fromkeys(("capacity", "initial_energy", "charge_limit", "discharge_limit"), 5.0)
CAR |= dict.fromkeys(("charge_efficiency", "discharge_efficiency", "electric_economy"), 1.0)


@pytest.mark.parametrize("pairs", [False, True])
def test_neighbourhood_on_paper(pairs):
    trades = bilateral(neighbourhood.inputs(pairs), neighbourhood.results(pairs))
    hours = (trades["trade_time"] - trades["trade_time"][0]) / np.timedelta64(1, "h")
    assert hours.values.tolist() == [0, 0, 1, 3]
    assert trades["trade_seller"].values.tolist() == ["anna", "anna", "site", "bert"]
    assert trades["trade_seller_vehicle"].values.tolist() == ["", "", "", "car"]
    assert trades["trade_buyer"].values.tolist() == ["bert", "site", "bert", "site"]
    assert trades["trade_buyer_vehicle"].values.tolist() == ["", "", "car", ""]
    assert_allclose(trades["trade_energy"], [1.5, 2, 1, 0.3])
    assert_allclose(trades["trade_price"], [19.5, 19.5, 14.5, 15.5])
    # access at both ends; the second crosses both edges, 1 + 2, of which one is full
    assert_allclose(trades["trade_fee"], [1, 4, 1, 1])
    assert_allclose(trades["trade_congestion"], [0, 4, 0, 0])
    assert trades["trade_energy"].attrs["units"] == "kWh"
    assert {trades[f"trade_{k}"].attrs["units"] for k in ("price", "fee", "congestion")} == {"JPY/kWh"}


def test_energy_is_power_times_slot_length():
    inputs, results = neighbourhood.inputs(), neighbourhood.results()
    inputs["slot_hours"] = inputs["slot_hours"] / 2
    assert_allclose(bilateral(inputs, results)["trade_energy"], [0.75, 1, 0.5, 0.15])


@pytest.mark.parametrize("pairs", [False, True])
def test_without_peers_there_are_no_trades(pairs):
    trades = bilateral(neighbourhood.inputs(pairs), neighbourhood.grid_only(pairs))
    assert trades.sizes == {"trade": 0}
    full = bilateral(neighbourhood.inputs(pairs), neighbourhood.results(pairs))
    assert {k: v.dtype.kind for k, v in trades.items()} == {k: v.dtype.kind for k, v in full.items()}


def test_rent_within_a_millionth_is_none():
    inputs, results = neighbourhood.inputs(), neighbourhood.results()
    results["price"] = results["price"] + 9e-7
    assert bilateral(inputs, results)["trade_congestion"].values.tolist() == pytest.approx(
        [0, 4.0000009, 0, 0]
    )
    results["price"] = results["price"] + 2e-7
    assert (bilateral(inputs, results)["trade_congestion"] != 0).all()


def test_without_prices_trades_have_no_price():
    results = neighbourhood.results().drop_vars(["price", "sale_price"])
    trades = bilateral(neighbourhood.inputs(), results)
    assert_allclose(trades["trade_energy"], [1.5, 2, 1, 0.3])
    assert trades["trade_price"].isnull().all()
    assert trades["trade_congestion"].isnull().all()


def test_noise_is_no_trade():
    results = neighbourhood.results()
    results["peer_sale"] = results["peer_sale"] + 1e-9
    results["peer_purchase"] = results["peer_purchase"] + 2e-9
    assert_allclose(bilateral(neighbourhood.inputs(), results)["trade_energy"], [1.5, 2, 1, 0.3], atol=1e-7)


def random_positions(seed, pairs=False):
    """Return inputs and results of a random tree with random balanced sales and purchases, guests included.

    The flows (or transfers) are summed up here, by the path of the oracle.
    """
    rng = np.random.default_rng(seed)
    nodes, people, cars, slots = int(rng.integers(1, 8)), int(rng.integers(2, 10)), int(rng.integers(0, 4)), 3
    names = [f"node{k}" for k in rng.permutation(nodes)]
    who = [f"home{k}" for k in rng.permutation(people)]
    parent = ["", *(names[rng.integers(k)] for k in range(1, nodes))]
    case: dict = {"slots": [0.5] * slots, "tariffs": {"flat": {"retail_price": 30, "feed_in_price": 8}}}
    case["nodes"] = {
        n: {"parent": up, "fee": rng.uniform(0, 4), "access_fee": rng.uniform(0, 2)}
        for n, up in zip(names, parent, strict=True)
    }
    case["participants"] = {
        p: {"node": str(rng.choice(names)), "tariff": "flat", "demand": 0, "pv_available": 0} for p in who
    }
    case["vehicles"] = {
        f"car{k}": CAR | {"owner": str(rng.choice(who)), "host": rng.choice([*who, ""], slots).tolist()}
        for k in rng.permutation(cars)
    }
    if pairs:
        case["trade_fee"] = {i: {j: rng.uniform(0, 9) for j in names} for i in names}
    inputs = community(case)
    return inputs, _results(rng, inputs)


def _results(rng, inputs):
    data, slots, nodes = plain(inputs), range(inputs.sizes["time"]), inputs["node"].values.tolist()
    shape = inputs.sizes["participant"], len(slots)
    cars = inputs.sizes["vehicle"], len(slots)
    power = {"peer_sale": np.zeros(shape), "peer_purchase": np.zeros(shape)}
    power |= {"vehicle_sale": np.zeros(cars), "vehicle_purchase": np.zeros(cars)}
    flow, transfer = np.zeros((len(nodes), len(slots))), np.zeros((len(nodes), len(nodes), len(slots)))
    for t in slots:
        meters = [("peer", k, data["participant_node"][p]) for k, p in enumerate(data["demand"])]
        for k, v in enumerate(data.get("vehicle_owner", {})):
            host = data["vehicle_host"][v][t]
            if host not in ("", data["vehicle_owner"][v]):
                meters.append(("vehicle", k, data["participant_node"][host]))
        for _ in range(rng.integers(0, 2 * len(meters))):
            seller, buyer = rng.choice(len(meters), 2, replace=False)
            (kind, i, start), (other, j, end) = meters[seller], meters[buyer]
            kw = rng.choice([1.0, round(rng.uniform(0.1, 3), 3)])
            power[f"{kind}_sale"][i, t] += kw
            power[f"{other}_purchase"][j, t] += kw
            up, down = path(data, start, end)
            for node in up:
                flow[nodes.index(node), t] += kw
            for node in down:
                flow[nodes.index(node), t] -= kw
            transfer[nodes.index(start), nodes.index(end), t] += kw
    results = xr.Dataset(
        {name: (("participant" if name[0] == "p" else "vehicle", "time"), kw) for name, kw in power.items()},
        coords={d: inputs[d] for d in ("participant", "vehicle", "time", "node")},
    )
    results["price"] = results["sale_price"] = (("node", "time"), rng.uniform(8, 30, flow.shape))
    if "trade_fee" in inputs:
        return results.assign(node_transfer=(("node", "node_to", "time"), transfer))
    return results.assign(node_flow=(("node", "time"), flow))


def table(trades):
    """Return the trades as tuples (time, seller, seller's vehicle, buyer, buyer's vehicle, energy)."""
    names = ("time", "seller", "seller_vehicle", "buyer", "buyer_vehicle", "energy")
    return list(zip(*(trades[f"trade_{k}"].values.tolist() for k in names), strict=True))


@many
@given(seeds, st.booleans())
def test_trades_add_up_to_positions(seed, pairs):
    inputs, results = random_positions(seed, pairs)
    sold = {
        k: 0 * results[k].values for k in ("peer_sale", "vehicle_sale", "peer_purchase", "vehicle_purchase")
    }
    for time, seller, seller_car, buyer, buyer_car, energy in table(bilateral(inputs, results)):
        t = inputs["time"].values.astype(int).tolist().index(time)
        for name, person, car in (("sale", seller, seller_car), ("purchase", buyer, buyer_car)):
            kind, dim, label = ("vehicle", "vehicle", car) if car else ("peer", "participant", person)
            sold[f"{kind}_{name}"][inputs[dim].values.tolist().index(label), t] += energy
            assert not car or inputs["vehicle_owner"].sel(vehicle=car) == person
    for name, energy in sold.items():
        assert_allclose(energy, results[name] * 0.5, atol=1e-6, err_msg=name)


@many
@given(seeds, st.booleans())
def test_trades_add_up_to_flows_and_pay_their_path(seed, pairs):
    """On the tree no trade runs against the net flow: the flow is also the gross energy over each edge."""
    inputs, results = random_positions(seed, pairs)
    trades, data, nodes = bilateral(inputs, results), plain(inputs), inputs["node"].values.tolist()
    start, end = node_of(trades, inputs, "seller"), node_of(trades, inputs, "buyer")
    up, down = np.zeros((2, inputs.sizes["node"], 3))
    moved = np.zeros((inputs.sizes["node"], inputs.sizes["node"], 3))
    slot = np.searchsorted(inputs["time"].values, trades["trade_time"].values)
    for k, energy in enumerate(trades["trade_energy"].values):
        climbed, fallen = path(data, start[k], end[k])
        up[[nodes.index(n) for n in climbed], slot[k]] += energy
        down[[nodes.index(n) for n in fallen], slot[k]] += energy
        moved[nodes.index(start[k]), nodes.index(end[k]), slot[k]] += energy
        cost = fee(data, start[k], end[k])
        received = results["sale_price"].sel(node=start[k])[slot[k]] - data["node_access_fee"][start[k]]
        paid = results["price"].sel(node=end[k])[slot[k]] + data["node_access_fee"][end[k]]
        assert_allclose(trades["trade_fee"][k], cost)
        assert_allclose(trades["trade_price"][k], received)
        assert_allclose(trades["trade_congestion"][k], paid - received - cost, atol=1e-6)
    if pairs:
        assert_allclose(moved, results["node_transfer"] * 0.5, atol=1e-6)
    else:
        assert_allclose(up, results["node_flow"].values.clip(0) * 0.5, atol=1e-6)
        assert_allclose(down, (-results["node_flow"].values).clip(0) * 0.5, atol=1e-6)


def node_of(trades, inputs, side):
    """Return the node of the seller or the buyer of each trade: a guest's is its host's."""
    home = dict(zip(inputs["participant"].values, inputs["participant_node"].values, strict=True))
    place = []
    for k in range(trades.sizes["trade"]):
        car, person = trades[f"trade_{side}_vehicle"].values[k], trades[f"trade_{side}"].values[k]
        time = trades["trade_time"].values[k]
        place.append(home[str(inputs["vehicle_host"].sel(vehicle=car, time=time).values) if car else person])
    return place


@many
@given(seeds, st.booleans())
def test_order_of_the_file_does_not_matter(seed, pairs):
    inputs, results = random_positions(seed, pairs)
    rng = np.random.default_rng(seed)
    shuffled = {d: rng.permutation(inputs.sizes[d]) for d in ("participant", "vehicle", "node")}
    both = shuffled | ({"node_to": shuffled["node"]} if pairs else {})
    other = {d: k for d, k in both.items() if d != "node_to"}
    moved = results.isel(other).isel({"node_to": shuffled["node"]} if pairs else {})
    xr.testing.assert_identical(bilateral(inputs.isel(both), moved), bilateral(inputs, results))


@many
@given(seeds, st.booleans())
def test_a_pair_trades_once_a_slot_in_order(seed, pairs):
    rows = [row[:-1] for row in table(bilateral(*random_positions(seed, pairs)))]
    assert rows == sorted(set(rows))


@many
@given(seeds)
def test_nobody_trades_with_itself_unless_it_must(seed):
    """At one node, a meter that sells s and buys b of a volume v must meet itself for s + b - v only."""
    rng = np.random.default_rng(seed)
    inputs, results = random_positions(seed)
    people = inputs.sizes["participant"]
    inputs["participant_node"] = ("participant", [inputs["node"].values[0]] * people)
    sale, purchase = rng.integers(0, 4, (2, people, 3)).astype(float)
    sale[0] += np.maximum(purchase.sum(0) - sale.sum(0), 0)
    purchase[-1] += np.maximum(sale.sum(0) - purchase.sum(0), 0)
    results = xr.zeros_like(results).assign(
        peer_sale=(("participant", "time"), sale), peer_purchase=(("participant", "time"), purchase)
    )
    alone = np.zeros((people, 3))
    for time, seller, _, buyer, _, energy in table(bilateral(inputs, results)):
        if seller == buyer:
            t = inputs["time"].values.astype(int).tolist().index(time)
            alone[inputs["participant"].values.tolist().index(seller), t] += energy / 0.5
    assert_allclose(alone, np.maximum(sale + purchase - sale.sum(0), 0), atol=1e-6)
