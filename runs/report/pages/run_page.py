"""The page of a run in HTML: its figures, then the sections of the report."""

import xarray as xr

from .. import tables
from ..figures.drawing import escaped
from ..page import about, parts
from . import pictures
from .document import columns, document, gallery
from .opened_run import opened


def run_page(tree: xr.DataTree) -> str:
    """Return a run as a page of figures that needs nothing but itself."""
    figures = pictures.figures(opened(tree))
    texts = "".join(f"<h3>{escaped(title)}</h3>{columns(title, text)}" for title, text in parts(tree).items())
    return document(tables.heading(tree), about(tree), {"Figures": gallery(figures), "Tables": texts})
