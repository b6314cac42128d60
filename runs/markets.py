"""The markets and modes by name, and which of them a ledger records."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import xarray as xr

    from ..data.schema.tariffs_and_fees import Exchange
    from ..model.exchange.products import Rules

MARKETS = ("p2p", "grid-only", "unmanaged")
"""Markets that are cleared at once; the first is the default."""

SIMULATED = ("exchange", "co-optimized")
"""Markets whose slots close one by one, so that each is recorded as a run of its own: the modes of a simulation."""

SETTLED = "settlement"
"""What is settled of meters by a rule of sharing: the days of a month are recorded."""

RECORDED = ("p2p", *SIMULATED, SETTLED)
"""Markets that are committed to a ledger: where peers trade, in a clearing or a simulation, or share metered energy."""


def rules(terms: "Exchange", **declared: Any) -> "Rules":
    """Return the rules that a scenario states, but for those that are declared here."""
    from ..model.exchange.products import Rules

    stated = {
        "mechanism": terms.mechanism,
        "opening_hours": terms.opening_hours,
        "gate_minutes": terms.gate_minutes,
        "floor": terms.floor_per_kwh,
        "cap": terms.cap_per_kwh,
    }
    return Rules(**stated | {name: value for name, value in declared.items() if value is not None})


def require_simulated(inputs: "xr.Dataset") -> None:
    """Raise InputError for what no simulation takes.

    That is PV that is metered gross, charges for peaks and on shared energy, inverters with a limit, and batteries that
    give to the home alone.
    """
    from ..data.inputs.contract import optional
    from ..data.problems import InputError, Problem
    from ..model.topology.meters import metered_gross

    narrow, inward = (
        optional(inputs, "inverter_limit") < float("inf"),
        optional(inputs, "battery_gives") == "home",
    )
    peaks = inputs["peak"].values.tolist() if "peak" in inputs.sizes else []
    whose = {
        ("participants", "metering", "'gross'", "net"): inputs["participant"].values[metered_gross(inputs)],
        ("participants", "inverter_limit_kw", "a limit", "none"): inputs["participant"].values[narrow],
        ("batteries", "gives", "'home'", "anywhere"): inputs["battery"].values[inward],
        ("tariffs", "basis", "'per-kw-peak'", "other bases"): peaks,
    }
    problems = [
        Problem(table, str(name), field, got, f"{want}, in a simulation: its agents do not plan for it")
        for (table, field, got, want), names in whose.items()
        for name in names
    ]
    if problems:
        raise InputError(problems)
    require_no_shared_fees(inputs)


def require_no_shared_fees(inputs: "xr.Dataset") -> None:
    """Raise InputError for fees on shared energy by the buyer's tariff: orders do not say who pays them."""
    from ..data.problems import InputError, Problem

    if "shared_fee" in inputs:
        want = "none that are paid on energy from peers, where there are orders"
        raise InputError([Problem("tariffs", "", "components", "fees on shared energy", want)])
