"""The state of a simulation on the disk, so that an interrupted one goes on as if nothing had happened.

One file without pickles: arrays, and what they belong to. It is replaced as a whole or not at all.
"""

import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from ..model.delivery import Deals
from ..model.product_book import Row
from . import store
from .simulation import State

_DEALS = ("seller", "buyer", "energy", "price", "fee", "congestion", "contracted")


def write(path: Path, identity: str, state: State) -> None:
    """Store a state; ``identity`` says what simulation it belongs to.

    Raises
    ------
    RunFileError
        If it cannot be written.
    """
    slots = [slot for slot, rows in state.books.items() for _ in rows]
    rows = [row for rows in state.books.values() for row in rows]
    content: dict[str, Any] = {
        "identity": np.array(identity),
        "slot": np.array(state.slot),
        "energy": state.energy,
        "prices": state.prices,
        "electric": state.electric,
        "open_books": np.array(list(state.books), dtype=np.int64),
        "order_slot": np.array(slots, dtype=np.int64),
        "deal_count": np.array([len(d.energy) for d in state.deals], dtype=np.int64),
        **{f"power_{name}": values for name, values in state.power.items()},
        **{f"deal_{n}": np.concatenate([getattr(d, n) for d in state.deals]) for n in _DEALS},
        **{f"order_{k}": np.array(column) for k, column in enumerate(zip(*rows, strict=True))},
    }

    def fill(name: str) -> None:
        with open(name, "wb") as file:
            np.savez_compressed(file, **content)
            file.flush()
            os.fsync(file.fileno())

    store.publish(path, fill, same=lambda earlier: True)


def read(path: Path, identity: str) -> State | None:
    """Return the state that is stored for a simulation, None where there is none, or that of another simulation."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            content = {name: stored[name] for name in stored.files}
    except (FileNotFoundError, zipfile.BadZipFile, ValueError):
        return None
    if str(content.get("identity")) != identity:
        return None
    ends = np.cumsum(content["deal_count"])[:-1]
    deals = [np.split(content[f"deal_{name}"], ends) for name in _DEALS]
    books: dict[int, list[Row]] = {int(slot): [] for slot in content["open_books"]}
    columns = [content[f"order_{k}"].tolist() for k in range(10) if f"order_{k}" in content]
    for slot, *row in zip(content["order_slot"].tolist(), *columns, strict=True):
        books[slot].append(tuple(row))
    return State(
        slot=int(content["slot"]),
        energy=content["energy"],
        prices=content["prices"],
        power={n.removeprefix("power_"): v for n, v in content.items() if n.startswith("power_")},
        electric=content["electric"],
        deals=[Deals(*parts) for parts in zip(*deals, strict=True)],
        books=books,
    )
