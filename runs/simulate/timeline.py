"""What is known when: the slots of a simulation with the days before them, and what agents expect of those to come."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from ...data.assembly.inputs import build_inputs
from ...data.forecast.driving_course import Course
from ...data.forecast.interface import Forecast, PowerHistory, point_forecast
from ...data.forecast.methods import METHODS, PROFILE
from ...data.forecast.scenarios import ORIGINS, error_paths
from ...data.inputs.arrays import Arrays
from ...data.inputs.contract import optional
from ...data.loading.scenario import load_scenario
from ...data.problems import InputError
from ...data.series.calendar import Calendar, calendar
from ...model.agents import flexible_loads, heat_pumps
from ...model.agents.reachable_energy import reachable
from ...model.topology.connections import connections
from ...model.topology.peaks import going_on
from ...model.topology.stores import has_targets, of_stores, with_stores, within_reach, without_final_limits
from ..store import digest
from . import forecasts
from .driving import Driving, departures, driving


@dataclass(frozen=True)
class Timeline:
    """The simulated slots, and the days before them.

    ``inputs`` is what really happens over T slots; ``demand`` and ``pv`` (P, H + T) [kW] begin H slots earlier, as
    ``known`` says, and so does ``heat`` (heat_pump, H + T) [kW] that is drawn, where there are heat pumps;
    ``days`` is the calendar of all H + T slots. ``foresight``: forecasts are what really happens;
    else ``method`` of ``METHODS`` makes them. ``made`` holds by slot and count what was expected of all together.
    """

    inputs: xr.Dataset
    demand: np.ndarray
    pv: np.ndarray
    known: int
    days: Calendar
    driving: Driving
    foresight: bool = False
    method: str = PROFILE
    heat: np.ndarray | None = None
    load: np.ndarray | None = None
    made: dict[tuple[int, int], np.ndarray] = field(default_factory=dict, init=False, compare=False)

    @cached_property
    def leads(self) -> np.ndarray:
        """The leads of the forecasts that are kept (lead,) [slots]; see :mod:`runs.simulate.forecasts`."""
        return forecasts.leads(24 / self.days.slots_per_day)

    @cached_property
    def arrays(self) -> xr.Dataset:
        """The inputs as plain arrays."""
        return Arrays.of(self.inputs)

    @property
    def hash(self) -> str:
        """The hash of all that happens, the days included that are only learned from."""
        rounds = self.driving.rounds
        every: dict[str, Any] = {
            "demand": (("participant", "slot"), self.demand),
            "pv": (("participant", "slot"), self.pv),
            "host": (("vehicle", "slot"), self.driving.hosts),
            **{f"round_{name}": ("round", values) for name, values in vars(rounds).items()},
        }
        if self.heat is not None:
            every["heat"] = (("heat_pump", "slot"), self.heat)
        if self.load is not None:
            every["load"] = (("flexible_load", "slot"), self.load)
        return digest.values(xr.Dataset(every), "otonari timeline 1", digest.INPUTS_SCALE)

    @cached_property
    def latest(self) -> Callable[[str, int, int], Forecast]:
        """The forecast of a quantity for ``count`` slots from place ``now`` on, of which it reads nothing."""

        @lru_cache(maxsize=4)  # they hold on to much of the past
        def latest(name: str, now: int, count: int) -> Forecast:
            return METHODS[self.method].forecast(self.history(name), now, count)

        return latest

    @cached_property
    def mean(self) -> Callable[[str, int, int], np.ndarray]:
        """The mean (entity, count) [kW] of that forecast: of use once more on later days, for its error."""

        @lru_cache(maxsize=4 * (ORIGINS + 1) * self.days.slots_per_day)
        def mean(name: str, now: int, count: int) -> np.ndarray:
            return self.latest(name, now, count).mean

        return mean

    def history(self, name: str) -> PowerHistory:
        """Return the readings of a quantity: ``demand``, ``pv``, ``heat`` that is drawn or the demand of a ``load``."""
        return PowerHistory("pv" if name == "pv" else "demand", getattr(self, name), self.days)

    def errors(self, name: str, slot: int, count: int) -> np.ndarray:
        """Return the errors (day, entity, count) [kW] of forecasts of a quantity like that of slot ``slot`` on."""
        return error_paths(
            lambda _, now, horizon: point_forecast(self.mean(name, now, horizon)),
            self.history(name),
            self.known + slot,
            count,
        )

    @cached_property
    def uncertain(self) -> tuple[str, ...]:
        """The quantities that are forecast: ``demand``, ``pv``, and where there are any ``heat`` and ``load``."""
        heat, load = self.heat is not None, self.load is not None and bool(self.load.any())
        return ("demand", "pv", *(("heat",) if heat else ()), *(("load",) if load else ()))

    def expected(self, slot: int, count: int) -> dict[str, np.ndarray]:
        """Return what is expected (entity, count) [kW] of each uncertain quantity in slots from ``slot`` on.

        No forecast demands more than the connection lets through beside the PV that is expected.
        """
        now = self.known + slot
        if self.foresight:
            return {name: getattr(self, name)[:, now : now + count] for name in self.uncertain}
        if now == 0:
            return {name: np.zeros((len(getattr(self, name)), count)) for name in self.uncertain}
        means = {name: np.nan_to_num(self.mean(name, now, count)) for name in self.uncertain}
        most = connections(self.arrays)[0][:, slot : slot + count] + means["pv"]
        means["demand"] = np.minimum(means["demand"], most)
        if (slot, count) not in self.made:
            both = [self.latest(name, now, count) for name in ("demand", "pv")]
            self.made[slot, count] = forecasts.of_all(both, (means["demand"], means["pv"]), self.leads)
        return means

    def forecast(self, window: int | None) -> xr.Dataset | None:
        """Return what is expected of all together, slot by slot, each time of ``window`` slots; None with foresight.

        What was expected before an interruption is computed again: it is the same.
        """
        if self.foresight:
            return None
        slots, made = self.inputs.sizes["time"], {}
        for now in range(0 if self.known else 1, slots):
            count = min(slots - now, window or slots)
            if (now, count) not in self.made:
                self.expected(now, count)
            made[now] = self.made[now, count]
        return forecasts.as_dataset(made, self.leads, self.inputs)

    def announced(self) -> xr.Dataset:
        """Return what happens, without targets and final energies whose reach depends on driving not known yet."""
        if self.foresight:
            return self.arrays
        unknown = np.isin(np.arange(self.arrays.sizes["vehicle"]), self.driving.cars)
        known = {}
        for name in ("vehicle_final_energy", "vehicle_target"):
            if name in self.arrays:
                energy = self.arrays[name]
                drawn = unknown.reshape(-1, *[1] * (energy.values.ndim - 1))
                known[name] = energy.copy(data=np.where(drawn, np.nan, energy.values))
        return self.arrays.assign(known)

    def window(
        self,
        slot: int,
        count: int,
        energy: np.ndarray,
        drawn: np.ndarray | None = None,
        loads: flexible_loads.Drawn | None = None,
        course: Course | None = None,
        path: Mapping[str, np.ndarray] | None = None,
    ) -> xr.Dataset:
        """Return the inputs of ``count`` slots from ``slot`` on as the agents expect them.

        ``energy`` (battery + vehicle + heat_pump,) [kWh] is what is stored at its start, ``drawn`` (P, slot) [kW] what
        meters have drawn so far, where peaks are charged: they count as reached. Targets hold, and where the window
        reaches the end of the simulation final energies, as far as the chargers still get there; whoever ends with more
        may. ``loads`` is what flexible loads have drawn so far (L, slot), by default nothing. Cars take the ``course``,
        and uncertain quantities the ``path`` (entity, count) [kW], by default the expected ones.
        """
        whole = without_final_limits(self.arrays)
        before = np.zeros((whole.sizes["participant"], slot)) if drawn is None else drawn
        inputs, changed = going_on(whole, before, count), {}
        if self.foresight:
            inputs = inputs.isel(trip=np.flatnonzero(departures(whole, slot, count)))
        else:
            changed = self.driving.expected(whole, self.known, slot, count, course)
            inputs = inputs.drop_dims("trip").assign_coords(trip=changed.pop("trip"))
        coming = self.expected(slot, count) if path is None else path
        values: dict[str, Any] = {"demand": coming["demand"], "pv_available": coming["pv"]}
        energy, tanks = np.split(energy, [len(energy) - heat_pumps.count(whole)])
        if self.heat is not None:
            values |= {
                "heat_pump_heat_demand": coming["heat"],
                "heat_pump_initial_heat": tanks,
            }
        changed |= {name: inputs[name].copy(data=array) for name, array in values.items()}
        expected = with_stores(inputs.assign(changed), "initial_energy", np.maximum(energy, 0.0))
        ends = slot + count == whole.sizes["time"]
        final = of_stores(whole, "final_energy") if ends else np.full(len(energy), np.nan)
        if ends or has_targets(whole):
            most = reachable(expected)
            final, expected = np.minimum(final, most[:, -1]), within_reach(expected, most)
        expected = with_stores(heat_pumps.within_reach(expected, ends=ends), "final_energy", final)
        if self.load is None:
            return expected
        nothing = np.zeros((2, len(self.load), slot))
        sheds = coming.get("load", np.zeros((len(self.load), count)))
        return flexible_loads.ahead(whole, expected, loads or flexible_loads.Drawn(*nothing), sheds)


def timeline(
    source: Any, days: int, warm_up: int, overrides: Sequence[str] = (), foresight: bool = False
) -> tuple[Any, Timeline]:
    """Return a scenario of so many days, and its timeline with up to ``warm_up`` days before them.

    Files of measurements that do not reach so far back leave fewer days: half, and so on.

    Raises
    ------
    InputError
        With every problem of the scenario.
    """
    scenario = load_scenario(source, [*overrides, f"time.days={days}"])
    inputs = build_inputs(scenario)
    earlier = inputs
    while warm_up:
        start = scenario.time.start - timedelta(days=warm_up)
        changes = [*overrides, f"time.days={days + warm_up}", f"time.start={start.isoformat()}"]
        try:
            earlier = build_inputs(_without_limits(load_scenario(source, changes)))
            break
        except InputError:
            warm_up //= 2
    return scenario, of_inputs(inputs, earlier, foresight, scenario.holidays)


def _without_limits(scenario: Any) -> Any:
    """Return a scenario without files of limits over time, which say nothing of earlier days and need not reach them."""
    none = dict.fromkeys(("import_limit", "export_limit", "node_import_limit", "node_export_limit"))
    return scenario.model_copy(update={"series": scenario.series.model_copy(update=none)})


def of_inputs(
    inputs: xr.Dataset,
    earlier: xr.Dataset,
    foresight: bool = False,
    holidays: str | Collection[date] = "none",
) -> Timeline:
    """Return the timeline of inputs; ``earlier`` reaches from an earlier day to the same end.

    Forecasts take the public ``holidays`` for Sundays: where there are none, those of Japan in its time zone.
    """
    zone = str(inputs.attrs.get("time_zone", "UTC"))
    known = earlier.sizes["time"] - inputs.sizes["time"]
    days = calendar(
        pd.DatetimeIndex(earlier["time"].values),
        float(inputs["slot_hours"].values[0]),
        zone,
        "japan" if holidays == "none" and zone == "Asia/Tokyo" else holidays,
    )
    demand, pv = (earlier[name].values for name in ("demand", "pv_available"))
    heat = earlier["heat_pump_heat_demand"].values if "heat_pump" in earlier.sizes else None
    load = optional(earlier, "flexible_load_demand") if "flexible_load" in earlier.sizes else None
    return Timeline(inputs, demand, pv, known, days, driving(earlier, days), foresight, heat=heat, load=load)
