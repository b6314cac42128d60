"""The key that realises a run: what was traded in whole Wh, and meters that are allocated by it get just that."""

import numpy as np
from hypothesis import given
from numpy.testing import assert_array_equal

from otonari.model.settlement.trades import bilateral
from otonari.model.sharing.allocation import allocate
from otonari.model.sharing.coefficients import coefficients
from otonari.model.sharing.traded import traded
from otonari.runs.clear.single import clear

from . import neighbourhood
from .communities import communities, of_examples


def plainly(inputs, trades, label):
    """Return what was traded (meter, meter, time) [Wh], trade by trade."""
    volumes = np.zeros((len(label), len(label), inputs.sizes["time"]), dtype=int)
    meters, times = label.tolist(), inputs["time"].values.tolist()
    for k in range(trades.sizes["trade"]):
        pair = [
            str(trades[f"trade_{side}_vehicle"].values[k]) or str(trades[f"trade_{side}"].values[k])
            for side in ("seller", "buyer")
        ]
        slot = times.index(trades["trade_time"].values[k].item())
        volumes[meters.index(pair[0]), meters.index(pair[1]), slot] += round(
            1000 * float(trades["trade_energy"][k])
        )
    return volumes


def realised(volumes, **options):
    """Return what meters are allocated (producer, member, time) [Wh] by the key of what was traded."""
    options = {"decimals": 9, **options}
    key = coefficients(volumes.injected, volumes.withdrawn, volumes.contracts, **options)
    share = key / 10 ** options["decimals"]
    return key, allocate(volumes.injected, volumes.withdrawn, "matrix", coefficients=share, by_producer=True)


def test_on_paper():
    """anna's 3.5 kWh of slot 0 go to bert and the site; the car buys as a guest in slot 1 and sells in slot 3."""
    inputs, results = neighbourhood.inputs(), neighbourhood.results()
    volumes = traded(inputs, results, bilateral(inputs, results))
    assert volumes.label.tolist() == ["anna", "bert", "site", "car"]
    assert_array_equal(volumes.injected, [[4000, 0, 0, 0], [0] * 4, [0, 2000, 0, 0], [0, 0, 0, 500]])
    assert_array_equal(volumes.withdrawn[3], [0, 2000, 0, 0])
    seller, buyer, slot, energy = volumes.contracts
    assert list(zip(seller, buyer, slot, energy, strict=True)) == [
        (0, 1, 0, 1500),
        (0, 2, 0, 2000),
        (2, 3, 1, 1000),
        (3, 2, 3, 300),
    ]
    key, allocated = realised(volumes, decimals=3)
    assert_array_equal(key[0, :, 0], [0, 375, 500, 0])
    assert allocated[0, :, 0].tolist() == [0, 1500, 2000, 0]


@given(communities())
@of_examples(20)
def test_meters_that_show_what_a_run_plans_get_what_it_traded(inputs):
    tree = clear(inputs)
    results, trades = tree["results"].to_dataset(), tree["trades"].to_dataset()
    volumes = traded(inputs, results, trades)
    key, allocated = realised(volumes)
    assert_array_equal(allocated, plainly(inputs, trades, volumes.label))
    assert (key.sum(axis=1) <= 10**9).all()
    people = inputs.sizes["participant"]
    shown = (results["draw"].values * inputs["slot_hours"].values) * 1000
    within = 1 + trades.sizes["trade"]  # a meter's rounded trades may come to a Wh or so more
    assert (np.abs(volumes.withdrawn[:people] - shown) <= within).all()


def test_what_nobody_bought_may_be_given_to_who_cannot_use_it():
    inputs, results = neighbourhood.inputs(), neighbourhood.results()
    volumes = traded(inputs, results, bilateral(inputs, results))
    _, allocated = realised(volumes, exhaustive=True)
    bought = plainly(inputs, bilateral(inputs, results), volumes.label).sum(axis=0)
    assert_array_equal(allocated.sum(axis=0), bought)
