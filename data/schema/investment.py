"""What a plan may build, what money costs, and what may come."""

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from .values import (
    LATER,
    Closed,
    Efficiency,
    Label,
    Limit,
    Line,
    Losses,
    Mounting,
    Name,
    NotNegative,
    Positive,
    Rating,
    Real,
    Whole,
)


class Finance(Closed):
    """What money costs, and how long a plan looks ahead."""

    discount_rate: Annotated[Real, Field(ge=0, lt=1)] = Field(
        default=0.03, description="interest of a year, real (prices stay as they are)"
    )
    years: Annotated[Whole, Field(ge=1, le=100)] = Field(
        default=20, description="years of which the net present value is told"
    )


class Candidate(Closed):
    """What a participant could build behind its meter or of the network, or several together on a meter of its own."""

    kind: Literal["pv", "battery", "charger", "v2h", "line"] = Field(
        description="pv, battery (kWh), or kW that a vehicle takes (charger) or gives (v2h), or an edge carries (line), "
        "beyond its limit"
    )
    vehicle: Annotated[Label | None, LATER] = Field(
        default=None, description="charger, v2h: the vehicle; its owner would build it"
    )
    edge: Annotated[Label | None, LATER] = Field(
        default=None, description="line: the node whose edge to its parent it widens; it has a limit_kw"
    )
    owner: Label | None = Field(default=None, description="participant who could build it")
    each: Literal["homes", "everybody"] | tuple[Label, ...] | None = Field(
        default=None, description="instead of owner: each of these could build one"
    )
    shares: dict[Label, Annotated[Real, Field(gt=0, le=1)]] | None = Field(
        default=None,
        description="instead of owner: participants who would own it, on a meter of its own, by parts of 1",
    )
    node: Label | None = Field(
        default=None, description="of one owned in shares: its node (default: the root)"
    )
    tariff: Label | None = Field(
        default=None, description="of one owned in shares: its tariff (default: the first of the scenario)"
    )
    capacity_max: Rating = Field(description="greatest size, kW or kWh")
    cost_per_kw: NotNegative | None = Field(
        default=None, description="price of a kW, installed (all but a battery)"
    )
    cost_per_kwh: NotNegative | None = Field(default=None, description="price of a kWh, installed (battery)")
    fixed_cost: Annotated[NotNegative, LATER] = Field(
        default=0.0, description="price of building at all, beside that of its size"
    )
    unit_size: Annotated[Limit, LATER] = Field(
        default=0.0, description="kW or kWh of a unit: built in whole ones (0 = any size)"
    )
    lifetime_years: Positive = Field(description="years until it is replaced at the same price")
    maintenance_per_year: NotNegative = Field(default=0.0, description="upkeep of a kW or kWh and year")
    tilt_deg: Annotated[Real, Field(ge=0, le=90)] = Field(default=20.0, description="pv: tilt, 0 = flat")
    azimuth_deg: Annotated[Real, Field(ge=0, le=360)] | None = Field(
        default=None, description="pv: 180 = south (default: towards the equator)"
    )
    mounting: Mounting | None = Field(
        default=None, description="pv: how it is mounted (default: pv.mounting)"
    )
    losses: Losses | None = Field(default=None, description="pv: share lost on the way (default: pv.losses)")
    charge_kw_per_kwh: Positive = Field(default=0.5, description="battery: AC power that a kWh takes")
    discharge_kw_per_kwh: Positive = Field(default=0.5, description="battery: AC power that a kWh gives")
    charge_efficiency: Efficiency = Field(default=0.95, description="battery: stored per energy taken")
    discharge_efficiency: Efficiency = Field(default=0.95, description="battery: given per energy drawn")
    min_energy_percent: Annotated[Real, Field(ge=0, lt=100)] = Field(
        default=0.0, description="battery: least energy that it keeps, per cent of its size"
    )
    wear_cost_per_kwh: NotNegative = Field(default=0.0, description="battery: wear per kWh discharged")

    @model_validator(mode="after")
    def _whole(self) -> Self:
        own, other = ("kwh", "kw") if self.kind == "battery" else ("kw", "kwh")
        if getattr(self, f"cost_per_{own}") is None or getattr(self, f"cost_per_{other}") is not None:
            want = "cost_per_{own} of kind {kind}, and no cost_per_{other}"
            names = {"own": own, "other": other, "kind": self.kind}
            raise PydanticCustomError(f"cost_per_{own}", want, names)
        whose = sum(getattr(self, name) is not None for name in ("owner", "each", "shares"))
        if self.kind in ("charger", "v2h"):
            if self.vehicle is None or whose:
                raise PydanticCustomError("vehicle", "a vehicle, and no owner, each or shares beside it")
        elif whose != 1:
            raise PydanticCustomError("owner", "one of owner, each and shares")
        if self.kind == "line" and (self.edge is None or self.each is not None):
            raise PydanticCustomError("edge", "an edge, and owner or shares of kind line")
        if self.shares is not None and abs(sum(self.shares.values()) - 1) > 1e-6:
            raise PydanticCustomError("shares", "shares that add up to 1")
        if self.shares is None and (self.node is not None or self.tariff is not None):
            raise PydanticCustomError("node", "no node or tariff: it is behind its owner's meter")
        every = _OF_PV | _OF_BATTERY | _OF_VEHICLE | _OF_LINE
        for name in sorted(every - _OF[self.kind]):
            if getattr(self, name) != type(self).model_fields[name].default:
                raise PydanticCustomError(
                    "kind", "no {name} of kind {kind}", {"name": name, "kind": self.kind}
                )
        return self

    @property
    def price(self) -> float:
        """Price of a kW or kWh."""
        return float((self.cost_per_kwh if self.kind == "battery" else self.cost_per_kw) or 0.0)


