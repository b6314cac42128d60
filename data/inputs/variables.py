"""THE variable table: every input of a clearing with its dims, unit, meaning, default and bounds.

Power is kW (mean over the slot), energy kWh, money the scenario's currency, prices currency/kWh. ``time`` is
the slot's start in UTC (naive ``datetime64``). A *label* is a string that names an entry of another dimension.
"""

from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np

from .devices import DEVICES, LATER

DIMS = (
    "participant",
    "time",
    "tariff",
    "component",
    "peak",
    "tier",
    "month",
    "day",
    *DEVICES,
    "task",
    "step",
    "trip",
    "node",
    "node_to",
    "candidate",
)
KINDS = (
    "consumer",
    "consumer+phev",
    "pv",
    "pv+battery",
    "pv+phev",
    "pv+battery+phev",
    "business",
    "consumer+battery",
    "consumer+battery+phev",
    "consumer+ev",
    "consumer+battery+ev",
    "pv+ev",
    "pv+battery+ev",
    "battery",
)
OPTIONAL_DIMS = ("component", "peak", "tier", "month", "day", "task", "step", "node_to", "candidate", *LATER)
"""Dims that are there where a variable over them is."""
RATES = ("price", "credit", "standing", "contracted")
"""Rates of a component of a tariff, each a variable ``component_RATE``."""
Part = Literal["energy", "network", "levy", "tax", "other"]
PARTS = get_args(Part)
"""What a component of a tariff is for."""
Basis = Literal[
    "per-kwh",
    "per-kwh-injected",
    "per-kwh-shared",
    "per-day",
    "per-month",
    "per-year",
    "per-kw-contracted",
    "per-kw-peak",
    "percent",
]
BASES = get_args(Basis)
"""What a component of a tariff is counted by."""
ASSETS = ("pv", "battery", "charger", "v2h", "line")
"""What a candidate is: PV of its owner, a battery, more power that a vehicle takes, or gives, or capacity of an edge."""
PEAK_OF = ("meter", "tariff")
"""Whose a peak is: that of each customer's meter, or one of all customers of the tariff together."""
TIER_PERIODS = ("month", "day")
"""What the energy of a tier is counted over."""
PHASES = ("a", "b", "c", "abc")
"""What a participant is connected to: one phase, or all three in equal parts."""
EDGES = ("line", "transformer")
"""What the edge from a node to its parent is: a line or cable, or a transformer (Dyn)."""
NETWORK_LIMITS = ("node_voltage_low", "node_voltage_high", "node_loading_limit")
"""Variables of which one makes a clearing keep limits of its network."""
NODE_LIMITS = ("node_import_envelope", "node_export_envelope")
"""Variables of which one makes a clearing keep limits over time of all power into and out of nodes."""
LOSSES = ("lost_energy_price",)
"""Variables with which who causes losses of the network pays for them."""
GIVES = ("anywhere", "home")
"""What a battery gives to: whoever its owner's meter reaches, or its owner's home alone."""
METERING = ("net", "gross")
"""Where a participant's PV is metered: behind its one meter, or on a meter of its own that only injects."""
REQUIRED = object()
"""Marks a variable that has no default."""
LEAST = 1e-3
"""Least rating or limit but zero [kW, kWh]: a watt, in which ledgers count. What is less is a slip of units, and what
it lets through is lost in the solver's tolerance of 1e-7."""
NOISE = 5e-7
"""Power of a series [kW] below which it is none: PV at dawn, an offset. It is zero at the scale of digests too."""


