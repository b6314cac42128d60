"""What is traded, when and at which prices: the half-hour products of an exchange, and its declared rules.

A product opens 24 hours before its slot begins and closes 10 minutes before its slot *ends*, as in
Energies 2022, 15(12), 4218, https://doi.org/10.3390/en15124218 (section 2.2), a paper of the laboratory
that ran the trial; the trial's own gate was never published.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import xarray as xr

from ...data.inputs.contract import optional
from ...data.inputs.currency import Scale
from ..labels import Array
from ..topology.connections import connections
from ..topology.meters import metered_gross

MECHANISMS = ("continuous", "uniform", "pay-as-bid")
_MINUTE = 60_000_000  # in microseconds


@dataclass(frozen=True)
class Rules:
    """The declared rules of an exchange.

    ``mechanism`` is the continuous session or a call auction per slot; orders are taken from ``opening_hours``
    before the slot begins (included) to ``gate_minutes`` before it ends (excluded); slots have ``slot_minutes``
    where no inputs say otherwise; ``floor`` and ``cap`` are the least and the highest price [currency/kWh] of an order
    (default: per slot the lowest feed-in and the highest retail price of the tariffs; without inputs none).
    """

    mechanism: str = "continuous"
    opening_hours: float = 24.0
    gate_minutes: float = 10.0
    slot_minutes: float = 30.0
    floor: float | None = None
    cap: float | None = None

    def __post_init__(self) -> None:
        if self.mechanism not in MECHANISMS:
            raise ValueError(f"mechanism: got {self.mechanism!r}, want one of {', '.join(MECHANISMS)}")
        for name, price in (("floor", self.floor), ("cap", self.cap)):
            if price is not None and not math.isfinite(price):
                raise ValueError(f"{name}: got {price:g}, want a finite price, or None for no bound")
        if self.floor is not None and self.cap is not None and not self.floor <= self.cap:
            raise ValueError(
                f"floor: got {self.floor:g} and a cap of {self.cap:g}, want the lower price first"
            )
        # a declared gate after the slot's end, or before its opening, would be no market at all
        if not (0 <= self.opening_hours < math.inf and 0 <= self.gate_minutes < math.inf):
            raise ValueError(f"rules: got {self}, want finite times, none of them negative")
        if not 1 <= self.slot_minutes <= 1440:
            got = f"{self.slot_minutes:g}"
            raise ValueError(
                f"slot_minutes: got {got}, want slots of a minute or more, and a day (1440) at most"
            )


@dataclass(frozen=True)
class Product:
    """Energy of one slot: its start, length, and when orders are taken [microseconds since 1970 UTC].

    ``low`` and ``high`` are the price band in units of the ``scale``, None where there is none; ``position`` is the
    slot's place in the inputs.
    """

    start: int
    hours: float
    opens: int
    gate: int
    low: int | None
    high: int | None
    scale: Scale
    position: int = -1

    @property
    def band(self) -> tuple[float, float]:
        """Return the price band [currency/kWh], infinite where there is none."""
        low, high, units = self.low, self.high, self.scale.price
        return -math.inf if low is None else low / units, math.inf if high is None else high / units


class Products:
    """The products of an exchange, by the start of their slot; those of the inputs, or any aligned slot."""

    def __init__(self, inputs: xr.Dataset | None, rules: Rules, scale: Scale):
        self._rules, self._scale = rules, scale
        self._known: dict[int, Product | None] = {}
        self._open_ended = inputs is None
        if inputs is None:
            return
        band = _tariff_band(inputs, scale)
        starts = inputs["time"].values.astype("datetime64[us]").astype(np.int64).tolist()
        for k, (start, hours) in enumerate(zip(starts, inputs["slot_hours"].values.tolist(), strict=True)):
            self._known[start] = self._product(start, hours, band[k], k)

    def listed(self) -> list[Product]:
        """Return the products of the inputs in the order of their slots."""
        return [product for product in self._known.values() if product is not None]

    def find(self, start: int) -> Product | None:
        """Return the product whose slot starts here, or None."""
        if start not in self._known:
            minutes = self._rules.slot_minutes
            aligned = self._open_ended and start % round(minutes * _MINUTE) == 0
            self._known[start] = self._product(start, minutes / 60, (None, None)) if aligned else None
        return self._known[start]

    def _product(
        self, start: int, hours: float, band: tuple[int | None, int | None], position: int = -1
    ) -> Product:
        rules, (low, high) = self._rules, band
        if rules.floor is not None:
            low = math.ceil(rules.floor * self._scale.price - 1e-6)
        if rules.cap is not None:
            high = math.floor(rules.cap * self._scale.price + 1e-6)
        opens = start - round(rules.opening_hours * 60 * _MINUTE)
        gate = start + round((hours * 60 - rules.gate_minutes) * _MINUTE)
        return Product(start, hours, opens, gate, low, high, self._scale, position)


def _tariff_band(inputs: xr.Dataset, scale: Scale) -> list[tuple[int, int]]:
    """Return per slot the lowest feed-in and the highest retail price of the tariffs that participants have."""
    used = np.isin(inputs["tariff"].values, inputs["participant_tariff"].values)
    low = np.rint(inputs["feed_in_price"].values[used].min(axis=0) * scale.price).astype(int)
    high = np.rint(inputs["retail_price"].values[used].max(axis=0) * scale.price).astype(int)
    return list(zip(low.tolist(), np.maximum(low, high).tolist(), strict=True))


def positions(inputs: xr.Dataset, hosts: Array | None = None) -> xr.Dataset:
    """Return what each meter (a participant at a node) can trade in each slot [kWh], whatever it plans.

    ``own_generation`` (meter, time) is its PV and what its batteries, as far as they give to others and their inverter
    converts it, and the vehicles plugged in behind it can discharge; ``export_limit`` and ``import_limit`` (meter,
    time) are those of its connection, ``export_envelope`` and ``import_envelope`` those of the slot, infinite without
    any. PV that is metered gross has a connection of its own, with the same limits, and adds to all what passes it. A
    vehicle plugged in away from its owner's premises is a meter of its owner at its host's node, limited by its charger.
    ``meter_participant`` and ``meter_node`` name the meters. ``hosts`` (vehicle, any): an exchange that does not
    know where vehicles will be takes their orders for every slot at any of these.
    """
    hours = inputs["slot_hours"].values
    people, nodes = inputs["participant"].values.astype(str), inputs["participant_node"].values.astype(str)
    meters: dict[tuple[str, str], np.ndarray] = {}
    generation, gross = inputs["pv_available"].values, metered_gross(inputs)[:, None]
    generation = np.where(gross, np.minimum(generation, connections(inputs)[1]), generation)
    passed = np.where(gross, generation, 0.0)
    most_given, most_drawn = (
        [
            np.broadcast_to(inputs[f"{way}_limit"].values[:, None], passed.shape),
            optional(inputs, f"{way}_envelope"),
        ]
        for way in ("export", "import")
    )
    most_given = [limit + passed for limit in most_given]
    place = {p: i for i, p in enumerate(people)}
    outward = np.where(
        optional(inputs, "battery_gives") == "home", 0.0, inputs["battery_discharge_limit"].values
    )
    for owner, power in zip(inputs["battery_owner"].values, outward, strict=True):
        generation[place[str(owner)]] += power
    generation = np.minimum(generation, optional(inputs, "inverter_limit")[:, None])
    for i, (person, node) in enumerate(zip(people, nodes, strict=True)):
        meters[person, node] = np.array([limit[i] for limit in (generation, *most_given, *most_drawn)])
    known, hosts = hosts is None, inputs["vehicle_host"].values if hosts is None else hosts
    for v, owner in enumerate(inputs["vehicle_owner"].values.astype(str)):
        give, take = (float(inputs[f"vehicle_{n}_limit"].values[v]) for n in ("discharge", "charge"))
        home = (owner, nodes[place[owner]])
        meters[home][0] += np.where(hosts[v] == owner if known else True, give, 0.0)
        for host in sorted(set(hosts[v].tolist()) - {"", owner}):
            meter = (owner, nodes[place[host]])
            if meter == home and not known:  # a visit next door that may never come makes no room at home
                continue
            there = hosts[v] == host if known else True
            guest = meters.setdefault(meter, np.zeros((len(POSITIONS), len(hours))))
            guest += np.where(there, np.array([[give], [give], [give], [take], [take]]), 0.0)
    stacked = np.array(list(meters.values())) * hours
    dims = ("meter", "time")
    values = {n: (dims, stacked[:, k], {"units": "kWh"}) for k, n in enumerate(POSITIONS)}
    labels = {
        f"meter_{n}": (("meter",), np.array([k[i] for k in meters]))
        for i, n in enumerate(("participant", "node"))
    }
    return xr.Dataset({**labels, **values}, coords={"time": inputs["time"].values})


POSITIONS = ("own_generation", "export_limit", "export_envelope", "import_limit", "import_envelope")
"""What limits what a meter sells (the first three) and buys."""
