"""What accounts pay for what is scarce in the network, computed again. Findings as in `physics`."""

from collections.abc import Iterator

import numpy as np
import xarray as xr

from ..physics import Finding, Run, arrays, index
from .flow import ENDS, Wires, headrooms, load_of, net_draw


def charges(run: Run, alone: Run, settlement: xr.Dataset, marginal: bool) -> Iterator[Finding]:
    """Yield what accounts pay for scarce wires, against the plan ``alone`` that every account has without peers."""
    s = arrays(settlement)
    if "voltage_value" not in run.r or not marginal:
        for name in ("congestion_charges", "voltage_charges"):
            if name in s:
                yield Finding(name, ("participant",), abs(s[name]))
        return
    at = np.arange(len(run.hours))
    host = index(run.labels["participant"], run.i["vehicle_host"])
    own, guests = (mine - theirs for mine, theirs in zip(net_draw(run), net_draw(alone), strict=True))
    wires = Wires(run)
    _, _, spare = headrooms(run, *wires.flow(load_of(alone)))
    for kind, name in (("voltage", "voltage_value"), ("congestion", "edge_value")):
        price = run.r[f"{kind}_price"]
        paid = ((price * own) @ run.hours).copy()
        abroad = np.where(run.guest, price[host, at], 0.0) * guests
        np.add.at(paid, run.owner["vehicle"], abroad @ run.hours)
        scale = (abs(price * own) @ run.hours).sum()
        yield Finding(f"{kind}_charges", ("participant",), abs(s[f"{kind}_charges"] - paid), scale)
        value = run.r[name]
        kept = 0.0
        for sign, end in zip((1, -1), ENDS[name], strict=True):
            on = np.maximum(sign * value, 0.0)
            kept += float((on[on > 0] * spare[end][0][on > 0]).sum())
        total = s[f"{kind}_charges"].sum()
        yield Finding(f"{kind} rent of the network", (), np.asarray(abs(total - kept)), scale)
