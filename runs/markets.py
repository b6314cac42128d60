"""The markets and modes by name, and which of them a ledger records."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import xarray as xr

    from ..data.schema.scenario import Scenario
    from ..data.schema.tariffs_and_fees import Exchange
    from ..model.exchange.products import Rules

MARKETS = ("p2p", "grid-only", "unmanaged")
"""Markets that are cleared at once; the first is the default."""

SIMULATED = ("exchange", "co-optimized")
"""Markets whose slots close one by one, so that each is recorded as a run of its own: modes of a simulation."""

ALONE = "alone"
"""The mode of a simulation in which nobody trades: what the forecasts of the other modes give each participant alone."""

MODES = (*SIMULATED, ALONE)
"""The modes of a simulation."""

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


def require_marginal(scenario: "Scenario", where: str) -> None:
    """Raise InputError where a scenario states another rule of peers' prices than the marginal one."""
    from ..data.problems import InputError, Problem

    if (stated := scenario.settlement.stated) != "marginal":
        raise InputError([Problem("settlement", "", "rule", repr(stated), f"marginal, in {where}")])


def require_simulated(inputs: "xr.Dataset", mode: str = "exchange", futures: int = 1) -> None:
    """Raise InputError for what a simulation does not take.

    That is gross metering, tiers, joint peaks, marginal losses, and beside orders or for several futures limits of the
    network; for orders shared fees. Orders are those of a meter at a node: which of two meters of a participant's at
    one node they are for, they do not say, nor by whose tariff a kWh from peers would be charged.
    """
    from ..data.inputs.variables import LOSSES, NETWORK_LIMITS, NODE_LIMITS
    from ..data.problems import InputError, Problem
    from ..model.topology.meters import metered_gross

    want = "net, in a simulation: orders do not say which of two meters they are for"
    gross = inputs["participant"].values[metered_gross(inputs)]
    if len(gross):
        raise InputError([Problem("participants", str(name), "metering", "'gross'", want) for name in gross])
    if mode == "exchange":
        require_no_shared_fees(inputs)
    if "tier" in inputs.sizes:
        want = "tiered-average, in a simulation: its agents do not know in which tier a kWh will be"
        names = inputs["tier"].values.tolist()
        raise InputError([Problem("tariffs", name, "price", "'tiered'", want) for name in names])
    require_no_joint_peaks(inputs, "a simulation: its agents plan for a meter of their own")
    if any(name in inputs for name in LOSSES):
        want = "'retailer', in a simulation: its agents know nothing of the network"
        raise InputError([Problem("grid", "", "losses", "'marginal'", want)])
    if mode != "co-optimized" and any(name in inputs for name in NETWORK_LIMITS):
        want = (
            "'none', on an exchange or alone, where agents know nothing of the network: `otonari envelopes` computes"
            " limits of each connection that keep it, or --mode co-optimized"
        )
        raise InputError([Problem("grid", "", "limits", "'rows'", want)])
    if futures > 1 and any(name in inputs for name in (*NETWORK_LIMITS, *NODE_LIMITS)):
        want = "none of its own, where a plan is for several futures"
        raise InputError([Problem("grid, nodes", "", "limits", "limits of the network", want)])


def require_no_joint_peaks(inputs: "xr.Dataset", where: str) -> None:
    """Raise InputError for peaks of all customers of a tariff; ``where`` says what takes none, and why."""
    from ..data.problems import InputError, Problem
    from ..model.topology.peaks import of_tariff

    if "peak" in inputs.sizes and (joint := of_tariff(inputs)).any():
        want = f"'meter', in {where}"
        names = inputs["peak"].values[joint].tolist()
        raise InputError([Problem("tariffs", name, "peak_of", "'tariff'", want) for name in names])


def require_no_shared_fees(inputs: "xr.Dataset") -> None:
    """Raise InputError for fees on shared energy by the buyer's tariff: orders do not say who pays them."""
    from ..data.problems import InputError, Problem

    if "shared_fee" in inputs:
        want = "none that are paid on energy from peers, where there are orders"
        raise InputError([Problem("tariffs", "", "components", "fees on shared energy", want)])
