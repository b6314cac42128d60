"""One meter, one direction: in a slot a meter withdraws or injects, and a store charges or discharges.

Findings as in `physics`. The PV of a participant with gross metering is on a meter of its own, which only injects.
"""

from collections.abc import Iterator

import numpy as np

from ...data.inputs.devices import stores
from .physics import PARTICIPANT, VEHICLE, Finding, Run


def directions(run: Run) -> Iterator[Finding]:
    """Yield the lesser of both powers [kW] of every meter and store in every slot, which is none in one direction."""
    r = run.r
    drawn, given = r["grid_import"] + r["peer_purchase"], r["grid_export"] + r["peer_sale"]
    apart = run.apart
    yield Finding("PV meter", PARTICIPANT, np.where(run.gross[:, None], apart - given, 0.0), apart)
    yield _both("meter in both directions", PARTICIPANT, drawn=drawn, given=given - apart)
    drawn, given = r["vehicle_import"] + r["vehicle_purchase"], r["vehicle_export"] + r["vehicle_sale"]
    yield _both("guest in both directions", VEHICLE, drawn=drawn, given=given)
    for device, row in stores().items():
        dims, powers = (device, "time"), {"charged": r[row.draw], "discharged": r[row.give]}
        yield _both(f"{device} in both directions", dims, **powers)


def _both(check: str, dims: tuple[str, ...], **powers: np.ndarray) -> Finding:
    """Return the finding that the lesser of two powers [kW] is none; it names both."""
    return Finding(check, dims, np.minimum(*powers.values()), told=powers)
