"""One huge clearing on Dask: regions of the fee tree as tasks, and the certificate that their union is the optimum.

A region is read, built, cleared, settled, checked and stored as a run of its own, by one worker; the process that asks
holds the tree, its prices and flows, and one region at a time when all are put together. Since no energy flows between
regions, what holds for each holds for all: trades, accounts and origins are those of the whole.
"""

import hashlib
import json
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from ...data.assembly import by_region
from ...data.loading.scenario import load_scenario
from ...data.problems import InputError
from ..ledger import records_by_region
from ..store import atomic_file, netcdf, run_file, zarr
from ..version import version
from . import dask_cluster, single

PEOPLE = 1000
"""Participants that a region has at the most, if the tree lets it be cut."""
MOST = 5000
"""Participants of regions that are joined, because they would trade, at the most: what one worker takes in."""
EQUAL = 1e-9
"""Relative difference of two optima that is rounding."""

Progress = Callable[[int, int], None]
Relaxation = tuple[xr.Dataset, float]
"""Results and cost of a region without directions."""
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Region:
    """All that a worker needs to know of a region: files of its rows, of the rest of the scenario, and of its run."""

    name: str
    sections: str
    rows: tuple[str, ...]
    path: str
    time_limit: float | None
    recorded: bool


@dataclass(frozen=True)
class Answer:
    """The part of a region's run that the whole needs.

    ``border`` as in `Border`, and ``relaxed`` that of the relaxation without directions, where these had to be decided,
    with the cost ``beyond`` it; attributes and layout of its run; ``sums`` behind the community's shares; the ``money``
    (participant,) of its accounts by line; the energy that is traded [kWh].
    """

    node: np.ndarray
    hours: np.ndarray
    border: Any
    relaxed: Any
    beyond: float
    attrs: dict[str, Any]
    layout: zarr.Layout
    sums: dict[str, np.ndarray]
    money: dict[str, np.ndarray]
    traded: float


@dataclass(frozen=True)
class Failure:
    """Why a region has no run: of the inputs, without a solution, or a bug."""

    kind: str
    reason: str


def clear_region(task: Region) -> Answer | Failure:
    """Clear a region and store its run, unless it is stored and intact; runs on a worker."""
    from ...model.errors import SolveError

    try:
        tree, relaxation = _stored(task), None
        if tree is None:
            tree, relaxation = _cleared(task)
        if task.recorded and not shares(task.path).exists():
            records_by_region.write_shares(tree, shares(task.path))
        return _answer(tree, relaxation)
    except InputError as error:
        return Failure("input", str(error))
    except SolveError as error:
        return Failure("solution", " ".join(str(error).split())[:500])
    except Exception as error:
        log.exception("a region failed")
        return Failure("bug", f"{type(error).__name__}: {error}")


def shares(path: str) -> Path:
    """Return the file of what the ledger records of a region, beside its run."""
    return Path(path).with_suffix(".zip")


def _cleared(task: Region) -> tuple[xr.DataTree, Relaxation | None]:
    """Clear a region and store its run; return it, and its relaxation where directions were decided."""
    scenario, told = load_scenario(_scenario(task)), list[Relaxation]()
    tree = single.cleared(
        scenario,
        "p2p",
        time_limit=task.time_limit,
        threads=1,
        relaxation=lambda *relaxation: told.append(relaxation),
    )
    netcdf.write_run(tree, task.path)
    return tree, told[-1] if told else None


def _stored(task: Region) -> xr.DataTree | None:
    """Return the run of a region where it is stored and intact."""
    path = Path(task.path)
    if not path.exists():
        return None
    try:
        return run_file.open_run(path)
    except atomic_file.RunFileError:
        path.rename(atomic_file.free_name(path.with_suffix(".damaged")))
        return None


