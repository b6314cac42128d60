"""What a scenario could build, and what it has built: candidates, and tables with these in them."""

from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from ...inputs.variables import LEAST
from ...problems import InputError, Problem, suggestion
from ...schema.defaults import fill
from ...schema.investment import Candidate
from ...schema.scenario import Scenario
from ...schema.table_rows import Battery, Node, Participant, Vehicle
from .. import demand_and_pv

Row = TypeVar("Row", Vehicle, Node)


@dataclass(frozen=True)
class Item:
    """A candidate: its label, price of a kW or kWh, upkeep of a year, and years until it is replaced.

    ``owner`` is a participant; of one that several own, by ``shares``, a plant of the candidate's label.
    """

    label: str
    owner: str
    kind: str
    most: float
    price: float
    upkeep: float
    years: float
    terms: Candidate

    @property
    def shares(self) -> dict[str, float]:
        """Who owns which part of it."""
        return self.terms.shares or {self.owner: 1.0}

    def per_year(self, rate: float) -> float:
        """Return what a kW or kWh costs a year at an interest rate."""
        return self.price * annuity(rate, self.years) + self.upkeep


def annuity(rate: float, years: float) -> float:
    """Return the part of a price that is paid each year of so many, at the end of the year, at an interest rate.

    rate / (1 - (1 + rate)^-years), and 1 / years without interest: the capital recovery factor (Short, Packey and
    Holt, "A manual for the economic evaluation of energy efficiency and renewable energy technologies", NREL/TP-462-5173
    (1995), section 2).

    >>> round(annuity(0.03, 20), 6), annuity(0.0, 20)
    (0.067216, 0.05)
    """
    return rate / (1.0 - (1.0 + rate) ** -years) if rate else 1.0 / years


def listed(scenario: Scenario) -> list[Item]:
    """Return what each participant could build; ``each`` names one for each, labelled ``candidate@participant``."""
    if scenario.investment is None:
        return []
    rows = scenario.tables.participants
    homes = [p.participant for p in rows if p.kind == "home"]
    groups = {"homes": homes, "everybody": [p.participant for p in rows if p.kind != "plant"]}
    found = []
    for name, terms in scenario.investment.candidates.items():
        each = terms.each
        owners = groups[each] if isinstance(each, str) else each or (terms.owner or name,)
        if terms.vehicle is not None:
            owners = tuple(v.owner for v in scenario.tables.vehicles if v.vehicle == terms.vehicle)
        for owner in owners:
            label = name if each is None else f"{name}@{owner}"
            values = terms.capacity_max, terms.price, terms.maintenance_per_year, terms.lifetime_years
            found.append(Item(label, owner, terms.kind, *values, terms))
    return found


def items(scenario: Scenario) -> list[Item]:
    """Return what is to be decided: all candidates but those that are built.

    Raises
    ------
    InputError
        If a label is that of a battery or participant already, or the scenario says nothing of what could be built.
    """
    built = scenario.investment.built if scenario.investment else {}
    found = [item for item in listed(scenario) if item.label not in built]
    if not found:
        want = "what could be built: investment.candidates"
        raise InputError([Problem(scenario.name, "", "investment", "nothing", want)])
    _require_own_labels(scenario, found)
    return found


def standing(scenario: Scenario) -> list[Item]:
    """Return what a scenario says is built of its candidates, at its size in place of the greatest.

    Raises
    ------
    InputError
        If something is built that is no candidate, or more of it than the most; or as of `items`.
    """
    built = scenario.investment.built if scenario.investment else {}
    most = {item.label: item.most for item in listed(scenario)} if built else {}
    problems = [
        Problem(
            scenario.name,
            "",
            f"investment.built.{label}",
            f"{size:g}" if label in most else repr(label),
            f"at most {most[label]:g}, its capacity_max"
            if label in most
            else f"a candidate{suggestion(label, most)}",
        )
        for label, size in built.items()
        if size > most.get(label, -1.0) * (1 + 1e-9)
    ]
    if problems:
        raise InputError(problems)
    found = [_at(item, built[item.label]) for item in listed(scenario) if built.get(item.label, 0.0) > 0]
    _require_own_labels(scenario, found)
    return found


