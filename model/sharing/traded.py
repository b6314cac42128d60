"""What was traded in a run, in the whole watt-hours of meters: volumes by producer, member and slot."""

from typing import NamedTuple

import numpy as np
import xarray as xr

from ..labels import Array
from ..topology.traders import parties, traders

_WH = 1000.0


class Traded(NamedTuple):
    """Meters of a run and what was traded between them, in whole Wh.

    ``label`` (meter,) are participants and, behind them, vehicles that trade where they are guests; ``injected`` and
    ``withdrawn`` (meter, time) what the meters show; ``contracts`` (trade,): seller, buyer (positions of meters), slot
    and energy, within a slot in the order of the run's trades.
    """

    label: Array
    injected: Array
    withdrawn: Array
    contracts: tuple[Array, Array, Array, Array]


def traded(
    inputs: xr.Dataset, results: xr.Dataset, trades: xr.Dataset, energy: str = "trade_energy"
) -> Traded:
    """Return what was traded in a run, rounded to whole Wh, trade by trade; ``energy`` names what counts of a trade.

    A meter shows what it draws or gives, rounded too, and no less than what it buys or sells by these trades: where the
    sum of rounded trades is greater by a Wh or so, it is what the meter shows.
    """
    who, hours = traders(inputs), inputs["slot_hours"].values
    seller, buyer, slot = parties(inputs, trades)
    amount = np.rint(trades[energy].values * _WH).astype(np.int64)
    shown = []
    for way, trade, party in (("export", "sale", seller), ("import", "purchase", buyer)):
        power = who.stack(results[f"grid_{way}"], results[f"vehicle_{way}"])
        power = power + who.stack(results[f"peer_{trade}"], results[f"vehicle_{trade}"])
        own = np.zeros(power.shape, dtype=np.int64)
        np.add.at(own, (party, slot), amount)
        shown.append(np.maximum(np.rint(power * hours * _WH).astype(np.int64), own))
    people = inputs.sizes["participant"]
    guests = people + np.flatnonzero((shown[0][people:] + shown[1][people:]).any(axis=1))
    kept = np.concatenate([np.arange(people), guests])
    place = np.full(len(who.account), -1)
    place[kept] = np.arange(len(kept))
    label = np.concatenate([inputs["participant"].values, inputs["vehicle"].values]).astype(str)[kept]
    some = np.flatnonzero(amount)
    contracts = (place[seller[some]], place[buyer[some]], slot[some], amount[some])
    return Traded(label, shown[0][kept], shown[1][kept], contracts)
