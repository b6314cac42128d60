"""The journal of a simulation: what each slot added to its state, on the disk before it is committed to a ledger.

The first line says what simulation it is, each other line what one slot added to its state: its realised dispatch,
deals, orders and what limits held of them, and what the agents carry on, down to basis and rows that the next plan
starts from. A line is the SHA-256 (hex) of the hash before it and of its text, a space, and the text, JSON whose
numbers are exact. It is only ever appended to, so it costs the same at every slot, and what a crash cut short shows: a
simulation goes on from the last whole line.
"""

import base64
import contextlib
import hashlib
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ...model.agents.order_management import Held, OrderRow
from ...model.exchange.deals import Deals
from ...model.exchange.ladder import Ladder
from ...model.solver.basis import ABSENT, Basis
from ..ledger import durable_files
from .loop import State

FORMAT = 8
"""Of the lines: part of a simulation's identity, so that what was written otherwise is never gone on with."""
_DEALS = {"seller": np.int64, "buyer": np.int64} | dict.fromkeys(
    ("energy", "price", "fee", "congestion", "contracted"), np.float64
)

_DIGIT = np.int8(ord("0") - ABSENT)


@contextlib.contextmanager
def opened(path: Path, identity: str) -> Iterator["Journal"]:
    """Hold the journal of a simulation; ``identity`` is the text that tells it from any other.

    Raises
    ------
    LedgerLocked
        If another process simulates the same.
    LedgerError
        If it cannot be written.
    """
    durable_files.make_folder(path.parent)
    with durable_files.locked(path.parent, 0.0, name=path.name):
        yield Journal(path, identity)


class Journal:
    """A journal that is locked; see :func:`opened`. Whatever does not belong to it, and what follows, is cut off."""

    def __init__(self, path: Path, identity: str):
        self.path, self._hash, self._size = path, "", 0
        self._lines = list(self._whole())
        if self._lines[:1] != [identity]:
            self._lines, self._hash, self._size = [], "", 0
        durable_files.cut(path, self._size)
        if not self._lines:
            self._append(identity)
            durable_files.sync_folder(path.parent)
        self._lines = self._lines[1:]

    def replay(self, state: State) -> State:
        """Bring the state in which the simulation begins to where it stands, and return it."""
        for text in self._lines:
            _apply(state, json.loads(text))
        self._lines = []
        self._note(state)
        return state

    def add(self, state: State) -> None:
        """Write down what the slot before ``state.slot`` added; the slots before it are there already."""
        slot = state.slot - 1
        trips = np.flatnonzero(state.electric != self._electric)
        places = np.flatnonzero(state.prices != self._prices)
        content = {
            "slot": slot,
            "power": {name: values[:, slot].tolist() for name, values in state.realised._asdict().items()},
            "electric": [trips.tolist(), state.electric[trips].tolist()],
            "deals": {name: values.tolist() for name, values in state.deals[slot]._asdict().items()},
            "prices": [places.tolist(), state.prices.flat[places].tolist()],
            "ladder": [column.tolist() for column in state.ladders[-1]] if state.ladders else None,
            "held": state.held[-1] if state.held else None,
            "orders": [[k, rows[self._rows.get(k, 0) :]] for k, rows in state.books.items()],
            "basis": _packed(state.basis) if state.basis else None,
            "limits": {family: places.tolist() for family, places in state.limits.items()},
        }
        self._append(json.dumps(content, separators=(",", ":")))
        self._note(state)

    def _note(self, state: State) -> None:
        """Keep what the next line is compared with."""
        self._electric, self._prices = state.electric.copy(), state.prices.copy()
        self._rows = {slot: len(rows) for slot, rows in state.books.items()}

    def _whole(self) -> Iterator[str]:
        """Yield the text of each line up to the first one that is not whole."""
        with durable_files.opened(self.path) as descriptor, open(descriptor, "rb", closefd=False) as file:
            for line in file:
                text = line[65:-1]
                if line != _line(self._hash, text):
                    return
                self._hash, self._size = line[:64].decode(), self._size + len(line)
                yield text.decode()

    def _append(self, text: str) -> None:
        line = _line(self._hash, text.encode())
        durable_files.append(self.path, line, self._size)
        self._hash, self._size = line[:64].decode(), self._size + len(line)


def _line(before: str, text: bytes) -> bytes:
    return hashlib.sha256(before.encode() + text).hexdigest().encode() + b" " + text + b"\n"


def _apply(state: State, content: dict[str, Any]) -> None:
    """Add to a state what one slot added."""
    slot, series = content["slot"], state.realised._asdict()
    for name, column in content["power"].items():
        series[name][:, slot] = column
    for values, (places, new) in ((state.electric, content["electric"]), (state.prices, content["prices"])):
        values.flat[places] = new
    state.deals.append(Deals(*(np.array(content["deals"][n], dtype=kind) for n, kind in _DEALS.items())))
    if content["ladder"]:
        state.ladders.append(Ladder(*map(np.array, content["ladder"])))
        state.held.append(Held(*([tuple(row) for row in rows] for rows in content["held"])))
    state.books = {
        k: [*state.books.get(k, []), *(OrderRow(*row) for row in rows)] for k, rows in content["orders"]
    }
    state.basis = _unpacked(content["basis"]) if content["basis"] else None
    state.limits = {family: np.array(places) for family, places in content["limits"].items()}
    state.energy, state.slot = state.realised.energy[:, slot].copy(), slot + 1


def _packed(basis: Basis) -> str:
    """Return a basis as text: its labels, and a digit for each status, compressed."""
    families = [
        {name: [sets, (status + _DIGIT).tobytes().decode()] for name, (sets, status) in part.items()}
        for part in (basis.columns, basis.rows)
    ]
    return base64.b64encode(zlib.compress(json.dumps([basis.labels, *families]).encode(), level=1)).decode()


def _unpacked(text: str) -> Basis:
    """Return the basis that a text stands for."""
    labels, *families = json.loads(zlib.decompress(base64.b64decode(text)))

    def family(sets: list[str], digits: str) -> tuple[tuple[str, ...], np.ndarray]:
        status = np.frombuffer(digits.encode(), dtype=np.int8) - _DIGIT
        return tuple(sets), status.reshape([len(labels[name]) for name in sets])

    return Basis(labels, *({name: family(*of) for name, of in part.items()} for part in families))
