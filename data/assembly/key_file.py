"""The file of a legal key: coefficients of producers for members, slot by slot, as `otonari coefficients` writes it.

A header ``time, producer`` and members; then a row per slot (its start in UTC, ``2026-06-30T10:00:00Z``) and producer. A
column ``(surplus)``, what is given to nobody, is not needed: it is what the others leave of one.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..files.csv_text import read_text, records
from ..problems import InputError, Problem, suggestion
from ..schema.settlement import Settlement
from .demand_and_pv import Frame

SURPLUS = "(surplus)"
_FIRST = ["time", "producer"]
_MOST = 5  # rows of one kind that become a problem each; the rest are counted


class Key(NamedTuple):
    """Coefficients (row, member, time) of the producers ``producer`` (row,), positions of members."""

    producer: np.ndarray
    coefficient: np.ndarray


def key(settlement: Settlement, slots: Frame) -> Key | None:
    """Return the key of a settlement in a month, None where its rule takes none; problems go to the frame."""
    file = settlement.sharing.coefficients
    if file is None:
        return None
    where, place = file.path, {row.member: n for n, row in enumerate(settlement.tables.members)}
    try:
        (line, header), *rows = records(where, read_text(Path(where)))
    except InputError as error:
        slots.problems += error.problems
        return None
    columns = [cell.strip() for cell in header]
    wrong = list(_header(where, line, columns, place))
    if wrong:
        slots.problems += wrong
        return None
    return _read(where, columns, rows, place, slots)


def _header(where: str, line: int, columns: list[str], place: dict[str, int]) -> Iterator[Problem]:
    if columns[:2] != _FIRST:
        yield Problem(
            where, str(line), "header", ", ".join(columns[:2]), "time, producer, and a column per member"
        )
    for label in columns[2:]:
        if label not in place and label != SURPLUS:
            yield Problem(where, str(line), label, "an unknown column", f"a member{suggestion(label, place)}")
        elif columns.count(label) > 1:
            yield Problem(where, str(line), label, "the column again", "one")


def _read(
    where: str, columns: list[str], rows: list[tuple[int, list[str]]], place: dict[str, int], slots: Frame
) -> Key:
    """Return the key from its rows; rows of other slots are left aside."""
    slot_of = {str(np.datetime_as_string(t, unit="s")): n for n, t in enumerate(slots.times.to_numpy())}
    own = [n for n, label in enumerate(columns) if label in place and n > 1]
    member = [place[columns[n]] for n in own]
    read: dict[int, np.ndarray] = {}
    seen, wrong = set[tuple[int, int]](), list[Problem]()
    for line, cells in rows:
        if len(cells) != len(columns):
            wrong.append(
                Problem(where, str(line), "row", f"{len(cells)} cells", f"{len(columns)}, as in the header")
            )
            continue
        producer, slot = place.get(cells[1].strip(), -1), slot_of.get(cells[0].strip().removesuffix("Z"), -1)
        if producer < 0:
            want = f"a member{suggestion(cells[1].strip(), place)}"
            wrong.append(Problem(where, str(line), "producer", repr(cells[1].strip()), want))
        elif (producer, slot) in seen and slot >= 0:
            wrong.append(Problem(where, str(line), "time", "the slot again", "a row per slot and producer"))
        elif slot >= 0:
            seen.add((producer, slot))
            values = read.setdefault(producer, np.zeros((len(place), len(slots.times))))
            values[member, slot] = [_number(cells[n]) for n in own]
            if not ((values[:, slot] >= 0) & (values[:, slot] <= 1)).all():
                wrong.append(
                    Problem(where, str(line), "row", "a cell that is none", "coefficients from 0 to 1")
                )
    producers = sorted(read)
    wrong += [_lacking(where, p, seen, slots, list(place)[p]) for p in producers if _lacks(p, seen, slots)]
    if not producers:
        wrong.append(
            Problem(where, "", "time", "no slot of the month", "slots such as " + next(iter(slot_of)) + "Z")
        )
    more = (
        [Problem(where, "~", "row", f"{len(wrong) - _MOST} more rows like these", "")]
        if len(wrong) > _MOST
        else []
    )
    slots.problems += [*wrong[:_MOST], *more]
    coefficients = np.array([read[p] for p in producers]).reshape(-1, len(place), len(slots.times))
    return Key(np.array(producers, dtype=int), coefficients)


def _number(cell: str) -> float:
    try:
        return np.nan if "_" in cell else float(cell)
    except ValueError:
        return np.nan


def _lacks(producer: int, seen: set[tuple[int, int]], slots: Frame) -> bool:
    return any((producer, slot) not in seen for slot in range(len(slots.times)))


def _lacking(where: str, producer: int, seen: set[tuple[int, int]], slots: Frame, label: str) -> Problem:
    missing = [slot for slot in range(len(slots.times)) if (producer, slot) not in seen]
    first = np.datetime_as_string(slots.times.to_numpy()[missing[0]], unit="s")
    return Problem(
        where, "", label, f"no row for {len(missing)} slots, the first {first}Z", "one for every slot"
    )
