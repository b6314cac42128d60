"""Marginal values: each is what one more unit changes when the market is cleared again, and is stored with the run."""

from itertools import product

import netCDF4
import numpy as np
import pytest

from otonari.data.inputs.contract import optional
from otonari.data.problems import InputError
from otonari.model import clearing, results
from otonari.model.errors import SolveError
from otonari.model.marginal_values import marginal_values
from otonari.model.solver import solve
from otonari.runs.clear import single
from otonari.runs.store import netcdf, run_file, run_format
from otonari.runs.store.atomic_file import RunFileError

from . import counts
from .communities import community, random_community

STEP = 1e-3
"""One more unit, small enough to leave the basis of most optima."""


def cleared(inputs, market="p2p"):
    """Return the cost of the optimum, its marginal values, and how many directions were decided in it."""
    block = clearing.community_block(inputs, market)
    solution = solve.solve(block)
    collected = results.collect(block)
    price = collected["price"].values if "price" in collected else None
    return solution.objective, marginal_values(block, price), solution.directions


def slopes(inputs, cost, name, place, market):
    """Return what one unit less, and one more, of an entry of the inputs changes [currency]; nothing where it cannot."""
    found = []
    for step in (-STEP, STEP):
        changed = inputs.copy(deep=True)
        changed[name].values[place] += step
        try:
            found.append(
                (cleared(changed, market)[0] - cost) / step if changed[name].values[place] >= 0 else None
            )
        except (InputError, SolveError):  # no such input, or no such market
            found.append(None)
    return found


def require_between(value, less, more):
    """A convex cost has every dual between its slopes on both sides."""
    assert less is None or less <= value + 1e-4
    assert more is None or value <= more + 1e-4


def drawn(seed):
    """Return entries of the inputs of a seed, drawn at random: name, place, and the marginal value that it is."""
    inputs, rng = random_community(seed), np.random.default_rng(seed)
    hours, sizes = inputs["slot_hours"].values, inputs.sizes
    p, t = (int(rng.integers(sizes[d])) for d in ("participant", "time"))
    yield "demand", (p, t), lambda v: v["meter_value"].values[p, t] * hours[t]
    for way in ("import", "export"):
        if np.isfinite(inputs[f"{way}_limit"].values[p]):
            yield f"{way}_limit", p, lambda v, way=way: -v[f"{way}_limit_value"].values[p].sum()
    for device in ("battery", "vehicle"):
        if sizes[device]:
            s = int(rng.integers(sizes[device]))
            kept = (1 - optional(inputs, f"{device}_self_discharge")[s]) ** (hours[0] / 24)
            yield (
                f"{device}_initial_energy",
                s,
                lambda v, d=device, s=s, k=kept: -k * v[f"{d}_energy_value"].values[s, 0],
            )


RUNS = [*product(range(60), ["p2p", "grid-only"])]


@pytest.mark.parametrize(
    ("seed", "market"), counts.all_or(RUNS, [(10, "p2p"), (30, "p2p"), (2, "grid-only")])
)
def test_a_value_is_what_one_more_unit_changes(seed, market):
    inputs = random_community(seed)
    cost, values, directions = cleared(inputs, market)
    if directions:
        pytest.skip("directions that are decided again may cost less than those that are kept")
    for name, place, value in drawn(seed):
        require_between(value(values), *slopes(inputs, cost, name, place, market))


@pytest.mark.parametrize(("seed", "place"), [(6, (3, 2)), (10, (4, 2))])
def test_the_value_at_a_meter_whose_direction_is_decided_or_that_rests(seed, place):
    """Here demand stands in the rows of the direction as well, and who rests may draw: found by clearing again."""
    inputs = random_community(seed)
    cost, values, _ = cleared(inputs)
    hours = inputs["slot_hours"].values[place[1]]
    _, more = slopes(inputs, cost, "demand", place, "p2p")
    assert values["meter_value"].values[place] * hours == pytest.approx(more, abs=1e-4)


HOME = {
    "slots": [1, 0.5],
    "nodes": {"n": {"parent": ""}},
    "tariffs": {"t": {"retail_price": [10, 40], "feed_in_price": 5}},
    "participants": {
        "home": {"node": "n", "tariff": "t", "demand": [1, 2], "pv_available": 0, "import_limit": 3}
    },
    "batteries": {
        "b": {
            "owner": "home",
            "capacity": 9,
            "min_energy": 0,
            "initial_energy": 0,
            "final_energy": 0,
            "charge_limit": 9,
            "discharge_limit": 9,
            "charge_efficiency": 0.8,
            "discharge_efficiency": 0.5,
            "wear_cost": 0,
        }
    },
}


def test_values_on_paper():
    """A kWh in the battery saves 0.5 kWh at 40, so 20; a kW of connection in slot 0 is 0.8 kWh for 10: 16 - 10.

    2 kW are free beside the demand of slot 0: 1.6 kWh in store, 0.8 of the 1 kWh of slot 1.
    """
    cost, values, _ = cleared(community(HOME), "grid-only")
    assert cost == pytest.approx(3 * 10 + 0.2 * 40)
    np.testing.assert_allclose(values["battery_energy_value"], [[20, 20]])
    np.testing.assert_allclose(values["import_limit_value"], [[6, 0]], atol=1e-9)
    np.testing.assert_allclose(values["meter_value"], [[16, 40]])
    assert values["import_limit_value"].attrs["units"] == "JPY/kW"


def test_they_are_stored_beside_the_run_and_do_not_identify_it(tmp_path):
    tree, path = single.clear(community(HOME), "grid-only"), tmp_path / "run.nc"
    netcdf.write_run(tree, path)
    again = run_file.open_run(path)
    assert again[run_format.MARGINAL].to_dataset().identical(tree[run_format.MARGINAL].to_dataset())
    other = tree.copy(deep=True)
    other[run_format.MARGINAL]["meter_value"].values[:] += 1
    assert netcdf.write_run(other, path) is None  # the same run: there is nothing to keep
    without = run_format.as_tree(*(tree[g].to_dataset() for g in run_format.GROUPS))
    without.attrs = dict(tree.attrs)
    netcdf.write_run(without, path)  # as runs of earlier versions are
    assert list(run_file.open_run(path).children) == list(run_format.GROUPS)


def test_an_altered_value_is_found(tmp_path):
    path = tmp_path / "run.nc"
    netcdf.write_run(single.clear(community(HOME), "grid-only"), path)
    with netCDF4.Dataset(path, "a") as file:
        file[run_format.MARGINAL]["meter_value"][0, 0] = 17.0
    with pytest.raises(RunFileError, match="marginal_digest"):
        run_file.open_run(path)


def test_who_does_not_plan_has_none():
    assert run_format.MARGINAL not in single.clear(community(HOME), "unmanaged").children
