"""Files that a scenario names, and how each is written: tables, series of power, prices and carbon, weather."""

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from ..files.file_format import ContainerName, Gaps, Sampling, StampName, UnitName
from ..problems import InputError
from ..series.presets import Kind, of_kind
from .values import LATER, Closed, Encoding, Label, Line, Moment, Number, Real, Separator, Sha256, Whole, Zone

HeaderRows = Annotated[Whole, Field(ge=0, le=9)] | tuple[Label, ...]


class TextFile(Closed):
    """A CSV file, and how its text is written."""

    path: str = Field(description="CSV file, relative to the scenario")
    separator: Separator = Field(default=",", description="between cells, one character")
    decimal: Literal[".", ","] = Field(default=".", description="decimal mark")
    encoding: Encoding = Field(default="utf-8", description="text encoding, e.g. cp932")

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        if self.separator == self.decimal:
            raise PydanticCustomError(
                "decimal", "another mark than the separator {mark}", {"mark": repr(self.decimal)}
            )
        return self


def _filled(kind: Kind, given: Any) -> Any:
    """Return the keys of a file with those that its preset fills in; raise where there is none of that kind."""
    if not isinstance(given, dict) or given.get("preset") is None:
        return given
    try:
        preset = of_kind(str(given["preset"]), kind, "")
    except InputError as error:
        raise PydanticCustomError("preset", "{want}", {"want": error.problems[0].want}) from None
    return {**preset.keys(kind), **given}


class Sessions(Closed):
    """Columns of a file of charging sessions, which become trips and plug times."""

    preset: str | None = Field(default=None, description="a known export: acn-data, ocpp, evcc")
    vehicle: Label = Field(description="column of the vehicles")
    vehicles: dict[Line, str] = Field(
        default_factory=dict,
        description='name in the file ("" where it has none) -> label of the vehicle, or nothing to leave it out',
    )
    connect: Label = Field(description="column of the time when it was plugged in")
    disconnect: Label = Field(description="column of the time when it was unplugged")
    energy: Label | None = Field(default=None, description="column of the energy charged")
    meter_start: Label | None = Field(default=None, description="instead of energy: the meter at the start")
    meter_stop: Label | None = Field(default=None, description="the meter at the end")
    unit: Literal["kWh", "Wh"] = Field(default="kWh", description="of the energy")
    time_format: str = Field(default="", description="strptime pattern of times not written year first")
    time_zone: Zone | None = Field(default=None, description="of the times (default: the scenario's)")

    @model_validator(mode="before")
    @classmethod
    def _of_preset(cls, given: Any) -> Any:
        return _filled("sessions", given)

    @model_validator(mode="after")
    def _charged(self) -> Self:
        if (self.energy is None) == (self.meter_start is None or self.meter_stop is None):
            raise PydanticCustomError("energy", "a column of the energy, or meter_start and meter_stop")
        return self

    def columns(self) -> list[str]:
        """Return the columns that the file must have."""
        energy = [self.meter_start, self.meter_stop] if self.energy is None else [self.energy]
        return [self.vehicle, self.connect, self.disconnect, *(str(name) for name in energy)]

    def energy_field(self) -> str:
        """Return the column that a problem of the energy is named after."""
        return self.energy or str(self.meter_stop)


class TableFile(TextFile):
    """A CSV table that needs more than its path said."""

    rename: dict[str, str] = Field(default_factory=dict, description="column of the file -> column here")
    ignore: tuple[str, ...] = Field(default=(), description="columns of the file to leave alone")
    keep_clock: bool = Field(
        default=False, description="leave UTC offsets of trips aside: the clock on the wall counts"
    )
    sessions: Sessions | None = Field(
        default=None, description="of trips: the file holds charging sessions, in these columns"
    )


