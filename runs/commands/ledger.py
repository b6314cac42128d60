"""What the ledger commands do and say: each returns its facts for a machine and a text for a person."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ..ledger import administration, durable_files, ledger, privacy, receipts
from ..ledger.checkpoints import read as read_checkpoint
from ..ledger.format import block_schema, signed_note
from ..ledger.format.block_schema import WHERE_ANY
from ..ledger.format.chain import Summary
from ..ledger.format.errors import LedgerError, LedgerTampered
from ..report.bills import check as bills
from ..report.bills import corrections
from ..text import file_name, table, utc
from .answer import Answer


def keygen(name: str, output: Path, witness: bool) -> Answer:
    """Make a key; see :func:`otonari.runs.ledger.administration.keygen`."""
    key = administration.keygen(name, output, witness=witness)
    advice = "Publish the public key where nobody who can write the ledger can change it:"
    return Answer({"key": str(key), "path": str(output)}, f"private key: {output}\n{advice}\n{key}")


def init(directory: Path, market: str, currency: str, key: Path | None) -> Answer:
    """Begin a ledger; see :func:`otonari.runs.ledger.administration.init`."""
    signer = administration.read_key(key, directory) if key else None
    summary = administration.init(directory, market, currency=currency, signer=signer)
    signed = (
        f"signed by {signer.key}"
        if signer
        else "not signed: anybody who can write it can write all of it anew"
    )
    return Answer(_facts(summary), f"began {directory} for market {summary.market}, {signed}")


def verify(directory: Path, checkpoints: Sequence[Path], keys: Sequence[str], private: bool) -> Answer:
    """Check a ledger; see :func:`otonari.runs.ledger.ledger.verify`."""
    pinned = _keys(keys)
    summary = ledger.verify(directory, checkpoints, pinned, private=private)
    times = f", {utc(summary.spans[0][0])} to {utc(summary.spans[-1][1])} UTC" if summary.spans else ""
    held = f"{summary.count} blocks, {summary.slots} slots{times}, {len(summary.reversed)} corrected"
    lines = [f"good: market {summary.market}, {held}, head {summary.head}"]
    if summary.keys:
        lines.append(f"signed by {summary.keys[-1]}, {_whose(summary.keys, pinned)}")
    lines += [
        f"cosigned by {key}, a witness which you gave" for key in pinned if key.kind == signed_note.WITNESS
    ]
    if not keys and not checkpoints:
        lines.append(
            "note: without --key or --checkpoint from elsewhere, a ledger written anew would look as good"
        )
    if not private:
        return Answer(_facts(summary), "\n".join(lines))
    clearings, exposed = privacy.exposures(directory)
    told = f"note: {privacy.told(clearings, exposed, privacy.LEAST)}; see `otonari ledger publish`"
    return Answer(_facts(summary) | {"exposed": [vars(e) for e in exposed]}, "\n".join([*lines, told]))


def publish(directory: Path, output: Path, min_accounts: int) -> Answer:
    """Copy the public files of a ledger; see :func:`otonari.runs.ledger.privacy.publish`."""
    paths = [str(path) for path in privacy.publish(directory, output, min_accounts)]
    return Answer(
        {"paths": paths, "min_accounts": min_accounts}, "\n".join(f"wrote {path}" for path in paths)
    )


def receipt(
    directory: Path,
    participant: str | None,
    since: datetime | None,
    until: datetime | None,
    output: Path | None,
) -> Answer:
    """Write the receipts of one participant or of all; see :func:`otonari.runs.ledger.receipts.make`."""
    if participant is None and output is None:
        raise LedgerError("receipts of all participants: give --output DIRECTORY")
    first, last = (int(t.replace(tzinfo=UTC).timestamp()) if t else None for t in (since, until))
    span = (-(2**53) if first is None else first, 2**53 if last is None else last)
    if participant is None:
        texts, faults = receipts.make_each(directory, None, span)
    else:
        texts, faults = receipts.make(directory, participant, span), {}
    if output is None:
        return Answer(texts, next(iter(texts.values())).removesuffix("\n"))
    paths = dict.fromkeys(texts, output)
    if participant is None:
        durable_files.make_folder(output)
        paths = {name: output / file_name(name, ".tlog-proof") for name in texts}
    for name, path in paths.items():
        durable_files.replace(path, texts[name].encode(), mode=0o600)
    if faults:
        fault, whose = next(iter(faults.values())), ", ".join(name or "nobody" for name in faults)
        others = "leaves; the receipts of all others were written"
        raise LedgerTampered(fault.index, f"leaves of {whose}", fault.got, others)
    return Answer({n: str(p) for n, p in paths.items()}, "\n".join(f"wrote {p}" for p in paths.values()))


def check(path: Path, checkpoints: Sequence[Path], keys: Sequence[str]) -> Answer:
    """Check a receipt or a bill without its ledger; see :mod:`otonari.runs.ledger.receipts`."""
    held, pinned = [read_checkpoint(checkpoint, held=True) for checkpoint in checkpoints], _keys(keys)
    data = durable_files.read(path, receipts.LARGEST)
    is_bill = bills.is_bill(data)
    proofs = bills.check(path, data, pinned, held)
    some = [n for n in WHERE_ANY if any(n in proof.leaf for proof in proofs)]
    sums = {n: sum(proof.leaf.get(n, 0) for proof in proofs) for n in (*_ENERGY, *_MONEY, *some)}
    first, last = proofs[0].block["slot"], max(p.block["slot"] + p.block["slot_seconds"] for p in proofs)
    who, market, note = proofs[0].leaf["participant"], proofs[0].block["market"], proofs[0].note
    rows = [[_LABELS[n], f"{sums[n] / 1e3:,.3f} kWh"] for n in _ENERGY]
    currency, digits = block_schema.scale(proofs[0].money)
    rows += [[_LABELS[n], f"{_amount(sums[n], digits)} {currency}".rstrip()] for n in (*_MONEY, *some)]
    _, size, root = note.text.splitlines()
    witnesses = [key for key in pinned if key.kind == signed_note.WITNESS]
    times = [(key.name, t) for key in witnesses for t in signed_note.times(note, key)]
    lines = [f"good: {who} in market {market}, {len(proofs)} slots, {utc(first)} to {utc(last)} UTC"]
    lines += ["the bill says what its receipt proves"] if is_bill else []
    lines += [f"recorded when the ledger had {size} blocks, tree hash {root}"]
    lines += [f"seen by {name} at {utc(t)} UTC" for name, t in times]
    facts = {"participant": who, "market": market, "slots": len(proofs), "first": first, "end": last, **sums}
    facts |= {"money": proofs[0].money} if currency else {}
    facts |= {"checkpoint": str(note), "seen": dict(times), "leaves": [p.leaf for p in proofs]}
    return Answer(facts, "\n".join([*lines, "", table(["recorded", ""], rows)]))


def correct(directory: Path, run: Path, key: Path | None) -> Answer:
    """Correct what a ledger has of a run's slots; see :func:`otonari.runs.archive.correct`."""
    from .. import archive

    commit = archive.correct(run, directory, key).commit
    assert commit is not None  # a run that is recorded was committed
    added, same = commit.added - commit.corrected, commit.already
    counts = f"{commit.corrected} slots corrected, {added} added, {same} were there already"
    text = f"{directory}: {counts}, head {commit.head[:16]}"
    if not commit.corrected:
        return Answer(vars(commit), text)
    size = signed_note.parse_checkpoint(signed_note.parse(commit.checkpoint.encode()).text).size
    before = size - commit.added - commit.corrected
    changed, unit = corrections.since(directory, before)
    shown_ = dict(list(changed.items())[:_MOST_CHANGED])
    currency, digits = block_schema.scale(unit)
    rows = [
        [name, str(c.slots), f"{_amount(c.amount, digits)} {currency}".rstrip()] for name, c in shown_.items()
    ]
    rows += [[f"and {len(changed) - len(rows)} more", "", ""]] if len(changed) > len(rows) else []
    table_ = table(["leaf changed: its receipts are void", "slots", "to pay more"], rows)
    facts = vars(commit) | {"changed": {name: vars(c) for name, c in changed.items()}}
    return Answer(facts, f"{text}\n\n{table_}" if changed else text)


