"""What every member of a community pays for a run under several rules, side by side.

A run's energies are facts, and so is what the community pays to others: the retailer, the filling station, wear, and the
network's fees. Rules share it out among its members. *Rules of prices* (`settlement.price_rules`) say what a kWh from a
peer costs, *splits* who deserves how much of what all save together. With the bill without peers a, what a member has
beside its bill, b (`settlement.unpaid`), and its share x of the community's gain::

    gain[p] = a[p] + b[p] - payment[p]            by a split: payment[p] = a[p] + b[p] - x[p]

**Balance.** Payments are whole numbers of the ledger's units of money, by largest remainder; their sum is what others
get::

    sum of payment = community cost + network fees + congestion rent

The rent is what the rule ``marginal`` leaves to the network; other rules of prices and splits have none.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import xarray as xr

from ...data.inputs.contract import InputError, Problem, suggestion
from ...data.inputs.currency import scale
from ..labels import Array, sum_at
from ..settlement import price_rules
from ..settlement.account_lines import MONEY, SIGNS
from ..settlement.accounts import made_whole
from ..settlement.make_whole import NO_LOSS
from ..settlement.price_rules import PRICE_RULES, BilateralTrades, Prices
from ..topology.traders import parties, traders
from .inequality import gini, jain
from .least_core import greatest_excess
from .run import Run
from .splits import COALITIONAL, SPLITS, Game, most_members

AS_BILLED, AS_BID = "as-billed", "pay-as-bid"
RULES = (AS_BILLED, *PRICE_RULES, AS_BID, *SPLITS)
"""All rules by which members can pay."""


class Payments(NamedTuple):
    """What members pay (participant,), of it the network's fees and the rent that it keeps [currency].

    ``error`` is the standard error of what is estimated, ``bound`` below which no greatest excess is.
    """

    paid: Array
    fees: float
    rent: float = 0.0
    error: Array | None = None
    bound: float = np.nan


def payments(run: Run, rules: Sequence[str]) -> xr.Dataset:
    """Return what every participant pays under each rule, its gain, and the proofs.

    Returns
    -------
    xr.Dataset
        Over (rule, participant): ``payment`` and ``gain`` [currency], ``standard_error`` where a split is estimated.
        Over rule: ``community_cost``, ``network_fees`` and ``congestion_rent`` [currency], which the payments add up to
        exactly; ``worse_off`` participants; the indices ``gini`` and ``jain`` of the gains; where coalitions were
        enumerated ``greatest_excess``, what the worst treated coalition would gain by leaving, and where it is least
        ``excess_bound``, below which that of no split is.

    Raises
    ------
    InputError
        With every rule that does not exist, or cannot price this run.
    """
    if wrong := problems(run, rules):
        raise InputError(wrong)
    game = Game(run)
    paid = [_paid(run, rule, game) for rule in rules]
    rows = [_row(run, one) for one in paid]
    whole = scale(str(run.inputs.attrs["currency"])).money
    over, money = ("rule", "participant"), str(run.inputs.attrs["currency"])
    amounts = np.array([row.units / whole for row in rows])
    gains = run.yardstick - amounts
    noise = NO_LOSS * np.maximum(np.abs(run.yardstick), 1.0)
    lost, some = gains < -noise, np.where(np.abs(gains) <= noise, 0.0, gains)
    data: dict[str, tuple[tuple[str, ...], Array, str, str]] = {
        "payment": (over, amounts, money, "paid in all, at the retailer's and among peers"),
        "gain": (over, gains, money, "bill without peers less the payment, stores at the end counted"),
        "community_cost": (("rule",), np.array([r.others for r in rows]) / whole, money, "paid to others"),
        "network_fees": (("rule",), np.array([r.fees for r in rows]) / whole, money, "paid to the network"),
        "congestion_rent": (
            ("rule",),
            np.array([r.rent for r in rows]) / whole,
            money,
            "left to the network",
        ),
        "worse_off": (("rule",), lost.sum(axis=1), "1", "participants who pay more than without peers"),
        "gini": (("rule",), np.array([gini(g) for g in some]), "1", "Gini index of the gains"),
        "jain": (("rule",), np.array([jain(g) for g in some]), "1", "Jain's index of the gains"),
    }
    if any(one.error is not None for one in paid):
        nothing = np.full(gains.shape[1], np.nan)
        errors = np.array([nothing if one.error is None else one.error for one in paid])
        data["standard_error"] = over, errors, money, "standard error of the payment"
    if game.known is not None:
        excess = np.array([greatest_excess(game.known, g) for g in gains])
        data["greatest_excess"] = ("rule",), excess, money, "most that a coalition would gain by leaving"
        bounds = np.array([one.bound for one in paid])
        data["excess_bound"] = ("rule",), bounds, money, "less than which the greatest excess of no split is"
    return xr.Dataset(
        {n: (dims, v, {"units": unit, "long_name": text}) for n, (dims, v, unit, text) in data.items()},
        coords={"rule": list(rules), "participant": run.inputs["participant"].values},
        attrs={"currency": money},
    )


class _Row(NamedTuple):
    """Payments (participant,) and what they add up to, in whole units of money."""

    units: Array
    others: int
    fees: int
    rent: int


def _row(run: Run, payments: Payments) -> _Row:
    """Return payments in whole units of money, by largest remainder, and what others get of them, which is proved."""
    per = scale(str(run.inputs.attrs["currency"])).money
    exact = payments.paid * per
    units, total = np.floor(exact).astype(np.int64), int(np.rint(exact.sum()))
    one_more = np.argsort(-(exact - units), kind="stable")[: total - int(units.sum())]
    units[one_more] += 1
    fees, rent = int(np.rint(payments.fees * per)), int(np.rint(payments.rent * per))
    others = int(units.sum()) - fees - rent
    turnover = sum(float(np.abs(run.lines[n]).sum()) for n in SIGNS)
    if abs(others - run.others.sum() * per) > 3 + 1e-7 * turnover * per:
        got, want = others / per, float(run.others.sum())
        raise AssertionError(f"payments leave {got} for others than network and members, who get {want}")
    return _Row(units, others, fees, rent)


def exact(run: Run, rules: Sequence[str]) -> Array:
    """Return what every participant pays under each rule (rule, participant) [currency], to no whole unit of money."""
    game = Game(run)
    return np.array([_paid(run, rule, game).paid for rule in rules])


def problems(run: Run, rules: Sequence[str], *, marginal: bool = False) -> list[Problem]:
    """Return why rules cannot say what members pay for a run; ``marginal``: of one that will have marginal prices."""
    return [p for rule in rules for p in _problems(run, rule, marginal or _has_marginal_prices(run.results))]


def _problems(run: Run, rule: str, marginal: bool) -> list[Problem]:
    """Return why a rule cannot say what members pay for a run, which has ``marginal`` prices or not."""
    name, equals, _ = rule.partition("=")
    people = run.inputs.sizes["participant"]
    if name not in RULES:
        want = f"one of {', '.join(RULES)}{suggestion(name, RULES)}"
    elif name in PRICE_RULES:
        try:
            price_rules.price_rule(rule)
        except InputError as error:
            return list(error.problems)
        if name != "marginal" or marginal:
            return []
        want = "another rule: the run has no marginal prices"
    elif equals:
        want = f"{name}, with which no number goes"
    elif name == AS_BID and not run.bids:
        want = "another rule: the run has no bids"
    elif name in ("least-core", "nucleolus") and people > most_members(run):
        want = f"another rule: it is found for {most_members(run)} participants at most, here are {people}"
    elif name in COALITIONAL and "joint_peak_value" in run.results:
        want = "another rule: a peak of all customers of a tariff is no coalition's own"
    elif name in COALITIONAL and run.metered and "tier" in run.inputs.sizes:
        want = "another rule: tiers tie the slots of metered members to one another"
    else:
        return []
    return list(price_rules.refused(rule, want).problems)


def _has_marginal_prices(results: xr.Dataset) -> bool:
    """Tell whether a run's prices are those of a program, not means of what was traded."""
    return "price" in results and not str(results["price"].attrs.get("long_name", "")).startswith("mean")


