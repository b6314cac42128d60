"""The rows of a file that are readings: header found, lines of other kinds left out, meters and days taken apart."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path

from ...problems import InputError, Problem, suggestion
from ..csv_text import check_header
from ..file_format import FileFormat
from . import containers
from .numbers import is_number, missing
from .stamps import SLOTS_PER_DAY, readable

Line = tuple[int, list[str]]


@dataclass(frozen=True)
class Block:
    """Rows that share their stamps: lines, texts of dates and of times of day (or None), and cells by column.

    ``slots`` are the numbers of the slots in the day where rows were days, else none. ``uneven`` are lines of another
    width (line, got) within the readings; ``notes`` tell what was left out.
    """

    columns: tuple[str, ...]
    lines: list[int]
    dates: list[str]
    clocks: list[str] | None
    cells: list[list[str]]
    slots: list[int] | None = None
    width: int = 0
    uneven: list[tuple[int, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def read_blocks(path: str | Path, columns: Sequence[str], fmt: FileFormat) -> list[Block]:
    """Return the readings of columns as text, of all columns but the time's if none is named.

    One block holds all columns, or one each where meters stand below one another.

    Raises
    ------
    InputError
        For a file that cannot be read, and columns that are missing or there twice.
    """
    where = str(path)
    every = list(containers.CONTAINERS[fmt.container](Path(path), fmt))
    if not every:
        raise InputError([Problem(where, "", "file", "no header", "a header and rows")])
    if fmt.header_rows != 1:
        every = _joined(every, fmt)
    header = _header(where, every, columns, fmt)
    names = header[1]
    named = tuple(columns) or _all_columns(where, names, fmt)
    at = _positions(where, header, _needed(named, fmt))
    rows, uneven, notes = _readings(every[every.index(header) + 1 :], header, at, fmt)
    for column, text in fmt.only.items():
        rows = [row for row in rows if row[1][at[column]].strip() == text]
    if fmt.only and not rows:
        got = ", ".join(f"{c}: {t}" for c, t in fmt.only.items())
        raise InputError([Problem(where, "", "only", f"no row with {got}", "a text that rows have there")])
    if fmt.meter_column:
        return list(_by_meter(where, rows, tuple(columns), at, fmt, notes))
    if fmt.first_slot:
        return [_days(rows, named, at, fmt, notes)]
    cells = [[row[at[name]].strip() for name in named] for _, row in rows]
    return [Block(named, *_times(rows, at, fmt), cells, None, len(names), uneven, notes)]


def header_of(where: str, every: Sequence[Line], needed: Sequence[str]) -> Line:
    """Return the first line that has all columns, or else that with the most of them, the first of equals."""
    counts = [sum(name in {cell.strip() for cell in cells} for name in needed) for _, cells in every[:200]]
    return every[counts.index(max(counts))]


def _header(where: str, every: Sequence[Line], columns: Sequence[str], fmt: FileFormat) -> Line:
    header = header_of(where, every, _needed(columns, fmt))
    check_header(where, *header, fmt.separator)
    return header


def _joined(every: Sequence[Line], fmt: FileFormat) -> list[Line]:
    """Return the lines with those of the header (``header_rows``) as one, their cells joined; the time's keeps its name.

    0 are all lines before the first that has a time, words those of these lines that begin with them.
    """
    sought = _plain(fmt.time_column)
    first = next((n for n, (_, row) in enumerate(every) if sought in map(_plain, row)), None)
    if first is None:
        return list(every)
    when = list(map(_plain, every[first][1])).index(sought)
    begun = (
        n for n, (_, row) in enumerate(every[first:]) if n and len(row) > when and readable(row[when], fmt)
    )
    told = fmt.header_rows
    count = told if isinstance(told, int) and told else next(begun, 1)
    words = None if isinstance(told, int) else set(map(_plain, told))
    parts = [row for _, row in every[first : first + count] if words is None or _plain(row[0]) in words]
    cells = [
        " | ".join(c.strip() for c in column if c.strip()) for column in zip_longest(*parts, fillvalue="")
    ]
    cells[when] = fmt.time_column
    return [*every[:first], (every[first][0], cells), *every[first + count :]]


def _plain(cell: str) -> str:
    """Return a cell without blanks and capitals."""
    return "".join(cell.split()).casefold()


def _needed(columns: Sequence[str], fmt: FileFormat) -> list[str]:
    """Return the columns of the header that the format needs, those of readings last."""
    more = [fmt.clock_column, fmt.meter_column, *fmt.only, fmt.first_slot]
    if fmt.meter_column:
        more.append("" if fmt.first_slot else fmt.value_column)
    elif not fmt.first_slot:
        more += columns
    return list(dict.fromkeys([fmt.time_column, *filter(None, more)]))


def _all_columns(where: str, header: list[str], fmt: FileFormat) -> tuple[str, ...]:
    """Return the columns of a header but the time's, and but those of one name (marks of quality, say)."""
    if fmt.meter_column or fmt.first_slot:
        return (fmt.value_column or "value",)
    if fmt.value_column:
        return (fmt.value_column,)
    others = {fmt.time_column, fmt.clock_column, *fmt.only, ""}
    listed = [name.strip() for name in header if name.strip() not in others]
    names = tuple(name for name in listed if listed.count(name) == 1) or tuple(dict.fromkeys(listed))
    if not names:
        raise InputError([Problem(where, "", "columns", "no column but the time", "a column of readings")])
    return names


