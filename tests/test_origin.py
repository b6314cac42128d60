"""Where energy came from: against a slow tracer, by what must add up, and in parts as at once."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from numpy.testing import assert_allclose

from otonari.model.checks import tracing as checks_tracing
from otonari.model.checks.money import Trades
from otonari.model.checks.physics import Run
from otonari.model.checks.run import check
from otonari.model.clearing import community_block
from otonari.model.results import collect
from otonari.model.settlement import tracing as settlement_tracing
from otonari.model.settlement.accounts import settle
from otonari.model.settlement.origins import SOURCES, trace, variables
from otonari.model.settlement.tracing import Matrix, begin
from otonari.model.settlement.trades import bilateral
from otonari.model.solver.solve import solve

from . import neighbourhood, tracer
from .communities import communities, community, of_examples

few = of_examples(8)
USES = ("demand", "driving", "distance")
TOLERANCE = {"rtol": 1e-6, "atol": 1e-6}


def solved(inputs):
    block = community_block(inputs)
    solve(block)
    results = collect(block)
    return inputs, results, bilateral(inputs, results)


def by_label(inputs, used):
    """Return account -> source -> amount of a matrix of origins."""
    names = [*inputs["participant"].values.tolist(), tracer.RETAIL]
    return {names[i]: dict(zip(names, row, strict=True)) for i, row in enumerate(used.toarray())}


def slots_of(run, part):
    """Return some slots of a run, and the trades in them."""
    inputs, results, trades = run
    here = np.isin(trades["trade_time"].values, inputs["time"].values[part])
    return inputs.isel(time=part), results.isel(time=part), trades.isel(trade=np.flatnonzero(here))


@few
@given(communities())
def test_the_slow_tracer_finds_the_same(inputs):
    run = solved(inputs)
    origins = trace(*run)
    used, carbon = tracer.trace(*run)
    names = inputs["participant"].values.tolist()
    for use in USES:
        fast = by_label(inputs, getattr(origins, use))
        for account in names:
            for source in [*names, tracer.RETAIL]:
                slow = sum(v for (u, a, s, _), v in used.items() if (u, a, s) == (use, account, source))
                assert fast[account][source] == pytest.approx(slow, abs=1e-6), (use, account, source)
        for k, account in enumerate(names):
            for t in range(inputs.sizes["time"]):
                others = sum(used[use, account, name, t] for name in names if name != account)
                slow = used[use, account, account, t], others, used[use, account, tracer.RETAIL, t]
                assert_allclose(getattr(origins, f"{use}_from")[k, :, t], slow, **TOLERANCE)
    for name in ("exported", "lost", "held"):
        slow = [sum(v for (u, a, *_), v in used.items() if (u, a) == (name, p)) for p in names]
        assert_allclose(getattr(origins, name), slow, **TOLERANCE)
    assert_allclose(origins.carbon, [carbon[name] for name in names], **TOLERANCE)


@few
@given(communities())
def test_shares_sum_to_the_meters_and_pv_to_what_became_of_it(inputs):
    _, results, _ = run = solved(inputs)
    origins, people = trace(*run), inputs.sizes["participant"]
    for use in USES:
        assert getattr(origins, use).data.min(initial=0.0) >= 0
        assert getattr(origins, f"{use}_from").min() >= 0
    demand = inputs["demand"].transpose("participant", "time").values * inputs["slot_hours"].values
    assert_allclose(origins.demand_from.sum(axis=1), demand, **TOLERANCE)
    owner = inputs["vehicle_owner"].sel(vehicle=inputs["trip_vehicle"]).values
    for k, name in enumerate(inputs["participant"].values):
        electric = results["trip_electric_distance"].values[owner == name].sum()
        assert_allclose(origins.distance_from[k].sum(), electric, **TOLERANCE)
    became = origins.exported + origins.lost + origins.held
    for use in ("demand", "driving"):
        became = became + getattr(origins, use).toarray()[:, :people].sum(axis=0)
    assert_allclose(became, origins.pv, rtol=1e-6, atol=1e-5)


@few
@given(communities())
def test_slot_after_slot_gives_the_same_as_all_at_once(inputs):
    run = solved(inputs)
    whole, content = trace(*run), begin(inputs)
    for t in range(inputs.sizes["time"]):
        part = trace(*slots_of(run, [t]), content)
        for use in USES:
            assert_allclose(
                getattr(part, f"{use}_from")[:, :, 0], getattr(whole, f"{use}_from")[:, :, t], **TOLERANCE
            )
        content = part.content
    assert_allclose(content.energy.toarray(), whole.content.energy.toarray(), **TOLERANCE)
    assert_allclose(content.carbon, whole.content.carbon, **TOLERANCE)


@pytest.mark.parametrize(("span", "dense"), [(20_000, 0), (1, 10_000), (1, 0), (20, 10_000)])
@few
@given(communities(gross=True))
def test_how_much_is_mixed_at_once_and_by_which_matrices_changes_nothing(span, dense, inputs):
    run = solved(inputs)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(settlement_tracing, "SPAN", span)
        patch.setattr(settlement_tracing, "DENSE", dense)
        patch.setattr(checks_tracing, "_SPAN", span)
        settled, checked = both_traces(*run)
    whole, again = both_traces(*run)
    for one, other in ((settled, whole), (checked, again)):
        assert one.keys() == other.keys()
        for name, values in one.items():
            assert_allclose(values, other[name], rtol=1e-9, atol=1e-9, err_msg=name)
    for name in settled:
        assert_allclose(settled[name], checked[name], **TOLERANCE, err_msg=name)


def both_traces(inputs, results, trades):
    """Return what the settlement's tracer, and that of the checks, say of a run, by name."""
    run = Run(inputs, results)
    settled, checked = trace(inputs, results, trades), checks_tracing.followed(run, Trades(run, trades))
    names = ("exported", "lost", "held", "given", "carbon")
    one, other = ({name: getattr(by, name) for name in names} for by in (settled, checked))
    for use in USES:
        one |= {use: getattr(settled, use).toarray(), f"{use}_from": getattr(settled, f"{use}_from")}
        other |= {use: checked.by_producer[use].toarray(), f"{use}_from": checked.by_source[use]}
    return one, other


