"""The sun over a site: where it stands, and what a clear sky lets through, by pvlib."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd


@dataclass(frozen=True)
class Site:
    """A site: latitude [deg, north +], longitude [deg, east +] and altitude [m]."""

    latitude: float
    longitude: float
    altitude: float = 0.0


def position(moments: pd.DatetimeIndex, site: Site) -> tuple[np.ndarray, np.ndarray]:
    """Return the sun's apparent zenith and azimuth at instants, naive UTC (time,) [deg]."""
    sun = _position(_instants(moments), site)
    return sun["apparent_zenith"].to_numpy(), sun["azimuth"].to_numpy()


def clear_sky(moments: pd.DatetimeIndex, site: Site) -> pd.DataFrame:
    """Return ghi, dni and dhi of a clear sky at instants, naive UTC [W/m2].

    Ineichen and Perez (2002), https://doi.org/10.1016/S0038-092X(02)00045-2, with the climatological Linke turbidity
    that pvlib ships.
    """
    from .deferred_pvlib import location

    place = location.Location(site.latitude, site.longitude, "UTC", site.altitude)
    with quiet():
        sun = _position(_instants(moments), site)
        sky = place.get_clearsky(sun.index, solar_position=sun)
    return pd.DataFrame(sky[["ghi", "dni", "dhi"]].fillna(0.0).set_axis(moments))


@contextmanager
def quiet() -> Iterator[None]:
    """Silence pvlib's uses of deprecated pandas, and divisions by zero at night."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        yield


def _instants(moments: pd.DatetimeIndex) -> bytes:
    """Return instants, naive UTC, as the bytes of their nanoseconds: what a position is remembered by."""
    return moments.to_numpy().astype("datetime64[ns]").tobytes()


@lru_cache(maxsize=16)
def _position(instants: bytes, site: Site) -> pd.DataFrame:
    """Return the positions of the sun that pvlib computes (time, angle) [deg]; they are shared, and not to be changed.

    A clear sky, its clouds and each roof under it ask for those of the same slots.
    """
    from .deferred_pvlib import solarposition

    moments = pd.DatetimeIndex(np.frombuffer(instants, "datetime64[ns]"), tz="UTC")
    with quiet():
        sun: pd.DataFrame = solarposition.get_solarposition(
            moments, site.latitude, site.longitude, site.altitude
        )
    return sun
