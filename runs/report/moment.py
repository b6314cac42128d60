"""Slots of a run by a local time that somebody names."""

import re
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from ...data import clock
from ...data.problems import InputError, Problem


def local(inputs: xr.Dataset, times: Any) -> pd.DatetimeIndex:
    """Return times of a run (naive UTC) as local times."""
    return clock.local(pd.DatetimeIndex(times), str(inputs.attrs.get("time_zone", "UTC")))


def slot(inputs: xr.Dataset, time: str) -> int | None:
    """Return the slot that a local time lies in; None where it lies in none, or is no time.

    ``time`` is ``YYYY-MM-DD HH:MM``, or ``HH:MM`` of the first day.
    """
    starts = inputs["time"].values
    if re.fullmatch(r"\d{1,2}:\d{2}", time):
        time = f"{local(inputs, starts[:1])[0]:%Y-%m-%d} {time:0>5}"
    try:
        moment, offset = clock.stamp(time)
    except ValueError:
        return None
    if offset is not None:
        at = np.datetime64(moment - offset, "ns")
    else:
        zone = clock.zone(str(inputs.attrs.get("time_zone", "UTC")))
        at = clock.to_utc(np.array([moment], dtype="datetime64[ns]"), zone)[0]
    k = int(np.searchsorted(starts, at, side="right")) - 1
    length = np.timedelta64(round(3600 * float(inputs["slot_hours"].values[k])), "s")
    return k if k >= 0 and at < starts[k] + length else None


def problem(inputs: xr.Dataset, time: str, source: str) -> Problem:
    """Return what is said of a time outside of a run."""
    first, last = (f"{t:%Y-%m-%d %H:%M}" for t in local(inputs, inputs["time"].values[[0, -1]]))
    return Problem(source, "", "time", repr(time), f"a time of the run, {first} to {last}")


def require_slot(inputs: xr.Dataset, time: str | None, source: str = "run") -> int | None:
    """Return the slot of a time; None of no time.

    Raises
    ------
    InputError
        If it lies outside of the run.
    """
    found = None if time is None else slot(inputs, time)
    if time is not None and found is None:
        raise InputError([problem(inputs, time, source)])
    return found
