"""Settlement files: read with every problem at once, and cut into the months that are settled one by one."""

from collections.abc import Collection, Iterator, Sequence
from datetime import date, timedelta
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ..files import strict_yaml
from ..files.regular_file import sha256
from ..files.strict_yaml import Location
from ..problems import InputError, Problem, suggestion
from ..schema.scenario import Time
from ..schema.settlement import POOL, TABLES, Fixed, Key, Member, MidMarket, Settlement, SupplyDemandRatio
from .messages import schema_problems
from .overrides import LocatedValues, override, read_tables
from .scenario import changes_rows

FILE = "settlement.yaml"
KEYED = ("static", "rounds", "hybrid", "own-share")
"""Rules that take keys; others leave them alone."""
TOLERANCE = 1e-9
"""Keys of a day sum to one within that."""


def load(source: str | Path, overrides: Sequence[str] = ()) -> Settlement:
    """Return the settlement of a file, or of a folder with one.

    Raises
    ------
    InputError
        With every problem of the file, its tables and the overrides (``key.path=value`` each).
    """
    located = _opened(source)
    for text in overrides:
        if not changes_rows(text):
            override(located, text)
    read_tables(located)
    for text in filter(changes_rows, overrides):
        override(located, text)
    _anchor(located)
    try:
        settlement = Settlement.model_validate(located.values)
    except ValidationError as error:
        wrong = schema_problems(error, Settlement, located.place, (), located.values, located.read)
        raise InputError(sorted({*located.problems, *wrong})) from None
    located.problems += _inconsistencies(settlement, located)
    if located.problems:
        raise InputError(sorted(set(located.problems)))
    return settlement


def effective(settlement: Settlement) -> dict[str, Any]:
    """Return the settlement as plain values, every file pinned by its SHA-256."""
    values = settlement.model_dump(mode="json")
    for file in _files(values):
        file["sha256"] = file.get("sha256") or sha256(Path(file["path"]))
    return values


def months(settlement: Settlement) -> dict[str, Time]:
    """Return the part of the period in each calendar month, by ``YYYY-MM``."""
    time = settlement.time
    days = [time.start + timedelta(days=n) for n in range(time.days)]
    parts = {month: list(own) for month, own in groupby(days, lambda day: day.isoformat()[:7])}
    return {
        month: time.model_copy(update={"start": own[0], "days": len(own)}) for month, own in parts.items()
    }


def _opened(source: str | Path) -> LocatedValues:
    path = Path(source) / FILE if Path(source).is_dir() else Path(source)
    values, lines, problems = strict_yaml.read(path)
    if not isinstance(values, dict):
        got = "a list" if isinstance(values, list) else "a single value"
        raise InputError([Problem(str(path), "1", "file", got, "keys such as name and tables")])
    return LocatedValues(str(path), path.parent, values, lines, problems=problems, tables=TABLES)


def _anchor(located: LocatedValues) -> None:
    """Make the paths of files independent of where the settlement file stands."""
    for file in _files(located.values):
        if isinstance(file["path"], str):
            file["path"] = str((located.base / file["path"]).absolute())


def _files(values: Any) -> Iterator[dict[str, Any]]:
    """Yield the parts of plain values that name a file, but for tables."""
    if isinstance(values, dict):
        if values.get("path"):
            yield values
        parts: Any = (part for name, part in values.items() if name != "tables")
    else:
        parts = values if isinstance(values, list | tuple) else ()
    for part in parts:
        yield from _files(part)


def _inconsistencies(settlement: Settlement, located: LocatedValues) -> Iterator[Problem]:
    """Yield what does not fit together: labels, keys, orders and tariffs."""
    checks = (_unique, _references, _without_points, _commons, _keys, _order, _prices)
    for check in checks:
        for at, got, want in check(settlement):
            yield Problem(*located.place(at), got, want)


Wrong = Iterator[tuple[Location, str, str]]


def _unique(settlement: Settlement) -> Wrong:
    tables = settlement.tables
    own: dict[tuple[str, str], list[tuple[str, ...]]] = {
        ("members", "member"): [(row.member,) for row in tables.members],
        ("points", "point"): [(row.point, row.direction) for row in tables.points],
        ("owners", "member"): [(row.member, row.point) for row in tables.owners],
    }
    for (table, column), labels in own.items():
        seen = set[tuple[str, ...]]()
        for i, label in enumerate(labels):
            if label == (POOL,):
                yield ("tables", table, i, column), repr(POOL), "another label: it stands for all together"
            if label in seen:
                yield ("tables", table, i, column), f"{' '.join(label)!r} again", "a label that occurs once"
            seen.add(label)


def _references(settlement: Settlement) -> Wrong:
    tables = settlement.tables
    members = {row.member for row in tables.members}
    named: dict[tuple[str, str], tuple[list[str | None], Collection[str], str]] = {
        ("members", "tariff"): ([row.tariff for row in tables.members], list(settlement.tariffs), "tariffs"),
        ("points", "member"): ([row.member for row in tables.points], members, "members"),
        ("owners", "member"): ([row.member for row in tables.owners], members, "members"),
        ("owners", "point"): (
            [row.point for row in tables.owners],
            {row.point for row in tables.points},
            "points",
        ),
        ("keys", "member"): ([row.member for row in tables.keys], members, "members"),
    }
    for (table, column), (labels, known, target) in named.items():
        for i, label in enumerate(labels):
            if label is not None and label not in known:
                want = f"a label of {target}{suggestion(label, known)}"
                yield ("tables", table, i, column), repr(label), want


