"""The page of a member in HTML: the bill first, three figures, then the receipt and how to check it.

It follows from the receipt and its language alone, byte for byte, so that whoever checks it writes it again.
"""

import re
from collections.abc import Iterable

import numpy as np
import pandas as pd

from ..bills.bill import PARTS, STATED, Bill, Line, amount_text, bill, rounded
from ..bills.receipt import Receipt
from ..figures.areas import stacked
from ..figures.bars import bars
from ..figures.drawing import escaped
from ..figures.figure import Figure, table
from .document import document, gallery
from .languages.phrases import Phrases, phrases, shipped
from .slots import periods

OPENING = b'<!DOCTYPE html>\n<html lang="'
RECEIPT = re.compile(r'<code class="receipt">([^</]+)</code>.*?<code class="digest">([0-9a-f]{64})</code>')
"""Where a page names its receipt, and the SHA-256 of its content."""
_COLOURS = {"from neighbours": 2, "from the retailer": 1, "to neighbours": 0, "to the retailer": 7}
_SOURCES = {"own PV": 0, "neighbours' PV": 2, "retailer": 1}
_LEGEND = (
    "proved: the receipt proves that the ledger recorded it. That it was recorded does not prove what a meter"
    " measured. kWh proved, stated: the operator says the rest. Amounts are rounded where they are shown; what is to be"
    " paid is rounded once, from the exact sum."
)
_APPLIANCES = (
    "Stated by the operator: their part, by energy, of what you paid for energy in each slot. It is contained in the"
    " lines above. What your own PV and batteries gave costs nothing here."
)
_PROOF = (
    "with the public key that the operator has published, or a checkpoint that you hold. It proves every slot from the"
    " ledger, and writes this page again: no figure on it can be altered without being found."
)


def is_page(data: bytes) -> bool:
    """Tell whether bytes are a page of this kind."""
    return data.startswith(OPENING) and b'<code class="receipt">' in data


def language_of(data: bytes) -> Phrases:
    """Return the phrases of the language that a page says it is in; English where that is none of the shipped ones."""
    code = data[len(OPENING) : len(OPENING) + 20].split(b'"')[0].decode(errors="replace")
    return phrases(code if code in shipped() else "en")


def write(receipt: Receipt, say: Phrases, source: str = "receipt") -> str:
    """Return the page of the bill that a receipt holds; raise LedgerTampered of its ``source`` if it holds none."""
    it = bill(receipt, source)
    title = say("Bill of {}", it.participant)
    spans = ", ".join(" – ".join(f"{t:%Y-%m-%d %H:%M}" for t in span) for span in it.spans)
    facts = [
        f"{say('market')}: {it.market} ({it.rules})",
        f"{say('period')}: {spans} ({it.zone}), {say('{} slots', it.slots)}",
    ]
    figures = [_payments(it, say), _over_time(receipt, it, say), _sources(it, say)]
    figures += [_appliances(it, say)] if it.appliances else []
    parts = {
        say("To pay"): _to_pay(it, say),
        say("Your period in figures"): gallery([f for f in figures if f.rows], say("Table")),
        **_beside(it, say),
        say("Receipt, and how to check it"): _receipt(it, say),
    }
    return document(title, facts, parts, say.language)


def _to_pay(it: Bill, say: Phrases) -> str:
    """Return what is to be paid, and the lines that add up to it."""
    what = say("to pay" if it.to_pay >= 0 else "to receive")
    rows = []
    for part, heading in PARTS.items():
        own = [line for line in it.lines if line.part == part]
        rows += [[say(heading), "", "", "", ""]] if own else []
        rows += [_row(it, line, say) for line in own]
    rows += [[say("rounding"), "", "", it.money(it.rounding), ""]] if it.rounding else []
    rows.append([say("to pay"), "", "", it.money(it.to_pay), ""])
    header = [say("item"), "kWh", f"{it.currency}/kWh", it.currency, say("ledger")]
    total = f"<strong>{escaped(it.money(abs(it.to_pay)))} {escaped(it.currency)}</strong>"
    return (
        f'<p class="total">{escaped(what)}: {total}</p>'
        f"{table(say('To pay'), header, rows)}"
        f"<details><summary>{escaped(say('What each part of the ledger column means'))}</summary>"
        f"<p>{escaped(say(_LEGEND))}</p></details>"
    )


def _row(it: Bill, line: Line, say: Phrases) -> list[str]:
    kwh = "" if line.wh is None else amount_text(line.wh, 3)
    price = line.price(it.decimals, it.digits + 2)
    return [f"\u2003{say(line.label)}", kwh, price, it.money(it.shown(line)), say(line.mark)]


def _payments(it: Bill, say: Phrases) -> Figure:
    """Return what is paid and received, line by line [currency]."""
    lines = [line for line in it.lines if it.shown(line)]
    amounts = np.array([it.shown(line) / 10**it.digits for line in lines])
    return bars(
        say("What you pay, item by item"),
        say("Amounts to the right are paid, those to the left are received."),
        it.currency,
        [say(line.label) for line in lines],
        {say("amount"): amounts},
        say("item"),
        it.digits,
    )