@dataclass(frozen=True)
class Variable:
    """One row of the variable table.

    ``unit`` is a unit, ``"label"`` or ``"UTC"``; ``of`` names the dimension that a label points to; ``default`` is
    a number, the names of variables of which the least holds, ``"derived"``, None where the variable may be
    absent, or ``REQUIRED``; ``absent`` is what every entry of an absent variable stands for (``optional``); ``low`` and
    ``high`` are inclusive bounds, ``low_open`` excludes ``low`` itself; but for zero a number is ``least`` or more, and
    with a magnitude below ``noise`` it counts as zero; ``nan`` says that NaN has a meaning, ``empty`` that the empty
    label has one; ``words`` are the labels of a variable that points to no dimension.
    """

    dims: tuple[str, ...]
    unit: str
    long_name: str
    default: Any = REQUIRED
    low: float = -np.inf
    high: float = np.inf
    low_open: bool = False
    least: float = 0.0
    noise: float = 0.0
    nan: bool = False
    of: str = ""
    empty: bool = False
    words: tuple[str, ...] = ()
    absent: Any = None


def _storage(device: str) -> dict[str, Variable]:
    """Return the rows that a battery and a vehicle share."""
    d, price = (device,), "{currency}/kWh"
    return {
        f"{device}_owner": Variable(d, "label", "participant who owns it", of="participant"),
        f"{device}_capacity": Variable(d, "kWh", "most energy that it holds", low=0, least=LEAST),
        f"{device}_min_energy": Variable(d, "kWh", "least energy that it keeps", 0.0, low=0),
        f"{device}_initial_energy": Variable(
            d, "kWh", "energy at the start of the horizon; NaN = as at its end, in a plan", low=0, nan=True
        ),
        f"{device}_final_energy": Variable(
            d,
            "kWh",
            "least energy at the end; NaN = free",
            (f"{device}_initial_energy", f"{device}_capacity"),
            low=0,
            nan=True,
        ),
        f"{device}_final_limit": Variable(
            d, "kWh", "most energy at the end; NaN = no limit", None, low=0, nan=True, absent=np.nan
        ),
        f"{device}_charge_limit": Variable(d, "kW", "AC power that it can take", low=0, least=LEAST),
        f"{device}_discharge_limit": Variable(d, "kW", "AC power that it can give", low=0, least=LEAST),
        f"{device}_charge_efficiency": Variable(
            d, "1", "stored per energy taken", low=0, high=1, low_open=True
        ),
        f"{device}_discharge_efficiency": Variable(
            d, "1", "given per energy drawn", low=0, high=1, low_open=True
        ),
        f"{device}_wear_cost": Variable(d, "{currency}/kWh", "wear per kWh discharged", 0.0, low=0),
        f"{device}_self_discharge": Variable(
            d, "1/day", "share of its energy that it loses in a day", None, low=0, high=0.99, absent=0.0
        ),
        f"{device}_final_value": Variable(
            d,
            price,
            "worth of a kWh left at the end; NaN = none is said",
            None,
            low=0,
            nan=True,
            absent=np.nan,
        ),
        f"{device}_target": Variable(
            (device, "time"),
            "kWh",
            "energy to have at the end of a slot; NaN = any",
            None,
            low=0,
            nan=True,
            absent=np.nan,
        ),
        f"{device}_target_price": Variable(
            d,
            price,
            "price of a kWh that it lacks of a target; NaN = it may lack none",
            None,
            low=0,
            low_open=True,
            nan=True,
            absent=np.nan,
        ),
    }


