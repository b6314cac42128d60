"""Lots laid side by side, by hand: overlaps, what is cut off, and purchases rotated until no meter meets itself."""

import numpy as np
import pytest

from otonari.model.settlement.matching import (
    NOISE,
    QUANTUM,
    Lots,
    joined,
    lots_of,
    through_transfers,
    up_the_tree,
)
from otonari.model.topology.traders import traders

from . import neighbourhood


def lots(*energy, both=()):
    """Return lots [quanta] of meters 0, 1, ... at node 0 in slot 0; meters in ``both`` also stand on the other side."""
    meter = np.flatnonzero(energy)
    zero = np.zeros_like(meter)
    return Lots(meter, zero, zero, meter, np.isin(meter, both), np.array(energy)[meter])


def matched(sales, purchases):
    """Return (seller, buyer) -> energy of the trades at a single node."""
    inputs = neighbourhood.inputs().isel(time=[0])
    inputs = inputs.isel(node=[0]).assign(node_parent=("node", [""]))
    i, j, energy = joined(sales, purchases, up_the_tree(inputs, sales, purchases))
    pairs = zip(sales.meter[i].tolist(), purchases.meter[j].tolist(), strict=True)
    return dict(zip(pairs, energy.tolist(), strict=True))


def test_lots_trade_where_their_intervals_overlap():
    """Sales end at 3000 and 5000, purchases at 2000 and 5000."""
    found = matched(lots(3000, 2000), lots(0, 0, 2000, 3000))
    assert found == {(0, 2): 2000, (0, 3): 1000, (1, 3): 2000}


@pytest.mark.parametrize(
    ("sales", "purchases"),
    [((3000, 2000), (0, 0, 2500)), ((3000, 0), (0, 0, 2500)), ((2500,), (0, 0, 2500, 900))],
)
def test_what_exceeds_the_other_side_is_cut_from_the_end(sales, purchases):
    assert matched(lots(*sales), lots(*purchases)) == {(0, 2): 2500}


def test_a_meter_on_both_sides_does_not_meet_itself():
    """Sales end at 2000, 5000 (meter 1), purchases at 4000 (meter 2), 5000 (meter 1), rotated by 5000 - 4000."""
    found = matched(lots(2000, 3000, both=[1]), lots(0, 1000, 4000, both=[1]))
    assert (1, 1) not in found
    assert found == {(0, 1): 1000, (0, 2): 1000, (1, 2): 3000}


def test_a_meter_that_does_more_than_all_others_meets_itself_for_what_is_left():
    """Meter 0 sells all 5000 and buys 4000 of them."""
    assert matched(lots(5000, both=[0]), lots(4000, 1000, both=[0])) == {(0, 0): 4000, (0, 1): 1000}


def test_lots_below_the_noise_do_not_trade():
    assert matched(lots(NOISE - 1), lots(0, NOISE - 1)) == {}
    assert matched(lots(NOISE), lots(0, NOISE)) == {(0, 1): NOISE}


@pytest.mark.parametrize("pairs", [False, True])
def test_the_neighbourhood_sells_and_buys_in_whole_quanta(pairs):
    inputs, results = neighbourhood.inputs(pairs), neighbourhood.results(pairs)
    sales, purchases = lots_of(inputs, results, traders(inputs))
    matches = (
        through_transfers(inputs, results, sales, purchases)
        if pairs
        else up_the_tree(inputs, sales, purchases)
    )
    i, j, energy = joined(sales, purchases, matches)
    assert np.bincount(i, energy).tolist() == sales.energy.tolist()
    assert np.bincount(j, energy).tolist() == purchases.energy.tolist()
    assert energy.sum() * QUANTUM == pytest.approx(1.5 + 2 + 1 + 0.3)
