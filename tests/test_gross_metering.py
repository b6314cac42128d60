"""PV on a meter of its own: whose energy is whose, by hand; three tracers against each other; what the checks see.

By hand: what a PV meter gives is PV, and none of it is used behind the owner's other meter but by way of the market.
"""

import numpy as np
import pytest
from hypothesis import given
from numpy.testing import assert_allclose

from otonari.model.checks import money, physics, tracing
from otonari.model.checks.run import check
from otonari.model.clearing import community_block
from otonari.model.results import collect
from otonari.model.settlement.account_lines import SHARES
from otonari.model.settlement.accounts import settle
from otonari.model.settlement.energy_flows import flows
from otonari.model.settlement.origins import trace
from otonari.model.settlement.tracing import begin
from otonari.model.settlement.trades import bilateral
from otonari.model.solver.solve import solve

from . import counts, tracer
from .communities import communities, community, features, metered_net, of_examples, random_community
from .test_origin import TOLERANCE, slots_of

pytestmark = pytest.mark.thorough

OWN, PEERS, RETAIL = range(3)
USES = ("demand", "driving", "distance")


def homes(pv, demand, neighbour, stored, *, retail=30.0, feed_in=8.0, limit=1.0, slots=1, metering="gross"):
    """Return g, whose battery ends empty, and b, who has demand alone, without fees, in slots of an hour."""
    home = {"node": "n", "tariff": "t"}
    people = {
        "g": {**home, "demand": demand, "pv_available": pv, "metering": metering},
        "b": {**home, "demand": neighbour, "pv_available": 0.0, "metering": "net"},
    }
    battery = {
        "owner": "g",
        "capacity": 4.0,
        "initial_energy": stored,
        "final_energy": 0.0,
        "final_limit": 0.0,
    }
    battery |= {"charge_limit": 2.0, "discharge_limit": limit}
    battery |= {"charge_efficiency": 1.0, "discharge_efficiency": 1.0}
    return community(
        {
            "slots": [1] * slots,
            "nodes": {"n": {"parent": ""}},
            "tariffs": {"t": {"retail_price": retail, "feed_in_price": feed_in}},
            "participants": people,
            "batteries": {} if stored is None else {"battery": battery},
        }
    )


def cleared(inputs, market="p2p"):
    """Return a cleared run as `check` takes it, which finds nothing in it."""
    block, alone = community_block(inputs, market), community_block(inputs, "grid-only")
    solve(block)
    solve(alone)
    results, alone = collect(block), collect(alone)
    trades = bilateral(inputs, results)
    settlement = settle(inputs, results, trades, alone)
    run = {"inputs": inputs, "results": results, "trades": trades, "settlement": settlement}
    run |= {"grid_only": alone}
    assert check(**run) == []
    return run


def account(inputs, market, name="g"):
    """Return the settlement of one account."""
    return cleared(inputs, market)["settlement"].sel(participant=name)


def shares(of):
    return [float(of[name]) for name in ("self_consumption", "self_sufficiency", "renewable_share")]


def origin(of):
    """Return demand by source (slot, source)."""
    return of["demand_from"].transpose("time", "source").values


@pytest.fixture
def discharging():
    """Return 3 of PV, 2 of demand of which a battery covers 1 with retail power, and a neighbour who takes 1."""
    return homes(pv=3.0, demand=2.0, neighbour=1.0, stored=1.0)


def test_alone_nothing_of_its_own_pv_reaches_the_home(discharging):
    """The PV meter exports 3; the home takes 1 out of its battery and draws 1."""
    g = account(discharging, "grid-only")
    assert_allclose(shares(g), [0, 0, 0], atol=1e-9)
    assert_allclose(origin(g), [[0, 0, 2]], atol=1e-9)
    assert float(g["pv_exported"]) == pytest.approx(3)


def test_pv_bought_back_through_the_market_is_own(discharging):
    """The PV meter sells 1 to the home and 1 to the neighbour, and exports 1: 1 of 3 stays, 1 of 2 is own."""
    run = cleared(discharging)["settlement"]
    g, b = (run.sel(participant=name) for name in "gb")
    assert_allclose(shares(g), [1 / 3, 1 / 2, 1 / 2])
    assert_allclose(origin(g), [[1, 0, 1]], atol=1e-9)
    assert_allclose(origin(b), [[0, 1, 0]], atol=1e-9)
    assert float(b["renewable_share"]) == pytest.approx(1)
    assert float(g["pv_exported"]) == pytest.approx(1)


def test_the_same_home_metered_net_uses_its_pv_first():
    """3 of PV and 1 discharged are 4, of which the home uses 2: half of them, three quarters of it PV."""
    g = account(homes(pv=3.0, demand=2.0, neighbour=1.0, stored=1.0, metering="net"), "grid-only")
    assert_allclose(shares(g), [1 / 2, 3 / 4, 3 / 4])
    assert_allclose(origin(g), [[1.5, 0, 0.5]])


