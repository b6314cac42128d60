"""The inputs of a plan: those of a scenario, with what could be built."""

from typing import Any

import numpy as np
import xarray as xr

from ...inputs.contract import complete, kinds
from ...inputs.validation import validate
from ...problems import InputError, Problem
from ...schema.scenario import Scenario
from ..devices_and_trips import labels
from ..inputs import build_inputs
from .candidates import Item, annuity, items, output, sized

DAYS = 365
"""Days of a year, in which annuities and upkeep are counted."""


def planned_inputs(scenario: Scenario) -> xr.Dataset:
    """Return the inputs of a scenario with its candidates, as :func:`otonari.build_inputs` does without them.

    ``candidate_cost`` is the part of annuity and upkeep that falls on the horizon.

    Raises
    ------
    InputError
        With every problem of the files and of the inputs, or where there is nothing to plan.
    """
    own = items(scenario)
    inputs = build_inputs(sized(scenario, own))
    _require_no_meter(scenario, inputs, own)
    new = [item.label for item in own if item.kind == "battery"]
    business = [p.participant for p in scenario.tables.participants if p.kind == "business"]
    kind = kinds(inputs.isel(battery=~np.isin(inputs["battery"].values, new)), business)
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
    given: dict[str, Any] = {name: (("candidate",), values) for name, values in variables.items()}
    given["candidate_output"] = (("candidate", "time"), output(scenario, own))
    inputs = complete(
        inputs.assign(given)
        .assign(participant_kind=inputs["participant_kind"].copy(data=kind))
        .assign_coords(candidate=labels(i.label for i in own))
    )
    if faults := validate(inputs):
        raise InputError(faults)
    return inputs


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
