"""Inputs of a town of any size for the benchmarks."""

import xarray as xr

from otonari.data import town
from otonari.data.build import build_inputs


def neighbourhood(homes: int, seed: int = 1, days: int = 1) -> xr.Dataset:
    """Return the inputs of a town of ``homes`` homes (and a business per 125 of them) over half-hours."""
    return build_inputs(town.scenario(homes, seed, days))
