"""From a scenario to one stored run of all its regions: read, cleared on a cluster, certified, put together."""

import json
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ...data.assembly.by_region import Outline, outline
from ...data.assembly.inputs import problems
from ...data.problems import InputError
from .. import archive
from ..ledger import administration, ledger, records_by_region
from ..store import zarr
from ..version import version
from . import dask_cluster, region_task, single

Progress = region_task.Progress


def run(
    source: str | Path,
    *,
    overrides: Sequence[str] = (),
    relax: bool = False,
    output: Path | None = None,
    directory: Path | None = None,
    record: bool = True,
    key: Path | None = None,
    time_limit: float | None = None,
    scheduler: str | None = None,
    workers: int | None = None,
    progress: Progress = lambda done, regions: None,
    stage: single.Stage = single.log.info,
) -> archive.Outcome:
    """Clear the peers' market of a scenario by regions of its fee tree, and keep it as one run in chunks.

    What is done stays in a folder beside the store until that is complete, so that the same call goes on from there.

    Parameters
    ----------
    source, overrides, relax, directory, record, key, time_limit
        As for :func:`single.run`; the time limit holds for each solve of a region.
    output : path, optional
        The store (default ``runs-out/<scenario>/p2p.zarr``, of a what-if ``p2p-<hash>.zarr``), where all workers see it.
    scheduler, workers
        As for :func:`sweep.run`.
    progress : callable
        Told how many regions are done, of how many.
    stage : callable
        Told what is being done.

    Raises
    ------
    InputError
        With every problem of the scenario.
    otonari.model.errors.SolveError
        If a region has no optimum; those that have one stay.
    ClusterError
        If an extra is missing, the scheduler does not answer or goes away, or the market cannot be cut into regions.
    RunFileError
        If the store cannot be written.
    LedgerError
        If its slots cannot be committed: conflicts are found before a block is written, but after the run is stored.
    """
    begin = time.perf_counter()
    dask_cluster.require("clearing by regions", "distributed", "zarr")
    stage("reading the scenario")
    whole = _outline(source, overrides, relax)
    changed = bool(overrides) or relax
    own = archive.default_path(str(whole.sections["name"]), "p2p", changed, whole.hash, zarr.SUFFIX)
    path = (output or own).absolute()
    if path.exists():
        zarr.attributes_of(path)  # what is no run is refused before anything is cleared
    folder = path.with_name(f"{path.stem}-regions-{whole.hash[:8]}")
    community = region_task.Community(whole, folder, time_limit, record)
    stage("spreading its rows over regions")
    community.spread()
    try:
        with dask_cluster.connected(scheduler, workers) as client:
            border, verdict = region_task.solve(client, community, progress, stage)
    except region_task.Misread as error:
        raise InputError(problems(single.defined(source, "p2p")[0], whole.overrides)) from error
    stage("storing")
    current = community.current()
    answers = list(current.values())
    attributes = _attributes(whole, community, answers, verdict) | {
        "wall_seconds": time.perf_counter() - begin
    }
    fixed = _fixed(whole, border, verdict, answers)
    layouts = [answer.layout for answer in answers]
    kept = zarr.write(path, list(map(Path, current)), layouts, fixed, attributes, region_task.notes(answers))
    stored = archive.Outcome(zarr.read_run(path), path, kept)  # its files are compared with their checksums
    if record:
        stage("committing")
        book = directory or ledger.beside(path, whole.sections["market_id"], whole.hash)
        stored = _committed(stored, [region_task.shares(p) for p in current], whole, book, key)
    shutil.rmtree(folder)  # what it holds is on the disk in the store
    return stored


def _committed(
    stored: archive.Outcome,
    shares: Sequence[Path],
    whole: Outline,
    book: Path,
    key: Path | None,
) -> archive.Outcome:
    """Commit a stored run slot by slot, and note the ledger's head in it."""
    signer = administration.read_key(key, book) if key else None
    order = {
        "participant": list(whole.home),
        "battery": whole.batteries,
        "flexible_load": list(whole.loads),
        "vehicle": list(whole.garage),
        **({"heat_pump": whole.heat_pumps} if whole.heat_pumps else {}),
    }
    done = records_by_region.commit(stored.tree, shares, order, book, signer)
    zarr.add_attributes(stored.path, {"ledger_head": done.head, "ledger_checkpoint": done.checkpoint})
    stored.tree.attrs = zarr.attributes_of(stored.path)
    return replace(stored, directory=book, commit=done)


