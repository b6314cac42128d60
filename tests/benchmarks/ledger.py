"""How fast a ledger is verified and written: ``python tests/benchmarks/ledger.py [DIRECTORY]``.

A year of half-hours (17,520 blocks) of 30 participants, signed; committed a day at a time, as a day-ahead
market does, and the latency of committing one more slot to ledgers of several lengths. DIRECTORY is where the
disk to be measured is.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from otonari.runs.ledger import checkpoints, ledger, receipts
from tests.books import KEY, record, records

DAYS, HOMES = 365, 30


def seconds(call, *arguments, **options):
    """Return how long a call takes."""
    start = time.perf_counter()
    call(*arguments, **options)
    return time.perf_counter() - start


def latency(book, first, rounds=9):
    """Return the median and the largest time of committing one more slot."""
    times = sorted(
        seconds(ledger.commit, book, [record(first + n, homes=HOMES)], signer=KEY) for n in range(rounds)
    )
    return times[len(times) // 2], times[-1]


def session_latency(book, first, rounds=48):
    """Return the median and the largest time of committing one more slot in a session that has begun."""
    new = [record(first + n, homes=HOMES) for n in range(rounds)]
    session = ledger.Session(book, [r["slot"] for r in new], signer=KEY)
    session.commit(new[:1])
    times = sorted(seconds(session.commit, [r]) for r in new[1:])
    return times[len(times) // 2], times[-1]


def peak(book):
    """Return the peak memory (MB) of a process that imports the ledger, and of one that verifies too."""
    script = "import resource, sys; from otonari.runs.ledger import ledger, checkpoints\n{}\n"
    script += "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)"
    verify = f"ledger.verify({str(book)!r})"
    done = (
        subprocess.run([sys.executable, "-c", script.format(x)], capture_output=True, text=True, check=True)
        for x in ("import cryptography.hazmat.primitives.asymmetric.ed25519", verify)
    )
    return [float(process.stdout) for process in done]


def main():
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("directory", nargs="?", type=Path)
    with tempfile.TemporaryDirectory(dir=parser.parse_args().directory) as folder:
        book = Path(folder) / "book"
        writing = []
        for day in range(DAYS):
            new = records(48, first=48 * day, homes=HOMES)
            writing.append(seconds(ledger.commit, book, new, signer=KEY))
            if day in (0, 29):
                print(
                    f"{48 * (day + 1):6} slots: one more takes {latency(book, 10**6 + 100 * day)[0] * 1e3:.1f} ms"
                )
        print(
            f"a day of 48 slots: first {writing[0] * 1e3:.0f} ms, last of the year {writing[-1] * 1e3:.0f} ms"
        )
        median, worst = latency(book, 2 * 10**6)
        print(f"{48 * DAYS:6} slots: one more takes {median * 1e3:.1f} ms, at most {worst * 1e3:.1f} ms")
        median, worst = session_latency(book, 3 * 10**6)
        print(f"  in a session: {median * 1e3:.1f} ms, at most {worst * 1e3:.1f} ms")
        took = min(seconds(ledger.verify, book) for _ in range(3))
        count = ledger.verify(book).count
        size = (book / ledger.NAME).stat().st_size / 1e6
        print(f"verify: {count} blocks, {size:.1f} MB, in {took:.2f} s: {count / took:,.0f} blocks/s")
        entries = (book / checkpoints.LOG).read_bytes().count(b"\n\n\n")
        private = seconds(ledger.verify, book, private=True)
        print(f"  of {entries} signed checkpoints; with the private leaves {private:.1f} s")
        base, top = peak(book)
        print(f"  peak memory {top:.1f} MB, of which importing {base:.1f} MB")
        day = (record(0)["slot"], record(48)["slot"])
        print(f"receipt of a day for one home: {seconds(receipts.make, book, 'b', day):.2f} s", end=", ")
        text = receipts.make(book, "b", day)["b"].encode()
        print(f"{len(text) / 1e3:.0f} kB, checked in {seconds(receipts.check, text, [KEY.key]) * 1e3:.0f} ms")
        print(
            f"peak memory of this process {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB"
        )


if __name__ == "__main__":
    main()
