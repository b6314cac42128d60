"""A settlement of the days that a stored run cleared: its members, meters, tariffs and key, ready for readings."""

from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
import yaml

from ...data import clock
from ...data.inputs import devices
from ...data.loading.scenario import load_scenario
from ...data.schema.scenario import Scenario
from ...model.labels import Array, places
from ...model.sharing.traded import Traded
from .. import markets
from ..clear.single import defined
from ..store import atomic_file, run_file
from ..text import as_csv
from . import key

TRADING = (markets.MARKETS[0], *markets.SIMULATED)
"""Markets in which peers trade, so that a key realises something."""
_OF_MEMBER = ("contracted_kw", "import_limit_kw", "earlier_peak_kw", "earlier_kwh")
"""What a member has of the participant that it is."""
_HEAD = """\
# Settles the days of {run} by its key: whoever injects supplies the members whom it sold to.
# readings.csv has what the meters show if all comes as planned. Put the network operator's file in its place:
# any form that a scenario takes; points.csv says which column is whose. `otonari settle FOLDER` settles it.
# What a key of this file means: data/README.md, "A settlement file".
"""
_SHARING = """\
sharing: # or rule: contracts with `run: {path: RUN.nc}`, which settles trade by trade; pro-rata and others need neither
  rule: matrix # by the key, slot by slot
  coefficients: {path: key.csv}
  price: {rule: mid-market} # of shared energy; or a fixed price per kWh, by rule: fixed and price
"""


def files(run: Path) -> dict[str, bytes]:
    """Return the files of a settlement of a stored run, name to content; it settles as it is.

    Raises
    ------
    RunFileError
        If the file is not a run of a scenario in which peers trade.
    """
    tree = run_file.open_run(run)
    scenario = _scenario(run, tree.attrs.get("market"))
    with run_file.reading(run):
        own = key.of_run(tree)
        inputs = tree["inputs"].to_dataset()
        injects = _injects(inputs, own.volumes)
    content = {
        "settlement.yaml": _settlement(scenario, run.name),
        "members.csv": _members(scenario, inputs, own.volumes.label),
        "points.csv": _points(own.volumes.label, injects),
        "key.csv": own.csv(),
        "readings.csv": _readings(own, injects, scenario.time.time_zone),
    }
    return {name: text.encode() for name, text in content.items()}


def _scenario(run: Path, market: Any) -> Scenario:
    """Return the scenario whose peers traded in a run of a market."""
    if market not in TRADING:
        want = f"one of {', '.join(TRADING)}, where peers trade"
        raise atomic_file.RunFileError(run, f"market: got {market!r}, want {want}")
    return load_scenario(defined(run, None)[0])


def _settlement(scenario: Scenario, run: str) -> str:
    """Return the settlement file."""
    plain = {
        "schema_version": 1,
        "name": f"{scenario.name}-settled",
        "currency": scenario.currency,
        "time": _stated(scenario.time.model_dump(mode="json")),
        "holidays": scenario.model_dump(mode="json")["holidays"],
        "tables": {"members": "members.csv", "points": "points.csv"},
        "readings": [{"path": "readings.csv", "unit": "kWh"}],
        "missing": "refuse",
        "tariffs": {n: _stated(t.model_dump(mode="json")) for n, t in scenario.tariffs.items()},
    }
    return _HEAD.format(run=run) + yaml.safe_dump(plain, sort_keys=False, allow_unicode=True) + _SHARING


def _stated(values: Any) -> Any:
    """Return plain values without what says nothing: keys of nothing, an empty text or an empty list."""
    if isinstance(values, dict):
        return {name: _stated(v) for name, v in values.items() if v not in (None, "", [], {})}
    return [_stated(v) for v in values] if isinstance(values, list) else values


def _members(scenario: Scenario, inputs: xr.Dataset, label: Array) -> str:
    """Return the table of members: participants, and vehicles that trade where they are guests, by their owners'."""
    rows = {row.participant: row for row in scenario.tables.participants}
    owner = dict(zip(inputs["vehicle"].values.tolist(), inputs["vehicle_owner"].values.tolist(), strict=True))
    tariff = dict(
        zip(inputs["participant"].values.tolist(), inputs["participant_tariff"].values.tolist(), strict=True)
    )
    of = [getattr(rows.get(name), column, None) for name in label.tolist() for column in _OF_MEMBER]
    values = np.array(of, dtype=object).reshape(len(label), -1)
    some = [c for c in range(len(_OF_MEMBER)) if any(v is not None for v in values[:, c])]
    table = [
        [name, tariff.get(name) or tariff[owner[name]], *("" if v is None else v for v in own[some])]
        for name, own in zip(label.tolist(), values, strict=True)
    ]
    return as_csv(["member", "tariff", *(_OF_MEMBER[c] for c in some)], table)


def _injects(inputs: xr.Dataset, volumes: Traded) -> Array:
    """Return which meters (meter,) have a register of injection: what generates, or stores and gives, is behind it."""
    gives: Array = np.any(volumes.injected, axis=1)
    people = inputs.sizes["participant"]
    gives[:people] |= (inputs["pv_available"].values > 0).any(axis=1)
    for device in devices.stores():
        able = inputs[f"{device}_discharge_limit"].values > 0
        gives[places(inputs["participant"].values, inputs[f"{device}_owner"].values[able])] = True
    return gives


def _points(label: Array, injects: Array) -> str:
    """Return the table of metering points: a register for each direction."""
    rows = [
        [name, name, direction, f"{name} {column}"]
        for name, own in zip(label.tolist(), injects.tolist(), strict=True)
        for direction, column in (("withdrawal", "drawn"), ("injection", "given"))[: 1 + own]
    ]
    return as_csv(["point", "member", "direction", "column"], rows)


def _readings(own: key.Key, injects: Array, time_zone: str) -> str:
    """Return what the meters show if all comes as planned: kWh of each register, a row per slot."""
    import pandas as pd

    names, registers = [], []
    for m, name in enumerate(own.volumes.label.tolist()):
        names.append(f"{name} drawn")
        registers.append(own.volumes.withdrawn[m])
        if injects[m]:
            names.append(f"{name} given")
            registers.append(own.volumes.injected[m])
    stamps = [time.isoformat() for time in clock.local(pd.DatetimeIndex(own.time), time_zone)]
    rows = [
        [stamp, *(f"{wh // 1000}.{wh % 1000:03d}" for wh in slot)]
        for stamp, slot in zip(stamps, np.array(registers).T.tolist(), strict=True)
    ]
    return as_csv(["time", *names], rows)
