"""Yearly energy of generated PV against PVWatts' own method on the same weather.

PVWatts version 5 (Dobos 2014, NREL/TP-6A20-62641, https://www.nrel.gov/docs/fy14osti/62641.pdf), fixed on a roof:
Perez's sky, a glass cover for the beam, the transient model of Fuentes with an installed NOCT of 49 C, and the wind of
the weather file. The sun's position, Perez's sky and Fuentes' model are pvlib's; the product uses neither of the latter.
"""

import itertools
from pathlib import Path

import numpy as np
import pandas as pd
import pvlib
import pytest

from otonari.data.generators import solar, sun

from . import counts

pytestmark = pytest.mark.thorough

YEAR = pd.date_range("2021-01-01", periods=8760, freq="h")
SHIPPED = Path(pvlib.__file__).parent / "data" / "723170TYA.CSV"
SITES = {
    "Greensboro": (sun.Site(36.1, -79.95, 273), {"source": "file", "path": SHIPPED}, 180),
    "Susono": (sun.Site(35.17, 138.91, 200), {"source": "surrogate"}, 180),
    "Sydney": (sun.Site(-33.9, 151.2, 20), {"source": "surrogate"}, 0),
    "Berlin": (sun.Site(52.5, 13.4, 40), {"source": "surrogate"}, 180),
}
MODULES = {"version 5": (-0.0047, 1.1), "version 8": (-0.0037, 1.2)}
"""Temperature coefficient [1/K] of the standard module, and DC to AC ratio."""
EVERY = list(itertools.product(SITES, MODULES))
EACH = list(zip(SITES, itertools.cycle(MODULES), strict=False))


def transmittance(angle):
    """Return the share of the beam that glass (index 1.526, 2 mm, extinction 4 per m) lets through, 1 head on."""

    def through(incident):
        refracted = np.arcsin(np.sin(incident) / 1.526)
        across = np.sin(refracted - incident) ** 2 / np.sin(refracted + incident) ** 2
        along = np.tan(refracted - incident) ** 2 / np.tan(refracted + incident) ** 2
        return (1 - (across + along) / 2) * np.exp(-4 * 0.002 / np.cos(refracted))

    return np.where(angle < np.pi / 2, through(np.clip(angle, 1e-3, np.pi / 2 - 1e-6)) / through(1e-3), 0.0)


def pvwatts(weather, wind, site, tilt, azimuth, coefficient, ratio):
    """Return the year's AC energy of 1 kW of modules [kWh]."""
    middle = (YEAR + pd.Timedelta(minutes=30)).tz_localize("UTC")
    sun = pvlib.solarposition.get_solarposition(middle, site.latitude, site.longitude, site.altitude)
    zenith, direction = np.radians(sun["apparent_zenith"].to_numpy()), np.radians(sun["azimuth"].to_numpy())
    ghi, dni, dhi, air = (weather[name].to_numpy() for name in ("ghi", "dni", "dhi", "temp_air"))
    slope, facing = np.radians(tilt), np.radians(azimuth)
    cosine = np.cos(zenith) * np.cos(slope) + np.sin(zenith) * np.sin(slope) * np.cos(direction - facing)
    beam = np.where(zenith < np.pi / 2, dni * np.maximum(cosine, 0), 0.0)
    with np.errstate(all="ignore"):
        sky = pvlib.irradiance.perez(
            tilt,
            azimuth,
            dhi,
            dni,
            pvlib.irradiance.get_extra_radiation(middle).to_numpy(),
            np.degrees(zenith),
            np.degrees(direction),
            pvlib.atmosphere.get_relative_airmass(np.degrees(zenith)),
        )
    diffuse = np.nan_to_num(sky) + 0.2 * ghi * (1 - np.cos(slope)) / 2
    inputs = (pd.Series(values, middle) for values in (beam + diffuse, air, wind))
    cell = pvlib.temperature.fuentes(*inputs, noct_installed=49, surface_tilt=tilt).to_numpy()
    useful = beam * transmittance(np.arccos(np.clip(cosine, -1, 1))) + diffuse
    dc = useful / 1000 * (1 + coefficient * (cell - 25)) * (1 - 0.14)
    load = np.maximum(dc * 0.96 * ratio, 1e-9)  # of the inverter, whose DC limit is its rating / 0.96
    ac = 0.96 / 0.9637 * (-0.0162 * load - 0.0059 / load + 0.9858) * dc
    return np.clip(ac, 0, 1 / ratio).sum()


@pytest.mark.filterwarnings("ignore")  # pvlib uses what pandas will drop
@pytest.mark.parametrize(("name", "modules"), counts.all_or(EVERY, EACH[:2]))
def test_a_year_yields_what_pvwatts_says(name, modules):
    """Within 2 %; the mounting that all arrays had before lies 5 to 9 % below."""
    site, source, azimuth = SITES[name]
    weather = solar.weather(YEAR, 1.0, site, **source)
    wind = np.full(8760, solar.WIND)
    if source["source"] == "file":
        table, _ = pvlib.iotools.read_tmy3(SHIPPED, map_variables=True)
        wind = np.roll(table["wind_speed"].to_numpy(dtype=float), 5)  # from -05:00 to UTC
        assert wind.mean() == pytest.approx(solar.WIND, abs=0.1)
    for tilt in (10, 20, 30):
        want = pvwatts(weather, wind, site, tilt, azimuth, *MODULES[modules])
        roof, close = solar.pv_power(
            YEAR, 1.0, site, weather, 1.0, tilt, azimuth, mounting=np.array(["roof", "close-roof"])
        ).sum(axis=1)
        assert roof == pytest.approx(want, rel=0.02), tilt
        assert 0.91 < close / want < 0.95, tilt