def cosign(
    directory: Path,
    key: Path,
    checkpoints: Sequence[Path],
    keys: Sequence[str],
    first: bool,
    output: Path | None,
) -> Answer:
    """Sign the checkpoint as a witness; see :func:`otonari.runs.ledger.administration.cosign`."""
    witness = administration.read_key(key, directory)
    note = administration.cosign(directory, witness, checkpoints, output, pinned=_keys(keys), first=first)
    return Answer({"checkpoint": str(note)}, str(note).removesuffix("\n"))


def rotate(directory: Path, key: Path, successor: Path) -> Answer:
    """Hand a ledger on to another key; see :func:`otonari.runs.ledger.administration.rotate`."""
    keys = [administration.read_key(path, directory) for path in (key, successor)]
    summary = administration.rotate(directory, *keys)
    return Answer(_facts(summary), f"{directory} is now signed by {summary.keys[-1]}")


def repair(directory: Path, key: Path | None, head: str | None) -> Answer:
    """Mend what a crash left; see :func:`otonari.runs.ledger.administration.repair`."""
    signer = administration.read_key(key, directory) if key else None
    summary, moved, vouched = administration.repair(directory, signer, head)
    steps = [f"moved the torn end to {moved}"] if moved else []
    steps += [f"gave {len(vouched)} good blocks a checkpoint"] if vouched else []
    text = f"{directory}: " + (" and ".join(steps) or "nothing to repair")
    text += "\n" + _blocks(vouched, summary.units["money"]) if vouched else ""
    return Answer({**_facts(summary), "moved": moved and str(moved), "vouched": vouched}, text)


