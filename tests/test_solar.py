"""Sun, weather and arrays: closed special cases, published sums, and energy that the slots preserve."""

import os
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import otonari
from otonari.data.clock import slots
from otonari.data.generators import solar, sun
from otonari.data.generators.weather_files import IRRADIANCES, Layout
from otonari.data.problems import InputError

from .test_build import small, tables
from .test_pvwatts import MODULES, YEAR, pvwatts

REAL = os.environ.get("OTONARI_REAL_DATA")
real = pytest.mark.skipif(not REAL, reason="OTONARI_REAL_DATA is not set")
SUSONO = sun.Site(35.2, 138.9, 300.0)
DAY = slots("2020-08-03", 1, 30, "Asia/Tokyo")


def weather_csv(path: Path, change=None) -> Path:
    """Write a year of hours: 100 W/m2 at every hour of light and dark, 10 C in January to 21 C in December."""
    times = pd.date_range("2019-01-01", periods=8760, freq="h")
    table = pd.DataFrame({"time": times.strftime("%Y-%m-%dT%H:%M"), "ghi": 100.0, "dni": 50.0, "dhi": 80.0})
    table["temp_air"] = 9.0 + times.month
    if change:
        change(table)
    table.to_csv(path, index=False)
    return path


def from_csv(path, times=DAY, hours=0.5, **options):
    layout = Layout(**{"time_zone": "Asia/Tokyo", **options})
    return solar.weather(times, hours, SUSONO, "file", path=path, format="csv", layout=layout)


def test_a_clear_day_is_symmetric_about_solar_noon_and_dark_at_night():
    """Solar noon at 138.9 E is at 11:44 mean time, and 6 minutes later in early August by the equation of time."""
    sky = solar.weather(DAY, 0.5, SUSONO)
    assert list(sky.columns) == ["ghi", "dni", "dhi", "temp_air"]
    assert sky.index.equals(DAY)
    ghi = sky["ghi"].to_numpy()
    centre = (ghi * (np.arange(48) / 2 + 0.25)).sum() / ghi.sum()
    assert centre == pytest.approx(11 + 50 / 60, abs=0.05)
    assert ghi[:9].max() == 0
    assert 850 < ghi.max() < 1000
    assert (sky["temp_air"] == solar.CLEAR_SKY_TEMPERATURE).all()


def test_the_sun_stands_where_it_is_at_the_middle_of_the_slot():
    """Half-hours and ten-minute slots of a clear day hold the same energy; stamps at the start would be 3 % off."""
    fine = slots("2020-08-03", 1, 10, "Asia/Tokyo")
    coarse = solar.weather(DAY, 0.5, SUSONO)["ghi"].to_numpy()
    exact = solar.weather(fine, 1 / 6, SUSONO)["ghi"].to_numpy().reshape(48, 3).mean(axis=1)
    assert abs(coarse - exact).max() < 3.6


def test_the_surrogate_has_the_known_yearly_sum_and_says_what_it_is():
    """Greensboro's clearness on Susono's clear sky: 1,612 kWh/m2 a year."""
    times = slots("2019-01-01", 365, 60, "Asia/Tokyo")
    sky = solar.weather(times, 1.0, SUSONO, "surrogate")
    assert sky["ghi"].sum() / 1000 == pytest.approx(1612, rel=0.01)
    assert (sky >= 0).all()[["ghi", "dni", "dhi"]].all()
    assert "surrogate" in sky.attrs["notes"][0]
    clear = solar.weather(times, 1.0, SUSONO)
    assert (sky["ghi"] <= 1.1 * clear["ghi"] + 1e-9).all()


def test_the_surrogate_closes_beam_and_diffuse():
    sky = solar.weather(DAY, 0.5, SUSONO, "surrogate")
    zenith, _ = sun.position(DAY + pd.Timedelta(minutes=15), SUSONO)
    high = zenith < 80
    closed = sky["dni"] * np.cos(np.radians(zenith)) + sky["dhi"]
    np.testing.assert_allclose(closed[high], sky["ghi"][high], rtol=1e-9)