def _without_points(settlement: Settlement) -> Wrong:
    tables = settlement.tables
    metered = {row.member for row in tables.points} | {row.member for row in tables.owners}
    for i, row in enumerate(tables.members):
        if row.member not in metered:
            yield (
                ("tables", "members", i, "member"),
                f"{row.member!r} without a metering point",
                "one in points",
            )


def _commons(settlement: Settlement) -> Wrong:
    """Yield plants of nobody, and owners of what is somebody's."""
    owned = {row.point for row in settlement.tables.owners}
    for i, row in enumerate(settlement.tables.points):
        at = ("tables", "points", i, "member")
        if row.member is None and row.direction == "withdrawal":
            yield at, "nothing", "whose withdrawal it is"
        elif row.member is None and row.point not in owned:
            yield at, "nothing", f"a member, or owners of {row.point!r} in the table owners"
        elif row.member is not None and row.direction == "injection" and row.point in owned:
            yield at, repr(row.member), "nothing, as the table owners says whose it is"


def _keys(settlement: Settlement) -> Wrong:
    """Yield keys of a member that overlap, and days on which keys do not sum to one."""
    if settlement.sharing.rule not in KEYED:
        return
    rows = settlement.tables.keys
    by_member = sorted(range(len(rows)), key=lambda i: (rows[i].member, rows[i].since or date.min))
    overlaps = False
    for i, j in pairwise(by_member):
        if rows[i].member == rows[j].member and (rows[j].since or date.min) <= (rows[i].until or date.max):
            overlaps = True
            got = f"a second key of {rows[j].member!r} for the same days"
            yield ("tables", "keys", j, "since"), got, "one key a day: until of one before since of the next"
    members = {row.member: row for row in settlement.tables.members}
    for i, row in enumerate(rows):
        whose = members.get(row.member)
        outside = None if whose is None else _outside(row, whose, settlement.time)
        if outside is not None:
            yield (
                ("tables", "keys", i, "member"),
                f"a key of {row.member!r} on {outside}",
                "a member on that day",
            )
    if overlaps:
        return
    for first, days, total in _sums(settlement):
        got = f"{total:.9g} on {first}" + (f" and {days - 1} more days" if days > 1 else "")
        yield ("tables", "keys"), f"keys that sum to {got}", "1 on every day"


def _outside(key: Key, member: Member, time: Time) -> date | None:
    """Return the first day of the period on which a key holds for somebody who is no member."""
    days = (time.start + timedelta(days=n) for n in range(time.days))
    return next(
        (
            day
            for day in days
            if key.key
            and key_holds(key, day)
            and ((member.joined or day) > day or (member.left or day) < day)
        ),
        None,
    )


def _sums(settlement: Settlement) -> Iterator[tuple[date, int, float]]:
    """Yield days on which the keys do not sum to one: the first of equal ones, how many they are, and the sum."""
    time = settlement.time
    days = [time.start + timedelta(days=n) for n in range(time.days)]
    totals = (sum(row.key for row in settlement.tables.keys if key_holds(row, day)) for day in days)
    for total, own in groupby(zip(days, totals, strict=True), lambda pair: pair[1]):
        listed = [day for day, _ in own]
        if abs(total - 1) > TOLERANCE:
            yield listed[0], len(listed), total


def key_holds(row: Key, day: date) -> bool:
    """Return whether a key holds on a day."""
    return (row.since is None or row.since <= day) and (row.until is None or day <= row.until)


def _order(settlement: Settlement) -> Wrong:
    if settlement.sharing.rule != "priority":
        return
    order, members = settlement.sharing.order, [row.member for row in settlement.tables.members]
    for i, label in enumerate(order):
        if label not in members:
            want = f"a label of members{suggestion(label, members)}"
            yield ("sharing", "order", i), repr(label), want
        elif label in order[:i]:
            yield ("sharing", "order", i), f"{label!r} again", "every member once"
    if lacking := [label for label in members if label not in order]:
        yield ("sharing", "order"), f"no {', '.join(lacking)[:60]}", "every member once, first served first"


def _prices(settlement: Settlement) -> Wrong:
    """Yield what prices need of members: tariffs where they set the price, contracted power, holidays."""
    for i, row in enumerate(settlement.tables.members):
        at: Location = ("tables", "members", i)
        if isinstance(settlement.sharing.price, MidMarket | SupplyDemandRatio) and row.tariff is None:
            rule = settlement.sharing.price.rule
            yield (*at, "tariff"), "nothing", f"a tariff, as the price of shared energy is {rule}"
        own = settlement.tariffs.get(row.tariff or "")
        by_power = own is not None and any(c.basis == "per-kw-contracted" for c in own.components)
        if by_power and row.contracted_kw is None and row.import_limit_kw is None:
            want = f"contracted kW (or import_limit_kw), as tariff {row.tariff!r} has a price for it"
            yield (*at, "contracted_kw"), "nothing", want
    if settlement.holidays == "none":
        for place, price in _every_price(settlement):
            for n, window in enumerate(getattr(price, "windows", ())):
                if window.holidays is not None:
                    want = "holidays of the settlement: a country such as CA-ON, or dates"
                    yield (*place, "windows", n, "holidays"), str(window.holidays).lower(), want


def _every_price(settlement: Settlement) -> Iterator[tuple[Location, Any]]:
    for label, tariff in settlement.tariffs.items():
        yield from ((("tariffs", label, *at), price) for at, price in tariff.prices())
    if isinstance(settlement.sharing.price, Fixed):
        yield ("sharing", "price", "price"), settlement.sharing.price.price
