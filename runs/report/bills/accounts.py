"""What stored runs state of the accounts of their members in a period: what the ledger does not prove.

A run that counts with all its slots states what its settlement says. One that counts with some of them, since it goes on
beyond the period or another run stands for the rest, states the lines of those slots alone, of its peaks those of the
months in which they are, and of its tiers what these slots add to what those before them came to.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from ....data.inputs.contract import InputError, Problem, optional
from ....model.grid.network_charges import RENTS
from ....model.labels import Array
from ....model.settlement import accounts, contracts
from ....model.settlement.account_lines import SIGNS
from ....model.topology import tiers
from ....model.topology.stores import of_stores
from ....model.topology.traders import traders
from ... import archive, markets
from ...ledger import records
from ..peaks import joint_peaks, marginal_values

PROVED = ("peer_cost", "peer_revenue", "make_whole")
"""Lines that add up to the bill and that the ledger proves; all other ones are stated."""
STATED = tuple(name for name in SIGNS if name not in PROVED)


@dataclass(frozen=True)
class StoredRun:
    """A stored run of a market that is recorded."""

    path: Path
    tree: xr.DataTree

    @cached_property
    def records(self) -> dict[int, dict[str, Any]]:
        """Its records by slot, to be compared with a ledger: without the uses of the energy."""
        return {record["slot"]: record for record in archive.recorded(self.tree, uses=False)}

    @cached_property
    def groups(self) -> tuple[xr.Dataset, xr.Dataset, xr.Dataset, xr.Dataset]:
        """Inputs, results, trades and settlement."""
        inputs, results, trades, settlement = (
            self.tree[name].to_dataset() for name in ("inputs", "results", "trades", "settlement")
        )
        return inputs, results, trades, settlement

    @property
    def participants(self) -> list[str]:
        """Labels of its participants."""
        return [str(name) for name in self.groups[0]["participant"].values]

    def of(self, slots: list[int]) -> Array:
        """Return which of its time steps are in recorded slots (time,)."""
        inputs = self.groups[0]
        starts = np.array([time["slot"] for time in records.times(inputs)])
        spans = sorted((slot, slot + self.records[slot]["slot_seconds"]) for slot in slots)
        first, end = (np.array(side) for side in zip(*spans, strict=True)) if spans else (np.zeros(0),) * 2
        place = np.searchsorted(first, starts, side="right") - 1
        return np.asarray((place >= 0) & (starts < end[place])) if spans else np.zeros(len(starts), bool)


@dataclass(frozen=True)
class Part:
    """Those time steps of a run that count."""

    run: StoredRun
    counts: Array

    @cached_property
    def whole(self) -> bool:
        """Whether it is all of the run."""
        return bool(self.counts.all())

    @cached_property
    def lines(self) -> dict[str, Array]:
        """The lines that are stated, ``co2`` [kg], and ``saving`` of a whole run: (participant,) [currency]."""
        settlement = self.run.groups[3]
        if self.whole:
            names = (*STATED, "co2", "saving")
            return {name: settlement[name].values for name in names if name in settlement}
        if any(line in settlement for line in RENTS):
            got = "a part of the days of a run that keeps limits of its network"
            raise InputError([Problem("bill", "", "days", got, "all of them: charges are over the horizon")])
        total: dict[str, Array] = {}
        for inputs, results, trades in self._pieces():
            lines = accounts.lines(inputs, results, trades)
            lines["co2"] = np.asarray(sum(accounts.carbon(inputs, results)))
            if self.run.tree.attrs["market"] == markets.SETTLED:
                lines.pop("imbalance_cost")
            for name in (*STATED, "co2"):
                if name in lines:
                    total[name] = total.get(name, 0.0) + lines[name]
        if "peak_charges" in total:
            total["peak_charges"] = self._peaks.sum(axis=1)
        if "tier_charges" in total:
            total["tier_charges"] = self._tiers.sum(axis=1)
        return total

    @cached_property
    def components(self) -> Array | None:
        """What each component of its tariff costs (participant, component) [currency], if there are any."""
        settlement = self.run.groups[3]
        if "component_cost" not in settlement:
            return None
        if self.whole:
            return np.asarray(settlement["component_cost"].values)
        cost = np.zeros(settlement["component_cost"].shape)
        for inputs, results, _ in self._pieces():
            cost += contracts.of_energy_and_time(inputs, results, traders(inputs))
        return cost + self._peaks + self._tiers

    @cached_property
    def months(self) -> Array:
        """Which of the months of peaks count (month,)."""
        inputs = self.run.groups[0]
        if self.whole:
            return np.ones(inputs.sizes["month"], dtype=bool)
        month_of = dict(zip(inputs["day"].values, inputs["day_month"].values, strict=True))
        months = [month_of[day] for day in inputs["slot_day"].values[self.counts]]
        return np.asarray(np.isin(inputs["month"].values, months))

    @cached_property
    def _peaks(self) -> Array:
        """What each component costs a participant for the peaks of the months that count (participant, component)."""
        inputs, _, _, settlement = self.run.groups
        if "peak_power" not in settlement:
            return np.zeros((inputs.sizes["participant"], inputs.sizes["component"]))
        charged = settlement["peak_power"].values[..., self.months].sum(axis=2)
        return np.asarray(charged @ optional(inputs, "component_peak").T)

    @cached_property
    def _tiers(self) -> Array:
        """What each component costs in dearer tiers, of which earlier slots of the run took theirs first.

        (participant, component)
        """
        inputs, results, _, _ = self.run.groups
        cost = np.zeros((inputs.sizes["participant"], inputs.sizes["component"]))
        if "tier" not in inputs.sizes:
            return cost
        energy = contracts.bought(inputs, results, traders(inputs))
        slots = np.arange(energy.shape[1])
        for first, end in self._stretches():
            until, before = (tiers.charges(inputs, energy * (slots < slot)) for slot in (end, first))
            cost += until - before
        return cost

    @cached_property
    def avoided(self) -> Array | None:
        """What a tariff's charges of the network would have been on the energy of peers (participant,) [currency]."""
        inputs, results, _, _ = self.run.groups
        if "component" not in inputs.sizes:
            return None
        who, hours = traders(inputs), inputs["slot_hours"].values * self.counts
        energy = who.stack(results["peer_purchase"], results["vehicle_purchase"]) * hours
        network = (inputs["component_part"].values == "network") & (
            inputs["component_basis"].values == "per-kwh"
        )
        tariff = inputs["participant_tariff"].values[who.account]
        own = (tariff[:, None] == inputs["component_tariff"].values) & network
        cost = (energy @ optional(inputs, "component_price").T * own).sum(axis=1)
        amounts = np.zeros(inputs.sizes["participant"])
        np.add.at(amounts, who.account, cost)
        return amounts if network.any() else None

    def _stretches(self) -> list[tuple[int, int]]:
        """Return the first slot of every stretch that counts, and the one after its last."""
        edges = np.flatnonzero(np.diff(np.concatenate([[False], self.counts, [False]]).astype(int)))
        return [(first, end) for first, end in edges.reshape(-1, 2).tolist()]

    def _pieces(self) -> Iterator[tuple[xr.Dataset, xr.Dataset, xr.Dataset]]:
        """Yield inputs, results and trades of every stretch of slots that counts, each as a run of its own."""
        inputs, results, trades, _ = self.run.groups
        stored, times = of_stores(results, "energy"), inputs["time"].values
        for first, end in self._stretches():
            part = records.slot_inputs(inputs, stored, first, end)
            trips = np.isin(inputs["trip"].values, part["trip"].values)
            traded = np.isin(trades["trade_time"].values, times[first:end])
            yield (
                part,
                results.isel(time=slice(first, end), trip=np.flatnonzero(trips)),
                trades.isel(trade=np.flatnonzero(traded)),
            )


