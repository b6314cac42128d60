"""Signed notes, their keys, and checkpoints: the text formats of C2SP.

https://c2sp.org/signed-note, https://c2sp.org/tlog-checkpoint, https://c2sp.org/tlog-cosignature. Parsing is
strict: one value, one spelling. Keys are Ed25519 (RFC 8032); private ones are written as Go's
``golang.org/x/mod/sumdb/note`` does.
"""

import base64
import binascii
import hashlib
import re
import secrets
import struct
from collections.abc import Iterable
from dataclasses import dataclass, field

LOG, WITNESS = 1, 4
"""Signature types: of a log over the text itself, and of a witness over time and text."""
_DASH = "\u2014 "
_P = 2**255 - 19
_EIGHTH = 0x5FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826
_WEAK = {0, 1, _P - 1, _P, _P + 1, _EIGHTH, _P - _EIGHTH}
"""The y of points whose order divides 8, in every spelling: for such a key anybody can sign.

Doubling a point of order 8 gives y = 0, so x^2 = -y^2, and on the curve of RFC 8032 d y^4 + 2 y^2 = 1: ``_EIGHTH``.
"""
_MOST = 100
_NAME = re.compile(r"[!-*,-~]+")
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")
_NUMBER = re.compile(r"0|[1-9][0-9]{0,15}")


class NoteError(ValueError):
    """A note, key or checkpoint that is malformed, or whose signature is wrong."""


@dataclass(frozen=True)
class Key:
    """A public key: whose, of which signature type, and its 32 bytes. ``str`` is its vkey."""

    name: str
    kind: int
    public: bytes

    @property
    def id(self) -> bytes:
        """The four bytes that name it beside its name."""
        return hashlib.sha256(self.name.encode() + b"\n" + bytes([self.kind]) + self.public).digest()[:4]

    def __str__(self) -> str:
        return f"{self.name}+{self.id.hex()}+{_encode(bytes([self.kind]) + self.public)}"


@dataclass(frozen=True)
class Signer:
    """A private key; ``str`` does not reveal it."""

    key: Key
    seed: bytes = field(repr=False)

    def secret(self) -> str:
        """Return the one line of a private key file."""
        seed = _encode(bytes([self.key.kind]) + self.seed)
        return f"PRIVATE+KEY+{self.key.name}+{self.key.id.hex()}+{seed}\n"

    def sign(self, text: str, time: int = 0) -> str:
        """Return the signature line under a text; a witness states the time (POSIX seconds) too."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        private = Ed25519PrivateKey.from_private_bytes(self.seed)
        stamp = struct.pack(">Q", time) if self.key.kind == WITNESS else b""
        signature = self.key.id + stamp + private.sign(_message(text, self.key.kind, stamp))
        return f"{_DASH}{self.key.name} {_encode(signature)}\n"


@dataclass(frozen=True)
class Note:
    """A text and its signatures: (name of the key, its id and signature) each. Without any: an unsigned text."""

    text: str
    signatures: tuple[tuple[str, bytes], ...] = ()

    def __str__(self) -> str:
        lines = "".join(f"{_DASH}{name} {_encode(signature)}\n" for name, signature in self.signatures)
        return self.text + ("\n" + lines if lines else "")


@dataclass(frozen=True)
class Checkpoint:
    """The state of a log: its origin, how many leaves its tree has, and the tree's hash."""

    origin: str
    size: int
    root: bytes

    def __str__(self) -> str:
        return f"{self.origin}\n{self.size}\n{_encode(self.root)}\n"


def origin(market: str) -> str:
    """Return what a market's log and its key are called: its id without what a key name may not hold.

    >>> origin("Susono 1+2")
    'Susono%201%2B2'
    """
    return market.replace(" ", "%20").replace("+", "%2B")


