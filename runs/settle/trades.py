"""The trades of a stored run by slot, whatever run it is."""

import xarray as xr

from ...data.inputs.currency import scale
from ..markets import SETTLED
from ..store import run_format


def groups(tree: xr.DataTree) -> tuple[xr.Dataset, xr.Dataset, xr.Dataset, xr.Dataset]:
    """Return inputs, results, trades by slot and settlement of a run; the file of a settled one has them by days."""
    from ...model.settlement import trades as matched

    inputs, results, trades, settlement = (tree[group].to_dataset() for group in run_format.GROUPS)
    if tree.attrs.get("market") == SETTLED:
        trades = matched.bilateral(inputs, results, "fixed=0")
        unit = scale(str(tree.attrs["currency"])).price  # fees of a settlement count in whole units
        trades["trade_fee"] = (trades["trade_fee"] * unit).round() / unit
    return inputs, results, trades, settlement
