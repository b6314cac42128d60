"""The contracts that a settlement settles: what a stored run traded, between its members and in its slots."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import xarray as xr

from ...data.problems import InputError, Problem, suggestion
from ...data.schema.settlement import Settlement
from ...model.labels import Array, places
from ...model.sharing.traded import traded
from ..store import run_file
from . import trades as by_slot


class Contracts(NamedTuple):
    """Contracts (trade,): seller, buyer (positions of members), slot and energy [Wh], in the order of trading.

    ``price`` (time,) [currency/kWh] is their mean by energy, 0 where there is none; ``settles`` the head of the ledger
    that recorded the run, "" where none did.
    """

    trades: tuple[Array, Array, Array, Array]
    price: Array
    settles: str

    def short(self, withdrawn: Array, injected: Array) -> Array:
        """Return by how much members traded more than their meters show (member, time) [Wh], in all (member,) [kWh]."""
        lack = np.zeros(len(withdrawn))
        for party, shown in zip(self.trades[:2], (injected, withdrawn), strict=True):
            traded = np.zeros_like(shown)
            np.add.at(traded, (party, self.trades[2]), self.trades[3])
            lack += np.maximum(traded - shown, 0).sum(axis=1) / 1000.0
        return lack


def contracts(settlement: Settlement, inputs: xr.Dataset) -> Contracts | None:
    """Return the contracts of a month, None where the rule settles none.

    Raises
    ------
    InputError
        If the run has another currency or other slots, none in the month, or trades of somebody who is no member.
    RunFileError
        If the file is not a run.
    """
    if settlement.sharing.run is None:
        return None
    path = Path(settlement.sharing.run.path)
    tree = run_file.open_run(path)
    with run_file.reading(path):
        own, results, trades, _ = by_slot.groups(tree)
        volumes = traded(own, results, trades, "trade_contracted")
        paid = trades["trade_price"].values[np.rint(trades["trade_contracted"].values * 1000) > 0]
    seller, buyer, slot, energy = volumes.contracts
    at = np.searchsorted(inputs["time"].values, own["time"].values)
    member = places(inputs["participant"].values, volumes.label)
    parties = np.unique(np.concatenate([seller, buyer]))
    strangers = volumes.label[parties[member[parties] < 0]]
    if problems := sorted(_problems(str(path), inputs, own, strangers.tolist())):
        raise InputError(problems)
    inside = (own["time"].values[slot] >= inputs["time"].values[0]) & (at[slot] < inputs.sizes["time"])
    columns = (member[seller], member[buyer], at[slot], energy)
    kept = (columns[0][inside], columns[1][inside], columns[2][inside], columns[3][inside])
    total, money = (np.bincount(kept[2], w, inputs.sizes["time"]) for w in (kept[3], kept[3] * paid[inside]))
    price = np.divide(money, total, out=np.zeros_like(money), where=total > 0)
    return Contracts(kept, price, str(tree.attrs.get("ledger_head", "")))


def _problems(path: str, inputs: xr.Dataset, own: xr.Dataset, strangers: list[str]) -> Iterator[Problem]:
    """Yield what a run and a settlement have otherwise."""
    known = [str(label) for label in inputs["participant"].values]
    for label in strangers:
        want = f"members alone who trade{suggestion(label, known)}"
        yield Problem(path, "", "trades", f"{label!r}, who is none of the settlement", want)
    if (got := own.attrs["currency"]) != (want := inputs.attrs["currency"]):
        yield Problem(path, "", "currency", str(got), str(want))
    times, month = own["time"].values, inputs["time"].values
    common = (times >= month[0]) & (times <= month[-1])
    span = "{} to {} UTC".format(*(np.datetime_as_string(times[n], unit="m") for n in (0, -1)))
    if not common.any():
        yield Problem(path, "", "time", span, "slots of the month that is settled")
    elif (
        not np.isin(times[common], month).all()
        or not np.isin(own["slot_hours"].values[common], inputs["slot_hours"].values).all()
    ):
        yield Problem(path, "", "time", "other slots", "the slots of the settlement")
