"""What must hold for every community: nobody loses by trading, and no label, order or unit matters.

Hypothesis draws small random communities; the examples are the same in every run.
"""

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from otonari.model.clearing import community_block
from otonari.model.solver.solve import solve
from otonari.runs.clear.single import clear

from . import oracle
from .communities import communities, of_examples

few = of_examples(15)
SAME = {"rel": 1e-6, "abs": 1e-6}
SLACK = 1e-6
MONEY = ("retail_price", "feed_in_price", "node_fee", "node_access_fee", "trade_fee", "fuel_price")
MONEY += ("battery_wear_cost", "vehicle_wear_cost")


def cost(inputs: xr.Dataset, market: str = "p2p") -> float:
    return solve(community_block(inputs, market=market)).objective


def settled(inputs: xr.Dataset) -> xr.Dataset:
    return clear(inputs, market="p2p")["settlement"].to_dataset()


def with_tree(inputs: xr.Dataset) -> xr.Dataset:
    """Return the inputs without fees per pair of nodes, so that the tree's fees count."""
    return inputs.drop_vars("trade_fee", errors="ignore").drop_dims("node_to", errors="ignore")


def filled(inputs: xr.Dataset, **values: float) -> xr.Dataset:
    """Return the inputs with variables set to one value everywhere."""
    return inputs.assign({name: inputs[name].where(False, value) for name, value in values.items()})


@few
@given(communities())
def test_community_costs_no_more_than_grid_only(inputs):
    assert cost(inputs) <= cost(inputs, "grid-only") + SLACK


@few
@given(communities())
def test_grid_only_is_the_sum_of_every_participant_alone(inputs):
    """A participant with its own devices, cleared without the others, costs what it costs among them."""
    together = clear(inputs, market="grid-only")["settlement"]["bill"]
    for k, participant in enumerate(inputs["participant"].values):
        own = {
            device: np.flatnonzero(inputs[f"{device}_owner"].values == participant)
            for device in ("battery", "vehicle")
        }
        others = filled(inputs.isel(own), demand=0.0, pv_available=0.0)
        vehicles = others["vehicle"].values
        others = others.isel(trip=np.flatnonzero(np.isin(others["trip_vehicle"].values, vehicles)))
        for name in ("demand", "pv_available"):
            others[name].values[k] = inputs[name].values[k]
        assert cost(others, "grid-only") == pytest.approx(float(together[k]), **SAME)


@few
@given(communities())
def test_nobody_pays_more_than_grid_only(inputs):
    settlement = settled(inputs)
    assert (settlement["bill"] <= settlement["bill_grid_only"] + 1e-5).all()
    assert np.allclose(settlement["saving"], settlement["bill_grid_only"] - settlement["bill"])


@few
@given(communities())
def test_prices_leave_nobody_a_better_deal(inputs):
    """Who imports could not have bought for less, who exports could not have sold for more, and vice versa."""
    tree = clear(inputs, market="p2p")
    node, tariff = {"node": inputs["participant_node"]}, {"tariff": inputs["participant_tariff"]}
    results, access = tree["results"].to_dataset(), inputs["node_access_fee"].sel(node)
    buying = (results["price"].sel(node) + access).transpose("participant", "time")
    selling = (results["sale_price"].sel(node) - access).transpose("participant", "time")
    retail, feed_in = inputs["retail_price"].sel(tariff), inputs["feed_in_price"].sel(tariff)
    some = 1e-5
    assert not ((results["grid_import"] > some) & (buying < retail - some)).any()
    assert not ((results["peer_purchase"] > some) & (buying > retail + some)).any()
    assert not ((results["grid_export"] > some) & (selling > feed_in + some)).any()
    assert not ((results["peer_sale"] > some) & (selling < feed_in - some)).any()


@few
@given(communities())
def test_money_is_zero_sum(inputs):
    """What buyers pay, sellers, network and congestion receive; the rest of the bills is the cost."""
    total = settled(inputs).sum()
    received = total["peer_revenue"] + total["network_fee"] + total["congestion_rent"]
    assert float(total["peer_cost"]) == pytest.approx(float(received), **SAME)
    assert float(total["bill"] - total["congestion_rent"]) == pytest.approx(cost(inputs), **SAME)
    assert float(total["congestion_rent"]) >= -SLACK


@few
@given(communities(), st.randoms(use_true_random=False))
def test_order_of_entries_does_not_matter(inputs, random):
    """Permuting participants, devices, trips, nodes and tariffs permutes the bills."""
    order = {}
    for dim in ("participant", "battery", "vehicle", "trip", "tariff", "node"):
        order[dim] = random.sample(range(inputs.sizes[dim]), inputs.sizes[dim])
    if "trade_fee" in inputs:
        order["node_to"] = order["node"]
    a, b = settled(inputs), settled(inputs.isel(order)).sel(participant=inputs["participant"].values)
    for name in ("bill", "bill_grid_only"):
        np.testing.assert_allclose(a[name], b[name], rtol=1e-6, atol=1e-5, err_msg=name)


