"""Types of single values of a scenario, with their bounds and patterns, and the base class of its parts."""

from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
)
from pydantic_core import PydanticCustomError

from ..inputs.currency import MINOR_DIGITS, WANTED
from ..inputs.variables import LEAST
from ..problems import InputError

PRINTABLE = r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]*$"
_NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"
_CURRENCY = r"^[A-Z]{3}$"
_SHA256 = r"^[0-9a-f]{64}$"
_PATH = r"^[^.=/\x00-\x20\x7f]+([.][^.=/\x00-\x1f\x7f]+)+$"
TIME_OF_DAY = r"^([01][0-9]|2[0-3]):[0-5][0-9]$|^24:00$"

PATTERNS = {
    PRINTABLE: "text without control characters",  # which no table or YAML file carries safely
    _NAME: "letters, digits, . _ -, the first a letter or digit",
    _CURRENCY: "three letters of ISO 4217",
    _SHA256: "64 hexadecimal digits",
    _PATH: "a key path of two words or more such as fuel.price_per_litre, without / and =",
    TIME_OF_DAY: 'a local time "HH:MM"',
}
"""Pattern of a text -> what it stands for."""


class Closed(BaseModel):
    """Frozen, and refuses what it does not know."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        str_strip_whitespace=True,
        coerce_numbers_to_str=True,
        allow_inf_nan=False,
    )


@dataclass(frozen=True)
class Later:
    """Marks a field that version 1 of the schema did not have: ``Annotated[T, LATER] = Field(default=...)``.

    Every field added to an existing part of the scenario carries it. A digest counts such a field where it differs from
    its default, so that earlier digests hold; the default must be the one of the declaration, or one that
    ``defaults.inherited`` fills in, for what ``defaults.settled`` fills in counts as a value.
    """


LATER = Later()


@cache
def later_defaults(model: type[Closed]) -> dict[str, Any]:
    """Return the default of each field that version 1 of the schema did not have, by field name."""
    fields = {name: field for name, field in model.model_fields.items() if LATER in field.metadata}
    return {name: field.get_default(call_default_factory=True) for name, field in fields.items()}


def _day(value: Any) -> Any:
    """Read ``YYYY-MM-DD`` and nothing looser (a bare number is no day)."""
    if isinstance(value, date):
        return value
    try:
        if len(str(value)) != 10:
            raise ValueError
        day = date.fromisoformat(str(value))
    except ValueError:
        raise PydanticCustomError("day", "a day like 2020-08-19") from None
    if not 1700 <= day.year <= 2250:  # what nanoseconds can count
        raise PydanticCustomError("day", "a day between the years 1700 and 2250")
    return day


def moment(value: Any) -> Any:
    """Read ``YYYY-MM-DDTHH:MM[+HH:MM]`` and nothing looser (a bare number is no time)."""
    if isinstance(value, datetime):
        return value
    try:
        if len(str(value)) < 16:
            raise ValueError
        time = datetime.fromisoformat(str(value))
    except ValueError:
        raise PydanticCustomError("time", "a time like 2020-08-19T07:30 or 2020-08-19T07:30+09:00") from None
    if not 1700 <= time.year <= 2250:
        raise PydanticCustomError("time", "a time between the years 1700 and 2250")
    return time


def _zone(name: str) -> str:
    from ..clock import zone  # brings pandas: imported where it is needed

    try:
        zone(name)
    except InputError as error:
        raise PydanticCustomError("zone", "{want}", {"want": error.problems[0].want}) from None
    return name


def _holidays(name: str) -> str:
    from ..series.calendar import public_holidays  # brings pandas: imported where it is needed

    try:
        public_holidays(name)
    except InputError as error:
        raise PydanticCustomError("holidays", "{want}", {"want": error.problems[0].want}) from None
    return name


def _currency(code: str) -> str:
    if code not in MINOR_DIGITS:
        raise PydanticCustomError("currency", "{want}", {"want": WANTED})
    return code


def _no_digits(value: Any) -> bool:
    """Return whether it is ``1_0``, which Python reads as 10, or ``true``, which it reads as 1."""
    return isinstance(value, bool) or (isinstance(value, str) and "_" in value)


def _number(value: Any) -> Any:
    if _no_digits(value):
        raise PydanticCustomError("number", "a number")
    return value


def _whole(value: Any) -> Any:
    if _no_digits(value):
        raise PydanticCustomError("number", "a whole number")
    return value


def _limit(value: float) -> float:
    if 0 < value < LEAST:
        raise PydanticCustomError("limit", "0, or at least {least}", {"least": f"{LEAST:g}"})
    return value


def _encoding(name: str) -> str:
    try:
        " ".encode(name)
    except (LookupError, ValueError):  # unknown or no text encoding, no name at all
        raise PydanticCustomError("encoding", "an encoding such as utf-8 or cp932") from None
    return name


def _separator(mark: str) -> str:
    if len(mark) != 1 or mark in '"\r\n':
        raise PydanticCustomError("separator", "one character such as ',' or ';'")
    return mark


MOST = 1e9
"""Largest magnitude that is read at all; what reaches a clearing has a narrower bound, ``inputs.MOST``."""

Real = Annotated[float, BeforeValidator(_number)]
"""A number; no field is a bare ``float`` or ``int``."""
Whole = Annotated[int, BeforeValidator(_whole)]
"""A whole number."""

Number = Annotated[Real, Field(ge=-MOST, le=MOST)]
Positive = Annotated[Real, Field(gt=0, le=MOST)]
NotNegative = Annotated[Real, Field(ge=0, le=MOST)]
Rating = Annotated[Real, Field(ge=LEAST, le=MOST)]
Limit = Annotated[Real, Field(ge=0, le=MOST), AfterValidator(_limit)]
Efficiency = Annotated[Real, Field(gt=0, le=1)]
Losses = Annotated[Real, Field(ge=0, lt=1)]
Mounting = Literal["roof", "rack", "close-roof"]
Hour = Annotated[Real, Field(ge=0, le=24)]

Line = Annotated[str, StringConstraints(pattern=PRINTABLE)]
Label = Annotated[str, StringConstraints(min_length=1, max_length=80, pattern=PRINTABLE)]
Column = Annotated[str, StringConstraints(min_length=1, max_length=300, pattern=PRINTABLE)]
"""A column of a file, whose header may take several lines."""
Name = Annotated[str, StringConstraints(pattern=_NAME, max_length=80)]
KeyPath = Annotated[str, StringConstraints(pattern=_PATH, max_length=200)]
Currency = Annotated[str, StringConstraints(pattern=_CURRENCY), AfterValidator(_currency)]
Sha256 = Annotated[str, StringConstraints(pattern=_SHA256)]

Day = Annotated[date, BeforeValidator(_day)]
TimeOfDay = Annotated[str, StringConstraints(pattern=TIME_OF_DAY)]
Moment = Annotated[
    datetime, BeforeValidator(moment), PlainSerializer(lambda time: time.isoformat(), return_type=str)
]
Zone = Annotated[str, AfterValidator(_zone)]
Holidays = Annotated[str, AfterValidator(_holidays)]
Encoding = Annotated[str, AfterValidator(_encoding)]
Separator = Annotated[str, StringConstraints(strip_whitespace=False), AfterValidator(_separator)]
