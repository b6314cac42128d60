"""Malformed scenarios and tables: each refused by the command line with one clear message, and nothing written.

Every case is a small change of the bundled ``six-kinds``. The expected text is the beginning of the one problem's line:
file, row, field, what was got, and what belongs there.
"""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import otonari.data
from otonari.cli import main

pytestmark = pytest.mark.thorough

SIX_KINDS = Path(otonari.data.__file__).parent / "scenarios" / "six-kinds"
YAML, PEOPLE, BATTERIES, CARS = "scenario.yaml", "participants.csv", "batteries.csv", "vehicles.csv"
TRIPS, NODES, DEMAND = "trips.csv", "nodes.csv", "demand.csv"
HOMES = [f"home-0{k}" for k in range(1, 7)]


# --- small changes of a folder ----------------------------------------------------------------------------------


def swap(file, old, new, encoding="utf-8"):
    """Replace the one occurrence of a text."""

    def edit(folder):
        text = (folder / file).read_text(encoding="utf-8")
        assert text.count(old) == 1, f"{file}: {old!r} stands there {text.count(old)} times"
        (folder / file).write_bytes(text.replace(old, new).encode(encoding))

    return edit


def put(file, content):
    return lambda folder: (folder / file).write_bytes(content)


def gone(file):
    return lambda folder: (folder / file).unlink()


def both(*edits):
    def edit(folder):
        for one in edits:
            one(folder)

    return edit


def column(file, label, name, cells):
    """Insert a column after the label in every row."""

    def edit(folder):
        lines = (folder / file).read_text(encoding="utf-8").splitlines()
        first = next(n for n, line in enumerate(lines) if line.startswith(f"{label},"))
        new = [name, *cells, *[""] * (len(lines) - first - 1 - len(cells))]
        for n, cell in enumerate(new, first):
            head, tail = lines[n].split(",", 1)
            lines[n] = f"{head},{cell},{tail}"
        (folder / file).write_text("\n".join(lines) + "\n", encoding="utf-8")

    return edit


def measured(change=lambda rows: rows, options="", start="2020-08-19"):
    """Take demand from a file of 24 hours at 0.5 kW, changed, instead of from persons."""

    def edit(folder):
        stamps = np.datetime64(start, "m") + np.arange(24) * np.timedelta64(60, "m")
        rows = change([["time", *HOMES], *([str(s), *["0.5"] * 6] for s in stamps)])
        (folder / DEMAND).write_text("".join(",".join(row) + "\n" for row in rows), encoding="utf-8")
        series = f"series:\n  demand: {{path: {DEMAND}{options}}}\n\ntariffs:\n"
        swap(YAML, "\ntariffs:\n", f"\n{series}")(folder)
        people = (folder / PEOPLE).read_text(encoding="utf-8")
        people = re.sub(r"^(home-\d+,bank-\d),\d", r"\1,", people, flags=re.MULTILINE)
        (folder / PEOPLE).write_text(people, encoding="utf-8")

    return edit


def cell(row, place, text):
    def change(rows):
        rows[row - 1][place] = text
        return rows

    return change


def without(row):
    return lambda rows: rows[: row - 1] + rows[row:]


def pacific(day):
    return both(swap(YAML, "2020-08-19 # a Wednesday", day), swap(YAML, "Asia/Tokyo", "America/Los_Angeles"))


BOMB = "a: &a [0, 0, 0, 0, 0, 0, 0, 0, 0]\n" + "".join(
    f"{here}: &{here} [{', '.join([f'*{before}'] * 9)}]\n"
    for before, here in zip("abcdefg", "bcdefgh", strict=True)
)
ONE_TARIFF_WRONG = column(PEOPLE, "participant", "tariff", ["standart"])
TWO_OFFSETS = swap(TRIPS, "phev-05,2020-08-19T10:00", "phev-05,2020-08-19T10:00+09:00")
CYCLE = both(
    swap(NODES, "bank-1,substation", "bank-1,bank-2"), swap(NODES, "bank-2,substation", "bank-2,bank-1")
)
WEATHER = "source: file\n  path: w.csv"

