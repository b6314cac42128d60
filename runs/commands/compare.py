"""The command that puts stored runs side by side."""

from collections.abc import Sequence
from pathlib import Path

from ...data.problems import shown
from .. import compare as comparison
from ..report import tables
from ..store import run_file
from .answer import Answer


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
