"""Whole families of PyPSA's components from arrays over time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from ..labels import Array


class Families:
    """Families of components, each handed to ``add`` (as PyPSA's ``Network.add``) at once.

    Powers are (n, time) [kW]: the greatest of each is its ``p_nom``, the others are per unit of it; what could never
    carry anything is left out. ``carriers`` are those that were named.
    """

    def __init__(self, add: Callable[..., Any]):
        self.add = add
        self.carriers: set[str] = set()

    def buses(self, names: Iterable[str], carrier: str) -> None:
        """Add buses."""
        self._add("Bus", list(dict.fromkeys(names)), carrier=carrier)

    def loads(self, names: Sequence[str], bus: Sequence[str], power: Array) -> None:
        """Add loads of given powers (n, time) [kW]."""
        some = np.flatnonzero((power != 0).any(axis=1))
        self._add("Load", _at(names, some), bus=_at(bus, some), p_set=power[some])

    def generators(
        self,
        names: Sequence[str],
        bus: Sequence[str],
        power: Array,
        carrier: str,
        cost: Any = 0.0,
        **more: Any,
    ) -> None:
        """Add generators that give up to a power (n, time) [kW], at a cost (n, time) per kWh."""
        some = np.flatnonzero((power > 0).any(axis=1))
        self._add(
            "Generator",
            _at(names, some),
            bus=_at(bus, some),
            carrier=carrier,
            marginal_cost=np.broadcast_to(cost, power.shape)[some],
            **_rated(power[some]),
            **more,
        )

    def links(
        self,
        names: Sequence[str],
        ends: tuple[Sequence[str], Sequence[str]],
        power: Array,
        carrier: str,
        cost: Any = 0.0,
        efficiency: Any = 1.0,
        least: Array | None = None,
        third: tuple[Sequence[str], Array] | None = None,
        **more: Any,
    ) -> None:
        """Add links from one bus to another that carry up to a power (n, time) [kW] at their start.

        ``cost`` (n, time) is per kWh there, ``efficiency`` (n,) or (n, time). With ``least`` (n, time) [kW] a link
        carries nothing or at least that (a status of PyPSA's unit commitment). ``third`` are buses, "" for none, with
        what a kW puts there (n, time).
        """
        some = np.flatnonzero((power > 0).any(axis=1))
        if least is not None:
            held = (least[some] > 0).any(axis=1)
            more |= {"committable": held, "p_min_pu": least[some] / power[some].max(axis=1, keepdims=True)}
        if third is not None:
            more |= {"bus2": _at(third[0], some), "efficiency2": third[1][some]}
        self._add(
            "Link",
            _at(names, some),
            bus0=_at(ends[0], some),
            bus1=_at(ends[1], some),
            carrier=carrier,
            marginal_cost=np.broadcast_to(cost, power.shape)[some],
            efficiency=np.broadcast_to(efficiency, power.shape if np.ndim(efficiency) == 2 else len(power))[
                some
            ],
            **_rated(power[some]),
            **more,
        )

    def stores(self, names: Sequence[str], bus: Sequence[str], carrier: str, **values: Any) -> None:
        """Add stores, with PyPSA's own names of what they have."""
        self._add("Store", list(names), bus=list(bus), carrier=carrier, **values)

    def _add(self, component: str, names: list[str], **values: Any) -> None:
        """Add components; what is (n, time) becomes a series where it changes."""
        if names:
            self.carriers |= {values["carrier"]} if "carrier" in values else set()
            self.add(component, names, **{key: _series(value) for key, value in values.items()})


def _series(value: Any) -> Any:
    """Return values (n, time) as PyPSA takes them, (time, n), or (n,) where none changes over time."""
    if not isinstance(value, np.ndarray) or value.ndim < 2:
        return value
    return value[:, 0] if (value == value[:, :1]).all() else value.T


def _rated(power: Array) -> dict[str, Array]:
    """Return rating (n,) and what is possible of it (n, time)."""
    rating = power.max(axis=1, initial=0.0)
    return {"p_nom": rating, "p_max_pu": power / rating[:, None]}


def _at(values: Sequence[str], some: Array) -> list[str]:
    return [values[k] for k in some]
