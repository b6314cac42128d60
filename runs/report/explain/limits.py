"""Which limits bind, and what one more kW of each is worth."""

from collections.abc import Iterator

import numpy as np

from ....data.inputs.contract import optional
from .case import SMALL, Case, Sentence

TOPIC = "Limits"
_MOST = 3


def limits(case: Case) -> Iterator[Sentence]:
    """Yield the limits that bind in the slot around the participant: its connection, and edges to the root."""
    found = [*_connection(case), *_edges(case), *_nodes(case), *_network(case)]
    if not found and case.marginal is not None:
        found = [Sentence(TOPIC, "No limit of its connection or of the edges above it binds in this slot.")]
    yield from found


def _network(case: Case) -> Iterator[Sentence]:
    """Yield the limits of the network that bind in the slot, the dearest first: voltages and ratings."""
    for name, unit, above, below in (
        ("voltage_value", "volt", "highest voltage", "lowest voltage"),
        ("edge_value", "kW", "rating of its edge, towards it,", "rating of its edge, to the root,"),
    ):
        if name not in case.results:
            continue
        value = case.results[name].transpose("node", "phase", "time").values[:, :, case.slot]
        order = np.argsort(-abs(value), axis=None, kind="stable")[:_MOST]
        for node, phase in zip(*np.unravel_index(order, value.shape), strict=True):
            if (worth := abs(float(value[node, phase]))) > SMALL:
                at, label = str(case.results["phase"].values[phase]), case.label(int(node))
                yield Sentence(
                    TOPIC,
                    f"At {label}, phase {at}, the {above if value[node, phase] > 0 else below} binds: one more {unit}"
                    f" would have saved {case.money(worth)} in the slot.",
                    {"limit": name, "node": label, "phase": at, "saving": worth},
                )


def _nodes(case: Case) -> Iterator[Sentence]:
    """Yield the limits over time of nodes that bind in the slot, the dearest first."""
    if "node_value" not in case.results:
        return
    value = case.results["node_value"].transpose("node", "time").values[:, case.slot]
    for node in np.argsort(-abs(value), kind="stable")[:_MOST]:
        if (worth := abs(float(value[node]))) > SMALL:
            way, words = ("import", "into") if value[node] > 0 else ("export", "out of")
            kw = float(optional(case.inputs, f"node_{way}_envelope")[node, case.slot])
            label = case.label(int(node))
            yield Sentence(
                TOPIC,
                f"The limit of {kw:g} kW on all power {words} {label} binds: one more kW would have saved"
                f" {case.money(worth)} in the slot.",
                {"limit": f"node_{way}_envelope", "node": label, "kw": kw, "saving": worth},
            )


def _connection(case: Case) -> Iterator[Sentence]:
    if case.marginal is None:
        return
    for way in ("import", "export"):
        values = case.marginal[f"{way}_limit_value"].values[case.participant]
        if values[case.slot] > SMALL:
            limit = float(case.inputs[f"{way}_limit"].values[case.participant])
            envelope = float(optional(case.inputs, f"{way}_envelope")[case.participant, case.slot])
            here, total = float(values[case.slot]), float(values.sum())
            what = "envelope" if envelope < limit else "limit"
            limit = min(limit, envelope)
            yield Sentence(
                TOPIC,
                f"Its {way} {what} of {limit:g} kW binds: one more kW would have saved {case.money(here)} in the slot,"
                f" {case.money(total)} over the horizon.",
                {
                    "limit": f"{way}_{what}",
                    "kw": limit,
                    "saving": here,
                    "saving_over_horizon": total,
                },
            )


def _edges(case: Case) -> Iterator[Sentence]:
    """Yield the full edges between the participant's node and the root."""
    if "node_flow" not in case.results or "price" not in case.results:
        return
    node = int(case.node[case.participant])
    while case.parent[node] >= 0:
        above = case.parent[node]
        flow = float(case.results["node_flow"].values[node, case.slot])
        start, end = (node, above) if flow > 0 else (above, node)
        limit = float(case.inputs["node_limit"].values[node])
        rent = case.congestion(node, start, end)
        if np.isfinite(limit) and abs(flow) > limit - SMALL and rent > SMALL:
            yield Sentence(
                TOPIC,
                f"The edge {case.label(start)} to {case.label(end)} is full at {limit:g} kW: one more kW would have"
                f" saved {case.money(rent * case.hours)} in the slot, {case.price(rent)} beyond its fee.",
                {"limit": "node_limit", "node": case.label(node), "kw": limit, "saving": rent * case.hours},
            )
        node = above
