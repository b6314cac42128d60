"""Rows of a benchmark: stored as CSV, and the exponent with which a time grows with the number of homes."""

import csv
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np


def store(rows: list[dict[str, Any]], path: Path) -> None:
    """Write rows of equal keys as CSV."""
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def growth(homes: Iterable[float], seconds: Iterable[float]) -> float:
    """Return the slope of the logarithm of seconds over that of homes, by least squares; NaN for a single size."""
    x, y = np.log(np.array([*homes], dtype=float)), np.log(np.array([*seconds], dtype=float))
    return float(np.polyfit(x, y, 1)[0]) if len(set(x)) > 1 else float("nan")