_OF_PUMP, _PUMP_IN_TIME = ("heat_pump",), ("heat_pump", "time")
_HEAT_PUMP: dict[str, Variable] = {
    "heat_pump_owner": Variable(_OF_PUMP, "label", "participant who owns it", of="participant"),
    "heat_pump_power_limit": Variable(
        _OF_PUMP, "kW", "most power that pump and resistive backup take together", low=0, least=LEAST
    ),
    "heat_pump_backup_limit": Variable(
        _OF_PUMP, "kW", "part of it that the resistive backup takes", None, low=0, least=LEAST, absent=0.0
    ),
    "heat_pump_cop": Variable(
        _PUMP_IN_TIME, "1", "heat per electricity that the pump takes", low=0, high=20, low_open=True
    ),
    "heat_pump_heat_demand": Variable(_PUMP_IN_TIME, "kW", "heat drawn from its tank", low=0, noise=NOISE),
    "heat_pump_capacity": Variable(_OF_PUMP, "kWh", "most heat that its tank holds", low=0),
    "heat_pump_min_heat": Variable(_OF_PUMP, "kWh", "least heat that its tank keeps", 0.0, low=0),
    "heat_pump_initial_heat": Variable(_OF_PUMP, "kWh", "heat in its tank at the start", low=0),
    "heat_pump_final_heat": Variable(
        _OF_PUMP, "kWh", "least heat at the end; NaN = free", ("heat_pump_initial_heat",), low=0, nan=True
    ),
    "heat_pump_standing_loss": Variable(
        _OF_PUMP,
        "1/day",
        "share of its heat that the tank loses in a day",
        None,
        low=0,
        high=0.999,
        absent=0.0,
    ),
    "heat_pump_timer": Variable(
        _PUMP_IN_TIME,
        "1",
        "1 where its own control heats, 0 where its clock lets it rest",
        None,
        low=0,
        high=1,
        absent=1.0,
    ),
}
"""Rows of heat pumps. Heat counts from the temperature of cold water, or of the lowest comfort."""
_PRICE = "{currency}/kWh"
_SIZE = "kW, kWh"
"""Unit of the size of a candidate: kW of PV, kWh of a battery."""
_INF = float("inf")

