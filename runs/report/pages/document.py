"""A page in HTML that needs nothing but itself: no script, no network, no font."""

from collections.abc import Iterable, Mapping, Sequence

from ..figures.drawing import escaped
from ..figures.figure import Figure
from ..figures.style import sheet


def document(title: str, facts: Iterable[str], parts: Mapping[str, str], language: str = "en") -> str:
    """Return a page: its title, its facts in a list, and its parts (HTML) by their headings."""
    said = "".join(f"<li>{escaped(fact)}" for fact in facts)
    body = "".join(
        f'<section aria-labelledby="s{k}"><h2 id="s{k}">{escaped(heading)}</h2>{part}</section>\n'
        for k, (heading, part) in enumerate(parts.items())
    )
    return (
        f'<!DOCTYPE html>\n<html lang="{escaped(language)}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escaped(title)}</title><style>{sheet()}</style></head>\n"
        f"<body><header><h1>{escaped(title)}</h1><ul>{said}</ul></header>\n<main>\n{body}</main></body></html>\n"
    )


def gallery(figures: Sequence[Figure], words: str = "Table", prefix: str = "f") -> str:
    """Return figures side by side where there is room; their ids begin with ``prefix``."""
    return (
        f'<div class="figures">{"".join(f.html(f"{prefix}{k}", words) for k, f in enumerate(figures))}</div>'
    )


def columns(label: str, text: str) -> str:
    """Return text whose columns are kept; it is moved with the keyboard where it is wider than its place."""
    kept = "\n".join(escaped(line) for line in text.split("\n"))
    return f'<pre class="wide" role="region" tabindex="0" aria-label="{escaped(label)}">{kept}</pre>'