CASES = {
    # the scenario file: keys
    "unknown key": (swap(YAML, "seed: 1\n", "sede: 1\n"),
        "scenario.yaml:7: sede: got an unknown key 'sede' (did you mean 'seed'?), want one of schema_version, name"),
    "unknown key inside": (swap(YAML, "  days: 1\n", "  dys: 1\n"),
        "scenario.yaml:11: time.dys: got an unknown key 'dys' (did you mean 'days'?), want one of start, days"),
    "another unit in a key": (swap(YAML, "slot_minutes: 60", "slot_hours: 1"),
        "scenario.yaml:12: time.slot_hours: got an unknown key 'slot_hours' (did you mean 'slot_minutes'?), want one"),
    "a key twice": (swap(YAML, "seed: 1\n", "seed: 1\nname: other\n"),
        "scenario.yaml:8: name: got the key twice (first on line 4), want it once"),
    "no name": (swap(YAML, "name: six-kinds\n", ""),
        "scenario.yaml:3: name: got nothing, want letters, digits, . _ -; names the folder of the results"),
    "a name that is a path": (swap(YAML, "name: six-kinds\n", "name: ../six\n"),
        "scenario.yaml:4: name: got '../six', want letters, digits"),
    "another schema version": (swap(YAML, "schema_version: 1", "schema_version: 2"),
        "scenario.yaml:3: schema_version: got 2, want 1"),
    # the scenario file: values
    "slot does not divide the day": (swap(YAML, "slot_minutes: 60", "slot_minutes: 50"),
        "scenario.yaml:12: time.slot_minutes: got 50, want a divisor of 1440 minutes"),
    "slot does not divide a short day": (both(pacific("2021-03-14"), swap(YAML, "slot_minutes: 60", "slot_minutes: 120"),
                                              put(TRIPS, b"vehicle,departure,arrival,distance_km\n")),
        "scenario.yaml:12: time.slot_minutes: got 120, want a divisor of the horizon's 23 hours"),
    "a slot that is not whole": (swap(YAML, "slot_minutes: 60", "slot_minutes: 7.5"),
        "scenario.yaml:12: time.slot_minutes: got 7.5, want a whole number"),
    "a day that does not exist": (swap(YAML, "start: 2020-08-19", "start: 2020-02-30"),
        "scenario.yaml:10: time.start: got '2020-02-30', want a day like 2020-08-19"),
    "no days": (swap(YAML, "days: 1", "days: 0"), "scenario.yaml:11: time.days: got 0, want"),
    "unknown time zone": (swap(YAML, "Asia/Tokyo", "Asia/Tokio"),
        "scenario.yaml:13: time.time_zone: got 'Asia/Tokio', want a time zone such as 'Asia/Tokyo', 'UTC' or '-08:00' "
        "(did you mean 'Asia/Tokyo'?)"),
    "text for a number": (swap(YAML, "latitude_deg: 35.17", "latitude_deg: north"),
        "scenario.yaml:16: site.latitude_deg: got 'north', want a number"),
    "beyond the pole": (swap(YAML, "latitude_deg: 35.17", "latitude_deg: 95"),
        "scenario.yaml:16: site.latitude_deg: got 95, want"),
    "a decimal comma": (swap(YAML, "price_per_litre: 135.5", "price_per_litre: 135,5"),
        "scenario.yaml:53: fuel.price_per_litre: got '135,5', want a number"),
    "a price that is no number": (swap(YAML, "price_per_kwh: 26.48", "price_per_kwh: .nan"),
        "scenario.yaml:33: tariffs.standard.energy.price_per_kwh: got nan, want a finite number"),
    "an infinite price": (swap(YAML, "price_per_kwh: 26.48", "price_per_kwh: .inf"),
        "scenario.yaml:33: tariffs.standard.energy.price_per_kwh: got inf, want a finite number"),
    "unknown kind of tariff": (swap(YAML, "energy: {type: flat,", "energy: {type: flatt,"),
        "scenario.yaml:33: tariffs.standard.energy.type: got 'flatt' (did you mean 'flat'?), want one of flat, series"),
    "unknown currency": (swap(YAML, "currency: JPY", "currency: yen"),
        "scenario.yaml:6: currency: got 'yen', want three letters of ISO 4217"),
    "currency without a minor unit": (swap(YAML, "currency: JPY", "currency: XAU"),
        "scenario.yaml:6: currency: got 'XAU', want a currency of ISO 4217 that has a minor unit, such as JPY, EUR"),
    "negative access fee": (swap(YAML, "access_fee_per_kwh: 2.45", "access_fee_per_kwh: -2.45"),
        "scenario.yaml:43: fees.access_fee_per_kwh: got -2.45, want"),
    "negative fee of a level": (swap(YAML, "bank: 0.83", "bank: -0.83"),
        "scenario.yaml:45: fees.levels.bank: got -0.83, want"),
    "unknown weather": (swap(YAML, "source: surrogate", "source: surogate"),
        "scenario.yaml:21: weather.source: got 'surogate' (did you mean 'surrogate'?), want one of clear-sky, surrog"),
    "a weather file without path": (swap(YAML, "source: surrogate", "source: file"),
        "scenario.yaml:20: weather.path: got nothing, want a path where source is 'file', and only there"),
    "no weather file": (swap(YAML, "source: surrogate", WEATHER), "w.csv: file: got no such file"),
    "a weather file without a column": (
        both(swap(YAML, "source: surrogate", WEATHER), put("w.csv", b"time,ghi,dni,temp_air\n2019-01-01,0,0,1\n")),
        "w.csv:1: dhi: got the columns time, ghi, dni, temp_air, want a column 'dhi' in the header"),
    # the scenario file: text
    "a YAML bomb": (swap(YAML, "seed: 1\n", f"seed: 1\n{BOMB}"),
        "scenario.yaml:8: file: got aliases that unfold to more than 500000 values, want values written out"),
    "deep nesting": (swap(YAML, "seed: 1\n", f"seed: {'[' * 60}{']' * 60}\n"),
        "scenario.yaml:7: file: got more than 40 levels of nesting, want a scenario of a few levels"),
    "no YAML": (swap(YAML, "seed: 1\n", "seed: [1\n"),
        "scenario.yaml:9: file: got did not find expected ',' or ']', want valid YAML"),
    "a tag that would run code": (swap(YAML, "seed: 1\n", "seed: !!python/name:os.getcwd 1\n"),
        "scenario.yaml:7: seed: got the tag 'tag:yaml.org,2002:python/name:os.getcwd', want a plain value"),
    "an empty scenario": (put(YAML, b""), "scenario.yaml: file: got an empty file, want a scenario"),
    "a scenario of comments": (put(YAML, b"# later\n"), "scenario.yaml: file: got an empty file, want a scenario"),
    "a list for a scenario": (put(YAML, b"- name: x\n"), "scenario.yaml:1: file: got a list, want keys such as name"),
    "control characters": (put(YAML, "# 家\nname: \x00\x01\n".encode()),
        "scenario.yaml:2: file: got the control character U+0000, want text that can be printed"),
    "a scenario in cp932": (swap(YAML, "seed: 1\n", "seed: 1 # 東京\n", "cp932"),
        "scenario.yaml:7: encoding: got the byte 0x93, want text in UTF-8"),
    # tables: files
    "no table": (gone(BATTERIES), "batteries.csv: file: got no such file or directory, want a readable CSV file"),
    "an empty table": (put(PEOPLE, b""), "participants.csv: file: got an empty file, want a header and rows"),
    "a table in cp932": (swap(PEOPLE, "home-01", "東京", "cp932"),
        "participants.csv:3: encoding: got bytes that are not utf-8, want text in utf-8 (or encoding: cp932"),
    "a row that is too short": (swap(PEOPLE, "home-01,bank-1,2,,,", "home-01,bank-1,2"),
        "participants.csv:3: row: got 3 cells, want 6, as in the header"),
    "a column twice": (swap(PEOPLE, "pv_kw,pv_tilt_deg", "pv_kw,pv_kw"),
        "participants.csv:2: pv_kw: got 2 columns 'pv_kw', want one"),
    "an unknown column": (swap(BATTERIES, "wear_cost_per_kwh", "wear_cost"),
        "batteries.csv:2: wear_cost: got an unknown column 'wear_cost' (did you mean 'wear_cost_per_kwh'?), want one"),
    "a column that is missing": (swap(BATTERIES, "battery,owner,capacity_kwh,", "battery,owner,min_energy_kwh,"),
        "batteries.csv:2: capacity_kwh: got no such column, want most energy that it holds"),
    "a label column of another name": (swap(PEOPLE, "participant,node", "participants,node"),
        "participants.csv:2: participants: got an unknown column 'participants' (did you mean 'participant'?), want"),
    "no label column": (put(PEOPLE, b"node,persons\nbank-1,2\nbank-1,3\n"),
        "participants.csv:1: participant: got no such column, want unique label"),
    "a header alone": (put(PEOPLE, b"participant,node,persons\n"),
        "scenario.yaml:24: tables.participants: got no rows, want at least one (homes and businesses)"),
    "a table cut elsewhere": (
        put(PEOPLE, b"participant;node;persons\nhome-01;bank-1;2\nhome-02;bank-1;2\n"),
        "participants.csv:1: separator: got one column, cut at ',', want columns (separator: ';'?)"),
    "vehicles cut elsewhere": (put(CARS, b"vehicle\towner\nphev-02\thome-02\n"),
        "vehicles.csv:1: separator: got one column, cut at ',', want columns (separator: '\\t'?)"),
    "a column of demand of another name": (swap(PEOPLE, "node,persons,", "node,person,"),
        "participants.csv:2: person: got an unknown column 'person' (did you mean 'persons'?), want one of"),
    "a column of trips of another name": (swap(TRIPS, ",distance_km,", ",distance,"),
        "trips.csv:2: distance: got an unknown column 'distance' (did you mean 'distance_km'?), want one of"),
    "a column of nodes of another name": (swap(NODES, "node,parent,level", "node,parent,levels"),
        "nodes.csv:2: levels: got an unknown column 'levels' (did you mean 'level'?), want one of"),
    "a row without its label": (swap(PEOPLE, "home-04,bank-2", ",bank-2"),
        "participants.csv:6: participant: got nothing, want unique label"),
    "an encoding that is none": (
        swap(YAML, "batteries: batteries.csv", "batteries: {path: batteries.csv, encoding: utf-9}"),
        "scenario.yaml:25: tables.batteries.encoding: got 'utf-9', want an encoding such as utf-8 or cp932"),
    # tables: labels
    "a label twice": (swap(PEOPLE, "home-01,bank-1", "home-03,bank-1"),
        "participants.csv:5: participant: got 'home-03' again (first in row 3), want a label that occurs once"),
    "unknown node": (swap(PEOPLE, "home-04,bank-2", "home-04,bank-3"),
        "participants.csv:6: node: got 'bank-3', want a label of nodes (did you mean 'bank-2'?)"),
    "unknown tariff": (ONE_TARIFF_WRONG,
        "participants.csv:3: tariff: got 'standart', want a label of tariffs (did you mean 'standard'?)"),
    "unknown owner": (swap(BATTERIES, "battery-06,home-06", "battery-06,home-07"),
        "batteries.csv:4: owner: got 'home-07', want a label of participants (did you mean 'home-06'?)"),
    "unknown vehicle": (swap(TRIPS, "phev-05,", "phev-5,"),
        "trips.csv:5: vehicle: got 'phev-5', want a label of vehicles (did you mean 'phev-05'?)"),
    "unknown host": (swap(TRIPS, "15:30,9,home-03", "15:30,9,home-3"),
        "trips.csv:6: destination: got 'home-3', want a label of participants (did you mean 'home-03'?)"),
    "unknown pattern": (column(CARS, "vehicle", "pattern", ["", "", "comuter"]),
        "vehicles.csv:8: pattern: got 'comuter' (did you mean 'commuter'?), want one of commuter, errand, business"),
    # tables: numbers
    "nobody at home": (swap(PEOPLE, "home-02,bank-1,4", "home-02,bank-1,0"),
        "participants.csv:4: persons: got '0', want"),
    "persons in words": (swap(PEOPLE, "home-02,bank-1,4", "home-02,bank-1,four"),
        "participants.csv:4: persons: got 'four', want a whole number"),
    "demand from nowhere": (swap(PEOPLE, "home-02,bank-1,4", "home-02,bank-1,"),
        "participants.csv:4: persons: got nothing, want persons or demand_column"),
    "a steep roof": (swap(PEOPLE, "4.0,20,180", "4.0,120,180"), "participants.csv:5: pv_tilt_deg: got '120', want"),
    "efficiency 0": (swap(BATTERIES, "9.8,4.0,3.0,3.0,0.95,0.95", "9.8,4.0,3.0,3.0,0,0.95"),
        "batteries.csv:4: charge_efficiency: got '0', want more than 0"),
    "efficiency 1.2": (swap(BATTERIES, "9.8,4.0,3.0,3.0,0.95,0.95", "9.8,4.0,3.0,3.0,0.95,1.2"),
        "batteries.csv:4: discharge_efficiency: got '1.2', want at most 1"),
    "NaN": (swap(BATTERIES, "home-04,6.5", "home-04,NaN"),
        "batteries.csv:3: capacity_kwh: got 'NaN', want a finite number"),
    "a battery of a milliwatt-hour": (swap(BATTERIES, "home-04,6.5", "home-04,1e-6"),
        "batteries.csv:3: capacity_kwh: got '1e-6', want at least 0.001"),
    "a charger of a microwatt": (swap(CARS, "phev-05,home-05,8.8,2.3,5.0,3.2", "phev-05,home-05,8.8,2.3,5.0,1e-9"),
        "vehicles.csv:7: charge_limit_kw: got '1e-9', want 0, or at least 0.001"),
    "persons with an underscore": (swap(PEOPLE, "home-02,bank-1,4", "home-02,bank-1,1_0"),
        "participants.csv:4: persons: got '1_0', want a whole number"),
    "least energy above the capacity": (swap(CARS, "home-05,8.8,2.3", "home-05,8.8,9.3"),
        "vehicles.csv:7: min_energy_kwh: got '9.3', want at most capacity_kwh"),
    "negative charger": (swap(CARS, "phev-05,home-05,8.8,2.3,5.0,3.2", "phev-05,home-05,8.8,2.3,5.0,-3.2"),
        "vehicles.csv:7: charge_limit_kw: got '-3.2', want"),
    "a car that goes nowhere": (swap(CARS, "home-05,8.8,2.3,5.0,3.2,0,0.90,0.95,0,10.54",
                                     "home-05,8.8,2.3,5.0,3.2,0,0.90,0.95,0,0"),
        "vehicles.csv:7: electric_economy_km_per_kwh: got '0', want more than 0"),
    "a minimum above the charger": (column(CARS, "vehicle", "min_charge_kw", ["", "4"]),
        "vehicles.csv:7: min_charge_kw: got '4', want at most charge_limit_kw"),
    # tables: trips
    "trips that overlap": (swap(TRIPS, "phev-02,2020-08-19T17:30", "phev-02,2020-08-19T08:00"),
        "trips.csv:4: departure: got a departure before 'phev-02' arrives from the trip before (row 3), want trips one"),
    "departure after arrival": (swap(TRIPS, "phev-05,2020-08-19T10:00", "phev-05,2020-08-19T12:00"),
        "trips.csv:5: arrival: got '2020-08-19T11:45', want an arrival after the departure"),
    "a time without a day": (swap(TRIPS, "phev-05,2020-08-19T10:00", "phev-05,10:00"),
        "trips.csv:5: departure: got '10:00', want a time like 2020-08-19T07:30 or 2020-08-19T07:30+09:00"),
    "hour 25": (swap(TRIPS, "phev-05,2020-08-19T10:00", "phev-05,2020-08-19T25:00"),
        "trips.csv:5: departure: got '2020-08-19T25:00', want a time like"),
    "one offset of two": (TWO_OFFSETS,
        "trips.csv:5: arrival: got '2020-08-19T11:45', want both times with a UTC offset, or neither"),
    "a negative distance": (swap(TRIPS, "11:45,24", "11:45,-24"), "trips.csv:5: distance_km: got '-24', want"),
    "no distance": (swap(TRIPS, "11:45,24", "11:45,"),
        "trips.csv:5: distance_km: got nothing, want one of distance_km and energy_kwh"),
    "trips of a car that has a pattern": (column(CARS, "vehicle", "pattern", ["", "errand"]),
        "trips.csv:5: vehicle: got 'phev-05', want a vehicle without a pattern (its trips are generated)"),
    "a trip at a time that the clock skips": (
        both(pacific("2021-03-14"), put(TRIPS, b"vehicle,departure,arrival,distance_km\n"
                                        b"phev-05,2021-03-14T02:30,2021-03-14T03:30,9\n")),
        "trips.csv:2: departure: got 2021-03-14T02:30, want a time that the clock of America/Los_Angeles shows"),
    # tables: the fee tree
    "a cycle": (CYCLE, "nodes.csv:4: parent: got a cycle bank-1 > bank-2 > bank-1, want a tree"),
    "a node that is its own parent": (swap(NODES, "bank-1,substation", "bank-1,bank-1"),
        "nodes.csv:4: parent: got a cycle bank-1 > bank-1, want a tree"),
    "two roots": (swap(NODES, "bank-1,substation,bank", "bank-1,,"),
        "nodes.csv:4: parent: got a second root beside 'substation', want one node whose"),
    "unknown parent": (swap(NODES, "bank-1,substation", "bank-1,substaton"),
        "nodes.csv:4: parent: got 'substaton', want a label of nodes (did you mean 'substation'?)"),
    "an edge without level": (swap(NODES, "bank-1,substation,bank", "bank-1,substation,"),
        "nodes.csv:4: level: got nothing, want level of the edge to the parent (by-level)"),
    "a level without fee": (swap(NODES, "bank-1,substation,bank", "bank-1,substation,street"),
        "nodes.csv:4: level: got 'street', want a key of fees.levels"),
    "a negative limit": (column(NODES, "node", "limit_kw", ["", "-1"]), "nodes.csv:4: limit_kw: got '-1', want"),
    # series
    "negative demand": (measured(cell(5, 3, "-0.5")), "demand.csv:5: home-03: got -0.5 kW, want at least 0"),
    "a missing slot": (measured(without(9)),
        "demand.csv:8: time: got no readings from 2020-08-19T07:00 to 2020-08-19T08:00 "
        "(2020-08-18T22:00 to 2020-08-18T23:00 UTC), want a reading"),
    "a missing end": (measured(without(25)),
        "demand.csv:24: time: got no readings from 2020-08-19T23:00 to 2020-08-20T00:00 "
        "(2020-08-19T14:00 to 2020-08-19T15:00 UTC), want a reading every 60"),
    "NaN in a series": (measured(cell(5, 3, "NaN")), "demand.csv:5: home-03: got no value, want a number"),
    "a blank in a series": (measured(cell(5, 3, "")), "demand.csv:5: home-03: got no value, want a number"),
    "text in a series": (measured(cell(5, 3, "off")), "demand.csv:5: home-03: got 'off', want a number"),
    "a decimal comma in a series": (measured(cell(5, 3, '"0,5"')),
        "demand.csv:5: home-03: got '0,5', want a number with the decimal mark '.' (decimal: ','?)"),
    "a series without a column": (measured(cell(1, 6, "home-6")),
        "demand.csv:1: home-06: got the columns time, home-01, home-02, home-03, home-04, home-05, home-6, want "
        "a column 'home-06' in the header (did you mean 'home-6'?)"),
    "a series without its times": (measured(options=", time_column: date"),
        "demand.csv:1: date: got the columns time, home-01"),
    "another separator": (measured(options=", separator: ';'"),
        "demand.csv:1: separator: got one column, cut at ';', want columns (separator: ','?)"),
    "another encoding": (both(measured(), swap(DEMAND, "home-06", "東京", "cp932")),
        "demand.csv:1: encoding: got bytes that are not utf-8, want text in utf-8 (or encoding: cp932"),
    "a time twice": (measured(cell(6, 0, "2020-08-19T03:00")),
        "demand.csv:6: time: got the time of row 5 again, want each time once"),
    "another year": (measured(start="2019-08-19"),
        "demand.csv: time: got readings from 2019-08-19T00:00 to 2019-08-20T00:00 "
        "(2019-08-18T15:00 to 2019-08-19T15:00 UTC), want readings for 2020"),
    "48 half-hours on a day of 46": (both(measured(start="2021-03-14"), pacific("2021-03-14")),
        "demand.csv:4: time: got 2021-03-14T02:00, want a time that the clock of America/Los_Angeles shows"),
    "48 half-hours on a day of 50": (both(measured(start="2021-11-07"), pacific("2021-11-07")),
        "demand.csv:3: time: got no readings from 2021-11-07T01:00 to 2021-11-07T02:00 "
        "(2021-11-07T09:00 to 2021-11-07T10:00 UTC), want a reading every 60"),
    "an empty series": (both(measured(), put(DEMAND, b"")),
        "demand.csv: file: got an empty file, want a header and rows"),
    "no series": (both(measured(), gone(DEMAND)), "demand.csv: file: got no such file"),
    "wrong unit": (measured(options=", unit: kwh"),
        "scenario.yaml:31: series.demand.unit: got 'kwh' (did you mean 'kWh'?), want one of kW, kWh"),
    "wrong stamp": (measured(options=", stamp: begin"),
        "scenario.yaml:31: series.demand.stamp: got 'begin', want one of start, middle, end"),
    "unknown time zone of a series": (measured(options=", time_zone: Asia/Tokio"),
        "scenario.yaml:31: series.demand.time_zone: got 'Asia/Tokio', want a time zone such as"),
    "unknown encoding of a series": (measured(options=", encoding: utf-9"),
        "scenario.yaml:31: series.demand.encoding: got 'utf-9', want an encoding such as utf-8 or cp932"),
    "a decimal mark that separates": (measured(options=", decimal: ','"),
        "scenario.yaml:31: series.demand.decimal: got ',', want another mark than the separator ','"),
    "a price file without column": (swap(YAML, "{type: flat, price_per_kwh: 26.48}", "{type: series, path: p.csv}"),
        "scenario.yaml:33: tariffs.standard.energy.column: got nothing, want column of the prices"),
    "no price file": (swap(YAML, "{type: flat, price_per_kwh: 26.48}", "{type: series, path: p.csv, column: spot}"),
        "p.csv: file: got no such file or directory, want a readable"),
    "a constant beside a file": (
        swap(YAML, "  grid_kg_per_kwh: 0.500\n", "  grid_kg_per_kwh: 0.500\n  grid: {path: c.csv, column: mix}\n"),
        "scenario.yaml:49: carbon.grid_kg_per_kwh: got 0.5, want one of grid_kg_per_kwh and grid (a file)"),
    "PV from no file": (column(PEOPLE, "participant", "pv_column", ["roof"]),
        "participants.csv:3: pv_column: got 'roof', want a file in series.pv"),
}  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    return Path(shutil.copytree(SIX_KINDS, tmp_path / "six"))


