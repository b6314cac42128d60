"""The components of a participant's contract on its bill: what each is counted by, and what it comes to.

The operator states basis, name and amount; the kWh are the ledger's, mean prices follow, and the amounts of all
components add up to the retailer's lines of the account.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ....data.inputs.variables import BASES
from ...ledger.format.errors import LedgerTampered
from ...text import section, table

TITLE = "Contract, component by component (kWh proved, prices not)"
_NAME = r"[\w.%()/+-](?:[\w.%()/ +-]{0,38}[\w.%()/+-])?"
"""What a name may be on a bill: words, and no text of a forger's own."""
_OTHER = re.compile(r"[^\w.%()/ +-]")
_LINES = {"grid_cost": 1, "feed_in_revenue": -1, "standing_charges": 1, "peak_charges": 1, "tier_charges": 1}
"""Lines of the account that the components add up to, with their signs."""
_ENERGIES = {"per-kwh": "grid_cost", "per-kwh-injected": "feed_in_revenue"}
"""Line of the account whose energy a component is counted by."""


@dataclass(frozen=True)
class Component:
    """A component as the bill states it: its name, its basis, and its amount [units of money].

    Of a peak also what is charged [W], and what one kW less at the peaks would save [units of money], where planned.
    """

    name: str
    basis: str
    amount: int
    watts: int | None = None
    marginal: int | None = None


def write(components: Sequence[Component], wh: Mapping[str, int], decimals: int, currency: str) -> str:
    """Return the section of the bill; ``wh`` are the energies of the lines of the account [Wh]."""
    rows = []
    for part in components:
        energy = wh[_ENERGIES[part.basis]] if part.basis in _ENERGIES else None
        kwh = "" if energy is None else f"{energy // 1000:,}.{energy % 1000:03d}"
        rows.append(
            [part.name, part.basis, kwh, _mean(part, energy, decimals), _money(part.amount, decimals)]
        )
    return section(TITLE, table(["component", "basis", "kWh", f"{currency}/kWh", currency], rows)) + "".join(
        f"\n\n- {part.name}: {_power(part, decimals, currency)}"
        for part in components
        if part.watts is not None
    )


def _power(part: Component, decimals: int, currency: str) -> str:
    """Return what a bill says of a peak."""
    kilowatt = f"{part.watts or 0:,} W charged, summed over months"
    if part.marginal is None:
        return kilowatt
    return f"{kilowatt}; one kW less at the peaks saves {_money(part.marginal, decimals)} {currency}"


def read(page: str, decimals: int) -> tuple[Component, ...]:
    """Return the components that a page states, none where it has no such section."""
    _, found, rest = page.partition(f"\n## {TITLE}\n")
    if not found:
        return ()
    row = re.compile(
        rf"^    ({_NAME}) +({'|'.join(BASES)})(?: +[0-9,]{{1,30}}\.[0-9]{{3}})?(?: +-?[0-9]{{1,30}}\.[0-9]{{5}})?"
        rf" +(-?[0-9,]{{1,30}}\.[0-9]{{{decimals}}})$",
        re.MULTILINE,
    )
    text = rest.partition("\n## ")[0]
    stated = {m[1]: (_whole(m[2]), m[3] and _whole(m[3])) for m in _peak_line(decimals).finditer(text)}
    return tuple(
        Component(m[1], m[2], _whole(m[3]), *(stated.get(m[1], ()) if m[2] == "per-kw-peak" else ()))
        for m in row.finditer(text)
    )


def _peak_line(decimals: int) -> re.Pattern[str]:
    money = rf"(-?[0-9,]{{1,30}}\.[0-9]{{{decimals}}})"
    return re.compile(
        rf"^- ({_NAME}): (-?[0-9,]{{1,30}}) W charged, summed over months"
        rf"(?:; one kW less at the peaks saves {money} [A-Z]{{3}})?$",
        re.MULTILINE,
    )


def _whole(text: str) -> int:
    return int(re.sub("[,.]", "", text))


def require_sum(components: Sequence[Component], lines: Mapping[str, int], source: str) -> None:
    """Raise :class:`LedgerTampered` unless the components add up to the retailer's lines of the account."""
    got, want = sum(part.amount for part in components), _total(lines)
    if components and got != want:
        raise LedgerTampered(source, "components", f"a sum of {got}", f"{want}, the retailer's lines")


def _total(lines: Mapping[str, int]) -> int:
    return sum(sign * lines.get(name, 0) for name, sign in _LINES.items())


def _mean(part: Component, energy: int | None, decimals: int) -> str:
    """Return the mean price of a kWh to five decimals, rounded half up, where there is energy."""
    if not energy:
        return ""
    paid = -part.amount if part.basis == "per-kwh-injected" else part.amount
    scaled = (2 * abs(paid) * 10**8 + energy * 10**decimals) // (2 * energy * 10**decimals)
    return f"{'-' * (paid < 0)}{scaled // 10**5}.{scaled % 10**5:05d}"


def _money(amount: int, decimals: int) -> str:
    whole, part = divmod(abs(amount), 10**decimals)
    return f"{'-' * (amount < 0)}{whole:,}.{part:0{decimals}d}"
