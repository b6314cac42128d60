"""The modules of pvlib, imported without what it imports for others: this saves a quarter of a second and 40 MB.

pvlib imports SciPy's integrals, splines and optimizers, and an HTTP client, for functions that nothing here calls.
Import this module where pvlib is first used.
"""

import scipy  # noqa: F401 - whoever waits for it to be imported, as Pyomo does, finds it whole

from ..inputs.stand_ins import stand_ins

with stand_ins(
    "requests",
    "scipy.integrate",
    "scipy.interpolate",
    "scipy.linalg",
    "scipy.optimize",
    "scipy.spatial",
    "scipy.spatial.distance",
    "scipy.special",
):
    import pvlib as package
    from pvlib import iam, inverter, iotools, irradiance, location, pvsystem, solarposition, temperature

__all__ = [
    "iam",
    "inverter",
    "iotools",
    "irradiance",
    "location",
    "package",
    "pvsystem",
    "solarposition",
    "temperature",
]
