"""Energies that a store is to have by some time, as a cell of a table says them: ``06:00 80 %; 18:00 4 kWh``."""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, NamedTuple

from pydantic import AfterValidator, BeforeValidator
from pydantic_core import PydanticCustomError

from .values import TIME_OF_DAY, moment

_TARGET = re.compile(r"(?P<by>\S+)\s+(?P<amount>[0-9]+(?:\.[0-9]+)?)\s*(?P<unit>%|kWh)")


class Target(NamedTuple):
    """An energy by a local time of every day ("HH:MM") or by one time: in kWh, or in per cent of the capacity."""

    by: str | datetime
    amount: float
    percent: bool

    def energy(self, capacity: float) -> float:
        """Return the energy of a store of a capacity [kWh]."""
        return self.amount / 100 * capacity if self.percent else self.amount


def target(text: str) -> Target:
    """Return the target that a text such as ``06:00 80 %`` or ``2026-02-01T07:00 4 kWh`` says.

    Raises
    ------
    PydanticCustomError
        If it says none.
    """
    found = _TARGET.fullmatch(text.strip())
    if not found or (found["unit"] == "%" and float(found["amount"]) > 100):
        raise PydanticCustomError("targets", "times and energies such as 06:00 80 %; 18:00 4 kWh")
    by = found["by"] if re.match(TIME_OF_DAY, found["by"]) else moment(found["by"])
    return Target(by, float(found["amount"]), found["unit"] == "%")


def _listed(given: Any) -> Any:
    """Return the targets of a cell, one a text; a list as it is."""
    return tuple(part.strip() for part in given.split(";")) if isinstance(given, str) else given


def _said(given: Sequence[str]) -> Sequence[str]:
    for text in given:
        target(text)
    return given


Targets = Annotated[tuple[str, ...], BeforeValidator(_listed), AfterValidator(_said)]
"""Targets as texts, in a cell separated by semicolons."""