def _over_time(receipt: Receipt, it: Bill, say: Phrases) -> Figure:
    """Return what was bought and sold over time [kWh], from the leaves of the ledger."""
    blocks = [proof.block for proof in receipt.proofs]
    starts = pd.DatetimeIndex(np.array([b["slot"] for b in blocks], dtype="datetime64[s]"))
    slots = periods(starts, np.array([b["slot_seconds"] / 3600 for b in blocks]), it.zone)

    def energy(name: str) -> np.ndarray:
        return slots.sum(np.array([int(proof.leaf[name]) / 1000 for proof in receipt.proofs]))

    series = {
        "from neighbours": energy("purchases"),
        "from the retailer": energy("grid_in"),
        "to neighbours": -energy("sales"),
        "to the retailer": -energy("grid_out"),
    }
    used = {name: values for name, values in series.items() if values.any()}
    return stacked(
        say("Your energy over time"),
        say("What you bought above zero, what you sold below."),
        "kWh",
        slots.labels,
        slots.marks,
        {say(name): values for name, values in used.items()},
        {say(name): _COLOURS[name] for name in used},
        say("time"),
    )


def _sources(it: Bill, say: Phrases) -> Figure:
    """Return where the energy of each use came from [kWh]."""
    uses = list(dict.fromkeys(use for use, _, _ in it.sources))
    known = {(use, source): wh / 1000 for use, source, wh in it.sources}
    return bars(
        say("Where your energy came from"),
        say("The sources of what you used, as the ledger recorded them."),
        "kWh",
        [say(use) for use in uses],
        {say(source): np.array([known.get((use, source), 0.0) for use in uses]) for source in _SOURCES},
        say("use"),
        3,
        {say(source): colour for source, colour in _SOURCES.items()},
    )


def _appliances(it: Bill, say: Phrases) -> Figure:
    """Return when heat pumps and appliances ran, by local hour of the day [kWh]."""
    hours = [f"{hour:02d}:00" for hour in range(24)]
    return stacked(
        say("When your heat pumps and appliances ran"),
        say("Energy that each used in each hour of the day, over the whole period."),
        "kWh",
        hours,
        [(float(hour), hours[hour]) for hour in range(0, 24, 6)],
        {one.label: np.array(one.hours) / 1000 for one in it.appliances},
        corner=say("hour"),
    )


def _costs_of_appliances(it: Bill, say: Phrases) -> str:
    """Return what heat pumps and appliances used and cost."""
    heading, note = say("Your heat pumps and appliances"), say(_APPLIANCES)
    rows = []
    for one in it.appliances:
        line = Line("", "appliance", one.label, sum(one.hours), one.amount, STATED)
        price = line.price(it.decimals, it.digits + 2)
        rows.append([one.label, amount_text(line.wh or 0, 3), price, it.money(it.shown(line))])
    header = [say("item"), "kWh", f"{it.currency}/kWh", it.currency]
    return f"{table(heading, header, rows)}<p>{escaped(note)}</p>"


def _beside(it: Bill, say: Phrases) -> dict[str, str]:
    """Return what stands on a bill beside what is to be paid, by its headings."""
    parts: dict[str, str] = {}
    if it.appliances:
        parts[say("Your heat pumps and appliances")] = _costs_of_appliances(it, say)
    if it.peaks:
        parts[say("Peaks")] = _list(_peak(it, *peak, say) for peak in it.peaks)
    if it.borne:
        borne = say("Borne beside this bill, nothing to pay here")
        rows = [[say(line.label), it.money(it.shown(line))] for line in it.borne]
        parts[borne] = table(borne, [say("item"), it.currency], rows)
    gains = [*it.gains]
    if gains or it.co2_grams is not None:
        more = "" if it.co2_grams is None else amount_text(it.co2_grams, 3)
        rows = [[say(line.label), f"{it.money(it.shown(line))} {it.currency}"] for line in gains]
        rows += [[say("CO2 of retail power and fuel"), f"{more} kg"]] if more else []
        brought = say("What the period brought")
        parts[brought] = table(brought, [say("item"), say("amount")], rows)
    if it.sellers:
        rows = [[name, amount_text(wh, 3)] for name, wh in it.sellers]
        parts[say("Bought from")] = table(say("Bought from"), [say("participant"), "kWh"], rows)
    return parts


def _peak(it: Bill, label: str, watts: int, saves: int | None, say: Phrases) -> str:
    charged = f"{label}: {say('{} W charged, summed over months', f'{watts:,}')}"
    if saves is None:
        return charged
    worth = f"{it.money(rounded(saves, it.minor))} {it.currency}"
    return f"{charged}; {say('one kW less at the peaks saves {}', worth)}"


def _list(texts: Iterable[str]) -> str:
    return f"<ul>{''.join(f'<li>{escaped(text)}' for text in texts)}</ul>"


def _receipt(it: Bill, say: Phrases) -> str:
    """Return which file proves the bill, and the command that checks it."""
    files = say("The receipt is the file {} beside this page; the SHA-256 of its content is {}.", "\0", "\1")
    named = (
        escaped(files.replace("\0", "{0}").replace("\1", "{1}"))
        .replace("{0}", f'<code class="receipt">{escaped(it.receipt_name)}</code>')
        .replace("{1}", f'<code class="digest">{it.digest}</code>')
    )
    command = escaped(say("Put both into one folder and run: {}", "\0").replace("\0", "{0}")).replace(
        "{0}", "<code>otonari ledger check PAGE.html --key KEY</code>"
    )
    return f"<p>{named}</p><p>{command}</p><p>{escaped(say(_PROOF))}</p>"
