"""What every account would pay at best, if it could buy and sell any power at posted prices: an oracle of equilibrium.

Plain loops over meters and slots, as in `oracle`; nothing of the model is used. A meter withdraws or injects in a slot,
never both (a binary of each), and pays or gets the posted price of its node, access fees apart.
"""

from collections import defaultdict

from . import oracle


def costs(inputs, results) -> dict:
    """Return the least cost of every account (participant's label -> currency) at the prices of the results."""
    data, program, meters = oracle.plain(inputs), oracle.Program({}), oracle.Meters()
    oracle.behind_meters(program, data, meters)
    account = {meter: owner for (meter, _), owner in meters.owner.items()}
    posted = {
        name: {n: results[name].sel(node=n).values for n in data["node_parent"]}
        for name in ("price", "sale_price")
    }
    for (meter, t), node in meters.node.items():
        access, hours = data["node_access_fee"][node], data["slot_hours"][t]
        buying, selling = posted["price"][node][t] + access, posted["sale_price"][node][t] - access
        meters.buys[meter, t].append((program.var("purchase", meter, t, cost=buying * hours), 1.0))
        meters.sells[meter, t].append((program.var("sale", meter, t, cost=-selling * hours), 1.0))
        oracle._connection(program, data, meter, t, meters)
    optimum = program.solve(0.0)
    assert optimum.feasible
    return _by_account(program, optimum, account, data)


def _by_account(program, optimum, account, data) -> dict:
    """Return what the values cost every account: its meters, its stores, and the fuel of its trips."""
    owner = {**data["battery_owner"], **data["vehicle_owner"]}
    owner |= {trip: data["vehicle_owner"][v] for trip, v in data["trip_vehicle"].items()}
    total = defaultdict(float)
    for trip, vehicle in data["trip_vehicle"].items():  # as if all were driven on fuel; electric km cost less
        economy = data["vehicle_fuel_economy"][vehicle]
        if economy == economy:
            fuel = data["fuel_price"][vehicle] / economy * data["trip_distance"][trip]
            total[data["vehicle_owner"][vehicle]] += fuel
    for key, (_, _, cost, _) in program.columns.items():
        if cost:
            total[account.get(key[1]) or owner[key[1]]] += cost * optimum[key]
    return dict(total)
