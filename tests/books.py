"""Ledgers for tests: records of made-up slots, keys of known seeds, and rewriting as an insider could."""

import hashlib
import json

from otonari.runs.ledger import checkpoints, ledger
from otonari.runs.ledger.format import block_schema, merkle, signed_note

SECONDS = 1566313200  # 2019-08-20T15:00Z
KEY = signed_note.signer("street", seed=b"k" * 32)
OTHER = signed_note.signer("street", seed=b"o" * 32)
WITNESS = signed_note.signer("witness.example", signed_note.WITNESS, b"w" * 32)


def account(name, **amounts):
    nothing = dict.fromkeys(("purchases", "sales", "paid", "earned", "fees", "congestion", "grid_out"), 0)
    sources = {"origin": {}, "demand": {"": 5}, "charge": {}, "driving": {}}
    return {"participant": name, **sources, **nothing, "grid_in": 5, **amounts}


def record(number=0, energy=10, market="street", homes=3, **changes):
    """Return the record of a half-hour in which a sells to b, at 12 JPY/kWh and a fee of 1, and others do nothing."""
    leaves = [
        account("a", sales=energy, earned=energy * 12_000),
        account(
            "b",
            purchases=energy,
            paid=energy * 12_000,
            fees=energy * 1_000,
            origin={"a": energy},
            demand={"a": energy, "": 5},
        ),
        *(account(f"home {i}") for i in range(2, homes)),
    ]
    return {
        "version": block_schema.VERSION,
        "kind": "clearing",
        "market": market,
        "money": "1e-6 JPY",
        "slot": SECONDS + 1800 * number,
        "slot_seconds": 1800,
        "totals": block_schema.totals(leaves),
        "prices": hashlib.sha256(b"prices %d" % energy).hexdigest(),
        "inputs": hashlib.sha256(b"inputs").hexdigest(),
        "results": hashlib.sha256(b"results %d" % energy).hexdigest(),
        "software": "otonari 0.1.0",
        "leaves": sorted(leaves, key=lambda leaf: leaf["participant"]),
        **changes,
    }


def records(count, first=0, **options):
    return [record(number, **options) for number in range(first, first + count)]


def make(folder, count=2, signer=None, **options):
    """Return a new ledger of so many slots."""
    ledger.commit(folder, records(count, **options), signer=signer)
    return folder


def cut_short(folder, act):
    """Return a ledger that lacks its checkpoint, since the process ended when the lines of a write were on the disk."""

    def end(*arguments):
        raise KeyboardInterrupt

    publish, checkpoints.publish = checkpoints.publish, end
    try:
        act()
    except KeyboardInterrupt:
        return folder
    finally:
        checkpoints.publish = publish
    raise AssertionError("nothing was written")


def contents(folder):
    """Return every file of a ledger with its bytes, but for the empty lock."""
    found = (p for p in folder.rglob("*") if p.is_file() and p.name != ".lock")
    return {str(p.relative_to(folder)): p.read_bytes() for p in found}


def lines_of(folder):
    return (folder / ledger.NAME).read_bytes().splitlines(keepends=True)


def blocks_of(folder):
    return [json.loads(line)["block"] for line in lines_of(folder)]


def head_of(folder):
    return lines_of(folder)[-1][-67:-3].decode()


def line(data):
    """Return the line of a block's bytes, its hash made right."""
    return b'{"block":' + data + b',"hash":"' + merkle.leaf(data).hex().encode() + b'"}\n'


def plain(block):
    return json.dumps(block, sort_keys=True, separators=(",", ":")).encode()


def forge(folder, blocks, signer=None, spell=plain, chained=True):
    """Write blocks as a ledger, with every hash and checkpoint made right again: what an insider could do."""
    prev, lines = block_schema.FIRST, []
    for block in blocks:
        if chained:
            block["prev"] = prev
        lines.append(line(spell(block)))
        prev = lines[-1][-67:-3].decode()
    store(folder, lines, signer)


def store(folder, lines, signer=None, origin="street"):
    """Write lines as a ledger with a checkpoint of their own."""
    (folder / ledger.NAME).write_bytes(b"".join(lines))
    root = merkle.root(merkle.leaf(one[9:-76]) for one in lines)
    text = str(signed_note.Checkpoint(origin, len(lines), root))
    note = text + ("\n" + signer.sign(text) if signer else "")
    (folder / checkpoints.OWN).write_text(note, encoding="utf-8")
    (folder / checkpoints.LOG).unlink(missing_ok=True)