def blocks(directory: Path) -> Iterator[dict[str, Any]]:
    """Yield the blocks of a ledger, each once it is checked; see :func:`otonari.runs.ledger.ledger.show`."""
    yield from ledger.show(directory)


def show(directory: Path) -> Iterator[str]:
    """Yield a table of the blocks of a ledger, as far as they are good; only then what is wrong is raised."""
    good, fault = [], None
    try:
        for block in ledger.show(directory):
            good.append(block)
    except LedgerError as error:
        fault = error
    if good:
        yield _blocks(good, good[0].get("units", {}).get("money", ""))
    if fault:
        raise fault


def _amount(units: int, digits: int) -> str:
    """Return units of money in the currency, with two decimals more than its minor unit has."""
    return f"{units / 10 ** (6 + digits):,.{2 + digits}f}"


def _blocks(listed: Sequence[dict[str, Any]], unit: str) -> str:
    """Return a line per block: what it is, when, how much was traded, for how much; and if no checkpoint has it."""
    currency, digits = block_schema.scale(unit)
    rows = []
    for block in listed:
        totals = block.get("totals", {})
        energy = [f"{totals[k] / 1000:,.3f}" if totals else "" for k in ("energy", "grid_in", "grid_out")]
        money = [_amount(totals[k], digits) if totals else "" for k in ("money", "fees")]
        what = f"reverses {block['reverses']}" if "reverses" in block else block["kind"]
        what = f"{block['leaves']} leaves" if "leaves" in block else what
        slot = utc(block["slot"]) if "slot" in block else ""
        mark = "" if block.get("vouched", True) else "no checkpoint"
        rows.append([str(block["index"]), slot, what, *energy, *money, mark])
    energies = ["peers kWh", "grid in", "grid out"]
    return table(["block", "slot UTC", "", *energies, f"to sellers {currency}".strip(), "fees", ""], rows)


def _whose(signing: Sequence[signed_note.Key], pinned: Sequence[signed_note.Key]) -> str:
    """Return what somebody who gave keys may conclude of the key that signs a ledger, the last of those it had."""
    if signing[-1] in pinned:
        return "which you gave"
    if any(key.kind == signed_note.LOG for key in pinned):
        return "to which the key that you gave handed it over"
    return "which you should compare with one from elsewhere (--key)"


def _facts(summary: Summary) -> dict[str, Any]:
    """Return what a machine wants to know of a checked ledger."""
    names = ("count", "size", "head", "market", "units", "totals", "slots", "spans")
    facts = {name: getattr(summary, name) for name in names}
    checkpoint = str(summary.checkpoint())
    return {
        **facts,
        "reversed": sorted(summary.reversed),
        "keys": [*map(str, summary.keys)],
        "checkpoint": checkpoint,
    }


def _keys(texts: Sequence[str]) -> list[signed_note.Key]:
    """Return the keys that somebody gave as vkeys."""
    try:
        return [signed_note.parse_key(text) for text in texts]
    except signed_note.NoteError as error:
        raise LedgerError(str(error)) from error


_MOST_CHANGED = 20
"""Accounts that a correction names."""
_ENERGY = ("purchases", "sales", "grid_in", "grid_out")
_MONEY = ("paid", "earned", "fees", "congestion")
_LABELS = {
    "purchases": "bought from neighbours",
    "sales": "sold to neighbours",
    "grid_in": "from the retailer",
    "grid_out": "to the retailer",
    "paid": "paid to sellers",
    "earned": "earned from buyers",
    "fees": "network fees",
    "congestion": "for scarce lines",
    "make_whole": "make-whole payment",
}
