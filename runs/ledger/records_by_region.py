"""The records of a run in chunks, joined from the shares of its regions, one slot at a time.

A region's worker writes its share of every slot into one file; the records are made of all shares of a slot, in the
order of the scenario. So a slot is recorded as it would be if the community had been cleared as one, to the byte where
the results are equal.
"""

import json
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from ...data.inputs.currency import scale
from ..store import atomic_file
from . import ledger, records
from .format import canonical_json, signed_note

Order = Mapping[str, Sequence[str]]


def write_shares(tree: xr.DataTree, path: Path) -> None:
    """Write the shares of a region into a file, slot after slot; under its name it is always whole."""

    def fill(name: str) -> None:
        with zipfile.ZipFile(name, "w", zipfile.ZIP_DEFLATED) as file:
            for k, share in enumerate(records.shares(tree)):
                file.writestr(str(k), json.dumps(asdict(share)))

    atomic_file.publish(path, fill)


def of_regions(tree: xr.DataTree, shares: Sequence[Path], order: Order) -> Iterator[dict[str, Any]]:
    """Yield one record per slot of a run in chunks, in order of time.

    Parameters
    ----------
    tree : DataTree
        The whole run.
    shares : sequence of path
        The files that :func:`write_shares` made, of all regions in the order of the run.
    order : mapping
        Labels of participants, batteries, vehicles and flexible loads in the order of the scenario.
    """
    stored = tree["inputs"].to_dataset()
    inputs, results = (_ordered(tree[g].to_dataset(), stored, order) for g in ("inputs", "results"))
    place = _places(stored["participant"].values, order["participant"])
    names = [canonical_json.label(label) for label in order["participant"]]
    market, software = (
        canonical_json.label(tree.attrs["market_id"]),
        f"otonari {tree.attrs['otonari_version']}",
    )
    counted = scale(str(stored.attrs["currency"]))
    paid = records.make_whole(tree, counted, place)
    slots = zip(records.times(inputs), records.slot_digests(inputs, results, counted), paid, strict=True)
    for k, (time, digests, paid_then) in enumerate(slots):
        share = _join([_read(path, k) for path in shares], place)
        yield records.record(names, share, time | digests, market, software, paid_then, counted)


def commit(
    tree: xr.DataTree,
    shares: Sequence[Path],
    order: Order,
    directory: Path,
    signer: signed_note.Signer | None,
) -> ledger.Commit:
    """Commit a run in chunks slot by slot, after all conflicts with the ledger are ruled out."""
    slots = [time["slot"] for time in records.times(tree["inputs"].to_dataset())]
    session = ledger.Session(directory, slots, signer=signer)
    if (directory / ledger.NAME).exists():
        for record in of_regions(tree, shares, order):
            session.rehearse([record])
    done = [session.commit([record]) for record in of_regions(tree, shares, order)]
    added, already = sum(c.added for c in done), sum(c.already for c in done)
    return ledger.Commit(added, already, 0, done[-1].head, done[-1].checkpoint)


def _ordered(dataset: xr.Dataset, inputs: xr.Dataset, order: Order) -> xr.Dataset:
    """Return a group in the order of the scenario, its values still on the disk."""
    place = {d: _places(inputs[d].values, labels) for d, labels in order.items() if d in inputs.dims}
    for dim, device in (("trip", "vehicle"), ("task", "flexible_load")):
        if dim in inputs.dims:
            rank = {label: n for n, label in enumerate(order[device])}
            whose = inputs[f"{dim}_{device.removeprefix('flexible_')}"].values
            place[dim] = np.argsort([rank[str(label)] for label in whose], kind="stable").astype(int)
    return dataset.isel({dim: at for dim, at in place.items() if dim in dataset.dims})


def _places(labels: np.ndarray, wanted: Sequence[str]) -> np.ndarray:
    """Return the positions of the wanted labels."""
    at = {label: n for n, label in enumerate(labels.tolist())}
    return np.array([at[label] for label in wanted], dtype=int)


def _read(path: Path, slot: int) -> records.Share:
    with zipfile.ZipFile(path) as file:
        return records.Share(**json.loads(file.read(str(slot))))


def _join(parts: Sequence[records.Share], place: np.ndarray) -> records.Share:
    """Return the share of the whole community in a slot, accounts in the order of the scenario."""

    def joined(get: Any) -> list[Any]:
        every = [value for part in parts for value in get(part)]
        return [every[n] for n in place]

    return records.Share(
        trades=[trade for part in parts for trade in part.trades],
        grid={name: joined(lambda p, n=name: p.grid[n]) for name in parts[0].grid},
        uses={name: joined(lambda p, n=name: p.uses[n]) for name in parts[0].uses},
    )
