"""What is hardly possible in readings and prices: notes to the user, or problems where a scenario is strict."""

from collections.abc import Iterator

import numpy as np

from ..problems import Problem
from .readings import Readings

SPIKE = 20.0
"""A reading of more than so many times the 99th percentile of its column is noted (assumption)."""

SPIKE_KW = 5.0
"""A reading of no more than this is none [kW]: a kettle in an empty house."""

STUCK_HOURS = 24.0
"""A value other than 0 that stands still for this long is noted, where the column has others [h]. Assumption."""

HOME_KW = (0.003, 10.0)
"""Mean demand that a home has [kW]: from a standby to 88 MWh a year. Assumption."""

NIGHT_DEG, NIGHT_SHARE = -6.0, 0.01
"""PV gives nothing below this height of the sun [deg], or no more than this share of its energy: dawn, a slow clock."""

USUAL_RETAIL = {
    "EUR": 0.30,
    "GBP": 0.28,
    "CHF": 0.28,
    "USD": 0.17,
    "CAD": 0.13,
    "AUD": 0.33,
    "NZD": 0.33,
    "JPY": 31.0,
    "SEK": 2.0,
    "NOK": 1.5,
    "DKK": 2.5,
    "PLN": 1.1,
    "CZK": 7.0,
    "HUF": 40.0,
    "INR": 7.0,
    "KRW": 150.0,
    "BRL": 0.9,
}
"""Usual price of retail energy of homes by currency [per kWh], for the order of magnitude alone. Assumption."""

FAR_FROM_USUAL = 10.0
"""Retail energy of more than so many times the usual, or so many times less, is noted: a cent, a MWh?"""


def oddities(power: Readings, used: np.ndarray) -> Iterator[Problem]:
    """Yield spikes and values that stand still among readings of power [kW] that are used (reading,)."""
    hours = np.broadcast_to(np.asarray(power.hours, dtype=float), power.starts.shape)
    for name, values in dict(zip(power.columns, power.values, strict=True)).items():
        known = values[~np.isnan(values)]
        if len(known) < 8:
            continue
        usual = float(np.quantile(known, 0.99, method="lower"))
        high = np.flatnonzero(used & (values > max(SPIKE * usual, SPIKE_KW)) & (usual > 0))
        for row in high[:3]:
            got = f"{values[row]:.6g} kW ({values[row] * hours[row]:.6g} kWh), {values[row] / usual:.3g} times as much"
            yield Problem(
                power.where,
                str(power.rows[row]),
                name,
                got,
                f"values such as {usual:.3g} kW, the 99th percentile",
            )
        yield from _stuck(power, name, values, used, hours)


def _stuck(
    power: Readings, name: str, values: np.ndarray, used: np.ndarray, hours: np.ndarray
) -> Iterator[Problem]:
    """Yield the longest run of a column's one value, other than 0, where it lasts."""
    change = np.flatnonzero(np.append(True, values[1:] != values[:-1]))
    if len(change) < 12:  # a column of few values stands still by nature
        return
    lengths = np.add.reduceat(hours * used, change)
    several = np.diff(np.append(change, len(values))) > 1  # one reading of a day does not stand still
    longest = int(np.argmax(np.where((values[change] != 0) & several, lengths, 0.0)))
    if lengths[longest] >= STUCK_HOURS and values[change[longest]] > 0 and several[longest]:
        got = f"{values[change[longest]]:.6g} kW for {lengths[longest]:.4g} h"
        yield Problem(
            power.where,
            str(power.rows[change[longest]]),
            name,
            got,
            "values that change (a meter that stood still?)",
        )


def of_a_home(where: str, name: str, power: np.ndarray) -> Iterator[Problem]:
    """Yield a mean demand over the slots (time,) [kW] that no home has."""
    mean = float(power.mean())
    least, most = HOME_KW
    if mean > most:
        yield Problem(
            where, "", name, f"a mean of {mean:.4g} kW", f"at most {most:g} kW of a home (unit: W or Wh?)"
        )
    elif 0 < mean < least:
        yield Problem(
            where, "", name, f"a mean of {mean:.2g} kW", f"at least {least:g} kW of a home (unit: MW or MWh?)"
        )


def above(
    where: str, name: str, power: np.ndarray, limit: float, what: str, times: list[str]
) -> Iterator[Problem]:
    """Yield power (time,) [kW] beyond a limit, in the slot of the most."""
    worst = int(np.argmax(power))
    if power[worst] > limit * (1 + 1e-9):
        got = f"{power[worst]:.5g} kW at {times[worst]}, {int((power > limit).sum())} slots in all above"
        yield Problem(where, "", name, got, f"at most {limit:g} kW, {what}")


def at_night(
    where: str, name: str, power: np.ndarray, height: np.ndarray, times: list[str]
) -> Iterator[Problem]:
    """Yield PV (time,) [kW] while the sun stands deep below the horizon: height (time,) [deg]."""
    dark = np.where(height < NIGHT_DEG, power, 0.0)
    if power.sum() > 0 and dark.sum() > NIGHT_SHARE * power.sum():
        got = f"{dark.sum() / power.sum():.0%} of the energy at night, the most at {times[int(np.argmax(dark))]}"
        yield Problem(where, "", name, got, "PV by day (time_zone, stamp or site?)")


def of_prices(tariff: str, energy: np.ndarray, feed_in: np.ndarray, currency: str) -> Iterator[str]:
    """Yield what is odd in the retail and feed-in prices (time,) [currency/kWh] of a tariff."""
    usual, mean = USUAL_RETAIL.get(currency), float(energy.mean())
    if usual is not None and mean > FAR_FROM_USUAL * usual:
        yield f"tariff {tariff}: a mean of {mean:.4g} {currency}/kWh, {usual:g} being usual: cents, or per MWh?"
    elif usual is not None and 0 < mean < usual / FAR_FROM_USUAL and energy.max() < usual:
        yield f"tariff {tariff}: a mean of {mean:.4g} {currency}/kWh, {usual:g} being usual: per MWh taken for per kWh?"
    higher = int((feed_in > energy).sum())
    if higher:
        yield f"tariff {tariff}: feed-in is above retail in {higher} of {len(energy)} slots"
