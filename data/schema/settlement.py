"""The schema of a settlement file: who shares metered energy by which rule, and where the readings are."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from .file_references import SeriesFile
from .price_forms import Percent, Price
from .scenario import Time, with_table_files
from .tariffs_and_fees import Tariff
from .values import (
    Closed,
    Currency,
    Day,
    Holidays,
    Label,
    Limit,
    Line,
    Name,
    NotNegative,
    Positive,
    Real,
    Sha256,
)

POOL = "the community"
"""Stands for all who inject, where nobody follows who supplied whom; no member is called so."""
Direction = Literal["withdrawal", "injection"]
Missing = Literal["refuse", "leave-out", "estimate"]


class _Dated(Closed):
    """What holds from a day to a day, both included; blank: from the beginning, to the end."""

    def _require_order(self, first: Day | None, last: Day | None, name: str) -> None:
        if first is not None and last is not None and last < first:
            raise PydanticCustomError(name, "no day before {first}", {"first": first.isoformat()})


class Member(_Dated):
    """A member of the community, or an account that its plants earn for."""

    member: Label = Field(description="unique label")
    tariff: Label | None = Field(
        default=None, description="retail contract of what is not shared (default: it is not billed here)"
    )
    joined: Day | None = Field(default=None, description="first day as a member (default: always was one)")
    left: Day | None = Field(default=None, description="last day as a member (default: still is one)")
    participation_percent: Percent = Field(
        default=100.0, description="part of its withdrawal that takes part in this community"
    )
    contracted_kw: Limit | None = Field(default=None, description="power that its contract is for")
    import_limit_kw: Limit | None = Field(
        default=None, description="stands for contracted_kw where that is blank"
    )
    earlier_peak_kw: NotNegative | None = Field(
        default=None, description="peak of the first month that was reached before the period"
    )
    earlier_kwh: NotNegative | None = Field(
        default=None, description="energy from the retailer in the first month before the period"
    )

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        self._require_order(self.joined, self.left, "left")
        return self


class Point(Closed):
    """A metering point and direction: a register of a meter."""

    point: Label = Field(description="label of the metering point")
    member: Label | None = Field(
        default=None, description="whose it is; blank of a plant that members own in common (table owners)"
    )
    direction: Direction = Field(description="withdrawal from the grid, or injection into it")
    column: Label | None = Field(
        default=None, description="column or meter in the files of readings (default: the point's label)"
    )


class Owner(Closed):
    """A member's share of a plant that is owned in common."""

    point: Label = Field(description="metering point of the plant")
    member: Label = Field(description="who owns a share of it")
    share: Positive = Field(description="in proportion to which its injection is the owners'")


class Key(_Dated):
    """A member's share of what is injected into the community."""

    member: Label = Field(description="whose share it is")
    key: Annotated[Real, Field(ge=0, le=1)] = Field(description="share; those of a day sum to 1")
    since: Day | None = Field(default=None, description="first day on which it holds (default: the first)")
    until: Day | None = Field(default=None, description="last day on which it holds (default: the last)")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        self._require_order(self.since, self.until, "until")
        return self


class SettlementTables(Closed):
    """The tables: each a CSV file, or its rows written here."""

    members: tuple[Member, ...] = Field(min_length=1, description="who takes part")
    points: tuple[Point, ...] = Field(min_length=1, description="metering points")
    owners: tuple[Owner, ...] = Field(default=(), description="shares of plants that are owned in common")
    keys: tuple[Key, ...] = Field(default=(), description="keys of the rule, if it has any")


TABLES: dict[str, tuple[type[Closed], str]] = {
    "members": (Member, "member"),
    "points": (Point, ""),
    "owners": (Owner, ""),
    "keys": (Key, ""),
}
"""Table name -> its row, and the column that must be unique."""


class MeterFile(SeriesFile):
    """A file of readings, one column or meter per metering point."""

    path: str = Field(
        description="file, relative to the settlement file; {point} in it stands for the label, a file each"
    )
    unit: Literal["kWh", "Wh", "MWh", "kW", "W", "MW", "kWh cumulative", "Wh cumulative"] = Field(
        default="kWh", description="energy per slot, mean power, or a meter's reading"
    )
    direction: Direction | None = Field(
        default=None, description="of all that is in the file (default: of the points in either)"
    )

    @model_validator(mode="after")
    def _missing_is_said_once(self) -> Self:
        """Leave gaps to the settlement's ``missing``, but for a counter's, whose energy is known as a whole."""
        bridged = self.gaps == "interpolate" and self.unit.endswith("cumulative")
        if self.gaps != "refuse" and not bridged:
            raise PydanticCustomError("gaps", "none: `missing` of the settlement says what is done")
        return self


class Fixed(Closed):
    """A price that was agreed on."""

    rule: Literal["fixed"] = Field(default="fixed", description="fixed")
    price: Price = Field(description="a number per kWh, or a flat, time-of-use or series price")