@pytest.mark.parametrize(
    ("market", "want", "demand"),
    [("grid-only", [0, 0, 0], [0, 0, 2]), ("p2p", [2 / 3, 1, 1], [2, 0, 0])],
)
def test_pv_without_a_store(market, want, demand):
    """Among peers the PV meter sells 2 to the home and 1 to the neighbour; alone it exports all 3."""
    g = account(homes(pv=3.0, demand=2.0, neighbour=1.0, stored=None), market)
    assert_allclose(shares(g), want, atol=1e-9)
    assert_allclose(origin(g), [demand], atol=1e-9)


def test_both_meters_sell_in_the_proportion_in_which_they_inject():
    """3 come from PV, and 2 from the home, whose battery gives 3 of retail power for a demand of 1.

    Of the 2 that the neighbour buys three fifths are PV, 1.2, and of the 3 exported 1.8.
    """
    run = cleared(homes(pv=3.0, demand=1.0, neighbour=2.0, stored=3.0, limit=3.0))["settlement"]
    g, b = (run.sel(participant=name) for name in "gb")
    assert_allclose(shares(g), [0, 0, 0], atol=1e-9)
    assert_allclose(origin(g), [[0, 0, 1]], atol=1e-9)
    assert_allclose(origin(b), [[0, 1.2, 0.8]])
    assert float(b["renewable_share"]) == pytest.approx(0.6)
    assert float(g["pv_exported"]) == pytest.approx(1.8)
    alone = account(homes(pv=3.0, demand=1.0, neighbour=2.0, stored=3.0, limit=3.0), "grid-only")
    assert float(alone["pv_exported"]) == pytest.approx(3)
    assert_allclose(origin(alone), [[0, 0, 1]], atol=1e-9)


STORING = {"pv": [3.0, 0.0, 2.0], "demand": [0.0, 1.0, 1.0], "neighbour": [1.0, 0.0, 0.0], "stored": 0.0}
STORING |= {"retail": [10.0, 40.0, 40.0], "feed_in": [5.0, 8.0, 8.0], "slots": 3}


def test_pv_that_charges_through_the_market_is_stored_as_own():
    """Of 3 of PV the neighbour buys 1 and the home 2, which it stores and uses 1 by 1; then 2 of PV are exported."""
    g = account(homes(**STORING), "p2p")
    assert_allclose(origin(g), [[0, 0, 0], [1, 0, 0], [1, 0, 0]], atol=1e-9)
    assert_allclose(shares(g), [2 / 5, 1, 1])
    assert float(g["pv_exported"]) == pytest.approx(2)


def test_what_charges_from_the_grid_beside_its_pv_is_retail_power():
    """Alone the PV meter exports 3 while the battery charges 2 of the retailer's; so they stay, beside PV too."""
    g = account(homes(**STORING), "grid-only")
    assert_allclose(origin(g), [[0, 0, 0], [0, 0, 1], [0, 0, 1]], atol=1e-9)
    assert_allclose(shares(g), [0, 0, 0], atol=1e-9)
    assert float(g["pv_exported"]) == pytest.approx(5)


# At random: everybody's PV is metered gross.

some = of_examples(20)


def traced(run):
    """Return what the model's tracer and that of the checks find."""
    facts = physics.Run(run["inputs"], run["results"])
    own = tuple(run[name] for name in ("inputs", "results", "trades"))
    return trace(*own), tracing.followed(facts, money.Trades(facts, run["trades"]))


@some
@given(communities(gross=True))
def test_three_tracers_agree(inputs):
    run = cleared(inputs)
    fast, checked = traced(run)
    used, carbon = tracer.trace(*(run[name] for name in ("inputs", "results", "trades")))
    names = inputs["participant"].values.tolist()
    for use in USES:
        slow = np.zeros((len(names), 3, inputs.sizes["time"]))
        for (what, who, source, t), energy in used.items():
            if what == use:
                column = RETAIL if source == tracer.RETAIL else OWN if source == who else PEERS
                slow[names.index(who), column, t] += energy
        assert_allclose(getattr(fast, f"{use}_from"), slow, **TOLERANCE)
        assert_allclose(checked.by_source[use], slow, **TOLERANCE)
    for what in ("exported", "lost", "held"):
        slow = [sum(v for (u, a, *_), v in used.items() if (u, a) == (what, p)) for p in names]
        assert_allclose(getattr(fast, what), slow, **TOLERANCE)
        assert_allclose(getattr(checked, what), slow, **TOLERANCE)
    assert_allclose(checked.given, fast.given, **TOLERANCE)
    for found in (fast.carbon, checked.carbon):
        assert_allclose(found, [carbon[p] for p in names], **TOLERANCE)


