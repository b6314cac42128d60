"""Every preset reads a sample of its provider's export, made here, with the energy or price worked out by hand."""

from dataclasses import replace
from datetime import UTC, datetime

import pandas as pd
import pytest

from otonari.data import clock
from otonari.data.assembly.demand_and_pv import Frame, format_of
from otonari.data.assembly.inputs import build_inputs
from otonari.data.clock import slots
from otonari.data.generators import solar
from otonari.data.generators.sun import Site, clear_sky
from otonari.data.loading.scenario import digest, effective, load_scenario
from otonari.data.problems import InputError
from otonari.data.schema.file_references import PriceFile, SeriesFile
from otonari.data.schema.scenario import Time
from otonari.data.series import inspection
from otonari.data.series.power_and_rates import read_power, read_rate
from otonari.data.series.presets import PRESETS
from otonari.runs.commands.inspect import _name

ESPI = """<?xml version="1.0"?>
<feed xmlns="http://www.w3.org/2005/Atom" xmlns:e="http://naesb.org/espi">
 <entry><link rel="self" href="U/1/MeterReading/01"/><link rel="related" href="U/ReadingType/07"/>
  <content><e:MeterReading/></content></entry>
 <entry><link rel="self" href="U/ReadingType/07"/><content><e:ReadingType><e:flowDirection>1</e:flowDirection>
  <e:powerOfTenMultiplier>-3</e:powerOfTenMultiplier><e:uom>72</e:uom></e:ReadingType></content></entry>
 <entry><link rel="self" href="U/1/MeterReading/02"/><link rel="related" href="U/ReadingType/08"/>
  <content><e:MeterReading/></content></entry>
 <entry><link rel="self" href="U/ReadingType/08"/><content><e:ReadingType><e:flowDirection>19</e:flowDirection>
  <e:powerOfTenMultiplier>0</e:powerOfTenMultiplier><e:uom>72</e:uom></e:ReadingType></content></entry>
 <entry><link rel="self" href="U/1/MeterReading/01/IntervalBlock/1"/><content><e:IntervalBlock>{delivered}
 </e:IntervalBlock></content></entry>
 <entry><link rel="self" href="U/1/MeterReading/02/IntervalBlock/1"/><content><e:IntervalBlock>{received}
 </e:IntervalBlock></content></entry>
</feed>"""


def espi(start, values):
    return "".join(
        f"<e:IntervalReading><e:timePeriod><e:duration>3600</e:duration><e:start>{start + 3600 * n}</e:start>"
        f"</e:timePeriod><e:value>{v}</e:value></e:IntervalReading>"
        for n, v in enumerate(values)
    )


def mscons(values):
    parts = [
        f"QTY+220:{v}'DTM+163:20250115{h:02}00?+00:303'DTM+164:20250115{h + 1:02}00?+00:303'"
        for h, v in enumerate(values)
    ]
    head = "UNA:+.? 'UNB+UNOC:3'UNH+1+MSCONS:D:04B:UN:2.4c'LOC+172+DE0001'LIN+1'PIA+5+1-1?:1.29.0:SRW'"
    return head + "".join(parts) + "UNT+9+1'UNZ+1'"


