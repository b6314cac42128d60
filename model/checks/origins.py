"""Origins of energy on a settled run, traced again (`tracing`), and the shares and carbon dioxide that follow from them.

Findings as in `physics`.
"""

from collections.abc import Iterator

import numpy as np
import xarray as xr
from scipy import sparse

from ..labels import Array
from .money import Trades
from .physics import Finding, Run, arrays, index
from .tracing import USES, Used, followed

_ACCOUNT = ("participant",)
_NOTHING = 1e-9
"""Energy [kWh] and distance [km] of which there is no share."""
_NOISE = 1e-8
"""Energy [kWh] by which two tracers may differ."""


def provenance(run: Run, traded: Trades, settlement: xr.Dataset) -> Iterator[Finding]:
    """Yield every check of the origins of demand and driving, and of the shares and the carbon dioxide that follow."""
    s = arrays(settlement)
    if not traded.known.all():
        return
    used, people = followed(run, traded), run.labels["participant"]
    consumer, producer = (index(people, s[f"origin_{n}"]) for n in ("consumer", "producer"))
    order = consumer * len(people) + producer
    listed = (consumer >= 0) & (producer >= 0) & (np.diff(order, prepend=-1) > 0)
    yield Finding("origin parties", ("origin",), (~listed).astype(float))
    for use in USES:
        settled, traced = s[f"{use}_from"], used.by_source[use]
        whole = traced.sum(axis=1)
        wrong = np.maximum(abs(settled - traced).max(axis=1), -settled.min(axis=1))
        yield Finding(f"origin of {use}", ("participant", "time"), wrong, whole)
        if listed.all():
            of_whom = sparse.csr_array((s[f"origin_{use}"], (consumer, producer)), shape=(len(people),) * 2)
            off = abs(of_whom - used.by_producer[use][:, : len(people)])
            scale = whole.sum(axis=1)
            yield Finding(f"origin of {use} by producer", _ACCOUNT, off.max(axis=1).toarray(), scale)
    generated = run.generated @ run.hours
    for name in ("exported", "lost", "held"):
        off = abs(s[f"pv_{name}"] - getattr(used, name))
        yield Finding(f"origin of PV {name}", _ACCOUNT, off, generated)
    yield from _shares(run, s, used)
    yield from _carbon(run, s, used.carbon)


def _shares(run: Run, s: dict[str, Array], used: Used) -> Iterator[Finding]:
    """Yield the shares of every account, and those of the community, whose members are no others to one another."""
    demand, driving, distance = (used.by_source[use].sum(axis=2) for use in USES)
    pv, trips = run.generated @ run.hours, np.zeros(run.participants)
    np.add.at(trips, run.owner["vehicle"][run.driver], run.i["trip_distance"])
    consumed = demand + driving
    shares = {
        "self_consumption": (pv - used.given, pv),
        "self_sufficiency": (consumed[:, 0], consumed.sum(axis=1)),
        "renewable_share": (demand[:, :2].sum(axis=1), demand.sum(axis=1)),
        "renewable_driving_share": (distance[:, :2].sum(axis=1), trips),
        "renewable_charge_share": (driving[:, :2].sum(axis=1), driving.sum(axis=1)),
    }
    community = {name: (part.sum(), whole.sum()) for name, (part, whole) in shares.items()}
    community["self_consumption"] = pv.sum() - used.exported.sum(), pv.sum()
    community["self_sufficiency"] = consumed[:, :2].sum(), consumed.sum()
    for name, share in shares.items():
        yield Finding(name, _ACCOUNT, _off(s[name], *share))
        yield Finding(f"community_{name}", (), _off(s[f"community_{name}"], *community[name]))


def _off(settled: Array, part: Array, whole: Array) -> Array:
    """Return by how much shares are not part / whole, beyond noise; NaN is right where the whole is nothing."""
    some = whole > _NOTHING
    share = np.divide(part, whole, out=np.full(np.shape(whole), np.nan), where=some)
    noise = np.divide(_NOISE, whole, out=np.zeros(np.shape(whole)), where=some)
    off = np.maximum(abs(settled - share) - noise, 0.0)
    close = abs(whole - _NOTHING) < 0.5 * _NOTHING  # either tracer may call that nothing
    return np.where(close | (np.isnan(settled) & np.isnan(share)), 0.0, off)


def _carbon(run: Run, s: dict[str, Array], electric: Array) -> Iterator[Finding]:
    """Yield the carbon dioxide of driving, by electricity (P,) [kg] and fuel, and on petrol alone."""
    account, per_litre = run.owner["vehicle"][run.driver], run.i["fuel_carbon"][run.driver]
    litres = run.i["trip_distance"] / run.i["vehicle_fuel_economy"][run.driver]
    burnt, petrol = electric.copy(), np.zeros(run.participants)
    np.add.at(burnt, account, run.r["trip_fuel"] * per_litre)
    np.add.at(petrol, account, litres * per_litre)
    yield Finding("driving_co2", _ACCOUNT, abs(s["driving_co2"] - burnt), burnt)
    off = np.where(
        np.isnan(petrol) & np.isnan(s["driving_co2_petrol"]), 0.0, s["driving_co2_petrol"] - petrol
    )
    yield Finding("driving_co2_petrol", _ACCOUNT, abs(off), np.nan_to_num(petrol))
