"""Readings of weather over slots: energy, shape and range."""

import numpy as np
import pandas as pd
import pytest

from otonari.data.problems import InputError
from otonari.data.series.readings import Readings
from otonari.data.series.weather import COLUMNS, spread

HOUR = np.timedelta64(1, "h")


def readings(ghi, air=20.0):
    ghi = np.asarray(ghi, dtype=float)
    starts = np.datetime64("2020-08-03", "ns") + np.arange(len(ghi)) * HOUR
    values = np.stack([ghi, ghi / 2, ghi / 2, np.full(len(ghi), air)])
    return Readings("F", COLUMNS, starts, 1.0, values, np.arange(len(ghi)) + 2)


def rising(moments):
    """Return a sky that brightens from minute to minute."""
    minutes = (moments - pd.Timestamp("2020-08-03")) / pd.Timedelta(minutes=1)
    return pd.DataFrame(dict.fromkeys(("ghi", "dni", "dhi"), np.asarray(minutes, dtype=float)), index=moments)


def halves(hours):
    times = pd.date_range("2020-08-03", periods=2 * hours, freq="30min")
    return times, np.full(len(times), 0.5)


def test_a_reading_takes_the_shape_of_the_clear_sky_and_keeps_its_energy():
    table = spread(readings([400.0, 600.0]), *halves(2), rising)
    # the sky's half-hours are 15 and 45 in the first hour, 75 and 105 in the second
    assert table["ghi"].tolist() == pytest.approx([200.0, 600.0, 500.0, 700.0])
    assert table["temp_air"].tolist() == [20.0] * 4
    assert table.attrs["notes"] == []


def test_small_negative_irradiance_is_zero_and_noted():
    table = spread(readings([-2.0, 600.0]), *halves(2), rising)
    assert table["ghi"].tolist()[:2] == [0.0, 0.0]
    assert table.attrs["notes"] == ["F: 3 small negative readings of irradiance are used as 0"]


def test_gaps_and_values_out_of_range_come_at_once():
    with pytest.raises(InputError) as caught:
        spread(readings([9999.0, 600.0], air=300.0), *halves(3), rising)
    texts = [str(problem) for problem in caught.value.problems]
    assert "F:2: ghi: got 9999, want between -20 and 1600 W/m2" in texts
    assert "F:2: temp_air: got 300, want between -90 and 70 C" in texts
    assert any("no readings from 2020-08-03T02:00 to 2020-08-03T03:00 UTC" in text for text in texts)
