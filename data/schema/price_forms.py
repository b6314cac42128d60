"""Forms of a price: flat, time-of-use, tiers, their average, or a file of prices; and the components of a contract.

A new form is a class here, listed in ``AnyPrice``, and a row of ``PRICES`` (assembly/prices) with the function that
computes it.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, PlainSerializer, model_validator
from pydantic_core import PydanticCustomError

from ..inputs.variables import Basis, Part
from .file_references import PriceFile
from .values import LATER, Closed, Label, NotNegative, Number, Positive, Real, TimeOfDay, Whole

Percent = Annotated[Real, Field(ge=0, le=100)]
Month = Annotated[Whole, Field(ge=1, le=12)]
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


def rise(ends: Sequence[float | None]) -> bool:
    """Return whether ends rise, and the last alone is open."""
    bounds = [end for end in ends[:-1] if end is not None]
    return ends[-1] is None and len(bounds) == len(ends) - 1 and bounds == sorted(set(bounds))


class Flat(Closed):
    """One price all day."""

    type: Literal["flat"] = Field(default="flat", description="flat")
    price_per_kwh: Number = Field(description="price per kWh")


class Window(Closed):
    """A time of day with its own price; one that crosses midnight belongs to the day on which it starts.

    ``days`` and ``months`` are those of that day. A public holiday counts as its day of the week, unless ``holidays``
    says that the window holds on every holiday of these months, or on none.
    """

    start: TimeOfDay = Field(description='local time "HH:MM"')
    end: TimeOfDay = Field(description='local time "HH:MM", itself outside; before start = the next day')
    days: Literal["all", "weekdays", "weekends"] | tuple[Weekday, ...] = Field(
        default="all",
        description="days on which it starts: all, weekdays, weekends, or a list such as [mon, tue]",
    )
    months: Annotated[tuple[Month, ...], LATER] = Field(
        default=(), description="months in which it starts, 1 to 12 (default: all)"
    )
    holidays: Annotated[bool | None, LATER] = Field(
        default=None,
        description="true: on public holidays too; false: never on one; blank: as on their day of the week",
    )
    price_per_kwh: Number = Field(description="price per kWh")

    @model_validator(mode="after")
    def _some(self) -> Self:
        if self.start == "24:00" or self.start == self.end:
            raise PydanticCustomError("start", "a start before 24:00 and other than the end")
        return self


class TimeOfUse(Closed):
    """Windows of the day with their own prices; the first window that holds decides."""

    type: Literal["time-of-use"] = Field(default="time-of-use", description="time-of-use")
    price_per_kwh: Number = Field(description="price per kWh outside every window")
    windows: tuple[Window, ...] = Field(min_length=1, description="windows, the first that holds decides")


class Tier(Closed):
    """A block of the energy of a month or a day."""

    up_to_kwh: Positive | None = Field(default=None, description="end of the tier; blank in the last one")
    price_per_kwh: Number = Field(description="price per kWh within the tier")


class Tiered(Closed):
    """Tiers of the energy from the retailer in a month or a day, each kWh at the price of its tier.

    Prices rise from tier to tier. Where they fall, a plan for the dear kWh first would need decisions of yes or no.
    """

    type: Literal["tiered"] = Field(default="tiered", description="tiered")
    per: Literal["month", "day"] = Field(default="month", description="what is counted: month or day")
    tiers: tuple[Tier, ...] = Field(min_length=1, description="tiers from the first kWh upward")

    @model_validator(mode="after")
    def _convex(self) -> Self:
        if not rise([tier.up_to_kwh for tier in self.tiers]):
            raise PydanticCustomError("tiers", "rising up_to_kwh, and none in the last tier")
        prices = [tier.price_per_kwh for tier in self.tiers]
        if prices != sorted(prices):
            want = "prices that rise from tier to tier; type tiered-average has the mean price of any tiers"
            raise PydanticCustomError("tiers", want)
        return self


class TieredAverage(Closed):
    """The average price of a month's consumption over tiers, whatever is consumed."""

    type: Literal["tiered-average"] = Field(default="tiered-average", description="tiered-average")
    monthly_kwh: Positive = Field(description="consumption of the month that is averaged")
    tiers: tuple[Tier, ...] = Field(min_length=1, description="tiers from the first kWh upward")

    @model_validator(mode="after")
    def _rising(self) -> Self:
        if not rise([tier.up_to_kwh for tier in self.tiers]):
            raise PydanticCustomError("tiers", "rising up_to_kwh, and none in the last tier")
        return self