def test_the_surrogate_of_a_southern_site_has_southern_seasons():
    """At the mirrored latitude January is as warm and bright as July is in the north, half a year away."""
    south = sun.Site(-35.2, 138.9, 300.0)
    months = {name: slots(f"2019-{name}-01", 28, 60, "Asia/Tokyo") for name in ("01", "07")}
    sky = {
        (side, name): solar.weather(times, 1.0, site, "surrogate").mean()
        for side, site in (("north", SUSONO), ("south", south))
        for name, times in months.items()
    }
    assert sky["south", "01"]["temp_air"] == pytest.approx(sky["north", "07"]["temp_air"], abs=1.0)
    assert sky["south", "07"]["temp_air"] == pytest.approx(sky["north", "01"]["temp_air"], abs=2.0)
    assert sky["south", "01"]["ghi"] > 2 * sky["south", "07"]["ghi"]
    assert sky["south", "01"]["ghi"] == pytest.approx(sky["north", "07"]["ghi"], rel=0.2)


def test_overlapping_horizons_see_the_same_weather():
    week = solar.weather(slots("2020-08-01", 7, 30, "Asia/Tokyo"), 0.5, SUSONO, "surrogate")
    pd.testing.assert_frame_equal(
        week.loc[DAY], solar.weather(DAY, 0.5, SUSONO, "surrogate"), check_freq=False
    )


def test_a_weather_file_keeps_the_energy_of_each_hour(tmp_path):
    """Every hour holds 100 Wh/m2, by day along the clear sky, so that the morning's second half-hour is brighter."""
    sky = from_csv(weather_csv(tmp_path / "w.csv"))
    ghi = sky["ghi"].to_numpy()
    np.testing.assert_allclose(ghi.reshape(24, 2).mean(axis=1), np.full(24, 100.0), rtol=1e-12)
    assert ghi[14] < 99 < 101 < ghi[15]
    clear = solar.weather(DAY, 0.5, SUSONO)["ghi"].to_numpy()  # at the middle of each half-hour
    np.testing.assert_allclose(ghi[14:32:2] / ghi[15:33:2], clear[14:32:2] / clear[15:33:2], rtol=1e-9)
    assert ghi[0] == ghi[1] == 100.0
    assert (sky["temp_air"] == 17.0).all()


def test_a_weather_file_that_is_the_same_is_read_once_and_another_of_its_name_anew(tmp_path, monkeypatch):
    read, reader = [], solar.FORMATS["csv"]
    monkeypatch.setitem(solar.FORMATS, "csv", lambda *given: read.append(1) or reader(*given))
    path = weather_csv(tmp_path / "w.csv")
    overrides = ["weather.source=file", f"weather.path={path}", "weather.format=csv"]

    def pv(*more):
        inputs = otonari.build_inputs(otonari.load_scenario("six-kinds", [*overrides, *more]))
        return inputs["pv_available"].values

    first = pv()
    np.testing.assert_array_equal(pv("fuel.price_per_litre=99"), first)
    assert len(read) == 1
    assert not np.array_equal(pv("site.longitude_deg=130"), first)
    weather_csv(path, lambda table: table.update(table[["ghi", "dni", "dhi"]] * 2))
    brighter = pv()
    assert brighter.sum() > 1.5 * first.sum()
    assert len(read) == 3


def test_a_weather_file_feeds_slots_longer_than_an_hour(tmp_path):
    def ramp(table):
        table["ghi"] = np.arange(8760) % 24 * 10.0

    times = slots("2020-08-03", 1, 120, "Asia/Tokyo")
    ghi = from_csv(weather_csv(tmp_path / "w.csv", ramp), times, 2.0)["ghi"].to_numpy()
    np.testing.assert_allclose(ghi, np.arange(12) * 20.0 + 5.0, rtol=1e-12)


@pytest.mark.parametrize("hours_late", [0, 1, -1])
def test_a_weather_file_whose_clock_is_wrong_is_noted(tmp_path, hours_late):
    """Clear skies of Susono, with stamps that are right or an hour off: only the sun of the right time fits."""
    times = slots("2019-01-01", 365, 60, "Asia/Tokyo")
    sky = solar.weather(times, 1.0, SUSONO)
    stamps = times + pd.Timedelta(hours=9 + hours_late)
    sky.insert(0, "time", stamps.strftime("%Y-%m-%dT%H:%M"))
    sky.to_csv(tmp_path / "w.csv", index=False)
    notes = from_csv(tmp_path / "w.csv").attrs["notes"]
    assert [f"fit the sun {-60 * hours_late:+d} minutes from the time told" in note for note in notes] == (
        [True] if hours_late else []
    )


