"""The schema of ledger blocks and of private leaves: which keys each kind has, and of what type."""

import re
from collections.abc import Mapping
from typing import Any

from . import canonical_json
from .errors import LedgerError

VERSION = 5
READABLE = (3, 4, VERSION)
"""Formats that are read and continued; 3 counts every currency in thousandths, whatever its minor unit."""
INPUTS_OF_RUN = (3, 4)
"""Formats in which ``inputs`` may be of the whole run that a slot was cleared in: there it is no content of the slot."""
_MONEY_UNIT = re.compile("1e-([6-9]|1[0-9]) ([A-Z]{3})")
FIRST = "0" * 64
"""The ``prev`` of the genesis block."""
USES = ("demand", "charge", "driving")
"""The uses whose energy mix by origin a leaf gives: Wh by the producing account, ``""`` the retailer."""
TOTALS = ("energy", "money", "fees", "congestion", "grid_in", "grid_out")
WHERE_ANY = ("make_whole",)
"""What leaves and totals hold only of runs where somebody pays it or receives it."""


def genesis(market: str, money: str, software: str, key: str = "") -> dict[str, Any]:
    """Return the genesis block of a ledger: its market, its units, and the vkey that signs it (``""``: none).

    ``money`` is the unit of money, see :func:`unit_of_money`.
    """
    return {
        "version": VERSION,
        "kind": "genesis",
        "market": market,
        "units": units(money),
        "key": key,
        "software": software,
    }


def unit_of_money(currency: str, digits: int) -> str:
    """Return the unit of money of a currency whose minor unit has so many decimals: thousandths of it per kWh, times Wh.

    >>> unit_of_money("JPY", 0), unit_of_money("EUR", 2), unit_of_money("KWD", 3)
    ('1e-6 JPY', '1e-8 EUR', '1e-9 KWD')
    """
    return f"1e-{6 + digits} {currency}"


def scale(money: str) -> tuple[str, int]:
    """Return the currency that a unit of money counts, and the decimals of its minor unit; 0 in format 3.

    >>> scale("1e-8 EUR"), scale("micro-EUR")
    (('EUR', 2), ('EUR', 0))
    """
    if match := _MONEY_UNIT.fullmatch(money):
        return match[2], int(match[1]) - 6
    return money.removeprefix("micro-"), 0


def units(money: str) -> dict[str, str]:
    """Return the units of the numbers in a ledger, given that of its money; format 3 begins it with ``micro-``."""
    currency, digits = scale(money)
    price = f"milli-{currency}" if money.startswith("micro-") else f"1e-{3 + digits} {currency}"
    return {
        "energy": "Wh",
        "money": money,
        "price": f"{price}/kWh",
        "slot": "seconds since 1970-01-01T00:00:00Z",
    }


def label(text: str, what: str) -> str:
    """Return a label as the ledger spells it; what is empty or no text is a :class:`LedgerError`."""
    try:
        spelled = canonical_json.label(text)
    except UnicodeEncodeError as error:
        raise LedgerError(f"{what}: got {text!r}, want Unicode text") from error
    if not spelled:
        raise LedgerError(f"{what}: got nothing, want a label")
    return spelled


def reversal(block: dict[str, Any], software: str) -> dict[str, Any]:
    """Return the correction block that reverses a clearing: its slot is free again, its totals cancel."""
    kept = {name: block[name] for name in ("version", "market", "slot", "slot_seconds")}
    totals = {name: -amount for name, amount in block["totals"].items()}
    return {**kept, "kind": "correction", "reverses": block["index"], "totals": totals, "software": software}


def rotation(version: int, market: str, key: str, endorsement: str, software: str) -> dict[str, Any]:
    """Return the block that hands a ledger of some format on to another key, endorsed by the key before."""
    return {
        "version": version,
        "kind": "key-rotation",
        "market": market,
        "key": key,
        "endorsement": endorsement,
        "software": software,
    }


def handover(block: Mapping[str, Any], before: str) -> str:
    """Return the text that the key before signs for a key-rotation block that has its place."""
    place = f"{block['market']}\n{block['index']}\n{block['prev']}"
    return f"otonari key rotation\n{place}\n{before}\n{block['key']}\n"


def totals(leaves: list[dict[str, Any]]) -> dict[str, int]:
    """Return the public totals of a slot: the sums over all accounts."""
    parts = {"energy": "purchases", "money": "paid"}
    some = [name for name in WHERE_ANY if any(name in leaf for leaf in leaves)]
    return {name: sum(leaf.get(parts.get(name, name), 0) for leaf in leaves) for name in (*TOTALS, *some)}


def _text(value: Any) -> bool:
    return type(value) is str


def _name(value: Any) -> bool:
    return type(value) is str and value != ""


