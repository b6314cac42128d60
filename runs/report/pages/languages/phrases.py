"""Phrases of a member's page in several languages: English stands in the code, each other language is a file.

A language is a JSON object from every English phrase to what it is called, with as many ``{}``. This folder
holds those that are shipped; the path of another such file does as well.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain, zip_longest
from pathlib import Path

from .....data.files import regular_file
from .....data.problems import InputError, Problem, suggestion

FOLDER = Path(__file__).parent
MODEL = "ja"
"""The language whose phrases every other one must have, too."""
_LARGEST = 2**20


@dataclass(frozen=True)
class Phrases:
    """A language: its code, and what English phrases are called in it."""

    language: str = "en"
    said: dict[str, str] = field(default_factory=dict)

    def __call__(self, phrase: str, *values: object) -> str:
        """Return a phrase with values in the places of its ``{}``; what is no phrase, such as a name, as it is.

        >>> Phrases()("{} slots", 48)
        '48 slots'
        """
        parts = self.said.get(phrase, phrase).split("{}") if values else [self.said.get(phrase, phrase)]
        return "".join(chain(*zip_longest(parts, map(str, values), fillvalue="")))


def shipped() -> list[str]:
    """Return the codes of the languages that are shipped."""
    return ["en", *sorted(path.stem for path in FOLDER.glob("*.json"))]


def phrases(language: str = "en") -> Phrases:
    """Return the phrases of a language by its code, or by the path of its file, whose stem is its code.

    Raises
    ------
    InputError
        If there is no such language; with every phrase that its file lacks, has too much, or gives other ``{}``.
    """
    if language == "en":
        return Phrases()
    path = FOLDER / f"{language}.json" if language in shipped() else Path(language)
    if path.suffix != ".json":
        want = f"{', '.join(shipped())}, or a .json file of phrases{suggestion(language, shipped())}"
        raise InputError([Problem("--language", "", "language", repr(language), want)])
    said = _read(path)
    if problems := [*_problems(str(path), said, _read(FOLDER / f"{MODEL}.json"))]:
        raise InputError(problems)
    return Phrases(path.stem, said)


def _read(path: Path) -> dict[str, str]:
    data = regular_file.content(path, "a file of phrases", _LARGEST)
    try:
        said = json.loads(data)
    except ValueError as error:
        raise InputError(
            [Problem(str(path), "", "file", f"no JSON: {error}", "an object of phrases")]
        ) from None
    if not isinstance(said, dict) or not all(isinstance(text, str) for text in said.values()):
        raise InputError([Problem(str(path), "", "file", "something else", "a JSON object of texts")])
    return said


def _problems(path: str, said: dict[str, str], model: dict[str, str]) -> Iterator[Problem]:
    for phrase in model.keys() - said.keys():
        yield Problem(path, "", repr(phrase), "nothing", "what it is called")
    for phrase in said.keys() - model.keys():
        yield Problem(path, "", repr(phrase), "a phrase of no page", f"none{suggestion(phrase, model)}")
    for phrase in said.keys() & model.keys():
        if said[phrase].count("{}") != phrase.count("{}"):
            yield Problem(path, "", repr(phrase), repr(said[phrase]), f"{phrase.count('{}')} times {{}}")