TABLE: dict[str, Variable] = {
    "slot_hours": Variable(("time",), "h", "slot length", low=0, low_open=True),
    "demand": Variable(("participant", "time"), "kW", "uncontrolled consumption", low=0, noise=NOISE),
    "pv_available": Variable(
        ("participant", "time"), "kW", "PV output before curtailment", 0.0, low=0, noise=NOISE
    ),
    "participant_kind": Variable(("participant",), "label", "kind of participant", "derived", words=KINDS),
    "participant_node": Variable(("participant",), "label", "its node in the fee network", of="node"),
    "participant_tariff": Variable(("participant",), "label", "its retail tariff", of="tariff"),
    "participant_metering": Variable(
        ("participant",), "label", "meter of its PV: net or gross", None, words=METERING, absent="net"
    ),
    "import_limit": Variable(
        ("participant",), "kW", "connection limit on energy drawn", _INF, low=0, least=LEAST
    ),
    "export_limit": Variable(
        ("participant",), "kW", "connection limit on energy given", _INF, low=0, least=LEAST
    ),
    **{
        f"{way}_envelope": Variable(
            ("participant", "time"),
            "kW",
            f"limit of the slot on energy {verb}: an operating envelope",
            None,
            low=0,
            absent=_INF,
        )
        for way, verb in (("import", "drawn"), ("export", "given"))
    },
    "inverter_limit": Variable(
        ("participant",),
        "kW",
        "AC power of the inverter that its PV and its batteries share",
        None,
        low=0,
        least=LEAST,
        absent=_INF,
    ),
    "green_premium": Variable(
        ("participant",), _PRICE, "paid on top for peers' energy of renewable origin", 0.0, low=0
    ),
    "retail_price": Variable(("tariff", "time"), _PRICE, "all-in price of energy from the retailer"),
    "feed_in_price": Variable(("tariff", "time"), _PRICE, "all-in price of energy sold to the retailer"),
    "shared_fee": Variable(
        ("tariff", "time"),
        _PRICE,
        "paid by its customers for a kWh from peers, beside the fees",
        None,
        absent=0.0,
    ),
    "component_tariff": Variable(
        ("component",), "label", "tariff of a component of prices", None, of="tariff"
    ),
    "component_part": Variable(("component",), "label", "what a component is for", None, words=PARTS),
    "component_basis": Variable(("component",), "label", "what a component is counted by", None, words=BASES),
    "component_price": Variable(("component", "time"), _PRICE, "part of the retail price", None, absent=0.0),
    "component_credit": Variable(
        ("component", "time"), _PRICE, "part of the feed-in price", None, absent=0.0
    ),
    "component_standing": Variable(
        ("component", "time"), "{currency}/h", "standing charge, whatever is drawn", None, absent=0.0
    ),
    "component_contracted": Variable(
        ("component", "time"), "{currency}/(kW h)", "standing charge per contracted power", None, absent=0.0
    ),
    "component_peak": Variable(
        ("component", "peak"), "{currency}/kW", "part of the price of a peak", None, absent=0.0
    ),
    "peak_tariff": Variable(("peak",), "label", "tariff that charges a month's peak", None, of="tariff"),
    "peak_price": Variable(
        ("peak",), "{currency}/kW", "all-in price of a month's peak", None, low=0, absent=0.0
    ),
    "peak_days": Variable(
        ("peak",), "1", "highest daily maxima of a month that are averaged", None, low=1, absent=1.0
    ),
    "peak_floor": Variable(("peak",), "kW", "least peak that is charged", None, low=0, absent=0.0),
    "peak_of": Variable(
        ("peak",), "label", "whose peak: meter or tariff", None, words=PEAK_OF, absent="meter"
    ),
    "peak_earlier": Variable(
        ("peak",),
        "kW",
        "peak of all customers in the first month before the horizon; NaN = none",
        None,
        low=0,
        nan=True,
        absent=np.nan,
    ),
    "component_tier": Variable(
        ("component", "tier"), _PRICE, "part of what a tier is dearer", None, absent=0.0
    ),
    "tier_tariff": Variable(("tier",), "label", "tariff that has a tier", None, of="tariff"),
    "tier_price": Variable(
        ("tier",), _PRICE, "all-in, by what a kWh of a tier is dearer than one below", None, low=0, absent=0.0
    ),
    "tier_start": Variable(("tier",), "kWh", "energy from the retailer where a tier begins", None, low=0),
    "tier_period": Variable(
        ("tier",), "label", "what the energy is counted over: month or day", None, words=TIER_PERIODS
    ),
    "earlier_energy": Variable(
        ("participant",),
        "kWh",
        "energy from the retailer in the first month before the horizon",
        None,
        low=0,
        absent=0.0,
    ),
    "slot_day": Variable(
        ("time",), "label", "local day of the slot, where peaks or tiers are charged", None, of="day"
    ),
    "day_month": Variable(("day",), "label", "month of the day", None, of="month"),
    "earlier_peak": Variable(
        ("participant",),
        "kW",
        "peak of the first month before the horizon; NaN = none",
        None,
        low=0,
        nan=True,
        absent=np.nan,
    ),
    "day_peak": Variable(
        ("participant", "day"),
        "kW",
        "highest power drawn on the day before the horizon; NaN = none",
        None,
        low=0,
        nan=True,
        absent=np.nan,
    ),
    "contracted_power": Variable(
        ("participant",), "kW", "power that a contract charges", None, low=0, absent=0.0
    ),
    **_storage("battery"),
    "battery_gives": Variable(
        ("battery",), "label", "to whom it gives: anywhere or home", None, words=GIVES, absent="anywhere"
    ),
    **_storage("vehicle"),
    "vehicle_host": Variable(
        ("vehicle", "time"),
        "label",
        "participant at whose premises it is plugged",
        of="participant",
        empty=True,
    ),
    "vehicle_min_charge": Variable(("vehicle",), "kW", "least power while charging", 0.0, low=0, least=LEAST),
    "vehicle_electric_economy": Variable(
        ("vehicle",), "km/kWh", "distance per kWh out of the battery", low=0, low_open=True
    ),
    "vehicle_fuel_economy": Variable(
        ("vehicle",), "km/L", "distance per litre; NaN = no engine", np.nan, low=0, low_open=True, nan=True
    ),
    **_HEAT_PUMP,
    "flexible_load_owner": Variable(
        ("flexible_load",), "label", "participant behind whose meter it is", of="participant"
    ),
    "flexible_load_power_limit": Variable(
        ("flexible_load",), "kW", "most power that it draws", low=0, least=LEAST
    ),
    "flexible_load_min_power": Variable(
        ("flexible_load",), "kW", "least power while it runs", None, low=0, least=LEAST, absent=0.0
    ),
    "flexible_load_demand": Variable(
        ("flexible_load", "time"),
        "kW",
        "power that it draws whatever its tasks, but for what is shed",
        None,
        low=0,
        noise=NOISE,
        absent=0.0,
    ),
    "flexible_load_shed_price": Variable(
        ("flexible_load",),
        _PRICE,
        "value of a kWh of its demand that is shed; NaN = none may be",
        None,
        low=0,
        nan=True,
        absent=np.nan,
    ),
    "flexible_load_shape": Variable(
        ("flexible_load", "step"),
        "kW",
        "power in each step of a run from begin to end; NaN = ended, or no run of a fixed shape",
        None,
        low=0,
        nan=True,
    ),
    "flexible_load_step_hours": Variable(
        ("flexible_load",),
        "h",
        "length of a step of its shape; NaN = it has none",
        None,
        low=0,
        low_open=True,
        nan=True,
    ),
    "task_load": Variable(("task",), "label", "flexible load whose task it is", None, of="flexible_load"),
    "task_earliest": Variable(("task",), "UTC", "begin of the window of a task", None),
    "task_deadline": Variable(("task",), "UTC", "end of the window of a task", None),
    "task_energy": Variable(
        ("task",),
        "kWh",
        "energy that the load draws in the window, or sheds at the most; NaN = no limit of what is shed",
        None,
        low=0,
        nan=True,
    ),
    "trip_vehicle": Variable(("trip",), "label", "vehicle that drives", of="vehicle"),
    "trip_departure": Variable(("trip",), "UTC", "departure"),
    "trip_arrival": Variable(("trip",), "UTC", "arrival"),
    "trip_distance": Variable(("trip",), "km", "distance driven", low=0),
    "fuel_price": Variable(("vehicle",), "{currency}/L", "price of fuel", 0.0, low=0),
    "node_parent": Variable(("node",), "label", "next node towards the root", of="node", empty=True),
    "node_fee": Variable(("node",), _PRICE, "fee for crossing the edge to the parent", 0.0, low=0),
    "node_access_fee": Variable(("node",), _PRICE, "fee paid here by each side of a peer trade", 0.0, low=0),
    "node_limit": Variable(
        ("node",), "kW", "peer power over the edge to the parent, each way", _INF, low=0, least=LEAST
    ),
    **{
        f"node_{way}_envelope": Variable(
            ("node", "time"),
            "kW",
            f"limit of the slot on all power {verb} the node and those below it: an operating envelope",
            None,
            low=0,
            absent=_INF,
        )
        for way, verb in (("import", "into"), ("export", "out of"))
    },
    "source_voltage": Variable(
        ("time",), "1", "voltage held at the root, per nominal voltage", None, low=0.5, high=1.5, absent=1.0
    ),
    "participant_phase": Variable(
        ("participant",), "label", "phase that it is connected to", None, words=PHASES, absent="abc"
    ),
    "power_factor": Variable(
        ("participant",),
        "1",
        "power factor of its demand, lagging",
        None,
        low=0,
        high=1,
        low_open=True,
        absent=1.0,
    ),
    "node_voltage": Variable(
        ("node",), "V", "nominal voltage between phases", None, low=0, low_open=True, absent=np.nan
    ),
    "node_edge": Variable(
        ("node",), "label", "what the edge to the parent is", None, words=EDGES, absent="line"
    ),
    **{
        f"node_{quantity}{suffix}": Variable(
            ("node",), "ohm", f"{sequence}{quantity} of the edge to the parent", None, low=0, absent=0.0
        )
        for suffix, sequence in (("", ""), ("_zero", "zero-sequence "))
        for quantity in ("resistance", "reactance")
    },
    "node_current_limit": Variable(
        ("node",),
        "A",
        "rated current of the edge to the parent, at the node's voltage",
        None,
        low=0,
        low_open=True,
        absent=_INF,
    ),
    **{
        f"node_voltage_{side}": Variable(
            ("node",),
            "1",
            f"{extreme} voltage that a clearing keeps, per nominal",
            None,
            low=0.5,
            high=1.5,
            absent=absent,
        )
        for side, extreme, absent in (("low", "least", 0.5), ("high", "greatest", 1.5))
    },
    "node_loading_limit": Variable(
        ("node",),
        "1",
        "greatest current of the edge to the parent that a clearing lets flow, per rating",
        None,
        low=0,
        high=2,
        low_open=True,
        absent=_INF,
    ),
    "lost_energy_price": Variable(
        ("time",),
        _PRICE,
        "price of energy lost in the network, where who causes it pays",
        None,
        low=0,
        absent=0.0,
    ),
    "trade_fee": Variable(
        ("node", "node_to"), _PRICE, "fee per pair of nodes, instead of the tree", None, low=0
    ),
    "candidate_owner": Variable(
        ("candidate",), "label", "participant who would own it", None, of="participant"
    ),
    "candidate_kind": Variable(
        ("candidate",), "label", "what it is: pv, battery, charger, v2h or line", None, words=ASSETS
    ),
    "candidate_battery": Variable(
        ("candidate",), "label", "battery that it is, at its greatest size", None, of="battery", empty=True
    ),
    "candidate_vehicle": Variable(
        ("candidate",),
        "label",
        "vehicle whose limit it raises, which is that of the greatest size",
        None,
        of="vehicle",
        empty=True,
        absent="",
    ),
    "candidate_node": Variable(
        ("candidate",),
        "label",
        "node whose edge to its parent it widens, whose limit is that of the greatest size",
        None,
        of="node",
        empty=True,
        absent="",
    ),
    "candidate_output": Variable(
        ("candidate", "time"), "kW/kW", "PV output per kW of it", None, low=0, noise=NOISE, absent=0.0
    ),
    "candidate_most": Variable(("candidate",), _SIZE, "its greatest size", None, low=0, least=LEAST),
    "candidate_cost": Variable(
        ("candidate",), "{currency}/kW, {currency}/kWh", "cost per size over the horizon", None, low=0
    ),
    "candidate_fixed_cost": Variable(
        ("candidate",), "{currency}", "cost over the horizon if any is built", None, low=0, absent=0.0
    ),
    "candidate_unit": Variable(
        ("candidate",),
        _SIZE,
        "size of a unit, built whole; 0 = any size",
        None,
        low=0,
        least=LEAST,
        absent=0.0,
    ),
    "candidate_size": Variable(
        ("candidate",), _SIZE, "size that is built; NaN = to be decided", None, low=0, nan=True, absent=np.nan
    ),
    "imbalance_fee": Variable(
        ("time",), _PRICE, "paid for energy that was traded and not delivered", 0.0, low=0
    ),
    "grid_carbon": Variable(("time",), "kg/kWh", "carbon dioxide of retail power", 0.0, low=0),
    "fuel_carbon": Variable(("vehicle",), "kg/L", "carbon dioxide of fuel", 2.32, low=0),
}
"""THE variable table: one row per input variable, in the order of the documentation. Infinite limits are legal.

Absent are components where every tariff has its all-in prices alone, ``shared_fee`` where energy from peers pays the
fees of the network alone, ``trade_fee`` where the tree holds, candidates where nothing is planned,
``participant_metering`` where nobody's PV is metered apart, and of stores and loads what none of a device has.
A candidate whose size is decided is part of ``pv_available``, or of the ratings of its battery; until then it is
no part of PV, and its battery has the ratings of the greatest size."""


def attributes(row: Variable, currency: str) -> dict[str, str]:
    """Return the CF attributes of a table row: ``long_name`` and, where it has one, ``units``."""
    if row.unit in ("label", "UTC"):
        return {"long_name": row.long_name}
    return {"long_name": row.long_name, "units": row.unit.format(currency=currency)}
