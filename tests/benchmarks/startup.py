"""Start-up of the command line against the bare imports that it cannot do without.

Run by hand: ``python -m tests.benchmarks.startup --repeat 9``. Each repeat runs, in turn, ``otonari clear`` of the
bundled scenario and the imports of what it stands on, then ``otonari --help`` and the import of click, each a process of
its own in an empty folder. The figure is the median of the ratios of CPU time (user + system).
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile

OTONARI = [sys.executable, "-c", "import sys; from otonari.cli import main; sys.exit(main())"]
PAIRS = {
    "clear": ([*OTONARI, "clear", "-q"], "import pyomo.environ, xarray, highspy, pvlib", 2.0),
    "--help": ([*OTONARI, "--help"], "import click", 4.0),
}


def cpu_seconds(command: list[str]) -> float:
    """Return the CPU time of a process that must succeed."""
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, command
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Print one line per command: medians of both times and of their ratio, beside the target."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=9)
    options = parser.parse_args()
    print(f"{'command':>8} {'imports s':>10} {'otonari s':>10} {'ratio':>6} {'range':>13} {'target':>7}")
    for name, (command, imports, target) in PAIRS.items():
        bare = [sys.executable, "-c", imports]
        for once in (bare, command):
            cpu_seconds(once)  # byte code and caches of the disk are not what is measured
        pairs = [(cpu_seconds(bare), cpu_seconds(command)) for _ in range(options.repeat)]
        least, ours = (statistics.median(times) for times in zip(*pairs, strict=True))
        ratios = sorted(b / a for a, b in pairs)
        spread = f"{ratios[0]:.2f} - {ratios[-1]:.2f}"
        print(
            f"{name:>8} {least:>10.3f} {ours:>10.3f} {statistics.median(ratios):>6.2f} {spread:>13} {target:>7.1f}"
        )


if __name__ == "__main__":
    main()
