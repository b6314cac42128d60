"""The commands that look at stored runs: report one, bill its participants, put several side by side."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ...data.problems import InputError, Problem, shown
from .. import compare as comparison
from ..ledger.format import canonical_json
from ..report import tables
from ..store import plan_file, run_file
from ..text import file_name
from .answer import Answer

_ASK = "home-05"
"""Whom the next question is about: a home without PV, with a car, that saves by buying from neighbours."""


def report(run: Path, output: Path | None, time: str | None = None) -> Answer:
    """Report a run, a plan, a comparison or a sweep on one page, with figures where the output ends in .html.

    ``time`` is that of the slot whose orders or trades the page of a run shows.
    """
    from ..report.page import facts, report
    from ..report.pages.comparison_page import comparison_page
    from ..report.pages.run_page import run_page
    from ..store import atomic_file

    figured = output is not None and output.suffix == ".html"
    planned = plan_file.holds(run)
    compared = None if planned else comparison.read(run)
    if time is not None and (planned or compared is not None):
        want = "none: neither plans nor comparisons show a single slot"
        raise InputError([Problem(str(run), "", "time", repr(time), want)])
    if planned:
        return _plan(run, output)
    with run_file.reading(run):
        if compared is not None:
            page = comparison_page(compared) if figured else tables.compared(compared) + "\n"
            figures: Any = compared.to_dict()
        else:
            tree = run_file.open_run(run)
            page, figures = run_page(tree, time, str(run)) if figured else report(tree), facts(tree)
    if output is None:
        return Answer(figures, page.removesuffix("\n"))
    kept = {output: atomic_file.publish_text(output, page)}
    return Answer({"paths": [str(output)], "facts": figures}, _wrote(kept))


def _plan(file: Path, output: Path | None) -> Answer:
    """Report a stored plan: its tables, or a page of figures where the output ends in .html."""
    from ..report.pages.plan_page import plan_page
    from ..store import atomic_file
    from . import plan

    figures = plan_file.read(file)
    text = plan.text(figures)
    if output is None:
        return Answer(plan.facts(figures), text)
    page = plan_page(figures, text) if output.suffix == ".html" else text + "\n"
    kept = {output: atomic_file.publish_text(output, page)}
    return Answer({"paths": [str(output)], "facts": plan.facts(figures)}, _wrote(kept))


def bills(
    source: Path,
    participants: Sequence[str],
    output: Path | None,
    directory: Path | None,
    month: str = "",
    after: Path | None = None,
    anonymous: bool = False,
    language: str = "",
) -> Answer:
    """Bill participants of runs, all of them by default; see :mod:`otonari.runs.report.bills.issue`.

    Pages are in HTML where a ``language`` is named or the output ends in .html.
    """
    from ..report.bills import bill, issue, page, rows, sources
    from ..report.pages import member_page
    from ..report.pages.languages.phrases import phrases

    ending = ".html" if language or (output and output.suffix == ".html") else ".md"
    say = phrases(language or "en")

    before = sources.billed(after) if after else None
    receipts = issue.issue(source, issue.Request(participants, month, before, anonymous), directory)
    made = {name: bill.bill(receipt) for name, receipt in receipts.items()}
    facts: Any = {name: one.facts() for name, one in made.items()}
    table = rows.write([*made.values()])
    if output is None:
        text = "\n".join(page.write(one) for one in made.values())
        note = "note: the receipt is written with the page: give --output"
        return Answer(facts, text.removesuffix("\n"), warnings=(note,))
    if output.suffix == ".csv":
        return Answer({"paths": [str(output)], "facts": facts}, _wrote({output: _private(output, table)}))
    several = len(made) > 1 or not participants or output.is_dir()
    folder = output if several else output.parent
    kept = dict[Path, Path | None]()
    for name, one in made.items():
        beside = folder / one.receipt_name
        kept[beside] = _private(beside, receipts[name].packed())
        path = folder / file_name(canonical_json.label(name), ending) if several else output
        text = page.write(one) if ending == ".md" else member_page.write(receipts[name], say)
        kept[path] = _private(path, text)
    if several:
        kept[folder / "bills.csv"] = _private(folder / "bills.csv", table)
    return Answer({"paths": [*map(str, kept)], "facts": facts}, _wrote(kept))


def _private(path: Path, content: str | bytes) -> Path | None:
    """Put a file under its name that its owner alone may read; return the copy of an earlier, different one."""
    from ..store import atomic_file

    data = content.encode() if isinstance(content, str) else content
    return atomic_file.publish(path, lambda name: Path(name).write_bytes(data), None, 0o600)


def _wrote(kept: Mapping[Path, Path | None]) -> str:
    """Return which files were written, and where earlier, different ones of their names are."""
    return "\n".join(
        f"wrote {p}" + (f" (the earlier, different file is now {k})" if k else "") for p, k in kept.items()
    )


def explain(run: Path, participant: str | None, time: str | None, named: Sequence[str]) -> Answer:
    """Explain a stored run at a participant and a time; see :func:`otonari.runs.report.explain.explain.explain`."""
    from ..report.explain import explain

    tree = run_file.open_run(run)
    with run_file.reading(run):
        case, said = explain.explain(tree, participant, time, named, str(run))
        return Answer(explain.facts(case, said), explain.text(case, said))


def compare(runs: Sequence[Path], output: Path | None) -> Answer:
    """Compare stored runs, or stored plans, and write the comparison; see :mod:`otonari.runs.compare`."""
    if all(map(plan_file.holds, runs)):
        from . import plan

        return plan.compare(runs, output)
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


def demo(scenario: str, page: Path, stage: Callable[[str], None]) -> Answer:
    """Clear a scenario into a run file beside a page of it; return what it says, and what to ask next."""
    from . import clear

    run = page.with_suffix(".nc")
    cleared = clear.clear(scenario, output=run, record=False, stage=stage)
    stage("drawing the page")
    drawn = report(run, page)
    following = {
        f"otonari explain {run} --participant {_ASK}": f"why {_ASK} saves what it saves",
        f"otonari clear {scenario}": "the same with a ledger, of which bills have receipts",
        "otonari init my --template six-kinds": "a scenario of one's own to change",
    }
    width = max(map(len, following))
    ask = [f"  {command:{width}}  # {what}" for command, what in following.items()]
    text = "\n".join([cleared.text, shown(f"page    {page}"), "", "next:", *ask])
    return replace(drawn, text=text, notes=cleared.notes)
