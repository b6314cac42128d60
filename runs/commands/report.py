"""The commands that look at stored runs: report one, bill its participants, put several side by side."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...data.problems import shown
from .. import compare as comparison
from ..ledger.format import canonical_json
from ..report import bill, tables
from ..store import run_file
from ..text import file_name
from .answer import Answer


def report(
    run: Path, participants: Sequence[str], everybody: bool, output: Path | None, directory: Path | None
) -> Answer:
    """Report a run, or bill its participants; see :mod:`otonari.runs.report.billing`."""
    from ..report import billing
    from ..report.page import facts, report
    from ..report.pages.run_page import run_page
    from ..store import atomic_file

    if participants or everybody:
        issued = billing.issue(run, participants, directory)
        pages = {name: bill.write(one) for name, one in issued.items()}
        figures: Any = {name: one.facts() for name, one in issued.items()}
    else:
        tree = run_file.open_run(run)
        write = run_page if output is not None and output.suffix == ".html" else report
        with run_file.reading(run):
            pages, figures = {"": write(tree)}, facts(tree)
    if output is None:
        return Answer(figures, next(iter(pages.values())).removesuffix("\n"))
    paths = dict.fromkeys(pages, output)
    if everybody or len(pages) > 1 or (participants and output.is_dir()):
        paths = {name: output / file_name(canonical_json.label(name), ".md") for name in pages}
    mode = 0o666 if "" in pages else 0o600  # a bill is its participant's
    kept = {path: atomic_file.publish_text(path, pages[name], mode) for name, path in paths.items()}
    lines = [
        f"wrote {p}" + (f" (the earlier, different file is now {k})" if k else "") for p, k in kept.items()
    ]
    return Answer({"paths": [*map(str, kept)], "facts": figures}, "\n".join(lines))


def explain(run: Path, participant: str | None, time: str | None, named: Sequence[str]) -> Answer:
    """Explain a stored run at a participant and a time; see :func:`otonari.runs.report.explain.explain.explain`."""
    from ..report.explain import explain

    tree = run_file.open_run(run)
    with run_file.reading(run):
        case, said = explain.explain(tree, participant, time, named, str(run))
        return Answer(explain.facts(case, said), explain.text(case, said))


def compare(runs: Sequence[Path], output: Path | None) -> Answer:
    """Compare stored runs, and write the comparison; see :mod:`otonari.runs.compare`."""
    with run_file.reading(", ".join(map(str, runs))):
        compared = comparison.compare(runs)
        text = tables.compared(compared)
    kept = comparison.write(compared, output) if output else None
    stored = f"stored  {output}" + (f" (the earlier, different file is now {kept})" if kept else "")
    text += f"\n\n{stored}" if output else ""
    comment = compared.attrs.get("comment")
    return Answer(
        compared.to_dict(),
        text,
        beside=(stored,) if kept else (),
        warnings=() if comment is None else (shown(f"warning: {comment}"),),
    )