def _scenario(task: Region) -> dict[str, Any]:
    """Return the effective scenario of a region: its rows, and its topmost node as the root."""
    scenario = json.loads(Path(task.sections).read_text(encoding="utf-8"))
    tables: dict[str, list[dict[str, Any]]] = {}
    for file in task.rows:
        with open(file, encoding="utf-8") as lines:
            for name, row in map(json.loads, lines):
                tables.setdefault(name, []).append(row)
    known = {row["node"] for row in tables["nodes"]}
    for row in tables["nodes"]:
        if row["parent"] not in known:
            row.update(parent=None, level=None, length_m=None, fee_per_kwh=None, limit_kw=None)
    return {**scenario, "tables": tables}


def _answer(tree: xr.DataTree, relaxation: Relaxation | None) -> Answer:
    from ...model.regions import optimality_gap
    from ...model.settlement import accounts
    from ...model.settlement.account_lines import MONEY

    inputs, results, settled = (tree[g].to_dataset() for g in ("inputs", "results", "settlement"))
    border = optimality_gap.border(inputs, results)
    relaxed, beyond = border, 0.0
    if tree.attrs["directions"]:
        found, cost = relaxation or _relaxation(inputs)
        relaxed, beyond = optimality_gap.border(inputs, found), tree.attrs["objective"] - cost
    return Answer(
        node=inputs["node"].values,
        hours=inputs["slot_hours"].values,
        border=border,
        relaxed=relaxed,
        beyond=beyond if beyond > EQUAL * abs(tree.attrs["objective"]) else 0.0,
        attrs={str(k): v for k, v in tree.attrs.items() if k != "scenario_definition"},
        layout=zarr.layout(tree),
        sums=accounts.community_sums(inputs, results, settled),
        money={name: settled[name].values for name in MONEY if name in settled},
        traded=float(settled["peer_energy"]),
    )


def _relaxation(inputs: xr.Dataset) -> Relaxation:
    """Return results and cost of the relaxation of a region whose run is stored."""
    from ...model import clearing, results
    from ...model.solver import solve

    block = clearing.community_block(inputs)
    solution = solve.solve(block, tie_break=False, one_way=False)
    return results.collect(block), solution.objective


class Community:
    """The clearing of a whole from regions: where its tree is cut, and what is known of each region."""

    def __init__(
        self, whole: by_region.Outline, folder: Path, time_limit: float | None = None, recorded: bool = False
    ):
        from ...model.regions import partition

        self.whole, self.folder = whole, folder
        self.time_limit, self.recorded = time_limit, recorded
        self.tree = partition.Tree(whole.parent, whole.fee, whole.limit, whole.crowd)
        self.cut_above = partition.cut(self.tree, whole.ties, PEOPLE)
        self.first = partition.regions(whole.parent, self.cut_above)
        self.answers: dict[str, Answer] = {}
        self.rounds = 0

    def spread(self) -> None:
        """Write the rows of every region that the tree is first cut into to a file of its own."""
        self.folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps(self.whole.sections, ensure_ascii=False)  # the first tariff is the default
        atomic_file.publish_text(self.folder / "scenario.json", text)
        begun: set[int] = set()
        for name, nodes, rows in self.whole.pieces():
            lines: dict[int, list[str]] = {}
            for node, row in zip(nodes, rows, strict=True):
                lines.setdefault(int(self.first[node]), []).append(
                    json.dumps([name, row], ensure_ascii=False)
                )
            for region, own in lines.items():
                with self._rows(region).open("a" if region in begun else "w", encoding="utf-8") as file:
                    file.write("".join(f"{line}\n" for line in own))
                begun.add(region)

    def tasks(self) -> dict[str, Region]:
        """Return the regions that have participants, by the files of their runs."""
        from ...model.regions import partition

        region = partition.regions(self.whole.parent, self.cut_above)
        tasks = {}
        for top in np.unique(region[self.whole.crowd > 0]):
            own = np.flatnonzero(region == top)
            path = str(self.folder / f"{self._key(own)}.nc")
            rows = tuple(str(self._rows(int(r))) for r in np.unique(self.first[own]))
            name, sections = str(self.whole.node[top]), str(self.folder / "scenario.json")
            tasks[path] = Region(name, sections, rows, path, self.time_limit, self.recorded)
        return tasks

    def judge(self) -> tuple[Any, Any]:
        """Return the border of all regions together, and what the certificate says of it.

        Prices with directions decided prove no bound of the whole: where there are any, those of the relaxation do.
        """
        from ...model.regions import optimality_gap

        answers = list(self.current().values())
        hours = answers[0].hours
        border = self._border([(answer.node, answer.border) for answer in answers])
        verdict = optimality_gap.judge(self.tree, self.cut_above, border, hours)
        beyond = sum(answer.beyond for answer in answers)
        if any(answer.attrs["directions"] for answer in answers):
            relaxed = self._border([(answer.node, answer.relaxed) for answer in answers])
            proof = optimality_gap.judge(self.tree, self.cut_above, relaxed, hours)
            verdict = verdict._replace(gap=proof.gap + beyond)
        return border, verdict

    def _border(self, parts: Sequence[tuple[np.ndarray, Any]]) -> Any:
        """Return the borders of regions at their nodes as one of the whole."""
        from ...model.regions import optimality_gap

        size = len(self.whole.node), len(next(iter(self.answers.values())).hours)
        whole = optimality_gap.Border(*(np.zeros(size) for _ in optimality_gap.Border._fields))
        place = {label: n for n, label in enumerate(self.whole.node.tolist())}
        for nodes, border in parts:
            at = [place[label] for label in nodes.tolist()]
            for everywhere, here in zip(whole, border, strict=True):
                everywhere[at] = here
        return whole

    def current(self) -> dict[str, Answer]:
        """Return the answers of the regions as the tree is cut now."""
        return {path: self.answers[path] for path in self.tasks()}

    def join(self, pairs: np.ndarray) -> bool:
        """Join regions that would trade, as far as a worker takes them in; return whether any were joined."""
        from ...model.regions import partition

        before = self.cut_above
        self.cut_above = partition.joined(self.tree, before, pairs, MOST)
        return bool((before != self.cut_above).any())

    def _rows(self, region: int) -> Path:
        return self.folder / f"rows-{region:08d}.jsonl"

    def _key(self, nodes: np.ndarray) -> str:
        identity = [self.whole.hash, version(), sorted(self.whole.node[nodes].tolist())]
        return hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:16]


