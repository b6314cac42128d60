"""A figure of a page: a drawing with its title, its description, and its table for those who do not see it."""

from collections.abc import Sequence
from dataclasses import dataclass

from .drawing import WIDTH, escaped
from .style import drawn

Row = Sequence[str | float]


@dataclass(frozen=True)
class Figure:
    """A drawing (the inside of an ``svg`` of some height [px]) and the table of what it shows.

    Cells of the table are text, or numbers that are written with ``decimals``; a number that is not known is a dash.
    """

    title: str
    description: str
    drawing: str
    height: float
    header: Sequence[str]
    rows: Sequence[Row]
    decimals: int = 3

    def html(self, key: str, words: str = "Table") -> str:
        """Return the figure as HTML; ``key`` is its id on the page, ``words`` call for its table."""
        title, description = escaped(self.title), escaped(self.description)
        return (
            f'<figure id="{key}"><figcaption>{title}</figcaption>'
            f'<svg viewBox="0 0 {WIDTH} {round(self.height)}" role="img" aria-labelledby="{key}-t {key}-d">'
            f'<title id="{key}-t">{title}</title><desc id="{key}-d">{description}</desc>{self.drawing}</svg>'
            f"<p>{description}</p>"
            f"<details><summary>{escaped(words)}: {title}</summary>"
            f"{table(self.title, self.header, self.rows, self.decimals)}</details></figure>"
        )

    def svg(self) -> str:
        """Return the drawing as a file of its own, with its title and description, for light and dark."""
        height = round(self.height)
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}"'
            f' viewBox="0 0 {WIDTH} {height}" role="img"><title>{escaped(self.title)}</title>'
            f"<desc>{escaped(self.description)}</desc><style>{drawn()}</style>"
            f'<rect width="{WIDTH}" height="{height}" style="fill:var(--paper)"/>{self.drawing}</svg>\n'
        )


def table(caption: str, header: Sequence[str], rows: Sequence[Row], decimals: int = 3) -> str:
    """Return a table as HTML: its first column heads the rows; end tags that HTML does without are left out."""
    head = "".join(f"<th scope=col>{escaped(cell)}" for cell in header)
    body = "".join(
        f"\n<tr><th scope=row>{_cell(first, decimals)}" + "".join(f"<td>{_cell(c, decimals)}" for c in others)
        for first, *others in rows
    )
    # a table that is wider than its place is moved with the keyboard, too: so it takes the focus and has a name
    return (
        f'<div class="wide" role="region" tabindex="0" aria-label="{escaped(caption)}">'
        f"<table><thead><tr>{head}<tbody>{body}</table></div>"
    )


def _cell(value: str | float, decimals: int) -> str:
    if isinstance(value, str):
        return escaped(value)
    if value != value:
        return "–"
    text = f"{round(float(value), decimals) + 0.0:.{decimals}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
