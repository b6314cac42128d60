"""What an allocation starts from: metered energies, keys, coefficients and contracts, read and checked."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...data.inputs.contract import InputError, Problem
from ..labels import Array
from .apportionment import MOST, PARTS

TOLERANCE = 1 / PARTS
"""Keys sum to one within that."""
_LISTED = 5  # entries of one kind that become a problem each; the rest are counted
_STEPS = 10**6  # a participation counts in millionths where energies are whole Wh


@dataclass(frozen=True)
class Metered:
    """Energies of slots, and what rules ask for beside them; all in whole Wh (int64) or all in kWh (floats).

    ``injected`` (producer, time), ``withdrawn`` (member, time) as far as it takes part; ``keys`` (member, time or 1)
    and ``coefficients`` (producer, member, time or 1), fractions; ``order`` (member,) of service; ``contracts``
    (trade,): producer, member, slot and energy by slot, within a slot in the order of trading.
    """

    injected: Array
    withdrawn: Array
    keys: Array | None = None
    order: Array | None = None
    coefficients: Array | None = None
    contracts: tuple[Array, Array, Array, Array] | None = None

    @property
    def whole(self) -> bool:
        """Whether energies are whole Wh."""
        return self.withdrawn.dtype.kind == "i"

    @property
    def pool(self) -> Array:
        """What all producers injected (time,)."""
        return np.asarray(self.injected.sum(axis=0))

    def between(self, start: int, stop: int) -> "Metered":
        """Return what there is in the slots from ``start`` until before ``stop``."""

        def cut(values: Array | None) -> Array | None:
            return values if values is None or values.shape[-1] == 1 else values[..., start:stop]

        contracts = None
        if self.contracts is not None:
            first, last = np.searchsorted(self.contracts[2], (start, stop))
            producer, member, slot, energy = (values[first:last] for values in self.contracts)
            contracts = producer, member, slot - start, energy
        injected, withdrawn = self.injected[:, start:stop], self.withdrawn[:, start:stop]
        return Metered(injected, withdrawn, cut(self.keys), self.order, cut(self.coefficients), contracts)


def read(
    injected: Any, withdrawn: Any, participation: Any, wanted: str | Problem, given: Mapping[str, Any]
) -> Metered:
    """Return checked energies with the one further argument that is wanted ("" for none).

    A problem in its place says that the rule is unknown: then all that is given is checked.

    Raises
    ------
    InputError
        With every problem of the arguments.
    """
    problems: list[Problem] = []
    names = [name for name, value in given.items() if value is not None]
    if isinstance(wanted, Problem):
        problems.append(wanted)
    else:
        unwanted = [name for name in names if name != wanted]
        problems += [
            problem(name, "some", f"none: the rule takes {wanted or 'no such'}") for name in unwanted
        ]
        names = [wanted] if wanted else []
    drawn = _array("withdrawn", withdrawn, "iuf", [("member", "slot")], problems)
    fed = _array("injected", injected, "iuf", [("slot",), ("producer", "slot")], problems)
    if drawn is None or fed is None:
        raise InputError(problems)
    fed = np.atleast_2d(fed)
    _energies_of_both(fed, drawn, problems)
    sizes = {"producer": len(fed), "member": len(drawn), "slot": drawn.shape[1]}
    part = _fractions("participation", participation, [("member",), ("member", "slot")], sizes, problems)
    whole = drawn.dtype.kind != "f"
    problems += [problem(name, "none", "some: the rule needs it") for name in names if given[name] is None]
    present = [name for name in names if given[name] is not None]
    more = {name: _READERS[name](given[name], sizes, whole, problems) for name in present}
    if problems:
        raise InputError(problems)
    return Metered(_exact(fed), _taking_part(_exact(drawn), part), **more)


def _energies_of_both(injected: Array, withdrawn: Array, problems: list[Problem]) -> None:
    if injected.shape[1] != withdrawn.shape[1]:
        problems.append(
            problem("injected", f"{injected.shape[1]} slots", f"{withdrawn.shape[1]} as withdrawn has")
        )
    if (injected.dtype.kind == "f") != (withdrawn.dtype.kind == "f"):
        want = "both in Wh (integers) or both in kWh (floats)"
        problems.append(problem("injected, withdrawn", f"{injected.dtype}, {withdrawn.dtype}", want))
    for name, values, dim in (("injected", injected, "producer"), ("withdrawn", withdrawn, "member")):
        problems += _energies(name, values, (dim, "slot"))


def _exact(energies: Array) -> Array:
    return energies.astype(np.float64 if energies.dtype.kind == "f" else np.int64)


def _taking_part(withdrawn: Array, participation: Array | None) -> Array:
    """Return the part of what was withdrawn (member, time) that takes part in this community, whole Wh rounded down.

    Rounded down, what a member draws suffices for all communities whose participations sum to one.
    """
    if participation is None:
        return withdrawn
    if withdrawn.dtype.kind == "f":
        return np.asarray(withdrawn * participation)
    return np.asarray(withdrawn * np.rint(participation * _STEPS).astype(np.int64) // _STEPS)


def _keys(given: Any, sizes: dict[str, int], whole: bool, problems: list[Problem]) -> Array | None:
    keys = _fractions("keys", given, [("member",), ("member", "slot")], sizes, problems)
    if keys is None:
        return None
    total = keys.sum(axis=0)
    problems += entries("keys", total, np.abs(total - 1) > TOLERANCE, "keys that sum to 1", ("slot",))
    return keys


def _coefficients(given: Any, sizes: dict[str, int], whole: bool, problems: list[Problem]) -> Array | None:
    forms = [("producer", "member"), ("producer", "member", "slot")]
    coefficients = _fractions("coefficients", given, forms, sizes, problems)
    if coefficients is None:
        return None
    total, want = coefficients.sum(axis=1), "coefficients of a producer that sum to at most 1"
    problems += entries("coefficients", total, total > 1 + TOLERANCE, want, ("producer", "slot"))
    return coefficients


def _order(given: Any, sizes: dict[str, int], whole: bool, problems: list[Problem]) -> Array | None:
    order = _array("order", given, "iu", [("place",)], problems)
    if order is not None and sorted(order.tolist()) != list(range(sizes["member"])):
        want = f"every member once, by number: 0 to {sizes['member'] - 1}"
        problems.append(problem("order", f"{order.tolist()[:20]}", want))
    return order


def _contracts(given: Any, sizes: dict[str, int], whole: bool, problems: list[Problem]) -> Any:
    if not isinstance(given, Sequence) or len(given) != 4:
        problems.append(
            problem("contracts", type(given).__name__, "(producer, member, slot, energy), each (trade,)")
        )
        return None
    before, columns = len(problems), []
    for dim, values in zip(("producer", "member", "slot"), given[:3], strict=True):
        column = _array(f"contracts: {dim}", values, "iu", [("trade",)], problems)
        if column is not None:
            outside, want = (column < 0) | (column >= sizes[dim]), f"0 to {sizes[dim] - 1}"
            problems += entries(f"contracts: {dim}", column, outside, want, ("trade",))
            columns.append(column.astype(np.int64))
    energy = _array("contracts: energy", given[3], "iu" if whole else "f", [("trade",)], problems)
    if energy is not None:
        problems += _energies("contracts: energy", energy, ("trade",))
        columns.append(_exact(energy))
    lengths = [len(column) for column in columns]
    if len(set(lengths)) > 1:
        problems.append(
            problem("contracts", f"{', '.join(map(str, lengths))} entries", "one per trade in each")
        )
    if len(problems) > before:
        return None
    by_slot = np.argsort(columns[2], kind="stable")
    return tuple(column[by_slot] for column in columns)


_READERS = {"keys": _keys, "coefficients": _coefficients, "order": _order, "contracts": _contracts}


def _fractions(
    name: str, given: Any, forms: list[tuple[str, ...]], sizes: dict[str, int], problems: list[Problem]
) -> Array | None:
    """Return fractions between 0 and 1 with a time of one or of all slots, or None where there are none to be used."""
    values = None if given is None else _array(name, given, "iuf", forms, problems)
    if values is None:
        return None
    form = next(form for form in forms if len(form) == values.ndim)
    shape = tuple(sizes[dim] for dim in form)
    if values.shape != shape:
        problems.append(problem(name, f"shape {values.shape}", f"({', '.join(form)}) = {shape}"))
        return None
    wrong = ~((values >= 0) & (values <= 1 + TOLERANCE))
    problems += entries(name, values, wrong, "between 0 and 1", form)
    values = values.astype(np.float64)
    return None if wrong.any() else values if form[-1] == "slot" else values[..., None]


def _array(
    name: str, given: Any, kinds: str, forms: list[tuple[str, ...]], problems: list[Problem]
) -> Array | None:
    """Return numbers of a wanted kind and number of dims as an array, or None and a problem."""
    try:
        values = np.asarray(given)
    except ValueError:  # rows of different lengths
        values = np.asarray(None)
    if not values.size and values.dtype.kind == "f" and "i" in kinds and "f" not in kinds:
        values = values.astype(np.int64)  # an empty list has no kind of its own
    if values.dtype.kind in kinds and values.ndim in {len(form) for form in forms}:
        return values
    numbers = (
        "integers or floats" if "i" in kinds and "f" in kinds else "integers" if "i" in kinds else "floats"
    )
    want = f"{numbers} of {' or '.join('(' + ', '.join(form) + ')' for form in forms)}"
    problems.append(problem(name, f"{values.dtype} with {values.ndim} dims", want))
    return None


def _energies(name: str, values: Array, dims: tuple[str, ...]) -> Iterator[Problem]:
    whole = values.dtype.kind != "f"
    wrong = ~((values >= 0) & (values <= MOST if whole else np.isfinite(values)))
    yield from entries(
        name, values, wrong, f"0 to {MOST} Wh" if whole else "a finite energy, not negative", dims
    )
    if whole and not wrong.any() and values.ndim == 2:
        total = values.sum(axis=0)
        yield from entries(name, total, total > MOST, f"at most {MOST} Wh in a slot", ("slot",))


def entries(name: str, values: Array, wrong: Array, want: str, dims: tuple[str, ...]) -> Iterator[Problem]:
    """Yield a problem for each of the first wrong entries, and one that counts the rest."""
    places = np.argwhere(wrong)
    for place in places[:_LISTED]:
        row = ", ".join(f"{dim} {at}" for dim, at in zip(dims, place, strict=True))
        yield Problem("sharing", row, name, f"{values[tuple(place)]}", want)
    if len(places) > _LISTED:
        yield Problem("sharing", "~", name, f"{len(places) - _LISTED} more entries like these", want)


def problem(field: str, got: str, want: str) -> Problem:
    """Return the problem of an argument as a whole."""
    return Problem("sharing", "", field, got, want)
