"""Layouts of weather files: each to readings, the standard time of the file and the place that it names."""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..files.csv_text import read_text
from ..files.file_format import FileFormat
from ..problems import InputError, Problem
from ..series.readings import Readings, read_readings
from ..series.reference_year import standard_offset
from ..series.weather import COLUMNS
from .sun import Site, position, quiet

Place = tuple[float, float]
WeatherFile = tuple[Readings, timedelta | None, Place | None]
"""Readings of ``COLUMNS``, standard time less UTC of a year that holds for any, and the place that the file names."""

_LEAST_COSINE = 0.05  # of the zenith, below which a beam on the horizontal tells nothing of the sun's
IRRADIANCES = {
    "W/m2": (1.0, False),
    "kW/m2": (1000.0, False),
    "Wh/m2": (1.0, True),
    "kWh/m2": (1000.0, True),
    "J/cm2": (1e4 / 3600, True),
    "MJ/m2": (1e6 / 3600, True),
}
"""Units of irradiance -> W/m2 or Wh/m2, and whether it is energy of the interval."""
TEMPERATURES = {"C": (1.0, 0.0), "F": (1 / 1.8, -32 / 1.8), "K": (1.0, -273.15)}
"""Units of temperature -> factor and summand to degrees Celsius."""


@dataclass(frozen=True)
class Layout:
    """How a CSV file of weather is written: ``columns`` in the order of ``COLUMNS``, units, and what `FileFormat` says.

    With ``reference_year`` its year holds for any.
    """

    columns: tuple[str, ...] = COLUMNS
    irradiance_unit: str = "W/m2"
    temperature_unit: str = "C"
    time_zone: str = "UTC"
    stamp: str = "start"
    time_column: str = "time"
    clock_column: str = ""
    time_format: str = ""
    separator: str = ","
    decimal: str = "."
    encoding: str = "utf-8"
    skip_rows: int = 0
    reference_year: bool = True

    def form(self) -> FileFormat:
        """Return the format of the readings."""
        own = {
            f.name: getattr(self, f.name) for f in fields(self) if f.name in FileFormat.__dataclass_fields__
        }
        return FileFormat(**own)


def _csv(path: str | Path, layout: Layout) -> WeatherFile:
    """Return the readings of a CSV file (ghi, dni, dhi, temp_air), and standard time less UTC of a reference year."""
    readings = read_readings(path, layout.columns, layout.form())
    factor, energy = IRRADIANCES[layout.irradiance_unit]
    slope, summand = TEMPERATURES[layout.temperature_unit]
    power = readings.values[:3] * factor / (readings.hours if energy else 1.0)
    values = np.vstack([power, readings.values[3:] * slope + summand])
    offset = standard_offset(readings) if layout.reference_year else None
    return replace(readings, values=values), offset, None


def tmy3(path: str | Path, layout: Layout | None = None) -> WeatherFile:
    """Return the readings of a TMY3 file, and its standard time less UTC; it states its zone and stamps itself."""
    from .deferred_pvlib import iotools

    def starts(data: pd.DataFrame, meta: dict[str, Any]) -> pd.DatetimeIndex:
        # stamps are ends of hours; pvlib's own index moves the end of 28 February to 1 March
        hour = data["Time (HH:MM)"].str.split(":").str[0].astype(int).to_numpy()
        days = pd.to_datetime(data["Date (MM/DD/YYYY)"], format="%m/%d/%Y")
        return pd.DatetimeIndex(days + pd.to_timedelta(hour - 1 - meta["TZ"], unit="h"))

    return _by_pvlib(
        path, "tmy3", lambda name: iotools.read_tmy3(name, map_variables=True), starts, first_row=3
    )


def _epw(path: str | Path, layout: Layout | None = None) -> WeatherFile:
    """Return the readings of an EPW file, and its standard time less UTC; it states its zone and stamps itself."""
    from .deferred_pvlib import iotools

    return _by_pvlib(path, "epw", iotools.read_epw, lambda data, meta: _utc(data), first_row=9)


def _pvgis_tmy(path: str | Path, layout: Layout | None = None) -> WeatherFile:
    """Return the readings of a typical year of PVGIS.

    Its hours are instants in UTC, of irradiance some minutes later (``Irradiance Time Offset``): the middles of hours.
    """
    from .deferred_pvlib import iotools

    def starts(data: pd.DataFrame, meta: dict[str, Any]) -> pd.DatetimeIndex:
        late = timedelta(hours=float(meta.get("irradiance time offset", 0.0)))
        return _utc(data) + late - timedelta(minutes=30)

    return _by_pvlib(
        path, "pvgis-tmy", lambda name: _flat(iotools.read_pvgis_tmy(name)), starts, first_row=18
    )