def _at(item: Item, size: float) -> Item:
    """Return an item as it stands at a size; of a line in common, whose rent nobody is paid, no account is left."""
    bare = item.terms.model_copy(update={"shares": None}) if item.kind == "line" else item.terms
    return replace(item, most=size, terms=bare)


def _require_own_labels(scenario: Scenario, own: list[Item]) -> None:
    """Raise InputError where a candidate has the label of a battery, or of a participant."""
    batteries = {b.battery for b in scenario.tables.batteries}
    people = {p.participant for p in scenario.tables.participants}
    problems = [
        Problem(
            scenario.name,
            "",
            f"investment.candidates.{i.label}",
            repr(i.label),
            f"a label that no {what} has",
        )
        for i in own
        for what, taken in (("battery", batteries), ("participant", people))
        if i.label in taken and (i.terms.shares if what == "participant" else i.kind == "battery")
    ]
    if problems:
        raise InputError(problems)


def sized(scenario: Scenario, own: list[Item]) -> Scenario:
    """Return a scenario whose tables have items at their greatest sizes; but for PV, which is `output`."""
    tables = scenario.tables
    raised = {
        "vehicles": tuple(
            _raised(v, [i for i in own if i.terms.vehicle == v.vehicle]) for v in tables.vehicles
        ),
        "nodes": tuple(_raised(n, [i for i in own if i.terms.edge == n.node]) for n in tables.nodes),
    }
    batteries = (*tables.batteries, *(_battery(item) for item in own if item.kind == "battery"))
    people = (*tables.participants, *(_plant(item) for item in own if item.terms.shares))
    tables = tables.model_copy(update={"batteries": batteries, "participants": people, **raised})
    return scenario.model_copy(update={"tables": tables})


RAISED = {"charger": "charge_limit_kw", "v2h": "discharge_limit_kw", "line": "limit_kw"}
"""Which limit of a vehicle, or of a node, candidates of a kind raise."""


def _raised(row: Row, mine: list[Item]) -> Row:
    """Return a vehicle or node whose limits are those of the greatest sizes of the candidates that raise them."""
    limits = {RAISED[i.kind]: i.most for i in mine}
    return row.model_copy(
        update={n: None if (own := getattr(row, n)) is None else own + m for n, m in limits.items()}
    )


def _plant(item: Item) -> Participant:
    """Return the account of a candidate that several own."""
    terms = item.terms
    return Participant(participant=item.label, kind="plant", node=terms.node, tariff=terms.tariff)


def _battery(item: Item) -> Battery:
    """Return a battery at its greatest size."""
    terms, most = item.terms, max(item.most, LEAST)
    return Battery(
        battery=item.label,
        owner=item.owner,
        capacity_kwh=most,
        min_energy_kwh=most * terms.min_energy_percent / 100,
        charge_limit_kw=most * terms.charge_kw_per_kwh,
        discharge_limit_kw=most * terms.discharge_kw_per_kwh,
        charge_efficiency=terms.charge_efficiency,
        discharge_efficiency=terms.discharge_efficiency,
        wear_cost_per_kwh=terms.wear_cost_per_kwh,
    )


def output(scenario: Scenario, own: list[Item]) -> np.ndarray:
    """Return what a kW of each candidate for PV gives (candidate, time) [kW], 0 of batteries."""
    scenario = fill(scenario)
    frame = demand_and_pv.frame(scenario.time, scenario.seed)
    rows = [
        Participant(
            participant=item.label,
            kind="plant",
            pv_kw=1.0,
            pv_tilt_deg=item.terms.tilt_deg,
            pv_azimuth_deg=item.terms.azimuth_deg,
            pv_mounting=item.terms.mounting or scenario.pv.mounting,
            pv_losses=scenario.pv.losses if item.terms.losses is None else item.terms.losses,
        )
        for item in own
        if item.kind == "pv"
    ]
    tables = scenario.tables.model_copy(update={"participants": tuple(rows)})
    rows = list(fill(scenario.model_copy(update={"tables": tables})).tables.participants)
    power = np.zeros((len(own), len(frame.times)))
    if rows:
        roofs = [n for n, item in enumerate(own) if item.kind == "pv"]
        power[roofs] = demand_and_pv.generated_pv(frame, rows, scenario.site, scenario.weather)
    if frame.problems:
        raise InputError(sorted(frame.problems))
    return power