# name -> text, start of the horizon, hours, minutes of a slot, zone, column, kWh or mean price by hand
SAMPLES = {
    "jepx-spot": (
        "受渡日,時刻コード,売り入札量(kWh),システムプライス(円/kWh),エリアプライス東京(円/kWh)\n"
        "2025/01/15,1,9,10.00,12.00\n2025/01/15,2,9,11.00,12.50\n2025/01/15,3,9,15.00,13.00\n2025/01/15,4,9,4.00,1.0\n",
        "2025-01-15T00:00", 2, 30, "Asia/Tokyo", None, 10.0),
    "smard": (
        "Datum von;Datum bis;Deutschland/Luxemburg [€/MWh] Originalauflösungen;Belgien [€/MWh] Originalauflösungen\n"
        "15.01.2025 00:00;15.01.2025 01:00;1.200,50;1\n15.01.2025 01:00;15.01.2025 02:00;-0,50;-\n",
        "2025-01-15T00:00", 2, 60, "Europe/Berlin", None, 0.6),
    "entso-e": (
        '"MTU (CET/CEST)","Area","Sequence","Day-ahead Price (EUR/MWh)","Intraday Price (EUR/MWh)"\n'
        '"15/01/2025 00:00:00 - 15/01/2025 00:15:00","BZN|BE","","100.0",""\n'
        '"15/01/2025 00:15:00 - 15/01/2025 00:30:00","BZN|BE","","50.0",""\n',
        "2025-01-15T00:00", 0.5, 15, "Europe/Brussels", None, 0.075),
    "entso-e-utc": (
        '"MTU (UTC)","Area","Sequence","Day-ahead Price (EUR/MWh)","Intraday Period (UTC)"\n'
        '"15/01/2025 00:00:00 - 15/01/2025 00:15:00","BZN|BE","","100.0",""\n'
        '"15/01/2025 00:15:00 - 15/01/2025 00:30:00","BZN|BE","","50.0",""\n',
        "2025-01-15T00:00", 0.5, 15, "UTC", None, 0.075),
    "entso-e-2024": (
        '"MTU (CET/CEST)","Day-ahead Price [EUR/MWh]","Currency","BZN|FR"\n'
        '"15.01.2024 00:00 - 15.01.2024 01:00","90.0","EUR",""\n"15.01.2024 01:00 - 15.01.2024 02:00","30.0","EUR",""\n',
        "2024-01-15T00:00", 2, 60, "Europe/Brussels", None, 0.06),
    "energy-charts": (
        '"Date (GMT+1)","Load","Day Ahead Auction (DE-LU)"\n,"Power (MW)","Price (EUR/MWh)"\n'
        "2025-01-15T00:00+01:00,40000,80\n2025-01-15T01:00+01:00,41000,60\n",
        "2025-01-15T00:00", 2, 60, "Europe/Berlin", None, 0.07),
    "energy-charts-de": (
        '"Datum (MEZ)","Last","Day Ahead Auktion (DE-LU)"\n,"Leistung (MW)","Preis (EUR/MWh)"\n'
        "2025-01-15T00:00+01:00,40000,80\n2025-01-15T01:00+01:00,41000,60\n",
        "2025-01-15T00:00", 2, 60, "Europe/Berlin", None, 0.07),
    "octopus": (
        "Consumption (kwh), Estimated Cost Inc. Tax (p), Start, End\n"
        "0.25,6,2025-06-15T00:30:00+01:00,2025-06-15T01:00:00+01:00\n"
        "0.5,9,2025-06-15T00:00:00+01:00,2025-06-15T00:30:00+01:00\n",
        "2025-06-15T00:00", 1, 30, "Europe/London", None, 0.75),
    "enedis": (
        "Identifiant PRM;Type de donnees;Date de debut;Date de fin;Unite;Pas en minutes\n"
        "12345678901234;Courbe de charge;15/01/2025;16/01/2025;W;30\nHorodate;Valeur\n"
        "2025-01-15T00:30:00+01:00;400\n2025-01-15T01:00:00+01:00;600\n",
        "2025-01-15T00:00", 1, 30, "Europe/Paris", None, 0.5),
    "datadis": (
        "cups;fecha;hora;consumo_kWh;metodoObtencion\n"
        "ES1;2025/01/15;23:00;0,101;Real\nES1;2025/01/15;24:00;0,204;Real\n",
        "2025-01-15T22:00", 2, 60, "Europe/Madrid", None, 0.305),
    "wiener-netze": (
        "Datum;Zeit von;Zeit bis;Verbrauch [kWh]\n"
        "15.01.2025;00:00:00;00:15:00;0,110\n15.01.2025;00:15:00;00:30:00;0,120\n",
        "2025-01-15T00:00", 0.5, 15, "Europe/Vienna", None, 0.23),
    "green-button": (
        ESPI.format(delivered=espi(1736917200, [400_000, 700_000]), received=espi(1736917200, [9, 9])),
        "2025-01-15T00:00", 2, 60, "America/New_York", None, 1.1),
    "green-button-csv": (
        'Name,Jo Doe\nAddress,"1 Road, Town"\nAccount Number,1\nService,Service 1\n\n'
        "TYPE,DATE,START TIME,END TIME,USAGE (kWh),COST,NOTES\n"
        "Electric usage,2025-01-15,00:00,00:59,0.40,$0.1,\nElectric usage,2025-01-15,01:00,01:59,0.30,$0.1,\n",
        "2025-01-15T00:00", 2, 60, "America/Los_Angeles", None, 0.7),
    "mscons": (mscons([0.5, 0.25, 1.0]), "2025-01-15T01:00", 3, 60, "Europe/Berlin", None, 1.75),
    "nem12": (
        "100,NEM12,202501160000,A,B\n200,NMI1,E1B1,,E1,N1,METER,WH,30,\n300,20250115," + "500," * 48 + "A,,,\n"
        "200,NMI1,E1B1,,B1,N2,METER,kWh,30,\n300,20250115," + "7," * 48 + "A,,,\n900\n",
        "2025-01-15T00:00", 24, 30, "+10:00", None, 24.0),
    "home-assistant": (
        "entity_id,state,last_changed\nsensor.home,100.0,2025-01-15T00:00:00.000Z\nsensor.home,unavailable,2025-01-15T00:10:00.000Z\n"
        "sensor.pv,5,2025-01-15T00:00:00.000Z\nsensor.home,100.6,2025-01-15T00:36:00.123Z\nsensor.pv,5,2025-01-15T04:00:00.000Z\n"
        "sensor.home,101.5,2025-01-15T02:00:00.000Z\n",
        "2025-01-15T00:00", 2, 60, "UTC", "sensor.home", 1.5),
}  # fmt: skip


