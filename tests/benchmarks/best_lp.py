"""The best linear program of a clearing that we can make by hand, as arrays for HiGHS: the yardstick of our speed.

It knows nothing of otonari's model. Meters are the participants and one more for each car that is ever plugged in at
somebody else's premises; trade runs over the edges of the tree of fees. What makes it fast for HiGHS is in it: columns
only for those who can use them, finite bounds that never bind, no row that a bound could say. A meter's own direction
is not in it; where tariffs differ, a row keeps what a meter gives within its own generation and discharge. So it is a
lower bound where prices cross, and the same optimum where they do not.
"""

import time
from collections.abc import Callable

import highspy
import numpy as np
import xarray as xr
from scipy import sparse

LARGEST = 1e3
"""Bound of power that never binds [kW]."""


STORE = (
    *("capacity", "min_energy", "initial_energy", "final_energy", "charge_limit", "discharge_limit"),
    *("charge_efficiency", "discharge_efficiency", "wear_cost"),
)
"""Variables of a battery or car."""


class Arrays:
    """Columns and rows of a linear program, made as blocks of any shape; positions are -1 where there is none."""

    def __init__(self) -> None:
        self.column_parts: list[tuple[np.ndarray, ...]] = []
        self.row_parts: list[tuple[np.ndarray, ...]] = []
        self.entries: list[tuple[np.ndarray, ...]] = []
        self.columns = self.rows = 0

    def column(self, where: np.ndarray, upper: object, cost: object, lower: object = 0.0) -> np.ndarray:
        """Return the positions of new columns where ``where`` holds."""
        place = self._places(where, self.columns)
        self.columns += int(where.sum())
        self.column_parts.append(self._values(where, lower, upper, cost))
        return place

    def row(self, where: np.ndarray, lower: object, upper: object) -> np.ndarray:
        """Return the positions of new rows where ``where`` holds."""
        place = self._places(where, self.rows)
        self.rows += int(where.sum())
        self.row_parts.append(self._values(where, lower, upper))
        return place

    def add(self, row: np.ndarray, column: np.ndarray, factor: object) -> None:
        """Add ``factor * column`` to rows, where both exist."""
        there = (row >= 0) & (column >= 0)
        row, column, value = np.broadcast_arrays(row, column, np.asarray(factor, dtype=float))
        self.entries.append((row[there], column[there], value[there]))

    def seconds(self, clock: Callable[[], float] = time.process_time) -> tuple[float, float]:
        """Return the seconds of one cold HiGHS solve on one thread, and the optimum."""
        lower, upper, cost = map(np.concatenate, zip(*self.column_parts, strict=True))
        least, most = map(np.concatenate, zip(*self.row_parts, strict=True))
        rows, columns, values = map(np.concatenate, zip(*self.entries, strict=True))
        matrix = sparse.csc_matrix((values, (rows, columns)), shape=(self.rows, self.columns))
        program = highspy.HighsLp()
        program.num_col_, program.num_row_ = self.columns, self.rows
        program.col_cost_, program.col_lower_, program.col_upper_ = cost, lower, upper
        program.row_lower_, program.row_upper_ = least, most
        program.a_matrix_.format_ = highspy.MatrixFormat.kColwise
        program.a_matrix_.start_, program.a_matrix_.index_ = matrix.indptr, matrix.indices
        program.a_matrix_.value_ = matrix.data
        highs = highspy.Highs()
        highs.setOptionValue("output_flag", False)
        highs.setOptionValue("threads", 1)
        highs.passModel(program)
        begin = clock()
        highs.run()
        passed = clock() - begin
        assert highs.getModelStatus() == highspy.HighsModelStatus.kOptimal
        return passed, highs.getObjectiveValue()

    @staticmethod
    def _places(where: np.ndarray, first: int) -> np.ndarray:
        place = np.full(where.shape, -1)
        place[where] = first + np.arange(int(where.sum()))
        return place

    @staticmethod
    def _values(where: np.ndarray, *values: object) -> tuple[np.ndarray, ...]:
        return tuple(np.broadcast_to(np.asarray(v, dtype=float), where.shape)[where] for v in values)


