"""The page of a run: its heading, its notes, and the sections of the table of sections."""

from typing import Any

import xarray as xr

from ..text import on_page, section
from . import tables
from .sections import SECTIONS, Section


def report(tree: xr.DataTree) -> str:
    """Return a run as a page: who, when, and every section of `sections`."""
    head = "\n".join(f"- {on_page(line)}" for line in about(tree))
    body = [section(title, text) for title, text in parts(tree).items()]
    return "\n\n".join([f"# {on_page(tables.heading(tree))}", head, *body]) + "\n"


def about(tree: xr.DataTree) -> list[str]:
    """Return how a run was cleared, and what was odd in it, a sentence each."""
    facts = [f"status: {tree.attrs['status']}", f"cleared by otonari {tree.attrs['otonari_version']}"]
    facts += [f"ledger head: {tree.attrs['ledger_head']}"] if "ledger_head" in tree.attrs else []
    return [*facts, *tables.notes(tree)]


def parts(tree: xr.DataTree) -> dict[str, str]:
    """Return the sections of a run as text in columns, by their headings."""
    currency = str(tree.attrs["currency"])
    return {s.title.format(currency=currency): s.text(tree) for s in _sections(tree).values()}


def facts(tree: xr.DataTree) -> dict[str, Any]:
    """Return what a report says for a machine: plain values, energy in kWh, money in the run's currency."""
    values = {name: s.values(tree) for name, s in _sections(tree).items()}
    return {"title": tables.heading(tree), "currency": str(tree.attrs["currency"]), **values}


def _sections(tree: xr.DataTree) -> dict[str, Section]:
    """Return the sections of which a run has something, by name."""
    return {name: section for name, section in SECTIONS.items() if section.where(tree)}
