"""The command that begins a scenario."""

import re
from collections.abc import Mapping
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from ...data.loading import feeder_template, scenario, sharing_template, town
from ...data.problems import InputError, Problem, shown
from ...data.schema.values import Name
from ..settle import of_run
from ..store import atomic_file
from .answer import Answer

HOMES, SEED = 1000, 1
"""Of a town, where nothing else is asked for."""


def init(
    directory: Path,
    template: str,
    homes: int | None = None,
    seed: int | None = None,
    name: str | None = None,
    feeder: Path | None = None,
    settles: Path | None = None,
) -> Answer:
    """Write the files of a template into a folder: of a bundled scenario, or of what is made on the spot.

    With ``feeder`` they are a scenario on the network of that file, with ``settles`` a settlement of that run. They
    clear as ``name``, by default as the template does; raises :class:`InputError` where it is none, or the network
    cannot be read, and :class:`RunFileError` where the run is none of peers that trade.
    """
    command = "clear"
    notes: tuple[str, ...] = ()
    if feeder is not None:
        files, notes = feeder_template.files(feeder)
    elif settles is not None:
        files, command = of_run.files(settles), "settle"
    elif template == town.NAME:
        files = town.files(homes or HOMES, SEED if seed is None else seed)
    elif template == sharing_template.NAME:
        files = sharing_template.files(sharing_template.SEED if seed is None else seed)
        command = "settle"
    else:
        files = scenario.template_files(template)
    written = atomic_file.write_new(directory, files if name is None else _named(files, name))
    lines = [*(f"wrote {path}" for path in written), f"next: otonari {command} {directory}"]
    told = tuple(shown(f"note: {note}") for note in notes)
    return Answer([str(path) for path in written], "\n".join(lines), notes=told)


def _named(files: Mapping[str, bytes], name: str) -> dict[str, bytes]:
    """Return files of which the scenario, or settlement, has another name."""
    try:
        TypeAdapter(Name).validate_python(name)
    except ValidationError as error:
        want = "letters, digits, . _ -, beginning with a letter or digit"
        raise InputError([Problem("init", "", "--name", repr(name), want)]) from error
    line = f'name: "{name}"'.encode()
    return {
        path: re.sub(rb"(?m)^name:.*$", line, content, count=1) if path.endswith(".yaml") else content
        for path, content in files.items()
    }