class MidMarket(Closed):
    """Midway between the lowest retail and the highest feed-in price of the members' tariffs, slot by slot."""

    rule: Literal["mid-market"] = Field(default="mid-market", description="mid-market")


class SupplyDemandRatio(Closed):
    """Between the lowest retail and the highest feed-in price, by what is injected over what is withdrawn in a slot."""

    rule: Literal["supply-demand-ratio"] = Field(
        default="supply-demand-ratio", description="supply-demand-ratio"
    )
    compensation: Annotated[Real, Field(ge=0, le=1)] = Field(
        default=0.0, description="part of the margin that sellers get in any case"
    )


class AsContracted(Closed):
    """The mean price of a slot's contracts, by their energy."""

    rule: Literal["contracts"] = Field(default="contracts", description="contracts")


class RunFile(Closed):
    """A stored run, cleared or simulated."""

    path: str = Field(description="run file, relative to the settlement file")
    sha256: Sha256 | None = Field(default=None, description="digest of the file, to pin it")


class KeyFile(Closed):
    """Coefficients per slot, producer and member, as `otonari coefficients` writes them."""

    path: str = Field(description="CSV file, relative to the settlement file")
    sha256: Sha256 | None = Field(default=None, description="digest of the file, to pin it")


class Sharing(Closed):
    """How energy is shared, and at which price."""

    rule: Literal[
        "static", "pro-rata", "rounds", "hybrid", "priority", "filling", "own-share", "matrix", "contracts"
    ] = Field(description="who is allocated what of what is injected")
    coefficients: KeyFile | None = Field(
        default=None, description="of matrix: the file of the key per slot, producer and member"
    )
    run: RunFile | None = Field(default=None, description="of contracts: the run whose trades they are")
    imbalance_fee_per_kwh: NotNegative = Field(
        default=0.0,
        description="of contracts: paid to the community's operator for what is contracted and not at the meter",
    )
    order: tuple[Label, ...] = Field(default=(), description="of priority: members, first served first")
    price: Annotated[Fixed | MidMarket | SupplyDemandRatio | AsContracted, Field(discriminator="rule")] = (
        Field(description="of shared energy, by rule: fixed, mid-market, supply-demand-ratio or contracts")
    )
    suppliers: Literal["each", "pool"] = Field(
        default="each",
        description="whether bills and ledger say who supplied whom, or that all came from the community",
    )
    level: Label = Field(
        default="all", description="level of the community, where discounts on shared energy go by levels"
    )

    @model_validator(mode="after")
    def _complete(self) -> Self:
        """Ask for what a rule needs, where it is the rule and nowhere else."""
        if (self.rule == "matrix") != (self.coefficients is not None):
            raise PydanticCustomError("coefficients", "a file where the rule is matrix, and nowhere else")
        if (self.rule == "contracts") != (self.run is not None):
            raise PydanticCustomError("run", "a run where the rule is contracts, and nowhere else")
        if self.rule != "contracts" and (self.price.rule == "contracts" or self.imbalance_fee_per_kwh):
            raise PydanticCustomError(
                "price", "another price and no imbalance fee, as there are no contracts"
            )
        if self.rule in ("matrix", "contracts") and self.suppliers == "pool":
            raise PydanticCustomError("suppliers", "each, as the rule says who supplies whom")
        return self


class Settlement(Closed):
    """A community whose metered energy is settled."""

    schema_version: Literal[1] = Field(description="1")
    name: Name = Field(description="letters, digits, . _ -; names the folder of the results")
    description: Line = Field(default="", description="what it is, in a sentence of one line")
    market_id: Name | None = Field(default=None, description="of its ledger (default: the name)")
    currency: Currency = Field(description="three letters of ISO 4217")
    time: Time = Field(description="period and slots; it is settled month by month")
    tables: SettlementTables = Field(description="members, metering points, owners and keys")
    readings: tuple[MeterFile, ...] = Field(min_length=1, description="files of readings")
    corrections: tuple[MeterFile, ...] = Field(
        default=(), description="files whose readings take the place of earlier ones, the latest last"
    )
    missing: Missing = Field(
        default="refuse",
        description="days with missing readings: a problem; left out of the sharing until they are there; or "
        "estimated by the same hours a week or a day before or after",
    )
    doubtful: Literal["note", "refuse"] = Field(
        default="note", description="readings that are hardly possible: a note, or a problem"
    )
    holidays: Holidays | tuple[Day, ...] = Field(
        default="none", description="public holidays of windows of prices, as in a scenario"
    )
    tariffs: dict[Label, Tariff] = Field(
        default_factory=dict, description="label -> retail contract, as in a scenario"
    )
    sharing: Sharing = Field(description="rule and price of shared energy")


def json_schema() -> dict[str, Any]:
    """Return the JSON schema of a settlement file, where a table is rows, a path or a path with its format."""
    return with_table_files(Settlement, SettlementTables)