def clear(folder, *options):
    """Return the exit code and the lines of stderr of a clearing, with the folder's path taken off."""
    where = [str(folder / YAML), "-o", str(folder / "out" / "run.nc"), "--ledger", str(folder / "ledger")]
    result = CliRunner().invoke(main, ["clear", *where, *options])
    return result.exit_code, result.stderr.replace(f"{folder}/", "").splitlines()


def nothing_written(folder, before):
    return sorted(p.name for p in folder.iterdir()) == before


@pytest.mark.parametrize(("edit", "expected"), CASES.values(), ids=CASES)
def test_a_malformed_scenario_gets_one_clear_message_and_writes_nothing(folder, edit, expected):
    edit(folder)
    before = sorted(p.name for p in folder.iterdir())
    code, lines = clear(folder)
    assert len(lines) == 2, lines
    assert lines[0][: len(expected)] == expected
    assert lines[1] == "otonari: 1 problem, nothing was done"
    assert code == 2
    assert nothing_written(folder, before)


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        (
            "tiem.days=2",
            "--set tiem.days=2: tiem: got an unknown key 'tiem' (did you mean 'time'?), want one of",
        ),
        ("time.days", "--set time.days: override: got 'time.days', want key.path=value"),
        ("time.days=many", "--set time.days=many: time.days: got 'many', want a whole number"),
        ("tables.batteries.battery-07.owner=home-01", "--set tables.batteries.battery-07.owner=home-01: "),
        (
            "tables.batteries.battery-06.charge_efficiency=0",
            "--set tables.batteries.battery-06.charge_efficiency=0: ",
        ),
    ],
)
def test_an_override_that_cannot_be_is_refused(folder, override, expected):
    before = sorted(p.name for p in folder.iterdir())
    code, lines = clear(folder, "--set", override)
    assert code == 2
    assert len(lines) == 2
    assert lines[0].startswith(expected)
    assert nothing_written(folder, before)


