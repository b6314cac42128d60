"""What is asked of inputs before a power flow: that they describe their network, and that there is one to ask."""

from importlib import util
from pathlib import Path

import xarray as xr

from ...data.problems import InputError, Problem

EXTRA = "power_grid_model"


def computable() -> bool:
    """Return whether power-grid-model is installed."""
    return util.find_spec(EXTRA) is not None


def require_wires(where: str | Path, inputs: xr.Dataset) -> None:
    """Raise InputError where inputs say nothing of their network, or power-grid-model is not installed."""
    if "node_voltage" not in inputs:
        want = "cable, r_ohm and x_ohm, or transformer_kva of nodes, and a section grid, when it was cleared"
        raise InputError([Problem(str(where), "", "network", "nothing said of its wires", want)])
    if not computable():
        want = "the extra grid: pip install 'otonari[grid]'"
        raise InputError([Problem(str(where), "", "power-grid-model", "not installed", want)])