def test_leap_day_and_new_year_of_a_weather_file(tmp_path):
    times = slots("2024-02-29", 1, 60, "Asia/Tokyo")
    assert (from_csv(weather_csv(tmp_path / "w.csv"), times, 1.0)["temp_air"] == 11.0).all()
    times = slots("2024-12-31", 2, 60, "Asia/Tokyo")
    assert from_csv(tmp_path / "w.csv", times, 1.0)["temp_air"].tolist() == [21.0] * 24 + [10.0] * 24


def test_a_weather_file_without_sense_names_rows(tmp_path):
    def break_it(table):
        table.loc[5136, "ghi"] = 9999.0  # 3 August 00:00, row 5138
        table.loc[5137, "temp_air"] = np.nan
        table.loc[5138, "dni"] = -5.0

    with pytest.raises(InputError) as caught:
        from_csv(weather_csv(tmp_path / "w.csv", break_it))
    assert [(p.row, p.field, p.got, p.want) for p in caught.value.problems] == [
        ("5139", "temp_air", "no value", "a number"),
        ("5138", "ghi", "9999", "between -20 and 1600 W/m2"),
    ]


def test_small_negative_irradiance_is_clipped_and_noted(tmp_path):
    def offset(table):
        table.loc[5136, "ghi"] = -5.0

    sky = from_csv(weather_csv(tmp_path / "w.csv", offset))
    assert sky["ghi"].iloc[:4].tolist() == [0.0, 0.0, 100.0, 100.0]
    assert sky.attrs["notes"] == [
        f"{tmp_path / 'w.csv'}: 1 small negative readings of irradiance are used as 0"
    ]


def test_the_tmy3_file_that_pvlib_ships_is_read_with_its_own_clock():
    """Row 3 of the file is the hour that ends at 01:00 on 1 January, -5 h from UTC; the file counts 8,760 hours."""
    import pvlib

    path = Path(pvlib.__file__).parent / "data" / "723170TYA.CSV"
    site = sun.Site(36.1, -79.95, 273.0)
    times = slots("2019-01-01", 365, 60, "-05:00")
    sky = solar.weather(times, 1.0, site, "file", path=path)
    assert sky.attrs["notes"] == []
    raw = pd.read_csv(path, skiprows=1)
    np.testing.assert_allclose(sky["ghi"], raw["GHI (W/m^2)"], rtol=1e-12)
    np.testing.assert_allclose(sky["temp_air"], raw["Dry-bulb (C)"], rtol=1e-12)


def test_an_epw_file_counts_hours_from_one(tmp_path):
    """Hour 1 of an EPW file begins at midnight of its own zone."""
    head = "LOCATION,Here,-,JPN,test,1,35.2,138.9,9.0,300.0\n" + "".join(f"LINE {k}\n" for k in range(2, 9))
    rows = []
    for t in pd.date_range("2001-01-01", periods=8760, freq="h"):
        cells = ["0"] * 35
        cells[:5] = [str(t.year), str(t.month), str(t.day), str(t.hour + 1), "0"]
        cells[6], cells[13], cells[14], cells[15] = f"{t.hour}", f"{t.hour * 10}", "0", "0"
        rows.append(",".join(cells))
    path = tmp_path / "here.epw"
    path.write_text(head + "\n".join(rows) + "\n")
    sky = solar.weather(
        slots("2020-08-03", 1, 60, "Asia/Tokyo"), 1.0, SUSONO, "file", path=path, format="epw"
    )
    assert sky["temp_air"].tolist() == list(range(24))
    np.testing.assert_allclose(sky["ghi"], np.arange(24) * 10.0, rtol=1e-12)