def energy_or_price(path, name, start, hours, minutes, zone, column):
    """Return the kWh of the horizon [start, start + hours), or the mean price, by way of the schema's own file."""
    begin = (
        datetime.fromisoformat(start).replace(tzinfo=clock.zone(zone)).astimezone(UTC).replace(tzinfo=None)
    )
    times = pd.date_range(begin, periods=round(hours * 60 / minutes), freq=f"{minutes}min").as_unit("ns")
    frame = Frame(Time(start=start[:10], time_zone=zone), 1, times)
    if PRESETS[name].kind == "price":
        file = PriceFile(path=str(path), preset=name)
        factor = {"per kWh": 1.0, "per MWh": 1e-3}[file.unit]
        return factor * read_rate(path, file.column, format_of(frame, file), times, minutes / 60)[0].mean()
    file = SeriesFile(path=str(path), preset=name)
    form = replace(format_of(frame, file), unit=file.unit)
    power, _ = read_power(path, [column or file.value_column], form, times, minutes / 60)
    return power.sum() * minutes / 60


@pytest.mark.parametrize("name", SAMPLES)
def test_a_preset_reads_its_sample(tmp_path, name):
    text, start, hours, minutes, zone, column, expected = SAMPLES[name]
    path = tmp_path / "f"
    path.write_bytes(text.encode(PRESETS[name].form.get("encoding", "utf-8")))
    got = energy_or_price(path, name, start, hours, minutes, zone, column)
    assert got == pytest.approx(expected, rel=1e-9)


def test_what_is_wrong_with_a_nem12_file_is_named(tmp_path):
    path = tmp_path / "f"
    kvarh = "200,NMI1,E1Q1,,Q1,N1,METER,KVARH,30,\n300,20250115," + "3," * 48 + "A,,,\n"
    path.write_text(SAMPLES["nem12"][0].replace("900\n", f"{kvarh}900\n"))
    assert energy_or_price(path, "nem12", *SAMPLES["nem12"][1:6]) == pytest.approx(
        24.0
    )  # and no reactive energy
    path.write_text("100,NEM12,1,A,B\n300,20250115,1\n200,N,E1,,E1,,,KWH,7,\n300,20250115,1\n200,N,E1,,E1,,,KWH,30,\n"
                    "300,20250115,1,2\n")  # fmt: skip
    with pytest.raises(InputError) as caught:
        energy_or_price(path, "nem12", *SAMPLES["nem12"][1:6])
    assert [(p.row, p.want) for p in caught.value.problems] == [
        ("2", "a record 200 before it"),
        ("3", "a meter, a register, a unit and an interval that divides the day"),
        ("4", "a record 200 before it"),
        ("6", "a day and 48 numbers"),
    ]