def _positions(where: str, header: Line, needed: Sequence[str]) -> dict[str, int]:
    """Return the positions of columns in a row; raise the problems of those that are missing or there twice."""
    line, names = header[0], [name.strip() for name in header[1]]
    problems = []
    folded = [name.casefold() for name in names]
    for name in needed:
        if name not in names and folded.count(name.casefold()) == 1:
            names[folded.index(name.casefold())] = name  # of another spelling, and no other
    for name in needed:
        if names.count(name) > 1:
            got = f"{names.count(name)} columns of this name"
            problems.append(Problem(where, str(line), name, got, "one column of this name"))
        elif name not in names:
            others = [n for n in names if n != needed[0]]
            want = f"a column {name!r} in the header{suggestion(name, others)}"
            problems.append(Problem(where, str(line), name, f"the columns {', '.join(names)[:80]}", want))
    if problems:
        raise InputError(problems)
    return {name: names.index(name) for name in needed}


def _readings(
    lines: Sequence[Line], header: Line, at: dict[str, int], fmt: FileFormat
) -> tuple[list[Line], list[tuple[int, str]], list[str]]:
    """Return the rows of readings, lines of another width among them (line, got), and notes on lines left out.

    Lines without a time before the first reading (units, a second header) and after the last one (sums, remarks) are
    left out, and repetitions of the header.
    """
    when, first_slot = at[fmt.time_column], at.get(fmt.first_slot, -1)
    widths = _widths(lines, header[1], when)
    values = [p for name, p in at.items() if name in at and p != when and name not in fmt.only]

    def reads(row: list[str]) -> bool:
        return len(row) in widths and any(c.isdigit() for c in row[when])

    def sure(order: Iterable[int]) -> int | None:
        return next((n for n in order if reads(lines[n][1]) and readable(lines[n][1][when], fmt)), None)

    first = sure(range(len(lines))) or 0
    last = sure(reversed(range(len(lines))))
    last = len(lines) - 1 if last is None else last
    names = [cell.strip() for cell in header[1]]
    kept: list[Line] = []
    uneven: list[tuple[int, str]] = []
    left: list[tuple[int, str]] = []
    for n, (line, row) in enumerate(lines):
        if len(row) == len(names) and row[when].strip() == names[when] and [c.strip() for c in row] == names:
            continue
        if reads(row):
            kept.append((line, row))
        elif len(row) not in widths:
            outside = (n < first or n > last) and not readable(row[0], fmt)
            (left if outside else uneven).append((line, f"{len(row)} cells"))
        elif n > last or not any(is_number(row[p]) for p in values if p < len(row)):
            left.append((line, ""))
        else:
            kept.append((line, row))
    wide = max(len(header[1]), *widths) if first_slot < 0 else max(widths)
    kept = [(line, row if len(row) >= wide else row + [""] * (wide - len(row))) for line, row in kept]
    first_left = f", the first at row {left[0][0]}" if left else ""
    notes = [f"{len(left)} lines that are no readings are left out{first_left}"] if left else []
    return kept, uneven, notes


