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

RECORDED = ("p2p", *SIMULATED)
"""Markets whose slots are committed to a ledger: where peers trade, in a clearing or a simulation."""


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
    """Raise InputError for what no simulation takes: gross metering, charges for peaks and on shared energy."""
    from ..data.problems import InputError, Problem
    from ..model.topology.meters import metered_gross

    gross = inputs["participant"].values[metered_gross(inputs)].tolist()
    if gross:
        want = "net, in a simulation"
        raise InputError([Problem("participants", name, "metering", "'gross'", want) for name in gross])
    require_no_shared_fees(inputs)
    if "peak" in inputs.sizes:
        want = "other bases, in a simulation: agents do not plan for peaks"
        peaks = inputs["peak"].values.tolist()
        raise InputError([Problem("tariffs", name, "basis", "'per-kw-peak'", want) for name in peaks])


def require_no_shared_fees(inputs: "xr.Dataset") -> None:
    """Raise InputError for fees on shared energy by the buyer's tariff: orders do not say who pays them."""
    from ..data.problems import InputError, Problem

    if "shared_fee" in inputs:
        want = "none that are paid on energy from peers, where there are orders"
        raise InputError([Problem("tariffs", "", "components", "fees on shared energy", want)])
