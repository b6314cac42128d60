"""All that is said of a participant at a slot of a run, and how both are chosen where nobody names them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from ....data.problems import InputError, Problem, shown, suggestion
from .. import moment
from .case import Case, Sentence
from .heat import heat
from .limits import limits
from .partners import partners
from .price import price
from .saving import saving
from .stores import driving, pv, stores
from .tasks import tasks

_WITHOUT = (
    "This run holds no marginal values: nobody planned it as a whole, or an earlier version stored it. What one more"
    " kWh is worth, and what trades that were not made would have cost, is not known."
)


def explain(
    tree: xr.DataTree,
    participant: str | None,
    time: str | None,
    named: Sequence[str] = (),
    source: str = "run",
) -> tuple[Case, list[Sentence]]:
    """Return a case of a run and what is said of it.

    Parameters
    ----------
    participant : str, optional
        Default: whoever saves most.
    time : str, optional
        Local time within the horizon, ``YYYY-MM-DD HH:MM``, or ``HH:MM`` of its first day. Default: the slot in which
        the participant trades most, or draws most if it never trades.
    named : sequence of str
        With whom it did not trade.

    Raises
    ------
    InputError
        With every name that the run does not have, and a time outside of it.
    """
    inputs = tree["inputs"].to_dataset()
    people = [str(n) for n in inputs["participant"].values]
    problems = [
        Problem(source, "", "participant", repr(n), f"one of the run's{suggestion(n, people)}")
        for n in ([participant] if participant is not None else []) + list(named)
        if n not in people
    ]
    slot = None if time is None else moment.slot(inputs, time)
    if time is not None and slot is None:
        problems.append(moment.problem(inputs, time, source))
    if problems:
        raise InputError(problems)
    saved = tree["settlement"].to_dataset()["saving"].values
    who = people.index(participant) if participant is not None else int(np.argmax(saved))
    case = Case(tree, who, _busiest(tree, who) if slot is None else slot)
    slots = price(case), partners(case, named), limits(case), stores(case), pv(case), driving(case)
    parts = saving(case), *slots, heat(case), tasks(case)
    said = [sentence for part in parts for sentence in part]
    if case.marginal is None:
        said.append(Sentence("Not known", _WITHOUT))
    return case, said


def text(case: Case, said: Sequence[Sentence]) -> str:
    """Return what is said as text, a paragraph for each sentence under its heading."""
    lines = [f"{shown(case.name)}, {case.when()}, {60 * case.hours:g} minutes"]
    for topic in dict.fromkeys(s.topic for s in said):
        lines += ["", topic, *(f"- {s.text}" for s in said if s.topic == topic)]
    return "\n".join(lines)


def facts(case: Case, said: Sequence[Sentence]) -> dict[str, Any]:
    """Return what is said for a machine."""
    return {
        "participant": case.name,
        "time": case.when(),
        "currency": str(case.tree.attrs["currency"]),
        "sentences": [{"topic": s.topic, "text": s.text, **s.figures} for s in said],
    }


def _busiest(tree: xr.DataTree, who: int) -> int:
    """Return the slot in which a participant trades most with peers, or draws most if it never trades."""
    results = tree["results"].to_dataset()
    traded = results["peer_purchase"].values[who] + results["peer_sale"].values[who]
    return int(np.argmax(traded if traded.any() else results["draw"].values[who]))