@pytest.mark.parametrize("format", ["tmy3", "epw"])
def test_what_is_no_weather_file_is_said_so(tmp_path, format):
    path = tmp_path / "w.txt"
    path.write_text("one,two\n1,2\n")
    with pytest.raises(
        InputError, match=rf"w.txt: format: got what pvlib cannot read .* want a file in the format {format}"
    ):
        solar.weather(DAY, 0.5, SUSONO, "file", path=path, format=format)
    with pytest.raises(InputError, match=r"none.txt: file: got no such file"):
        solar.weather(DAY, 0.5, SUSONO, "file", path=tmp_path / "none.txt", format=format)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"source": "clearsky"}, r"source: got 'clearsky', want one of .* \(did you mean 'clear-sky'\?\)"),
        ({"source": "file"}, "path: got nothing"),
        ({"source": "file", "path": "x", "format": "tmy2"}, "did you mean 'tmy3'"),
    ],
)
def test_unknown_weather_is_refused(options, message):
    with pytest.raises(InputError, match=message):
        solar.weather(DAY, 0.5, SUSONO, **options)


# --- arrays ------------------------------------------------------------------------------------------------------


def sky_of(ghi, dni, dhi, air=25.0):
    return pd.DataFrame({"ghi": ghi, "dni": dni, "dhi": dhi, "temp_air": air}, index=DAY)


def test_a_flat_array_under_a_grey_sky_has_the_output_of_the_formula():
    """300 W/m2 diffuse on a level array at noon.

    SAPM, close roof mount, wind 1 m/s: module 25 + 300 exp(-2.98 - 0.0471) = 39.54 C, cell + 0.3 * 1 C = 39.84 C.
    DC = 0.3 (1 - 0.004 * 14.84) * 0.86 = 0.24268 kW. PVWatts at zeta = DC / (1 / 0.96):
    efficiency = 0.96 / 0.9637 (-0.0162 zeta - 0.0059 / zeta + 0.9858) = 0.95292, AC = 0.23126 kW.
    """
    sky = sky_of(300.0, 0.0, 300.0)
    power = solar.pv_power(DAY, 0.5, SUSONO, sky, 1.0, 0.0, 180.0, mounting="close-roof")
    cell = 25 + 300 * np.exp(-2.98 - 0.0471) + 0.3
    dc = 0.3 * (1 - 0.004 * (cell - 25)) * 0.86
    zeta = dc * 0.96
    efficiency = 0.96 / 0.9637 * (-0.0162 * zeta - 0.0059 / zeta + 0.9858)
    assert power[24] == pytest.approx(efficiency * dc, rel=1e-9)
    assert power[24] == pytest.approx(0.23126, abs=1e-4)


def test_mounting_and_losses_have_the_output_of_the_formula():
    """As above, by the NOCT model of SAM: 3 m/s at 10 m are 1.53 m/s at a low roof, which takes 45 + 2 C as its NOCT.

    Roof: 25 + 300 / 800 (47 - 20) (1 - 0.19 / 0.9) 9.5 / (5.7 + 3.8 * 1.53) = 25 + 6.590 C; rack: 25 + 6.102 C.
    """
    share = 300 / 800 * (1 - 0.19 / 0.9) * 9.5 / (5.7 + 3.8 * 0.51 * 3)
    cells = np.array([25 + 27 * share, 25 + 25 * share, 25 + 300 * np.exp(-2.98 - 0.0471) + 0.3])
    assert cells[:2] == pytest.approx([31.590, 31.102], abs=1e-3)
    lost = np.array([0.14, 0.0, 0.5])
    dc = 0.3 * (1 - 0.004 * (cells - 25)) * (1 - lost)
    zeta = dc * 0.96
    efficiency = 0.96 / 0.9637 * (-0.0162 * zeta - 0.0059 / zeta + 0.9858)
    mounting = np.array(["roof", "rack", "close-roof"])
    power = solar.pv_power(DAY, 0.5, SUSONO, sky_of(300.0, 0.0, 300.0), 1.0, 0.0, 180.0, lost, mounting)
    assert power.shape == (3, len(DAY))
    assert power[:, 24] == pytest.approx(efficiency * dc, rel=1e-9)