def _pvgis_hourly(path: str | Path, layout: Layout | None = None) -> WeatherFile:
    """Return the readings of hourly radiation of PVGIS on the horizontal plane, with components.

    Its stamps are instants in UTC, taken as middles of hours. The beam of the sun is that on the plane over the cosine
    of the zenith.
    """
    from .deferred_pvlib import iotools

    def parse(name: str) -> tuple[pd.DataFrame, dict[str, Any]]:
        data, meta = _flat(iotools.read_pvgis_hourly(name, pvgis_format="csv"))
        direct, diffuse = data["poa_direct"], data["poa_sky_diffuse"] + data["poa_ground_diffuse"]
        site = Site(meta["latitude"], meta["longitude"], meta["elevation"])
        cosine = np.cos(np.radians(position(_utc(data), site)[0]))
        beam = np.where(cosine > _LEAST_COSINE, direct / np.maximum(cosine, _LEAST_COSINE), 0.0)
        return data.assign(ghi=direct + diffuse, dhi=diffuse, dni=beam), meta

    middle = timedelta(minutes=30)
    return _by_pvlib(path, "pvgis-hourly", parse, lambda data, meta: _utc(data) - middle, first_row=12)


def _nsrdb(path: str | Path, layout: Layout | None = None) -> WeatherFile:
    """Return the readings of a file of the NSRDB (PSM3 or PSM4), whose stamps are the middles of its intervals."""
    from .deferred_pvlib import iotools

    def parse(name: str) -> tuple[pd.DataFrame, dict[str, Any]]:
        data, meta = iotools.read_nsrdb_psm4(name, map_variables=True)
        return data, {**meta, "TZ": meta["Time Zone"]}

    def starts(data: pd.DataFrame, meta: dict[str, Any]) -> pd.DatetimeIndex:
        utc = _utc(data)
        middle: pd.DatetimeIndex = utc - pd.Series(utc).diff().median() / 2
        return middle

    return _by_pvlib(path, "nsrdb", parse, starts, first_row=4)


FORMATS: dict[str, Callable[[str | Path, Layout], WeatherFile]] = {
    "tmy3": tmy3,
    "epw": _epw,
    "csv": _csv,
    "pvgis-tmy": _pvgis_tmy,
    "pvgis-hourly": _pvgis_hourly,
    "nsrdb": _nsrdb,
}
"""Formats of weather files: path and layout (of a CSV; others state it themselves) -> what is read."""


def _flat(read: tuple[pd.DataFrame, dict[str, Any]]) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Return data and inputs of a file of PVGIS, which is in UTC."""
    data, meta = read
    return data, {**meta["inputs"], "TZ": 0}


def _utc(data: pd.DataFrame) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(data.index).tz_convert("UTC").tz_localize(None)


def _by_pvlib(
    path: str | Path,
    format: str,
    parse: Callable[[str], tuple[pd.DataFrame, dict[str, Any]]],
    starts_of: Callable[[pd.DataFrame, dict[str, Any]], pd.DatetimeIndex],
    first_row: int,
) -> WeatherFile:
    """Return the readings of a file that pvlib parses, its standard time less UTC, and its place.

    ``starts_of`` gives the starts of the intervals, naive UTC.
    """
    where = str(path)
    read_text(path, "latin-1")  # raises the problem of a file that cannot be read
    try:
        with quiet():
            # absolute: never taken for an address in the network
            data, meta = parse(str(Path(path).absolute()))
            values = data[list(COLUMNS)].to_numpy(dtype=float).T
            offset = timedelta(hours=float(meta["TZ"]))
            starts = starts_of(data, meta).to_numpy().astype("datetime64[ns]")
            place = float(meta["latitude"]), float(meta["longitude"])
            hours = float(np.median(np.diff(starts)) / np.timedelta64(1, "h")) if len(starts) > 1 else 1.0
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, OSError) as error:
        got = f"what pvlib cannot read ({type(error).__name__}: {str(error).partition(chr(10))[0][:60]})"
        raise InputError([Problem(where, "", "format", got, f"a file in the format {format}")]) from None
    return Readings(where, COLUMNS, starts, hours, values, np.arange(len(data)) + first_row), offset, place
