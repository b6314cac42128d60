"""How loggers, utilities and weather services write a table of readings: units, stamps, separators and clocks."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from ..problems import InputError, Problem, suggestion

UnitName = Literal["kW", "kWh", "W/kW", "kWh cumulative", "W", "Wh", "MW", "MWh", "Wh cumulative"]
StampName = Literal["start", "middle", "end"]


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
        Whether a stamp is the start, the middle or the end of its interval. A counter's stamp is its instant.
    time_zone
        Zone of stamps that carry no offset: a name, or a fixed offset where the logger ignores summer time.
    time_column, decimal, separator, encoding
        How the text is written.
    time_format
        Pattern of ``strptime`` for stamps that are not written year first; "" for those that are.
    skip_rows
        Lines before the header.
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

    def problems(self, where: str) -> Iterator[Problem]:
        """Yield what is wrong with the format itself."""
        from .. import clock  # brings pandas: imported where it is needed

        for field, known in (("unit", UNITS), ("stamp", STAMPS), ("decimal", (".", ","))):
            got = getattr(self, field)
            if got not in known:
                want = f"one of {', '.join(map(repr, known))}{suggestion(got, known)}"
                yield Problem(where, "", field, repr(got), want)
        if len(self.separator) != 1 or self.separator in '"\r\n':
            yield Problem(where, "", "separator", repr(self.separator), "one character such as ',' or ';'")
        elif self.separator == self.decimal:
            yield Problem(where, "", "decimal", repr(self.decimal), "another mark than the separator")
        try:
            clock.zone(self.time_zone, where)
        except InputError as error:
            yield from error.problems


def positions(
    where: str, header: tuple[int, list[str]], columns: Sequence[str], fmt: FileFormat
) -> list[int]:
    """Return the positions of the time column and of the columns in a row.

    Raises
    ------
    InputError
        For columns without a name, missing or there twice.
    """
    line, names = header[0], [name.strip() for name in header[1]]
    problems = []
    if "" in names:
        got = f"no name for column {names.index('') + 1} of {len(names)}"
        problems.append(Problem(where, str(line), "column", got, "a name for every column"))
    for name in dict.fromkeys([fmt.time_column, *columns]):
        if names.count(name) > 1:
            got = f"{names.count(name)} columns of this name"
            problems.append(Problem(where, str(line), name, got, "one column of this name"))
        elif name not in names:
            want = f"a column {name!r} in the header{suggestion(name, [n for n in names if n != fmt.time_column])}"
            problems.append(Problem(where, str(line), name, f"the columns {', '.join(names)[:80]}", want))
    if problems:
        raise InputError(problems)
    return [names.index(name) for name in [fmt.time_column, *columns]]
