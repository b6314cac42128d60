"""Files of orders for an exchange: read with every problem at once, and written as a Dataset over ``event``."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import numpy as np
import xarray as xr
from pydantic import Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from .. import clock
from ..files import csv_table
from ..inputs.currency import Scale, scale
from ..problems import InputError, Problem
from ..schema.values import Closed, Currency, Label, Moment, NotNegative, Number, Positive
from .messages import schema_problems

_WHOLE = 1e-12
"""Relative distance from a whole number that is a float's, not the file's."""
_WORDS = {3: "three", 5: "five", 6: "six", 7: "seven"}


class Row(Closed):
    """A row of orders: a new order, an amendment or a cancellation of one."""

    order_id: Label = Field(description="label of the order")
    placed: Moment = Field(description="when it is placed: local time, or a time with its UTC offset")
    slot: Moment | None = Field(description="start of the slot of delivery, written likewise")
    participant: Label | None = Field(description="who places it")
    side: Literal["buy", "sell"] | None = Field(description="buy or sell")
    price: Annotated[Number, Field(ge=-1e6, le=1e6)] | None = Field(
        description="limit price per kWh: the least a seller takes, the most a buyer pays, fee included; empty = market"
    )
    energy_kwh: Annotated[Positive, Field(le=1e6)] | None = Field(description="energy")
    node: Label | None = Field(default=None, description="node of the meter (default: the participant's own)")
    action: Literal["new", "amend", "cancel"] = Field(default="new", description="what is asked for")
    origin: Label | None = Field(default=None, description="origin of the energy that is sold")
    green_premium: Annotated[NotNegative, Field(le=1e6)] | None = Field(
        default=None, description="what a buyer adds to its price where the origin is renewable"
    )
    currency: Currency | None = Field(default=None, description="currency of the prices, one for the file")

    @model_validator(mode="after")
    def _complete(self) -> Self:
        for name in ("slot", "participant", "side", "energy_kwh"):
            if self.action == "new" and getattr(self, name) is None:
                raise PydanticCustomError(
                    name, "a value: only an amendment or a cancellation leaves it blank"
                )
        if self.action == "cancel" and (self.price is not None or self.energy_kwh is not None):
            name = "price" if self.price is not None else "energy_kwh"
            raise PydanticCustomError(name, "nothing: a cancellation takes all that is open")
        if self.green_premium and (self.action != "new" or self.side != "buy" or self.price is None):
            raise PydanticCustomError("green_premium", "nothing: only a new bid with a price adds a premium")
        return self


REQUIRED = tuple(name for name, field in Row.model_fields.items() if field.is_required())


def read_orders(path: Path, time_zone: str = "UTC", currency: str | None = None) -> xr.Dataset:
    """Return the orders of a CSV file (event,): times in UTC, prices in currency/kWh, energies in kWh.

    Parameters
    ----------
    path
        With the columns of :class:`Row`; those with a default may be missing.
    time_zone
        Of the times that are written without their offset.
    currency
        Of the prices (default: what the file says).

    Returns
    -------
    Dataset
        ``row`` is the line in the file. A blank price, energy, slot or text is NaN, NaN, NaT or ``""``. The
        attribute ``offsets`` says whether the file writes times with their offset, ``currency`` in what prices are.

    Raises
    ------
    InputError
        With everything that is wrong with the file.
    """
    table, problems = csv_table.read(path, Row)
    if not set(REQUIRED) <= set(table.columns):
        raise InputError(problems)
    zone = clock.zone(time_zone)
    rows: list[tuple[int, Row, tuple[datetime, datetime | None]]] = []
    for k, (line, values) in enumerate(zip(table.lines, table.rows, strict=True)):
        row = _row(table, k, values, problems)
        if row is not None:
            moments = _utc(row, zone, (table.where, str(line), time_zone), problems)
            rows += [(line, row, moments)] if moments else []
    problems += _twice(table.where, rows)
    stated = {code for code in (currency, *(row.currency for _, row, _ in rows)) if code}
    if len(stated) == 1:
        problems += _too_fine(table.where, rows, scale(next(iter(stated)), table.where))
    elif not any(problem.field == "currency" for problem in problems):
        got = " and ".join(sorted(stated)) or "none"
        problems.append(
            Problem(table.where, "", "currency", got, "one: of a scenario, --currency or a column")
        )
    if problems:
        raise InputError(sorted(problems))
    offsets = any(t.tzinfo for _, row, _ in rows for t in (row.placed, row.slot) if t)
    return _dataset(rows).assign_attrs(offsets=int(offsets), currency=stated.pop())


def _row(table: csv_table.Table, k: int, values: Mapping[str, str], problems: list[Problem]) -> Row | None:
    """Return a row of the table, or note what is wrong with it."""
    filled: dict[str, Any] = {**dict.fromkeys(REQUIRED), **values}

    def place(at: tuple[str | int, ...]) -> tuple[str, str, str]:
        return table.where, str(table.lines[k]), ".".join(map(str, at)) or "row"

    try:
        return Row.model_validate(filled)
    except ValidationError as error:
        problems += schema_problems(error, Row, place, (), filled)
        return None


def _utc(
    row: Row, zone: tzinfo, place: tuple[str, str, str], problems: list[Problem]
) -> tuple[datetime, datetime | None] | None:
    """Return when a row was placed and its slot, naive UTC, or note the times that the clock's change blurs."""
    moments: list[datetime | None] = []
    for name in ("placed", "slot"):
        moment = getattr(row, name)
        if moment is not None and moment.tzinfo is None:
            local = [moment.replace(tzinfo=zone, fold=fold) for fold in (0, 1)]
            if local[0].utcoffset() != local[1].utcoffset():
                got, want = (
                    moment.isoformat(),
                    f"a time with its UTC offset (the clock changes in {place[2]})",
                )
                problems.append(Problem(place[0], place[1], name, got, want))
                return None
            moment = local[0]
        moments.append(None if moment is None else moment.astimezone(UTC).replace(tzinfo=None))
    assert moments[0] is not None
    return moments[0], moments[1]


