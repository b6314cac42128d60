"""What happens to slots of a simulation that close: they are checked, committed to a ledger, and kept in a run."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import xarray as xr

from ...data.inputs.arrays import Arrays
from ...model.checks import run
from ...model.settlement import tracing
from .. import archive
from ..ledger import administration, ledger, records
from ..store import netcdf
from ..version import version
from .loop import State
from .results import results_of, since, trades_of


class Closed(dict[str, xr.Dataset]):
    """The groups of slots that have closed, as plain arrays, with the attributes of their run: what its tree has."""

    def __init__(self, attrs: Mapping[str, Any], **groups: xr.Dataset):
        super().__init__(groups)
        self.attrs = attrs


class Closing:
    """What happens to slots that close: they are checked and, if there is a ledger, committed.

    Parameters
    ----------
    inputs : Dataset
        Of all slots.
    names : mapping
        The root attributes ``market`` and ``market_id`` of the run.
    book, key : path, optional
        The ledger's directory (None: nothing is committed), and the file of its private key.
    """

    def __init__(self, inputs: xr.Dataset, names: Mapping[str, Any], book: Path | None, key: Path | None):
        self._inputs, self._book, self._key, self._added = Arrays.of(inputs), book, key, 0
        self._attributes = {**names, "otonari_version": version()}
        starts = inputs["time"].values.astype("datetime64[s]").astype(np.int64).tolist()
        self._content = tracing.begin(self._inputs)
        signer = administration.read_key(key, book) if book and key else None
        self._ledger = ledger.Session(book, starts, signer=signer) if book else None

    def check(self, state: State, first: int) -> Closed:
        """Return the slots from ``first`` on that have closed as a run of their own.

        Raises
        ------
        CheckError
            If it contradicts the inputs.
        """
        inputs, closed = since(self._inputs, state, first)
        results, traded = results_of(inputs, closed), trades_of(inputs, closed)
        run.require(inputs, results, traded, None, prices="traded")
        return Closed(self._attributes, inputs=inputs, results=results, trades=traded)

    def commit(self, closed: Closed) -> None:
        """Commit checked slots, those after the ones before, to the ledger; what it has already is left alone."""
        if self._ledger:
            self._added += self._ledger.commit(self.records(closed)).added

    def records(self, closed: Closed) -> list[dict[str, Any]]:
        """Return the records of checked slots, those after the ones before, whose origins go on here."""
        inputs, results, trades = (closed[n] for n in ("inputs", "results", "trades"))
        origins = list(tracing.follow(inputs, results, trades, self._content))
        self._content = origins[-1].content
        return records.of_run(cast("xr.DataTree", closed), origins)

    def keep(self, tree: xr.DataTree, output: Path) -> archive.Outcome:
        """Store the run of all slots, and hold what the ledger has of it against it once more."""
        if not self._book:
            return archive.Outcome(tree, output, netcdf.write_run(tree, output))
        outcome = archive.store(tree, output, self._book, self._key)
        done = outcome.commit
        if done is not None:
            already = done.already - self._added
            done = replace(done, added=done.added + self._added, already=already)
        return replace(outcome, commit=done)
