"""The case that every framework expresses: a town of one tariff in plain arrays, with no word of our model in them."""

from dataclasses import dataclass

import numpy as np
import xarray as xr

from otonari.data.inputs.validation import require


@dataclass(frozen=True)
class Case:
    """P homes with S stores (batteries, then cars) at the N nodes of a tree of fees, over T slots of ``hours``.

    ``demand``, ``pv`` [kW], ``retail`` and ``feed_in`` [currency/kWh] (P, T); ``node`` (P,) and ``parent`` (N,) are
    positions, -1 above the root; ``fee`` to the parent and ``access`` (N,) [currency/kWh]. Of each store (S,): the
    position of its ``owner``, ``capacity``, ``least``, ``initial`` and ``final`` energy [kWh], ``charge`` and
    ``discharge`` power [kW] at the meter, efficiencies, ``wear`` [currency/kWh given]; ``plugged`` (S, T). ``trip``
    (S, T) is the energy of the trips that depart in a slot [kWh]: driven on petrol, each kWh of it costs ``fuel`` (S,).
    """

    hours: float
    demand: np.ndarray
    pv: np.ndarray
    retail: np.ndarray
    feed_in: np.ndarray
    node: np.ndarray
    parent: np.ndarray
    fee: np.ndarray
    access: np.ndarray
    owner: np.ndarray
    capacity: np.ndarray
    least: np.ndarray
    initial: np.ndarray
    final: np.ndarray
    charge: np.ndarray
    discharge: np.ndarray
    charge_efficiency: np.ndarray
    discharge_efficiency: np.ndarray
    wear: np.ndarray
    plugged: np.ndarray
    trip: np.ndarray
    fuel: np.ndarray

    @property
    def most_drawn(self) -> np.ndarray:
        """Return the most that each home can draw (P,) [kW]: bounds that never bind make solvers faster."""
        return self.demand.max(axis=1) + self._installed(self.charge)

    @property
    def most_given(self) -> np.ndarray:
        """Return the most that each home can give (P,) [kW]."""
        return self.pv.max(axis=1) + self._installed(self.discharge)

    def _installed(self, power: np.ndarray) -> np.ndarray:
        return np.bincount(self.owner, power, minlength=len(self.demand))


def of_inputs(inputs: xr.Dataset) -> Case:
    """Return the case of inputs that have no limits of lines and connections, guests, or minimum charge powers."""
    require(inputs)
    place = {
        dim: {k: n for n, k in enumerate(inputs[dim].values.tolist())} for dim in ("participant", "node")
    }

    def at(dim: str, name: str) -> np.ndarray:
        return np.array([place[dim].get(label, -1) for label in inputs[name].values.tolist()])

    def both(name: str) -> np.ndarray:
        return np.concatenate([inputs[f"{device}_{name}"].values for device in ("battery", "vehicle")])

    tariff = [inputs["tariff"].values.tolist().index(t) for t in inputs["participant_tariff"].values.tolist()]
    host, owner = inputs["vehicle_host"].values, inputs["vehicle_owner"].values
    if ((host != "") & (host != owner[:, None])).any() or np.isfinite(inputs["node_limit"]).any():
        raise ValueError("the case has neither guests nor limits")
    batteries, slots = inputs.sizes["battery"], inputs.sizes["time"]
    economy = inputs["vehicle_electric_economy"].values
    trip = np.zeros((batteries + inputs.sizes["vehicle"], slots))
    vehicle = {label: n for n, label in enumerate(inputs["vehicle"].values.tolist())}
    driver = np.array([vehicle[label] for label in inputs["trip_vehicle"].values.tolist()], dtype=int)
    slot = np.searchsorted(inputs["time"].values, inputs["trip_departure"].values, side="right") - 1
    np.add.at(trip, (batteries + driver, slot), inputs["trip_distance"].values / economy[driver])
    fuel = inputs["fuel_price"].values / inputs["vehicle_fuel_economy"].values * economy
    return Case(
        hours=float(inputs["slot_hours"].values[0]),
        demand=inputs["demand"].values,
        pv=inputs["pv_available"].values,
        retail=inputs["retail_price"].values[tariff],
        feed_in=inputs["feed_in_price"].values[tariff],
        node=at("node", "participant_node"),
        parent=at("node", "node_parent"),
        fee=inputs["node_fee"].values,
        access=inputs["node_access_fee"].values,
        owner=np.concatenate([at("participant", "battery_owner"), at("participant", "vehicle_owner")]),
        capacity=both("capacity"),
        least=both("min_energy"),
        initial=both("initial_energy"),
        final=np.fmax(both("final_energy"), both("min_energy")),
        charge=both("charge_limit"),
        discharge=both("discharge_limit"),
        charge_efficiency=both("charge_efficiency"),
        discharge_efficiency=both("discharge_efficiency"),
        wear=both("wear_cost"),
        plugged=np.concatenate([np.ones((batteries, slots), dtype=bool), host != ""]),
        trip=trip,
        fuel=np.concatenate([np.zeros(batteries), fuel]),
    )
