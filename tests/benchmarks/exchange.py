"""Orders per second of the continuous session at many resting orders, and seconds of a call auction.

Run by hand: ``python -m tests.benchmarks.exchange --resting 100000 --nodes 1 30 300 --auction 1000 10000``. The board is
filled with orders that do not match; then a stream arrives of which half matches at once, a tenth amends and a tenth
cancels. The figure counts the rows of the stream alone, from the Dataset of orders to the trades on the board.
"""

import argparse
import time

import numpy as np
import xarray as xr

from otonari.data.inputs.contract import complete
from otonari.model.exchange.exchange import Exchange, Rules, match

START = np.datetime64("2020-08-19T00:00", "ns")
SLOTS = 48


def community(nodes, people):
    """Return inputs of a fee tree of this many nodes, 25 to a parent, and participants spread over them."""
    parents = ["", *(f"n{(k - 1) // 25}" for k in range(1, nodes))]
    time_axis = START + np.arange(SLOTS) * np.timedelta64(30, "m")
    per_slot = (("participant", "time"), np.full((people, SLOTS), 1e6))
    variables = {
        "slot_hours": (("time",), np.full(SLOTS, 0.5)),
        "demand": per_slot,
        "pv_available": per_slot,
        "participant_node": (("participant",), [f"n{k % nodes}" for k in range(people)]),
        "participant_tariff": (("participant",), ["flat"] * people),
        "retail_price": (("tariff", "time"), np.full((1, SLOTS), 50.0)),
        "feed_in_price": (("tariff", "time"), np.zeros((1, SLOTS))),
        "node_parent": (("node",), parents),
        "node_fee": (("node",), np.full(nodes, 0.83)),
        "node_access_fee": (("node",), np.full(nodes, 2.45)),
    }
    coords = {
        "participant": [f"p{k}" for k in range(people)],
        "time": time_axis,
        "tariff": ["flat"],
        "node": [f"n{k}" for k in range(nodes)],
    }
    return complete(xr.Dataset(variables, coords=coords, attrs={"currency": "JPY"}))


def orders(count, first, people, rng, low, high, minute):
    """Return new orders: asks above and bids below the middle of 25 by ``low`` to ``high`` (less than 0: they match)."""
    sells = rng.random(count) < 0.5
    away = np.round(rng.uniform(low, high, count), 3)
    names = [f"o{k}" for k in range(first, first + count)]
    who = 2 * rng.integers(0, people // 2, count) + sells  # a half of the people sells
    columns = {
        "order_id": np.array(names),
        "placed": START
        - np.timedelta64(60, "m")
        + np.timedelta64(minute, "m")
        + np.zeros(count, "timedelta64[ns]"),
        "action": np.full(count, "new", dtype="<U6"),
        "slot": START + rng.integers(0, SLOTS, count) * np.timedelta64(30, "m"),
        "participant": np.array([f"p{k}" for k in who.tolist()]),
        "node": np.full(count, ""),
        "side": np.where(sells, "sell", "buy"),
        "price": 25 + np.where(sells, away, -away),
        "energy": rng.integers(100, 2000, count) / 1000,
        "origin": np.full(count, ""),
    }
    return xr.Dataset({n: (("event",), v) for n, v in columns.items()})


def stream(count, resting, people, rng):
    """Return a stream: half new orders that match, three tenths that rest, a tenth each amendments and cancellations."""
    crossing = orders(count // 2, resting, people, rng, -15.0, -5.0, 1)
    quiet = orders(count * 3 // 10, resting + count // 2, people, rng, 5.0, 20.0, 1)
    changes = orders(count // 5, 0, people, rng, 5.0, 20.0, 1)
    changes["order_id"] = (
        ("event",),
        np.array([f"o{k}" for k in rng.choice(resting, count // 5, replace=False)]),
    )
    changes["action"] = (("event",), np.where(np.arange(count // 5) % 2, "amend", "cancel"))
    changes["slot"][:] = np.datetime64("NaT", "ns")
    for name in ("participant", "side"):
        changes[name] = changes["node"]
    changes["price"][:] = np.nan
    changes["energy"][:] = 0.05
    return xr.concat([crossing, quiet, changes], "event")


def main() -> None:
    """Print a line per network and per auction."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--resting", type=int, default=100_000)
    parser.add_argument("--stream", type=int, default=20_000)
    parser.add_argument("--nodes", type=int, nargs="+", default=[1, 30, 300])
    parser.add_argument("--auction", type=int, nargs="*", default=[1000, 10_000])
    options = parser.parse_args()
    people = 2000
    print(f"{'nodes':>6} {'resting':>8} {'fill orders/s':>14} {'orders/s':>9} {'trades':>7}")
    for nodes in options.nodes:
        rng = np.random.default_rng(1)
        exchange = Exchange(community(nodes, people), Rules(opening_hours=48))
        begin = time.perf_counter()
        exchange.submit(orders(options.resting, 0, people, rng, 5.0, 20.0, 0))
        filled = time.perf_counter()
        rows = stream(options.stream, options.resting, people, rng)
        started = time.perf_counter()
        exchange.submit(rows)
        ended = time.perf_counter()
        rates = options.resting / (filled - begin), rows.sizes["event"] / (ended - started)
        traded = exchange.outcome().trades.sizes["trade"]
        print(f"{nodes:>6} {options.resting:>8} {rates[0]:>14,.0f} {rates[1]:>9,.0f} {traded:>7}")
    print(f"{'nodes':>6} {'orders':>8} {'auction s':>10} {'trades':>7}")
    for count in options.auction:
        rows = orders(count, 0, people, np.random.default_rng(2), -15.0, 15.0, 0)
        rows["slot"][:] = START
        begin = time.perf_counter()
        found = match(rows, community(30, people), Rules("uniform", opening_hours=48))
        print(f"{30:>6} {count:>8} {time.perf_counter() - begin:>10.2f} {found.trades.sizes['trade']:>7}")


if __name__ == "__main__":
    main()
