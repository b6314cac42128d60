"""The commands that clear."""

from typing import Any

import xarray as xr

from ..archive import Outcome


def facts(outcome: Outcome, summary: xr.Dataset) -> dict[str, Any]:
    """Return what a machine wants to know of a run: its attributes, figures, file and ledger."""
    attributes = {str(k): v for k, v in outcome.tree.attrs.items() if k != "scenario_definition"}
    kinds = {
        str(kind): {
            str(n).removeprefix("kind_"): float(v)
            for n, v in summary.sel(kind=kind).items()
            if "kind_" in str(n)
        }
        for kind in summary["kind"].values
    }
    totals = {str(n): float(v) for n, v in summary.items() if not v.dims}
    recorded = (
        None if outcome.commit is None else {**vars(outcome.commit), "directory": str(outcome.directory)}
    )
    files = {"path": str(outcome.path), "kept": outcome.kept and str(outcome.kept), "ledger": recorded}
    return {**attributes, **files, "totals": totals, "kinds": kinds}
