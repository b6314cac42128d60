"""Checks of a solved run: physics, money and origins recomputed.

None of the modules that hold the checks shares code with the model, the trades or the settlement: they read the
Datasets and the device table alone.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import xarray as xr

from . import loads
from .directions import directions
from .money import Trades, audit, recount
from .network.charges import charges
from .network.limits import network
from .origins import provenance
from .physics import Finding, Run, physics
from .prices import equilibrium, means

MOST = 5
"""Violations named per check; the worst ones."""


@dataclass(frozen=True)
class Violation:
    """A check that failed: where (labels), and by how much, in the unit of what is checked."""

    check: str
    where: str
    amount: float

    def __str__(self) -> str:
        """Return one line."""
        return f"{self.check} is off by {self.amount:.6g} ({self.where or 'the community'})"


class CheckError(Exception):
    """A solved run contradicts its inputs or itself; ``violations`` lists the worst of every check."""

    def __init__(self, violations: list[Violation]):
        self.violations = violations
        super().__init__("\n".join(["the solved run fails its checks:", *map(str, violations)]))


def check(
    inputs: xr.Dataset,
    results: xr.Dataset,
    trades: xr.Dataset,
    settlement: xr.Dataset | None,
    *,
    grid_only: xr.Dataset | None = None,
    lp: bool | None = None,
    prices: str = "marginal",
    decided: bool = True,
    tolerance: float = 1e-5,
) -> list[Violation]:
    """Return what a solved run violates, the worst entries of every check; nothing if all is well.

    Parameters
    ----------
    inputs, results, trades, settlement : xr.Dataset
        The groups of a run; without a settlement (None) no accounts are computed again.
    grid_only : xr.Dataset, optional
        The results of the market without peers: ``bill_grid_only`` is computed again from them.
    lp : bool, optional
        Whether minimum powers were relaxed; else they hold, and prices alone promise nothing to whose vehicles or loads
        have one. Default: whether none has one.
    decided : bool
        Whether directions of meters and stores may have been decided by binaries: then prices alone promise nothing to
        whom two at once would have paid.
    prices : {"marginal", "ruled", "traded"}
        Whether everybody pays the price of its node, and nobody is worse off than without peers; or every trade has its
        own, to which only the accounts are held: by a rule, where all else is as planned, or by who traded, where final
        energies are targets that a forecast may miss.
    tolerance : float
        A residual may reach ``tolerance`` times the greater of 1 and the quantities that it compares (kW, kWh,
        currency, currency/kWh).
    """
    mismatches = [
        _mismatch(d, inputs, data)
        for data in (results, settlement)
        if data is not None
        for d in data.dims
        if d in inputs.dims
    ]
    if any(mismatches):
        return [Violation("labels", dim, np.nan) for dim in dict.fromkeys(mismatches) if dim]
    least = ("vehicle_min_charge", "flexible_load_min_power")
    linear = (
        not any((inputs[name].values > 0).any() for name in least if name in inputs) if lp is None else lp
    )
    planned = prices != "traded"
    run = Run(inputs, results, planned)
    physical: Iterable[Finding] = (*physics(run, linear, planned), *loads.physics(run, linear, planned))
    if prices == "traded":
        physical = (finding for finding in physical if not finding.check.endswith("final energy"))
    traded = Trades(run, trades)
    findings = [
        *physical,
        *directions(run),
        *network(run, planned),
        *audit(run, traded, settlement, linear, decided, prices == "marginal"),
    ]
    if prices != "traded":
        findings += equilibrium(run)
    elif results.get("price", trades).attrs.get("long_name", "").startswith("mean price"):
        findings += means(run, traded)
    if settlement is not None:
        findings += provenance(run, traded, settlement)
    if settlement is not None and grid_only is not None:
        findings += [
            *physics(alone := run.beside(grid_only), linear),
            *loads.physics(alone, linear),
            *directions(alone),
            *recount(run, alone, settlement, prices != "traded"),
            *network(alone),
            *charges(run, alone, settlement, prices == "marginal"),
        ]
    return [violation for finding in findings for violation in _worst(finding, inputs, tolerance)]


def require(
    inputs: xr.Dataset,
    results: xr.Dataset,
    trades: xr.Dataset,
    settlement: xr.Dataset | None,
    *,
    grid_only: xr.Dataset | None = None,
    lp: bool | None = None,
    prices: str = "marginal",
    decided: bool = True,
    tolerance: float = 1e-5,
) -> None:
    """Raise :class:`CheckError` with what :func:`check` finds, if it finds anything."""
    violations = check(
        inputs,
        results,
        trades,
        settlement,
        grid_only=grid_only,
        lp=lp,
        prices=prices,
        decided=decided,
        tolerance=tolerance,
    )
    if violations:
        raise CheckError(violations)


def _mismatch(dim: object, inputs: xr.Dataset, data: xr.Dataset) -> str:
    """Return the name of a dim whose labels differ from those of the inputs, else ""."""
    return "" if np.array_equal(inputs[dim].values, data[dim].values) else str(dim)


def _worst(finding: Finding, inputs: xr.Dataset, tolerance: float) -> Iterator[Violation]:
    """Yield the worst violations of a finding."""
    excess = np.asarray(finding.excess, dtype=float)
    if (excess <= tolerance).all():
        return
    relative = excess / np.maximum(1.0, np.abs(finding.scale))
    wrong = np.flatnonzero(~(relative <= tolerance))
    if not len(wrong):
        return
    line = np.argsort(-np.nan_to_num(relative.ravel()[wrong], nan=np.inf), kind="stable")
    for place in wrong[line][:MOST]:
        at = np.unravel_index(place, excess.shape)
        labels = [_label(inputs, dim, int(k)) for dim, k in zip(finding.dims, at, strict=True)]
        labels += [f"{name} {values[at]:.6g}" for name, values in finding.told.items()]
        yield Violation(finding.check, ", ".join(labels), float(excess[at]))


def _label(inputs: xr.Dataset, dim: str, place: int) -> str:
    if dim not in inputs.coords:
        return f"{dim}={place}"
    label = inputs[dim].values[place]
    return f"{dim}={np.datetime_as_string(label, unit='m') if dim == 'time' else label}"
