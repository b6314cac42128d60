"""Retail tariffs, network fees and rules of the exchange as a scenario states them.

A new kind of price or method of fees is a class here, listed in the union that a tariff or the fees are, and a row of
``PRICES`` (assembly/prices) or ``FEES`` (assembly/fees) with the function that computes it.
"""

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from .file_references import PriceFile
from .table_rows import Node
from .values import Closed, Label, NotNegative, Number, Positive, Real, TimeOfDay


def _rise(ends: Sequence[float | None]) -> bool:
    """Return whether ends rise, and the last alone is open."""
    bounds = [end for end in ends[:-1] if end is not None]
    return ends[-1] is None and len(bounds) == len(ends) - 1 and bounds == sorted(set(bounds))


class Flat(Closed):
    """One price all day."""

    type: Literal["flat"] = Field(default="flat", description="flat")
    price_per_kwh: Number = Field(description="price per kWh")


class Window(Closed):
    """A time of day with its own price; one that crosses midnight belongs to the day on which it starts."""

    start: TimeOfDay = Field(description='local time "HH:MM"')
    end: TimeOfDay = Field(description='local time "HH:MM", itself outside; before start = the next day')
    days: Literal["all", "weekdays", "weekends"] = Field(default="all", description="days on which it starts")
    price_per_kwh: Number = Field(description="price per kWh")

    @model_validator(mode="after")
    def _some(self) -> Self:
        if self.start == "24:00" or self.start == self.end:
            raise PydanticCustomError("start", "a start before 24:00 and other than the end")
        return self


class TimeOfUse(Closed):
    """Windows of the day with their own prices; the first window that holds decides."""

    type: Literal["time-of-use"] = Field(default="time-of-use", description="time-of-use")
    price_per_kwh: Number = Field(description="price per kWh outside every window")
    windows: tuple[Window, ...] = Field(min_length=1, description="windows, the first that holds decides")


class Tier(Closed):
    """A block of the month's consumption."""

    up_to_kwh: Positive | None = Field(default=None, description="end of the tier; blank in the last one")
    price_per_kwh: Number = Field(description="price per kWh within the tier")


class TieredAverage(Closed):
    """The average price of a month's consumption over tiers (an LP sees no tiers)."""

    type: Literal["tiered-average"] = Field(default="tiered-average", description="tiered-average")
    monthly_kwh: Positive = Field(description="consumption of the month that is averaged")
    tiers: tuple[Tier, ...] = Field(min_length=1, description="tiers from the first kWh upward")

    @model_validator(mode="after")
    def _rising(self) -> Self:
        if not _rise([tier.up_to_kwh for tier in self.tiers]):
            raise PydanticCustomError("tiers", "rising up_to_kwh, and none in the last tier")
        return self


AnyPrice = Flat | TimeOfUse | TieredAverage | PriceFile


class Tariff(Closed):
    """A retail contract. The all-in price is energy + levy; surplus earns the feed-in price."""

    energy: Annotated[AnyPrice, Field(discriminator="type")] = Field(
        description="price of energy: flat, time-of-use, tiered-average or series"
    )
    levy_per_kwh: Number = Field(default=0.0, description="levy on every kWh from the retailer")
    feed_in: Annotated[Flat | TimeOfUse | PriceFile, Field(discriminator="type")] = Field(
        default=Flat(price_per_kwh=0.0), description="price that the retailer pays for surplus"
    )


class FeeMethod(Closed):
    """A method of network fees: on the edges of the tree, or, where ``pairwise``, for each pair of nodes.

    ``edge_column`` is the column of a node that the fee of its edge to the parent is computed from.
    """

    pairwise: ClassVar[bool] = False
    edge_column: ClassVar[str]

    def required_columns(self, node: Node) -> tuple[str, ...]:
        """Return the columns that a node must fill in: none at the root and where its row states the fee."""
        return () if node.parent is None or node.fee_per_kwh is not None else (self.edge_column,)


