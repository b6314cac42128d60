"""Time zones, slots between local midnights, and the stamps that people write into tables."""

import re
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

import numpy as np
import pandas as pd

from .problems import InputError, Problem, suggestion

_OFFSET = re.compile(r"(?:UTC)?([+-])(\d{1,2}):(\d{2})")
YEARS = (1700, 2250)
"""First and last year in which a horizon may start: nanoseconds count from 1677 to 2262."""

_STAMP = re.compile(
    r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})(?:[T ]+(\d{1,2}):(\d{2})(?::(\d{2})(?:[.,](\d+))?)?)?"
    r"\s*(Z|[+-]\d{2}(?::?\d{2})?)?"
)
_COMPACT = re.compile(r"(\d{4})(\d\d)(\d\d)(?:[T:]?(\d\d)(\d\d)(\d\d)?)?")
_EPOCH = re.compile(r"(1\d{9})(\d{3})?(?:[.,](\d{1,9}))?")  # 2001 to 2033, in seconds or milliseconds
_EPOCH_UNITS = {"seconds": 1.0, "milliseconds": 1e-3}
_MIDNIGHT = re.compile(r"(?<![\d:])24(:00(?::00)?)(?![\d:])")
_ABBREVIATED = re.compile(r"\s*[(\[]?\b(UTC|GMT|CET|CEST|MEZ|MESZ|WET|WEST|EET|EEST|JST|AEST|AEDT)\b[)\]]?$")
_ZONES = {
    "UTC": 0,
    "GMT": 0,
    "CET": 1,
    "CEST": 2,
    "MEZ": 1,
    "MESZ": 2,
    "WET": 0,
    "WEST": 1,
    "EET": 2,
    "EEST": 3,
}
_ZONES |= {"JST": 9, "AEST": 10, "AEDT": 11}


def zone(name: str, where: str = "scenario", field: str = "time_zone") -> tzinfo:
    """Return the time zone of a name such as ``Asia/Tokyo``, ``UTC`` or a fixed offset ``-08:00``.

    Raises
    ------
    InputError
        If the name is none of these.

    Examples
    --------
    >>> zone("-08:00").utcoffset(None)
    datetime.timedelta(days=-1, seconds=57600)
    """
    fixed = _OFFSET.fullmatch(name)
    if fixed and int(fixed[2]) < 24 and int(fixed[3]) < 60:
        offset = timedelta(hours=int(fixed[2]), minutes=int(fixed[3]))
        return timezone(offset if fixed[1] == "+" else -offset)
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # unknown, not a name at all, a folder of the database
        near = suggestion(name, available_timezones())
        want = "a time zone such as 'Asia/Tokyo', 'UTC' or '-08:00'"
        raise InputError([Problem(where, "", field, repr(name), want + near)]) from None


def slots(
    start: date | str, days: int, slot_minutes: int, time_zone: str, where: str = "scenario"
) -> pd.DatetimeIndex:
    """Return the starts of the slots from one local midnight to another, naive UTC.

    A day has 46 or 50 half-hours where the clock changes; every slot has ``slot_minutes``. Where the clock
    skips midnight itself, the day starts at the first instant after it; where it comes twice, at the first.

    Parameters
    ----------
    start
        First local day, a date or ``YYYY-MM-DD``.
    days
        Number of local days, at least 1.
    slot_minutes
        Length of a slot, a divisor of the day [min].
    time_zone
        Name as in :func:`zone`.

    Raises
    ------
    InputError
        Every problem of the four arguments; ``where`` is the file that they stand in.

    Examples
    --------
    >>> slots("2020-08-03", 1, 30, "Asia/Tokyo")[0]
    Timestamp('2020-08-02 15:00:00')
    >>> [len(slots(day, 1, 30, "Europe/Berlin")) for day in ("2021-03-28", "2021-10-31")]
    [46, 50]
    """
    problems = []
    if slot_minutes < 1 or 1440 % slot_minutes:
        problems.append(Problem(where, "", "slot_minutes", f"{slot_minutes}", "a divisor of 1440 minutes"))
    if days < 1:
        problems.append(Problem(where, "", "days", f"{days}", "at least 1"))
    first = date.min
    try:
        first = date.fromisoformat(start) if isinstance(start, str) else start
        if not YEARS[0] <= first.year <= (first + timedelta(days=max(days, 0))).year <= YEARS[1] + 11:
            want = f"days between the years {YEARS[0]} and {YEARS[1]}"
            problems.append(Problem(where, "", "start", repr(str(start)), want))
    except (ValueError, OverflowError):
        problems.append(Problem(where, "", "start", repr(start), "a day as YYYY-MM-DD"))
    try:
        tz = zone(time_zone, where)
    except InputError as error:
        raise InputError([*problems, *error.problems]) from None
    if problems:
        raise InputError(problems)
    if _midnight(first, tz) == _midnight(first + timedelta(days=1), tz):
        want = f"a day that the calendar of {time_zone} has"
        raise InputError([Problem(where, "", "start", repr(str(first)), want)])
    begin, end = (_midnight(first + timedelta(days=n), tz) for n in (0, days))
    if (end - begin) % pd.Timedelta(minutes=slot_minutes):
        hours = (end - begin) / pd.Timedelta(hours=1)
        want = f"a divisor of the horizon's {hours:g} hours (the clock changes in {time_zone})"
        raise InputError([Problem(where, "", "slot_minutes", f"{slot_minutes}", want)])
    step = pd.Timedelta(minutes=slot_minutes)
    return pd.date_range(begin, end, freq=step, inclusive="left").as_unit("ns").rename("time")


