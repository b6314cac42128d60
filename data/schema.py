"""What a scenario may say: the frozen schema, every key documented where it is declared."""

from datetime import date
from typing import Annotated, Any, Literal, Self

from pydantic import Field, StringConstraints, field_validator, model_validator
from pydantic_core import PydanticCustomError

from .problems import InputError
from .rows import PRINTABLE, Battery, Closed, Label, Node, NotNegative, Participant, Trip, Vehicle
from .terms import Fees, LevelFees, Tariff

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=80)]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class Time(Closed):
    """The horizon: whole local days, cut into slots."""

    start: date = Field(description="first local day, YYYY-MM-DD")
    days: int = Field(default=1, ge=1, le=3660, description="number of local days")
    slot_minutes: int = Field(default=30, ge=1, le=1440, description="length of a slot, a divisor of the day")
    time_zone: str = Field(default="Asia/Tokyo", description="IANA name, or a fixed offset such as -08:00")

    @field_validator("slot_minutes")
    @classmethod
    def _divides(cls, value: int) -> int:
        if 1440 % value:
            raise PydanticCustomError("slot", "a divisor of 1440 minutes")
        return value

    @field_validator("time_zone")
    @classmethod
    def _known(cls, value: str) -> str:
        from .clock import zone  # brings pandas: imported where it is needed

        try:
            zone(value)
        except InputError as error:
            raise PydanticCustomError("zone", "{want}", {"want": error.problems[0].want}) from None
        return value


class Site(Closed):
    """Where the community is: for the sun."""

    latitude_deg: float = Field(default=35.17, ge=-90, le=90, description="latitude, north positive")
    longitude_deg: float = Field(default=138.91, ge=-180, le=180, description="longitude, east positive")
    altitude_m: float = Field(default=200.0, ge=-500, le=9000, description="height above the sea")


class Weather(Closed):
    """Where irradiance and temperature come from."""

    source: Literal["clear-sky", "surrogate", "file"] = Field(
        default="surrogate", description="clear sky, clouds of a place of like latitude, or a weather file"
    )
    path: str | None = Field(default=None, description="weather file, relative to the scenario")
    sha256: Sha256 | None = Field(
        default=None, description="digest of the file; filled in when a run is stored"
    )
    format: Literal["tmy3", "epw", "csv"] = Field(default="csv", description="format of the weather file")
    time_zone: str | None = Field(default=None, description="of a CSV file (default: the scenario's)")
    stamp: Literal["start", "middle", "end"] = Field(default="start", description="what a CSV time means")

    @model_validator(mode="after")
    def _file(self) -> Self:
        if (self.path is not None) != (self.source == "file"):
            raise PydanticCustomError("path", "a path where source is 'file', and only there")
        return self


class Tables(Closed):
    """The tables: each a CSV file, or its rows written here."""

    participants: tuple[Participant, ...] = Field(min_length=1, description="homes and businesses")
    batteries: tuple[Battery, ...] = Field(default=(), description="stationary batteries")
    vehicles: tuple[Vehicle, ...] = Field(default=(), description="plug-in vehicles")
    trips: tuple[Trip, ...] = Field(default=(), description="trips of the vehicles that have no pattern")
    nodes: tuple[Node, ...] = Field(default=(), description="fee network (default: one node)")


class TableFile(Closed):
    """A CSV table that needs more than its path said."""

    path: str = Field(description="CSV file, relative to the scenario")
    separator: str = Field(default=",", min_length=1, max_length=1, description="between cells")
    decimal: str = Field(default=".", min_length=1, max_length=1, description="decimal mark")
    encoding: str = Field(default="utf-8", description="text encoding, e.g. cp932")
    rename: dict[str, str] = Field(default_factory=dict, description="column of the file -> column here")
    ignore: tuple[str, ...] = Field(default=(), description="columns of the file to leave alone")
    keep_clock: bool = Field(
        default=False, description="leave UTC offsets of trips aside: the clock on the wall counts"
    )


