"""Elements of SVG as text, and the one place where text of the data becomes HTML."""

from collections.abc import Iterable, Mapping
from html import escape
from unicodedata import east_asian_width

from ....data.problems import shown
from .style import SERIES

NO_COLOURS: Mapping[str, int] = {}
WIDTH = 420
"""Width of every drawing [px]; a page scales it. Letters of 12 px are 10 px on a telephone of 390 px."""


def escaped(text: object) -> str:
    """Return a text on one line as it may stand in HTML, also within quotes: no mark-up, nothing that cannot be seen.

    >>> escaped('<b onclick="x">&')
    '&lt;b onclick=&quot;x&quot;&gt;&amp;'
    """
    return escape(shown(str(text)))


def brief(text: object, most: int = 24) -> str:
    """Return the beginning of a label for a drawing, with a mark of what was cut; the table has all of it.

    ``most`` are columns, of which letters of East Asia take two.

    >>> brief("home-01"), brief("transformer of the northern street", 12), brief("お隣さんの家", 8)
    ('home-01', 'transformer…', 'お隣さ…')
    """
    plain = shown(str(text))
    if columns(plain) <= most:
        return plain
    while columns(plain) > most - 1:
        plain = plain[:-1]
    return f"{plain}…"


def columns(text: str) -> int:
    """Return how many columns a text takes, letters of East Asia two."""
    return sum(2 if east_asian_width(c) in "WF" else 1 for c in text)


def coordinate(value: float) -> str:
    """Return a coordinate [px] with one decimal, as short as it can be written.

    >>> coordinate(12.04), coordinate(-0.01), coordinate(0.51)
    ('12', '0', '.5')
    """
    text = f"{round(float(value), 1) + 0.0:.1f}".removesuffix(".0")
    return text.replace("0.", ".", 1) if text.startswith(("0.", "-0.")) else text


def path(points: Iterable[tuple[float, float]], *, closed: bool = False) -> str:
    """Return the commands of a path through points.

    >>> path([(0, 1), (2.5, 3)], closed=True)
    'M0 1L2.5 3Z'
    """
    steps = "L".join(f"{coordinate(x)} {coordinate(y)}" for x, y in points)
    return f"M{steps}{'Z' if closed else ''}" if steps else ""


def shape(commands: str, css: str) -> str:
    """Return a path of a class of the style sheet; nothing of no commands."""
    return f'<path class="{css}" d="{commands}"/>' if commands else ""


def rectangle(x: float, y: float, width: float, height: float) -> str:
    """Return the commands of a rectangle, to be joined to other commands of one path."""
    return f"M{coordinate(x)} {coordinate(y)}h{coordinate(width)}v{coordinate(height)}h{coordinate(-width)}z"


def words(x: float, y: float, text: object, css: str = "") -> str:
    """Return a text at a point; classes ``m`` and ``e`` put its middle or its end there."""
    style = f' class="{css}"' if css else ""
    return f'<text{style} x="{coordinate(x)}" y="{coordinate(y)}">{escaped(text)}</text>'


def width_of(text: str) -> float:
    """Return about how wide a text is in a drawing [px], rather too wide; letters of East Asia are twice as wide.

    >>> width_of("home"), width_of("お隣")
    (28.0, 28.0)
    """
    return 7.0 * columns(text)


def margin(labels: Iterable[str]) -> float:
    """Return the width that labels of rows take to the left of a drawing [px]."""
    return min(12 + max((width_of(brief(label)) for label in labels), default=0.0), 180.0)


def legend(names: Iterable[str], colours: Mapping[str, int]) -> tuple[str, float]:
    """Return the colours of a drawing with their names, as many a line as fit, and the height that they take [px]."""
    return key((colour(name, number, colours), brief(name, 30)) for number, name in enumerate(names))


def key(entries: Iterable[tuple[str, str]]) -> tuple[str, float]:
    """Return classes of the style sheet with what they stand for, as many a line as fit, and their height [px]."""
    parts, x, y = [], 0.0, 12.0
    for css, label in entries:
        width = 26 + width_of(label)
        if x and x + width > WIDTH:
            x, y = 0.0, y + 17
        parts.append(shape(rectangle(x, y - 9, 10, 10), css) + words(x + 14, y, label))
        x += width
    return "".join(parts), y + 8


def colour(name: str, number: int, colours: Mapping[str, int]) -> str:
    """Return the class of the colour of a series: the one that its name has, else that of its number."""
    return f"c{colours.get(name, number) % SERIES}"
