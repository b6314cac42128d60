"""Retail tariffs, network fees and rules of the exchange as a scenario states them.

A new method of fees is a class here, listed in ``Fees``, and a row of ``FEES`` (assembly/fees) with the function that
computes it.
"""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from .file_references import PriceFile
from .price_forms import NOTHING, AnyPrice, Component, Flat, Tiered, TimeOfUse, rise
from .table_rows import Node
from .values import LATER, Closed, Label, NotNegative, Number, Real


class Tariff(Closed):
    """A retail contract: what a customer pays and gets, component by component.

    ``energy``, ``levy_per_kwh`` and ``feed_in`` are short forms of the components ``energy``, ``levy`` and ``feed-in``.
    """

    energy: Annotated[AnyPrice, Field(discriminator="type")] | None = Field(
        default=None, description="price of energy: flat, time-of-use, tiered, tiered-average or series"
    )
    levy_per_kwh: Number = Field(default=0.0, description="levy on every kWh from the retailer")
    feed_in: Annotated[Flat | TimeOfUse | PriceFile, Field(discriminator="type")] = Field(
        default=NOTHING, description="price that the retailer pays for surplus"
    )
    components: Annotated[tuple[Component, ...], LATER] = Field(
        default=(), description="what else is paid, component by component"
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.energy is None and not self.components:
            raise PydanticCustomError("energy", "a price of energy, or components")
        before: list[str] = []
        for component in self.every():
            if component.name in before:
                raise PydanticCustomError(
                    "components", "names that occur once, other than {name}", {"name": component.name}
                )
            if unknown := [name for name in component.of or () if name not in before]:
                want = "components before {name} that a percentage is of, not {other}"
                raise PydanticCustomError("components", want, {"name": component.name, "other": unknown[0]})
            before.append(component.name)
        return self

    def every(self) -> tuple[Component, ...]:
        """Return all components, those of the short forms first."""
        short = [] if self.energy is None else [Component(name="energy", part="energy", price=self.energy)]
        if self.levy_per_kwh:
            short.append(Component(name="levy", part="levy", price=Flat(price_per_kwh=self.levy_per_kwh)))
        if self.feed_in != NOTHING:
            short.append(
                Component(name="feed-in", part="energy", basis="per-kwh-injected", price=self.feed_in)
            )
        return (*short, *self.components)

    def itemised(self) -> bool:
        """Return whether its components are told apart: where it says any, or has tiers."""
        return bool(self.components) or isinstance(self.energy, Tiered)

    def shared(self) -> bool:
        """Return whether a kWh from peers pays a component."""
        return any(c.basis == "per-kwh-shared" or c.shared_discount is not None for c in self.components)

    def prices(self) -> Iterator[tuple[tuple[str | int, ...], Closed]]:
        """Yield where each price stands in the tariff, and the price."""
        if self.energy is not None:
            yield ("energy",), self.energy
        yield ("feed_in",), self.feed_in
        for n, component in enumerate(self.components):
            yield ("components", n, "price"), component.price


class FeeMethod(Closed):
    """A method of network fees: on the edges of the tree, or, where ``pairwise``, for each pair of nodes.

    ``edge_column`` is the column of a node that the fee of its edge to the parent is computed from; ``of_whole`` says
    that a fee depends on where all participants are.
    """

    pairwise: ClassVar[bool] = False
    of_whole: ClassVar[bool] = False
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
        if not rise([band.up_to_m for band in self.bands]):
            raise PydanticCustomError("bands", "rising up_to_m, and none in the last band")
        return self

    def required_columns(self, node: Node) -> tuple[str, ...]:
        """Return the columns of a node's position, or the length of its edge to the parent."""
        if self.distance == "straight":
            return ("x_m", "y_m")
        return ("length_m",) if node.parent else ()


class _ClassFees(FeeMethod):
    """A fee per kWh for each class of nearness: that of the node where paths meet, by its ``level``."""

    levels: dict[Label, NotNegative] = Field(
        min_length=1, description="level of the node where paths meet -> fee per kWh"
    )
    access_fee_per_kwh: NotNegative = Field(
        default=0.0, description="paid by each side of a trade at its node"
    )

    def required_columns(self, node: Node) -> tuple[str, ...]:
        """Return the columns that a node must fill in: its own level, the root's too."""
        return ("level",)


class CommonLevelFees(_ClassFees):
    """A fee per pair of nodes by the level of the lowest node above both, as in Austria."""

    pairwise: ClassVar[bool] = True
    method: Literal["by-common-level"] = Field(default="by-common-level", description="by-common-level")


class ExtentFees(_ClassFees):
    """One fee for all trades, by the level of the lowest node above all participants: how far the community spreads."""

    of_whole: ClassVar[bool] = True
    method: Literal["by-extent"] = Field(default="by-extent", description="by-extent")


class PeerPrices(Closed):
    """What a kWh from a peer costs in a clearing; its energies are those of the optimum under every rule."""

    rule: Literal["marginal", "mid-market", "supply-demand-ratio", "fixed"] = Field(
        default="marginal", description="marginal value of energy, or one price per slot"
    )
    price_per_kwh: Number | None = Field(default=None, description="of fixed: what a seller gets")
    compensation: Annotated[Real, Field(ge=0, le=1)] | None = Field(
        default=None,
        description="of supply-demand-ratio: part of the margin that sellers get in any case (0)",
    )

    @model_validator(mode="after")
    def _numbers(self) -> Self:
        if (self.rule == "fixed") != (self.price_per_kwh is not None):
            raise PydanticCustomError("price_per_kwh", "a price where the rule is fixed, and nowhere else")
        if self.compensation is not None and self.rule != "supply-demand-ratio":
            raise PydanticCustomError("compensation", "none, but where the rule is supply-demand-ratio")
        return self

    @property
    def stated(self) -> str:
        """The rule with its number, as ``fixed=25``."""
        number = self.price_per_kwh if self.rule == "fixed" else self.compensation
        return self.rule if number is None else f"{self.rule}={number!r}"


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


Fees = Annotated[
    LevelFees | LengthFees | BandFees | CommonLevelFees | ExtentFees, Field(discriminator="method")
]
