"""Prices worked out by hand."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otonari.data.assembly.prices import Window, flat, minute, tiered_average, time_of_use
from otonari.data.clock import slots

DAY = slots("2020-08-19", 1, 30, "Asia/Tokyo")  # a Wednesday


def test_flat_is_the_same_in_every_slot():
    assert flat(26.48, DAY).tolist() == [26.48] * 48


def test_a_night_window_crosses_midnight():
    prices = time_of_use(DAY, 30, "Asia/Tokyo", [Window(minute("23:00"), minute("07:00"), 20.78)], 32.14)
    assert prices[:14] == pytest.approx(20.78)  # 00:00 to 07:00
    assert prices[14:46] == pytest.approx(32.14)  # 07:00 to 23:00
    assert prices[46:] == pytest.approx(20.78)  # 23:00 to 24:00


def test_a_window_until_midnight_ends_there():
    prices = time_of_use(DAY, 30, "Asia/Tokyo", [Window(minute("22:00"), minute("24:00"), 1.0)], 2.0)
    assert prices.tolist() == [2.0] * 44 + [1.0] * 4


def test_a_weekday_night_reaches_into_saturday_and_none_into_monday():
    times = slots("2020-08-21", 4, 60, "Asia/Tokyo")  # Friday to Monday
    window = Window(minute("23:00"), minute("07:00"), 1.0, "weekdays")
    cheap = time_of_use(times, 60, "Asia/Tokyo", [window], 2.0).reshape(4, 24) == 1.0
    assert cheap[0].nonzero()[0].tolist() == [0, 1, 2, 3, 4, 5, 6, 23]  # Thursday's night, Friday's begins
    assert cheap[1].nonzero()[0].tolist() == [0, 1, 2, 3, 4, 5, 6]  # Friday's night ends on Saturday
    assert not cheap[2].any()  # Sunday
    assert cheap[3].nonzero()[0].tolist() == [23]  # Monday: Sunday had no night tariff


def test_weekend_windows_hold_on_saturday_and_sunday():
    times = slots("2020-08-21", 4, 720, "Asia/Tokyo")
    prices = time_of_use(times, 720, "Asia/Tokyo", [Window(0, 1440, 1.0, "weekends")], 2.0)
    assert prices.tolist() == [2, 2, 1, 1, 1, 1, 2, 2]


def test_the_first_window_decides():
    windows = [Window(600, 720, 1.0), Window(0, 1440, 2.0)]
    prices = time_of_use(DAY, 30, "Asia/Tokyo", windows, 9.0)
    assert prices.tolist() == [2.0] * 20 + [1.0] * 4 + [2.0] * 24


def test_a_window_that_cuts_a_slot_counts_by_its_minutes():
    # 10 minutes of the slot 07:00-07:30 at 4, 20 minutes at 1: (40 + 20) / 30 = 2
    prices = time_of_use(DAY, 30, "Asia/Tokyo", [Window(0, minute("07:10"), 4.0)], 1.0)
    assert prices[13:16] == pytest.approx([4.0, 2.0, 1.0])


def test_local_clock_on_a_day_that_springs_forward():
    times = slots("2021-03-28", 1, 60, "Europe/Berlin")  # 23 hours: 01:00 is followed by 03:00
    prices = time_of_use(times, 60, "Europe/Berlin", [Window(0, minute("03:00"), 1.0)], 2.0)
    assert prices.tolist() == [1.0] * 2 + [2.0] * 21


def test_tiers_of_a_month():
    # TEPCO before 2023: 120 x 19.88 + 180 x 26.48 + 100 x 30.57 = 10209.0, over 400 kWh 25.5225
    assert tiered_average(400, [120, 300], [19.88, 26.48, 30.57]) == pytest.approx(25.5225)
    assert tiered_average(100, [120, 300], [19.88, 26.48, 30.57]) == pytest.approx(19.88)
    assert tiered_average(120, [120, 300], [19.88, 26.48, 30.57]) == pytest.approx(19.88)


@given(st.floats(1, 1e4), st.lists(st.floats(1, 1e3), max_size=4), st.data())
def test_the_average_lies_between_the_cheapest_and_the_dearest_tier(monthly, widths, data):
    prices = data.draw(st.lists(st.floats(0, 100), min_size=len(widths) + 1, max_size=len(widths) + 1))
    average = tiered_average(monthly, np.cumsum(widths).tolist(), prices)
    assert min(prices) - 1e-9 <= average <= max(prices) + 1e-9


@settings(deadline=None)
@given(st.integers(0, 1439), st.integers(0, 1440), st.sampled_from([15, 20, 30, 60]))
def test_the_mean_over_a_day_is_that_of_the_minutes(start, end, length):
    times = slots("2020-08-19", 1, length, "Asia/Tokyo")
    prices = time_of_use(times, length, "Asia/Tokyo", [Window(start, end, 1.0)], 0.0)
    held = (end - start) % 1440 or 1440  # a window that ends where it starts lasts a day
    assert prices.mean() == pytest.approx((end - start if start < end else held) / 1440)


def test_times_must_be_utc():
    times = pd.date_range("2020-08-18 15:00", periods=2, freq="30min")  # 00:00 in Tokyo
    assert time_of_use(times, 30, "Asia/Tokyo", [Window(0, 30, 1.0)], 0.0).tolist() == [1.0, 0.0]
