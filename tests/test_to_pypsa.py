"""The same community as a PyPSA network: equal least costs and prices, and what PyPSA cannot hold is refused by name."""

from importlib.util import find_spec

import numpy as np
import pyomo.environ as pyo
import pytest

import otonari
from otonari.data.problems import InputError
from otonari.model.hosts import expressible
from otonari.model.hosts.pypsa_network import state

from . import counts
from .communities import community, random_community
from .test_tank_pages import STREET as TANKS

needs_pypsa = pytest.mark.skipif(not find_spec("pypsa"), reason="install the extra hosts for pypsa")
pytestmark = pytest.mark.filterwarnings(
    "ignore::FutureWarning", "ignore::DeprecationWarning"
)  # of PyPSA's own
EXACT = {"output_flag": False, "threads": 1, "mip_rel_gap": 1e-8}
HOME = {"node": "street", "tariff": "t", "demand": [1.0, 1.0]}
STREET = {
    "slots": [1.0, 0.5],
    "nodes": {"street": {"parent": "", "access_fee": 1.0}},
    "tariffs": {"t": {"retail_price": 30, "feed_in_price": 8}},
    "participants": {"a": HOME | {"pv_available": [4.0, 0.0]}, "b": HOME | {"demand": [2.0, 2.0]}},
}

BOILER = TANKS["heat_pumps"]["boiler"] | {"cop": [3.0, 2.0, 4.0]}
TANKS_AND_TASKS = TANKS | {"heat_pumps": {"boiler": BOILER}}


def optimized(inputs, market="p2p"):
    """Return the network of a community, solved by PyPSA itself."""
    network = otonari.to_pypsa(inputs, market)
    status = network.optimize(solver_name="highs", solver_options=EXACT, io_api="direct", progress=False)
    assert status == ("ok", "optimal")
    return network


def least(inputs, market="p2p"):
    block = otonari.community_block(inputs, market)
    otonari.solve(block, mip_gap=1e-8)
    return pyo.value(block.cost)


@needs_pypsa
@pytest.mark.slow
@pytest.mark.parametrize("market", ["p2p", "grid-only"])
@pytest.mark.parametrize("kind", ["", "crossing", "min_charge", "gross", "terms", "heat", "loads"])
@pytest.mark.parametrize("seed", range(6))
def test_random_communities_cost_the_same_in_pypsa(seed, kind, market):
    inputs = random_community(seed, **({kind: True} if kind else {}))
    if "battery_target_price" in inputs:  # what PyPSA cannot hold
        inputs = inputs.drop_vars(["battery_target_price", "vehicle_target_price"], errors="ignore")
        inputs = inputs.drop_vars(["battery_target", "vehicle_target", "inverter_limit"], errors="ignore")
    if "trade_fee" in inputs:
        inputs["node_limit"][:] = np.inf
    assert optimized(inputs, market).objective == pytest.approx(least(inputs, market), rel=1e-6, abs=1e-5)


@needs_pypsa
@pytest.mark.slow
@pytest.mark.parametrize("scenario", ["six-kinds", "higashi-fuji", "feeder", "all-electric"])
def test_the_bundled_scenarios_cost_the_same_in_pypsa(scenario):
    inputs = otonari.build_inputs(otonari.load_scenario(scenario))
    assert optimized(inputs).objective == pytest.approx(least(inputs), rel=1e-6)


@needs_pypsa
def test_a_street_is_as_on_paper():
    """The neighbour's 2 kW come from 3 kW of surplus, at two access fees; in the second slot the retailer serves all."""
    network = optimized(community(STREET))
    assert network.objective == pytest.approx(2 * 2 * 1.0 - 1 * 8 + 0.5 * 3 * 30)
    assert network.links_t.p0["sale a"].tolist() == pytest.approx([2.0, 0.0])
    assert network.links_t.p0["import b"].tolist() == pytest.approx([0.0, 2.0])
    price = network.buses_t.marginal_price["node street"]
    assert price.tolist()[0] == pytest.approx(
        8 + 1
    )  # one more watt offered brings the retailer's feed-in less


@needs_pypsa
def test_tanks_and_tasks_are_as_in_the_clearing():
    """A run, energy by a deadline, demand left off and a tank; a store cannot end a run between its steps."""
    inputs = community(TANKS_AND_TASKS)
    network = optimized(inputs)
    assert network.objective == pytest.approx(least(inputs), rel=1e-8)
    assert network.links_t.p0["run wash from 2025-07-01T00:00"].tolist() == pytest.approx([2.0, 0.5, 0.0])
    assert network.generators_t.p["left off leave"].tolist() == pytest.approx([0.0, 1.0, 0.0])