# On paper: the neighbourhood.


def paper(inputs=None, results=None):
    inputs = neighbourhood.inputs() if inputs is None else inputs
    results = neighbourhood.results() if results is None else results
    return inputs, trace(inputs, results, bilateral(inputs, results))


def test_every_kwh_of_the_neighbourhood_by_hand():
    """Per account: anna's, bert's and the site's PV, and retail.

    anna's battery holds 1 of unknown origin and 0.8 of her own when it gives 0.4 in slot 1. Of the 3 kWh that bert uses
    in slot 0 anna sold him half. The car then holds 2 unknown, 0.5 of anna's, 0.5 of retail; in slot 1 comes 1 of the
    site's and 1 of retail: 5 kWh, of which a tenth is anna's and a fifth the site's. It drives 4 of them and gives 0.3
    to the site and 0.2 away.
    """
    _, origins = paper()
    stored = 0.4 * 0.8 / 1.8
    assert_allclose(
        origins.demand.toarray(),
        [[1 + stored, 0, 0, 3 - stored], [1, 0, 0, 7], [2 + 0.03, 0, 3 + 0.06, 7 - 0.09]],
    )
    assert_allclose(origins.driving.toarray(), [[0] * 4, [0.4, 0, 0.8, 2.8], [0] * 4])
    assert_allclose(origins.distance.toarray()[1], [2, 0, 4, 14])
    assert_allclose(origins.demand_from[2, :, 0], [0, 2, 1])
    assert_allclose(origins.driving_from[1, :, 2], [0, 1.2, 2.8])
    assert_allclose(origins.exported, [0.5 + 0.02, 0, 1 + 0.04])
    assert_allclose(origins.lost, [0.2 + stored, 0, 0])
    assert_allclose(origins.held, [0.8 - 2 * stored + 0.05, 0, 0.1])
    assert_allclose(origins.given, [4, 0, 2])


def test_carbon_goes_where_the_energy_goes():
    """2 kWh at the mean of 0.5 kg, 0.5 of 1 kWh in slot 0, 1 of 2 in slot 1: 1.75 kg in 5 kWh, 4 of them driven."""
    _, origins = paper()
    assert_allclose(origins.carbon, [0, 1.4, 0])
    assert_allclose(origins.content.carbon[1], 1.75 - 1.4 - 0.5 * 0.35)


def test_charging_lets_no_carbon_go():
    """At 80 % each way, 2.5 kWh of retail power at 0.5 kg is in the 1 kWh that the battery gives back: 1.25 kg, less
    what it held at the start."""
    inputs = one_home(grid_carbon=0.5)
    results = positions(inputs, grid_import=[2.5, 0], battery_charge=[2.5, 0], battery_discharge=[0, 1.6])
    results["grid_export"][0, 1] = 1.6
    first = trace(*slots_of((inputs, results, bilateral(inputs, results)), [0]), begin(inputs))
    assert_allclose(first.content.carbon, [1.25])
    assert_allclose(first.content.energy.toarray(), [[0, 2]])
    assert_allclose(trace(inputs, results, bilateral(inputs, results)).content.carbon, [0])


def test_what_passes_through_a_store_never_leaves_its_meter():
    """It holds nothing, takes 2 of PV and gives 1 at once: it takes 1, of which 0.8 go in and 0.45 are lost at once."""
    inputs = one_home(pv=[2, 0])
    results = positions(inputs, battery_charge=[2, 0], battery_discharge=[1, 0])
    results["grid_export"][0, 0] = 1
    origins = trace(inputs, results, bilateral(inputs, results))
    assert_allclose(origins.held, [0.8 - 0.45])
    assert_allclose(origins.exported, [1])
    assert_allclose(origins.lost, [2 - 1 - 0.35])


