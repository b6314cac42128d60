"""The flow of energy through the community, after Sankey: ribbons as wide as the energy is much."""

from collections.abc import Mapping, Sequence

from .drawing import NO_COLOURS, WIDTH, brief, colour, coordinate, rectangle, shape, words
from .figure import Figure, Row

_LETTERS = 16
_SIDE, _BAR, _LINE, _HEIGHT = 118.0, 12.0, 13.0, 210.0


def energy_flow(
    title: str,
    description: str,
    unit: str,
    middle: str,
    sources: dict[str, float],
    sinks: dict[str, float],
    colours: Mapping[str, int] = NO_COLOURS,
) -> Figure:
    """Return ribbons from ``sources`` (on the left, >= 0) through the ``middle`` to ``sinks`` (on the right, >= 0)."""
    total = max(sum(sources.values()), sum(sinks.values()), 1e-12)
    scale, top, centre = _HEIGHT / total, 22.0, WIDTH / 2 - _BAR / 2
    columns = [_column(flows, scale) for flows in (sources, sinks)]
    height = max(_HEIGHT, *(sum(thick + room for thick, room in column) for column in columns))
    inner = top + (height - _HEIGHT) / 2
    parts = [shape(rectangle(centre, inner, _BAR, _HEIGHT), "k"), words(WIDTH / 2, 12, middle, "m")]
    rows: list[Row] = []
    for side, (flows, column) in enumerate(zip((sources, sinks), columns, strict=True)):
        within, outer = inner, top + (height - sum(thick + room for thick, room in column)) / 2
        for number, ((name, value), (thick, room)) in enumerate(zip(flows.items(), column, strict=True)):
            outer += room / 2
            css = colour(name, side * len(sources) + number, colours)
            parts.append(shape(_ribbon(side, outer, within, thick, centre), css))
            parts += _said([*_lines(name), f"{value:,.1f} {unit}"], side, outer + thick / 2)
            outer, within = outer + thick + room / 2, within + thick
            rows.append([name, "out" if side else "in", float(value)])
    return Figure(title, description, "".join(parts), top + height + 4, ["flow", "way", unit], rows)


def _column(flows: dict[str, float], scale: float) -> list[tuple[float, float]]:
    """Return how thick the ribbons of a side are and how much is free around each for its text [px]."""
    thick = [value * scale for value in flows.values()]
    texts = [_LINE * (len(_lines(name)) + 1) + 6 for name in flows]
    return [(t, max(text - t, 10.0)) for t, text in zip(thick, texts, strict=True)]


def _said(texts: Sequence[str], side: int, middle: float) -> list[str]:
    """Return lines of text at the edge of the drawing, the last one soft, about a height."""
    at, css = ((0.0, ""), (WIDTH, "e"))[side]
    styles = [css] * (len(texts) - 1) + [f"q {css}".strip()]
    first = middle - _LINE * len(texts) / 2 + 10
    return [words(at, first + _LINE * k, t, s) for k, (t, s) in enumerate(zip(texts, styles, strict=True))]


def _lines(name: str) -> list[str]:
    """Return a name in one line or two, each as short as the side of the drawing is narrow."""
    first = name if len(name) <= _LETTERS else name[: name.rfind(" ", 0, _LETTERS + 1)].rstrip() or name
    rest = name[len(first) :].strip()
    return [brief(first, _LETTERS), *([brief(rest, _LETTERS)] if rest else [])]


def _ribbon(side: int, outer: float, within: float, thick: float, centre: float) -> str:
    """Return the commands of a ribbon between the edge of the drawing and the bar in its middle."""
    if side:
        ends, heights = (centre + _BAR, WIDTH - _SIDE), (within, outer)
    else:
        ends, heights = (_SIDE, centre), (outer, within)
    x0, x1, half = *ends, coordinate((ends[0] + ends[1]) / 2)
    a, b = (coordinate(h) for h in heights)
    c, d = (coordinate(h + thick) for h in heights)
    return (
        f"M{coordinate(x0)} {a}C{half} {a} {half} {b} {coordinate(x1)} {b}V{d}"
        f"C{half} {d} {half} {c} {coordinate(x0)} {c}z"
    )
