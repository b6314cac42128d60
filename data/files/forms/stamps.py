"""Stamps of rows as people write them: date and time apart, start and end in one cell, numbers of slots."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from ... import clock
from ..file_format import FileFormat

_RANGE = re.compile(r"\s+(?:-|to|bis)\s+|\s*[\u2013\u2014~]\s*|(?<=[\d:Z])\s*/\s*(?=\d{4}-)")
_TIME = re.compile(r"(\d{1,2})[:.](\d{2})(?:[:.](\d{2})(?:[.,]\d+)?)?\s*([AaPp])?\.?[Mm]?\.?")
_TIMES = re.compile(r"(\d{1,2}[:.]\d{2}(?:[:.]\d{2})?)\s*-\s*\d{1,2}[:.]\d{2}(?:[:.]\d{2})?")
_DIGITS = re.compile(r"(\d{2})(\d{2})")
_SLOT = re.compile(r"[A-Za-z]*\s*(\d{1,3})\s*([ABab])?")
SLOTS_PER_DAY = (24, 48, 96, 144, 288, 1440)
"""Numbers of slots that a day may be cut into."""


@dataclass(frozen=True)
class Stamps:
    """The stamps of rows (row,), as written.

    ``moment`` is a naive datetime64, NaT where unreadable, ``offset`` [s] that from UTC, NaN where none is written.
    ``slot`` is the number of the slot in the day ``moment``, counted from 1, 0 for none, and ``again`` 1 or 2 for the
    first or second of two hours of the same number (``2A``, ``2B``). ``begins`` says that they are starts in any case.
    """

    moment: np.ndarray
    offset: np.ndarray
    slot: np.ndarray
    again: np.ndarray
    begins: bool

    def chosen(self, which: np.ndarray) -> "Stamps":
        """Return the stamps of some rows."""
        return Stamps(
            self.moment[which], self.offset[which], self.slot[which], self.again[which], self.begins
        )


def read_stamps(dates: Sequence[str], clocks: Sequence[str] | None, fmt: FileFormat) -> Stamps:
    """Return the stamps of rows whose dates, or dates and times, stand in one column, or in two."""
    moment = np.full(len(dates), "NaT", dtype="datetime64[ns]")
    offset = np.full(len(dates), np.nan)
    slot, again = np.zeros(len(dates), dtype=int), np.zeros(len(dates), dtype=int)
    begins, days = False, {}
    for r, text in enumerate(dates):
        try:
            if text not in days:
                days[text] = _moment(text, fmt)
            at, zone, ranged = days[text]
            if clocks is not None:
                at, slot[r], again[r], whole = _time_of_day(at, clocks[r])
                ranged |= whole
        except ValueError:
            continue
        moment[r] = np.datetime64(at, "ns")
        offset[r] = np.nan if zone is None else zone.total_seconds()
        begins |= ranged
    slot = _from_one(slot)
    return Stamps(moment, offset, slot, again, begins or bool(slot.any()))


def readable(text: str, fmt: FileFormat) -> bool:
    """Return whether a text is a stamp."""
    try:
        _moment(text, fmt)
    except ValueError:
        return False
    return True


def _moment(text: str, fmt: FileFormat) -> tuple[datetime, timedelta | None, bool]:
    """Return a stamp, its offset, and whether it is the start of two (``a - b``).

    A pattern that ends with minutes takes seconds, too. In a workbook a time may be one, whatever the pattern of those
    that are text.
    """
    patterns = [fmt.time_format]
    if fmt.time_format.endswith(":%M"):
        patterns.append(f"{fmt.time_format}:%S")
    if fmt.container == "xlsx" and fmt.time_format:
        patterns.append("")
    for pattern in patterns:
        try:
            return *clock.stamp(text, pattern), False
        except ValueError:
            continue
    first, *rest = _RANGE.split(text.strip(), maxsplit=1)
    if rest:
        return *clock.stamp(first, fmt.time_format), True
    raise ValueError(text)


def _time_of_day(day: datetime, text: str) -> tuple[datetime, int, int, bool]:
    """Return moment, slot number, which of two of the same number, and whether the cell gives start and end.

    A number of a slot is given one more than it is written, where hours are counted from 0: see :func:`_from_one`.
    """
    text = text.strip()
    if both := _TIMES.fullmatch(text):
        text = both[1]
    day = day.replace(hour=0, minute=0, second=0, microsecond=0)
    found = _TIME.fullmatch(text) or _DIGITS.fullmatch(text)
    if found:
        parts = [*found.groups(), None, None][:4]
        hour, minute, second = (int(p or 0) for p in parts[:3])
        if parts[3]:
            hour = hour % 12 + 12 * (parts[3] in "Pp")
        if hour > 24 or minute > 59 or second > 59 or (hour == 24 and minute + second):
            raise ValueError(text)
        return day + timedelta(hours=hour, minutes=minute, seconds=second), 0, 0, both is not None
    number = _SLOT.fullmatch(text)
    if not number:
        raise ValueError(text)
    again = " AB".index(number[2].upper()) if number[2] else 0
    return day, int(number[1]) + 1, again, False


def _from_one(slot: np.ndarray) -> np.ndarray:
    """Return the numbers of slots (row,) counted from 1, 0 for none: as read they are one more than written.

    A file that has a 0 counts from 0.
    """
    used = slot[slot > 0]
    return slot if not len(used) or used.min() == 1 else np.where(slot > 0, slot - 1, 0)