def test_what_a_meter_gives_beyond_its_sources_is_resold_retail_power():
    """2 of PV; 2.5 taken, 1.6 given, which leaves nothing stored: the meter has no source but PV, gives 3, draws 1.9.

    Of the 3 that it gives 2 are PV; what it uses is all drawn from the retailer.
    """
    inputs = one_home(pv=[2, 0])
    results = positions(inputs, battery_charge=[2.5, 0], battery_discharge=[1.6, 0])
    results["grid_export"][0, 0], results["grid_import"][0, 0] = 3, 1.9
    origins = trace(inputs, results, bilateral(inputs, results))
    assert_allclose(origins.exported, [2])
    assert_allclose([origins.lost, origins.held], [[0], [0]], atol=1e-12)


def test_carbon_of_what_passes_through_an_empty_store_is_not_kept():
    """2.5 of retail power pass through the empty car. Then it takes 1.25 at 0.5 kg, and drives 1 kWh: 0.625 kg."""
    car = {"owner": "home", "host": ["home", "home", ""], "capacity": 4, "initial_energy": 0}
    car |= {"charge_limit": 4, "discharge_limit": 4, "charge_efficiency": 0.8, "discharge_efficiency": 0.8}
    car |= {"electric_economy": 5, "fuel_economy": 10, "fuel_price": 150, "fuel_carbon": 2}
    trip = {"vehicle": "car", "departure": 2.25, "arrival": 2.75, "distance": 5}
    inputs = one_home(
        slots=[1, 1, 1], batteries={}, vehicles={"car": car}, trips={"trip": trip}, grid_carbon=0.5
    )
    rows = {"vehicle_charge": [2.5, 1.25, 0], "vehicle_discharge": [1.6, 0, 0], "vehicle_energy": [0, 1, 0]}
    results = positions(inputs, grid_import=[2.5, 1.25, 0], grid_export=[1.6, 0, 0], **rows)
    results["trip_electric_distance"][0] = 5
    trades = bilateral(inputs, results)
    assert_allclose(trace(inputs, results, trades).carbon, [0.625])
    results["draw"][:], results["supply"][:] = results["grid_import"], results["grid_export"]
    settlement = settle(inputs, results, trades, results)
    assert_allclose(settlement["driving_co2"], [0.625])
    found = {violation.check for violation in check(inputs, results, trades, settlement)}
    assert not {name for name in found if name.startswith(("origin", "driving_co2"))}


def one_home(pv=(0, 0), **extra):
    """Return a home without demand for two hours, with an empty battery of 80 % each way."""
    battery = {"owner": "home", "capacity": 4, "initial_energy": 0, "charge_limit": 4, "discharge_limit": 4}
    battery |= {"charge_efficiency": 0.8, "discharge_efficiency": 0.8}
    home = {"node": "n", "tariff": "t", "demand": 0, "pv_available": list(pv) if any(pv) else 0}
    tariff = {"retail_price": 30, "feed_in_price": 8}
    case = {
        "slots": [1, 1],
        "nodes": {"n": {"parent": ""}},
        "tariffs": {"t": tariff},
        "batteries": {"battery": battery},
    }
    return community({**case, "participants": {"home": home}, **extra})


def positions(inputs, **rows):
    """Return results in which everything is nothing, but for some rows of the home or its battery."""
    block = community_block(inputs)
    solve(block)
    results = collect(block)
    results = results.map(lambda array: array * 0.0)
    for name, row in rows.items():
        results[name][0] = row
    return results


def test_own_pv_comes_back_as_own():
    """The site's car: what it gives to its owner of what the site sold it is the site's own again."""
    inputs, results = neighbourhood.inputs(), neighbourhood.results()
    _, origins = paper(inputs, results)
    assert_allclose(origins.demand_from[2, :, 3], [0.06, 0.03, 2.91])


def test_the_settlement_lists_who_used_whose_pv():
    inputs, origins = paper()
    found = {name: values for name, (_, values, _) in variables(inputs, origins).items()}
    pairs = list(zip(found["origin_consumer"], found["origin_producer"], strict=True))
    assert pairs == [("anna", "anna"), ("bert", "anna"), ("bert", "site"), ("site", "anna"), ("site", "site")]
    assert_allclose(found["origin_driving"], [0, 0.4, 0.8, 0, 0])
    assert_allclose(found["origin_demand"][3:], [2.03, 3.06])
    assert found["demand_from"].shape == (3, len(SOURCES), 4)


def test_noise_of_a_sum_makes_no_row():
    inputs, origins = paper()
    noise = np.zeros((3, 4))
    noise[1, 1] = 1.5e-16  # bert has no PV
    found = variables(inputs, replace(origins, demand=Matrix(origins.demand.toarray() + noise)))
    for name in ("origin_consumer", "origin_producer", "origin_demand"):
        assert len(found[name][1]) == 5
    assert ("bert", "bert") not in set(
        zip(found["origin_consumer"][1], found["origin_producer"][1], strict=True)
    )