def test_output_is_never_negative_nor_above_the_rating_and_zero_at_night():
    sky = sky_of(1500.0, 1400.0, 100.0, air=-40.0)
    power = solar.pv_power(DAY, 0.5, SUSONO, sky, 4.0, 20.0, 180.0)
    assert power.max() == pytest.approx(4.0)
    assert power.min() == 0.0
    zenith, _ = sun.position(DAY + pd.Timedelta(minutes=15), SUSONO)
    assert (power[zenith >= 90] == 0).all()


def test_east_leads_west_and_power_scales_with_the_peak():
    sky = solar.weather(DAY, 0.5, SUSONO)
    east, west, double = solar.pv_power(
        DAY, 0.5, SUSONO, sky, np.array([1.0, 1.0, 2.0]), 30.0, np.array([90.0, 270.0, 90.0])
    )
    assert east[:24].sum() > 1.3 * west[:24].sum()
    assert west[24:].sum() > 1.3 * east[24:].sum()
    np.testing.assert_allclose(double, 2 * east, rtol=1e-12)
    assert solar.pv_power(DAY, 0.5, SUSONO, sky, 0.0, 30.0, 180.0).max() == 0.0


def test_many_arrays_at_once_equal_each_alone():
    sky = solar.weather(DAY, 0.5, SUSONO, "surrogate")
    peak, tilt, azimuth = np.array([1.0, 4.0]), np.array([10.0, 40.0]), np.array([170.0, 250.0])
    together = solar.pv_power(DAY, 0.5, SUSONO, sky, peak, tilt, azimuth)
    for k in range(2):
        alone = solar.pv_power(DAY, 0.5, SUSONO, sky, peak[k], tilt[k], azimuth[k])
        np.testing.assert_array_equal(together[k], alone)


def test_a_southern_array_faces_north():
    south = sun.Site(-35.2, 138.9, 300.0)
    winter = slots("2020-06-21", 1, 30, "Asia/Tokyo")
    sky = solar.weather(winter, 0.5, south)
    north, away = solar.pv_power(winter, 0.5, south, sky, 1.0, 35.0, np.array([0.0, 180.0]))
    assert north.sum() > 3 * away.sum()


def test_no_warning_leaks():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        solar._shipped_year.cache_clear()
        sun._position.cache_clear()
        sky = solar.weather(DAY, 0.5, SUSONO, "surrogate")
        solar.pv_power(DAY, 0.5, SUSONO, sky, 4.0, 30.0, 180.0)
    assert caught == []


# --- measured weather --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("unit", IRRADIANCES)
def test_a_csv_file_of_weather_says_how_it_is_written(tmp_path, unit):
    """100 W/m2 for two hours are 0.1 kW/m2, 200 Wh/m2, 0.2 kWh/m2, 72 J/cm2 and 0.72 MJ/m2; 11 C are 51.8 F."""
    written = {"W/m2": 100, "kW/m2": 0.1, "Wh/m2": 200, "kWh/m2": 0.2, "J/cm2": 72, "MJ/m2": 0.72}[unit]
    times = pd.date_range("2020-08-18", periods=36, freq="2h")
    plain, odd = tmp_path / "plain.csv", tmp_path / "odd.csv"
    rows = [f"{t:%Y-%m-%dT%H:%M},100,50,80,11" for t in times]
    plain.write_text("\n".join(["time,ghi,dni,dhi,temp_air", *rows]))
    cells = ";".join(f"{written * share:g}".replace(".", ",") for share in (1, 0.5, 0.8))
    rows = [f"{t:%d.%m.%Y;%H:%M};{cells};51,8" for t in times]
    odd.write_text("\n".join(["of a station", "Tag;Zeit;G;B;D;T", *rows]), encoding="utf-16")
    weather = {
        "columns": {"ghi": "G", "dni": "B", "dhi": "D", "temp_air": "T"},
        "irradiance_unit": unit,
        "temperature_unit": "F",
        "reference_year": False,
        "time_column": "Tag",
        "clock_column": "Zeit",
        "time_format": "%d.%m.%Y",
        "separator": ";",
        "decimal": ",",
        "encoding": "utf-16",
        "skip_rows": 1,
    }
    pv = [pv_under(path, more) for path, more in ((plain, {}), (odd, weather))]
    assert pv[0].sum() > 1
    np.testing.assert_allclose(pv[1], pv[0], rtol=1e-9)
    odd.write_text(odd.read_text(encoding="utf-16").replace(".2020", ".2019"), encoding="utf-16")
    np.testing.assert_allclose(pv_under(odd, weather | {"reference_year": True}), pv[0], rtol=1e-9)
    with pytest.raises(InputError, match="readings from 2019"):
        pv_under(odd, weather)