class ReadingsFile(TextFile):
    """A file of readings over time."""

    kind: ClassVar[Kind] = "power"
    preset: Annotated[str | None, LATER] = Field(
        default=None, description="a provider's export, which fills in the other keys: see `otonari formats`"
    )
    sha256: Sha256 | None = Field(
        default=None, description="digest of the file; filled in when a run is stored"
    )
    stamp: StampName = Field(default="start", description="what a time of the file means")
    time_zone: Zone | None = Field(default=None, description="of the file's times (default: the scenario's)")
    time_column: Label = Field(default="time", description="column of the times")
    time_format: str = Field(
        default="", description="strptime pattern of stamps that are not written year first"
    )
    skip_rows: Whole = Field(default=0, ge=0, description="lines before the header")
    reference_year: bool = Field(
        default=False, description="take month, day and hour from the file, not the year"
    )
    clock_column: Annotated[Label | None, LATER] = Field(
        default=None, description="column of the time of day or number of the slot, beside one of dates"
    )
    slot_minutes: Annotated[Whole, LATER] = Field(
        default=0,
        ge=0,
        le=1440,
        description="of numbered slots (default: as many as fill a day: 60, 30, 15, 5)",
    )
    shift_minutes: Annotated[Real, LATER] = Field(
        default=0.0, ge=-1440, le=1440, description="added to every time"
    )
    meter_column: Annotated[Label | None, LATER] = Field(
        default=None, description="column that names meters, where they stand below one another"
    )
    value_column: Annotated[Label | None, LATER] = Field(
        default=None, description="column of the values, beside meter_column or where a file is of one meter"
    )
    only: Annotated[dict[Label, str], LATER] = Field(
        default_factory=dict, description="column -> what a row has there to be read: a register, say"
    )
    first_slot: Annotated[Label | None, LATER] = Field(
        default=None, description="first column of readings, where a row is a day"
    )
    header_rows: Annotated[HeaderRows, LATER] = Field(
        default=1,
        description="lines that together name columns, joined by ' | ': how many, 0 for all, or their first words",
    )
    sampling: Annotated[Sampling, LATER] = Field(
        default="regular", description="at even times, or on-change: a value holds until the next"
    )
    thousands: Annotated[str, LATER] = Field(
        default="", max_length=1, description="mark of thousands, where no number shows it"
    )
    container: Annotated[ContainerName, LATER] = Field(
        default="csv", description="csv, xlsx, or espi, mscons, nem12"
    )
    sheet: Annotated[str, LATER] = Field(default="", description="sheet of a workbook (default: the first)")
    gaps: Annotated[Gaps, LATER] = Field(
        default="refuse", description="what slots without readings have: nothing, that is a problem, or this"
    )
    gaps_up_to_hours: Annotated[Real, LATER] = Field(
        default=0.0,
        ge=0,
        le=8784,
        description="longest gap that is filled (default: any; 3 where interpolated)",
    )

    @model_validator(mode="before")
    @classmethod
    def _of_preset(cls, given: Any) -> Any:
        return _filled(cls.kind, given)

    @model_validator(mode="after")
    def _whole_form(self) -> Self:
        if self.meter_column is not None and self.value_column is None and self.first_slot is None:
            raise PydanticCustomError("value_column", "the column of the values, beside meter_column")
        if self.thousands and self.thousands == self.decimal:
            raise PydanticCustomError("thousands", "another mark than the decimal mark")
        return self


class MeterChange(Closed):
    """A meter that took the place of another."""

    at: Moment = Field(description="local time of the file, or a time with its UTC offset")
    last: Real = Field(description="last reading of the old meter")
    first: Real = Field(default=0.0, description="first reading of the new one")
    column: Label | None = Field(default=None, description="column or meter (default: all of the file)")


class SeriesFile(ReadingsFile):
    """Power or energy over time, one column per participant or kind of roof."""

    path: str = Field(
        description="file, relative to the scenario; {participant} in it stands for the label, a file each"
    )
    unit: UnitName = Field(
        default="kW", description="mean power, energy per slot, W per kW installed, or a meter's reading"
    )
    meter_changes: Annotated[Literal["at-a-drop"] | tuple[MeterChange, ...], LATER] = Field(
        default=(), description="changes of a counter; at-a-drop: a fall is a new meter from 0"
    )

    @model_validator(mode="after")
    def _held(self) -> Self:
        if self.sampling == "on-change" and self.unit in ("kWh", "Wh", "MWh"):
            raise PydanticCustomError("unit", "power or a meter's reading, with sampling: on-change")
        return self


