"""The key by which a network operator realises a stored run: coefficients per slot, producer and member."""

from typing import NamedTuple

import numpy as np
import xarray as xr

from ...model.labels import Array
from ...model.sharing.coefficients import coefficients
from ...model.sharing.traded import Traded, traded
from ..text import as_csv
from . import trades as trades_by_slot

REST = "(surplus)"
"""The column of what is given to nobody."""


class Key(NamedTuple):
    """What a run traded, who of its meters are producers, and their coefficients in units of the last decimal.

    ``time`` (time,) are the starts of the slots in UTC, ``producers`` (producer,) positions of meters, ``units``
    (producer, meter, time) whole numbers.
    """

    time: Array
    volumes: Traded
    producers: Array
    units: Array
    decimals: int

    def csv(self) -> str:
        """Return a line per slot and producer: a coefficient for each member, and the rest; together exactly one."""
        whole, label = 10**self.decimals, self.volumes.label
        rows = [
            [
                np.datetime_as_string(time, unit="s") + "Z",
                label[j],
                *(_decimal(n, self.decimals) for n in units),
            ]
            for t, time in enumerate(self.time)
            for k, j in enumerate(self.producers)
            for units in [[*self.units[k, :, t].tolist(), whole - int(self.units[k, :, t].sum())]]
        ]
        return as_csv(["time", "producer", *label, REST], rows)


def of_run(tree: xr.DataTree, *, decimals: int = 6, exhaustive: bool = False) -> Key:
    """Return the key that realises a run; see :func:`otonari.model.sharing.coefficients.coefficients`."""
    inputs, results, trades, _ = trades_by_slot.groups(tree)
    volumes = traded(inputs, results, trades)
    producers = np.flatnonzero(volumes.injected.any(axis=1))
    seller, *others = volumes.contracts
    contracts = (np.searchsorted(producers, seller), *others)
    meters = volumes.injected[producers], volumes.withdrawn
    units = coefficients(*meters, contracts, decimals=decimals, exhaustive=exhaustive)
    return Key(inputs["time"].values, volumes, producers, units, decimals)


def _decimal(units: int, decimals: int) -> str:
    """Return units of the last decimal as text.

    >>> _decimal(300, 3), _decimal(1000, 3)
    ('0.300', '1.000')
    """
    return f"{units // 10**decimals}.{units % 10**decimals:0{decimals}d}"
