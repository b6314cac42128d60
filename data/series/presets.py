"""The forms of providers' exports: one table, from which ``preset: NAME`` fills in the keys of a file of readings.

A form is what a provider's files looked like; where that changes, the keys of the scenario, which count before those of
the preset, say so.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from ..problems import InputError, Problem, suggestion

Kind = Literal["power", "price", "sessions", "weather"]


@dataclass(frozen=True)
class Preset:
    """A provider's export.

    Attributes
    ----------
    title
        What it is, for people.
    kind
        What it holds: power or energy, prices, charging sessions (as trips), or weather.
    form
        Keys of a file of readings (or of sessions) and their values.
    value
        Column of the values where the export has one that is always called so.
    signs
        Columns that its header has, or what its text begins with, by which it is recognised.
    choice
        Column of which one text is meant, where there are several.
    source
        Where the names of its columns are from: readers of the export that are public.
    hint
        What the user still has to say, or may change.
    """

    title: str
    kind: Kind
    form: Mapping[str, Any] = field(default_factory=dict)
    value: str = ""
    signs: tuple[str, ...] = ()
    hint: str = ""
    source: str = ""
    choice: str = ""

    def keys(self, kind: Kind) -> dict[str, Any]:
        """Return the keys of a file of this kind: the column of a price is called ``column``."""
        named = {"price": "column", "power": "value_column"}.get(kind)
        return {**self.form, **({named: self.value} if named and self.value else {})}


def of_kind(name: str, kind: Kind, where: str) -> Preset:
    """Return the preset of a name; an InputError names those of the kind where it is none of them."""
    known = [n for n, preset in PRESETS.items() if preset.kind == kind]
    if name not in known:
        want = f"one of {', '.join(known)}{suggestion(name, known)}"
        raise InputError([Problem(where, "", "preset", repr(name), want)])
    return PRESETS[name]


_GERMAN = {"separator": ";", "decimal": ","}

PRESETS: dict[str, Preset] = {
    "jepx-spot": Preset(
        "JEPX day-ahead (spot_summary_YYYY.csv)",
        "price",
        {"encoding": "cp932", "time_column": "受渡日", "clock_column": "時刻コード", "slot_minutes": 30,
         "time_zone": "Asia/Tokyo", "unit": "per kWh"},
        "システムプライス(円/kWh)",
        ("受渡日", "時刻コード"),
        "column: エリアプライス東京(円/kWh) for an area; time_column: 年月日 in older files",
        "header of the exchange's file, as collectors of it write it down",
    ),
    "smard": Preset(
        "SMARD market data, German CSV",
        "price",
        {**_GERMAN, "time_column": "Datum von", "time_format": "%d.%m.%Y %H:%M", "time_zone": "Europe/Berlin",
         "unit": "per MWh"},
        "Deutschland/Luxemburg [€/MWh] Originalauflösungen",
        ("Datum von", "Datum bis"),
        "column: another bidding zone; its name ends with Berechnete Auflösungen where another resolution was chosen",
        "studies of the exported files",
    ),
    "entso-e": Preset(
        "ENTSO-E Transparency Platform, day-ahead prices (since 2025)",
        "price",
        {"time_column": "MTU (CET/CEST)", "time_format": "%d/%m/%Y %H:%M:%S", "time_zone": "Europe/Brussels",
         "unit": "per MWh"},
        "Day-ahead Price (EUR/MWh)",
        ("MTU (CET/CEST)", "Day-ahead Price (EUR/MWh)"),
        "only: {Sequence: Sequence 1} where a zone has several",
        "readers of the exported files",
        "Sequence",
    ),
    "entso-e-utc": Preset(
        "ENTSO-E Transparency Platform, day-ahead prices in UTC (since 2025)",
        "price",
        {"time_column": "MTU (UTC)", "time_format": "%d/%m/%Y %H:%M:%S", "time_zone": "UTC", "unit": "per MWh"},
        "Day-ahead Price (EUR/MWh)",
        ("MTU (UTC)", "Day-ahead Price (EUR/MWh)"),
        "only: {Sequence: Sequence 1} where a zone has several",
        "readers of the exported files",
        "Sequence",
    ),
    "entso-e-2024": Preset(
        "ENTSO-E Transparency Platform, day-ahead prices (until 2024)",
        "price",
        {"time_column": "MTU (CET/CEST)", "time_format": "%d.%m.%Y %H:%M", "time_zone": "Europe/Brussels",
         "unit": "per MWh"},
        "Day-ahead Price [EUR/MWh]",
        ("MTU (CET/CEST)", "Day-ahead Price [EUR/MWh]"),
        source="readers of the exported files",
    ),
    "energy-charts": Preset(
        "energy-charts.info, day-ahead prices, English CSV",
        "price",
        {"time_column": "Date (GMT+1)", "time_zone": "+01:00", "unit": "per MWh"},
        "Day Ahead Auction (DE-LU)",
        ("Date (GMT+1)",),
        "column: as the chart is called",
        "readers of the exported files",
    ),
    "energy-charts-de": Preset(
        "energy-charts.info, day-ahead prices, German CSV",
        "price",
        {"time_column": "Datum (MEZ)", "time_zone": "+01:00", "unit": "per MWh"},
        "Day Ahead Auktion (DE-LU)",
        ("Datum (MEZ)",),
        "column: as the chart is called",
        "readers of the exported files",
    ),
    "octopus": Preset(
        "Octopus Energy (UK), consumption CSV",
        "power",
        {"time_column": "Start", "unit": "kWh", "time_zone": "Europe/London"},
        "Consumption (kWh)",
        ("Consumption (kWh)", "Start", "End"),
        source="importers such as that of EmonCMS",
    ),
    "enedis": Preset(
        "Enedis (France), load curve by the half-hour",
        "power",
        {"separator": ";", "time_column": "Horodate", "unit": "W", "stamp": "end", "time_zone": "Europe/Paris"},
        "Valeur",
        ("Horodate", "Valeur"),
        "unit: Wh where the file says so; other columns stand before Horodate in files of several meters",
        "importers of the customers' export, which take the stamp for the end of the mean power",
    ),
    "datadis": Preset(
        "Datadis (Spain), hourly consumption",
        "power",
        {**_GERMAN, "time_column": "fecha", "clock_column": "hora", "unit": "kWh", "stamp": "end",
         "time_zone": "Europe/Madrid"},
        "consumo_kWh",
        ("cups", "fecha", "hora", "consumo_kWh"),
        source="importers of the export, and what others convert into it",
    ),
    "eda": Preset(
        "EDA user portal (Austria), report of an energy community",
        "power",
        {"container": "xlsx", "time_column": "MeteringPointID", "time_format": "%d.%m.%Y %H:%M", "decimal": ",",
         "separator": ";", "header_rows": ("MeteringPointID", "EnergyDirection", "MeterCode"), "unit": "kWh",
         "time_zone": "Europe/Vienna"},
        "",
        ("MeteringPointID",),
        "one register of each metering point (Eigendeckung and TOTAL are parts and sums of others, GENERATION is no "
        "demand), as demand_column: metering point | direction | register; sheet: Energiedaten",
        "importers such as eda_invoices and EDAvis",
    ),
    "wiener-netze": Preset(
        "Wiener Netze (Austria), quarter-hours of the smart meter portal",
        "power",
        {**_GERMAN, "time_column": "Datum", "clock_column": "Zeit von", "time_format": "%d.%m.%Y", "unit": "kWh",
         "time_zone": "Europe/Vienna"},
        "Verbrauch [kWh]",
        ("Datum", "Zeit von", "Zeit bis"),
        "value_column: where it bears the metering point's name; Einspeiser [kWh] of what is fed in",
        "comparisons of tariffs that read it",
    ),
    "green-button": Preset(
        "Green Button (ESPI XML, USA and Canada)",
        "power",
        {"container": "espi", "time_column": "start", "time_format": "seconds", "unit": "Wh",
         "only": {"direction": "delivered"}},
        "value",
        ("<feed", "http://naesb.org/espi"),
        "only: {direction: received} for what is fed in",
        "the standard's schema",
    ),
    "green-button-csv": Preset(
        "Green Button CSV (PG&E)",
        "power",
        {"time_column": "DATE", "clock_column": "START TIME", "unit": "kWh", "time_zone": "America/Los_Angeles"},
        "USAGE (kWh)",
        ("TYPE", "DATE", "START TIME", "END TIME"),
        "value_column: USAGE, IMPORT (kWh) or EXPORT (kWh) where it is called so; time_format: '%m/%d/%Y'",
        "readers of the exports of PG&E and ComEd",
    ),
    "mscons": Preset(
        "MSCONS (EDIFACT, Germany and Austria)",
        "power",
        {"container": "mscons", "time_column": "start", "unit": "kWh", "time_zone": "Europe/Berlin"},
        "value",
        ("UNA", "UNB", "MSCONS"),
        "only: {register: '1-1:1.29.0'} or meter_column: meter where a message has several",
    ),
    "nem12": Preset(
        "NEM12 (Australia)",
        "power",
        {"container": "nem12", "time_column": "time", "unit": "kWh", "time_zone": "+10:00",
         "only": {"register": "E1"}},
        "value",
        ("100", "NEM12"),
        "only: {register: B1} for what is fed in, meter_column: nmi for several meters",
    ),
    "home-assistant": Preset(
        "Home Assistant, history CSV of energy sensors",
        "power",
        {"time_column": "last_changed", "meter_column": "entity_id", "unit": "kWh cumulative", "sampling": "on-change"},
        "state",
        ("entity_id", "state", "last_changed"),
        "demand_column: sensor.NAME; unit: W for a sensor of power",
        "history, download data",
    ),
    "acn-data": Preset(
        "ACN-Data (Caltech), charging sessions",
        "sessions",
        {"vehicle": "userID", "connect": "connectionTime", "disconnect": "disconnectTime", "energy": "kWhDelivered",
         "time_format": "%a, %d %b %Y %H:%M:%S", "time_zone": "UTC"},
        signs=("connectionTime", "disconnectTime", "kWhDelivered"),
    ),
    "ocpp": Preset(
        "transactions by the names of OCPP 1.6 (start and stop of the meter in Wh)",
        "sessions",
        {"vehicle": "idTag", "connect": "startTimestamp", "disconnect": "stopTimestamp", "meter_start": "meterStart",
         "meter_stop": "meterStop", "unit": "Wh", "time_zone": "UTC"},
        signs=("idTag", "startTimestamp", "stopTimestamp", "meterStart", "meterStop"),
        hint="back ends name their columns as they like: say them",
    ),
    "evcc": Preset(
        "evcc, charging sessions",
        "sessions",
        {"vehicle": "Vehicle", "connect": "Created", "disconnect": "Finished", "energy": "Energy (kWh)"},
        signs=("Created", "Finished", "Vehicle", "Energy (kWh)"),
        source="evcc, its sessions and their translations",
    ),
    "evcc-de": Preset(
        "evcc, charging sessions, in German",
        "sessions",
        {"vehicle": "Fahrzeug", "connect": "Startzeit", "disconnect": "Endzeit", "energy": "Energie (kWh)"},
        signs=("Startzeit", "Endzeit", "Fahrzeug", "Energie (kWh)"),
        source="evcc, its sessions and their translations",
    ),
    "pvgis-hourly": Preset(
        "PVGIS hourly radiation", "weather", {"format": "pvgis-hourly"}, signs=("time", "Gb(i)", "Gd(i)", "T2m"),
        hint="horizontal plane, with components",
    ),
    "pvgis-tmy": Preset(
        "PVGIS typical year", "weather", {"format": "pvgis-tmy"}, signs=("time(UTC)", "G(h)", "Gb(n)", "Gd(h)"),
    ),
    "nsrdb": Preset(
        "NSRDB (PSM3, PSM4)", "weather", {"format": "nsrdb"},
        signs=("Source", "Location ID", "Local Time Zone"),
    ),
    "tmy3": Preset("TMY3", "weather", {"format": "tmy3"}, signs=("Date (MM/DD/YYYY)", "Time (HH:MM)")),
    "epw": Preset("EnergyPlus weather", "weather", {"format": "epw"}, signs=("LOCATION",)),
}  # fmt: skip
"""Name -> preset. A new one is a row here, and a sample of a few lines in ``tests/test_presets.py``."""