def _paid(run: Run, rule: str, game: Game) -> Payments:
    """Return what members pay under a rule."""
    if rule.partition("=")[0] in (*PRICE_RULES, AS_BID):
        return _by_prices(run, rule)
    fees = float(run.lines["network_fee"].sum())
    if rule == AS_BILLED:
        rent = run.lines["congestion_rent"] + run.lines["make_whole"] + _charges(run)
        return Payments(run.lines["bill"], fees, float(rent.sum()))
    shares, error, bound = game.split(rule)
    return Payments(run.yardstick - shares, fees, error=error, bound=bound)


def _by_prices(run: Run, rule: str) -> Payments:
    """Return what members pay where a rule prices their trades; nobody is made whole but by ``marginal``."""
    seller, buyer, slot = parties(run.inputs, run.trades)
    who, energy, fee = traders(run.inputs), run.trades["trade_energy"].values, run.trades["trade_fee"].values
    if rule == AS_BID:
        price = Prices(run.trades["trade_price"].values, run.trades["trade_congestion"].values)
    else:
        start, end = who.node[seller, slot], who.node[buyer, slot]
        made = BilateralTrades(seller, buyer, slot, start, end, energy, fee)
        price = price_rules.price_rule(rule)(run.inputs, run.results, made)
    people = run.inputs.sizes["participant"]
    got = sum_at(who.account[seller], energy * price.price, people)
    spent = sum_at(who.account[buyer], energy * (price.price + fee + price.congestion), people)
    rent = sum_at(who.account[buyer], energy * price.congestion, people)
    fees = float((energy * fee).sum())
    lines = {**run.lines, "peer_cost": spent, "peer_revenue": got, "congestion_rent": rent}
    if rule != "marginal":
        return Payments(run.others + spent - got, fees, float(rent.sum()))
    whole = made_whole(lines)
    kept = rent + whole["make_whole"] + _charges(run)
    return Payments(whole["bill"], fees, float(kept.sum()))


def _charges(run: Run) -> Array:
    """Return what members pay to the network at marginal prices beside fees and congestion rent (participant,)."""
    return np.asarray(
        sum(sign * run.lines[n] for n, sign in SIGNS.items() if MONEY[n].counterparty == "network")
    )