class SeriesFile(Closed):
    """A CSV file of power or energy over time, one column per participant or kind of roof."""

    path: str = Field(description="CSV file, relative to the scenario")
    sha256: Sha256 | None = Field(
        default=None, description="digest of the file; filled in when a run is stored"
    )
    unit: Literal["kW", "kWh", "W/kW", "kWh cumulative"] = Field(
        default="kW", description="mean power, energy per slot, W per kW installed, or a meter's reading"
    )
    stamp: Literal["start", "middle", "end"] = Field(
        default="start", description="what a time of the file means"
    )
    time_zone: str | None = Field(default=None, description="of the file's times (default: the scenario's)")
    time_column: str = Field(default="time", description="column of the times")
    separator: str = Field(default=",", min_length=1, max_length=1, description="between cells")
    decimal: str = Field(default=".", min_length=1, max_length=1, description="decimal mark")
    encoding: str = Field(default="utf-8", description="text encoding, e.g. cp932")
    reference_year: bool = Field(
        default=False, description="take month, day and hour from the file, not the year"
    )
    time_format: str = Field(
        default="", description="strptime pattern of stamps that are not written year first"
    )
    skip_rows: int = Field(default=0, ge=0, description="lines before the header")


class Series(Closed):
    """Measured series; what has no column there is generated."""

    demand: SeriesFile | None = Field(default=None, description="demand, one column per participant")
    pv: SeriesFile | None = Field(default=None, description="PV output, one column per participant or roof")


class Carbon(Closed):
    """Carbon dioxide of what is bought."""

    grid_kg_per_kwh: NotNegative = Field(default=0.5, description="retail power")
    fuel_kg_per_litre: NotNegative = Field(default=2.32, description="fuel burnt")


class Fuel(Closed):
    """Fuel of the vehicles with an engine."""

    price_per_litre: NotNegative = Field(default=135.5, description="price at the pump")


class Scenario(Closed):
    """A community, its prices and its day."""

    schema_version: Literal[1] = Field(description="1")
    name: Name = Field(description="letters, digits, . _ -; names the folder of the results")
    description: Annotated[str, StringConstraints(pattern=PRINTABLE)] = Field(
        default="", description="what it is, in a sentence of one line"
    )
    market_id: Name | None = Field(
        default=None,
        description="an operator's market, for its ledger (default: name and hash of the scenario)",
    )
    currency: Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")] = Field(
        default="JPY", description="three letters of ISO 4217"
    )
    seed: int = Field(default=1, ge=0, lt=2**32, description="seed of everything that is generated")
    time: Time = Field(description="horizon and slots")
    site: Site = Field(default=Site(), description="where the sun shines")
    weather: Weather = Field(default=Weather(), description="source of irradiance and temperature")
    tables: Tables = Field(description="who takes part, and with what")
    series: Series = Field(default=Series(), description="measured demand and PV")
    tariffs: dict[Label, Tariff] = Field(min_length=1, description="label -> retail contract")
    fees: Fees = Field(default=LevelFees(), description="fees of the network on a peer trade")
    carbon: Carbon = Field(default=Carbon(), description="emission factors")
    fuel: Fuel = Field(default=Fuel(), description="fuel price")


def json_schema() -> dict[str, Any]:
    """Return the JSON schema of a scenario file, where a table is rows, a path or a path with its format."""
    schema = Scenario.model_json_schema()
    definitions = schema["$defs"]
    definitions["TableFile"] = TableFile.model_json_schema()
    for table in definitions["Tables"]["properties"].values():
        rows = {k: table.pop(k) for k in ("type", "items", "anyOf", "minItems") if k in table}
        table["anyOf"] = [{"type": "string"}, {"$ref": "#/$defs/TableFile"}, *rows.get("anyOf", [rows])]
    return schema
