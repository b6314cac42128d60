"""Charging sessions as trips: a vehicle is away between them, and each trip took what the next session charged."""

import numpy as np
import pytest

from otonari.data.assembly.inputs import build_inputs
from otonari.data.loading.scenario import digest, effective, load_scenario
from otonari.data.problems import InputError
from otonari.data.series.presets import PRESETS

EVCC = """Created,Finished,Loadpoint,Identifier,Vehicle,Odometer (km),Meter Start (kWh),Meter Stop (kWh),Energy (kWh)
2025-01-15 07:00:00,2025-01-15 09:30:00,Garage,,Mini,,100,105,5.0
2025-01-15 12:00:00,2025-01-15 18:00:00,Garage,,Mini,,105,113,8.0
2025-01-16 20:00:00,2025-01-17 07:00:00,Garage,,Mini,,113,123,10.0
2025-01-15 13:00:00,2025-01-15 14:00:00,Garage,,Gast,,113,114,1.0
"""
ACN = """_id,sessionID,stationID,userID,connectionTime,disconnectTime,doneChargingTime,kWhDelivered,timezone
1,s1,st,u1,"Wed, 15 Jan 2025 06:00:00 GMT","Wed, 15 Jan 2025 08:30:00 GMT",,5.0,Europe/Berlin
2,s2,st,u1,"Wed, 15 Jan 2025 11:00:00 GMT","Wed, 15 Jan 2025 17:00:00 GMT",,8.0,Europe/Berlin
"""
OCPP = """transactionId,connectorId,idTag,startTimestamp,meterStart,stopTimestamp,meterStop
1,1,u1,2025-01-15T06:00:00Z,100000,2025-01-15T08:30:00Z,105000
2,1,u1,2025-01-15T11:00:00Z,105000,2025-01-15T17:00:00Z,113000
"""
EVCC_DE = (
    EVCC.replace("Created,Finished", "Startzeit,Endzeit")
    .replace("Vehicle", "Fahrzeug")
    .replace("Energy", "Energie")
)
SAMPLES = {"evcc": EVCC, "evcc-de": EVCC_DE, "acn-data": ACN, "ocpp": OCPP}


def scenario(path, **sessions):
    mini = {"vehicle": "Mini", "owner": "home", "capacity_kwh": 40, "charge_limit_kw": 11}
    return {
        "schema_version": 1,
        "name": "sessions",
        "currency": "EUR",
        "time": {"start": "2025-01-15", "slot_minutes": 30, "time_zone": "Europe/Berlin"},
        "weather": {"source": "clear-sky"},
        "tables": {
            "participants": [{"participant": "home", "persons": 2}],
            "vehicles": [{**mini, "electric_economy_km_per_kwh": 6, "charge_efficiency": 0.9}],
            "trips": {"path": str(path), "sessions": sessions},
        },
        "tariffs": {"std": {"energy": {"type": "flat", "price_per_kwh": 0.3}}},
        "fees": {"method": "by-level"},
    }


def written(tmp_path, text):
    path = tmp_path / "sessions.csv"
    path.write_text(text)
    return path


def problems(given):
    with pytest.raises(InputError) as caught:
        load_scenario(given)
    return [str(p).rpartition("/")[2] for p in caught.value.problems]


def test_every_preset_of_sessions_has_a_sample():
    assert set(SAMPLES) == {name for name, preset in PRESETS.items() if preset.kind == "sessions"}


@pytest.mark.parametrize("name", SAMPLES)
def test_sessions_become_trips_and_plug_times(tmp_path, name):
    """Away from midnight to 07:00 and from 09:30 to 12:00; 5 and 8 kWh charged at 90 % are 4.5 and 7.2 kWh driven."""
    path = written(tmp_path, SAMPLES[name])
    vehicles = {"Gast": "", "u1": "Mini"}
    loaded = load_scenario(scenario(path, preset=name, vehicles=vehicles))
    inputs = build_inputs(loaded)
    plugged = inputs["vehicle_host"].sel(vehicle="Mini").values == "home"
    expected = np.zeros(48, dtype=bool)
    expected[14:19] = expected[24:36] = True
    assert plugged.tolist() == expected.tolist()
    driven = inputs["trip_distance"].values / 6
    assert driven[:2] == pytest.approx([4.5, 7.2])
    assert digest(load_scenario(effective(loaded))) == digest(loaded)


