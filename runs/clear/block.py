"""A solved community block as a run: results, trades, accounts and checks, whatever a host model added or changed.

What a host model did to the block decides what still follows. It is told in the notes of the run, one sentence each.
"""

import json
from typing import Any

import xarray as xr

from ...model.clearing import community_block
from ...model.lp.changes import Changes, changes
from ..store import run_format
from ..version import version

PROMISES = ("worse off ", "cost above that without peers", "price for ", "price up ", "price down ")
"""How checks begin of what follows from prices under which everybody's plan is its own best one."""


def settle_block(block: Any) -> xr.DataTree:
    """Return the run of a solved community block: results, trades, settlement, checked as :func:`clear` checks them.

    Rows of a user's own, edits of the block's rows and variables, and an objective that weighs the block otherwise than
    at its cost are allowed. Prices are then the marginal values in the model as it was solved. That nobody is worse off
    than without peers no longer follows, and is not promised: ``attrs["notes"]`` says what was found, and why.

    Parameters
    ----------
    block : Block
        From :func:`otonari.community_block`, of the market ``p2p`` or ``grid-only``, solved by :func:`otonari.solve`
        alone or within a model; or by a solver of Pyomo that filled a suffix ``dual`` of the model.

    Returns
    -------
    DataTree
        As of :func:`clear`. ``attrs["objective"]`` is the cost of the block; ``attrs["notes"]`` (JSON, a list of
        sentences) says what no longer follows; it is empty where the block was solved as it was built.

    Raises
    ------
    ValueError
        If it is no community block, has no values or no prices, or is of the quoted market.
    otonari.model.errors.SolveError
        If the market without peers, which savings are measured against, has no optimum.
    otonari.model.checks.run.CheckError
        If the solution contradicts the inputs though nobody edited the block's own rows or variables.
    """
    from ...model.grid.network_limits import stated
    from ...model.marginal_values import marginal_values
    from ...model.results import collect
    from ...model.settlement import accounts, trades
    from ...model.solver.solve import solve

    market = getattr(block, "market", None)
    if market not in ("p2p", "grid-only"):
        raise ValueError(
            f"{block.name}: want a community block of the market p2p or grid-only, got {market or 'none'}"
        )
    inputs, changed = block.inputs, changes(block)
    results = collect(block)
    if market == "p2p" and "price" not in results:
        raise ValueError(
            f"{block.name} has no prices: want it solved by otonari.solve, or a suffix dual of the model"
        )
    baseline = community_block(inputs, "grid-only", minimum_charge=block.minimum_charge)
    solve(baseline, tie_break=stated(inputs))
    alone = collect(baseline)
    traded = trades.bilateral(inputs, results)
    settled = accounts.settle(inputs, results, traded, alone)
    marginal = marginal_values(block, results["price"].values if "price" in results else None)
    further = {} if marginal is None else {run_format.MARGINAL: marginal}
    tree = run_format.as_tree(inputs, results, traded, settled, **further)
    tree.attrs = {
        "market": market,
        "otonari_version": version(),
        "objective": float(block.cost()),
        "currency": inputs.attrs["currency"],
        "notes": json.dumps(_notes(block, tree, alone, changed), ensure_ascii=False),
    }
    return tree


def _notes(block: Any, tree: xr.DataTree, alone: xr.Dataset, changed: Changes) -> list[str]:
    """Return what no longer follows, and why; raise CheckError for what must hold in spite of what a user changed."""
    from ...model.checks.run import CheckError, check

    groups = [tree[name].to_dataset() for name in run_format.GROUPS]
    violations = check(*groups, grid_only=alone, lp=None if block.minimum_charge else True)
    reasons = list(changed.sentences)
    if not block.own_tariff:
        reasons.append(
            "the host model pays for energy from the grid: accounts count it at the tariffs of the inputs"
        )
    allowed = [v for v in violations if changed.edited or (reasons and v.check.startswith(PROMISES))]
    if len(allowed) < len(violations):
        raise CheckError([v for v in violations if v not in allowed])
    if reasons:
        reasons.append(
            "prices are marginal values in the model as solved: that nobody is worse off does not follow"
        )
    return [*reasons, *(f"does not hold: {violation}" for violation in allowed)]