def signer(name: str, kind: int = LOG, seed: bytes | None = None) -> Signer:
    """Return a private key of that name: a new one, or the one of a 32-byte seed."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    if not _NAME.fullmatch(name):
        raise NoteError(f"name of a key: got {name!r}, want printable ASCII without spaces and +")
    seed = secrets.token_bytes(32) if seed is None else seed
    public = Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
    return Signer(Key(name, kind, public), seed)


def parse_key(text: str) -> Key:
    """Return the key that a vkey spells."""
    name, _, rest = text.partition("+")
    _, _, data = rest.partition("+")
    raw = decode(data)
    if len(raw) == 33 and raw[0] in (LOG, WITNESS) and _NAME.fullmatch(name) and not _weak(raw[1:]):
        key = Key(name, raw[0], raw[1:])
        if str(key) == text:
            return key
    raise NoteError(f"public key: got {text!r:.100}, want NAME+HASH+BASE64 of an Ed25519 key")


def parse_signer(text: str) -> Signer:
    """Return the private key that the line of a key file spells; errors do not repeat it."""
    name, _, rest = text.removeprefix("PRIVATE+KEY+").removesuffix("\n").partition("+")
    raw = decode(rest.partition("+")[2])
    if len(raw) == 33 and raw[0] in (LOG, WITNESS) and _NAME.fullmatch(name):
        parsed = signer(name, raw[0], raw[1:])
        if parsed.secret() == text:
            return parsed
    raise NoteError("private key: want one line PRIVATE+KEY+NAME+HASH+BASE64 of an Ed25519 key")


def parse(data: bytes) -> Note:
    """Return the note that bytes spell; without an empty line in them that is an unsigned text."""
    try:
        whole = data.decode()
    except UnicodeDecodeError as error:
        raise NoteError("note: got bytes that are no UTF-8") from error
    if _CONTROL.search(whole) or not whole.endswith("\n"):
        raise NoteError("note: got control characters or no newline at its end")
    if "\n\n" not in whole:
        return Note(whole)
    text, _, under = whole.rpartition("\n\n")
    lines = under.removesuffix("\n").split("\n")
    if len(lines) > _MOST:
        raise NoteError(f"note: got {len(lines)} signatures, want {_MOST} at most")
    if len(set(lines)) < len(lines):
        raise NoteError("note: got a signature twice")
    note = Note(text + "\n", tuple(signature(line + "\n") for line in lines))
    if str(note) != whole:
        raise NoteError("note: another spelling of the same note")
    return note


def parse_checkpoint(text: str) -> Checkpoint:
    """Return the checkpoint that the text of a note spells; extension lines are refused."""
    lines = text.split("\n")
    if len(lines) == 4 and lines[0] and _NUMBER.fullmatch(lines[1]):
        checkpoint = Checkpoint(lines[0], int(lines[1]), decode(lines[2]))
        if len(checkpoint.root) == 32 and str(checkpoint) == text:
            return checkpoint
    raise NoteError(f"checkpoint: got {text!r:.100}, want three lines: origin, size, hash in base64")


def verified(note: Note, keys: Iterable[Key]) -> list[Key]:
    """Return which of the keys have signed a note; signatures of others are ignored, as C2SP demands.

    Raises
    ------
    NoteError
        If a signature under the name and id of one of the keys is not that key's.
    """
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    signed = []
    for key in keys:
        for name, signature in note.signatures:
            if (name, signature[:4]) != (key.name, key.id):
                continue
            stamp, proof = signature[4:-64], signature[-64:]
            try:
                if len(stamp) != (8 if key.kind == WITNESS else 0):
                    raise InvalidSignature
                message = _message(note.text, key.kind, stamp)
                Ed25519PublicKey.from_public_bytes(key.public).verify(proof, message)
            except (InvalidSignature, ValueError) as error:
                raise NoteError(f"signature of {key} is wrong") from error
            signed.append(key)
            break
    return signed


def times(note: Note, witness: Key) -> list[int]:
    """Return the times of a witness's cosignatures on a note [s, POSIX]."""
    mine = (data for name, data in note.signatures if (name, data[:4]) == (witness.name, witness.id))
    return [int.from_bytes(data[4:12], "big") for data in mine]


def _message(text: str, kind: int, stamp: bytes) -> bytes:
    if kind == LOG:
        return text.encode()
    return f"cosignature/v1\ntime {int.from_bytes(stamp, 'big')}\n{text}".encode()


def signature(line: str) -> tuple[str, bytes]:
    """Return the name of the key in a signature line, and the key's id with the signature."""
    name, _, data = line.removesuffix("\n").removeprefix(_DASH).partition(" ")
    raw = decode(data)
    if (
        not line.startswith(_DASH)
        or not name
        or "+" in name
        or any(c.isspace() for c in name)
        or len(raw) < 5
    ):
        raise NoteError(f"note: got {line!r:.100}, want a signature")
    return name, raw


def _weak(public: bytes) -> bool:
    """Return whether a public key is a point of small order."""
    return int.from_bytes(public, "little") % 2**255 in _WEAK


def _encode(data: bytes) -> str:
    return base64.b64encode(data).decode()


def decode(text: str) -> bytes:
    """Return the bytes of a base64 text, none if it is malformed; other spellings fail when written again."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""