class PriceFile(ReadingsFile):
    """A price that changes from reading to reading: a spot market's, or a dynamic tariff's."""

    kind: ClassVar[Kind] = "price"
    type: Literal["series"] = Field(default="series", description="series")
    column: Label = Field(description="column of the prices")
    unit: Literal["per kWh", "per MWh"] = Field(default="per kWh", description="energy that a price is for")
    factor: Annotated[Number, LATER] = Field(
        default=1.0, description="what the file's price is multiplied by"
    )
    plus: Annotated[Number, LATER] = Field(default=0.0, description="added then, per kWh")
    at_least: Annotated[Number | None, LATER] = Field(
        default=None, description="least price per kWh that comes of it (default: any)"
    )
    at_most: Annotated[Number | None, LATER] = Field(
        default=None, description="highest price per kWh that comes of it (default: any)"
    )


class CarbonFile(ReadingsFile):
    """Carbon dioxide of retail power over time."""

    column: Label = Field(description="column of the intensities")
    unit: Literal["kg/kWh", "g/kWh"] = Field(default="kg/kWh", description="carbon dioxide per energy")


class CopFile(ReadingsFile):
    """Coefficients of performance of heat pumps over time, heat per electricity, one column per heat pump."""


WeatherColumn = Literal["ghi", "dni", "dhi", "temp_air"]


class Weather(Closed):
    """Where irradiance and temperature come from."""

    source: Literal["clear-sky", "surrogate", "file"] = Field(
        default="surrogate", description="clear sky, clouds of a place of like latitude, or a weather file"
    )
    path: str | None = Field(default=None, description="weather file, relative to the scenario")
    sha256: Sha256 | None = Field(
        default=None, description="digest of the file; filled in when a run is stored"
    )
    format: Literal["tmy3", "epw", "csv", "pvgis-tmy", "pvgis-hourly", "nsrdb"] = Field(
        default="csv", description="format of the weather file"
    )
    time_zone: Zone | None = Field(default=None, description="of a CSV file (default: the scenario's)")
    stamp: StampName = Field(default="start", description="what a CSV time means")
    shift_minutes: Annotated[Real, LATER] = Field(
        default=0.0, ge=-1440, le=1440, description="added to every time of the file"
    )
    columns: Annotated[dict[WeatherColumn, Label], LATER] = Field(
        default_factory=dict,
        description="ghi, dni, dhi, temp_air -> column of a CSV file, where it is another",
    )
    irradiance_unit: Annotated[Literal["W/m2", "kW/m2", "Wh/m2", "kWh/m2", "J/cm2", "MJ/m2"], LATER] = Field(
        default="W/m2", description="of a CSV file: mean power, or energy of the interval"
    )
    temperature_unit: Annotated[Literal["C", "F", "K"], LATER] = Field(
        default="C", description="of a CSV file"
    )
    time_column: Annotated[Label, LATER] = Field(
        default="time", description="column of the times of a CSV file"
    )
    clock_column: Annotated[Label | None, LATER] = Field(
        default=None, description="column of the time of day, beside one of dates"
    )
    time_format: Annotated[str, LATER] = Field(
        default="", description="strptime pattern of times of a CSV file not written year first"
    )
    separator: Annotated[Separator, LATER] = Field(default=",", description="between cells of a CSV file")
    decimal: Annotated[Literal[".", ","], LATER] = Field(
        default=".", description="decimal mark of a CSV file"
    )
    encoding: Annotated[Encoding, LATER] = Field(default="utf-8", description="of a CSV file")
    skip_rows: Annotated[Whole, LATER] = Field(default=0, ge=0, description="lines before its header")
    reference_year: Annotated[bool, LATER] = Field(
        default=True, description="false: a CSV file holds for the years that it names, not for any"
    )

    @model_validator(mode="after")
    def _file(self) -> Self:
        if (self.path is not None) != (self.source == "file"):
            raise PydanticCustomError("path", "a path where source is 'file', and only there")
        if self.separator == self.decimal:
            raise PydanticCustomError("decimal", "another mark than the separator")
        for name in _OF_CSV if self.format != "csv" else ():
            if getattr(self, name) != type(self).model_fields[name].get_default(call_default_factory=True):
                raise PydanticCustomError(name, "nothing, where {format} states it", {"format": self.format})
        return self


_OF_CSV = tuple(
    name
    for name in Weather.model_fields
    if name not in ("source", "path", "sha256", "format", "time_zone", "stamp", "shift_minutes")
)
"""Keys of weather that a CSV file alone needs, and that version 1 of the schema did not have."""
