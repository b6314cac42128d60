"""Orders from a file through the exchange: a file of trades, and one that says of every refused order why."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from ...data import clock
from ...data.inputs.currency import LARGEST, WATT_HOURS, Scale, scale
from ...data.problems import InputError, Problem, shown
from ...data.schema.tariffs_and_fees import Exchange
from ..markets import require_no_shared_fees, rules
from ..store import atomic_file
from ..text import as_csv
from .answer import Answer

log = logging.getLogger(__name__)
TRADES = ("slot", "seller", "buyer", "energy_kwh", "price", "fee", "sell_order", "buy_order")
REFUSED = (
    "row",
    "order_id",
    "placed",
    "action",
    "slot",
    "participant",
    "side",
    "refused_kwh",
    "code",
    "reason",
)

_NUMBERS = ("energy_kwh", "price", "fee", "refused_kwh")


@dataclass(frozen=True)
class Matched:
    """The outcome of a file of orders: ``trades`` and ``refused`` rows as text, their files, and the totals.

    ``kept`` lists the copies of earlier, different files of these names, ``full`` the edges that trades have filled.
    """

    trades: list[dict[str, str]]
    refused: list[dict[str, str]]
    totals: dict[str, float]
    scale: Scale
    files: tuple[Path, ...] = ()
    kept: tuple[Path, ...] = ()
    full: list[dict[str, Any]] = field(default_factory=list)


def match(
    path: Path,
    output: Path | None = None,
    *,
    scenario: str | None = None,
    overrides: Sequence[str] = (),
    currency: str | None = None,
    mechanism: str | None = None,
    opening_hours: float | None = None,
    gate_minutes: float | None = None,
    band: tuple[float, float] | None = None,
    stage: Callable[[str], None] = log.info,
) -> Matched:
    """Match a file of orders and store the trades.

    Parameters
    ----------
    path : path
        Orders, see ``data/orders``.
    output : path, optional
        CSV file of the trades; the refused orders go to ``NAME.refused.csv`` beside it.
    scenario : str, optional
        Bundled name, file or folder: participants, fee network, limits, tariffs, time zone. Without it anybody
        trades, free of fees, and times without an offset are UTC.
    overrides : sequence of str
        ``key.path=value`` each, of the scenario.
    currency : str, optional
        Of the prices, where neither a scenario nor the file says so.
    mechanism, opening_hours, gate_minutes, band : optional
        As in the scenario's section ``exchange``, and instead of what stands there; ``band`` is its floor and cap.
    stage : callable
        Takes the name of each stage as it begins.

    Raises
    ------
    InputError
        With everything that is wrong with the orders or the scenario; nothing is written then.
    RunFileError
        If a file cannot be written.
    """
    from ...data.loading.orders_file import read_orders
    from ...model.exchange import exchange

    stage("reading the scenario")
    section, inputs = _scenario(scenario, overrides)
    floor, cap = band or (None, None)
    times = {"opening_hours": opening_hours, "gate_minutes": gate_minutes}
    declared = rules(section, mechanism=mechanism, floor=floor, cap=cap, **times)
    stage("reading the orders")
    zone = "UTC" if inputs is None else str(inputs.attrs["time_zone"])
    orders = read_orders(path, zone, currency if inputs is None else str(inputs.attrs["currency"]))
    counted = scale(orders.attrs["currency"])
    stage("matching")
    outcome = exchange.match(orders, inputs, declared)
    when = _clock(zone, bool(orders.attrs["offsets"]))
    trades, refused = _trades(outcome.trades, when, counted), _refused(outcome.orders, when)
    totals = _totals(outcome, counted, path)
    matched = Matched(trades, refused, totals, counted, full=_full(outcome, when))
    if output is None:
        return matched
    stage("storing")
    beside = output.with_name(f"{output.stem}.refused.csv")
    files = {beside: _csv(REFUSED, refused), output: _csv(TRADES, trades)}
    kept = (atomic_file.publish_text(file, content) for file, content in files.items())
    return replace(matched, files=(output, beside), kept=tuple(filter(None, kept)))


def answer(matched: Matched) -> Answer:
    """Return what the command says of a matching."""
    return Answer(_facts(matched), _report(matched))


def _facts(matched: Matched) -> dict[str, Any]:
    """Return what a machine wants to know: totals, every trade, and every refused order with its reason."""
    files = {"files": [str(f) for f in matched.files], "kept": [str(f) for f in matched.kept]}
    rows = {
        "trades": [{n: float(v) if n in _NUMBERS else v for n, v in row.items()} for row in matched.trades],
        "refused": [{n: float(v) if n in _NUMBERS else v for n, v in row.items()} for row in matched.refused],
    }
    return {
        "currency": matched.scale.currency,
        **files,
        "totals": matched.totals,
        "full": matched.full,
        **rows,
    }


def _report(matched: Matched, most: int = 20) -> str:
    """Return totals, and the first refused orders with their reasons, for a terminal."""
    t, money, d = matched.totals, matched.scale.currency, matched.scale.digits + 2
    lines = [
        f"{t['orders']} orders, {t['trades']} trades, {t['energy_kwh']:,.3f} kWh, {t['refused']} refused",
        f"buyers pay {t['from_buyers']:,.{d}f} {money}: {t['to_sellers']:,.{d}f} to sellers, "
        f"{t['fees']:,.{d}f} network fees",
    ]
    for row in matched.refused[:most]:
        lines.append(shown(f"refused {row['order_id']} (line {row['row']}): {row['reason']}"))
    if len(matched.refused) > most:
        lines.append(f"... and {len(matched.refused) - most} more")
    for edge in matched.full[:most]:
        lines.append(
            shown(
                f"full    {edge['node']} at {edge['slot']}: {edge['energy_kwh']:.3f} kWh {edge['way']} it, no more"
            )
        )
    if len(matched.full) > most:
        lines.append(f"... and {len(matched.full) - most} more that are full")
    lines += [f"stored  {path}" for path in matched.files]
    lines += [f"        an earlier, different file is now {path}" for path in matched.kept]
    return "\n".join(lines)


def _scenario(source: str | None, overrides: Sequence[str]) -> tuple[Exchange, xr.Dataset | None]:
    """Return the exchange that a scenario states, and its inputs."""
    if source is None:
        return Exchange(), None
    from ...data.assembly.inputs import build_inputs
    from ...data.loading.scenario import load_scenario

    scenario = load_scenario(source, overrides)
    inputs = build_inputs(scenario)
    require_no_shared_fees(inputs)
    return scenario.exchange, inputs


def _trades(
    trades: xr.Dataset, when: Callable[[np.ndarray], list[str]], counted: Scale
) -> list[dict[str, str]]:
    """Return the rows of the file of trades. The fee is all that the buyer pays beyond the price."""
    fee = trades["trade_fee"].values + trades["trade_congestion"].values
    columns = {
        "slot": when(trades["trade_time"].values),
        "seller": trades["trade_seller"].values.tolist(),
        "buyer": trades["trade_buyer"].values.tolist(),
        "energy_kwh": _decimals(trades["trade_energy"].values, 3),
        "price": _decimals(trades["trade_price"].values, counted.price_decimals),
        "fee": _decimals(fee, counted.price_decimals),
        "sell_order": trades["trade_sell_order"].values.tolist(),
        "buy_order": trades["trade_buy_order"].values.tolist(),
    }
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _refused(orders: xr.Dataset, when: Callable[[np.ndarray], list[str]]) -> list[dict[str, str]]:
    """Return the rows of the file of what was refused, in the order of the orders' file."""
    rows = orders.isel(event=np.flatnonzero(orders["code"].values != "")).sortby("row")
    columns = {n: list(map(str, rows[n].values.tolist())) for n in REFUSED if n in rows}
    columns |= {n: when(rows[n].values) for n in ("placed", "slot")}
    columns["refused_kwh"] = _decimals(rows["refused"].values, 3)
    return [dict(zip(REFUSED, row, strict=True)) for row in zip(*(columns[n] for n in REFUSED), strict=True)]


