"""The schema of a row of each table of a scenario, column by column."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from .loads.flexible_loads import FlexibleLoad
from .loads.heat_pumps import HeatPump
from .targets import Target, Targets, target
from .values import (
    LATER,
    Closed,
    Column,
    Efficiency,
    Hour,
    Label,
    Limit,
    Losses,
    Moment,
    Mounting,
    NotNegative,
    Number,
    Positive,
    Rating,
    Real,
    TimeOfDay,
    Whole,
)

AWAY = "-"
"""Destination of a trip that ends where there is no plug."""


NO_COLUMN = "-"
"""Column of a participant without a limit over time."""


class Participant(Closed):
    """A home, a business or a plant: its place in the network, its tariff, its demand and its PV.

    Demand comes from one of ``demand_column``, ``persons`` and (business) ``annual_kwh``; without any, from
    the column of the demand file that is named like the participant. Generated PV (``pv_kw``) and PV from a file
    (``pv_column``) add up.
    """

    participant: Label = Field(description="unique label")
    kind: Literal["home", "business", "plant"] = Field(
        default="home", description="home, business, or a plant (PV, a shared battery), which has no demand"
    )
    node: Label | None = Field(default=None, description="node of the fee network (default: the root)")
    tariff: Label | None = Field(
        default=None, description="retail tariff (default: the first of the scenario)"
    )
    import_limit_kw: Limit | None = Field(default=None, description="most power drawn (default: no limit)")
    export_limit_kw: Limit | None = Field(default=None, description="most power given (default: no limit)")
    import_limit_column: Annotated[Column | None, LATER] = Field(
        default=None, description='column of series.import_limit, "-" for none (default: its label)'
    )
    export_limit_column: Annotated[Column | None, LATER] = Field(
        default=None, description='column of series.export_limit, "-" for none (default: its label)'
    )
    contracted_kw: Annotated[NotNegative | None, LATER] = Field(
        default=None, description="power that the tariff charges per kW (default: import_limit_kw)"
    )
    earlier_peak_kw: Annotated[NotNegative | None, LATER] = Field(
        default=None,
        description="peak of the first month before the horizon, charged already (default: none)",
    )
    earlier_kwh: Annotated[NotNegative | None, LATER] = Field(
        default=None,
        description="energy from the retailer in the first month before the horizon, for its tiers (default: none)",
    )
    inverter_limit_kw: Annotated[Limit | None, LATER] = Field(
        default=None,
        description="AC power of the inverter that its PV and batteries share (default: no limit)",
    )
    phase: Annotated[Literal["a", "b", "c", "abc"] | None, LATER] = Field(
        default=None, description="phase that it is on (default: drawn by the seed; plant and business: abc)"
    )
    power_factor: Annotated[Real | None, Field(ge=0.5, le=1), LATER] = Field(
        default=None, description="of its demand, lagging (default: grid.power_factor)"
    )
    demand_column: Column | None = Field(default=None, description="column of the demand file")
    persons: Annotated[Whole, Field(ge=1, le=12)] | None = Field(
        default=None, description="persons in the home, for generated demand"
    )
    annual_kwh: Positive | None = Field(
        default=None, description="consumption of a year, for generated demand"
    )
    pv_kw: Rating | None = Field(default=None, description="peak power of a generated PV array")
    pv_tilt_deg: Annotated[Real, Field(ge=0, le=90)] = Field(default=20.0, description="tilt, 0 = flat")
    pv_azimuth_deg: Annotated[Real, Field(ge=0, le=360)] | None = Field(
        default=None, description="180 = south (default: towards the equator, 180 north of it, 0 south)"
    )
    pv_mounting: Annotated[Mounting | None, LATER] = Field(
        default=None, description="how a generated array is mounted (default: pv.mounting)"
    )
    pv_losses: Annotated[Losses | None, LATER] = Field(
        default=None, description="share of a generated array's power lost on the way (default: pv.losses)"
    )
    pv_column: Column | None = Field(default=None, description="column of the PV file")
    pv_column_kw: Rating | None = Field(
        default=None, description="installed power, for a PV file in W per kW installed"
    )
    metering: Annotated[Literal["net", "gross"], LATER] = Field(
        default="net", description="net: one meter; gross: PV on a meter of its own, which only injects"
    )
    green_premium_per_kwh: Annotated[NotNegative | None, LATER] = Field(
        default=None,
        description="paid on top for energy of renewable origin (default: exchange.green_premium_per_kwh)",
    )

    @model_validator(mode="after")
    def _one_demand(self) -> Self:
        sources = [n for n in ("demand_column", "persons") if getattr(self, n) is not None]
        if self.kind == "plant" and (sources or self.annual_kwh is not None):
            raise PydanticCustomError("demand", "no demand of a plant: a home or a business has it")
        if len(sources) == 2 or (sources and self.kind == "business" and self.annual_kwh is not None):
            raise PydanticCustomError("demand", "one of demand_column, persons and annual_kwh")
        if self.annual_kwh is not None and self.kind == "home" and self.persons is None:
            raise PydanticCustomError("demand", "persons beside annual_kwh (the household's profile)")
        return self


class _Storage(Closed):
    """What a battery and a vehicle share."""

    capacity_kwh: Rating = Field(description="most energy that it holds")
    min_energy_kwh: NotNegative = Field(default=0.0, description="least energy that it keeps")
    initial_energy_kwh: NotNegative | None = Field(
        default=None, description="energy at the start (default: half-way between min_energy and capacity)"
    )
    final_energy_kwh: NotNegative | Literal["free"] | None = Field(
        default=None, description="least energy at the end, or free (default: as at the start)"
    )
    final: Annotated[Literal["at-least", "equal"] | None, LATER] = Field(
        default=None,
        description="whether it may end with more than final_energy_kwh (default: the scenario's)",
    )
    charge_limit_kw: Limit = Field(description="most AC power that it takes")
    charge_efficiency: Efficiency = Field(default=0.95, description="stored per energy taken")
    discharge_efficiency: Efficiency = Field(
        default=0.95, description="given per energy drawn from the store"
    )
    wear_cost_per_kwh: NotNegative = Field(default=0.0, description="wear per kWh discharged")
    self_discharge_percent_per_day: Annotated[Real, Field(ge=0, le=99), LATER] = Field(
        default=0.0, description="per cent of its energy that it loses in a day"
    )
    final_value_per_kwh: Annotated[NotNegative | None, LATER] = Field(
        default=None,
        description="worth of a kWh left at the end; final_energy_kwh is then free unless it is given",
    )
    target_energy_kwh: Annotated[NotNegative | None, LATER] = Field(
        default=None, description="energy to have by target_by"
    )
    target_percent: Annotated[Annotated[Real, Field(ge=0, le=100)] | None, LATER] = Field(
        default=None, description="the same in per cent of capacity_kwh"
    )
    target_by: Annotated[TimeOfDay | Moment | None, LATER] = Field(
        default=None, description='local "HH:MM" of every day, or one time'
    )
    targets: Annotated[Targets, LATER] = Field(
        default=(), description='several targets, such as "06:00 80 %; 18:00 4 kWh"'
    )
    target_breach_per_kwh: Annotated[Positive | None, LATER] = Field(
        default=None, description="price of a kWh that it lacks of its target (default: it must not)"
    )

    @model_validator(mode="after")
    def _within(self) -> Self:
        for name in ("min_energy_kwh", "final_energy_kwh"):
            value = getattr(self, name)
            if isinstance(value, float) and value > self.capacity_kwh:
                raise PydanticCustomError(name, "at most capacity_kwh")
        self._within_target()
        if self.final is not None and self.final_energy_kwh == "free":
            raise PydanticCustomError("final", "nothing beside final_energy_kwh: free")
        return self

    def _within_target(self) -> None:
        if self.target_energy_kwh is not None and self.target_energy_kwh > self.capacity_kwh:
            raise PydanticCustomError("target_energy_kwh", "at most capacity_kwh")
        amounts = (self.target_energy_kwh is not None) + (self.target_percent is not None)
        if amounts > 1 or (amounts == 0 and self.target_by is not None):
            raise PydanticCustomError("target_energy_kwh", "one of target_energy_kwh and target_percent")
        if self.target_by is None and (
            amounts or (self.target_breach_per_kwh is not None and not self.targets)
        ):
            raise PydanticCustomError("target_by", "the time of the target")
        if any(aim.energy(self.capacity_kwh) > self.capacity_kwh for aim in self.aims()):
            raise PydanticCustomError("targets", "at most capacity_kwh")

    def aims(self) -> list[Target]:
        """Return all targets: that of ``target_by`` and ``targets``."""
        every = list(map(target, self.targets))
        if self.target_by is None:
            return every
        if self.target_energy_kwh is not None:
            return [Target(self.target_by, self.target_energy_kwh, False), *every]
        return [Target(self.target_by, self.target_percent or 0.0, True), *every]


class Battery(_Storage):
    """A stationary battery behind its owner's meter."""

    battery: Label = Field(description="unique label")
    owner: Label = Field(description="participant behind whose meter it sits")
    discharge_limit_kw: Limit = Field(description="most AC power that it gives")
    gives: Annotated[Literal["anywhere", "home"], LATER] = Field(
        default="anywhere", description="home: nothing of it leaves its owner's meter"
    )


