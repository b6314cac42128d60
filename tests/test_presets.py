"""Every preset reads a sample of its provider's export, made here, with the energy or price worked out by hand."""

from dataclasses import replace
from datetime import UTC, datetime

import pandas as pd
import pytest

from otonari.data import clock
from otonari.data.assembly.demand_and_pv import Frame, _format
from otonari.data.assembly.inputs import build_inputs
from otonari.data.loading.scenario import digest, effective, load_scenario
from otonari.data.problems import InputError
from otonari.data.schema.file_references import PriceFile, SeriesFile
from otonari.data.schema.scenario import Time
from otonari.data.series.power_and_rates import read_power, read_rate
from otonari.data.series.presets import PRESETS

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
    "entso-e-2024": (
        '"MTU (CET/CEST)","Day-ahead Price [EUR/MWh]","Currency","BZN|FR"\n'
        '"15.01.2024 00:00 - 15.01.2024 01:00","90.0","EUR",""\n"15.01.2024 01:00 - 15.01.2024 02:00","30.0","EUR",""\n',
        "2024-01-15T00:00", 2, 60, "Europe/Brussels", None, 0.06),
    "energy-charts": (
        '"Date (GMT+1)","Load","Day Ahead Auction (DE-LU)"\n,"Power (MW)","Price (EUR/MWh)"\n'
        "2025-01-15T00:00+01:00,40000,80\n2025-01-15T01:00+01:00,41000,60\n",
        "2025-01-15T00:00", 2, 60, "Europe/Berlin", None, 0.07),
    "energy-charts-de": (
        '"Datum (GMT+1)","Last","Day Ahead Auktion (DE-LU)"\n,"Leistung (MW)","Preis (EUR/MWh)"\n'
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
        "cups;fecha;hora;consumo_kWh;metodoObtencion\nES1;2025/01/15;23:00;0,101;Real\nES1;2025/01/15;24:00;0,204;Real\n",
        "2025-01-15T22:00", 2, 60, "Europe/Madrid", None, 0.305),
    "wiener-netze": (
        "Datum;Zeit von;Zeit bis;Verbrauch [kWh]\n15.01.2025;00:00:00;00:15:00;0,110\n15.01.2025;00:15:00;00:30:00;0,120\n",
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
        return factor * read_rate(path, file.column, _format(frame, file), times, minutes / 60).mean()
    file = SeriesFile(path=str(path), preset=name)
    form = replace(_format(frame, file), unit=file.unit)
    power, _ = read_power(path, [column or file.value_column], form, times, minutes / 60)
    return power.sum() * minutes / 60


@pytest.mark.parametrize("name", SAMPLES)
def test_a_preset_reads_its_sample(tmp_path, name):
    text, start, hours, minutes, zone, column, expected = SAMPLES[name]
    path = tmp_path / "f"
    path.write_bytes(text.encode(PRESETS[name].form.get("encoding", "utf-8")))
    got = energy_or_price(path, name, start, hours, minutes, zone, column)
    assert got == pytest.approx(expected, rel=1e-9)


def test_the_report_of_an_austrian_energy_community(tmp_path):
    """The columns of a metering point have one name, and lines below it tell them apart."""
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    sheet = book.active
    for row in (
        ["MeteringpointID", "AT001", "AT001", "AT002"],
        ["Energy direction", "CONSUMPTION", "CONSUMPTION", "GENERATION"],
        ["Metercode", "Gesamtverbrauch [KWH]", "Eigendeckung [KWH]", "Erzeugung [KWH]"],
        ["15.01.2025 00:00:00", 0.25, 0.1, 2],
        [datetime(2025, 1, 15, 0, 15), 0.5, 0.2, 3],
    ):
        sheet.append(row)
    book.save(tmp_path / "f.xlsx")
    column = "AT001 | CONSUMPTION | Gesamtverbrauch [KWH]"
    got = energy_or_price(tmp_path / "f.xlsx", "eda", "2025-01-15T00:00", 0.5, 15, "Europe/Vienna", column)
    assert got == pytest.approx(0.75)


def scenario(tmp_path, **demand):
    text = SAMPLES["datadis"][0].splitlines()
    hours = [f"ES1;2025/01/15;{h:02}:00;0,{100 + h};Real" for h in range(1, 25)]
    (tmp_path / "d.csv").write_text("\n".join([text[0], *hours]))
    return {
        "schema_version": 1,
        "name": "preset",
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
