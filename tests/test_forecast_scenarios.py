"""Paths around a forecast, and the few that stand for them."""

import itertools

import numpy as np
import pandas as pd
import pytest

from otonari.data.forecast.driving_course import Course
from otonari.data.forecast.driving_paths import PastDays, drawn_course
from otonari.data.forecast.interface import PowerHistory
from otonari.data.forecast.methods import METHODS, PROFILE
from otonari.data.forecast.power import profile_forecast
from otonari.data.forecast.scenarios import drawn, error_paths, fast_forward
from otonari.data.series.calendar import calendar

SIZE = 6  # slots of four hours


def history(days=12, seed=3):
    rng = np.random.default_rng(seed)
    shape = np.tile([0.2, 0.3, 0.8, 0.5, 1.2, 0.9], days)
    power = shape * np.exp(rng.normal(scale=0.3, size=(3, days * SIZE)))
    times = pd.date_range("2021-03-01", periods=days * SIZE, freq="4h")
    return PowerHistory("demand", power, calendar(times, 4.0, "UTC", "none"))


def test_errors_are_those_of_the_same_forecast_on_earlier_days():
    own, now = history(), 9 * SIZE + 2
    paths = error_paths(profile_forecast, own, now, SIZE, origins=5)
    assert paths.shape == (5, 3, SIZE)
    for k, error in enumerate(paths, start=1):
        begin = now - k * SIZE
        known = PowerHistory("demand", np.where(np.arange(72) < begin, own.power, 99.0), own.calendar)
        made = profile_forecast(known, begin, SIZE).mean
        assert error == pytest.approx(own.power[:, begin : begin + SIZE] - made)


@pytest.mark.parametrize("method", sorted(METHODS))
def test_errors_read_nothing_that_is_not_known(method):
    own, now = history(), 10 * SIZE
    other = PowerHistory("demand", np.where(np.arange(72) < now, own.power, -7.0), own.calendar)
    forecast = METHODS[method].forecast
    paths = error_paths(forecast, own, now, 2 * SIZE)
    assert np.array_equal(paths, error_paths(forecast, other, now, 2 * SIZE))
    assert error_paths(forecast, own, SIZE // 2, SIZE).shape == (0, 3, SIZE)
    assert 4 <= len(paths) <= 9  # two days must lie between
    assert method != PROFILE or np.abs(paths).max() > 0


def test_the_next_point_is_the_one_that_leaves_the_least_to_the_others():
    """Against the definition, one choice after another; the first is the best single one."""
    rng = np.random.default_rng(5)
    points, probability = rng.normal(size=(9, 4)), rng.dirichlet(np.ones(9))
    distance = np.linalg.norm(points[:, None] - points, axis=2)

    def left(chosen):
        return float(probability @ distance[:, list(chosen)].min(axis=1))

    chosen, likely = fast_forward(points, probability, 4)
    for n in range(4):
        before, rest = chosen[:n].tolist(), set(range(9)) - set(chosen[:n].tolist())
        assert left(chosen[: n + 1]) == pytest.approx(min(left([*before, u]) for u in rest))
    owner = distance[:, chosen].argmin(axis=1)
    assert likely == pytest.approx([probability[owner == k].sum() for k in range(4)])
    assert left(chosen) <= 1.3 * min(left(own) for own in itertools.combinations(range(9), 4))
    every, same = fast_forward(points, probability, 20)
    assert sorted(every.tolist()) == list(range(9))
    assert same == pytest.approx(probability[every])


def test_draws_are_as_many_as_their_weights_say():
    weights = np.array([0.5, 0.25, 0.125, 0.125])
    for seed in range(5):
        number = np.bincount(drawn(weights, 16, np.random.default_rng(seed)), minlength=4)
        assert (np.abs(number - 16 * weights) <= 1).all()
    assert drawn([1.0, 0.0], 4, np.random.default_rng(0)).tolist() == [0, 0, 0, 0]


def driven(days):
    """Return a car that is at home, leaves at slot 2 with 3 kWh or stays, and comes back at slot 4 (of six)."""
    place = np.zeros((1, len(days), SIZE), dtype=int)
    leaving = np.zeros((1, len(days), SIZE))
    for k, goes in enumerate(days):
        if goes:
            place[0, k, 2:4], leaving[0, k, 2] = -1, 3.0
    return PastDays(place, leaving, np.zeros(len(days) + 2, dtype=bool))


NO_ROUNDS = tuple(np.zeros(0, dtype=kind) for kind in (int, int, int, float))


def stays(place, slots):
    """Return the course of a car that stays plugged in at a place, and may leave with 2 kWh."""
    return Course(np.full((1, slots), place), *NO_ROUNDS, np.full((1, slots), 2.0), np.array([0.1]))


STAYS, REST = stays(0, SIZE), stays(0, 3)
HOME, AWAY = np.array([0]), np.array([-1])


def test_a_course_goes_like_a_past_day():
    rng = np.random.default_rng(1)
    course = drawn_course(driven([True]), np.arange(SIZE), HOME, HOME, STAYS, rng)
    assert course.place.tolist() == [[0, 0, -1, -1, 0, 0]]
    assert [course.departs.tolist(), course.returns.tolist(), course.energy.tolist()] == [[2], [4], [3.0]]
    past = driven([True] * 30 + [False] * 10)
    gone = [len(drawn_course(past, np.arange(SIZE), HOME, HOME, STAYS, rng).energy) for _ in range(200)]
    weight = np.exp(-np.arange(40, 0, -1) / 90)
    assert np.mean(gone) == pytest.approx(weight[:30].sum() / weight.sum(), abs=0.1)


def test_a_course_goes_on_from_where_the_car_is():
    """In slot 3 a car that is away had left; at home it stays; and where no day went so, as it is expected."""
    rng, past, rest = np.random.default_rng(2), driven([True, False, True]), np.arange(3, SIZE)
    away = drawn_course(past, rest, AWAY, AWAY, REST, rng)
    assert away.place.tolist() == [[-1, 0, 0]]
    assert len(away.energy) == 0  # it has left already
    for _ in range(5):
        assert drawn_course(past, rest, HOME, HOME, REST, rng).place.tolist() == [[0, 0, 0]]
    elsewhere = drawn_course(past, rest, HOME, np.array([4]), stays(4, 3), rng)
    assert elsewhere.place.tolist() == [[4, 4, 4]]
    assert elsewhere.reserve.tolist() == [[2.0, 2.0, 2.0]]
    assert np.isnan(away.reserve).all()  # a drawn day shows when it leaves


def test_points_that_are_alike_are_chosen_once():
    points = np.array([[1.0], [1.0], [3.0], [3.0]])
    chosen, likely = fast_forward(points, np.full(4, 0.25), 4)
    assert points[chosen].tolist() in ([[1.0], [3.0]], [[3.0], [1.0]])
    assert likely.tolist() == [0.5, 0.5]