class Vehicle(_Storage):
    """A plug-in vehicle, its drive and, where no trip table names it, the pattern of its trips."""

    vehicle: Label = Field(description="unique label")
    owner: Label = Field(description="participant who pays, and at whose premises it is at home")
    discharge_limit_kw: Limit = Field(default=0.0, description="most AC power that it gives; 0 = no V2H")
    min_charge_kw: Limit = Field(default=0.0, description="least AC power while it charges")
    electric_economy_km_per_kwh: Positive = Field(description="distance per kWh out of the battery")
    fuel_economy_km_per_litre: Positive | None = Field(default=None, description="blank = no engine")
    fuel_price_per_litre: NotNegative | None = Field(
        default=None, description="default: the scenario's fuel price"
    )
    fuel_kg_per_litre: NotNegative | None = Field(default=None, description="CO2; default: the scenario's")
    pattern: Literal["commuter", "errand", "business"] | None = Field(
        default=None, description="generate its trips (default: those of the trips table)"
    )
    work: Label | None = Field(default=None, description="participant where a commuter is plugged in at work")
    commute_km: NotNegative | None = Field(default=None, description="pattern: one way to work")
    errand_km: NotNegative | None = Field(
        default=None, description="pattern: median one way of an errand or visit"
    )
    leave_hour: Hour | None = Field(default=None, description="pattern: median departure, local clock")
    return_hour: Hour | None = Field(
        default=None, description="pattern: median departure for home, local clock"
    )
    errand_probability: Annotated[Real, Field(ge=0, le=1)] | None = Field(
        default=None, description="pattern: chance of an errand on a day that may have one"
    )

    @model_validator(mode="after")
    def _charger(self) -> Self:
        if self.min_charge_kw > self.charge_limit_kw:
            raise PydanticCustomError("min_charge_kw", "at most charge_limit_kw")
        return self


