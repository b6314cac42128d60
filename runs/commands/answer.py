"""What a command says, for people and for machines."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Answer:
    """What a command says: facts for a machine, a text for a person; lines of the rest go to stderr.

    ``notes`` go before the text, ``beside`` beside the facts, ``warnings`` after either. ``failed`` are the problems of
    an input that a command lists instead of its text.
    """

    facts: Any
    text: str
    notes: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
