"""The command that begins a scenario."""

from pathlib import Path

from ...data.loading import scenario, sharing_template, town
from ..store import atomic_file
from .answer import Answer

HOMES, SEED = 1000, 1
"""Of a town, where nothing else is asked for."""


def init(directory: Path, template: str, homes: int | None = None, seed: int | None = None) -> Answer:
    """Write the files of a template into a folder: of a bundled scenario, or of what is made on the spot."""
    command = "clear"
    if template == town.NAME:
        files = town.files(homes or HOMES, SEED if seed is None else seed)
    elif template == sharing_template.NAME:
        files = sharing_template.files(sharing_template.SEED if seed is None else seed)
        command = "settle"
    else:
        files = scenario.template_files(template)
    written = atomic_file.write_new(directory, files)
    lines = [*(f"wrote {path}" for path in written), f"next: otonari {command} {directory}"]
    return Answer([str(path) for path in written], "\n".join(lines))
