"""The schema of a feeder: what the network of a scenario is to a power flow."""

from typing import Annotated

from pydantic import Field

from .values import Closed, Positive, Real


class Grid(Closed):
    """The feeder behind the fee network: voltages, and what meters draw beside real power."""

    voltage_v: Positive = Field(
        default=400.0, description="nominal voltage between phases, of the nodes that state none"
    )
    source_voltage: Annotated[Real, Field(ge=0.8, le=1.2)] = Field(
        default=1.0, description="voltage held at the root, per nominal voltage"
    )
    power_factor: Annotated[Real, Field(ge=0.5, le=1)] = Field(
        default=0.95,
        description="of demand, lagging, of participants that state none; PV and stores draw none",
    )
