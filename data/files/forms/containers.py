"""What holds the cells of a file of readings: CSV, a workbook, or a format of the energy trade as a table."""

from collections.abc import Callable, Iterator
from pathlib import Path

from ..csv_text import lines, read_text
from ..file_format import FileFormat
from . import espi, mscons, nem12, workbook

Line = tuple[int, list[str]]


def _csv(path: Path, fmt: FileFormat) -> Iterator[Line]:
    return lines(str(path), read_text(path, fmt.encoding), fmt.separator, fmt.skip_rows)


CONTAINERS: dict[str, Callable[[Path, FileFormat], Iterator[Line]]] = {
    "csv": _csv,
    "xlsx": lambda path, fmt: workbook.lines(path, fmt.sheet, fmt.decimal, fmt.skip_rows),
    "espi": lambda path, fmt: espi.lines(path, fmt.encoding),
    "mscons": lambda path, fmt: mscons.lines(path, fmt.encoding),
    "nem12": lambda path, fmt: nem12.lines(path, fmt.encoding),
}
"""Container -> its lines (line, cells), the header among them. A new one is a name in ``ContainerName`` and a row."""