AnyPrice = Flat | TimeOfUse | Tiered | TieredAverage | PriceFile
NOTHING = Flat(price_per_kwh=0.0)


def _mapping(value: Any) -> Any:
    """Return a bare number as a flat price."""
    return value if isinstance(value, dict | Closed) else {"type": "flat", "price_per_kwh": value}


def _bare(price: AnyPrice) -> Any:
    """Return a flat price as a bare number: what it is of, the basis says."""
    return price.price_per_kwh if isinstance(price, Flat) else price.model_dump(mode="json")


def _or_number(schema: dict[str, Any]) -> None:
    schema["oneOf"] = [{"type": "number"}, *schema["oneOf"]]


Price = Annotated[
    AnyPrice,
    Field(discriminator="type", json_schema_extra=_or_number),
    BeforeValidator(_mapping),
    PlainSerializer(_bare),
]
"""A form of a price, or a number."""


class Component(Closed):
    """A component of a retail contract: a price, what it is counted by, and what it is for."""

    name: Label = Field(description="its name on the bill, once in the tariff")
    part: Part = Field(description="what it is for")
    basis: Basis = Field(
        default="per-kwh",
        description="per kWh drawn; per kWh injected, which is paid to the customer; per kWh bought from peers; per "
        "day, month or year; per kW of contracted_kw; per kW of the month's peak; percent of other components",
    )
    price: Price = Field(
        description="a number, or per kWh a flat, time-of-use, tiered, tiered-average or series price"
    )
    per: Literal["day", "month", "year"] = Field(
        default="month", description="period of a price per kW; that of a year's peaks is a twelfth per month"
    )
    shared_discount: Percent | dict[Label, Percent] | None = Field(
        default=None,
        description="percent less of it for a kWh from peers, by level of the fees (default: such a kWh pays none)",
    )
    highest_days: Whole = Field(
        default=1,
        ge=1,
        le=31,
        description="daily maxima of a month, the highest ones, whose mean is its peak",
    )
    at_least_kw: NotNegative = Field(default=0.0, description="least peak that is charged")
    peak_of: Annotated[Literal["meter", "tariff"], LATER] = Field(
        default="meter",
        description="whose peak: of each meter, or among peers one of all customers of the tariff together",
    )
    earlier_peak_kw: Annotated[NotNegative | None, LATER] = Field(
        default=None,
        description="peak of all customers in the first month before the horizon, charged already (default: none)",
    )
    of: tuple[Label, ...] | None = Field(
        default=None,
        description="components before it that a percentage is of (default: all of them but what is injected)",
    )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if not self.basis.startswith("per-kwh") and not isinstance(self.price, Flat):
            raise PydanticCustomError("price", "a number, as it is {basis}", {"basis": self.basis})
        tiers = isinstance(self.price, Tiered | TieredAverage)
        if self.basis in ("per-kwh-injected", "per-kwh-shared") and tiers:
            raise PydanticCustomError(
                "price", "flat, time-of-use or series, as it is {basis}", {"basis": self.basis}
            )
        if self.basis == "per-kw-peak" and isinstance(self.price, Flat) and self.price.price_per_kwh < 0:
            raise PydanticCustomError("price", "at least 0, as it is per-kw-peak")
        if self.basis == "per-kw-peak" and self.per == "day":
            raise PydanticCustomError("per", "month or year, as it is per-kw-peak")
        for name, default in (("highest_days", 1), ("at_least_kw", 0.0), ("peak_of", "meter")):
            if self.basis != "per-kw-peak" and getattr(self, name) != default:
                raise PydanticCustomError(name, "nothing, as it is {basis}", {"basis": self.basis})
        if self.earlier_peak_kw is not None and (self.peak_of == "meter" or self.highest_days > 1):
            want = "nothing, but of a peak of the tariff, of one day (each meter has its own earlier_peak_kw)"
            raise PydanticCustomError("earlier_peak_kw", want)
        if self.shared_discount is not None and isinstance(self.price, Tiered):
            raise PydanticCustomError("shared_discount", "nothing, as its price is tiered")
        if self.shared_discount is not None and self.basis != "per-kwh":
            raise PydanticCustomError("shared_discount", "nothing, as it is {basis}", {"basis": self.basis})
        if self.of is not None and self.basis != "percent":
            raise PydanticCustomError("of", "nothing, as it is {basis}", {"basis": self.basis})
        return self
