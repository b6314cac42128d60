"""What a command says, for people and for machines."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Answer:
    """What a command says: facts for a machine, a text for a person."""

    facts: Any
    text: str