@few
@given(communities())
def test_labels_do_not_matter(inputs):
    """Renamed in reverse alphabetical order, everybody pays the same."""
    names = inputs["participant"].values
    new = dict(zip(names, [f"z{len(names) - k}" for k in range(len(names))], strict=True)) | {"": ""}
    renamed = inputs.assign_coords(participant=[new[n] for n in names])
    for name in ("battery_owner", "vehicle_owner", "vehicle_host"):
        labels = [new[n] for n in inputs[name].values.ravel()]
        shaped = np.array(labels, dtype="<U24").reshape(inputs[name].shape)
        renamed[name] = inputs[name].copy(data=shaped)
    bill = settled(inputs)["bill"].values
    np.testing.assert_allclose(settled(renamed)["bill"].values, bill, rtol=1e-6, atol=1e-5)


@few
@given(communities(), st.sampled_from([0.01, 3.0, 150.0]))
def test_scaling_all_prices_scales_cost_and_bills(inputs, factor):
    scaled = inputs.assign({name: inputs[name] * factor for name in MONEY if name in inputs})
    assert cost(scaled) == pytest.approx(factor * cost(inputs), rel=1e-6, abs=1e-6 * factor)
    np.testing.assert_allclose(
        settled(scaled)["bill"], factor * settled(inputs)["bill"], rtol=1e-6, atol=1e-5 * factor
    )


@few
@given(communities(), st.sampled_from([0.5, 4.0]))
def test_scaling_all_energies_scales_cost(inputs, factor):
    """Twice everything that is kW, kWh or km costs twice as much, at the same prices."""
    units = ("kW", "kWh", "km")
    sized = {name: a * factor for name, a in inputs.data_vars.items() if a.attrs.get("units") in units}
    assert cost(inputs.assign(sized)) == pytest.approx(factor * cost(inputs), **SAME)


@few
@given(communities())
def test_without_fees_and_limits_the_network_is_a_copper_plate(inputs):
    free = filled(with_tree(inputs), node_fee=0.0, node_access_fee=0.0, node_limit=np.inf)
    root = str(free["node"].values[free["node_parent"].values == ""][0])
    plate = free.assign(participant_node=free["participant_node"].where(False, root))
    assert cost(free) == pytest.approx(cost(plate), **SAME)


@few
@given(communities())
def test_tree_equals_its_fees_written_out_per_pair(inputs):
    """Fees per pair of nodes that add up the tree's paths give the tree's market: cost and bills."""
    tree = filled(with_tree(inputs), node_limit=np.inf)
    data, nodes = oracle.plain(filled(tree, node_access_fee=0.0)), tree["node"].values.tolist()
    fees = [[oracle.fee(data, i, j) for j in nodes] for i in nodes]
    pairs = tree.assign_coords(node_to=tree["node"].values)
    pairs["trade_fee"] = (("node", "node_to"), np.array(fees, dtype=float))
    assert cost(pairs) == pytest.approx(cost(tree), **SAME)
    np.testing.assert_allclose(settled(pairs)["bill"], settled(tree)["bill"], rtol=1e-6, atol=1e-5)


@few
@given(communities())
def test_more_pv_never_costs_more(inputs):
    """PV may be switched off, so a kWh more of it can only help."""
    assert cost(inputs.assign(pv_available=inputs["pv_available"] + 1)) <= cost(inputs) + SLACK


@few
@given(communities(), st.sampled_from(["node_fee", "node_access_fee", "trade_fee", "battery_wear_cost"]))
def test_higher_fees_never_cost_less(inputs, name):
    if name in inputs:
        assert cost(inputs.assign({name: inputs[name] + 1})) >= cost(inputs) - SLACK


@few
@given(communities(), st.sampled_from(["import_limit", "export_limit", "node_limit"]))
def test_wider_limits_never_cost_more(inputs, name):
    assert cost(inputs.assign({name: inputs[name] * 1.5 + 0.1})) <= cost(inputs) + SLACK


@few
@given(communities())
def test_a_prohibitive_fee_leaves_grid_only(inputs):
    dear = filled(with_tree(inputs), node_access_fee=1000.0)
    assert cost(dear) == pytest.approx(cost(dear, "grid-only"), **SAME)


@few
@given(communities())
def test_cutting_slots_in_halves_never_costs_more(inputs):
    """Whatever was possible in a slot is possible in its halves (trips and a climb to the limits aside)."""
    whole = within_limits(inputs).isel(trip=[])
    twice = np.repeat(np.arange(whole.sizes["time"]), 2)
    halves = whole.drop_vars("time").isel(time=twice)
    starts = whole["time"].values[twice]
    starts[1::2] += np.round(whole["slot_hours"].values * 1.8e12).astype("timedelta64[ns]")
    halves = halves.assign_coords(time=starts)
    halves["slot_hours"] = halves["slot_hours"] / 2
    assert cost(halves) <= cost(whole) + SLACK


def within_limits(inputs: xr.Dataset) -> xr.Dataset:
    """Return the inputs with every battery and vehicle starting between its minimum and its capacity."""
    clipped = {}
    for device in ("battery", "vehicle"):
        low, high = inputs[f"{device}_min_energy"], inputs[f"{device}_capacity"]
        clipped[f"{device}_initial_energy"] = inputs[f"{device}_initial_energy"].clip(low, high)
    return inputs.assign(clipped)
