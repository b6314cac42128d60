"""The inputs of a plan: those of a scenario, with what could be built."""

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import xarray as xr

from ...inputs.contract import complete, kinds, validate
from ...problems import InputError, Problem
from ...schema.defaults import fill
from ...schema.investment import Candidate
from ...schema.scenario import Scenario
from ...schema.table_rows import Battery, Node, Participant, Vehicle
from .. import demand_and_pv
from ..devices_and_trips import labels
from ..inputs import build_inputs

Row = TypeVar("Row", Vehicle, Node)

DAYS = 365
"""Days of a year, in which annuities and upkeep are counted."""


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


def items(scenario: Scenario) -> list[Item]:
    """Return what each participant could build; ``each`` names one for each, labelled ``candidate@participant``.

    Raises
    ------
    InputError
        If a label is that of a battery or participant already, or the scenario says nothing of what could be built.
    """
    if scenario.investment is None:
        want = "what could be built: investment.candidates"
        raise InputError([Problem(scenario.name, "", "investment", "nothing", want)])
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
    batteries, people = {b.battery for b in scenario.tables.batteries}, {p.participant for p in rows}
    problems = [
        Problem(
            scenario.name,
            "",
            f"investment.candidates.{i.label}",
            repr(i.label),
            f"a label that no {what} has",
        )
        for i in found
        for what, taken in (("battery", batteries), ("participant", people))
        if i.label in taken and (i.terms.shares if what == "participant" else i.kind == "battery")
    ]
    if problems:
        raise InputError(problems)
    return found


def planned_inputs(scenario: Scenario) -> xr.Dataset:
    """Return the inputs of a scenario with its candidates, as :func:`otonari.build_inputs` does without them.

    ``candidate_cost`` is the part of annuity and upkeep that falls on the horizon.

    Raises
    ------
    InputError
        With every problem of the files and of the inputs, or where there is nothing to plan.
    """
    own = items(scenario)
    tables = scenario.tables
    batteries = (*tables.batteries, *(_battery(item) for item in own if item.kind == "battery"))
    people = (*tables.participants, *(_plant(item) for item in own if item.terms.shares))
    raised = {
        "vehicles": tuple(
            _raised(v, [i for i in own if i.terms.vehicle == v.vehicle]) for v in tables.vehicles
        ),
        "nodes": tuple(_raised(n, [i for i in own if i.terms.edge == n.node]) for n in tables.nodes),
    }
    tables = tables.model_copy(update={"batteries": batteries, "participants": people, **raised})
    inputs = build_inputs(scenario.model_copy(update={"tables": tables}))
    _require_no_meter(scenario, inputs, own)
    known = [b.battery for b in scenario.tables.batteries]
    business = [p.participant for p in tables.participants if p.kind == "business"]
    kind = kinds(inputs.isel(battery=np.isin(inputs["battery"].values, known)), business)
    share = scenario.time.days / DAYS
    rate = scenario.finance.discount_rate
    variables = {
        "candidate_owner": labels(i.owner for i in own),
        "candidate_kind": labels(i.kind for i in own),
        "candidate_battery": labels(i.label if i.kind == "battery" else "" for i in own),
        "candidate_most": np.array([i.most for i in own]),
        "candidate_cost": np.array([i.per_year(rate) for i in own]) * share,
    }
    if any(i.terms.vehicle for i in own):
        variables["candidate_vehicle"] = labels(i.terms.vehicle or "" for i in own)
    if any(i.terms.edge for i in own):
        variables["candidate_node"] = labels(i.terms.edge or "" for i in own)
    if any(i.terms.fixed_cost for i in own):
        once = [i.terms.fixed_cost * annuity(rate, i.years) for i in own]
        variables["candidate_fixed_cost"] = np.array(once) * share
    if any(i.terms.unit_size for i in own):
        variables["candidate_unit"] = np.array([i.terms.unit_size for i in own])
    given = {name: (("candidate",), values) for name, values in variables.items()}
    output = (("candidate", "time"), _output(scenario, own))
    inputs = complete(
        inputs.assign({**given, "candidate_output": output})
        .assign(participant_kind=inputs["participant_kind"].copy(data=kind))
        .assign_coords(candidate=labels(i.label for i in own))
    )
    if faults := validate(inputs):
        raise InputError(faults)
    return inputs


RAISED = {"charger": "charge_limit_kw", "v2h": "discharge_limit_kw", "line": "limit_kw"}
"""Which limit of a vehicle, or of a node, candidates of a kind raise."""


def _raised(row: Row, mine: list[Item]) -> Row:
    """Return a vehicle or node whose limits are those of the greatest sizes of the candidates that raise them."""
    limits = {RAISED[i.kind]: i.most for i in mine}
    return row.model_copy(
        update={n: None if (own := getattr(row, n)) is None else own + m for n, m in limits.items()}
    )


def _require_no_meter(scenario: Scenario, inputs: xr.Dataset, own: list[Item]) -> None:
    """Raise InputError where a line owned in shares is on a tariff with standing charges: it has no meter to pay for."""
    if "component_standing" not in inputs:
        return
    standing = (inputs["component_standing"].values != 0).reshape(inputs.sizes["component"], -1).any(axis=1)
    charged = inputs["component_tariff"].values[standing]
    tariff = dict(zip(inputs["participant"].values, inputs["participant_tariff"].values, strict=True))
    want = "the tariff of a line, which has no meter, without standing charges"
    problems = [
        Problem(scenario.name, "", f"investment.candidates.{i.label}.tariff", str(tariff[i.owner]), want)
        for i in own
        if i.kind == "line" and i.terms.shares and tariff[i.owner] in charged
    ]
    if problems:
        raise InputError(problems)


def _plant(item: Item) -> Participant:
    """Return the account of a candidate that several own."""
    terms = item.terms
    return Participant(participant=item.label, kind="plant", node=terms.node, tariff=terms.tariff)


def _battery(item: Item) -> Battery:
    """Return a battery at its greatest size."""
    terms, most = item.terms, item.most
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


def _output(scenario: Scenario, own: list[Item]) -> np.ndarray:
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
