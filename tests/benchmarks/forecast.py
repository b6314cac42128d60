"""Milliseconds of one forecast for twenty homes and ten cars: ``python tests/benchmarks/forecast.py``."""

import time

import numpy as np
import pandas as pd

from otonari.data.forecast.driving import vehicle_forecast
from otonari.data.forecast.driving_history import Trips
from otonari.data.forecast.power import demand_forecast, pv_forecast
from otonari.data.series.calendar import calendar

DAYS, HOMES, CARS, REPEATS = 365, 20, 10, 50


def main() -> None:
    """Print the mean time of a forecast made at many gates of a year of half-hours."""
    rng = np.random.default_rng(1)
    times = pd.date_range("2020-01-01", periods=48 * (DAYS + 2), freq="30min")
    days = calendar(times, 0.5, "Asia/Tokyo")
    history = rng.gamma(4, 0.25, (HOMES, len(times)))
    clear = np.tile(np.maximum(0, np.sin((np.arange(48) - 12) / 24 * np.pi)), DAYS + 2)[None]
    gates = rng.integers(48 * 100, 48 * DAYS, REPEATS)
    starts = np.tile(times.to_numpy()[: 48 * DAYS : 48], CARS)
    trips = Trips(
        np.repeat(np.arange(CARS), DAYS),
        starts + np.timedelta64(7, "h"),
        starts + np.timedelta64(18, "h"),
        rng.gamma(2, 2, CARS * DAYS),
    )
    usable = np.full(CARS, 6.5)
    calls = {
        "demand, 1 slot": lambda now: demand_forecast(history, days, now, 1),
        "demand, 48 slots": lambda now: demand_forecast(history, days, now, 48),
        "pv, 48 slots": lambda now: pv_forecast(history, clear, days, now, 48),
        "vehicle, 2 days": lambda now: vehicle_forecast(
            trips, usable, times.to_numpy()[now], 2, "Asia/Tokyo"
        ),
    }
    for name, call in calls.items():
        call(int(gates[0]))
        begin = time.perf_counter()
        for now in gates:
            call(int(now))
        print(f"{name:18s} {(time.perf_counter() - begin) / REPEATS * 1e3:6.2f} ms")


if __name__ == "__main__":
    main()
