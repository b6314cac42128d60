"""Charges for peaks of meters and of tariffs, computed again from powers drawn; and what marginal values of them are.

Part of `checks`; findings as in `physics`.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from ..labels import Array
from .physics import Finding, Run, index

_SOME = 1e-5
"""Power [kW] from which on a peak is above or below the least that is charged."""


class _Before(NamedTuple):
    """What was reached before the horizon [kW], NaN = nothing known: ``earlier`` (n,), and ``reached`` (n, day)."""

    earlier: Array
    reached: Array


def peak_charges(run: Run) -> Array:
    """Return what every participant pays for its peaks (P,): nothing where no tariff charges any."""
    paid = np.zeros(run.participants)
    for q, whose in of_peaks(run):
        paid[whose] += run.i["peak_price"][q] * charged(run, q, whose).sum(axis=1)
    return paid


def peaks(run: Run, s: dict[str, Array]) -> Iterator[Finding]:
    """Yield the price of every peak, the power that is charged, and what one more kW in a slot adds to the charges.

    These marginal values v of a participant are duals: none is below zero, all of a month add up to no more than the
    price, those of one day to a k-th part of it. With the powers d that are drawn, sum(v d) is then at the most price *
    peak, and it is that where the peak is beyond the least that is charged; where it is below that, nothing.
    """
    price = run.i["component_peak"].sum(axis=0)
    yield Finding("peak_price by component", ("peak",), abs(price - run.i["peak_price"]), price)
    billed = np.zeros((run.participants, len(price), len(_months(run))))
    for q, whose in of_peaks(run):
        billed[whose, q] = charged(run, q, whose)
    yield Finding("peak_power", ("participant", "peak", "month"), abs(s["peak_power"] - billed), billed)
    if "peak_value" in run.r:
        yield Finding("negative peak_value", ("participant", "time"), -run.r["peak_value"])
        yield from _marginal(run)
    if "joint_peak_value" in run.r:
        yield from _of_tariffs(run, s)


def of_peaks(run: Run) -> Iterator[tuple[int, Array]]:
    """Yield the position of each peak and those of the participants whose tariff charges it."""
    for q, tariff in enumerate(run.i.get("peak_tariff", ())):
        yield q, np.flatnonzero(run.i["participant_tariff"] == tariff)


def charged(run: Run, q: int, whose: Array) -> Array:
    """Return what of a peak these participants, all of the tariff, are charged for (n, months) [kW].

    Of one of the tariff: the power net of what is given in each slot, by its part of the price, and an equal part of
    the rest.
    """
    if not _joint(run, q):
        return _billed(run, q, _drawn(run, q, whose), _before(run, q, whose))[1]
    net, month = _net(run)[whose], _month_of_slots(run)
    due = _billed(run, q, net.sum(axis=0)[None], _before_all(run, q))[1][0]
    price = run.i["peak_price"][q]
    by_slot = net * (run.r["joint_peak_value"][q] / price if price > 0 else 0.0)
    parts = np.stack([by_slot[:, month == m].sum(axis=1) for m in range(len(due))], axis=1)
    return np.asarray(parts + (due - parts.sum(axis=0)) / max(len(whose), 1))


def _marginal(run: Run) -> Iterator[Finding]:
    """Yield the marginal values of the participants whose tariff has one peak (else their sum is not told apart)."""
    own = [q for q in range(len(run.i["peak_tariff"])) if not _joint(run, q)]
    count = sum((run.i["participant_tariff"] == run.i["peak_tariff"][q]).astype(int) for q in own)
    for q, whose in of_peaks(run):
        if q not in own:
            continue
        alone, wrong = whose[count[whose] == 1], np.zeros(run.participants)
        wrong[alone] = _no_dual(
            run, q, run.r["peak_value"][alone], _drawn(run, q, alone), _before(run, q, alone)
        )
        highest = _drawn(run, q, alone).max(initial=0.0)
        yield Finding("peak_value", ("participant",), wrong, run.i["peak_price"][q] * max(1.0, highest))


def _no_dual(run: Run, q: int, value: Array, drawn: Array, before: _Before) -> Array:
    """Return by how much values (n, T) miss being duals of a peak of these powers, the worst of all months (n,)."""
    price, month, off = run.i["peak_price"][q], _month_of_slots(run), np.full(len(value), -np.inf)
    level, _, above = _billed(run, q, drawn, before)
    for m in range(level.shape[1]):
        own = value[:, month == m]
        total, paid = own.sum(axis=1), (own * drawn[:, month == m]).sum(axis=1)
        most = np.where(above[:, m] < -_SOME, 0.0, price)
        off = np.maximum.reduce([off, total - most, paid - most * level[:, m]])
        if np.isnan(before.reached).all():  # whose days have a part in the price
            off = np.maximum(off, np.where(above[:, m] > _SOME, price * level[:, m] - paid, 0.0))
        for day in np.unique(run.i["slot_day"][month == m]):
            of_day = value[:, run.i["slot_day"] == day].sum(axis=1)
            off = np.maximum(off, of_day - price / run.i["peak_days"][q])
    return off


def _of_tariffs(run: Run, s: dict[str, Array]) -> Iterator[Finding]:
    """Yield the marginal values of peaks of tariffs, and that the customers' parts add up to what is charged."""
    value = run.r["joint_peak_value"]
    yield Finding("negative joint_peak_value", ("peak", "time"), -value)
    for q, whose in of_peaks(run):
        if not _joint(run, q) or not len(whose):
            continue
        net, price = _net(run)[whose].sum(axis=0)[None], run.i["peak_price"][q]
        _, new, _ = _billed(run, q, net, _before_all(run, q))
        off = _no_dual(run, q, value[[q]], net, _before_all(run, q))
        yield Finding(
            "joint_peak_value", ("peak",), _at(q, off[0], run), price * max(1.0, net.max(initial=0.0))
        )
        left = abs(s["peak_power"][whose, q].sum(axis=0) - new[0]).max()
        yield Finding("parts of a joint peak", ("peak",), _at(q, left, run), new.max(initial=0.0))


