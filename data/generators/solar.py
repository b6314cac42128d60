"""Weather at a site and the output of photovoltaic arrays, by pvlib, with the sun at the slot's middle."""

from dataclasses import replace
from datetime import timedelta
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd

from ..problems import InputError, Problem, suggestion
from ..series.readings import Readings
from ..series.reference_year import placed
from ..series.resampling import mean_over_slots, near
from ..series.weather import COLUMNS, spread
from .sun import Site, clear_sky, position, quiet
from .weather_files import FORMATS, Layout, tmy3

SOURCES = ("clear-sky", "surrogate", "file")

CLEAR_SKY_TEMPERATURE = 20.0
"""Air temperature where the source knows none [C]. Assumption."""

MOUNTINGS = ("roof", "rack", "close-roof")
"""How arrays are mounted, which decides how hot they run; see :func:`pv_power`."""

WIND = 3.0
"""Wind at a height of 10 m [m/s], where cell temperatures need it. Assumption; the mean of the year that pvlib ships."""

FAR_KM = 100.0
"""A weather file of a place farther from the site is noted [km]. Assumption."""

_LOW_SUN = 85.0  # zenith [deg] beyond which a clearness index is noise
_HALF_YEAR = timedelta(days=182)
_DAY = 24  # hours
_ORIGIN = Site(36.1, -79.95, 273.0)  # Greensboro, where the year that pvlib ships was measured

CSV = Layout()


def weather(
    times: pd.DatetimeIndex,
    slot_hours: float | np.ndarray,
    site: Site,
    source: str = "clear-sky",
    path: str | Path | None = None,
    format: str = "tmy3",
    layout: Layout = CSV,
    shift_minutes: float = 0.0,
) -> pd.DataFrame:
    """Return ghi, dni, dhi [W/m2] and temp_air [C] as means over the slots, indexed by ``times``.

    ``clear-sky``
        Ineichen and Perez (2002), https://doi.org/10.1016/S0038-092X(02)00045-2, with the climatological
        Linke turbidity that pvlib ships, at ``CLEAR_SKY_TEMPERATURE``.
    ``surrogate``
        Clouds of a place elsewhere, **no weather of the site**: the hourly clearness index (measured over
        clear sky) and temperature of the weather file that pvlib ships (TMY3 723170, Greensboro, 36.1 N), at
        the same solar time and date, on the site's own clear sky. South of the equator the date is shifted
        by 182 days, so that the seasons agree. Beam and diffuse by Erbs, Klein and Duffie (1982),
        https://doi.org/10.1016/0038-092X(82)90302-4.
    ``file``
        A reference year, whatever its years, matched by month, day and hour on standard time (29 February
        reads 28 February where the file has none). TMY3, EPW, PVGIS and NSRDB state their zone and stamps; a CSV is
        written as its ``layout`` says, which may also be of the years themselves. ``shift_minutes`` is added to every
        time. A reading longer than a slot is spread over its slots in the shape of the site's clear
        sky: its energy is preserved.

    Notes to the user, such as where the clouds are from, stand in ``attrs["notes"]``, a list of texts.

    Parameters
    ----------
    times
        Starts of the slots, naive UTC (time,).
    slot_hours
        Lengths of the slots, one or (time,) [h].
    site
        The place.
    source, path, format, layout, shift_minutes
        As above.

    Raises
    ------
    InputError
        For an unknown source or format, and every problem of the file.
    """
    hours = np.broadcast_to(np.asarray(slot_hours, dtype=float), (len(times),))
    for field, got, known in (("source", source, SOURCES), ("format", format, tuple(FORMATS))):
        if got not in known:
            want = f"one of {', '.join(known)}{suggestion(got, known)}"
            raise InputError([Problem("weather", "", field, repr(got), want)])
    if source == "clear-sky":
        return clear_sky(_middle(times, hours), site).set_axis(times).assign(temp_air=CLEAR_SKY_TEMPERATURE)
    if source == "surrogate":
        return _surrogate(times, hours, site)
    if path is None:
        raise InputError([Problem("weather", "", "path", "nothing", "the path of a weather file")])
    readings, offset, place = FORMATS[format](path, layout)
    shifted = readings.starts + np.timedelta64(round(shift_minutes * 6e10), "ns")
    readings = replace(readings, starts=shifted)
    own = readings if offset is None else placed(readings, times, offset)
    table = spread(own, times, hours, lambda moments: clear_sky(moments, site))
    table.attrs["notes"] += [*_clock_notes(readings, site), *_place_notes(readings, site, place)]
    return table


