"""Figures of the page of a run, and THE table of them: each a function of the run's groups.

To add one: a function of a `Run` that returns a figure of `figures`, one row of `PICTURES`, and a test that compares
its table with the run.
"""

from collections.abc import Callable
from dataclasses import dataclass

from ....data.inputs import devices
from ... import markets
from ...store.run_format import FORECAST, ORDER_BOOK
from ..figures.figure import Figure
from . import device_pictures as flexible
from . import energy_pictures as energy
from . import grid_pictures as grid
from . import market_pictures as market
from .opened_run import Run


def figures(run: Run) -> list[Figure]:
    """Return the figures of a run, those of which there is something."""
    return [picture.draw(run) for picture in PICTURES if picture.where(run)]


def _traded(run: Run) -> bool:
    return bool(run.trades.sizes["trade"]) and bool(run.trades["trade_energy"].sum() > 0)


def _stores(run: Run) -> bool:
    return any(run.inputs.sizes[name] for name in devices.stores())


def _heated(run: Run) -> bool:
    return bool(run.inputs.sizes.get("heat_pump", 0))


def _forecast(run: Run, quantity: str) -> bool:
    """Return whether some was forecast, and there is some."""
    made = run.group(FORECAST)
    some = bool(run.inputs[{"pv": "pv_available"}.get(quantity, quantity)].any())
    return made is not None and some and bool(made[f"forecast_{quantity}"].notnull().any())


@dataclass(frozen=True)
class Picture:
    """One row of the table of pictures: the function that draws it, and of which runs."""

    draw: Callable[[Run], Figure]
    where: Callable[[Run], bool] = lambda run: True


PICTURES = [
    Picture(energy.flow),
    Picture(energy.supply_and_demand),
    Picture(energy.demand_by_source, lambda run: "demand_from" in run.settlement),
    Picture(market.prices, lambda run: "price" in run.results and bool(run.results["price"].notnull().any())),
    Picture(market.who_trades, _traded),
    Picture(
        market.trades_in_order,
        lambda run: _traded(run) and run.market != markets.SETTLED and run.group(ORDER_BOOK) is None,
    ),
    Picture(market.order_book, lambda run: run.group(ORDER_BOOK) is not None),
    Picture(market.network, lambda run: _traded(run) and "node_flow" in run.results),
    Picture(energy.charge, _stores),
    Picture(flexible.tanks, _heated),
    Picture(flexible.heat_balance, _heated),
    Picture(flexible.schedule, lambda run: bool(run.inputs.sizes.get("task", 0))),
    Picture(energy.driving, lambda run: bool(run.inputs.sizes["trip"])),
    Picture(market.agreed_and_delivered, lambda run: _traded(run) and run.market in markets.SIMULATED),
    Picture(lambda run: energy.forecast(run, "demand"), lambda run: _forecast(run, "demand")),
    Picture(lambda run: energy.forecast(run, "pv"), lambda run: _forecast(run, "pv")),
    Picture(energy.forecast_errors, lambda run: _forecast(run, "demand")),
    Picture(grid.use_of_limits, grid.limited),
    Picture(grid.fullest_node, grid.nodes_limited),
    Picture(grid.voltages, grid.described),
    Picture(grid.loadings, grid.rated),
    Picture(market.gain_by_kind, lambda run: len(set(run.inputs["participant_kind"].values.tolist())) > 1),
    Picture(market.gain_by_member),
]
"""THE table of pictures, in the order of the page."""
