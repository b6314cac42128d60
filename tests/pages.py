"""Pages in HTML as tests read them: elements, tables and what an accessibility checker would find."""

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from itertools import pairwise

VOID = {"meta", "path", "circle", "rect", "br"}
CLOSED_BY_NEXT = {"li", "tr", "td", "th", "thead", "tbody"}


@dataclass
class Page(HTMLParser):
    """A parsed page: ``tables`` by the id of their figure (rows of cells, the header first), ids, and faults."""

    tables: dict = field(default_factory=dict)
    ids: list = field(default_factory=list)
    faults: list = field(default_factory=list)
    headings: list = field(default_factory=list)
    titles: dict = field(default_factory=dict)
    text: str = ""

    def __post_init__(self):
        super().__init__()
        self.open, self.figure, self.cell = [], "", None

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        if len(given) != len(attributes):
            self.faults.append(f"{tag}: an attribute twice")
        self.ids += [given["id"]] if "id" in given else []
        for key, value in attributes:
            if key.startswith("on") or key in ("href", "src", "srcset", "action"):
                self.faults.append(f"{tag}: {key}={value}")
        if tag in ("script", "link", "iframe", "object", "img", "foreignobject", "use", "image"):
            self.faults.append(f"{tag} on the page")
        if tag == "figure":
            self.figure = given.get("id", "")
        if tag == "svg":
            if given.get("role") != "img" or not given.get("aria-labelledby"):
                self.faults.append("svg without a name")
            self.labels = given.get("aria-labelledby", "").split()
        if given.get("tabindex") == "0" and not (given.get("role") and given.get("aria-label")):
            self.faults.append(f"{tag}: takes the focus without role and name")
        if tag == "tr":
            self.tables.setdefault(self.figure, []).append([])
        if tag in ("td", "th"):
            if tag == "th" and given.get("scope") not in ("row", "col"):
                self.faults.append("th without a scope")
            self.tables[self.figure][-1].append("")
            self.cell = True
        if tag not in VOID and tag not in CLOSED_BY_NEXT:
            self.open.append(tag)
            self.cell = None if tag not in ("td", "th") else self.cell
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))

    def handle_endtag(self, tag):
        if tag in CLOSED_BY_NEXT or tag in VOID:
            return
        if not self.open or self.open.pop() != tag:
            self.faults.append(f"</{tag}> closes what is not open")
        if tag == "table":
            self.cell = None

    def handle_data(self, data):
        self.text += data
        if self.cell:
            self.tables[self.figure][-1][-1] += data.replace("\n", "")  # of one line, as HTML shows it
        if self.open and self.open[-1] == "figcaption":
            self.titles[data] = self.figure

    def table(self, title):
        """Return the table of a figure by its title: its header, and its rows by their first cell."""
        header, *rows = self.tables[self.titles[title]]
        return header, {row[0]: [number(cell) for cell in row[1:]] for row in rows}


def number(cell):
    return float("nan") if cell == "–" else float(cell) if re.fullmatch(r"-?[0-9.]+", cell) else cell


def read(html):
    """Return a page, with everything that a checker of accessibility would find among its faults."""
    page = Page()
    page.feed(html)
    page.close()
    page.faults += [f"open at the end: {tag}" for tag in page.open]
    page.faults += [f"the id {i} twice" for i in set(page.ids) if page.ids.count(i) > 1]
    named = re.findall(r'aria-(?:labelledby|describedby)="([^"]*)"', html)
    page.faults += [f"no {i}" for names in named for i in names.split() if i not in page.ids]
    levels = [0, *page.headings]
    page.faults += [f"h{b} after h{a}" for a, b in pairwise(levels) if b > a + 1]
    page.faults += [] if page.headings.count(1) == 1 else ["not one h1"]
    page.faults += [] if re.search(r'<html lang="[a-z]{2}', html) else ["no language"]
    page.faults += re.findall(r"https?:|//[a-z]|url\(|@import|javascript:", html)
    return page
