"""Nothing is Japanese in silence: the sun, the money and the clock of a community elsewhere are said."""

import json

import numpy as np
import pytest

from otonari.data.assembly.by_region import outline
from otonari.data.assembly.inputs import build_inputs, problems
from otonari.data.loading.scenario import digest, effective, load_scenario


def scenario(zone, row=None, **more):
    return {
        "schema_version": 1,
        "name": "place",
        "currency": "EUR",
        "time": {"start": "2026-06-21", "slot_minutes": 30, "time_zone": zone},
        "weather": {"source": "clear-sky"},
        "tables": {"participants": [{"participant": "S", "persons": 2, "pv_kw": 5, **(row or {})}]},
        "tariffs": {"std": {"energy": {"type": "flat", "price_per_kwh": 0.3}}},
        "fees": {"method": "by-level"},
        **more,
    }


@pytest.mark.parametrize(
    ("zone", "place", "noon"),
    [("Europe/Berlin", (52.5, 13.37), 13), ("Australia/Sydney", (-33.87, 151.22), 12)],
)
def test_a_site_left_out_is_that_of_the_zone_and_said(zone, place, noon):
    """The sun stands highest at 13:07 in Berlin's summer time, and at 11:55 in Sydney's winter."""
    loaded = load_scenario(scenario(zone))
    assert (loaded.site.latitude_deg, loaded.site.longitude_deg) == place
    inputs = build_inputs(loaded)
    pv = inputs["pv_available"].values[0]
    middle = float((np.arange(48) / 2 + 0.25) @ pv / pv.sum())
    assert middle == pytest.approx(noon, abs=0.3)
    note = f"site: none is given; the sun is that of the place of {zone} {place}"
    assert json.loads(inputs.attrs["notes"]) == [note]
    assert digest(load_scenario(effective(loaded))) == digest(loaded)


def test_a_zone_without_a_place_needs_a_site():
    (problem,) = problems(scenario("+01:00"))
    assert (problem.field, problem.got) == ("site", "nothing, and the time zone '+01:00' has no place")
    assert problems(scenario("+01:00", {"pv_kw": None})) == []
    assert problems(scenario("+01:00", site={"latitude_deg": 52, "longitude_deg": 13})) == []


def test_a_site_that_matters_to_nothing_is_left_as_it_was():
    """Digests of communities without PV hold; south of the equator the seasons of demand are those of the place."""
    assert load_scenario(scenario("Europe/Berlin", {"pv_kw": None})).site.place_of is None
    assert load_scenario(scenario("Australia/Sydney", {"pv_kw": None})).site.place_of == "Australia/Sydney"


def test_a_sun_far_from_the_clock_is_noted():
    given = scenario("Europe/Berlin", site={"latitude_deg": 35.17, "longitude_deg": 138.91})
    want = "site: the sun of (35.17, 138.91) is +9.3 h from UTC, the clock of Europe/Berlin +1 h"
    assert json.loads(build_inputs(load_scenario(given)).attrs["notes"]) == [want]


def test_money_has_no_country_by_default():
    given = scenario("Europe/London")
    del given["currency"]
    (problem,) = problems(given)
    assert (problem.field, problem.got, problem.want) == (
        "currency",
        "nothing",
        "three letters of ISO 4217 (GBP?)",
    )
    given["time"]["time_zone"] = "Asia/Tokyo"
    assert load_scenario(given).currency == "JPY"


def test_a_scenario_read_piece_by_piece_has_the_same_sun(tmp_path):
    import yaml

    path = tmp_path / "s.yaml"
    path.write_text(yaml.safe_dump(scenario("Europe/Berlin")))
    assert outline(str(path)).hash == digest(load_scenario(path))
    later = ["tables.participants.S.pv_kw="]
    path.write_text(yaml.safe_dump(scenario("Europe/Berlin", {"pv_kw": 3})))
    assert outline(str(path), ["tables.participants.S.pv_kw=4"]).hash == digest(
        load_scenario(path, ["tables.participants.S.pv_kw=4"])
    )
    assert load_scenario(path, later).site.place_of is None
