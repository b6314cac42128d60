"""How loggers, utilities and weather services write a table of readings: units, stamps, separators and clocks."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from ..problems import InputError, Problem, suggestion

UnitName = Literal["kW", "kWh", "W/kW", "kWh cumulative", "W", "Wh", "MW", "MWh", "Wh cumulative"]
StampName = Literal["start", "middle", "end"]
Sampling = Literal["regular", "on-change"]
Gaps = Literal["refuse", "zero", "interpolate", "day-before", "week-before"]
ContainerName = Literal["csv", "xlsx", "espi", "mscons", "nem12"]


@dataclass(frozen=True)
class Unit:
    """A unit of readings, as factors that turn a written value into mean power [kW].

    Of the value v of an interval of h hours, in a unit of which ``per_kilo`` are a kW or kWh::

        power = v / per_kilo                        of power
        power = v / per_kilo / h                    of ``energy``
        power = v * installed_kw / per_kilo         of power ``per_installed`` kW

    A ``counter`` is a meter whose readings increase: v is the difference of two neighbours.
    """

    energy: bool = False
    per_installed: bool = False
    counter: bool = False
    per_kilo: float = 1.0


UNITS: dict[str, Unit] = {
    "kW": Unit(),
    "kWh": Unit(energy=True),
    "W/kW": Unit(per_installed=True, per_kilo=1000.0),
    "kWh cumulative": Unit(energy=True, counter=True),
    "W": Unit(per_kilo=1000.0),
    "Wh": Unit(energy=True, per_kilo=1000.0),
    "MW": Unit(per_kilo=0.001),
    "MWh": Unit(energy=True, per_kilo=0.001),
    "Wh cumulative": Unit(energy=True, counter=True, per_kilo=1000.0),
}
"""Units of readings. A new one is a name in ``UnitName`` and a row here."""

STAMPS: dict[str, int] = {"start": 0, "middle": 1, "end": 2}
"""Half intervals from the start of an interval to its stamp. A new one is a name in ``StampName`` and a row here."""


@dataclass(frozen=True)
class FileFormat:
    """How a file writes its readings.

    Attributes
    ----------
    unit
        ``kW``, ``W``, ``MW`` (mean power), ``kWh``, ``Wh``, ``MWh`` (energy of the interval), ``W/kW`` (W per kW
        installed), or ``kWh cumulative``, ``Wh cumulative`` (a meter's counter: its step is the energy between two
        stamps).
    stamp
        Whether a stamp is the start, the middle or the end of its interval. A counter's stamp is its instant; a stamp
        that gives start and end, and the number of a slot, need no word.
    time_zone
        Zone of stamps that carry no offset: a name, or a fixed offset where the logger ignores summer time.
    time_column, clock_column
        Column of the times, or of the dates where another holds the time of day (``01:00`` to ``24:00``) or the number
        of the slot (1, 2, ..., or hours from 0; ``2A`` and ``2B`` where the clock repeats an hour).
    slot_minutes
        Length of a numbered slot [min]; 0 for that of which the highest number makes a day.
    time_format
        Pattern of ``strptime`` for stamps that are not written year first, or ``seconds`` or ``milliseconds`` since
        1970; "" for those that are.
    shift_minutes
        Added to every stamp: of a file whose clock is known to be wrong, or that means another instant.
    meter_column, value_column
        Where meters stand below one another: the column that names them, and that of the values.
    only
        Column -> the text that a row has there to be read (a register, a direction, a meter).
    first_slot
        Where a row is a day: its first column of readings; the last is the last of the header, or that of the 24, 48,
        96, 144, 288 or 1440 slots of a day.
    sampling
        ``regular``, or ``on-change``: a value holds, and a counter counts, from a row to the next.
    decimal, thousands, separator, encoding
        How the text is written. ``thousands`` is needed only where no number of the file shows it.
    container, sheet
        ``csv``, ``xlsx`` (a workbook, and which of its sheets), ``espi`` (Green Button XML), ``mscons`` or ``nem12``.
    gaps, gaps_up_to_hours
        ``refuse``, or how slots without readings are filled; see :func:`filling.fill`.
    meter_changes
        Of a counter: changes of the meter (``at``, ``last``, ``first``), or ``at-a-drop``; see
        :func:`filling.over_changes`.
    skip_rows, header_rows
        Lines before the header that are left alone (others before a header that has the columns are found), and lines
        of the header, whose cells together name a column, joined by `` | ``: so many, 0 for all before the readings, or
        those that begin with one of these words (blanks and capitals aside).
    reference_year
        The readings hold for any year: a time is looked up by month, day and hour on the zone's standard
        time, as :func:`reference_year.placed` says; weekdays are not matched.
    """

    unit: str = "kW"
    stamp: str = "start"
    time_zone: str = "UTC"
    time_column: str = "time"
    decimal: str = "."
    separator: str = ","
    encoding: str = "utf-8"
    time_format: str = ""
    skip_rows: int = 0
    reference_year: bool = False
    clock_column: str = ""
    slot_minutes: int = 0
    shift_minutes: float = 0.0
    meter_column: str = ""
    value_column: str = ""
    only: Mapping[str, str] = field(default_factory=dict)
    first_slot: str = ""
    sampling: str = "regular"
    thousands: str = ""
    container: str = "csv"
    sheet: str = ""
    header_rows: int | Sequence[str] = 1
    gaps: str = "refuse"
    gaps_up_to_hours: float = 0.0
    meter_changes: str | Sequence[Mapping[str, Any]] = ()

    def problems(self, where: str) -> Iterator[Problem]:
        """Yield what is wrong with the format itself."""
        from .. import clock  # brings pandas: imported where it is needed

        choices = (
            ("unit", UNITS),
            ("stamp", STAMPS),
            ("decimal", (".", ",")),
            ("sampling", get_args(Sampling)),
            ("container", get_args(ContainerName)),
        )
        for name, known in choices:
            got = getattr(self, name)
            if got not in known:
                want = f"one of {', '.join(map(repr, known))}{suggestion(got, known)}"
                yield Problem(where, "", name, repr(got), want)
        if len(self.separator) != 1 or self.separator in '"\r\n':
            yield Problem(where, "", "separator", repr(self.separator), "one character such as ',' or ';'")
        elif self.separator == self.decimal:
            yield Problem(where, "", "decimal", repr(self.decimal), "another mark than the separator")
        if self.thousands and self.thousands == self.decimal:
            yield Problem(where, "", "thousands", repr(self.thousands), "another mark than the decimal")
        try:
            clock.zone(self.time_zone, where)
        except InputError as error:
            yield from error.problems
