"""Demand from tables: annual energy, day types, seasons, and variation that overlapping horizons share."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otonari.data.clock import slots
from otonari.data.generators import demand

from . import counts

TOKYO = "Asia/Tokyo"
YEAR = slots("2019-01-01", 365, 30, TOKYO)
MONDAY = slots("2020-08-03", 1, 30, TOKYO)
SUNDAY = slots("2020-08-02", 1, 30, TOKYO)


@pytest.mark.parametrize("persons", [1, 2, 3, 4, 5, 6, 9])
def test_a_year_holds_the_energy_of_the_table(persons):
    """2019 has one Tuesday more than 52 weeks: the sum differs from the table by a part in a thousand."""
    kwh = demand.household(YEAR, TOKYO, persons, seed=1, variation=0).sum() / 2
    assert kwh == pytest.approx(demand.ANNUAL_KWH[min(persons, 6) - 1], rel=2e-3)


def test_the_business_has_its_annual_energy():
    assert demand.business(YEAR, TOKYO, 30000.0, 1, variation=0).sum() / 2 == pytest.approx(30000, rel=2e-3)
    assert demand.business(YEAR, TOKYO, 30000.0, 1).sum() / 2 == pytest.approx(30000, rel=1e-2)


def test_variation_leaves_the_expectation():
    """400 homes of standard deviation 0.15 in level: the mean is within 4 standard errors, 3 %."""
    week = slots("2020-08-03", 7, 120, TOKYO)
    plain = demand.household(week, TOKYO, 3, 0, 2.0, variation=0).mean()
    means = [demand.household(week, TOKYO, 3, seed, 2.0).mean() for seed in range(400)]
    assert np.mean(means) == pytest.approx(plain, rel=0.03)
    assert np.std(means) / plain == pytest.approx(0.16, abs=0.03)


def test_homes_peak_in_the_evening_and_offices_at_work():
    home = demand.household(MONDAY, TOKYO, 3, 0, variation=0)
    office = demand.business(MONDAY, TOKYO, 30000, 0, variation=0)
    assert 36 <= home.argmax() < 44  # 18 to 22 h
    assert 18 <= office.argmax() < 34  # 9 to 17 h
    assert home.min() > 0
    assert office[:10].max() < 0.3 * office.max()


def test_weekends_are_the_local_calendar_s():
    """Sunday evening in UTC is Monday in Tokyo."""
    weekday, weekend = (demand.business(t, TOKYO, 30000, 0, variation=0) for t in (MONDAY, SUNDAY))
    assert weekday.sum() > 1.5 * weekend.sum()
    assert (
        demand.household(SUNDAY, TOKYO, 3, 0, variation=0)[24]
        > demand.household(MONDAY, TOKYO, 3, 0, variation=0)[24]
    )


def test_southern_homes_have_northern_ones_half_a_year_later():
    """3 August 2020 and 3 February 2020 are Mondays; February's few days shift the scale by a part in ten thousand."""
    february = slots("2020-02-03", 1, 30, TOKYO)
    north = demand.household(MONDAY, TOKYO, 3, 0, variation=0)
    south = demand.household(february, TOKYO, 3, 0, variation=0, southern=True)
    np.testing.assert_allclose(north, south, rtol=2e-4)
    assert abs(north - demand.household(february, TOKYO, 3, 0, variation=0)).max() > 0.05


@given(st.integers(0, 5), st.integers(1, 3), st.integers(0, 2**63))
@settings(max_examples=counts.examples(20), deadline=None)
def test_a_day_is_the_same_in_every_horizon(offset, days, seed):
    week = slots("2020-08-03", 8, 30, TOKYO)
    part = slots(f"2020-08-0{3 + offset}", days, 30, TOKYO)
    whole = demand.household(week, TOKYO, 3, seed)
    np.testing.assert_array_equal(
        whole[offset * 48 : (offset + days) * 48], demand.household(part, TOKYO, 3, seed)
    )


def test_seeds_and_homes_differ():
    first, second = (demand.household(MONDAY, TOKYO, 3, seed) for seed in (1, 2))
    assert (first != second).all()
    np.testing.assert_array_equal(first, demand.household(MONDAY, TOKYO, 3, 1))
    told, twice = (demand.household(MONDAY, TOKYO, 3, 1, annual_kwh=n * demand.ANNUAL_KWH[2]) for n in (1, 2))
    np.testing.assert_allclose(twice, 2 * told, rtol=1e-12)
    np.testing.assert_allclose(first / told, first[0] / told[0], rtol=1e-12)  # the level of a home alone


@pytest.mark.parametrize("seed", range(5))
def test_a_home_that_states_its_year_uses_it(seed):
    """Days and half-hours vary, by 10 and 35 %: a year's sum stays within 2 %, a home's level would add 15 %."""
    power = demand.household(YEAR, TOKYO, 3, seed, annual_kwh=5000.0)
    assert power.sum() / 2 == pytest.approx(5000.0, rel=0.02)
    assert np.std(power / demand.household(YEAR, TOKYO, 3, seed, annual_kwh=5000.0, variation=0)) > 0.2


@pytest.mark.parametrize(("minutes", "group"), [(60, 2), (120, 4)])
def test_longer_slots_are_means_of_half_hours(minutes, group):
    half = demand.household(MONDAY, TOKYO, 3, 7).reshape(-1, group).mean(axis=1)
    long = demand.household(slots("2020-08-03", 1, minutes, TOKYO), TOKYO, 3, 7, minutes / 60)
    np.testing.assert_allclose(long, half, rtol=1e-12)


def test_quarters_repeat_their_half_hour():
    half = demand.household(MONDAY, TOKYO, 3, 7)
    quarter = demand.household(slots("2020-08-03", 1, 15, TOKYO), TOKYO, 3, 7, 0.25)
    np.testing.assert_array_equal(quarter, np.repeat(half, 2))


@pytest.mark.parametrize(("day", "count"), [("2021-03-28", 46), ("2021-10-31", 50)])
def test_days_on_which_the_clock_changes(day, count):
    power = demand.household(slots(day, 1, 30, "Europe/Berlin"), "Europe/Berlin", 3, 0)
    assert power.shape == (count,)
    assert (power > 0).all()