PATTERN = ("commute_km", "errand_km", "leave_hour", "return_hour", "errand_probability")
"""Columns of a vehicle that shape its pattern."""


class Trip(Closed):
    """One trip of a vehicle; it is plugged at its destination from the arrival to its next departure."""

    vehicle: Label = Field(description="label of the vehicle")
    departure: Moment = Field(description="local time, or a time with its UTC offset")
    arrival: Moment = Field(description="local time, or a time with its UTC offset")
    distance_km: NotNegative | None = Field(default=None, description="distance driven")
    energy_kwh: NotNegative | None = Field(
        default=None,
        description="instead of distance_km: energy that the trip takes when driven electrically",
    )
    destination: Label | None = Field(
        default=None,
        description='participant at whose premises it is plugged then; blank = home, "-" = nowhere',
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.distance_km is None) == (self.energy_kwh is None):
            raise PydanticCustomError("distance_km", "one of distance_km and energy_kwh")
        if (self.departure.tzinfo is None) != (self.arrival.tzinfo is None):
            raise PydanticCustomError("arrival", "both times with a UTC offset, or neither")
        if self.arrival <= self.departure:
            raise PydanticCustomError("arrival", "an arrival after the departure")
        return self


class Node(Closed):
    """A node of the fee network: its parent, and what its edge to the parent is like."""

    node: Label = Field(description="unique label")
    parent: Label | None = Field(default=None, description="next node towards the root; blank for the root")
    level: Label | None = Field(
        default=None,
        description="level of the edge to the parent (by-level), or of the node itself: a key of fees.levels",
    )
    length_m: NotNegative | None = Field(default=None, description="length of the edge to the parent")
    x_m: Number | None = Field(default=None, description="position, for straight distances")
    y_m: Number | None = Field(default=None, description="position, for straight distances")
    fee_per_kwh: NotNegative | None = Field(default=None, description="edge fee, instead of the method's")
    access_fee_per_kwh: NotNegative | None = Field(
        default=None, description="paid here by each side of a trade (default: fees.access_fee_per_kwh)"
    )
    limit_kw: Limit | None = Field(default=None, description="peer power over the edge (default: no limit)")
    import_limit_kw: Annotated[Limit | None, LATER] = Field(
        default=None,
        description="most power into it and all below it, peers' and retailers' (default: no limit)",
    )
    export_limit_kw: Annotated[Limit | None, LATER] = Field(
        default=None, description="most power out of it and all below it (default: no limit)"
    )
    import_limit_column: Annotated[Column | None, LATER] = Field(
        default=None, description="column of series.node_import_limit (default: none)"
    )
    export_limit_column: Annotated[Column | None, LATER] = Field(
        default=None, description="column of series.node_export_limit (default: none)"
    )
    voltage_v: Annotated[Positive | None, LATER] = Field(
        default=None, description="nominal voltage between phases (default: the parent's; grid.voltage_v)"
    )
    cable: Annotated[Label | None, LATER] = Field(
        default=None, description="cable of the catalogue that the edge to the parent is, over length_m"
    )
    r_ohm: Annotated[NotNegative | None, LATER] = Field(default=None, description="resistance of the edge")
    x_ohm: Annotated[NotNegative | None, LATER] = Field(default=None, description="reactance of the edge")
    r0_ohm: Annotated[NotNegative | None, LATER] = Field(
        default=None,
        description="its zero-sequence resistance (default: 4 times r_ohm, of a transformer r_ohm)",
    )
    x0_ohm: Annotated[NotNegative | None, LATER] = Field(
        default=None,
        description="its zero-sequence reactance (default: 4 times x_ohm, of a transformer x_ohm)",
    )
    rating_a: Annotated[Positive | None, LATER] = Field(
        default=None, description="rated current of the edge (default: the cable's, else no limit)"
    )
    transformer_kva: Annotated[Positive | None, LATER] = Field(
        default=None, description="rated power of the transformer (Dyn) that the edge to the parent is"
    )
    transformer_uk_percent: Annotated[Positive | None, LATER] = Field(
        default=None, description="its short-circuit voltage (default: 4)"
    )
    transformer_ur_percent: Annotated[NotNegative | None, LATER] = Field(
        default=None, description="the resistive part of its short-circuit voltage (default: 1.2)"
    )

    @model_validator(mode="after")
    def _one_edge(self) -> Self:
        ways = [n for n in ("cable", "r_ohm", "transformer_kva") if getattr(self, n) is not None]
        if len(ways) > 1:
            raise PydanticCustomError("edge", "one of cable, r_ohm and transformer_kva")
        if self.cable is not None and self.length_m is None:
            raise PydanticCustomError("length_m", "its length beside the cable")
        if (self.r_ohm is None) != (self.x_ohm is None):
            raise PydanticCustomError("x_ohm", "r_ohm and x_ohm, or neither")
        if (self.r0_ohm is None) != (self.x0_ohm is None) or (self.r0_ohm is not None and not ways):
            raise PydanticCustomError("x0_ohm", "r0_ohm and x0_ohm beside what the edge is, or neither")
        if (self.transformer_ur_percent or 0.0) > (self.transformer_uk_percent or UK_PERCENT):
            raise PydanticCustomError("transformer_ur_percent", "at most transformer_uk_percent")
        return self

    @property
    def electrical(self) -> bool:
        """Whether it says anything of what its edge is to a power flow."""
        return any(getattr(self, name) is not None for name in ELECTRICAL)


ELECTRICAL = ("voltage_v", "cable", "r_ohm", "rating_a", "transformer_kva")
"""Columns of a node that a power flow alone reads, and that stand alone."""
UK_PERCENT, UR_PERCENT = 4.0, 1.2
"""Short-circuit voltage of a transformer that states none, and its resistive part: of 250 kVA, 10/0.4 kV (pandapower's
standard type, after DIN 42500)."""


TABLES: dict[str, tuple[type[Closed], str]] = {
    "participants": (Participant, "participant"),
    "batteries": (Battery, "battery"),
    "vehicles": (Vehicle, "vehicle"),
    "loads": (FlexibleLoad, "load"),
    "trips": (Trip, ""),
    "nodes": (Node, "node"),
    "heat_pumps": (HeatPump, "heat_pump"),
}
"""Table name -> its row, and the column that must be unique."""