def pv_power(
    times: pd.DatetimeIndex,
    slot_hours: float | np.ndarray,
    site: Site,
    weather: pd.DataFrame,
    peak_kw: float | np.ndarray,
    tilt: float | np.ndarray,
    azimuth: float | np.ndarray,
    losses: float | np.ndarray = 0.14,
    mounting: str | np.ndarray = "roof",
) -> np.ndarray:
    """Return the AC output of one array (time,), or of several (array, time) for parameters (array,) [kW].

    Transposition by Hay and Davies with an albedo of 0.2, reflection by ``pvlib.iam.physical``, DC and inverter by
    PVWatts version 5 (https://www.nrel.gov/docs/fy14osti/62641.pdf): system losses of 14 %, a nominal efficiency of
    96 %; power falls by 0.4 %/K, between the standard modules of PVWatts versions 5 (0.47) and 8 (0.37). The inverter's
    AC rating is the array's peak. Coefficient, albedo and rating are assumptions. A year's energy lies within 2 % of
    that of PVWatts' own method with its roof mount (``tests/test_pvwatts.py``). Cell temperature by mounting:

    ``roof``, ``rack``
        The System Advisor Model's NOCT model (Gilman 2015, https://www.nrel.gov/docs/fy15osti/64102.pdf, 10.1) with
        a nominal operating cell temperature of 45 C, a module efficiency of 19 % (PVWatts 8) and the wind ``WIND``:
        2.5 to 3.5 inches above a roof, or with free air behind.
    ``close-roof``
        The Sandia model's close roof mount of glass on glass (King, Boyson and Kratochvil 2004, SAND2004-3535, table
        1) at a wind of 1 m/s: little air behind the array, and about 13 K hotter.

    Parameters
    ----------
    times, slot_hours, site
        As in :func:`weather`.
    weather
        What :func:`weather` returns.
    peak_kw
        DC power at standard test conditions [kW].
    tilt
        Angle from the horizontal [deg].
    azimuth
        Direction that the array faces, clockwise from north: 90 east, 180 south [deg].
    losses
        Share of the DC power lost to soiling, shading, wiring, mismatch and the like [1].
    mounting
        One of ``MOUNTINGS``.
    """
    from .deferred_pvlib import iam, inverter, irradiance, pvsystem

    given = (peak_kw, tilt, azimuth, losses)
    peak, slope, facing, lost = (np.asarray(a, dtype=float)[..., None] for a in given)
    middle = _middle(times, np.broadcast_to(np.asarray(slot_hours, dtype=float), (len(times),)))
    ghi, dni, dhi, air = (weather[c].to_numpy() for c in COLUMNS)
    with quiet():
        zenith, sun_azimuth = position(middle, site)
        extra = irradiance.get_extra_radiation(_day_of_year(middle))
        angle = irradiance.aoi(slope, facing, zenith, sun_azimuth)
        cosine = np.maximum(irradiance.aoi_projection(slope, facing, zenith, sun_azimuth), 0.0)
        sky = irradiance.haydavies(slope, facing, dhi, dni, extra, zenith, sun_azimuth)
        ground = irradiance.get_ground_diffuse(slope, ghi, albedo=0.2)
        beam = dni * cosine
        cell = _cell_temperature(np.asarray(mounting)[..., None], beam + sky + ground, air)
        useful = beam * iam.physical(angle) + sky + ground
        dc = pvsystem.pvwatts_dc(useful, cell, peak, -0.004) * (1 - lost)
        ac = inverter.pvwatts(dc, np.where(peak > 0, peak, 1.0) / 0.96, 0.96)
    shape = np.broadcast_shapes(*(np.shape(a) for a in (*given, mounting)))
    power = np.where((zenith < 90) & (peak > 0), np.clip(np.nan_to_num(ac), 0.0, peak), 0.0)
    return np.asarray(np.broadcast_to(power, (*shape, len(times))))


def _cell_temperature(mounting: np.ndarray, irradiance: np.ndarray, air: np.ndarray) -> np.ndarray:
    """Return cell temperatures (..., time) [C] from mounting (..., 1), irradiance [W/m2] and air temperature [C]."""
    from .deferred_pvlib import temperature

    close = temperature.TEMPERATURE_MODEL_PARAMETERS["sapm"]["close_mount_glass_glass"]
    cells = {
        "roof": temperature.noct_sam(irradiance, air, WIND, 45.0, 0.19, mount_standoff=3.0),
        "rack": temperature.noct_sam(irradiance, air, WIND, 45.0, 0.19, mount_standoff=4.0),
        "close-roof": temperature.sapm_cell(irradiance, air, 1.0, **close),
    }
    return np.select([mounting == name for name in MOUNTINGS], [cells[name] for name in MOUNTINGS])


def _middle(times: pd.DatetimeIndex, hours: np.ndarray) -> pd.DatetimeIndex:
    """Return the middles of slots (time,), naive UTC."""
    return times + pd.to_timedelta(hours / 2, unit="h")


def _day_of_year(times: pd.DatetimeIndex) -> np.ndarray:
    return np.asarray(times.day_of_year, dtype=float)