def best_lp(inputs: xr.Dataset) -> Arrays:
    """Return the linear program of inputs (a tree of fees, no minimum charge power)."""
    lp, slots = Arrays(), np.arange(inputs.sizes["time"])
    hours = inputs["slot_hours"].values
    participant, node, tariff = (
        {str(k): n for n, k in enumerate(inputs[dim].values)} for dim in ("participant", "node", "tariff")
    )

    def at(places: dict[str, int], name: str) -> np.ndarray:
        labels = inputs[name].values
        return np.array([places.get(str(k), -1) for k in labels.ravel()], dtype=int).reshape(labels.shape)

    people, cars = len(participant), inputs.sizes["vehicle"]
    home, owner = at(node, "participant_node"), at(participant, "vehicle_owner")
    host = at(participant, "vehicle_host")
    away = (host >= 0) & (host != owner[:, None])
    guest = np.flatnonzero(away.any(axis=1))
    own_meter = np.full(cars, -1)
    own_meter[guest] = people + np.arange(len(guest))
    meter = np.where(host < 0, -1, np.where(away, own_meter[:, None], owner[:, None]))  # of a car (V, T)
    where = np.vstack(
        [np.repeat(home[:, None], len(slots), axis=1), np.where(away, home[host], -1)[guest]]
    )  # node of a meter (M, T)
    present = where >= 0
    of_tariff = np.concatenate(
        [at(tariff, "participant_tariff"), at(tariff, "participant_tariff")[owner[guest]]]
    )
    retail, feed_in = inputs["retail_price"].values[of_tariff], inputs["feed_in_price"].values[of_tariff]
    none = np.zeros((len(guest), len(slots)))
    demand, pv = (np.vstack([inputs[name].values, none]) for name in ("demand", "pv_available"))
    most_in, most_out = (
        np.minimum(np.concatenate([inputs[name].values, np.full(len(guest), np.inf)]), LARGEST)[:, None]
        for name in ("import_limit", "export_limit")
    )
    battery_owner = at(participant, "battery_owner")
    stores = np.zeros(len(where), dtype=bool)
    gives = pv.max(axis=1) > 0
    gives[battery_owner] = stores[battery_owner] = True
    discharging = inputs["vehicle_discharge_limit"].values > 0
    gives[meter[discharging][meter[discharging] >= 0]] = True
    stores[meter[meter >= 0]] = True
    giving = gives[:, None] & present & (stores[:, None] | (pv > demand))
    access = np.where(present, inputs["node_access_fee"].values[where], 0.0)

    imported = lp.column(present, most_in, retail * hours)
    exported = lp.column(giving, most_out, -feed_in * hours)
    bought = lp.column(present, most_in, access * hours)
    sold = lp.column(giving, most_out, access * hours)
    curtailed = lp.column(pv > 0, pv, 0.0)
    balance = lp.row(present, demand - pv, demand - pv)
    for column, sign in ((imported, 1), (exported, -1), (bought, 1), (sold, -1), (curtailed, -1)):
        lp.add(balance, column, sign)
    resale = lp.row(giving & (len(tariff) > 1), -np.inf, pv)
    for column in (exported, sold, curtailed):
        lp.add(resale, column, 1.0)

    battery_meter = np.repeat(battery_owner[:, None], len(slots), axis=1)
    for device, place in (("battery", battery_meter), ("vehicle", meter)):
        _stores(lp, inputs, device, place, balance, resale)
    _edges(lp, inputs, at(node, "node_parent"), where, bought, sold)
    return lp


def _stores(
    lp: Arrays, inputs: xr.Dataset, device: str, place: np.ndarray, balance: np.ndarray, resale: np.ndarray
) -> None:
    """Add the batteries or cars at meters ``place`` (S, T), -1 where not plugged in, and the cars' trips."""
    if not len(place):
        return
    of = {name: inputs[f"{device}_{name}"].values[:, None] for name in STORE}
    hours, slots = inputs["slot_hours"].values, np.arange(place.shape[1])
    plugged, every = place >= 0, np.ones(place.shape, dtype=bool)
    most = of["initial_energy"] + np.cumsum(
        of["charge_efficiency"] * of["charge_limit"] * hours * plugged, axis=1
    )
    least = np.broadcast_to(of["min_energy"], place.shape).copy()
    if device == "vehicle":  # a car that starts below its least charge may climb to it
        least = np.minimum(least, most)
    least[:, -1] = np.fmax(least[:, -1], of["final_energy"][:, 0])
    charge = lp.column(plugged & (of["charge_limit"] > 0), of["charge_limit"], 0.0)
    discharge = lp.column(
        plugged & (of["discharge_limit"] > 0), of["discharge_limit"], of["wear_cost"] * hours
    )
    energy = lp.column(every, of["capacity"], 0.0, least)
    at_meter = np.where(plugged, balance[place, slots], -1)
    lp.add(at_meter, charge, -1.0)
    lp.add(at_meter, discharge, 1.0)
    lp.add(np.where(plugged, resale[place, slots], -1), discharge, -1.0)
    start = np.zeros(place.shape)
    start[:, 0] = of["initial_energy"][:, 0]
    trips = device == "vehicle" and inputs.sizes["trip"] > 0
    if trips:
        index = {str(k): n for n, k in enumerate(inputs["vehicle"].values)}
        car = np.array([index[str(k)] for k in inputs["trip_vehicle"].values], dtype=int)
        slot = np.searchsorted(inputs["time"].values, inputs["trip_departure"].values, side="right") - 1
        economy = inputs["vehicle_electric_economy"].values[car]
        need = inputs["trip_distance"].values / economy
        np.add.at(start, (car, slot), -need)
    state = lp.row(every, start, start)
    lp.add(state, energy, 1.0)
    lp.add(state[:, 1:], energy[:, :-1], -1.0)
    lp.add(state, charge, -of["charge_efficiency"] * hours)
    lp.add(state, discharge, hours / of["discharge_efficiency"])
    if trips:
        per_litre = inputs["vehicle_fuel_economy"].values[car]
        engine = ~np.isnan(per_litre)
        price = np.where(engine, inputs["fuel_price"].values[car] / per_litre * economy, 0.0)
        lp.add(state[car, slot], lp.column(engine, need, price), -1.0)


def _edges(
    lp: Arrays,
    inputs: xr.Dataset,
    parent: np.ndarray,
    where: np.ndarray,
    bought: np.ndarray,
    sold: np.ndarray,
) -> None:
    """Add the balances of nodes and the flows over the edges to their parents."""
    slots = np.arange(where.shape[1])
    every = np.ones((len(parent), len(slots)), dtype=bool)
    edge = every & (parent >= 0)[:, None]
    fee = inputs["node_fee"].values[:, None] * inputs["slot_hours"].values
    limit = inputs["node_limit"].values[:, None]
    up, down = lp.column(edge, limit, fee), lp.column(edge, limit, fee)
    node = lp.row(every, 0.0, 0.0)
    at_node = np.where(where >= 0, node[where, slots], -1)
    lp.add(at_node, sold, 1.0)
    lp.add(at_node, bought, -1.0)
    above = np.where(parent[:, None] >= 0, node[parent], -1)
    for flow, sign in ((up, 1.0), (down, -1.0)):
        lp.add(node, flow, -sign)
        lp.add(above, flow, sign)