def test_what_is_wrong_with_sessions_is_listed_at_once(tmp_path):
    text = EVCC.replace("2025-01-15 12:00:00", "2025-01-15 09:00:00").replace("10.0\n", "100.0\n")
    text += "noon,2025-01-18 09:30:00,Garage,,Mini,,1,1,5.0\n2025-01-19 09:00:00,2025-01-19 08:30:00,G,,Mini,,1,1,5.0\n"
    text += "2025-01-20 09:00:00,2025-01-20 09:30:00,G,,Mini,,1,1,\n2025-01-20 09:00:00,2025-01-20 09:30:00,G,,,,1,1,2\n"
    found = problems(scenario(written(tmp_path, text), preset="evcc", vehicles={"Gast": ""}))
    assert found == [
        "sessions.csv:3: connect: got 'Mini' plugged in again before row 2 ends, "
        "want sessions of a vehicle one after another",
        "sessions.csv:4: energy: got 100 kWh charged, 90 kWh of them stored, want at most capacity_kwh, 40",
        "sessions.csv:6: Created: got 'noon', want a time such as 2019-01-31T13:30",
        "sessions.csv:7: Finished: got 2025-01-19 08:30:00, not after Created 2025-01-19 09:00:00, want a later time",
        "sessions.csv:8: Energy (kWh): got no energy, want what was charged, at least 0",
        "sessions.csv:9: Vehicle: got nothing, want the name of a vehicle "
        '(or vehicles: {"": LABEL}, nothing to leave it out)',
    ]


def test_a_guest_must_be_a_vehicle_or_left_out(tmp_path):
    (found,) = {
        p.partition(": got")[2][:7] for p in problems(scenario(written(tmp_path, EVCC), preset="evcc"))
    }
    assert found == " 'Gast'"


def test_sessions_without_a_vehicle_are_given_to_one_or_left_out(tmp_path):
    """As a wallbox writes down that does not know who is there: the guest's hour at 13:00 is none of the car's."""
    path = written(tmp_path, EVCC.replace("Gast", ""))
    left = load_scenario(scenario(path, preset="evcc", vehicles={"": ""}))
    every = load_scenario(scenario(written(tmp_path, EVCC), preset="evcc", vehicles={"Gast": ""}))
    assert left.tables.trips == every.tables.trips
    path = written(tmp_path, EVCC.replace("Mini", "").replace("Gast", "guest"))
    named = load_scenario(scenario(path, preset="evcc", vehicles={"": "Mini", "guest": ""}))
    assert named.tables.trips == every.tables.trips


def test_columns_of_sessions_are_said_or_missing(tmp_path):
    path = written(tmp_path, EVCC)
    columns = {"vehicle": "Vehicle", "connect": "Created", "disconnect": "Finishd", "energy": "Energy (kWh)"}
    assert problems(scenario(path, **columns)) == [
        "sessions.csv:1: Finishd: got no such column, want a column of sessions (did you mean 'Finished'?)"
    ]
    del columns["energy"]
    assert (
        "want a column of the energy, or meter_start and meter_stop" in problems(scenario(path, **columns))[0]
    )
    given = scenario(path, preset="evcc")
    given["tables"]["batteries"] = given["tables"].pop("trips")
    assert "want a table of trips: tables.trips" in problems(given)[0]


def test_a_vehicle_plugged_in_again_at_once_was_not_away(tmp_path):
    text = "car,from,to,kWh\nMini,2025-01-15 07:00,2025-01-15 08:00,2\nMini,2025-01-15 08:00,2025-01-15 09:30,3\n"
    columns = {"vehicle": "car", "connect": "from", "disconnect": "to", "energy": "kWh"}
    trips = load_scenario(scenario(written(tmp_path, text), **columns)).tables.trips
    assert [t.energy_kwh for t in trips] == pytest.approx([4.5, 0.0])
