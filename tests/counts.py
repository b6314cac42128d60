"""How many cases a test of many tries: all of them in a nightly run, a share of them in the suite that everybody runs.

``pytest --hypothesis-profile=nightly`` tries all. The counts that tests state are those of a nightly run.
"""

from collections.abc import Sequence
from math import ceil

from hypothesis import settings

ALL = 100
"""The examples of a property that states no count, in a nightly run."""
PROFILES = {"ci": 16, "nightly": ALL}
FEWEST = 3


def register_profiles() -> None:
    """Register the profiles and load that of the everyday suite; hypothesis loads the one of its option later."""
    for name, examples in PROFILES.items():
        settings.register_profile(name, deadline=None, max_examples=examples)
    settings.load_profile("ci")


def examples(nightly: int) -> int:
    """Return how many of so many examples are tried."""
    return min(nightly, max(FEWEST, ceil(nightly * settings.default.max_examples / ALL)))


def share(cases: Sequence) -> Sequence:
    """Return the first of the cases, as many as are tried."""
    return cases[: examples(len(cases))]


def few(cases: Sequence) -> Sequence:
    """Return all cases in a nightly run, else the first of a twentieth: for cases that take long."""
    return all_or(cases, cases[: max(FEWEST, len(cases) // 20)])


def all_or(cases: Sequence, chosen: Sequence) -> Sequence:
    """Return all cases in a nightly run, else the chosen ones: for tests that ask something of them all together."""
    return cases if examples(ALL) == ALL else chosen


def every_third(cases: Sequence, place: int) -> Sequence:
    """Return all cases in a nightly run, else every third from a place on, which turns from test to test."""
    return cases if examples(ALL) == ALL else cases[place % 3 :: 3]


def bits(place: int) -> list[int]:
    """Return which bits of the byte at a place are flipped: a share of them, others at the next place."""
    return [(place + bit) % 8 for bit in share(range(8))]
