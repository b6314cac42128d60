"""Administration of a ledger: its keys, its beginning, what a crash left behind, the signatures of witnesses."""

import os
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ...data.inputs.currency import scale
from ..version import version
from . import checkpoints, durable_files, ledger, private_leaves, reader
from .format import block_schema, chain, signed_note
from .format.chain import Block, Summary
from .format.errors import LedgerConflict, LedgerError, LedgerTorn
from .state import NAME, Condition, LedgerState, require_signer


def keygen(name: str, path: Path, *, witness: bool = False) -> signed_note.Key:
    """Make a new private key, readable by its owner only, and return its public key.

    Parameters
    ----------
    name : str
        What it is for: the market's id for the key of a ledger, any name for a witness.
    path : Path
        The new file.
    witness : bool
        Whether it is to cosign the checkpoints of others.

    Raises
    ------
    LedgerError
        If the name is empty, or the file exists or cannot be written.
    """
    try:
        signer = signed_note.signer(
            signed_note.origin(block_schema.label(name, "name")),
            signed_note.WITNESS if witness else signed_note.LOG,
        )
    except signed_note.NoteError as error:
        raise LedgerError(str(error)) from error
    durable_files.create(path, signer.secret().encode(), mode=0o600)
    return signer.key


def read_key(path: Path, directory: Path | None = None) -> signed_note.Signer:
    """Return the private key in a file.

    Raises
    ------
    LedgerError
        If others may read the file, if it stands in the directory of the ledger, or holds no key.
    """
    if directory is not None and directory.resolve() in path.resolve().parents:
        raise LedgerError(f"{path}: a private key must stand outside the ledger")
    try:
        return signed_note.parse_signer(durable_files.read_private(path).decode(errors="replace"))
    except signed_note.NoteError as error:
        raise LedgerError(f"{path}: {error}") from error


def init(directory: Path, market: str, *, currency: str, signer: signed_note.Signer | None = None) -> Summary:
    """Begin a ledger of a currency with its genesis block, signed if there is a key, and return its summary.

    Raises
    ------
    InputError
        If ISO 4217 has no minor unit of the currency, so that its scale is not known.
    LedgerConflict
        If there is one already.
    LedgerError
        If the key is not called what the market is, or something cannot be written.
    """
    name, key = block_schema.label(market, "market"), str(signer.key) if signer else ""
    money = block_schema.unit_of_money(currency, scale(currency, "ledger").digits)
    block = block_schema.genesis(name, money, f"otonari {version()}", key)
    durable_files.make_folder(directory)
    with durable_files.locked(directory, 10.0):
        if any(os.path.lexists(directory / name) for name in (NAME, checkpoints.OWN, checkpoints.LOG)):
            raise LedgerConflict(f"{directory}: there is a ledger already")
        state = reader.read(directory, _no_slot)
        lines, after = chain.extend([block], state.summary)
        state.require_beginning(after.head)
        if private_leaves.secret(directory) is None:
            private_leaves.write_secret(directory, os.urandom(32))
        state.append(lines, [], after, signer)
    return after


def rotate(directory: Path, signer: signed_note.Signer, successor: signed_note.Signer) -> Summary:
    """Hand a ledger on to another key, which the present one endorses, and return its summary.

    Raises
    ------
    LedgerError, LedgerTampered, LedgerTorn
        If the keys are not right, or the ledger cannot be appended to.
    """
    with durable_files.locked(directory, 10.0):
        state = reader.read(directory, _no_slot)
        state.require_settled()
        require_signer(state.summary, signer)
        summary = state.summary
        block = block_schema.rotation(
            summary.version, summary.market, str(successor.key), "", f"otonari {version()}"
        )
        place = {**block, "index": state.summary.count, "prev": state.summary.head}
        line = signer.sign(block_schema.handover(place, str(signer.key)))
        lines, after = chain.extend([{**block, "endorsement": line.split()[-1]}], state.summary)
        state.complete_log()
        state.append(lines, [], after, successor)
    return after


