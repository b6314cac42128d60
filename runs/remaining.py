"""How long work will still take, estimated from what is done of what is known of it."""

SOON = 3.0
"""Seconds of work before anything is said: what is over by then needs no estimate."""
_ENOUGH = 0.5
"""Seconds from which a pace is taken for one."""


class Remaining:
    """An estimate of the time that is left of some work, of which more may become known as it goes on.

    The pace is that since the work last grew: parts that are found on the way may be slower than those before them.
    """

    def __init__(self, now: float):
        self._begin = self._since = now
        self._known = self._start = 0
        self._grown = False

    def after(self, done: int, known: int, now: float) -> str:
        """Return what to say when so much is ``done`` of what is ``known``, at a time [s]; nothing where it is soon.

        >>> work = Remaining(0.0)
        >>> work.after(1, 4, 1.0), work.after(2, 4, 5.0), work.after(3, 8, 7.0)
        ('', '50 % of it, about 5 s left', '37 % of what is known by now')
        >>> work.after(4, 8, 9.0)  # two seconds for a part since more is known
        '50 % of what is known by now, about 8 s left'
        """
        if known != self._known:
            self._grown = self._known > 0
            self._start, self._since = (done, now) if self._grown else (0, self._begin)
            self._known = known
        if now - self._begin < SOON or done >= known:
            return ""
        share = f"{100 * done // known} % of {'what is known by now' if self._grown else 'it'}"
        if done == self._start or now - self._since < _ENOUGH:
            return share
        return f"{share}, about {span((now - self._since) / (done - self._start) * (known - done))} left"


def span(seconds: float) -> str:
    """Return a time as people say it, no finer than an estimate is.

    >>> span(0.4), span(7.2), span(48), span(200), span(7300)
    ('1 s', '8 s', '50 s', '4 min', '2.1 h')
    """
    if seconds <= 10:
        return f"{max(1, -int(-seconds // 1))} s"
    if seconds <= 90:
        return f"{-int(-seconds // 5) * 5} s"
    if seconds <= 5400:
        return f"{-int(-seconds // 60)} min"
    return f"{seconds / 3600 + 0.05:.1f} h"
