"""What proves that regions of a fee tree, cleared apart, are together the optimum, or how far they may be from it.

Between two regions lies one edge of the tree, with a fee (`partition`). No energy flows over it while they are apart:
its flows are left out, as in `bottom_up`, and the price certificate there is the one here. **The certificate**: let the
prices p of every region be optimal duals of its own clearing. The union of the optima is the optimum of the whole, if
for every flow left out, from a node n to its parent m or back, p[m,t] - p[n,t] <= fee, or p[n,t] - p[m,t] <= fee.

A price is not always one number. What leaves a region's optimum as it is may be chosen: at a junction without meters
anything within the fees of the prices around it; where nobody could sell and nobody buys, anything higher. With these
intervals at the nodes and -fee <= p[m] - p[n] <= fee at the edges (the difference as it is, where energy flows) the
certificate is a system of difference constraints on a tree. One pass from the leaves to the root and one back decide
exactly whether it has a solution.

**The gap** where it has none: p and the duals of the regions are a solution of the dual of the whole, but for flows
left out that would pay g = max(0, difference - fee) per kWh. Each is bounded by what could flow there, u kW: the limit
of the edge, what all meters on one side could give, what all on the other could take. So with Z the sum of the regions'
optima::

    Z - sum of g * u * hours  <=  optimum of the whole  <=  Z

The prices that are free are chosen by a linear program for the least such gap.

**Prices of the union**, where it is the optimum, follow the rule of `solver.dual_face` for the whole, on the same
system. One thing a region cannot know: where nobody in it would pay for energy at a node with meters, its price there
is the greatest (step 2 of the rule), though in the whole somebody far off might pay something. Such a price stays.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from scipy import sparse
from scipy.optimize import linprog

from ...data.inputs.devices import present
from ..labels import Array, positions
from ..topology.fee_tree import from_leaves
from ..topology.meters import meters, sum_at_nodes
from ..topology.tiers import tiered
from .partition import Tree, regions

PAYS = 1e-6
"""Gain per kWh from which a flow left out counts: the residual within which a proof of optimality holds."""


NOISE = 1e-7
"""Power [kW] up to which a flow is none, and up to which what it is short of the limit of its edge is none."""
ZERO = 1e-7
"""Price [currency/kWh] up to which energy is worth nothing."""


class Border(NamedTuple):
    """Prices, flows and capacities at the nodes of a cleared region, each (node, time): enough for the certificate.

    ``price`` [currency/kWh]; ``offer``, what one more watt offered there is worth [currency/kWh]: the price, or zero
    where nobody in the region would pay for energy; ``flow`` to the parent [kW]; ``buyers`` and ``sellers``, what
    meters there could take and give at the most [kW]; ``bought`` and ``sold``, what they do from and to peers [kW];
    ``tied``, 1 where a store or a tier ties the price to those of other slots, or trades were settled at it, else 0.
    """

    price: Array
    offer: Array
    flow: Array
    buyers: Array
    sellers: Array
    bought: Array
    sold: Array
    tied: Array


class Verdict(NamedTuple):
    """The prices, gap and wanted trades that the certificate yields.

    ``price`` and ``offer`` (node, time) at all nodes, as in `Border` but of the whole; ``gap`` by which the union may
    miss the optimum [currency], 0 where it is the optimum; ``pairs`` (pair, 2), the nodes that would trade, most urgent
    first, or else those of which one decides the other's price.
    """

    price: Array
    offer: Array
    gap: float
    pairs: Array


def border(inputs: xr.Dataset, results: xr.Dataset) -> Border:
    """Return prices, flows and capacities at the nodes of a cleared region."""
    who, size = meters(inputs, peers=True), inputs.sizes["node"]
    home = positions(inputs, "participant_node", "node")
    host = positions(inputs, "vehicle_host", "participant")
    guest = np.where(host >= 0, home[host], -1)

    def traded(peer: str, vehicle: str) -> Array:
        power = np.zeros((size, inputs.sizes["time"]))
        np.add.at(power, home, results[peer].transpose("participant", "time").values)
        away = results[vehicle].transpose("vehicle", "time").values
        np.add.at(power, (guest[place, slot], slot), away[place, slot])
        return power

    place, slot = np.nonzero(guest >= 0)
    bought = traded("peer_purchase", "vehicle_purchase")
    sold = traded("peer_sale", "vehicle_sale")
    tied = (bought > 0) | (sold > 0)
    for device in present(inputs).values():
        if not device.host:
            tied[home[positions(inputs, device.owner, "participant")]] = True
    tied[guest[place, slot], slot] = True
    tied[home[tiered(inputs)]] = True
    return Border(
        price=results["price"].transpose("node", "time").values,
        offer=results.get("offer_value", results["price"]).transpose("node", "time").values,
        flow=results["node_flow"].transpose("node", "time").values,
        buyers=sum_at_nodes(who.draw_capacity, who, size),
        sellers=sum_at_nodes(who.give_capacity, who, size),
        bought=bought,
        sold=sold,
        tied=tied.astype(float),
    )


def judge(tree: Tree, cut_above: Array, whole: Border, hours: Array) -> Verdict:
    """Return by the certificate prices and gap of regions cleared apart.

    Parameters
    ----------
    tree : Tree
        The whole.
    cut_above : (node,) bool
        Where regions end.
    whole : Border
        Their borders, together (node, time); nothing but zeros at nodes of regions without meters.
    hours : (time,)
        Lengths of the slots [h].
    """
    system = _system(tree, cut_above, whole)
    up = from_leaves(tree.parent)
    low, high, source, target = _bounds(tree.parent, up, system)
    wrong = low > high + PAYS
    offered = system._replace(low=np.minimum(system.low, whole.offer))
    price, offer, origin = _by_rule(tree, up, offered, whole)
    moved = price < system.low - PAYS
    if moved.any():  # what follows in other slots only regions cleared as one can tell
        price, offer, _ = _by_rule(tree, up, system, whole)
    if not wrong.any():
        return Verdict(price, offer, 0.0, _pairs(np.nonzero(moved)[0], origin[moved]))
    gap = 0.0
    for slot in np.flatnonzero(wrong.any(axis=0)).tolist():
        price[:, slot], loss = _least_gap(tree.parent, system.at(slot))
        offer[:, slot] = price[:, slot]
        gap += float(hours[slot] * loss)
    where = np.nonzero(wrong)
    order = np.argsort(-(low - high)[where], kind="stable")
    return Verdict(price, offer, gap, _pairs(source[where][order], target[where][order]))


def _pairs(one: Array, other: Array) -> Array:
    """Return pairs of nodes (pair, 2), each once, in the order of their first mention."""
    pairs = np.stack([one, other], axis=1)
    return np.asarray(pairs[np.sort(np.unique(pairs, axis=0, return_index=True)[1])])


class _System(NamedTuple):
    """Intervals of prices: ``low`` and ``high`` at nodes; ``least`` and ``most`` of p[parent] - p[node] (node, time).

    ``soft_up`` and ``soft_down`` [kW]: what could flow at the most where the flow was part of no region's clearing; zero
    where it was, so that its bound holds in any case.
    """

    low: Array
    high: Array
    least: Array
    most: Array
    soft_up: Array
    soft_down: Array

    def at(self, slot: int) -> _System:
        """Return a slot (node, 1) of it."""
        return _System(*(values[:, [slot]] for values in self))


def _system(tree: Tree, cut_above: Array, whole: Border) -> _System:
    """Return the intervals of the prices q that prove the union of the regions' optima optimal.

    With the regions' own prices p and D[n] = p[parent of n] - p[n], fee c of the edge above n and the flow z over it,
    the greatest power u (up, down) that the whole lets over it and v that its region alone lets over it; b and s
    bought and sold at n, B and S what meters there could take and give at the most; o the offer at n, or p where the
    price is tied: between the two nobody's plan changes. For every node and slot::

        low = o  if B > 0 or s > 0,  else -inf                  high = p  if S > 0 or b > 0,  else inf
        low <= q[n] <= high
        least <= q[parent of n] - q[n] <= most
        most  = D  if z != 0,  max(c, D)   if v_up > 0,    c   if u_up > 0,    else inf
        least = D  if z != 0,  min(-c, D)  if v_down > 0,  -c  if u_down > 0,  else -inf
        soft  = 0  if z != 0 or v > 0,  else u                  each of up and down
    """
    edge = (tree.parent >= 0)[:, None]
    region = regions(tree.parent, cut_above)
    inside = edge & (~cut_above & _cleared(tree, cut_above))[:, None]
    u_up, u_down = _capacity(tree, regions(tree.parent, np.zeros_like(cut_above)), whole)
    v_up, v_down = (np.where(inside, power, 0.0) for power in _capacity(tree, region, whole))
    p, c, z = whole.price, tree.fee[:, None], np.where(inside, whole.flow, 0.0)
    o = np.where(whole.tied > 0, p, whole.offer)
    D = p[tree.parent] - p
    most = np.where(u_up > 0, c, np.inf)
    most = np.where(v_up > 0, np.maximum(most, D), most)
    most = np.where(z != 0, D, most)
    least = np.where(u_down > 0, -c, -np.inf)
    least = np.where(v_down > 0, np.minimum(least, D), least)
    least = np.where(z != 0, D, least)
    return _System(
        low=np.where((whole.buyers > 0) | (whole.sold > 0), o, -np.inf),
        high=np.where((whole.sellers > 0) | (whole.bought > 0), p, np.inf),
        least=np.where(edge, least, -np.inf),
        most=np.where(edge, most, np.inf),
        soft_up=np.where((v_up > 0) | (z != 0), 0.0, u_up),
        soft_down=np.where((v_down > 0) | (z != 0), 0.0, u_down),
    )


def _cleared(tree: Tree, cut_above: Array) -> Array:
    """Return the nodes (node,) of regions that have meters, so that they are cleared."""
    region = regions(tree.parent, cut_above)
    return np.isin(region, region[tree.crowd > 0])


def _capacity(tree: Tree, top: Array, whole: Border) -> tuple[Array, Array]:
    """Return the most that can flow up and down each edge (node, time) [kW], among meters of one region.

    ``top`` (node,) is the topmost node of the region of each, where all that it has is summed up.
    """
    below = [whole.buyers.copy(), whole.sellers.copy()]
    for node in from_leaves(tree.parent):
        above = tree.parent[node]
        if above >= 0 and top[node] == top[above]:
            for power in below:
                power[above] += power[node]
    (buyers, sellers), limit = below, np.where(tree.parent >= 0, tree.limit, 0.0)[:, None]
    up = np.minimum(sellers, buyers[top] - buyers)
    down = np.minimum(buyers, sellers[top] - sellers)
    return np.clip(up, 0.0, limit), np.clip(down, 0.0, limit)


def _bounds(parent: Array, up: list[int], system: _System) -> tuple[Array, Array, Array, Array]:
    """Return the least and the greatest price at each node that all others allow, and the nodes that say so."""
    low, high = system.low.copy(), system.high.copy()
    source = np.repeat(np.arange(len(parent))[:, None], low.shape[1], axis=1)
    target = source.copy()

    def raise_to(node: int, floor: Array, other: int) -> None:
        more = floor > low[node]
        low[node][more], source[node][more] = floor[more], source[other][more]

    def lower_to(node: int, ceiling: Array, other: int) -> None:
        less = ceiling < high[node]
        high[node][less], target[node][less] = ceiling[less], target[other][less]

    edges = [node for node in up if parent[node] >= 0]
    for node in edges:
        raise_to(parent[node], low[node] + system.least[node], node)
        lower_to(parent[node], high[node] + system.most[node], node)
    for node in reversed(edges):
        raise_to(node, low[parent[node]] - system.most[node], parent[node])
        lower_to(node, high[parent[node]] - system.least[node], parent[node])
    return low, high, source, target


def _by_rule(tree: Tree, up: list[int], system: _System, whole: Border) -> tuple[Array, Array, Array]:
    """Return prices and offers (node, time) by the declared rule of `solver.dual_face`, and the nodes that decide them.

    Within the intervals of the nodes, and with -c <= p[parent] - p[n] <= c at every edge of fee c, equal to c in the
    direction of its flow, and at least c where that fills the edge. First where somebody is, then everywhere else.
    """
    c, limit = tree.fee[:, None], np.where(tree.parent >= 0, tree.limit, 0.0)[:, None]
    full = np.abs(whole.flow) >= limit - NOISE
    closed, up_flow, down_flow = limit <= 0, whole.flow > NOISE, whole.flow < -NOISE
    most = np.where(closed | (full & up_flow), np.inf, np.where(down_flow, -c, c))
    least = np.where(closed | (full & down_flow), -np.inf, np.where(up_flow, c, -c))
    prices = system._replace(least=least, most=most)
    somebody = (whole.buyers > 0) | (whole.sellers > 0)
    prices, valued, origin = _decided(tree.parent, up, prices, somebody)
    prices, _, _ = _decided(tree.parent, up, prices, ~somebody)
    offer = np.where(somebody & ~valued, np.minimum(prices.low, 0.0), prices.low)
    return prices.low, offer, origin


def _decided(parent: Array, up: list[int], prices: _System, places: Array) -> tuple[_System, Array, Array]:
    """Return the system with the prices at ``places`` (node, time) decided, which are the least, and who decides.

    The least that is possible where it is above zero, then the greatest; where there is none, the least not below zero.
    """

    def hold(where: Array, price: Array) -> _System:
        return prices._replace(
            low=np.where(where, price, prices.low), high=np.where(where, price, prices.high)
        )

    lowest, _, source, _ = _bounds(parent, up, prices)
    valued = places & (lowest > ZERO)
    prices = hold(valued, lowest)
    _, highest, _, target = _bounds(parent, up, prices)
    bounded = places & ~valued & np.isfinite(highest)
    prices = hold(bounded, highest)
    rest = places & ~valued & ~bounded
    lowest = _bounds(
        parent, up, prices._replace(low=np.where(rest, np.maximum(prices.low, 0.0), prices.low))
    )[0]
    return hold(rest, lowest), valued, np.where(valued, source, target)


def _least_gap(parent: Array, system: _System) -> tuple[Array, float]:
    """Return the prices (node,) of one slot for which the gap is least, and that gap [currency/h]."""
    size, child = len(parent), np.flatnonzero(parent >= 0)
    low, high, least, most, soft_up, soft_down = (values[:, 0] for values in system)
    n = len(child)
    line = np.arange(n)
    rise = sparse.csr_array(
        (np.repeat([1.0, -1.0], n), (np.tile(line, 2), np.concatenate([parent[child], child]))), (n, size)
    )
    signed = sparse.vstack([rise, -rise])
    rows: Any = sparse.csr_array(sparse.hstack([signed, -sparse.eye_array(2 * n)]))
    sides = np.concatenate([most[child], -least[child]])
    kept = np.isfinite(sides)
    soft = np.concatenate([soft_up[child], soft_down[child]])
    ends = np.concatenate([high, np.where(soft > 0, np.inf, 0.0)])
    begins = np.concatenate([low, np.zeros(2 * n)])
    solution: Any = linprog(
        np.concatenate([np.zeros(size), soft]),
        A_ub=rows[kept],
        b_ub=sides[kept],
        bounds=list(zip(begins.tolist(), ends.tolist(), strict=True)),
    )
    assert solution.status == 0, solution.message  # the regions' own prices obey all that must hold
    price = solution.x[:size]
    missed = np.maximum(rows[:, :size] @ price - sides, 0.0)
    return price, float(missed @ soft)
