r"""One spelling for plain values: the subset of RFC 8785 that needs no escapes and no floats.

Objects with sorted keys, arrays, whole numbers of magnitude below 2^53, and strings of printable ASCII
without ``"`` and ``\``. https://www.rfc-editor.org/rfc/rfc8785
"""

import json
import re
from typing import Any

_STRING = re.compile(r"[ !#-\[\]-~]*")
_ALPHABET = re.compile(rb'(?:"[ !#-\[\]-~]*"|[{}\[\],:0-9-])*')
_LARGEST = 2**53
_LONG = re.compile(rb"(?:^|[:,\[-])[0-9]{16}")  # no shorter number reaches 2^53
_SPELL = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode


def dump(value: Any) -> bytes:
    """Return the one canonical JSON spelling of a value.

    Raises
    ------
    ValueError
        For anything outside the subset: floats, null, booleans, other strings, larger integers.
    """
    if _plain(value):
        data = _SPELL(value).encode()
        if _ALPHABET.fullmatch(data):
            return data
    return _spelt(value)


def _plain(value: Any) -> bool:
    """Tell whether a value is objects with text as keys, arrays, text, whole numbers below 2^53, whatever texts say."""
    kind = type(value)
    if kind is int:
        return bool(-_LARGEST < value < _LARGEST)
    if kind is dict:
        for key in value:
            if type(key) is not str:
                return False
        value = value.values()
    elif kind is not list and kind is not tuple:
        return kind is str
    for part in value:  # noqa: SIM110 - quicker than all(): millions of leaves
        if type(part) is not str and not _plain(part):
            return False
    return True


def _spelt(value: Any) -> bytes:
    """Return the spelling of a value part by part, or say which part has none."""
    if type(value) is dict and all(type(key) is str for key in value):
        pairs = (_spelt(key) + b":" + _spelt(value[key]) for key in sorted(value))
        return b"{" + b",".join(pairs) + b"}"
    if type(value) in (list, tuple):
        return b"[" + b",".join(map(_spelt, value)) + b"]"
    if type(value) is int and -_LARGEST < value < _LARGEST:
        return b"%d" % value
    if type(value) is str and _STRING.fullmatch(value):
        return b'"' + value.encode("ascii") + b'"'
    raise ValueError(f"canonical JSON: got {value!r:.80}, want printable ASCII or an integer below 2^53")


def parse(data: bytes) -> Any:
    """Return the value that canonical bytes spell; any other spelling of it is a ``ValueError``."""
    if not _ALPHABET.fullmatch(data):
        raise ValueError("canonical JSON: got characters outside its subset")
    try:
        value = json.loads(data, parse_int=_integer if _LONG.search(data) else None)
        again = _SPELL(value).encode()
    except RecursionError as error:
        raise ValueError("canonical JSON: nested too deeply") from error
    if again != data:
        raise ValueError("canonical JSON: another spelling of the same value")
    return value


def label(text: str) -> str:
    """Return a label in the strings of canonical JSON: whatever does not belong there is %-escaped as UTF-8.

    >>> label("home 1"), label("お隣"), label("50%")
    ('home 1', '%E3%81%8A%E9%9A%A3', '50%25')
    """
    if "%" not in text and _STRING.fullmatch(text):
        return text
    return "".join(
        c if c != "%" and _STRING.fullmatch(c) else "".join(f"%{b:02X}" for b in c.encode()) for c in text
    )


def _integer(text: str) -> int:
    if len(text) > 17 or abs(int(text)) >= _LARGEST:
        raise ValueError("canonical JSON: got an integer of 2^53 or more")
    return int(text)