_OF_VEHICLE, _OF_LINE = frozenset(("vehicle",)), frozenset(("edge",))
_OF_PV = frozenset(("tilt_deg", "azimuth_deg", "mounting", "losses"))
_OF_BATTERY = frozenset(
    (
        "charge_kw_per_kwh",
        "discharge_kw_per_kwh",
        "charge_efficiency",
        "discharge_efficiency",
        "min_energy_percent",
        "wear_cost_per_kwh",
    )
)
_OF = {"pv": _OF_PV, "battery": _OF_BATTERY, "charger": _OF_VEHICLE, "v2h": _OF_VEHICLE, "line": _OF_LINE}
"""The keys that candidates of a kind have, and others not."""


class Future(Closed):
    """What may come: other values of the scenario, and how likely they are."""

    probability: Annotated[Real, Field(gt=0, le=1)] = Field(description="how likely it is")
    set: tuple[str, ...] = Field(
        default=(), description="what is different then: KEY.PATH=VALUE each, as with --set"
    )


class Risk(Closed):
    """How much the worst futures count beside what is expected."""

    weight: Annotated[Real, Field(ge=0, le=0.99)] = Field(
        default=0.0,
        description="part of the cost that is the conditional value at risk, the rest is expected",
    )
    level: Annotated[Real, Field(ge=0, lt=1)] = Field(
        default=0.95, description="conditional value at risk: mean cost of the worst 1 - level"
    )


def require_likely(futures: Mapping[str, Future]) -> None:
    """Raise where there are futures whose probabilities do not add up to 1."""
    if futures and abs(sum(future.probability for future in futures.values()) - 1) > 1e-6:
        raise PydanticCustomError("futures", "probabilities that add up to 1")


class Investment(Closed):
    """What a plan may build."""

    candidates: dict[Label, Candidate] = Field(min_length=1, description="label -> what could be built")
    futures: Annotated[dict[Name, Future], LATER] = Field(
        default={},
        description="label -> what may come; sizes are those of the least expected cost (default: one)",
    )
    built: Annotated[dict[Line, NotNegative], LATER] = Field(
        default={},
        description="label -> kW or kWh of what is built already; not planned again (default: nothing)",
    )
    risk: Annotated[Risk, LATER] = Field(default=Risk(), description="how much the worst futures count")
    representative_days: Annotated[Annotated[Whole, Field(ge=1, le=366)] | None, LATER] = Field(
        default=None, description="days of the horizon that stand for all of it (default: all, as one)"
    )

    @model_validator(mode="after")
    def _likely(self) -> Self:
        require_likely(self.futures)
        return self


class Uncertainty(Closed):
    """What may come of a day that is cleared ahead."""

    futures: Annotated[dict[Name, Future], LATER] = Field(
        default={}, description="label -> what may come (default: paths of forecasts)"
    )
    risk: Annotated[Risk, LATER] = Field(default=Risk(), description="how much the worst futures count")

    @model_validator(mode="after")
    def _likely(self) -> Self:
        require_likely(self.futures)
        return self