@needs_pypsa
def test_a_meter_does_not_sell_what_it_buys_in_the_same_slot():
    """Feed-in above retail: PV goes out whole or serves the home, as one direction per meter and slot wants it."""
    case = STREET | {"tariffs": {"t": {"retail_price": 10, "feed_in_price": 40}}}
    inputs = community(case | {"batteries": {"b": BATTERY}})
    network = optimized(inputs)
    assert network.objective == pytest.approx(least(inputs), rel=1e-8)
    draw, give = network.links_t.p0["draw a"], network.links_t.p0["give a"]
    assert (np.minimum(draw, give) < 1e-6).all()


BATTERY = {
    "owner": "a",
    "capacity": 4.0,
    "initial_energy": 1.0,
    "charge_limit": 3.0,
    "discharge_limit": 3.0,
    "charge_efficiency": 0.9,
    "discharge_efficiency": 0.9,
}


@pytest.mark.parametrize("seed", counts.all_or(range(2), [0]))
def test_a_statement_names_every_component_once_and_every_bus_that_it_uses(seed):
    """What `to_pypsa` hands to a network, held here without one."""
    seen = {}

    def add(component, names, **values):
        assert len(set(names)) == len(names)
        assert not set(seen.setdefault(component, {})) & set(names)
        for name, value in values.items():
            assert not isinstance(value, np.ndarray) or value.shape[-1] == len(names), (component, name)
        columns = {name: value if isinstance(value, list) else None for name, value in values.items()}
        for k, label in enumerate(names):
            seen[component][label] = {name: value[k] for name, value in columns.items() if value}

    for kind in ("crossing", "min_charge", "gross", "terms", "heat", "loads"):
        seen.clear()
        state(add, random_community(seed, **{kind: True}), "p2p")
        ends = {
            bus for part in seen.values() for row in part.values() for k, bus in row.items() if "bus" in k
        }
        assert ends - {""} <= set(seen["Bus"]), kind
        assert any(name.startswith("purchase ") for name in seen["Link"]) or kind in ("min_charge", "loads")


def test_a_run_is_a_link_of_its_own_and_a_heat_pump_has_its_cop():
    """The washer's two steps begin with the first slot or the second; a link is on in its slots, and in none else."""
    links = {}

    def add(component, names, **values):
        if component == "Link":
            links.update({name: {key: np.asarray(v).T for key, v in values.items()} for name in names})
            for k, name in enumerate(names):
                links[name] = {
                    key: v[k] if np.ndim(v) and len(v) == len(names) else v for key, v in links[name].items()
                }

    state(add, community(TANKS_AND_TASKS), "p2p")
    begins = [f"run wash from 2025-07-01T0{hour}:00" for hour in (0, 1)]
    assert [name for name in links if name.startswith("run")] == begins
    assert links[begins[0]]["p_max_pu"].tolist() == [1.0, 0.25, 0.0]
    assert links[begins[0]]["p_min_pu"].tolist() == [1.0, 0.25, 1.0]
    assert (links[begins[0]]["p_nom"], links[begins[0]]["min_up_time"]) == (2.0, 2)
    assert links["heat pump boiler"]["efficiency"].tolist() == [3.0, 2.0, 4.0]


def test_what_pypsa_cannot_hold_is_refused_by_name():
    store = BATTERY | {"target": [np.nan, 2.0], "target_price": 5.0, "gives": "home"}
    people = STREET["participants"]
    limited = {"a": people["a"] | {"inverter_limit": 2.0}, "b": people["b"] | {"inverter_limit": np.inf}}
    nodes = {"street": {"parent": ""}, "lane": {"parent": "street", "limit": 1.0}}
    fees = {i: dict.fromkeys(nodes, 1.0) for i in nodes}
    case = STREET | {"participants": limited, "batteries": {"b": store}, "nodes": nodes, "trade_fee": fees}
    inputs = community(case)
    inputs = inputs.assign(peak_tariff=("peak", ["t"]), peak_price=("peak", [100.0])).assign_coords(
        peak=["p"]
    )
    with pytest.raises(InputError) as refused:
        expressible.require_expressible(inputs)
    fields = [problem.field for problem in refused.value.problems]
    assert sorted(fields) == [
        "battery_target_price",
        "inverter_limit",
        "node_limit",
        "peak_price",
        "peak_tariff",
    ]


def test_another_market_or_no_pypsa_is_said():
    inputs = community(STREET)
    with pytest.raises(ValueError, match="got 'quoted', want one of p2p, grid-only"):
        otonari.to_pypsa(inputs, "quoted")
    if not find_spec("pypsa"):
        with pytest.raises(InputError, match=r"pip install 'otonari\[hosts\]'"):
            otonari.to_pypsa(inputs)