def test_what_is_wrong_with_mscons_and_green_button_is_named(tmp_path):
    path = tmp_path / "f"
    path.write_text(mscons([1, 2]).replace("DTM+163:202501150000?+00:303'", ""))
    with pytest.raises(InputError, match=r"DTM: got no begin of a quantity, want DTM.163 after QTY"):
        energy_or_price(path, "mscons", *SAMPLES["mscons"][1:6])
    path.write_text(SAMPLES["green-button"][0].replace("<e:uom>72", "<e:uom>38"))
    with pytest.raises(InputError, match="uom: got the unit 38 of a ReadingType, want 72, energy in Wh"):
        energy_or_price(path, "green-button", *SAMPLES["green-button"][1:6])
    path.write_text(SAMPLES["green-button"][0].replace("700000", "seven"))
    with pytest.raises(InputError, match=r"f:2: value: got 'seven', want a number"):
        energy_or_price(path, "green-button", *SAMPLES["green-button"][1:6])
    path.write_text(SAMPLES["green-button"][0].replace("Multiplier>-3", "Multiplier>milli"))
    with pytest.raises(InputError, match="powerOfTenMultiplier: got the multiplier 'milli'"):
        energy_or_price(path, "green-button", *SAMPLES["green-button"][1:6])
    path.write_text('<!DOCTYPE x [<!ENTITY a "espi">]><feed>&a;</feed>')
    with pytest.raises(InputError, match="a document type, which may unfold without end"):
        energy_or_price(path, "green-button", *SAMPLES["green-button"][1:6])


def test_every_preset_has_a_sample():
    """Sessions have theirs in `test_sessions.py`, TMY3 and EPW in `test_solar.py`."""
    elsewhere = {name for name, preset in PRESETS.items() if preset.kind in ("sessions", "weather")} | {"eda"}
    assert set(SAMPLES) | elsewhere == set(PRESETS)


def austrian(path, *more):
    """Write a report of the user portal: a cover sheet, columns of quality, sums, and 2 quarter-hours."""
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    book.active.append(["Report of AT001"])
    sheet = book.create_sheet("Energiedaten")
    total, own = "Gesamtverbrauch lt. Messung [KWH]", "Eigendeckung [KWH]"
    for row in (
        ["No warranty is given."],
        ["MeteringPointId", "AT001", "MM", "AT001", "MM", "AT002", "MM", "TOTAL"],
        ["Name", "Anna", "", "Anna", "", "Bert"],
        ["Energydirection", "CONSUMPTION", "", "CONSUMPTION", "", "GENERATION"],
        ["Period start", "15.01.2025 00:00"],
        ["MeterCode", total, "", own, "", "Erzeugung [KWH]"],
        ["Spaltensumme", 0.75, "", 0.3, "", 5, "", 1],
        ["15.01.2025 00:00:00", 0.25, "L1", 0.1, "L1", 2, "L1", 9],
        [datetime(2025, 1, 15, 0, 15), 0.5, "L1", 0.2, "L2", 3, "L1", 9],
        *more,
    ):
        sheet.append(row)
    book.save(path)
    return f"AT001 | CONSUMPTION | {total}"