def solve(client: Any, community: Community, progress: Progress, stage: single.Stage) -> tuple[Any, Any]:
    """Clear regions until the certificate holds, or nothing more can be joined; return their border and its verdict."""
    while True:
        community.rounds += 1
        tasks = community.tasks()
        missing = [task for path, task in tasks.items() if path not in community.answers]
        stage(f"clearing {len(missing)} regions")
        failures: list[tuple[Region, Failure]] = []
        done = len(tasks) - len(missing)
        progress(done, len(tasks))
        for task, answer in dask_cluster.answers(client, clear_region, missing):
            if isinstance(answer, BaseException):
                answer = Failure("lost", dask_cluster.lost(answer))
            if isinstance(answer, Failure):
                failures.append((task, answer))
            else:
                community.answers[task.path] = answer
            done += 1
            progress(done, len(tasks))
        if failures:
            _fail(failures)
        border, verdict = community.judge()
        if not len(verdict.pairs) or not community.join(verdict.pairs):
            return border, verdict


def _fail(failures: Sequence[tuple[Region, Failure]]) -> None:
    """Raise the gravest of failures, with the regions that have it."""
    from ...model.errors import SolveError

    kinds: dict[str, Callable[[str], Exception]] = {
        "bug": RuntimeError,
        "lost": dask_cluster.ClusterError,
        "input": Misread,
        "solution": SolveError,
    }
    for kind, error in kinds.items():
        reasons = [
            f"region {task.name}: {failure.reason}" for task, failure in failures if failure.kind == kind
        ]
        if reasons:
            raise error("; ".join(reasons[:5]) + (f"; and {len(reasons) - 5} more" if reasons[5:] else ""))


class Misread(Exception):
    """The inputs of a region cannot be used; its problems are reported for the whole."""


def notes(answers: Iterable[Answer]) -> list[str]:
    """Return what was odd in the data of the regions, each thing once."""
    return list(
        dict.fromkeys(n for a in answers for n in json.loads(a.layout.attrs["inputs"].get("notes", "[]")))
    )