def test_an_unknown_scenario_is_refused_with_the_known_ones(tmp_path):
    result = CliRunner().invoke(main, ["clear", "six-kind", "-o", str(tmp_path / "run.nc")])
    assert result.exit_code == 2
    assert result.stderr.startswith(
        "six-kind: scenario: got no file or bundled scenario of this name, want a file"
    )
    assert "(did you mean 'six-kinds'?)" in result.stderr
    assert list(tmp_path.iterdir()) == []


SEVERAL = (
    "unknown key",
    "unknown owner",
    "departure after arrival",
    "negative demand",
    "efficiency 1.2",
    "a missing slot",
)


@pytest.mark.parametrize("command", ["clear", "validate"])
def test_problems_of_all_files_are_listed_at_once(folder, command):
    def broken(rows):
        return without(9)(cell(5, 3, "-0.5")(rows))

    measured(broken)(folder)
    broken_files = ("unknown key", "departure after arrival", "an edge without level")
    for name in broken_files:
        CASES[name][0](folder)
    if command == "clear":
        code, lines = clear(folder)
    else:
        result = CliRunner().invoke(main, ["validate", str(folder / YAML)])
        code, lines = result.exit_code, result.stderr.replace(f"{folder}/", "").splitlines()
    names = list(broken_files)
    if command == "validate":  # reads the data as well, as far as the scenario lets them be found
        names += ["negative demand", "a missing slot"]
    assert code == 2
    for name in names:
        assert any(line.startswith(CASES[name][1]) for line in lines), name


@pytest.mark.parametrize("edit", [lambda folder: None, measured()], ids=["as bundled", "measured"])
def test_what_the_cases_start_from_clears(folder, edit):
    edit(folder)
    code, _ = clear(folder)
    assert code == 0
    assert (folder / "out" / "run.nc").exists()
    assert any((folder / "ledger").iterdir())
