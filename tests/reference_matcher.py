"""A slow and plain continuous session: every rule spelled out, nothing shared with the package.

Orders are dictionaries, the board is one list, the best counterpart is found by looking at all of it. Energies are in
Wh, prices and fees in thousandths of the currency. Rows: ``id, time, action, slot, who, node, side, price (None =
market), energy (0 = unchanged), green (an ask of renewable origin), premium (of a bid, for such asks)``.
"""


class Tree:
    """A fee tree: ``parent`` and ``fee`` per node, ``access`` per node, ``limit`` [Wh] of some nodes' edges."""

    def __init__(self, parent, fee, access, limit=None):
        self.parent, self.edge_fee, self.access, self.limit = parent, fee, access, limit or {}

    def way(self, node):
        """Return the nodes from one to the root."""
        return [node] if self.parent[node] is None else [node, *self.way(self.parent[node])]

    def edges(self, seller, buyer):
        """Return the edges of the path, each with its direction: +1 up from the seller, -1 down to the buyer."""
        up, down = self.way(seller), self.way(buyer)
        return [(n, 1) for n in up if n not in down] + [(n, -1) for n in down if n not in up]

    def fee(self, seller, buyer):
        path = sum(self.edge_fee[n] for n, _ in self.edges(seller, buyer))
        return self.access[seller] + self.access[buyer] + path


class Pairs(Tree):
    """Fees per pair of nodes."""

    def __init__(self, parent, pair, access, limit=None):
        super().__init__(parent, dict.fromkeys(parent, 0), access, limit)
        self.pair = pair

    def fee(self, seller, buyer):
        return self.access[seller] + self.access[buyer] + self.pair[seller, buyer]


def match(rows, network):
    """Return trades (slot, sell order, buy order, Wh, price, fee) as they happened in each slot, and refused rows."""
    return Session(network).run(rows)


class Session:
    def __init__(self, network):
        self.network, self.orders, self.trades, self.refused, self.flow = network, {}, [], [], {}

    def run(self, rows):
        order_of_actions = ["new", "amend", "cancel"]
        rows = sorted(rows, key=lambda r: (r["time"], r["id"], order_of_actions.index(r["action"])))
        for turn, row in enumerate(rows):
            if not getattr(self, row["action"])(row, turn):
                self.refused.append((row["id"], row["action"]))
        return sorted(self.trades, key=lambda t: t[0]), self.refused

    def new(self, row, turn):
        if row["id"] in self.orders or self.meets_itself(row, row["price"]):
            return False
        order = {**row, "turn": turn, "left": row["energy"], "traded": 0}
        self.orders[row["id"]] = order
        self.arrive(order)
        return True

    def amend(self, row, turn):
        order = self.orders.get(row["id"])
        if order is None or not order["left"]:
            return False
        energy = row["energy"] or order["energy"]
        price = order["price"] if row["price"] is None else row["price"]
        if energy < order["traded"] or self.meets_itself(order, price):
            return False
        only_less = price == order["price"] and energy <= order["energy"]
        order.update(price=price, energy=energy, left=energy - order["traded"])
        if not only_less:
            order["turn"] = turn
            self.arrive(order)
        return True

    def cancel(self, row, turn):
        order = self.orders.get(row["id"])
        if order is None or not order["left"]:
            return False
        order["left"] = 0
        return True

    def meets_itself(self, row, price):
        mine = [
            o
            for o in self.orders.values()
            if o["left"] and o["side"] != row["side"] and o["slot"] == row["slot"]
        ]
        mine = [o for o in mine if (o["who"], o["node"]) == (row["who"], row["node"])]
        return any(self.agree({**row, "price": price}, o) for o in mine)

    def agree(self, order, other):
        """Tell whether what the buyer offers covers what the seller wants and the fee."""
        ask, bid = (order, other) if order["side"] == "sell" else (other, order)
        if ask["price"] is None or bid["price"] is None:
            return True
        offered = bid["price"] + self.extra(ask, bid)
        return offered - ask["price"] >= self.network.fee(ask["node"], bid["node"])

    def extra(self, ask, bid):
        return bid["premium"] if ask["green"] else 0

    def room(self, order, other):
        """Return the Wh that the edges between both still carry."""
        ask, bid = (order, other) if order["side"] == "sell" else (other, order)
        rooms = [
            self.network.limit[n] - way * self.flow.get((ask["slot"], n), 0)
            for n, way in self.network.edges(ask["node"], bid["node"])
            if n in self.network.limit
        ]
        return min(rooms, default=10**18)

    def price_with_fee(self, order, other):
        """Return what the counterpart asks for, or minus what it bids, the fee included."""
        if order["side"] == "buy":
            return other["price"] + self.network.fee(other["node"], order["node"]) - self.extra(other, order)
        return self.network.fee(order["node"], other["node"]) - other["price"] - self.extra(order, other)

    def arrive(self, order):
        while order["left"]:
            there = [
                o for o in self.orders.values() if o["slot"] == order["slot"] and o["side"] != order["side"]
            ]
            there = [o for o in there if o["left"] and o is not order]
            there = [o for o in there if self.agree(order, o) and self.room(order, o) > 0]
            if not there:
                break
            self.settle(order, min(there, key=lambda o: (self.price_with_fee(order, o), o["turn"])))
        if order["price"] is None:
            order["left"] = 0

    def settle(self, order, other):
        energy = min(order["left"], other["left"], self.room(order, other))
        ask, bid = (order, other) if order["side"] == "sell" else (other, order)
        fee = self.network.fee(ask["node"], bid["node"])
        price = ask["price"] if other is ask else bid["price"] + self.extra(ask, bid) - fee
        for o in (ask, bid):
            o["left"] -= energy
            o["traded"] += energy
        for n, way in self.network.edges(ask["node"], bid["node"]):
            self.flow[ask["slot"], n] = self.flow.get((ask["slot"], n), 0) + way * energy
        self.trades.append((ask["slot"], ask["id"], bid["id"], energy, price, fee))
