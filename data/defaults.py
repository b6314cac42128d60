"""Defaults that depend on other parts of a scenario, filled in in one place."""

from typing import TypeVar

from .rows import PATTERN, Battery, Closed, Node, Participant, Vehicle
from .schema import Scenario

Part = TypeVar("Part", bound=Closed)
Store = TypeVar("Store", Battery, Vehicle)

ROOT = "community"
"""The only node of a scenario that has no table of nodes."""


def fill(scenario: Scenario) -> Scenario:
    """Return the scenario with every default filled in; a second time changes nothing."""
    tables, zone = scenario.tables, scenario.time.time_zone
    nodes = tables.nodes or (Node(node=ROOT),)
    root = next((n.node for n in nodes if n.parent is None), ROOT)
    access = scenario.fees.access_fee_per_kwh
    filled = tables.model_copy(
        update={
            "participants": tuple(_participant(p, scenario, root) for p in tables.participants),
            "batteries": tuple(_stored(b) for b in tables.batteries),
            "vehicles": tuple(_vehicle(v, scenario) for v in tables.vehicles),
            "nodes": tuple(_with(n, access_fee_per_kwh=access) for n in nodes),
        }
    )
    measured = {name: file and _with(file, time_zone=zone) for name, file in scenario.series}
    return scenario.model_copy(
        update={
            "tables": filled,
            "series": scenario.series.model_copy(update=measured),
            "weather": _with(scenario.weather, time_zone=zone) if scenario.weather.path else scenario.weather,
        }
    )


def _with(row: Part, **defaults: object) -> Part:
    """Return a part whose empty fields have these values."""
    return row.model_copy(update={k: v for k, v in defaults.items() if getattr(row, k) is None})


def _participant(row: Participant, scenario: Scenario, root: str) -> Participant:
    row = _with(row, node=root, tariff=next(iter(scenario.tariffs)))
    generated = row.persons is not None or row.annual_kwh is not None
    return row if generated else _with(row, demand_column=row.participant)


def _stored(row: Store) -> Store:
    row = _with(row, initial_energy_kwh=(row.min_energy_kwh + row.capacity_kwh) / 2)
    # a start above the capacity is legal, an end there is not
    return _with(row, final_energy_kwh=min(row.initial_energy_kwh or 0.0, row.capacity_kwh))


def _vehicle(row: Vehicle, scenario: Scenario) -> Vehicle:
    row = _stored(row)
    if row.fuel_economy_km_per_litre is not None:
        row = _with(row, fuel_price_per_litre=scenario.fuel.price_per_litre)
        row = _with(row, fuel_kg_per_litre=scenario.carbon.fuel_kg_per_litre)
    if row.pattern is None:
        return row
    from .mobility import Pattern  # brings pandas: imported where it is needed

    pattern = Pattern(row.vehicle, row.pattern)
    return _with(row, **{name: getattr(pattern, name) for name in PATTERN})
