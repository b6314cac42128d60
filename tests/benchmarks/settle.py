"""A community's metered quarter-hours settled from a file of readings to run files and ledger, on one core.

Run by hand: ``python -m tests.benchmarks.settle --members 100 --days 365``. Every fifth member injects, too, beside a
plant in common, and all readings stand in one CSV file, a column each. ``--in-memory`` leaves the file out: the
readings are then arrays, for communities whose file would take longer to write than to settle. CPU seconds.
"""

import argparse
import resource
import tempfile
import time
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pandas as pd

from otonari.data.assembly import sharing_community
from otonari.runs.settle import run

FILE = """\
schema_version: 1
name: big
currency: EUR
time: {{start: 2025-01-01, days: {days}, slot_minutes: 15, time_zone: UTC}}
tables: {{members: members.csv, points: points.csv}}
readings: [{{path: readings.csv, unit: Wh}}]
tariffs:
  home:
    energy: {{type: flat, price_per_kwh: 0.2}}
    feed_in: {{type: flat, price_per_kwh: 0.06}}
    components:
      - {{name: grid, part: network, price: 0.08, shared_discount: 57}}
      - {{name: VAT, part: tax, basis: percent, price: 20}}
sharing: {{rule: {rule}, suppliers: {suppliers}, price: {{rule: fixed, price: 0.1}}}}
"""


def energies(members: int, days: int) -> tuple[pd.DatetimeIndex, np.ndarray]:
    """Return quarter-hours, and energies (point, time) [Wh]: withdrawals, injections of every fifth, the plant."""
    times, rng = pd.date_range("2025-01-01", periods=96 * days, freq="15min"), np.random.default_rng(1)
    sun = np.clip(np.sin((times.hour.to_numpy() + times.minute.to_numpy() / 60 - 6) / 12 * np.pi), 0, None)
    drawn = rng.integers(20, 400, size=(members, len(times)))
    given = (rng.integers(0, 300, size=(members // 5, len(times))) * sun).astype(np.int64)
    return times, np.vstack([drawn, given, (60 * members * sun).astype(np.int64)])


def written(folder: Path, members: int, days: int, rule: str, in_memory: bool) -> np.ndarray:
    """Write a settlement, and its readings unless they stay in memory; return their energies (point, time) [Wh]."""
    times, energy = energies(members, days)
    points = [*(f"A{n}" for n in range(members)), *(f"P{n}" for n in range(members // 5)), "PV"]
    whose = [*(f"m{n}" for n in range(members)), *(f"m{n}" for n in range(members // 5)), "plant"]
    ways = ["withdrawal" if point.startswith("A") else "injection" for point in points]
    rows = (f"{p},{m},{w}\n" for p, m, w in zip(points, whose, ways, strict=True))
    (folder / "points.csv").write_text("point,member,direction\n" + "".join(rows))
    names = "".join(f"m{n},home\n" for n in range(members))
    (folder / "members.csv").write_text(f"member,tariff\n{names}plant,\n")
    suppliers = "each" if members <= 1000 else "pool"
    (folder / "settlement.yaml").write_text(FILE.format(days=days, rule=rule, suppliers=suppliers))
    table = energy[:, :2] if in_memory else energy
    with (folder / "readings.csv").open("w") as file:
        file.write(",".join(["time", *points]) + "\n")
        for stamp, row in zip(times.strftime("%Y-%m-%dT%H:%M"), table.T.tolist(), strict=False):
            file.write(",".join([stamp, *map(str, row)]) + "\n")
    return energy


def settled(members: int, days: int, rule: str = "pro-rata", in_memory: bool = False) -> tuple[float, float]:
    """Return CPU seconds of a settlement from its file to run files and ledger, and the peak of memory so far [MB]."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if in_memory:
            energy = written(folder, members, days, rule, in_memory)
            sharing_community.energies = lambda settlement, frame: energy.astype(float)
        else:  # in a process of its own, whose memory does not count
            own = get_context("spawn").Process(target=written, args=(folder, members, days, rule, False))
            own.start()
            own.join()
        begin = time.process_time()
        for _ in run.run(folder, output=folder / "out"):
            pass
        spent = time.process_time() - begin
    return spent, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000


def main() -> None:
    """Print one line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--members", type=int, default=100)
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--rule", default="pro-rata")
    parser.add_argument("--in-memory", action="store_true")
    given = parser.parse_args()
    spent, peak = settled(given.members, given.days, given.rule, given.in_memory)
    print(f"{given.members} members, {given.days} days, {given.rule}: {spent:.1f} s CPU, peak {peak:.0f} MB")


if __name__ == "__main__":
    main()