def _midnight(day: date, tz: tzinfo) -> pd.Timestamp:
    """Return when a local day begins, naive UTC: a day that the zone skipped, when the one after it begins."""
    noon = datetime.combine(day, time(12), tz)
    if noon.astimezone(UTC).astimezone(tz).date() != day:  # where pandas shifts it to depends on its version
        day += timedelta(days=1)
    local = pd.Timestamp(day).tz_localize(tz, ambiguous=True, nonexistent="shift_forward")
    return local.tz_convert("UTC").tz_localize(None)


@lru_cache(maxsize=2**16)  # files of many meters have the same stamps, a year of quarter-hours of them
def stamp(text: str, time_format: str = "") -> tuple[datetime, timedelta | None]:
    """Return a written stamp as a naive datetime and its offset from UTC, None where it has none.

    Understood are ``2019-01-31T13:30``, ``2019/1/31 13:30``, ``201901311330``, a date alone, seconds and their
    fractions, ``Z``, ``+09:00`` and abbreviations such as ``CEST``, 24:00 as the end of the day, and seconds or
    milliseconds since 1970 in the years 2001 to 2033. With a ``time_format`` (as of ``strptime``, or ``seconds`` or
    ``milliseconds`` since 1970) only that.

    Raises
    ------
    ValueError
        If the text is no stamp.

    Examples
    --------
    >>> stamp("2019/1/31 24:00")
    (datetime.datetime(2019, 2, 1, 0, 0), None)
    >>> stamp("1548941400000")[0], stamp("31.01.2019 13:30 CET", "%d.%m.%Y %H:%M")[1]
    (datetime.datetime(2019, 1, 31, 13, 30), datetime.timedelta(seconds=3600))
    """
    text = text.strip()
    match = None if time_format else _STAMP.fullmatch(text)
    if match is None:
        return _stamp_of_another_form(text, time_format)
    moment = _moment([int(g or 0) for g in match.groups()[:6]])
    if match[7]:
        moment += timedelta(microseconds=int(match[7].ljust(6, "0")[:6]))
    if match[8] is None:
        return moment, None
    if match[8] == "Z":
        return moment, timedelta(0)
    minutes = int(match[8][-2:]) if len(match[8]) > 3 else 0
    size = timedelta(hours=int(match[8][1:3]), minutes=minutes)
    return moment, size if match[8][0] == "+" else -size


def _stamp_of_another_form(text: str, time_format: str) -> tuple[datetime, timedelta | None]:
    """Return what :func:`stamp` does of a pattern, an abbreviated zone, digits alone, or seconds since 1970."""
    if time_format in _EPOCH_UNITS:
        return _since_1970(float(text.replace(",", ".")) * _EPOCH_UNITS[time_format])
    if abbreviated := _ABBREVIATED.search(text):
        moment, offset = stamp(text[: abbreviated.start()], time_format)
        return moment, timedelta(hours=_ZONES[abbreviated[1]]) if offset is None else offset
    if time_format:
        midnight = _MIDNIGHT.search(text)
        parsed = datetime.strptime(_MIDNIGHT.sub(r"00\1", text), time_format)
        return parsed.replace(tzinfo=None) + timedelta(days=bool(midnight)), parsed.utcoffset()
    if epoch := _EPOCH.fullmatch(text):
        return _since_1970(float(f"{epoch[1]}.{epoch[2] or ''}{epoch[3] or '0'}"))
    if compact := _COMPACT.fullmatch(text):
        return _moment([int(g or 0) for g in compact.groups()]), None
    raise ValueError(text)


def _moment(parts: list[int]) -> datetime:
    """Return year, month, day, hour, minute and second as a datetime, 24:00 as the end of the day."""
    year, month, day, hour, minute, second = parts
    if hour == 24 and minute == second == 0:
        return datetime(year, month, day) + timedelta(days=1)
    return datetime(year, month, day, hour, minute, second)


def _since_1970(seconds: float) -> tuple[datetime, timedelta]:
    """Return seconds since 1970 as a naive UTC datetime, to the microsecond, and its offset, which is none."""
    try:
        return datetime(1970, 1, 1) + timedelta(microseconds=round(seconds * 1e6)), timedelta(0)
    except OverflowError:
        raise ValueError(seconds) from None


def to_utc(naive: np.ndarray, tz: tzinfo) -> np.ndarray:
    """Return local times, naive datetime64, as naive UTC; NaT where the clock skips the time.

    A time that comes twice because the clock falls back is read as daylight saving time where it stands
    first, and as standard time where it stands a second time.
    """
    index = pd.DatetimeIndex(naive)
    first = index.to_series().groupby(index).cumcount().to_numpy() == 0
    local = index.tz_localize(tz, ambiguous=first, nonexistent="NaT")
    return local.tz_convert("UTC").tz_localize(None).as_unit("ns").to_numpy()


def shows(moment: datetime, time_zone: str) -> bool:
    """Return whether the clock of a zone shows a time; one with an offset is always shown somewhere.

    >>> shows(datetime(2021, 3, 14, 2, 30), "America/Los_Angeles")
    False
    """
    if moment.tzinfo is not None:
        return True
    aware = moment.replace(tzinfo=zone(time_zone))
    return aware.astimezone(UTC).astimezone(aware.tzinfo).replace(tzinfo=None) == moment


def standard_offset(tz: tzinfo, year: int) -> timedelta:
    """Return a zone's offset from UTC without daylight saving in a year."""
    offsets = [datetime(year, month, 1, tzinfo=tz).utcoffset() for month in (1, 7)]
    return min(o for o in offsets if o is not None)


def local(times: pd.DatetimeIndex, time_zone: str) -> pd.DatetimeIndex:
    """Return naive UTC times as local times with their zone."""
    return times.tz_localize("UTC").tz_convert(zone(time_zone))
