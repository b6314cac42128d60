"""Heat that homes need, and what heat pumps make of electricity, from documented rules.

Hot water follows a tapping cycle of the European Union, space heating the outdoor temperature; so does the coefficient
of performance (COP).
"""

import numpy as np
import pandas as pd

from .. import clock

TAPPINGS = {
    "07:00": 0.105, "07:05": 1.4, "07:30": 0.105, "08:01": 0.105, "08:15": 0.105, "08:30": 0.105, "08:45": 0.105,
    "09:00": 0.105, "09:30": 0.105, "10:30": 0.105, "11:30": 0.105, "11:45": 0.105, "12:45": 0.315, "14:30": 0.105,
    "15:30": 0.105, "16:30": 0.105, "18:00": 0.105, "18:15": 0.105, "18:30": 0.105, "19:00": 0.105, "20:30": 0.735,
    "21:15": 0.105, "21:30": 1.4,
}  # fmt: skip
"""Useful heat [kWh] of the tappings of a day: load profile M of Regulation (EU) No 814/2013, Annex III, table 1, which
EN 16147 has too; 5.845 kWh a day."""

DAY_LEVEL, MOMENT = 0.2, 0.5
"""Standard deviations of the logarithm of a day's hot water, and of the moment of a tapping [h]. Assumption."""

LIFT = (15.0, 60.0)
"""Differences of temperature [K] within which the regression of :func:`air_source` holds; beyond, that of the end."""
LEAST_LIFT = 10.0
"""Least difference of temperature of :func:`carnot` [K]: no heat pump has a COP as if there were less. Assumption."""


def hot_water(
    times: pd.DatetimeIndex,
    slot_hours: float,
    time_zone: str,
    kwh_per_day: float,
    seed: int,
    variation: float = 1.0,
) -> np.ndarray:
    """Return the heat of the hot water of a home (time,) [kW], tapped as in ``TAPPINGS`` on the local clock.

    Days differ in what they need and when, by the seed and the date alone, so that horizons that overlap agree. In the
    expectation it is ``kwh_per_day``; ``variation`` 0 gives the cycle itself.
    """
    local = (
        clock.local(times, time_zone).tz_localize(None).to_numpy().astype("datetime64[s]").astype(np.int64)
    )
    starts = np.maximum.accumulate(local)  # where the clock is set back
    moments = np.array([3600 * int(t[:2]) + 60 * int(t[3:]) for t in TAPPINGS])
    share = np.array(list(TAPPINGS.values())) / sum(TAPPINGS.values())
    heat, end = np.zeros(len(times)), starts[-1] + slot_hours * 3600
    for day in range(starts[0] // 86400 - 1, starts[-1] // 86400 + 2):
        rng = np.random.default_rng([seed, 2, day + 1_000_000])
        s = variation * DAY_LEVEL
        level = np.exp(s * rng.standard_normal() - s**2 / 2)
        at = 86400 * day + moments + 3600 * variation * MOMENT * rng.standard_normal(len(moments))
        inside = (at >= starts[0]) & (at < end)
        slot = np.searchsorted(starts, at[inside], side="right") - 1
        np.add.at(heat, slot, kwh_per_day * level * share[inside])
    return np.asarray(heat / slot_hours)


def space_heating(outdoors: np.ndarray, loss_kw_per_k: float, base: float) -> np.ndarray:
    """Return the heat that a building loses (time,) [kW] where it is colder ``outdoors`` (time,) than a ``base`` [C].

    Degree-hours: max(base - outdoors, 0) * loss. The base is the temperature indoors less what the sun, people and
    appliances give.
    """
    return np.asarray(np.maximum(base - outdoors, 0.0) * loss_kw_per_k)


def linear(outdoors: np.ndarray, cop: float, per_k: float, at: float) -> np.ndarray:
    """Return the COP (time,) that is ``cop`` at a temperature outdoors and changes by so much per kelvin; at least 1."""
    return np.asarray(
        np.maximum(cop + per_k * (outdoors - at), 1.0) if per_k else np.full(outdoors.shape, cop)
    )


def air_source(outdoors: np.ndarray, supply: float) -> np.ndarray:
    """Return the COP (time,) of an air-source heat pump that heats to ``supply`` [C].

    COP = 6.81 - 0.121 d + 0.00063 d^2 with the difference d = supply - outdoors [K]: the regression over domestic heat
    pumps of Staffell, Brett, Brandon and Hawkes, "A review of domestic heat pumps", Energy Environ. Sci. 5 (2012),
    https://doi.org/10.1039/C2EE22653G, for 15 to 60 K.
    """
    d = np.clip(supply - outdoors, *LIFT)
    return np.asarray(6.81 - 0.121 * d + 0.00063 * d**2)


def carnot(outdoors: np.ndarray, supply: float, share: float) -> np.ndarray:
    """Return the COP (time,) that is a share of Carnot's, or 1: share * (supply + 273.15) / (supply - outdoors)."""
    return np.asarray(np.maximum(share * (supply + 273.15) / np.maximum(supply - outdoors, LEAST_LIFT), 1.0))