def peaks(parts: list[Part], participant: str) -> dict[str, tuple[float, float | None]]:
    """Return of every peak of a participant's tariffs, by the component that charges it, what is charged [kW].

    Over the months that count; and what one kW less would save [currency], where it was planned and is the only peak.
    """
    found: dict[str, tuple[float, float | None]] = {}
    for part in parts:
        inputs, results, _, settlement = part.run.groups
        if "peak_power" not in settlement or participant not in part.run.participants:
            continue
        place = part.run.participants.index(participant)
        tariff = str(inputs["participant_tariff"].values[place])
        mine, joint = inputs["peak_tariff"].values == tariff, joint_peaks(inputs, results)
        values = marginal_values(inputs, results, participant)[:, part.counts].sum(axis=1)
        hidden = np.isnan(values) | (((mine & ~joint).sum() > 1) & ~joint)
        for q in np.flatnonzero(mine):
            name = str(inputs["peak"].values[q]).removeprefix(f"{tariff}/")
            kw, saves = found.get(name, (0.0, 0.0))
            kw += float(settlement["peak_power"].values[place, q, part.months].sum())
            found[name] = (kw, None if saves is None or hidden[q] else saves + float(values[q]))
    return found


def total(parts: list[Part], participant: str) -> dict[str, float]:
    """Return the stated lines of a participant over parts of runs; ``saving`` only where all of them are whole."""
    sums: dict[str, float] = {}
    own = [
        (part, part.run.participants.index(participant))
        for part in parts
        if participant in part.run.participants
    ]
    for part, place in own:
        lines = part.lines | ({} if part.avoided is None else {"network_avoided": part.avoided})
        for name, values in lines.items():
            sums[name] = sums.get(name, 0.0) + float(values[place])
    if not all(part.whole for part, _ in own):
        sums.pop("saving", None)
    return sums


def by_component(parts: list[Part], participant: str) -> dict[tuple[str, str], float]:
    """Return what the components of a participant's tariffs cost [currency], by name and basis."""
    sums: dict[tuple[str, str], float] = {}
    for part in parts:
        if part.components is None or participant not in part.run.participants:
            continue
        inputs = part.run.groups[0]
        place = part.run.participants.index(participant)
        tariff = str(inputs["participant_tariff"].values[place])
        for n in np.flatnonzero(inputs["component_tariff"].values == tariff):
            name = str(inputs["component"].values[n]).removeprefix(f"{tariff}/")
            key = (name, str(inputs["component_basis"].values[n]))
            sums[key] = sums.get(key, 0.0) + float(part.components[place, n])
    return sums
