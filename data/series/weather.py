"""Weather over slots from readings: hours cut into half-hours along the clear sky, energy preserved."""

from collections.abc import Callable

import numpy as np
import pandas as pd

from ..problems import InputError, Problem, several
from .readings import Readings
from .resampling import gaps, near, resample, span

COLUMNS = ("ghi", "dni", "dhi", "temp_air")
_RANGE = {"ghi": (-20, 1600), "dni": (-20, 1500), "dhi": (-20, 1000), "temp_air": (-90, 70)}
_UNIT = {"ghi": "W/m2", "dni": "W/m2", "dhi": "W/m2", "temp_air": "C"}


def spread(
    readings: Readings,
    times: pd.DatetimeIndex,
    hours: np.ndarray,
    clear_sky: Callable[[pd.DatetimeIndex], pd.DataFrame],
) -> pd.DataFrame:
    """Return ghi, dni, dhi [W/m2] and temp_air [C] as means over the slots, indexed by ``times``.

    Within a reading G, irradiance g has the shape of the clear sky c and the mean G; it is G where c is 0 throughout::

        g(t) = G c(t) / mean(c)

    Parameters
    ----------
    readings
        ``COLUMNS`` on the axis of the slots.
    times, hours
        Starts, naive UTC, and lengths of the slots (time,) [h].
    clear_sky
        ghi, dni and dhi at instants, naive UTC [W/m2].

    Raises
    ------
    InputError
        For gaps, and values outside the range of real weather.
    """
    used = near(readings, times, hours)
    problems = [*gaps(readings, times, hours), *_out_of_range(readings, used)]
    if problems:
        raise InputError(problems)
    starts, given, lengths = readings.starts[used], readings.values[:, used], readings.spans()[used]
    ends = starts + lengths
    edges = np.unique(np.concatenate([starts, ends, times.to_numpy(), times.to_numpy() + span(hours)]))
    edges = edges.astype("datetime64[ns]")
    edges = edges[(edges >= starts[0]) & (edges <= ends[-1])]
    length = np.diff(edges)
    reading = np.searchsorted(starts, edges[:-1], side="right") - 1
    clear = clear_sky(pd.DatetimeIndex(edges[:-1] + length // 2)).to_numpy().T
    share = length / lengths[reading]
    parts = given[:, reading]
    for c, sky in enumerate(clear):
        mean = np.bincount(reading, sky * share)[reading]
        parts[c] = np.maximum(parts[c], 0.0) * np.where(mean > 0, sky / np.where(mean > 0, mean, 1.0), 1.0)
    values = resample(edges[:-1], length / np.timedelta64(1, "h"), parts, times.to_numpy(), hours)
    table = pd.DataFrame(dict(zip(COLUMNS, values, strict=True)), index=times)
    negative = int((given[:3] < 0).sum())
    table.attrs["notes"] = (
        [f"{readings.where}: {negative} small negative readings of irradiance are used as 0"]
        if negative
        else []
    )
    return table


def _out_of_range(readings: Readings, used: np.ndarray) -> list[Problem]:
    """Return the readings outside the range of real weather: a code for a missing value, another unit."""
    problems: list[Problem] = []
    for name, values in zip(COLUMNS, readings.values, strict=True):
        low, high = _RANGE[name]
        odd = [
            (int(row), f"{value:g}")
            for row, value in zip(readings.rows[used], values[used], strict=True)
            if value < low or value > high
        ]
        problems += several(readings.where, name, odd, f"between {low} and {high} {_UNIT[name]}")
    return problems
