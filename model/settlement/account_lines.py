"""THE table of account lines: what a participant's account holds, who pays whom, and what each line is called.

It is data, not code. The settlement takes from it names, descriptions, units and how the bill adds up; the checks which
lines enter the bill and which are shares; comparisons, pages and bills what they show. Each computes on its own.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Line:
    """One row of the table of account lines.

    ``text`` is the description in the Dataset; ``unit`` is currency, kWh, kg, or 1 of a share. ``sign`` is +1 of what
    the participant pays, -1 of what it gets (an amount below zero flows the other way), 0 of what is not added to the
    bill; ``counterparty`` is who gets or pays it, "" where no money flows; ``part_of`` names the line that contains this
    one. ``label`` stands on the page of a run and on bills, ``measure`` in tables of runs side by side, "" where the
    line is not shown; ``compared`` is true of money that comparisons sum up.
    """

    text: str
    unit: str = "currency"
    sign: int = 0
    counterparty: str = ""
    part_of: str = ""
    label: str = ""
    measure: str = ""
    compared: bool = False


_COMPONENTS = {
    "grid_cost": Line("paid to the retailer", sign=1, counterparty="retailer", label="grid cost"),
    "feed_in_revenue": Line(
        "received from the retailer", sign=-1, counterparty="retailer", label="feed-in revenue"
    ),
    "standing_charges": Line(
        "paid to the retailer whatever is drawn: per day, month, year and contracted power",
        sign=1,
        counterparty="retailer",
        label="standing charges",
    ),
    "peak_charges": Line(
        "paid for the highest powers of a month at the meter, whoever the energy is from",
        sign=1,
        counterparty="retailer",
        label="peak charges",
    ),
    "tier_charges": Line(
        "paid to the retailer for energy in tiers that are dearer than the first, beyond the price of that",
        sign=1,
        counterparty="retailer",
        label="dearer tiers",
    ),
    "congestion_charges": Line(
        "paid for full lines, transformers and nodes by what is drawn beyond that without peers; below zero: received",
        sign=1,
        counterparty="network",
        label="full lines and transformers",
        measure="full lines",
        compared=True,
    ),
    "voltage_charges": Line(
        "paid for scarce voltage by what is drawn beyond what would be without peers; below zero: received",
        sign=1,
        counterparty="network",
        label="scarce voltage",
        measure="scarce voltage",
        compared=True,
    ),
    "loss_charges": Line(
        "paid for losses of the network by what is drawn beyond what would be without peers; below zero: received",
        sign=1,
        counterparty="retailer",
        label="losses of the network",
        measure="losses",
        compared=True,
    ),
    "peer_cost": Line(
        "paid for energy from peers, with network fees and congestion rent",
        sign=1,
        counterparty="peers",
        label="peer cost",
        compared=True,
    ),
    "peer_revenue": Line("received from peers", sign=-1, counterparty="peers", label="peer revenue"),
    "make_whole": Line(
        "paid to members who would else be worse off than without peers; less than zero: received by one who would",
        sign=1,
        counterparty="members",
        label="make-whole",
        compared=True,
    ),
    "network_fee": Line(
        "part of peer_cost that goes to the network",
        counterparty="network",
        part_of="peer_cost",
        label="of which network fee",
        measure="network fees",
        compared=True,
    ),
    "congestion_rent": Line(
        "part of peer_cost that pays for scarce lines",
        counterparty="network",
        part_of="peer_cost",
        label="of which congestion rent",
        compared=True,
    ),
    "imbalance_energy": Line(
        "energy traded and not delivered for want of it at the meter", "kWh", measure="not delivered"
    ),
    "imbalance_cost": Line(
        "paid to the exchange for energy traded and not delivered",
        sign=1,
        counterparty="exchange",
        label="imbalance",
        measure="imbalance",
        compared=True,
    ),
    "fuel_cost": Line("paid for fuel", sign=1, counterparty="filling station", label="fuel", compared=True),
    "wear_cost": Line("wear of batteries by discharging", sign=1, label="wear of batteries"),
    "investment_cost": Line(
        "annuities and upkeep of what a plan builds, over the horizon",
        sign=1,
        label="investment",
        measure="investment",
        compared=True,
    ),
    "line_income": Line(
        "received of the congestion rent for the capacity of lines that a plan builds",
        sign=-1,
        counterparty="network",
        label="income of lines",
        measure="income of lines",
        compared=True,
    ),
    "final_energy_value": Line(
        "worth of what stores hold at the end beyond what they would hold without peers; nobody pays it",
        measure="left in stores",
        compared=True,
    ),
    "breach_cost": Line(
        "price of what stores lack of their targets beyond what they would lack without peers; nobody pays it",
        measure="lacking of targets",
        compared=True,
    ),
    "shed_cost": Line(
        "value of demand that is shed beyond what would be without peers; nobody pays it",
        measure="shed demand",
        compared=True,
    ),
}

FORMULA = " ".join(
    f"{'+' if line.sign > 0 else '-'} {name}" for name, line in _COMPONENTS.items() if line.sign
).removeprefix("+ ")
"""How the bill adds up."""

TOTALS = {
    "bill": Line(FORMULA, label="bill", measure="cost", compared=True),
    "bill_grid_only": Line("bill without peers", label="grid-only", measure="cost grid-only", compared=True),
    "saving": Line("bill_grid_only - bill", label="saving", measure="saving", compared=True),
}
"""The lines that follow from the others."""

CARBON = {
    "co2": Line(
        "carbon dioxide of retail power and fuel", "kg", label="CO2 of retail power and fuel", measure="CO2"
    ),
    "driving_co2": Line(
        "carbon dioxide of driving: fuel, and the electricity driven by its origin",
        "kg",
        measure="CO2 of driving",
    ),
    "driving_co2_petrol": Line(
        "carbon dioxide of the same trips on petrol alone; not known without an engine",
        "kg",
        measure="on petrol alone",
    ),
}

SHARES = {
    "self_sufficiency": Line(
        "share of demand and electric driving from own PV",
        "1",
        label="demand and driving from own PV",
        measure="self-sufficiency",
    ),
    "self_consumption": Line(
        "share of PV energy not given to others",
        "1",
        label="own PV not given to others",
        measure="self-consumption",
    ),
    "renewable_share": Line(
        "share of demand from own and peers' PV",
        "1",
        label="demand from own and neighbours' PV",
        measure="renewable demand",
    ),
    "renewable_driving_share": Line(
        "share of the distance driven on own and peers' PV; on fuel is not",
        "1",
        label="distance driven on own and neighbours' PV",
        measure="renewable driving",
    ),
    "renewable_charge_share": Line(
        "share of the electricity driven that is own and peers' PV",
        "1",
        label="electricity driven from own and neighbours' PV",
        measure="renewable charging",
    ),
}

LINES: dict[str, Line] = {**_COMPONENTS, **TOTALS, **CARBON, **SHARES}
"""THE table: one row per line of an account."""

MONEY = {name: line for name, line in LINES.items() if line.unit == "currency"}

SIGNS = {name: sign for sign in (1, -1) for name, line in MONEY.items() if line.sign == sign}
"""The lines that add up to the bill, with their signs: costs first, then revenues."""

OPTIONAL = (
    "standing_charges",
    "peak_charges",
    "tier_charges",
    "congestion_charges",
    "voltage_charges",
    "loss_charges",
    "investment_cost",
    "line_income",
    "breach_cost",
    "shed_cost",
)
"""Lines that only accounts have where tariffs have components, limits of a network are rows or its losses marginal,
a plan builds, or targets of stores have a price; elsewhere they are zero, and not shown."""

LATER = ("make_whole", "final_energy_value", *OPTIONAL)
"""Lines that files do not have which were stored before the settlement had them: there they are zero."""


def statement() -> dict[str, Line]:
    """Return the money of an account in the order of a page, as far as it has a label: every line, then its parts."""
    return {
        name: line
        for head in MONEY
        if MONEY[head].label and not MONEY[head].part_of
        for name, line in MONEY.items()
        if head in (name, line.part_of)
    }