def _outline(source: str | Path, overrides: Sequence[str], relax: bool) -> Outline:
    definition, _ = single.defined(source, "p2p")
    whole = outline(definition, overrides)
    least = {"vehicles.*.min_charge_kw": whole.least_charge, "loads.*.min_power_kw": whole.load_decisions}
    if relax and any(least.values()):
        whole = outline(definition, [*overrides, *(f"tables.{key}=0" for key, some in least.items() if some)])
    if whole.least_charge:
        raise dask_cluster.ClusterError(
            "minimum charge powers: no gap could be certified; want --relax, or no --workers"
        )
    if whole.load_decisions:
        raise dask_cluster.ClusterError(
            "loads with runs, or with a least power without --relax: no gap could be certified; want no --workers"
        )
    if whole.pairwise:
        raise dask_cluster.ClusterError(
            "fees per pair of nodes, by extent or by tariff: there is no tree to cut into regions; want no --workers"
        )
    if (rule := whole.sections["settlement"]["rule"]) != "marginal":
        raise dask_cluster.ClusterError(
            f"prices by {rule}: trades between regions have marginal ones; want no --workers"
        )
    if (whole.sections.get("investment") or {}).get("built"):
        raise dask_cluster.ClusterError("investment.built: what is built is in no table; want no --workers")
    joint = [
        f"{label}/{c['name']}"
        for label, tariff in whole.sections["tariffs"].items()
        for c in tariff.get("components", ())
        if c.get("peak_of") == "tariff"
    ]
    if joint:
        raise dask_cluster.ClusterError(
            f"a peak of all customers of a tariff ({', '.join(joint)}): it joins all regions; want no --workers"
        )
    if whole.enveloped:
        raise dask_cluster.ClusterError(
            f"limits over time of nodes ({', '.join(whole.enveloped)}): they join regions; want no --workers"
        )
    wires = whole.sections.get("grid") or {}
    if wires.get("limits", "none") != "none":
        raise dask_cluster.ClusterError(
            "limits of the network (grid.limits): they join all regions; want no --workers, or the limits of each"
            " connection that `otonari envelopes` computes, which regions keep"
        )
    if wires.get("losses", "retailer") != "retailer":
        raise dask_cluster.ClusterError(
            "losses of the network (grid.losses): they join all regions; want no --workers"
        )
    return whole


def _attributes(
    whole: Outline,
    community: region_task.Community,
    answers: Sequence[region_task.Answer],
    verdict: Any,
) -> dict[str, Any]:
    """Return what the root of the store says."""
    own = [answer.attrs for answer in answers]
    objective = sum(attrs["objective"] for attrs in own)
    missing = [attrs["target_missing"] for attrs in own if "target_missing" in attrs]
    sections = whole.sections
    name = sections["name"]
    return {
        "title": f"{name}: p2p market",
        "scenario": name,
        "scenario_hash": whole.hash,
        "market_id": sections["market_id"] or f"{name}@{whole.hash}",
        "market": "p2p",
        "otonari_version": version(),
        "solver": own[0]["solver"],
        "options": json.dumps(
            json.loads(own[0]["options"]) | {"region_participants": region_task.PEOPLE}, sort_keys=True
        ),
        "status": "optimal" if verdict.gap == 0 else "feasible",
        "method": f"regions apart: {len(own)}, in rounds: {community.rounds}",
        "objective": objective,
        **({"target_missing": sum(missing)} if missing else {}),
        "currency": sections["currency"],
        **{k: max(attrs[k] for attrs in own) for k in own[0] if k.startswith("proof_")},
        "regions": len(own),
        "certified_gap": verdict.gap / max(abs(objective), 1e-9),
        **{f"{k}_seconds": sum(attrs[f"{k}_seconds"] for attrs in own) for k in ("build", "solve", "clear")},
    }


def _fixed(
    whole: Outline, border: Any, verdict: Any, answers: Sequence[region_task.Answer]
) -> dict[str, Mapping[str, Any]]:
    """Return what no region has as a whole: nodes, shares of the community, and payments that make its members whole."""
    from ...model.settlement import accounts

    none = np.where(whole.parent < 0, "", whole.node[whole.parent])
    inputs = {
        "node": whole.node,
        "node_parent": none,
        "node_fee": whole.fee,
        "node_access_fee": whole.access,
        "node_limit": whole.limit,
    }
    results = {
        "node": whole.node,
        "node_flow": border.flow,
        "price": verdict.price,
        "sale_price": verdict.price,
        "offer_value": verdict.offer,
    }
    sums = {k: np.sum([answer.sums[k] for answer in answers], axis=0) for k in answers[0].sums}
    shares = {f"community_{k}": v for k, v in accounts.community_shares(sums).items()}
    lines = dict.fromkeys(name for answer in answers for name in answer.money)
    money = {
        k: np.concatenate([answer.money.get(k, np.zeros_like(answer.money["bill"])) for answer in answers])
        for k in lines
    }
    traded = sum(answer.traded for answer in answers)
    return {
        "inputs": inputs,
        "results": results,
        "trades": {},
        "settlement": {**shares, "peer_energy": traded, **accounts.made_whole(money)},
    }