def test_the_report_of_an_austrian_energy_community(tmp_path):
    """The columns of a metering point have one name, and two lines below it tell them apart."""
    column = austrian(tmp_path / "f.xlsx")
    seen = inspection.inspect(tmp_path / "f.xlsx")
    assert (seen.preset, seen.form["sheet"], seen.problems) == ("eda", "Energiedaten", [])
    assert seen.columns[0] == column
    assert seen.per_day[column] == {"2025-01-15": pytest.approx(0.75)}
    assert [_name(c, seen.columns) for c in seen.columns] == seen.columns  # they are short here
    long = [f"AT001 | CONSUMPTION | {'Gesamtverbrauch ' * n}" for n in (9, 10)]
    assert [_name(c, [*long, "AT002"]) for c in [*long, "AT002"]] == ["AT001 1", "AT001 2", "AT002"]
    file = SeriesFile(path=str(tmp_path / "f.xlsx"), preset="eda", sheet="Energiedaten")
    times = pd.date_range("2025-01-14T23:00", periods=2, freq="15min").as_unit("ns")
    frame = Frame(Time(start="2025-01-15", time_zone="Europe/Vienna"), 1, times)
    power, _ = read_power(file.path, [column], replace(format_of(frame, file), unit="kWh"), times, 0.25)
    assert power.tolist() == [[1.0, 2.0]]


def scenario(tmp_path, **demand):
    text = SAMPLES["datadis"][0].splitlines()
    hours = [f"ES1;2025/01/15;{h:02}:00;0,{100 + h};Real" for h in range(1, 25)]
    (tmp_path / "d.csv").write_text("\n".join([text[0], *hours]))
    return {
        "schema_version": 1,
        "name": "preset",
        "currency": "EUR",
        "time": {"start": "2025-01-15", "slot_minutes": 60, "time_zone": "Europe/Madrid"},
        "weather": {"source": "clear-sky"},
        "tables": {"participants": [{"participant": "home"}]},
        "series": {"demand": {"path": str(tmp_path / "d.csv"), "preset": "datadis", **demand}},
        "tariffs": {"std": {"energy": {"type": "flat", "price_per_kwh": 0.3}}},
        "fees": {"method": "by-level"},
    }


def test_a_preset_fills_in_what_the_scenario_leaves_out(tmp_path):
    """0.101 + ... + 0.124 = 2.7 kWh; a key of the scenario counts before the preset's."""
    loaded = load_scenario(scenario(tmp_path))
    assert float(build_inputs(loaded)["demand"].sum()) == pytest.approx(2.7)
    assert digest(load_scenario(effective(loaded))) == digest(loaded)
    other = load_scenario(scenario(tmp_path, unit="Wh"))
    assert float(build_inputs(other)["demand"].sum()) == pytest.approx(0.0027)


def test_a_preset_that_there_is_not_or_of_another_kind_is_a_problem(tmp_path):
    with pytest.raises(
        InputError, match=r"series.demand.preset: got 'datadi', want one of .*did you mean 'datadis'"
    ):
        load_scenario(scenario(tmp_path, preset="datadi"))
    with pytest.raises(InputError, match=r"series.demand.preset: got 'smard', want one of octopus"):
        load_scenario(scenario(tmp_path, preset="smard"))


SITE = Site(45.0, 8.0, 250.0)


def clear(times, shift=0.0):
    """Return the clear sky at instants, some minutes later, as ghi, dni, dhi."""
    return clear_sky(times + pd.Timedelta(minutes=shift), SITE)


def pvgis_tmy(path):
    """Write a typical year of PVGIS whose irradiance is that of 12 minutes past each hour."""
    times = pd.date_range("2015-01-01", periods=8760, freq="h")
    sky = clear(times, 12)
    lines = [
        "Latitude (decimal degrees): 45.000",
        "Longitude (decimal degrees): 8.000",
        "Elevation (m): 250.0",
    ]
    lines += ["Irradiance Time Offset (h): 0.2", "month,year", *(f"{m},2015" for m in range(1, 13))]
    lines += ["time(UTC),T2m,RH,G(h),Gb(n),Gd(h),IR(h),WS10m,WD10m,SP"]
    rows = zip(times.strftime("%Y%m%d:%H%M"), sky["ghi"], sky["dni"], sky["dhi"], strict=True)
    lines += [f"{t},5.0,80,{g:.3f},{b:.3f},{d:.3f},250,2,200,98000" for t, g, b, d in rows]
    path.write_text("\r\n".join([*lines, "T2m: 2-m air temperature (degree Celsius)", ""]))