def repair(
    directory: Path, signer: signed_note.Signer | None = None, head: str | None = None
) -> tuple[Summary, Path | None, list[Block]]:
    """Mend what a crash left behind: nothing that a checkpoint vouches for is touched, nothing is deleted.

    Bytes after the last newline are moved to a ``.torn`` file. Good blocks beyond the checkpoint get one if they are
    what was about to be appended here, according to ``leaves/``.

    Parameters
    ----------
    directory : Path
        Of the ledger.
    signer : Signer, optional
        The private key of a ledger that has one.
    head : str, optional
        Hash of the last block, from a person who examined the blocks beyond the checkpoint and vouches for them.

    Returns
    -------
    tuple
        The summary, the file that the torn bytes are in now (if any), and the blocks that were vouched for.

    Raises
    ------
    LedgerTampered
        If it is not a crash that did it.
    LedgerTorn
        If the blocks beyond the checkpoint are not what was about to be appended.
    LedgerError
        If a checkpoint is to be signed and the key is not there.
    """
    moved = None
    with durable_files.locked(directory, 10.0):
        state = reader.read(directory, _no_slot, whole_log=True)
        unvouched = state.unvouched
        if unvouched:
            require_signer(state.summary, signer)
            _require_announced(state, head)
        if state.condition is Condition.TORN:
            moved = state.set_aside_torn_end()
        state.complete_log()
        if unvouched:
            state.vouch(signer)
    return state.summary, moved, list(unvouched.values())


def _require_announced(state: LedgerState, head: str | None) -> None:
    """Raise :class:`LedgerTorn` unless ``leaves/``, or a hash, says that the blocks beyond the checkpoint are right."""
    directory, last, hashes = state.directory, state.summary.head, list(state.unvouched)
    first = state.unvouched[hashes[0]]["index"]
    if last == head or (head is None and private_leaves.announced(directory, first, hashes)):
        return
    if head is not None:
        raise LedgerTorn(f"{directory}: the last block has the hash {last}, not {head}")
    raise LedgerTorn(
        f"{directory}: {len(hashes)} blocks from {first} on are not what was about to be written here, so "
        f"somebody else may have appended them; look (`otonari ledger show`), and only if they are right repair "
        f"with --head {last}"
    )


def _no_slot(_: int) -> bool:
    return False


def cosign(
    directory: Path,
    witness: signed_note.Signer,
    held: Sequence[Path],
    output: Path | None = None,
    *,
    pinned: Sequence[signed_note.Key] = (),
    first: bool = False,
) -> signed_note.Note:
    """Check a ledger as a witness and add its signature to the checkpoint (in place, or in another file).

    Parameters
    ----------
    directory : Path
        Of the ledger.
    witness : Signer
        A witness's key.
    held : sequence of Path
        Checkpoints that the witness saw before: the ledger must have grown from them.
    output : Path, optional
        Where the cosigned checkpoint goes (default: into the ledger).
    pinned : sequence of Key
        Keys of the log that the witness knows from elsewhere.
    first : bool
        Whether the witness has not seen anything of this ledger before.

    Raises
    ------
    LedgerTampered, LedgerTorn
        If the ledger is not good, or does not contain what the witness saw.
    LedgerError
        If the key is not a witness's, or nothing that it saw before is given and it does not say that this is the first.
    """
    if witness.key.kind != signed_note.WITNESS:
        raise LedgerError(f"key: got the key of a log, {witness.key}; want that of a witness")
    if not held and not first:
        raise LedgerError("a witness signs what grew from what it saw: give that checkpoint, or --first")
    with durable_files.locked(directory, 10.0, shared=output is not None):
        note = ledger.examine(directory, held, pinned).note
        kept = [s for s in note.signatures if (s[0], s[1][:4]) != (witness.key.name, witness.key.id)]
        line = signed_note.signature(witness.sign(note.text, int(time.time())))
        signed = replace(note, signatures=(*kept, line))
        durable_files.replace(output or directory / checkpoints.OWN, str(signed).encode())
    return signed
