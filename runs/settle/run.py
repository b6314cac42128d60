"""Settlements from end to end: settlement file -> readings -> shared -> checked -> stored -> committed, month by month.

A month that is stored as it would be settled now is not settled again. A month whose days are committed with other
results is a conflict, and nothing of it is stored, unless it is to be corrected.
"""

import gc
import hashlib
import json
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from ...data.inputs import deferred_dask  # noqa: F401 - before Datasets
from ...data.problems import InputError, Problem, suggestion
from ...data.schema.settlement import Settlement
from ...model.lp import deferred_scipy  # noqa: F401 - before SciPy
from .. import archive, markets
from ..archive import Outcome
from ..ledger import ledger
from ..store import digest, netcdf, run_file
from ..version import version
from . import contracted
from .contracted import Contracts

if TYPE_CHECKING:
    from ...data.assembly.sharing_community import Community

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Month:
    """A settled month: its run, and whether it was there already."""

    month: str
    outcome: Outcome
    already: bool = False


def settle(source: str | Path, *, overrides: Sequence[str] = ()) -> dict[str, xr.DataTree]:
    """Return the settled months of a settlement file by ``YYYY-MM``; nothing is stored or recorded.

    Parameters
    ----------
    source : str or path
        Settlement file, or a folder with one.
    overrides : sequence of str
        ``key.path=value`` each.

    Returns
    -------
    dict of DataTree
        Groups ``inputs``, ``results``, ``trades``, ``settlement`` and ``allocation``, which has the energies of members
        and metering points in whole Wh (``runs/README.md``).

    Raises
    ------
    InputError
        With every problem of the file, its tables and readings.
    """
    settlement, communities = _read(source, overrides, (), log.info)
    trees = {}
    for month, community in communities.items():
        contracts = contracted.contracts(settlement, community.inputs)
        hash_ = _digest(settlement, community, contracts)
        trees[month] = _settled(settlement, community, contracts, month, hash_)
    return trees