def pvgis_hourly(path):
    """Write hourly radiation of PVGIS on the horizontal plane, at ten past each hour."""
    times = pd.date_range("2015-06-01", periods=24 * 30, freq="h") + pd.Timedelta(minutes=10)
    sky = clear(times)
    lines = [
        "Latitude (decimal degrees):\t45.000",
        "Longitude (decimal degrees):\t8.000",
        "Elevation (m):\t250",
    ]
    lines += ["Radiation database:\tPVGIS-SARAH3", "", "Slope: 0 deg. ", "Azimuth: 0 deg. ", ""]
    lines += ["time,Gb(i),Gd(i),Gr(i),H_sun,T2m,WS10m,Int"]
    rows = zip(times.strftime("%Y%m%d:%H%M"), sky["ghi"] - sky["dhi"], sky["dhi"], strict=True)
    lines += [f"{t},{b:.3f},{d:.3f},0.0,0.0,5.0,1.0,0.0" for t, b, d in rows]
    path.write_text("\r\n".join([*lines, "", "Gb(i): Beam (direct) irradiance", ""]))


def nsrdb(path):
    """Write half-hours of the NSRDB on standard time, -1 h of UTC so that zone and stamps matter."""
    times = pd.date_range("2015-06-01", periods=48 * 30, freq="30min") + pd.Timedelta(minutes=15)
    sky = clear(times + pd.Timedelta(hours=1))
    lines = ["Source,Location ID,City,State,Country,Latitude,Longitude,Time Zone,Elevation,Local Time Zone"]
    lines += ["NSRDB,1,-,-,-,45.0,8.0,-1,250,-1", "Year,Month,Day,Hour,Minute,GHI,DNI,DHI,Temperature"]
    rows = zip(times, sky["ghi"], sky["dni"], sky["dhi"], strict=True)
    lines += [
        f"{t.year},{t.month},{t.day},{t.hour},{t.minute},{g:.3f},{b:.3f},{d:.3f},5.0" for t, g, b, d in rows
    ]
    path.write_text("\n".join([*lines, ""]))


@pytest.mark.parametrize("name", ["pvgis-tmy", "pvgis-hourly", "nsrdb"])
def test_a_weather_file_is_read_at_its_hours(tmp_path, name):
    """A day of clear sky: no note on the clock, and the day's irradiation of the clear sky itself."""
    path = tmp_path / "weather.csv"
    {"pvgis-tmy": pvgis_tmy, "pvgis-hourly": pvgis_hourly, "nsrdb": nsrdb}[name](path)
    day = slots("2025-06-15", 1, 60, "+00:00")
    sky = solar.weather(day, 1.0, SITE, "file", path=path, format=name)
    assert sky.attrs["notes"] == []
    exact = clear(pd.date_range("2015-06-15", periods=1440, freq="min") + pd.Timedelta(seconds=30))[
        "ghi"
    ].mean()
    assert sky["ghi"].mean() == pytest.approx(exact, rel=5e-3)
    assert sky["temp_air"].tolist() == [5.0] * 24


def test_a_file_of_another_hour_or_place_is_noted_and_can_be_shifted(tmp_path):
    path = tmp_path / "weather.csv"
    pvgis_hourly(path)
    day = slots("2025-06-15", 1, 60, "+00:00")
    late = solar.weather(day, 1.0, SITE, "file", path=path, format="pvgis-hourly", shift_minutes=60)
    assert "shift_minutes: -60 moves the file" in late.attrs["notes"][0]
    away = solar.weather(day, 1.0, Site(46.0, 8.0, 250.0), "file", path=path, format="pvgis-hourly")
    assert f"{path}: its place (45, 8) lies 111 km from the site (46, 8)" in away.attrs["notes"]


def test_what_is_no_weather_file_of_the_format_is_named(tmp_path):
    path = tmp_path / "weather.csv"
    path.write_text("time,ghi\n2020-01-01,1\n")
    for name in ("pvgis-tmy", "pvgis-hourly", "nsrdb"):
        with pytest.raises(InputError, match=f"want a file in the format {name}"):
            solar.weather(slots("2025-06-15", 1, 60, "UTC"), 1.0, SITE, "file", path=path, format=name)