class LevelFees(FeeMethod):
    """A tree whose edges cost by their level (column ``level`` of the nodes)."""

    edge_column: ClassVar[str] = "level"
    method: Literal["by-level"] = Field(default="by-level", description="by-level")
    levels: dict[Label, NotNegative] = Field(default_factory=dict, description="level -> fee per kWh")
    access_fee_per_kwh: NotNegative = Field(
        default=0.0, description="paid by each side of a trade at its node"
    )


class LengthFees(FeeMethod):
    """A tree whose edges cost by their length (column ``length_m``)."""

    edge_column: ClassVar[str] = "length_m"
    method: Literal["by-length"] = Field(default="by-length", description="by-length")
    fee_per_kwh_m: NotNegative = Field(description="fee per kWh and metre of line")
    access_fee_per_kwh: NotNegative = Field(
        default=0.0, description="paid by each side of a trade at its node"
    )


class Band(Closed):
    """A band of distances."""

    up_to_m: NotNegative | None = Field(
        default=None, description="end of the band, inclusive; blank in the last one"
    )
    fee_per_kwh: NotNegative = Field(description="fee per kWh of a trade over this distance")


class BandFees(FeeMethod):
    """A fee per pair of nodes by their distance, instead of the tree."""

    pairwise: ClassVar[bool] = True
    method: Literal["by-distance"] = Field(default="by-distance", description="by-distance")
    distance: Literal["path", "straight"] = Field(
        default="path", description="along the tree (length_m), or straight (x_m, y_m)"
    )
    bands: tuple[Band, ...] = Field(min_length=1, description="bands from near to far")
    access_fee_per_kwh: NotNegative = Field(
        default=0.0, description="paid by each side of a trade at its node"
    )

    @model_validator(mode="after")
    def _rising(self) -> Self:
        if not _rise([band.up_to_m for band in self.bands]):
            raise PydanticCustomError("bands", "rising up_to_m, and none in the last band")
        return self

    def required_columns(self, node: Node) -> tuple[str, ...]:
        """Return the columns of a node's position, or the length of its edge to the parent."""
        if self.distance == "straight":
            return ("x_m", "y_m")
        return ("length_m",) if node.parent else ()


class Exchange(Closed):
    """The exchange: how orders meet and when, at which prices, and how its agents bid.

    What stands nowhere is as in Energies 2022, 15(12), 4218, https://doi.org/10.3390/en15124218, section 2.2.
    """

    mechanism: Literal["continuous", "uniform", "pay-as-bid"] = Field(
        default="continuous", description="session, or a call auction per slot at its gate"
    )
    opening_hours: NotNegative = Field(default=24.0, description="a product opens so long before its slot")
    gate_minutes: NotNegative = Field(default=10.0, description="it closes so long before its slot ends")
    floor_per_kwh: Number | None = Field(
        default=None, description="least price of an order (default: the slot's lowest feed-in price)"
    )
    cap_per_kwh: Number | None = Field(
        default=None, description="highest price of an order (default: the slot's highest retail price)"
    )
    imbalance_fee_per_kwh: NotNegative = Field(
        default=0.0, description="paid to the exchange for energy traded and not delivered, beside the tariff"
    )
    green_premium_per_kwh: NotNegative = Field(
        default=0.0, description="what agents pay on top for energy of renewable origin"
    )
    learning_weight: Annotated[Real, Field(gt=0, le=1)] = Field(
        default=0.3, description="weight of the newest slot in the prices that agents expect"
    )

    @model_validator(mode="after")
    def _band(self) -> Self:
        floor, cap = self.floor_per_kwh, self.cap_per_kwh
        if floor is not None and cap is not None and floor > cap:
            raise PydanticCustomError("floor_per_kwh", "at most cap_per_kwh")
        return self


Fees = Annotated[LevelFees | LengthFees | BandFees, Field(discriminator="method")]
