"""One slot after another: plan, trade, deliver, carry on; see ``model/agents/README.md``."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from operator import ne
from typing import Any

import numpy as np
import xarray as xr

from ...data.inputs.arrays import Arrays
from ...data.inputs.currency import scale
from ...model.agents import (
    bidding,
    delivery,
    dispatch,
    flexible_loads,
    heat_pumps,
    hedging,
    planning,
    price_expectations,
    reachable_energy,
)
from ...model.agents.dispatch import Dispatch
from ...model.agents.order_management import Held, OrderRow, ProductBook
from ...model.exchange.deals import NO_DEALS, Deals
from ...model.exchange.exchange import Rules, positions
from ...model.exchange.ladder import Ladder
from ...model.exchange.products import Products
from ...model.labels import Array, places
from ...model.solver.basis import Basis
from ...model.topology.connections import unavoidable
from ...model.topology.stores import by_device, of_devices
from ...model.topology.traders import traders
from ..markets import ALONE, MODES, SIMULATED, require_simulated
from . import network_control
from .common_plan import Met, common_plan
from .futures import futures
from .timeline import Timeline

SPARE_PV = 1.2
"""Most PV that an exchange lets a meter offer, relative to the most of the days before. Assumption."""


@dataclass(frozen=True)
class Options:
    """How a simulation goes.

    ``mode``: agents on an exchange, the community co-optimized anew at each slot, or nobody trades; ``window`` slots are
    planned ahead (None: to the end); ``rules`` of the exchange; ``weight`` of the newest prices in what agents expect;
    ``seed`` of who comes first of those who come at once, and of futures; ``futures`` for which the co-optimized
    community plans, 1: for what is expected.
    """

    mode: str = "exchange"
    window: int | None = None
    rules: Rules = field(default_factory=Rules)
    weight: float = 0.3
    seed: int = 0
    futures: int = 1

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise ValueError(f"mode: got {self.mode!r}, want one of {', '.join(MODES)}")
        if self.futures > 1 and self.mode != SIMULATED[1]:
            raise ValueError("futures: agents plan for what they expect, want one")

    def stated(self) -> dict[str, Any]:
        """Return the options as plain values; one future goes without saying."""
        every = asdict(self)
        return {name: value for name, value in every.items() if name != "futures" or value != 1}


@dataclass
class State:
    """Where a simulation stands: the next ``slot``, ``energy`` (S + H,) [kWh] of stores and tanks, and all realised.

    ``prices`` (side, node, time of day) are the expected ones [currency/kWh]; ``realised`` is the dispatch over all T
    slots, ``electric`` (trip,) the distance driven on electricity [km], ``deals`` what was delivered in each slot;
    ``ladders`` are those of closed products, ``held`` what limits held of them, ``books`` the rows of orders of open
    ones; ``basis`` is where the last plan ended, and the next one starts: between equal plans it decides; ``limits`` of
    the network are those that it meets.
    """

    slot: int
    energy: np.ndarray
    prices: np.ndarray
    realised: Dispatch
    electric: np.ndarray
    deals: list[Deals] = field(default_factory=list)
    ladders: list[Ladder] = field(default_factory=list)
    held: list[Held] = field(default_factory=list)
    books: dict[int, list[OrderRow]] = field(default_factory=dict)
    basis: Basis | None = None
    limits: Met = field(default_factory=dict)


class Simulation:
    """A simulation of a timeline; ``step`` brings it one slot further.

    Parameters
    ----------
    timeline : Timeline
        What happens, and what is known of it when.
    options : Options
        How it goes.
    state : State, optional
        Where it goes on from (default: the first slot).
    """

    def __init__(self, timeline: Timeline, options: Options, state: State | None = None):
        self.timeline, self.options, inputs = timeline, options, timeline.arrays
        require_simulated(inputs, options.mode, options.futures)
        self._expectations = price_expectations.Expectations(
            inputs, timeline.days.slots_per_day, options.weight
        )
        self._place = (timeline.days.place % timeline.days.slots_per_day)[timeline.known :]
        before = timeline.pv[:, : timeline.known] if timeline.known else timeline.pv[:, :1]
        peak = np.repeat(SPARE_PV * before.max(axis=1)[:, None], inputs.sizes["time"], axis=1)
        if timeline.foresight:
            peak = np.maximum(peak, inputs["pv_available"].values)
        hosts = None if timeline.foresight else timeline.driving.hosts
        self._limits = Arrays.of(
            positions(inputs.assign(pv_available=(("participant", "time"), peak)), hosts)
        )
        self._happening = unavoidable(inputs)
        self._required = reachable_energy.required(timeline.announced())
        self._books: dict[int, ProductBook] = {}
        self._products = Products(inputs, options.rules, scale(inputs.attrs["currency"])).listed()
        self.state = state or _begin(inputs, self._expectations)
        self._expectations.values = self.state.prices
        for slot, rows in self.state.books.items():
            self._book(slot).submit(rows)

    @property
    def done(self) -> bool:
        """Tell whether there is no slot left."""
        return self.state.slot >= self.timeline.inputs.sizes["time"]

    def step(self) -> None:
        """Trade and deliver the next slot."""
        state, inputs, slot = self.state, self.timeline.arrays, self.state.slot
        hours = float(inputs["slot_hours"].values[slot])
        left = inputs.sizes["time"] - slot
        count = min(left, self.options.window or left)
        drawn = np.maximum(state.realised.net[: inputs.sizes["participant"], :slot], 0.0)
        before = flexible_loads.Drawn(state.realised.load[:, :slot], state.realised.start[:, :slot])
        seen = self.timeline.window(slot, count, state.energy, drawn, before)
        planned, deals, meant = self._planned(seen, drawn, before)
        least = np.maximum(self._required[:, slot], reachable_energy.required(seen)[:, 0])
        value = by_device(inputs, planned.value[:, 0])["vehicle"]
        held = heat_pumps.with_heat_pumps(inputs, slot).kept[:, slot] * state.energy
        energy, required = (by_device(inputs, kwh) for kwh in (held, least))
        electric = dispatch.unplanned_distance(inputs, energy["vehicle"], required["vehicle"], value)
        place = places(seen["trip"].values, inputs["trip"].values)
        electric = np.where(place >= 0, np.append(planned.electric, 0.0)[place], electric)
        energy["vehicle"], driven = dispatch.drive(inputs, slot, energy["vehicle"], electric)
        contracted = deals.net(len(planned.net)) / hours
        stored = of_devices(inputs, energy)
        if heat_pumps.count(inputs):
            heat = held[len(stored) :] - inputs["heat_pump_heat_demand"].values[:, slot] * hours
            stored, least = np.append(stored, heat), np.append(least, heat_pumps.required(seen))
        happening, loads = self._with_loads(before, meant, planned, contracted)
        realised = network_control.realised(happening, slot, stored, planned, contracted, least)
        state.realised.enter(slot, realised._replace(load=loads.power, start=loads.start))
        state.deals.append(delivery.deliver(inputs, slot, deals, realised.net))
        state.electric += driven
        state.energy, state.slot, state.basis = realised.energy, slot + 1, planned.basis
        self._books.pop(slot, None)
        state.books = {k: book.rows for k, book in self._books.items()}

    def _with_loads(
        self, before: flexible_loads.Drawn, seen: xr.Dataset, planned: planning.Plan, contracted: np.ndarray
    ) -> tuple[xr.Dataset, flexible_loads.Drawn]:
        """Return what really happens, with what flexible loads draw in the next slot as demand, and what that is."""
        if "flexible_load" not in seen.sizes:
            return self._happening, flexible_loads.Drawn(np.zeros(0), np.zeros(0))
        loads = flexible_loads.drawn(self._happening, before, seen, planned, contracted)
        demand = self._happening["demand"].values.copy()
        demand[:, self.state.slot] += flexible_loads.of_owners(self._happening, loads.power)
        return self._happening.assign(demand=self._happening["demand"].copy(data=demand)), loads

    def _planned(
        self, seen: xr.Dataset, drawn: np.ndarray, before: flexible_loads.Drawn
    ) -> tuple[planning.Plan, Deals, xr.Dataset]:
        """Return the plan that devices follow, the deals of the slot that closes, and what the plan is for."""
        state, options = self.state, self.options
        if options.mode == "exchange":
            return *self._exchanged(seen), seen
        if options.futures > 1:
            window = state.slot, seen.sizes["time"], state.energy
            own = futures(self.timeline, *window, options.futures, options.seed, drawn, before)
            if len(own.inputs) > 1:
                hedged = hedging.hedged(seen, own.inputs, own.probability, state.basis)
                return *hedged, hedging.average(seen, own.inputs, own.probability)
        if options.mode == ALONE:
            return planning.alone(seen, state.basis), NO_DEALS, seen
        planned, deals, state.limits = common_plan(seen, state.slot, state.basis, state.limits)
        return planned, deals, seen

    def _exchanged(self, seen: xr.Dataset) -> tuple[planning.Plan, Deals]:
        """Return the agents' plan and the deals of the slot that closes, after they have traded."""
        slot, count, options = self.state.slot, seen.sizes["time"], self.options
        quotes = self._expectations.quotes(seen, self._place[slot : slot + count])
        planned, node = planning.plan(seen, quotes, self.state.basis), traders(seen).node
        turn = np.random.default_rng([options.seed, slot]).permutation(len(planned.net)).tolist()
        placed, products = self._products[slot].start, self._products[slot : slot + count]
        following = self._products[slot + 1].start if slot + 1 < len(self._products) else math.inf
        for k, product in enumerate(products):
            if product.opens <= placed < product.gate <= following:
                self._trade(k, seen, planned, node[:, k], turn)
        book = self._book(slot)
        deals, learned = book.close(node[:, 0])
        if book.ladder:
            self.state.ladders.append(book.ladder)
            self.state.held.append(book.held)
        self._expectations.learn(int(self._place[slot]), learned)
        return planned, deals

    def _trade(self, k: int, seen: xr.Dataset, planned: planning.Plan, at: Array, turn: list[int]) -> None:
        """Let the agents trade product ``k`` of what they see, which closes before they plan anew.

        A round in which no orders could meet, and after which all have other prices, leaves nothing behind: its orders
        need not be placed.
        """
        slot, rules = self.state.slot, self.options.rules
        book, product, placed = self._book(slot + k), self._products[slot + k], self._products[slot].start
        rounds = bidding.ROUNDS if rules.mechanism == "continuous" else 1
        traded, wanted, asked = -1.0, [], []
        for n in range(rounds):
            deals = book.deals(at)
            if deals.energy.sum() != traded:
                traded = deals.energy.sum()
                contracted = deals.net(len(planned.net)) / seen["slot_hours"].values[k]
                wanted = bidding.order_intents(seen, planned, k, contracted, product.band)
                asked = bidding.conceded(wanted, (n + 1) / rounds, product.band)
            then = bidding.conceded(wanted, (n + 2) / rounds, product.band) if n + 1 < rounds else asked
            idle = all(map(ne, asked, then)) and not book.can_meet(wanted, asked, at)
            moment = placed + (product.gate - placed) * n // rounds
            intents = [] if idle else bidding.at_limits(wanted, asked)
            book.place(moment, slot * rounds + n, intents, turn, at)
            asked = then

    def _book(self, slot: int) -> ProductBook:
        if slot not in self._books:
            self._books[slot] = ProductBook(self.timeline.arrays, slot, self._limits, self.options.rules)
        return self._books[slot]


def _begin(inputs: xr.Dataset, expectations: price_expectations.Expectations) -> State:
    energy, pumps = heat_pumps.held(inputs), heat_pumps.count(inputs)
    slots, who = inputs.sizes["time"], len(traders(inputs).account)
    loads = inputs.sizes.get("flexible_load", 0)
    rows = (*[len(energy)] * 3, who, inputs.sizes["participant"], pumps, pumps, loads, loads)
    realised = Dispatch(*(np.zeros((size, slots)) for size in rows))
    return State(0, energy, expectations.values, realised, np.zeros(inputs.sizes["trip"]))
