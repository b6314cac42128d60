"""What accounts pay for what is scarce in the network, computed again. Findings as in `physics`."""

from collections.abc import Iterator

import numpy as np
import xarray as xr

from ...labels import Array
from ..physics import PARTICIPANT, Finding, Run, arrays, index
from .flow import ENDS, Wires, headrooms, load_of, net_draw, node_headrooms

_VALUES = {"voltage": ("voltage_value",), "congestion": ("edge_value", "node_value")}
"""What the rent of each kind is of."""


def charges(run: Run, alone: Run, settlement: xr.Dataset, marginal: bool) -> Iterator[Finding]:
    """Yield what accounts pay for wires, against the plan ``alone`` that every account has without peers."""
    s, turnover = arrays(settlement), {}
    for kind in ("voltage", "congestion", "loss"):
        paid = np.zeros(run.participants)
        if marginal and f"{kind}_price" in run.r:
            paid, turnover[kind] = _paid(run, alone, run.r[f"{kind}_price"])
        got = s.get(f"{kind}_charges", np.zeros(run.participants))
        yield Finding(f"{kind}_charges", ("participant",), abs(got - paid), turnover.get(kind, 1.0))
    spare = node_headrooms(alone)
    if "voltage" in turnover:
        spare |= headrooms(run, *Wires(run).flow(load_of(alone)))[2]
    for kind in turnover.keys() & _VALUES:
        kept = 0.0
        for name in (own for own in _VALUES[kind] if own in run.r):
            for sign, end in zip((1, -1), ENDS[name], strict=True):
                on = np.maximum(sign * run.r[name], 0.0)
                kept += float((on[on > 0] * spare[end][0][on > 0]).sum())
        off = abs(s[f"{kind}_charges"].sum() - kept)
        yield Finding(f"{kind} rent of the network", (), np.asarray(off), turnover[kind])
    if "loss" in turnover:
        yield Finding("loss_price", PARTICIPANT, abs(run.r["loss_price"] - _of_losses(run, alone)))


def _paid(run: Run, alone: Run, price: Array) -> tuple[Array, float]:
    """Return what accounts (participant,) pay at prices of connections (participant, time), and their turnover."""
    own, guests = (mine - theirs for mine, theirs in zip(net_draw(run), net_draw(alone), strict=True))
    host = index(run.labels["participant"], run.i["vehicle_host"])
    abroad = np.where(run.guest, price[host, np.arange(len(run.hours))], 0.0) * guests
    paid = (price * own) @ run.hours
    np.add.at(paid, run.owner["vehicle"], abroad @ run.hours)
    return paid, float((abs(price * own) @ run.hours).sum())


def _of_losses(run: Run, alone: Run) -> Array:
    """Return what one more kWh drawn costs in losses (participant, time) [currency/kWh], from the plan ``alone``."""
    drop, _ = Wires(run).flow(load_of(alone))
    factor = drop / run.i.get("source_voltage", np.ones(len(run.hours))) ** 2
    names = run.i.get("participant_phase", np.full(run.participants, "abc"))
    own = [
        factor[n, ["abc".index(f) for f in name]].mean(axis=0)
        for n, name in zip(run.home, names, strict=True)
    ]
    return np.asarray(np.array(own) * run.i["lost_energy_price"])
