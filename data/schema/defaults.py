"""Defaults that depend on more than their own key: computed from a row, or another value of the scenario."""

from typing import TypeVar

from .file_references import ReadingsFile
from .scenario import Scenario
from .table_rows import PATTERN, Battery, Node, Participant, Vehicle
from .tariffs_and_fees import Tariff
from .values import Closed

Part = TypeVar("Part", bound=Closed)
Store = TypeVar("Store", Battery, Vehicle)

ROOT = "community"
"""The only node of a scenario that has no table of nodes."""

GRID_KG_PER_KWH = 0.5
"""Carbon dioxide of retail power where the scenario says nothing [kg/kWh]. Assumption."""


def fill(scenario: Scenario) -> Scenario:
    """Return the scenario with every default filled in; a second time changes nothing."""
    return inherited(settled(scenario))


def settled(scenario: Scenario) -> Scenario:
    """Return the scenario with the defaults that are numbers or computed from their own row."""
    tables, carbon = scenario.tables, scenario.carbon
    equator = 180.0 if scenario.site.latitude_deg >= 0 else 0.0  # azimuth of the sun at noon [deg]
    filled = tables.model_copy(
        update={
            "participants": tuple(_with(p, pv_azimuth_deg=equator) for p in tables.participants),
            "batteries": tuple(_stored(b) for b in tables.batteries),
            "vehicles": tuple(_patterned(_stored(v)) for v in tables.vehicles),
            "nodes": tables.nodes or (Node(node=ROOT),),
            "heat_pumps": tuple(_with(h, initial_heat_kwh=(h.least + h.most) / 2) for h in tables.heat_pumps),
        }
    )
    carbon = carbon if carbon.grid else _with(carbon, grid_kg_per_kwh=GRID_KG_PER_KWH)
    return scenario.model_copy(update={"tables": filled, "carbon": carbon})


def inherited(scenario: Scenario) -> Scenario:
    """Return a settled scenario with the defaults that are another of its values: a fee, a price, the zone."""
    tables, zone = scenario.tables, scenario.time.time_zone
    root = next((n.node for n in tables.nodes if n.parent is None), ROOT)
    access = scenario.fees.access_fee_per_kwh
    filled = tables.model_copy(
        update={
            "participants": tuple(_participant(p, scenario, root) for p in tables.participants),
            "batteries": tuple(_ending(b, scenario) for b in tables.batteries),
            "vehicles": tuple(_fuelled(_ending(v, scenario), scenario) for v in tables.vehicles),
            "nodes": tuple(_with(n, access_fee_per_kwh=access) for n in tables.nodes),
            "heat_pumps": tuple(_with(h, final_heat_kwh=h.initial_heat_kwh) for h in tables.heat_pumps),
        }
    )
    tariffs = {label: _tariff(tariff, zone) for label, tariff in scenario.tariffs.items()}
    parts = {name: _zoned(getattr(scenario, name), zone) for name in ("series", "carbon")}
    weather = _with(scenario.weather, time_zone=zone) if scenario.weather.path else scenario.weather
    return scenario.model_copy(update={"tables": filled, "tariffs": tariffs, **parts, "weather": weather})


def _zoned(part: Part, zone: str) -> Part:
    """Return a part whose files have a time zone."""
    files = {name: value for name, value in part if isinstance(value, ReadingsFile)}
    return part.model_copy(update={name: _with(file, time_zone=zone) for name, file in files.items()})


def _tariff(tariff: Tariff, zone: str) -> Tariff:
    """Return a tariff whose files have a time zone."""
    components = tuple(_zoned(component, zone) for component in tariff.components)
    return _zoned(tariff.model_copy(update={"components": components}), zone)


def _with(row: Part, **defaults: object) -> Part:
    """Return a part whose empty fields have these values."""
    return row.model_copy(update={k: v for k, v in defaults.items() if getattr(row, k) is None})


def _participant(row: Participant, scenario: Scenario, root: str) -> Participant:
    row = _with(row, node=root, tariff=next(iter(scenario.tariffs)))
    row = _with(row, green_premium_per_kwh=scenario.exchange.green_premium_per_kwh)
    row = _with(row, pv_mounting=scenario.pv.mounting, pv_losses=scenario.pv.losses)
    generated = row.persons is not None or row.annual_kwh is not None
    file = scenario.series.demand
    shared = file.value_column if file is not None and file.meter_column is None else None
    return row if generated or row.kind == "plant" else _with(row, demand_column=shared or row.participant)


def _stored(row: Store) -> Store:
    return _with(row, initial_energy_kwh=(row.min_energy_kwh + row.capacity_kwh) / 2)


def _ending(row: Store, scenario: Scenario) -> Store:
    if row.final_energy_kwh == "free":
        return row
    if row.final_energy_kwh is None and row.final_value_per_kwh is not None and row.final is None:
        return _with(row, final_energy_kwh="free")
    row = _with(row, final=scenario.final)
    # a start above the capacity is legal, an end there is not
    return _with(row, final_energy_kwh=min(row.initial_energy_kwh or 0.0, row.capacity_kwh))


def _fuelled(row: Vehicle, scenario: Scenario) -> Vehicle:
    if row.fuel_economy_km_per_litre is None:
        return row
    row = _with(row, fuel_price_per_litre=scenario.fuel.price_per_litre)
    return _with(row, fuel_kg_per_litre=scenario.carbon.fuel_kg_per_litre)


def _patterned(row: Vehicle) -> Vehicle:
    if row.pattern is None:
        return row
    from ..generators.trips import Pattern  # brings pandas: imported where it is needed

    pattern = Pattern(row.vehicle, row.pattern)
    return _with(row, **{name: getattr(pattern, name) for name in PATTERN})