def _at(q: int, value: float, run: Run) -> Array:
    """Return a value of one peak over all (peak,), zero elsewhere."""
    return np.where(np.arange(len(run.i["peak_tariff"])) == q, value, 0.0)


def _joint(run: Run, q: int) -> bool:
    """Return whether a peak is one of all customers of its tariff, among peers."""
    return "joint_peak_value" in run.r and _of_all(run, q)


def _of_all(run: Run, q: int) -> bool:
    return "peak_of" in run.i and bool(run.i["peak_of"][q] == "tariff")


def _abroad(run: Run) -> Array:
    """Return what everybody's vehicles draw less what they give away from home (P, T) [kW]."""
    net, r = np.zeros((run.participants, len(run.hours))), run.r
    into, out = r["vehicle_import"] + r["vehicle_purchase"], r["vehicle_export"] + r["vehicle_sale"]
    np.add.at(net, run.owner["vehicle"], into - out)
    return net


def _net(run: Run) -> Array:
    """Return what every account draws less what it gives (P, T) [kW]."""
    return np.asarray(run.r["draw"] - run.r["supply"] + _abroad(run))


def _drawn(run: Run, q: int, whose: Array) -> Array:
    """Return the powers (n, T) [kW] that make a peak of these participants, each alone."""
    return np.asarray(run.r["draw"][whose] + (_abroad(run)[whose] if _of_all(run, q) else 0.0))


def _before(run: Run, q: int, whose: Array) -> _Before:
    """Return what each of these participants reached before, its earlier peak where it is one of a meter of its own."""
    unknown, days = np.full(run.participants, np.nan), len(run.labels["day"])
    earlier = unknown if _of_all(run, q) else run.i.get("earlier_peak", unknown)
    reached = run.i.get("day_peak", np.full((run.participants, days), np.nan))
    return _Before(earlier[whose], reached[whose])


def _before_all(run: Run, q: int) -> _Before:
    """Return what all customers of a peak's tariff reached together before."""
    earlier = run.i["peak_earlier"][q] if "peak_earlier" in run.i else np.nan
    return _Before(np.array([earlier]), np.full((1, len(run.labels["day"])), np.nan))


def _months(run: Run) -> list[str]:
    return sorted(set(run.i["day_month"].tolist()))


def _month_of_slots(run: Run) -> Array:
    """Return the position of the month of every slot (T,)."""
    days = sorted(set(run.i["slot_day"].tolist()))
    month = dict(zip(days, index(np.array(_months(run)), run.i["day_month"]).tolist(), strict=True))
    return np.array([month[day] for day in run.i["slot_day"].tolist()])


def _billed(run: Run, q: int, drawn: Array, before: _Before) -> tuple[Array, Array, Array]:
    """Return the peak of powers (n, T) in each month (n, months) [kW], what is charged, and how far beyond the least."""
    k = int(run.i["peak_days"][q])
    level, new, above = (np.zeros((len(drawn), len(_months(run)))) for _ in range(3))
    for m in range(level.shape[1]):
        days = run.labels["day"][run.i["day_month"] == _months(run)[m]]
        slots = [run.i["slot_day"] == day for day in days]
        own = [drawn[:, on].max(axis=1, initial=0.0) for on in slots]
        known = before.reached[:, index(run.labels["day"], days)].T
        level[:, m] = np.sort(np.fmax(own, known), axis=0)[::-1][:k].sum(axis=0) / k
        earlier = before.earlier if m == 0 else np.full(len(drawn), np.nan)
        least = np.fmax(earlier, run.i["peak_floor"][q])
        paid = np.fmax(np.sort(np.nan_to_num(known), axis=0)[::-1][:k].sum(axis=0) / k, least)
        paid = np.where(np.isnan(earlier) & np.isnan(known).all(axis=0), 0.0, paid)
        new[:, m], above[:, m] = np.fmax(level[:, m], least) - paid, level[:, m] - least
    return level, new, above
