"""The schema of a scenario file: every key documented where it is declared."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from ..files.file_format import UNITS
from .file_references import CarbonFile, CopFile, SeriesFile, TableFile, Weather
from .grid import Grid
from .investment import Finance, Investment, Uncertainty
from .loads.flexible_loads import FlexibleLoad
from .loads.heat_pumps import HeatPump
from .table_rows import Battery, Node, Participant, Trip, Vehicle
from .tariffs_and_fees import Exchange, Fees, LevelFees, PeerPrices, Tariff
from .values import (
    LATER,
    Closed,
    Currency,
    Day,
    Holidays,
    Label,
    Line,
    Losses,
    Mounting,
    Name,
    NotNegative,
    Real,
    Whole,
    Zone,
)


class Time(Closed):
    """The horizon: whole local days, cut into slots."""

    start: Day = Field(description="first local day, YYYY-MM-DD")
    days: Whole = Field(default=1, ge=1, le=3660, description="number of local days")
    slot_minutes: Whole = Field(
        default=30, ge=1, le=1440, description="length of a slot, a divisor of the day"
    )
    time_zone: Zone = Field(default="Asia/Tokyo", description="IANA name, or a fixed offset such as -08:00")

    @field_validator("slot_minutes")
    @classmethod
    def _divides(cls, value: int) -> int:
        if 1440 % value:
            raise PydanticCustomError("slot", "a divisor of 1440 minutes")
        return value


class Site(Closed):
    """Where the community is: for the sun."""

    latitude_deg: Real = Field(default=35.17, ge=-90, le=90, description="latitude, north positive")
    longitude_deg: Real = Field(default=138.91, ge=-180, le=180, description="longitude, east positive")
    altitude_m: Real = Field(default=200.0, ge=-500, le=9000, description="height above the sea")
    place_of: Annotated[Label | None, LATER] = Field(
        default=None, description="time zone whose place this is: filled in where no site is given"
    )


class Photovoltaics(Closed):
    """What generated arrays have in common, unless a participant's row says otherwise."""

    mounting: Mounting = Field(
        default="roof",
        description="some air behind (roof), free air (rack), or little and hotter (close-roof)",
    )
    losses: Losses = Field(
        default=0.14, description="share of the power lost to soiling, wiring, mismatch and the like"
    )


class Tables(Closed):
    """The tables: each a CSV file, or its rows written here."""

    participants: tuple[Participant, ...] = Field(min_length=1, description="homes and businesses")
    batteries: tuple[Battery, ...] = Field(default=(), description="stationary batteries")
    vehicles: tuple[Vehicle, ...] = Field(default=(), description="plug-in vehicles")
    loads: Annotated[tuple[FlexibleLoad, ...], LATER] = Field(
        default=(), description="flexible loads: deferrable, of a fixed shape, curtailable"
    )
    trips: tuple[Trip, ...] = Field(default=(), description="trips of the vehicles that have no pattern")
    nodes: tuple[Node, ...] = Field(default=(), description="fee network (default: one node)")
    heat_pumps: Annotated[tuple[HeatPump, ...], LATER] = Field(
        default=(), description="heat pumps for hot water or space heating, with their tanks"
    )


class Series(Closed):
    """Measured series; what has no column there is generated."""

    demand: SeriesFile | None = Field(default=None, description="demand, one column per participant")
    pv: SeriesFile | None = Field(default=None, description="PV output, one column per participant or roof")
    import_limit: Annotated[SeriesFile | None, LATER] = Field(
        default=None,
        description="most power drawn over time, one column per participant: operating envelopes",
    )
    export_limit: Annotated[SeriesFile | None, LATER] = Field(
        default=None,
        description="most power given over time, one column per participant: operating envelopes",
    )
    node_import_limit: Annotated[SeriesFile | None, LATER] = Field(
        default=None,
        description="most power over time into nodes and all below them, a column per import_limit_column",
    )
    node_export_limit: Annotated[SeriesFile | None, LATER] = Field(
        default=None,
        description="most power over time out of nodes and all below them, a column per export_limit_column",
    )
    heat: Annotated[SeriesFile | None, LATER] = Field(
        default=None, description="heat drawn from tanks of heat pumps, a column per heat_column"
    )
    cop: Annotated[CopFile | None, LATER] = Field(
        default=None, description="coefficients of performance of heat pumps, a column per cop_column"
    )

    @model_validator(mode="after")
    def _a_power(self) -> Self:
        for name in ("import_limit", "export_limit", "node_import_limit", "node_export_limit", "heat"):
            file = getattr(self, name)
            if file is not None and (UNITS[file.unit].per_installed or UNITS[file.unit].counter):
                raise PydanticCustomError(name, "a unit of power, or of energy per interval")
        return self