def _full(outcome: Any, when: Callable[[np.ndarray], list[str]]) -> list[dict[str, Any]]:
    """Return the edges that trades have filled, and so who is behind them passed over."""
    slots = when(np.array([edge.slot for edge in outcome.full], dtype="datetime64[us]"))
    return [
        {"slot": slot, "node": edge.node, "way": edge.way, "energy_kwh": edge.energy / WATT_HOURS}
        for slot, edge in zip(slots, outcome.full, strict=True)
    ]


def _totals(outcome: Any, counted: Scale, path: Path) -> dict[str, float]:
    """Return the totals of a matching: energies in kWh, money in the currency; the whole numbers behind them are exact.

    Raises
    ------
    InputError
        Where a sum is too large to be exact.
    """
    trades, orders = outcome.trades, outcome.orders
    units = {"energy": WATT_HOURS, **dict.fromkeys(("price", "fee", "congestion"), counted.price)}
    whole = {n: np.rint(trades[f"trade_{n}"].values * unit).astype(int).tolist() for n, unit in units.items()}
    money = {
        n: sum(e * p for e, p in zip(whole["energy"], whole[n], strict=True)) for n in units if n != "energy"
    }
    fees = money["fee"] + money["congestion"]
    sums = {"to_sellers": money["price"], "fees": fees, "from_buyers": money["price"] + fees}
    large = {n: f"{amount / counted.money:,.0f}" for n, amount in sums.items() if abs(amount) >= LARGEST}
    if large:
        raise InputError(
            Problem(str(path), "", n, got, f"less than {counted.most}") for n, got in large.items()
        )
    return {
        "orders": int((orders["action"].values == "new").sum()),
        "refused": int((orders["code"].values != "").sum()),
        "trades": trades.sizes["trade"],
        "energy_kwh": sum(whole["energy"]) / WATT_HOURS,
        **{name: amount / counted.money for name, amount in sums.items()},
    }


def _clock(time_zone: str, offsets: bool) -> Callable[[np.ndarray], list[str]]:
    """Return what writes times (naive UTC) as the file of orders does: local, with their offset where it has them."""

    def written(times: np.ndarray) -> list[str]:
        local = clock.local(pd.DatetimeIndex(times), time_zone)
        stated = local if offsets else local.tz_localize(None)
        return ["" if pd.isna(moment) else _moment(moment) for moment in stated]

    return written


def _moment(moment: pd.Timestamp) -> str:
    """Return a time in ISO 8601, no finer than it is."""
    finest = "microseconds" if moment.microsecond else "seconds" if moment.second else "minutes"
    return moment.to_pydatetime().isoformat(timespec=finest)


def _decimals(values: np.ndarray, decimals: int) -> list[str]:
    return [f"{value:.{decimals}f}" for value in (values + 0.0).tolist()]


def _csv(header: Sequence[str], rows: Sequence[dict[str, str]]) -> str:
    return as_csv(header, ([row[name] for name in header] for row in rows))
