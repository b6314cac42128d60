"""THE device table: what stands behind meters, and which inputs and results hold what it takes, gives and stores.

It is data, not code. The model takes from it the sets and what a meter can draw and give; the checks, the energy flows,
the run in chunks and the report take from it what to sum up, and each computes on its own. PV and uncontrolled demand
belong to every participant and are no rows.
"""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Device:
    """One row of the device table, over a dim of the device's name.

    Fields name variables, "" where there is none. Inputs: ``owner`` (device,), the participant whose it is; ``host``
    (device, time), the participant at whose premises it is plugged in, of a device that does not stay behind its
    owner's meter; ``draw_limit`` and ``give_limit`` (device,), the most that it takes and gives [kW]. Results
    (device, time): ``draw`` and ``give`` [kW] at its AC side, and ``energy``, what it holds at the end of a slot [kWh].

    What holds energy is a *store*, and has the inputs of a store as well (`variables`): initial and final energy,
    capacity, efficiencies, wear. What holds none is a *load*: it consumes what it takes, be it to hold it as heat.
    Only stores give or have a host.
    """

    owner: str
    draw: str
    draw_limit: str
    give: str = ""
    give_limit: str = ""
    energy: str = ""
    host: str = ""

    def __post_init__(self) -> None:
        """Refuse a row whose energy would have no known origin."""
        assert self.energy or not (self.give or self.host), f"{self.owner}: only stores give or have a host"


def _store(device: str, host: str = "") -> Device:
    """Return the row of a device that stores energy."""
    return Device(
        owner=f"{device}_owner",
        draw=f"{device}_charge",
        draw_limit=f"{device}_charge_limit",
        give=f"{device}_discharge",
        give_limit=f"{device}_discharge_limit",
        energy=f"{device}_energy",
        host=host,
    )


DEVICES: dict[str, Device] = {
    "battery": _store("battery"),
    "vehicle": _store("vehicle", host="vehicle_host"),
    "heat_pump": Device("heat_pump_owner", "heat_pump_power", "heat_pump_power_limit"),
    "flexible_load": Device("flexible_load_owner", "flexible_load_power", "flexible_load_power_limit"),
}
"""THE device table: one row per device."""
LATER = ("heat_pump", "flexible_load")
"""Devices that the first version of the table did not have: where nobody has one, the inputs have no such dim, so that
earlier digests hold."""


def present(dataset: Any) -> dict[str, Device]:
    """Return the rows of the devices whose dim a Dataset has, in the order of the table."""
    return {name: device for name, device in DEVICES.items() if name in dataset.sizes}


def stores() -> dict[str, Device]:
    """Return the rows of the devices that store energy, in the order of the table."""
    return {name: device for name, device in DEVICES.items() if device.energy}


def loads(dataset: Any) -> dict[str, Device]:
    """Return the rows of the devices of a Dataset that store no electricity, in the order of the table."""
    return {name: device for name, device in present(dataset).items() if not device.energy}