def _surrogate(times: pd.DatetimeIndex, hours: np.ndarray, site: Site) -> pd.DataFrame:
    """Return the weather of the site's clear sky under the clouds of Greensboro; see :func:`weather`."""
    from .deferred_pvlib import irradiance

    year = _shipped_year()
    # the same solar time and date as at the origin; half a year away in the other hemisphere
    offset = timedelta(minutes=round(site.longitude * 4))
    season = _HALF_YEAR if site.latitude < 0 else timedelta(0)
    east = np.timedelta64(timedelta(minutes=round(_ORIGIN.longitude * 4)) - offset)
    clouds = placed(
        replace(year, starts=year.starts + east, rows=np.arange(len(year.rows))), times + season, offset
    )
    clouds = replace(clouds, starts=clouds.starts - np.timedelta64(season))
    used = near(clouds, times, hours)
    clouds = _clouds(year, replace(clouds, starts=clouds.starts[used], rows=clouds.rows[used]))
    clearness, air = mean_over_slots(clouds, times, hours)
    middle = _middle(times, hours)
    ghi = clearness * clear_sky(middle, site)["ghi"].to_numpy()
    with quiet():
        parts = irradiance.erbs(ghi, position(middle, site)[0], _day_of_year(middle))
    table = pd.DataFrame({"ghi": ghi, "dni": parts["dni"], "dhi": parts["dhi"], "temp_air": air}, index=times)
    table.attrs["notes"] = ["weather: surrogate clouds of Greensboro (36.1 N) on the site's clear sky"]
    return table


@lru_cache(maxsize=1)
def _shipped_year() -> Readings:
    """Return the weather of the year that pvlib ships, measured at ``_ORIGIN``."""
    from .deferred_pvlib import package

    readings, *_ = tmy3(Path(package.__file__).parent / "data" / "723170TYA.CSV")
    return readings


def _clouds(year: Readings, used: Readings) -> Readings:
    """Return clearness [1] and temperature [C] of the hours of the shipped year that ``used`` names by its rows.

    A low sun has the clouds of its day: those of the last hour before it with a high one, which at the origin is less
    than a day away. No more of the year is computed.
    """
    needed = np.zeros(len(year.starts), dtype=bool)
    for hour in range(-_DAY, _DAY + 1):
        needed[np.clip(used.rows + hour, 0, len(needed) - 1)] = True
    middle = pd.DatetimeIndex(year.starts[needed]) + timedelta(minutes=30)
    clear = clear_sky(middle, _ORIGIN)["ghi"].to_numpy()
    low = (position(middle, _ORIGIN)[0] > _LOW_SUN) | (clear <= 0)
    clearness = np.full(len(needed), np.nan)
    clearness[needed] = np.clip(year.values[0][needed] / np.where(low, np.nan, clear), 0.0, 1.1)
    filled = pd.Series(clearness).ffill().bfill().to_numpy()
    values = np.stack([filled, year.values[3]])[:, used.rows]
    return replace(used, columns=("clearness", "temp_air"), values=values)


def _clock_notes(readings: Readings, site: Site) -> list[str]:
    """Return a note where global = beam * cos(zenith) + diffuse holds at another time than the stated one only."""
    bright = np.flatnonzero(readings.values[1] > 200)
    bright = bright[:: max(1, len(bright) // 300)]
    ghi, dni, dhi, _ = readings.values[:, bright]
    middle = pd.DatetimeIndex(readings.starts[bright] + readings.spans()[bright] // 2)
    errors = {}
    for minutes in range(-90, 91, 30):
        zenith, _ = position(middle + timedelta(minutes=minutes), site)
        closure = dni * np.cos(np.radians(zenith)) + dhi - ghi
        errors[minutes] = float(np.sqrt((closure**2).mean())) if len(bright) > 20 else 0.0
    best = min(errors, key=lambda minutes: errors[minutes])
    if errors[0] < 10 or errors[best] > errors[0] / 3:
        return []
    return [
        f"{readings.where}: global, beam and diffuse irradiance fit the sun {best:+d} minutes from the time told "
        f"(off by {errors[best]:.1f} W/m2 then, by {errors[0]:.1f} as told): are time_zone and stamp right? "
        f"(shift_minutes: {best} moves the file)"
    ]


def _place_notes(readings: Readings, site: Site, place: tuple[float, float] | None) -> list[str]:
    """Return a note where the place that a weather file names lies far from the site."""
    if place is None:
        return []
    north, east = place[0] - site.latitude, (place[1] - site.longitude + 180) % 360 - 180
    distance = 111.2 * float(
        np.hypot(north, east * np.cos(np.radians(site.latitude)))
    )  # km per degree of a meridian
    if distance <= FAR_KM:
        return []
    return [
        f"{readings.where}: its place ({place[0]:g}, {place[1]:g}) lies {distance:.0f} km from the site "
        f"({site.latitude:g}, {site.longitude:g})"
    ]