def _twice(where: str, rows: list[tuple[int, Row, Any]]) -> Iterator[Problem]:
    """Yield the orders that are placed twice, and rows that nothing tells apart in time."""
    first: dict[tuple[Any, ...], int] = {}
    for line, row, (placed, _) in rows:
        key = (row.order_id,) if row.action == "new" else (row.order_id, row.action, placed)
        if key in first:
            want = (
                "an order placed once" if row.action == "new" else f"one {row.action} of an order at a time"
            )
            got = f"{row.order_id!r} again (line {first[key]})"
            yield Problem(where, str(line), "order_id", got, want)
        first.setdefault(key, line)


def _too_fine(where: str, rows: list[tuple[int, Row, Any]], scale: Scale) -> Iterator[Problem]:
    """Yield the energies that are no whole Wh, and the prices that are no whole units of the currency's scale."""
    decimals = {"price": scale.price_decimals, "energy_kwh": 3, "green_premium": scale.price_decimals}
    for line, row, _ in rows:
        for name, most in decimals.items():
            value = getattr(row, name)
            units = 0.0 if value is None else value * 10**most
            if abs(units - round(units)) > _WHOLE * abs(units):
                yield Problem(where, str(line), name, repr(repr(value)), f"at most {_WORDS[most]} decimals")


def _dataset(rows: list[tuple[int, Row, tuple[datetime, datetime | None]]]) -> xr.Dataset:
    texts = {n: np.array([getattr(r, n) or "" for _, r, _ in rows], dtype=str) for n in _TEXTS}
    numbers = {
        n: np.array(
            [np.nan if getattr(r, field) is None else getattr(r, field) for _, r, _ in rows], dtype=float
        )
        for n, field in (("price", "price"), ("energy", "energy_kwh"), ("premium", "green_premium"))
    }
    times = {
        n: np.array([t[k] for _, _, t in rows], dtype="datetime64[us]").astype("datetime64[ns]")
        for k, n in enumerate(("placed", "slot"))
    }
    lines = {"row": np.array([line for line, _, _ in rows], dtype=np.int64)}
    return xr.Dataset({n: (("event",), v) for n, v in {**lines, **texts, **times, **numbers}.items()})


_TEXTS = ("order_id", "participant", "side", "node", "action", "origin")