def pv_under(path, weather):
    """Return the PV of a home (time,) [kW] under the weather of a file."""
    people = [{"participant": "a", "persons": 2, "pv_kw": 4}]
    return small(
        tables=tables(participants=people), weather={"source": "file", "path": str(path), **weather}
    )["pv_available"].values[0]


def test_only_a_csv_file_is_asked_how_it_is_written(tmp_path):
    (tmp_path / "f.epw").write_text("LOCATION")
    with pytest.raises(InputError) as error:
        pv_under(tmp_path / "f.epw", {"format": "epw", "separator": ";"})
    assert [p.want for p in error.value.problems] == ["nothing, where epw states it"]


@real
@pytest.mark.parametrize("place", ["yamanaka", "hamamatsu"])
def test_a_japanese_reference_year_keeps_its_energy(place):
    path = Path(str(REAL)) / "susono_weather" / f"{place}.csv"
    raw = pd.read_csv(path)
    sky = from_csv(path, slots("2021-01-01", 365, 30, "Asia/Tokyo"))
    for name in ("ghi", "dni", "dhi"):
        half_hours = sky[name].to_numpy().reshape(-1, 2)
        np.testing.assert_allclose(half_hours.mean(axis=1), raw[name], rtol=1e-9, atol=1e-9)


@real
@pytest.mark.parametrize(
    ("zone", "stamp", "error"),
    [("Asia/Tokyo", "start", 24.0), ("+08:30", "start", 0.5), ("+08:00", "middle", 0.5)],
)
def test_the_clock_of_the_reference_year(zone, stamp, error):
    """Beam and diffuse close to the global irradiance only where the sun is the file's own.

    The stamps are told as starts of hours in Japan Standard Time, but the sun that the file was made with (and its own
    elevation column) stands an hour behind the stamp: each value is the mean about that instant.
    """
    path = Path(str(REAL)) / "susono_weather" / "yamanaka.csv"
    site = sun.Site(35.44, 138.84, 980.0)
    times = slots("2019-01-01", 365, 60, zone)
    if stamp == "middle":
        times = times - pd.Timedelta(minutes=30)
    sky = from_csv(path, times[1:-1], 1.0, time_zone=zone, stamp=stamp)
    assert [("fit the sun +30 minutes" in note) for note in sky.attrs["notes"]] == (
        [True] if error > 1 else []
    )
    zenith, _ = sun.position(times[1:-1] + pd.Timedelta(minutes=30), site)
    closure = sky["dni"] * np.cos(np.radians(zenith)) + sky["dhi"] - sky["ghi"]
    rms = np.sqrt((closure[zenith < 85] ** 2).mean())
    assert rms == pytest.approx(error, rel=0.2) if error > 1 else rms < error


@real
@pytest.mark.filterwarnings("ignore")  # pvlib uses what pandas will drop
@pytest.mark.parametrize(
    ("place", "site"),
    [("yamanaka", sun.Site(35.44, 138.84, 990)), ("hamamatsu", sun.Site(34.71, 137.72, 30))],
)
def test_arrays_in_measured_weather_yield_what_pvwatts_says(place, site):
    """Within 2 % for the standard modules of versions 5 and 8; facing south at 30 degrees."""
    path = Path(str(REAL)) / "susono_weather" / f"{place}.csv"
    sky = from_csv(path, YEAR, 1.0)
    energy = solar.pv_power(YEAR, 1.0, site, sky, 1.0, 30.0, 180.0).sum()
    for modules in MODULES.values():
        want = pvwatts(sky, np.full(len(YEAR), solar.WIND), site, 30.0, 180.0, *modules)
        assert energy == pytest.approx(want, rel=0.02)
