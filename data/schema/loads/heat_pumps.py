"""The row of a heat pump: its power and COP, its tank, and the heat that is drawn from it."""

from math import exp
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from ..values import Closed, Column, Label, Limit, NotNegative, Positive, Real, TimeOfDay, Whole

WATER = 4.186 / 3600
"""Heat that a litre of water takes per kelvin [kWh/(L K)]: 4.186 kJ."""
LITRES, LITRES_PER_PERSON = 36.0, 25.0
"""Hot water of a home at 52 C, of each and of each person [L/day]: the Standard Assessment Procedure of the United
Kingdom (SAP 2009, Appendix J)."""

Celsius = Annotated[Real, Field(ge=-50, le=150)]


class HeatPump(Closed):
    """A heat pump behind its owner's meter, with the store that it heats: a tank of water, or the building itself.

    Heat counts from ``cold_c`` in a tank, from ``lowest_c`` in a building.
    """

    heat_pump: Label = Field(description="unique label")
    owner: Label = Field(description="participant behind whose meter it sits")
    use: Literal["hot-water", "space-heating"] = Field(
        default="hot-water", description="what its heat is for"
    )
    power_limit_kw: Limit = Field(description="most electric power that the pump takes")
    backup_limit_kw: Limit = Field(default=0.0, description="the same of a resistive backup; 0 = none")
    cop: Annotated[Real, Field(gt=0, le=20)] | None = Field(
        default=None, description="heat per electricity, at cop_at_c outdoors"
    )
    cop_per_k: Real = Field(default=0.0, description="change of cop per kelvin outdoors")
    cop_at_c: Celsius = Field(default=7.0, description="temperature outdoors at which cop holds")
    supply_c: Celsius | None = Field(
        default=None, description="instead of cop: temperature that it heats to, as an air-source heat pump"
    )
    carnot_share: Annotated[Real, Field(gt=0, le=1)] | None = Field(
        default=None, description="share of Carnot's COP between outdoors and supply_c"
    )
    cop_column: Column | None = Field(default=None, description="instead of cop: column of series.cop")
    tank_kwh: NotNegative | None = Field(
        default=None, description="most heat that its tank holds (default: none)"
    )
    min_heat_kwh: NotNegative = Field(default=0.0, description="least heat that its tank keeps")
    tank_litres: Positive | None = Field(
        default=None, description="instead of tank_kwh: water, from lowest_c to highest_c above cold_c"
    )
    heat_capacity_kwh_per_k: Positive | None = Field(
        default=None,
        description="instead of a tank: what the building holds, from lowest_c to highest_c indoors",
    )
    lowest_c: Celsius | None = Field(default=None, description="lowest temperature that is comfortable")
    highest_c: Celsius | None = Field(default=None, description="highest one")
    cold_c: Celsius = Field(default=15.0, description="temperature of cold water, and around the tank")
    standing_loss_percent_per_day: Annotated[Real, Field(ge=0, le=99)] = Field(
        default=0.0, description="per cent of its heat that it loses in a day"
    )
    standing_loss_kwh_per_day: NotNegative | None = Field(
        default=None,
        description="instead: what it loses in a day if it is kept full, as labels of tanks state",
    )
    initial_heat_kwh: NotNegative | None = Field(
        default=None, description="heat at the start (default: half-way between least and most)"
    )
    final_heat_kwh: NotNegative | Literal["free"] | None = Field(
        default=None, description="least heat at the end, or free (default: as at the start)"
    )
    heat_column: Column | None = Field(default=None, description="column of the file of heat (series.heat)")
    persons: Annotated[Whole, Field(ge=1, le=20)] | None = Field(
        default=None, description="persons in the home, for generated hot water"
    )
    litres_per_day: Positive | None = Field(
        default=None, description="hot water of the home at tap_c (default: 36 and 25 per person)"
    )
    tap_c: Celsius = Field(default=52.0, description="temperature of the hot water of litres_per_day")
    heat_loss_kw_per_k: Positive | None = Field(
        default=None, description="heat that the building loses per kelvin, for generated space heating"
    )
    base_c: Celsius = Field(
        default=15.0, description="temperature outdoors from which on nothing is to be heated"
    )
    timer_from: TimeOfDay | None = Field(
        default=None, description="where nobody plans: its clock lets it heat from this local time of day"
    )
    timer_to: TimeOfDay | None = Field(default=None, description="to this one")

    @model_validator(mode="after")
    def _one_of_each(self) -> Self:
        self._require_one("cop", ("cop", "supply_c", "cop_column"), 1)
        self._require_one("tank_kwh", ("tank_kwh", "tank_litres", "heat_capacity_kwh_per_k"))
        warm = ("persons", "litres_per_day") if self.use == "hot-water" else ("heat_loss_kw_per_k",)
        sources = ("heat_column", warm[0] if self.persons or self.use != "hot-water" else warm[-1])
        self._require_one("heat_column", sources, 1)
        for name in {"persons", "litres_per_day", "heat_loss_kw_per_k"} - set(warm):
            if getattr(self, name) is not None:
                raise PydanticCustomError(name, "nothing, where use is {use}", {"use": self.use})
        if self.carnot_share is not None and self.supply_c is None:
            raise PydanticCustomError("supply_c", "the temperature that it heats to, beside carnot_share")
        if (self.timer_from is None) != (self.timer_to is None):
            raise PydanticCustomError("timer_to", "timer_from and timer_to, or neither")
        return self

    def _require_one(self, field: str, names: tuple[str, ...], least: int = 0) -> None:
        given = [name for name in names if getattr(self, name) is not None]
        if not least <= len(given) <= 1:
            want = ", ".join(names[:-1]) + f" and {names[-1]}"
            raise PydanticCustomError(field, "one of {names}", {"names": want})

    @model_validator(mode="after")
    def _band(self) -> Self:
        by_temperature = self.tank_litres is not None or self.heat_capacity_kwh_per_k is not None
        if by_temperature and (self.lowest_c is None or self.highest_c is None):
            raise PydanticCustomError("highest_c", "lowest_c and highest_c, of what is held")
        if not by_temperature and (self.lowest_c is not None or self.highest_c is not None):
            raise PydanticCustomError("lowest_c", "nothing beside tank_kwh, whose heat is stated")
        if by_temperature and self.min_heat_kwh:
            raise PydanticCustomError("min_heat_kwh", "nothing beside lowest_c")
        if (self.lowest_c or 0.0) > (self.highest_c or 0.0):
            raise PydanticCustomError("highest_c", "at least lowest_c")
        if self.tank_litres is not None and (self.lowest_c or 0.0) < self.cold_c:
            raise PydanticCustomError("lowest_c", "at least cold_c")
        if self.tap_c < self.cold_c:
            raise PydanticCustomError("tap_c", "at least cold_c")
        if self.least > self.most:
            raise PydanticCustomError("min_heat_kwh", "at most tank_kwh")
        for name in ("initial_heat_kwh", "final_heat_kwh"):
            value = getattr(self, name)
            if isinstance(value, float) and value > self.most:
                want = f"at most {self.most:g} kWh, which its store holds"
                raise PydanticCustomError(name, "{want}", {"want": want})
        return self

    @property
    def most(self) -> float:
        """The most heat that its store holds [kWh]."""
        if self.tank_litres is not None:
            return self.tank_litres * WATER * ((self.highest_c or 0.0) - self.cold_c)
        if self.heat_capacity_kwh_per_k is not None:
            return self.heat_capacity_kwh_per_k * ((self.highest_c or 0.0) - (self.lowest_c or 0.0))
        return self.tank_kwh or 0.0

    @property
    def least(self) -> float:
        """The least heat that its store keeps [kWh]."""
        if self.tank_litres is not None:
            return self.tank_litres * WATER * ((self.lowest_c or 0.0) - self.cold_c)
        return self.min_heat_kwh

    @property
    def standing_loss(self) -> float:
        """The share of its heat that it loses in a day.

        Of a tank kept full that loses L [kWh] in a day, 1 - exp(-L / most); of a building that loses h [kW/K] and holds
        C [kWh/K], 1 - exp(-24 h / C), beside what it loses at ``lowest_c``.
        """
        if self.standing_loss_kwh_per_day is not None:
            return 1.0 - exp(-self.standing_loss_kwh_per_day / self.most) if self.most else 0.0
        if self.heat_capacity_kwh_per_k is not None and not self.standing_loss_percent_per_day:
            return min(
                1.0 - exp(-24.0 * (self.heat_loss_kw_per_k or 0.0) / self.heat_capacity_kwh_per_k), 0.999
            )
        return self.standing_loss_percent_per_day / 100.0

    @property
    def hot_water_kwh_per_day(self) -> float:
        """The heat of its generated hot water [kWh/day]."""
        litres = self.litres_per_day or LITRES + LITRES_PER_PERSON * (self.persons or 0)
        return litres * WATER * (self.tap_c - self.cold_c)