class Carbon(Closed):
    """Carbon dioxide of what is bought."""

    grid_kg_per_kwh: NotNegative | None = Field(
        default=None, description="retail power (default: 0.5, an assumption, where no file is given)"
    )
    grid: CarbonFile | None = Field(
        default=None, description="file of retail power's, instead of grid_kg_per_kwh"
    )
    fuel_kg_per_litre: NotNegative = Field(default=2.32, description="fuel burnt")
    price_per_kg: Annotated[NotNegative, LATER] = Field(
        default=0.0, description="price of carbon dioxide, on top of retail power and fuel"
    )

    @model_validator(mode="after")
    def _one(self) -> Self:
        if self.grid is not None and self.grid_kg_per_kwh is not None:
            raise PydanticCustomError("grid_kg_per_kwh", "one of grid_kg_per_kwh and grid (a file)")
        return self


class Fuel(Closed):
    """Fuel of the vehicles with an engine."""

    price_per_litre: NotNegative = Field(default=135.5, description="price at the pump")


class Scenario(Closed):
    """A community, its prices and its day."""

    schema_version: Literal[1] = Field(description="1")
    name: Name = Field(description="letters, digits, . _ -; names the folder of the results")
    description: Line = Field(default="", description="what it is, in a sentence of one line")
    market_id: Name | None = Field(
        default=None,
        description="an operator's market, for its ledger (default: name and hash of the scenario)",
    )
    currency: Currency = Field(default="JPY", description="three letters of ISO 4217")
    seed: Whole = Field(default=1, ge=0, lt=2**32, description="seed of everything that is generated")
    time: Time = Field(description="horizon and slots")
    site: Site = Field(default=Site(), description="where the sun shines")
    weather: Weather = Field(default=Weather(), description="source of irradiance and temperature")
    readings: Annotated[Literal["lenient", "strict"], LATER] = Field(
        default="lenient",
        description="strict: what is hardly possible in a file of readings is a problem, not a note",
    )
    pv: Annotated[Photovoltaics, LATER] = Field(
        default=Photovoltaics(), description="mounting and losses of generated PV"
    )
    tables: Tables = Field(description="who takes part, and with what")
    series: Series = Field(default=Series(), description="measured demand and PV")
    holidays: Annotated[Holidays | tuple[Day, ...], LATER] = Field(
        default="none",
        description="public holidays of windows and forecasts: a country (DE), a part of one (CA-ON), none, or dates",
    )
    tariffs: dict[Label, Tariff] = Field(min_length=1, description="label -> retail contract")
    fees: Fees = Field(default=LevelFees(), description="fees of the network on a peer trade")
    exchange: Annotated[Exchange, LATER] = Field(
        default=Exchange(), description="rules of the exchange, where orders meet"
    )
    settlement: Annotated[PeerPrices, LATER] = Field(
        default=PeerPrices(), description="prices among peers in a clearing"
    )
    final: Annotated[Literal["at-least", "equal"], LATER] = Field(
        default="at-least", description="whether stores may end with more than their final energy"
    )
    investment: Annotated[Investment | None, LATER] = Field(
        default=None, description="what otonari plan may build; other commands leave it aside"
    )
    uncertainty: Annotated[Uncertainty, LATER] = Field(
        default=Uncertainty(), description="what may come of a day that is cleared ahead"
    )
    finance: Annotated[Finance, LATER] = Field(
        default=Finance(), description="interest, and the years that a plan looks ahead"
    )
    grid: Annotated[Grid | None, LATER] = Field(
        default=None, description="the feeder behind the network, for power flows (default: none is known)"
    )
    carbon: Carbon = Field(default=Carbon(), description="emission factors")
    fuel: Fuel = Field(default=Fuel(), description="fuel price")


def json_schema() -> dict[str, Any]:
    """Return the JSON schema of a scenario file, where a table is rows, a path or a path with its format."""
    return with_table_files(Scenario, Tables)


def with_table_files(file: type[Closed], tables: type[Closed]) -> dict[str, Any]:
    """Return the JSON schema of a kind of file in whose section of tables a table may be a path, too."""
    schema = file.model_json_schema()
    definitions = schema["$defs"]
    definitions["TableFile"] = TableFile.model_json_schema()
    for table in definitions[tables.__name__]["properties"].values():
        rows = {k: table.pop(k) for k in ("type", "items", "anyOf", "minItems") if k in table}
        table["anyOf"] = [{"type": "string"}, {"$ref": "#/$defs/TableFile"}, *rows.get("anyOf", [rows])]
    return schema