def run(
    source: str | Path,
    *,
    overrides: Sequence[str] = (),
    months: Sequence[str] = (),
    output: Path | None = None,
    directory: Path | None = None,
    record: bool = True,
    key: Path | None = None,
    correct: bool = False,
    stage: Callable[[str], None] = log.info,
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> Iterator[Month]:
    """Yield the months of a settlement file as they are settled and kept: a run file each, and their days in a ledger.

    Parameters
    ----------
    source : str or path
        Settlement file, or a folder with one.
    overrides : sequence of str
        ``key.path=value`` each.
    months : sequence of str
        ``YYYY-MM`` (default: all of the period).
    output : path, optional
        Folder of the run files (default ``runs-out/NAME``).
    directory : path, optional
        Of the ledger (default: ``ledger`` in that folder).
    record, key
        Whether to commit to a ledger at all, and the file with the private key of a signed one.
    correct : bool
        Whether days that are committed with another result are reversed and committed anew.
    stage, progress : callable
        Take the name of each stage as it begins, and how many months of how many are done.

    Raises
    ------
    InputError
        With every problem of the file, its tables and readings; of that month nothing is stored then.
    LedgerError, RunFileError
        Where days cannot be committed or a file not written: neither is done then.
    """
    settlement, communities = _read(source, overrides, months, stage)
    folder = output or Path("runs-out") / settlement.name
    keep: dict[str, Any] = {"key": key, "correct": correct}
    count = len(communities)
    for n, month in enumerate(list(communities)):
        progress(n, count)
        community = communities.pop(month)
        contracts = contracted.contracts(settlement, community.inputs)
        hash_ = _digest(settlement, community, contracts)
        path = folder / f"{markets.SETTLED}-{month}.nc"
        if (there := _stored(path, hash_)) is not None:
            yield Month(month, there, already=True)
            continue
        stage(f"settling {month}")
        tree = _settled(settlement, community, contracts, month, hash_)
        book = directory or ledger.beside(path, settlement.market_id or settlement.name, hash_)
        yield Month(
            month,
            _recorded(tree, path, book, **keep)
            if record
            else Outcome(tree, path, netcdf.write_run(tree, path)),
        )
        del community, contracts, tree
        gc.collect()  # the Datasets of a month hang together in circles
    progress(count, count)


def _read(
    source: str | Path, overrides: Sequence[str], months: Sequence[str], stage: Callable[[str], None]
) -> tuple[Settlement, "dict[str, Community]"]:
    """Return the settlement of a file, and its community in each wanted month, by month."""
    from ...data.assembly.sharing_community import build_communities
    from ...data.loading import settlement_file

    stage("reading the settlement")
    settlement = settlement_file.load(source, overrides)
    parts = settlement_file.months(settlement)
    if unknown := [month for month in months if month not in parts]:
        raise InputError(_unknown(str(source), month, list(parts)) for month in unknown)
    wanted = {month: time for month, time in parts.items() if month in months or not months}
    stage("reading the meters")
    return settlement, build_communities(settlement, wanted, every=bool(months))


def _settled(
    settlement: Settlement, community: "Community", contracts: Contracts | None, month: str, hash_: str
) -> Any:
    """Return the run of a month, with its name."""
    from ...data.loading import settlement_file
    from . import results

    tree = results.settled(settlement, community, contracts)
    tree.attrs = {
        "title": f"{settlement.name}: {month} settled by {settlement.sharing.rule}",
        "scenario": settlement.name,
        "scenario_hash": hash_,
        "market_id": settlement.market_id or settlement.name,
        "market": markets.SETTLED,
        "rule": settlement.sharing.rule,
        "price_rule": settlement.sharing.price.rule,
        "month": month,
        "otonari_version": version(),
        "status": "settled",
        "currency": settlement.currency,
        **({} if contracts is None else {"settles": contracts.settles}),
        "settlement_definition": json.dumps(settlement_file.effective(settlement), ensure_ascii=False),
    }
    return tree


def _recorded(tree: Any, path: Path, book: Path, **options: Any) -> Outcome:
    """Store a month and commit its days; a conflict says what would resolve it."""
    try:
        return archive.store(tree, path, book, **options)
    except ledger.LedgerConflict as error:
        if not error.slots:
            raise
        told = f"{error}; otonari settle --correct reverses them and commits them anew"
        raise ledger.LedgerConflict(told, error.slots) from error


def _digest(settlement: Settlement, community: "Community", contracts: Contracts | None) -> str:
    """Return the digest of all that decides a month: rule, energies, shares, membership, keys and prices."""
    slots, points = ("member", "time"), ("point", "time")
    parts = {
        "energy": (points, community.readings.energy),
        "injects": (("point",), community.injects),
        "shares": (("point", "member"), community.shares),
        "active": (slots, community.active),
        "participation": (("member",), community.participation),
        "price": (("time",), community.price),
    }
    parts |= {} if community.keys is None else {"keys": (slots, community.keys)}
    parts |= {} if community.order is None else {"order": (("member",), community.order)}
    if not community.price.any():
        parts |= {"price_rule": ((), np.array(settlement.sharing.price.model_dump_json()))}
    if community.key is not None:
        parts |= {"producer": (("row",), community.key.producer)}
        parts |= {"coefficient": (("row", *slots), community.key.coefficient)}
    if contracts is not None:
        names = ("seller", "buyer", "slot", "contracted")
        parts |= {name: (("trade",), v) for name, v in zip(names, contracts.trades, strict=True)}
        parts |= {"contract_price": (("time",), contracts.price)}
        parts |= {"imbalance_fee": ((), np.array(settlement.sharing.imbalance_fee_per_kwh))}
    how = f"{settlement.sharing.rule}, {settlement.sharing.suppliers}"
    given = xr.Dataset({**parts, "how": ((), np.array(how))})
    every = [
        digest.values(part, "otonari settled month 1", digest.INPUTS_SCALE)
        for part in (given, community.inputs)
    ]
    return hashlib.sha256("".join(every).encode()).hexdigest()


def _stored(path: Path, hash_: str) -> Outcome | None:
    """Return the run of a month that is stored as it would be settled now."""
    if not path.exists():
        return None
    tree = run_file.open_run(path)
    same = tree.attrs.get("scenario_hash") == hash_ and tree.attrs.get("otonari_version") == version()
    return Outcome(tree, path) if same and tree.attrs.get("market") == markets.SETTLED else None


def _unknown(where: str, month: str, known: list[str]) -> Problem:
    want = f"a month of the period, {known[0]} to {known[-1]}{suggestion(month, known)}"
    return Problem(where, "", "--month", repr(month), want)