def _widths(lines: Sequence[Line], header: list[str], when: int) -> set[int]:
    """Return how many cells a row may have: as the header, with or without cells behind the last that has a name."""
    named = max((n + 1 for n, name in enumerate(header) if name.strip()), default=len(header))
    widths = set(range(named, len(header) + 1))
    longer = [row for _, row in lines if len(row) >= named and any(c.isdigit() for c in row[when])]
    if longer and all(len(row) == len(header) + 1 and not row[-1].strip() for row in longer):
        widths.add(len(header) + 1)  # every line ends with a separator, but not the header
    return widths


def _times(
    rows: Sequence[Line], at: dict[str, int], fmt: FileFormat
) -> tuple[list[int], list[str], list[str] | None]:
    """Return lines, texts of the times or dates, and of the times of day or None."""
    dates = [row[at[fmt.time_column]] for _, row in rows]
    clocks = [row[at[fmt.clock_column]] for _, row in rows] if fmt.clock_column else None
    return [line for line, _ in rows], dates, clocks


def _by_meter(
    where: str,
    rows: Sequence[Line],
    meters: Sequence[str],
    at: dict[str, int],
    fmt: FileFormat,
    notes: list[str],
) -> Iterator[Block]:
    """Yield the readings of each meter of a file in which they stand below one another, of all if none is named."""
    column = at[fmt.meter_column]
    groups: dict[str, list[Line]] = {}
    for row in rows:
        groups.setdefault(row[1][column].strip(), []).append(row)
    unknown = [m for m in meters if m not in groups]
    if unknown:
        some = f" ({', '.join(list(groups)[:5])})"
        wants = [f"a meter of the file{suggestion(m, groups) or some}" for m in unknown]
        got = (f"no row with {m!r}" for m in unknown)
        raise InputError(Problem(where, "", fmt.meter_column, g, w) for g, w in zip(got, wants, strict=True))
    for meter in meters or groups:
        if fmt.first_slot:
            yield _days(groups[meter], (meter,), at, fmt, notes)
        else:
            cells = [[row[at[fmt.value_column]].strip()] for _, row in groups[meter]]
            yield Block((meter,), *_times(groups[meter], at, fmt), cells, notes=notes)


def _days(
    rows: Sequence[Line], columns: tuple[str, ...], at: dict[str, int], fmt: FileFormat, notes: list[str]
) -> Block:
    """Return the readings of rows that are days each, one below another; empty cells beyond the day are none."""
    first = at[fmt.first_slot]
    width = max((len(row) for _, row in rows), default=first) - first
    used = width - next(
        (k for k in range(width) if any(row[first + width - 1 - k].strip() for _, row in rows)), width
    )
    count = max((n for n in SLOTS_PER_DAY if n <= used), default=0)
    further = count * 25 // 24 if used >= count * 25 // 24 else count
    beyond = [any(not missing(cell) for cell in row[first + count : first + further]) for _, row in rows]
    if len(rows) > 1 and all(beyond):  # no hour that the clock repeats, since it is there on every day
        further, notes = count, [*notes, f"columns behind the {count} slots of a day are left out (sums?)"]
    lines, dates, slots, cells = [], [], [], []
    for line, row in rows:
        for n, cell in enumerate(row[first : first + further], start=1):
            if n <= count or not missing(cell):
                lines.append(line)
                dates.append(row[at[fmt.time_column]])
                slots.append(n)
                cells.append([cell.strip()] * len(columns))
    return Block(columns, lines, dates, None, cells, slots, notes=notes)
