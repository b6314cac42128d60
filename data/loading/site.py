"""What a scenario elsewhere than in Japan must say itself: where the sun stands, and in what money prices are."""

from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from ..problems import Problem
from ..schema.scenario import Time
from .overrides import LocatedValues

_HOME = str(Time.model_fields["time_zone"].default)
_EURO = (
    "Vienna",
    "Brussels",
    "Berlin",
    "Madrid",
    "Paris",
    "Rome",
    "Amsterdam",
    "Lisbon",
    "Dublin",
    "Helsinki",
    "Athens",
)
_MONEY = {
    **{f"Europe/{city}": "EUR" for city in _EURO},
    "Europe/London": "GBP",
    "Europe/Zurich": "CHF",
    "Europe/Stockholm": "SEK",
    "Europe/Oslo": "NOK",
    "Europe/Copenhagen": "DKK",
    "Europe/Warsaw": "PLN",
    "Australia": "AUD",
    "Pacific/Auckland": "NZD",
    "America/New_York": "USD",
    "America/Chicago": "USD",
    "America/Denver": "USD",
    "America/Los_Angeles": "USD",
    "America/Toronto": "CAD",
    "America/Vancouver": "CAD",
    "Asia/Tokyo": "JPY",
    "Asia/Kolkata": "INR",
    "Asia/Seoul": "KRW",
}


def money(zone: str) -> str | None:
    """Return the currency that is usual where a time zone is; None where that is not known."""
    return _MONEY.get(zone, _MONEY.get(zone.partition("/")[0]))


def settle(located: LocatedValues, participants: Iterable[Any]) -> None:
    """Give a scenario that names no site that of its time zone's own place, where the sun matters; list what it lacks.

    Parameters
    ----------
    located
        Values of a scenario; ``site`` is added to them, with the zone that it is of.
    participants
        Rows of the table, which are looked at where no site is named.
    """
    values, time = located.values, located.values.get("time")
    zone = time.get("time_zone", _HOME) if isinstance(time, dict) else _HOME
    if zone == _HOME or not isinstance(zone, str):
        return
    if "currency" not in values:
        usual = money(zone)
        want = "three letters of ISO 4217" + (f" ({usual}?)" if usual else "")
        located.problems.append(Problem(*located.place(("currency",)), "nothing", want))
    if "site" in values:
        return
    place = _places().get(zone)
    lit, lived = _needs(values, participants, south=place is not None and place[0] < 0)
    if not lit and not lived:
        return
    if place is not None:
        north, east = place
        values["site"] = {"latitude_deg": north, "longitude_deg": east, "altitude_m": 0.0, "place_of": zone}
    elif lit:
        got = f"nothing, and the time zone {zone!r} has no place"
        want = "latitude_deg and longitude_deg: the sun of PV or of a weather file"
        located.problems.append(Problem(*located.place(("site",)), got, want))


def _needs(values: Mapping[str, Any], participants: Iterable[Any], south: bool) -> tuple[bool, bool]:
    """Return whether the sun of the site matters, and whether the seasons of generated demand do."""
    weather = values.get("weather")
    if isinstance(weather, dict) and weather.get("path"):
        return True, False
    lived = False
    for row in participants:
        if isinstance(row, Mapping):
            if row.get("pv_kw") not in (None, ""):
                return True, False
            lived |= south and any(row.get(name) not in (None, "") for name in ("persons", "annual_kwh"))
    return False, lived


@cache
def _places() -> dict[str, tuple[float, float]]:
    """Return latitude and longitude [deg] of the place that each time zone is named after (``zone.tab`` of tzdata)."""
    text = (files("tzdata") / "zoneinfo" / "zone.tab").read_text(encoding="utf-8")
    rows = [line.split("\t") for line in text.splitlines() if line and not line.startswith("#")]
    return {row[2]: _degrees(row[1]) for row in rows}


def _degrees(written: str) -> tuple[float, float]:
    """Return the degrees of a place in ISO 6709, degrees and minutes, or seconds too.

    >>> _degrees("+5230+01322"), _degrees("-335200+1511300")
    ((52.5, 13.37), (-33.87, 151.22))
    """
    at = max(written.rfind("+"), written.rfind("-"))
    parts = []
    for part, width in ((written[:at], 2), (written[at:], 3)):
        digits = part[1:]
        degrees, minutes, seconds = digits[:width], digits[width : width + 2], digits[width + 2 :] or "0"
        size = int(degrees) + int(minutes) / 60 + int(seconds) / 3600
        parts.append(round(size if part[0] == "+" else -size, 2))
    return parts[0], parts[1]
