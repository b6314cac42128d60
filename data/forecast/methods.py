"""The table of forecasts of demand and PV, by name."""

from dataclasses import dataclass

from .interface import ForecastPower
from .persistence import last_week, latest, yesterday
from .power import profile_forecast


@dataclass(frozen=True)
class Method:
    """A forecast of demand and PV.

    ``reference``: a plain rule, to which a back-test gives the readings without runs of zeros that look missing.
    ``next_slot_only``: it says nothing about a whole day ahead.
    """

    forecast: ForecastPower
    reference: bool = False
    next_slot_only: bool = False


PROFILE = "profile"
"""The method that agents of a simulation plan with."""

METHODS = {
    PROFILE: Method(profile_forecast),
    "yesterday": Method(yesterday, reference=True),
    "last week": Method(last_week, reference=True),
    "latest": Method(latest, reference=True, next_slot_only=True),
}
"""Forecasts by name. A back-test scores every row of this table."""