def _count(value: Any) -> bool:
    return type(value) is int and value >= 0


def _given_back(value: Any) -> bool:
    return type(value) is int and value <= 0


def _positive(value: Any) -> bool:
    return type(value) is int and value > 0


def _time(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**37  # to the year 6325


def _length(value: Any) -> bool:
    return type(value) is int and 0 < value < 2**31


def _whole(value: Any) -> bool:
    return type(value) is int


def _money_unit(value: Any) -> bool:
    return type(value) is str and bool(_MONEY_UNIT.fullmatch(value))


def _units(value: Any) -> bool:
    return isinstance(value, dict) and _money_unit(value.get("money")) and value == units(value["money"])


def _units_3(value: Any) -> bool:
    money = value.get("money") if isinstance(value, dict) else None
    return (
        type(money) is str
        and money.startswith("micro-")
        and len(money) > len("micro-")
        and value == units(money)
    )


_HEXADECIMAL = frozenset("0123456789abcdef")


def _hash(value: Any) -> bool:
    return type(value) is str and len(value) == 64 and _HEXADECIMAL.issuperset(value)


_SLOT = {"slot": _time, "slot_seconds": _length}
_COMMON: dict[str, Any] = {
    "version": _count,
    "kind": _text,
    "index": _count,
    "prev": _hash,
    "market": _name,
    "software": _text,
}
_LATER = {**_COMMON, "index": _positive}
_AMOUNTS = dict.fromkeys(("purchases", "sales", "grid_in", "grid_out"), _count)
_MONEY = dict.fromkeys(("paid", "earned", "fees", "congestion", "make_whole"), _whole)
_TOTALS = dict.fromkeys(("energy", "grid_in", "grid_out"), _count) | {"make_whole": _given_back}
SHAPES: dict[str, dict[str, Any]] = {
    "genesis": {"units": _units, "key": _text} | _COMMON,
    "clearing": {
        "money": _money_unit,
        "leaves": _positive,
        "root": _hash,
        "prices": _hash,
        "inputs": _hash,
        "results": _hash,
    }
    | {"totals": dict.fromkeys(TOTALS, _whole) | _TOTALS}
    | _SLOT
    | _LATER,
    "correction": {"reverses": _count, "totals": dict.fromkeys((*TOTALS, "make_whole"), _whole)}
    | _SLOT
    | _LATER,
    "key-rotation": {"key": _text, "endorsement": _text} | _LATER,
    "leaf": {"kind": _text, "market": _text, "participant": _text, "salt": _hash}
    | dict.fromkeys(("origin", *USES))
    | _SLOT
    | _AMOUNTS
    | _MONEY,
}
SHAPES["settlement"] = {**SHAPES["clearing"], "settles": _text}
"""What each kind holds: exactly these keys, but for those ``WHERE_ANY``, each of its type."""
SHAPES_4 = {kind: shape for kind, shape in SHAPES.items() if kind != "settlement"}
"""The same of format 4, which has no settlements."""
SHAPES_3 = {
    **SHAPES_4,
    "genesis": {**SHAPES["genesis"], "units": _units_3},
    "clearing": {name: test for name, test in SHAPES["clearing"].items() if name != "money"},
}
"""The same of format 3, whose clearings do not say in what their money is."""
KINDS = tuple(kind for kind in SHAPES if kind != "leaf")
RECORDING = ("clearing", "settlement")
"""Kinds that record a time, with a leaf per account: cleared slots, and settled days."""


def shapes(version: Any) -> dict[str, dict[str, Any]]:
    """Return what each kind holds in a format."""
    return {3: SHAPES_3, 4: SHAPES_4}.get(version, SHAPES) if type(version) is int else SHAPES


def mismatch(value: Any, known: tuple[str, ...] = KINDS) -> str:
    """Return the key at which a parsed block (or leaf) does not match the schema of its kind, or nothing."""
    kind = value.get("kind") if isinstance(value, dict) else None
    if not isinstance(kind, str) or kind not in known:
        return "kind"
    shape = shapes(value.get("version")).get(kind)
    return _mismatch(value, kind, shape) if shape else "kind"


def _mismatch(value: Any, where: str, shape: Any) -> str:
    """Return the key at which a value does not match a shape: a test, the keys of an object, or labels with Wh."""
    if shape is None:  # any number of labels, with Wh each
        fits = isinstance(value, dict) and all(map(_positive, value.values()))
        return "" if fits else where
    if callable(shape):
        return "" if shape(value) else where
    if not isinstance(value, dict) or not shape.keys() - WHERE_ANY <= value.keys() <= shape.keys():
        return f"keys of {where}"
    for name, part in shape.items():
        if name in value and (wrong := _mismatch(value[name], name, part)):
            return wrong
    return ""
