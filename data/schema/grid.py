"""The schema of a feeder: what the network of a scenario is to a power flow."""

from typing import Annotated, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from .values import LATER, Closed, NotNegative, Positive, Real

Voltage = Annotated[Real, Field(ge=0.8, le=1.2)]


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
    limits: Annotated[Literal["none", "rows"], LATER] = Field(
        default="none",
        description="whether a clearing keeps voltages and ratings: not, or as rows of its program",
    )
    voltage_low: Annotated[Voltage, LATER] = Field(
        default=0.9, description="least voltage that a clearing keeps, per nominal"
    )
    voltage_high: Annotated[Voltage, LATER] = Field(
        default=1.1, description="greatest voltage that a clearing keeps, per nominal"
    )
    margin: Annotated[Real, Field(ge=0, le=0.1), LATER] = Field(
        default=0.01, description="by which a clearing stays inside these voltages, per nominal"
    )
    rating_margin: Annotated[Real, Field(ge=0, le=0.5), LATER] = Field(
        default=0.05,
        description="by which a clearing stays below rated currents, which bear losses too, per rating",
    )
    losses: Annotated[Literal["retailer", "marginal"], LATER] = Field(
        default="retailer",
        description="who pays for losses: the retailers, or whoever causes more of them by trading",
    )
    loss_price_per_kwh: Annotated[NotNegative | None, LATER] = Field(
        default=None, description="price of energy that is lost, where losses are marginal"
    )

    @model_validator(mode="after")
    def _priced(self) -> "Grid":
        if (self.losses == "marginal") != (self.loss_price_per_kwh is not None):
            raise PydanticCustomError("losses", "loss_price_per_kwh beside losses: marginal, and only there")
        return self

    @model_validator(mode="after")
    def _band(self) -> "Grid":
        if self.voltage_low + self.margin >= self.voltage_high - self.margin:
            raise PydanticCustomError("band", "voltage_low below voltage_high, each with its margin")
        return self
