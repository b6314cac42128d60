"""What a participant saves over the whole horizon, and by what."""

from collections.abc import Iterator

import numpy as np

from ....data.problems import shown
from ...store.run_format import account_line
from .case import SMALL, Case, Sentence

TOPIC = "Saving over the whole horizon"


def saving(case: Case) -> Iterator[Sentence]:
    """Yield what the participant saves against being without peers, and the parts that this consists of.

    With what it bought from peers and paid for it, what it sold and got, and its tariff slot by slot::

        saving = (retail price of what it bought - paid) + (got - feed-in price of what it sold) + rest

    The rest is what it does otherwise than it would alone: when stores charge, what is drawn from the retailer, petrol.
    """
    settled, who = case.tree["settlement"].to_dataset(), shown(case.name)
    lines = ("bill", "bill_grid_only", "saving", "peer_cost", "peer_revenue")
    bill, alone, saved, paid, got = (
        float(account_line(settled, name).values[case.participant]) for name in lines
    )
    share = f" ({100 * saved / alone:.1f} %)" if alone > SMALL and abs(saved) > SMALL else ""
    less = f"it saves {case.money(saved)}" if saved >= 0 else f"it bears {case.money(-saved)} more"
    yield Sentence(
        TOPIC,
        f"{who} bears {case.money(bill)}, wear and fuel included; without peers it would bear {case.money(alone)}:"
        f" {less}{share}.",
        {"bill": bill, "bill_grid_only": alone, "saving": saved},
    )
    bought, asked = _traded(case, "buyer", "retail_price")
    sold, offered = _traded(case, "seller", "feed_in_price")
    if bought > SMALL:
        yield Sentence(
            TOPIC,
            f"It bought {bought:.2f} kWh from peers at {case.price(paid / bought)}, fees included, when the retailer"
            f" asks {case.price(asked / bought)}: {_than(case, asked - paid, 'less', 'more')}.",
            {"bought": bought, "paid": paid, "retailer_asks": asked, "gain": asked - paid},
        )
    if sold > SMALL:
        yield Sentence(
            TOPIC,
            f"It sold {sold:.2f} kWh to peers at {case.price(got / sold)}, when the retailer pays"
            f" {case.price(offered / sold)}: {_than(case, got - offered, 'more', 'less')}.",
            {"sold": sold, "got": got, "retailer_pays": offered, "gain": got - offered},
        )
    rest = saved - (asked - paid) - (got - offered)
    if (bought > SMALL or sold > SMALL) and abs(rest) > 0.005:
        does = "costs" if rest < 0 else "saves another"
        yield Sentence(
            TOPIC,
            f"What it does otherwise than alone, in charging, retail power or petrol, {does} {case.money(abs(rest))}"
            + (": worth it for that trade." if saved > 0 > rest else "."),
            {"rest": rest},
        )


def _traded(case: Case, side: str, tariff: str) -> tuple[float, float]:
    """Return what the participant bought or sold over the horizon [kWh], and what that is at a price of its tariff."""
    trades = case.tree["trades"].to_dataset()
    own = np.flatnonzero(trades[f"trade_{side}"].values == case.name)
    slot = np.searchsorted(case.inputs["time"].values, trades["trade_time"].values[own])
    energy = trades["trade_energy"].values[own]
    return float(energy.sum()), float(energy @ case.tariff(tariff)[slot])


def _than(case: Case, gain: float, better: str, worse: str) -> str:
    return f"{case.money(abs(gain))} {better if gain >= 0 else worse}"
