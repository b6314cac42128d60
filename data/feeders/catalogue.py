"""Cables and lines of low and medium voltage by name: what a metre of them is to a power flow.

Resistance and reactance of the positive sequence and rated currents are those of the standard types of pandapower 3.5
(BSD-3), which cites Oswald, *Berechnung von Drehstromnetzen* (cables NAYY, NA2XS2Y; overhead lines AL1/ST1A), and of
the line codes of the IEEE European Low Voltage Test Feeder (4c_, 2c_; IEEE PES Distribution Systems Analysis
Subcommittee), whose ratings are not published.
"""

from dataclasses import dataclass

RETURN = 4.0
"""Zero-sequence impedance per positive-sequence impedance of a cable of four equal cores, where none is published.

The current of all three phases returns through the neutral, which is like them: ``Z0 = Z + 3 Zn``.
"""


@dataclass(frozen=True)
class Cable:
    """A cable or line: impedances [ohm/km] of the positive and the zero sequence, and rated current [A]."""

    r: float
    x: float
    r0: float
    x0: float
    rating: float = float("inf")


def _four_cores(r: float, x: float, rating: float) -> Cable:
    return Cable(r, x, RETURN * r, RETURN * x, rating)


CABLES: dict[str, Cable] = {
    "NAYY 4x50": _four_cores(0.642, 0.083, 142),
    "NAYY 4x120": _four_cores(0.225, 0.080, 242),
    "NAYY 4x150": _four_cores(0.208, 0.080, 270),
    "15-AL1/3-ST1A": _four_cores(1.8769, 0.350, 105),
    "24-AL1/4-ST1A": _four_cores(1.2012, 0.335, 140),
    "48-AL1/8-ST1A": _four_cores(0.5939, 0.300, 210),
    "94-AL1/15-ST1A": _four_cores(0.3060, 0.290, 350),
    "NA2XS2Y 1x70": _four_cores(0.443, 0.123, 217),
    "NA2XS2Y 1x120": _four_cores(0.253, 0.113, 280),
    "NA2XS2Y 1x150": _four_cores(0.206, 0.110, 315),
    "NA2XS2Y 1x185": _four_cores(0.161, 0.110, 358),
    "NA2XS2Y 1x240": _four_cores(0.122, 0.105, 416),
    "2c_.007": Cable(3.97, 0.099, 3.97, 0.099),
    "2c_.0225": Cable(1.257, 0.085, 1.257, 0.085),
    "2c_16": Cable(1.15, 0.088, 1.2, 0.088),
    "35_SAC_XSC": Cable(0.868, 0.092, 0.76, 0.092),
    "4c_.06": Cable(0.469, 0.075, 1.581, 0.091),
    "4c_.1": Cable(0.274, 0.073, 0.959, 0.079),
    "4c_.35": Cable(0.089, 0.0675, 0.319, 0.076),
    "4c_70": Cable(0.446, 0.071, 1.505, 0.083),
    "4c_185": Cable(0.166, 0.068, 0.58, 0.078),
    "4c_95_SAC_XC": Cable(0.322, 0.074, 0.804, 0.093),
}
"""Name of a cable or line -> what it is."""
