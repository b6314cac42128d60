"""The page of a run in HTML: its figures, then the sections of the report."""

import xarray as xr

from .. import moment, tables
from ..figures.drawing import escaped
from ..page import about, parts
from . import pictures
from .document import columns, document, gallery
from .opened_run import opened


def run_page(tree: xr.DataTree, time: str | None = None, source: str = "run") -> str:
    """Return a run as a page of figures that needs nothing but itself.

    ``time`` is the local one of the slot of which orders or trades are shown (default: the one with the most trade).

    Raises
    ------
    InputError
        If it lies outside of the run, whose name is ``source``.
    """
    slot = moment.require_slot(tree["inputs"].to_dataset(), time, source)
    figures = pictures.figures(opened(tree, slot))
    texts = "".join(f"<h3>{escaped(title)}</h3>{columns(title, text)}" for title, text in parts(tree).items())
    return document(tables.heading(tree), about(tree), {"Figures": gallery(figures), "Tables": texts})