@some
@given(communities(gross=True))
def test_shares_are_parts_and_no_pv_is_made_or_lost_in_a_slot(inputs):
    run = cleared(inputs)
    own = tuple(run[name] for name in ("inputs", "results", "trades"))
    content, people = begin(inputs), inputs.sizes["participant"]
    held = np.zeros(people)
    for t in range(inputs.sizes["time"]):
        part = trace(*slots_of(own, [t]), content)
        assert (part.given >= -1e-9).all()
        assert (part.given <= part.pv + held + 1e-6).all()
        became = part.exported + part.lost + part.held
        for use in ("demand", "driving"):
            assert getattr(part, f"{use}_from").min() >= 0
            became = became + getattr(part, use).toarray()[:, :people].sum(axis=0)
        assert_allclose(became, part.pv + held, rtol=1e-6, atol=1e-6)
        content, held = part.content, part.held


@some
@given(communities(gross=True))
def test_every_meter_uses_and_gives_what_it_gets_in_every_slot(inputs):
    run = cleared(inputs)
    flow = flows(*(run[name] for name in ("inputs", "results", "trades")))
    slots, people = flow.demand.shape
    gets, uses = flow.generated + flow.imported, flow.exported.copy()
    np.add.at(gets, (flow.traded, flow.buyer), flow.energy)
    np.add.at(uses, (flow.traded, flow.seller), flow.energy)
    uses[:, :people] += flow.demand
    store = np.arange(slots)[:, None], flow.behind
    here = np.where(flow.charged + flow.discharged > 0, 1.0, 0.0)  # a vehicle on the road is behind no meter
    np.add.at(uses, store, here * flow.charged)
    np.add.at(gets, store, here * flow.discharged)
    assert_allclose(uses, gets, atol=1e-6)
    apart = np.flatnonzero(np.arange(uses.shape[1]) >= people + inputs.sizes["vehicle"])
    assert flow.account[apart].tolist() == np.flatnonzero(inputs["participant_metering"] == "gross").tolist()
    assert (flow.energy >= 0).all()
    assert (flow.exported >= 0).all()


def test_the_random_communities_hold_what_is_told_apart():
    """Homes that discharge beside PV of their own, on a meter apart, while they draw or while they give."""
    found = {"draws": 0, "gives": 0}
    for seed in counts.all_or(range(1000, 1040), range(1000, 1010)):
        inputs = random_community(seed, gross=True)
        assert "PV metered gross" in features(inputs)
        block = community_block(inputs)
        solve(block)
        facts = physics.Run(inputs, collect(block))
        discharge = facts.behind_meters({"battery": "battery_discharge", "vehicle": "vehicle_discharge"})
        both = (discharge > 1e-3) & (facts.apart > 1e-3)
        main = facts.r["supply"] - facts.apart
        found["gives"] += int((both & (main > 1e-3)).sum())
        found["draws"] += int((both & (main <= 1e-3)).sum())
    assert min(found.values()) >= counts.examples(10), found


# What is published wrongly: one value at a time, and every figure as if the PV were behind the owner's main meter.

PUBLISHED = (
    *SHARES,
    *(f"community_{name}" for name in SHARES),
    *(f"{use}_from" for use in USES),
    *(f"origin_{use}" for use in USES),
    *("pv_exported", "pv_lost", "pv_held", "driving_co2"),
)


@pytest.fixture(scope="module")
def published():
    """Return cleared runs: on paper, and at random, among peers and alone."""
    paper = (homes(pv=3.0, demand=2.0, neighbour=1.0, stored=1.0), homes(**STORING))
    return [
        cleared(inputs, market)
        for inputs in (*paper, *(random_community(seed, gross=True) for seed in (1001, 1004, 1007)))
        for market in ("p2p", "grid-only")
    ]


def names(run, **changed):
    return {violation.check for violation in check(**run | changed)}


@pytest.mark.parametrize("name", PUBLISHED)
def test_every_figure_that_is_wrong_is_found(published, name):
    rng, tried = np.random.default_rng(7), 0
    for run in counts.all_or(published, published[::3]):
        values = run["settlement"][name].values
        for place in rng.permutation(values.size)[: counts.examples(6)]:
            wrong = values.copy()
            old = wrong.reshape(-1)[place]
            wrong.reshape(-1)[place] = 0.5 if np.isnan(old) else old + 0.01
            changed = run["settlement"].assign({name: run["settlement"][name].copy(data=wrong)})
            assert names(run, settlement=changed), (name, place)
            tried += 1
    assert tried >= counts.all_or(10, 4)


def test_shares_as_of_one_meter_are_found(published):
    """Those that this program published before it followed both meters."""
    wrong = dict.fromkeys(PUBLISHED, 0)
    for run in published:
        pooled = metered_net(run["inputs"])
        net = settle(pooled, run["results"], run["trades"], run["grid_only"])
        for name in PUBLISHED:
            if name in ("origin_demand", "origin_driving", "origin_distance"):
                continue  # of other pairs
            if not np.allclose(net[name], run["settlement"][name], atol=1e-4, equal_nan=True):
                found = names(run, settlement=run["settlement"].assign({name: net[name]}))
                assert found, name
                wrong[name] += 1
    assert wrong["self_consumption"] >= 4
    assert wrong["demand_from"] >= 4
    assert wrong["community_self_sufficiency"] >= 4
    assert wrong["pv_exported"] >= 4
