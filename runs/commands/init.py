"""The command that begins a scenario."""

from pathlib import Path

from ...data.loading import scenario, town
from ..store import atomic_file
from .answer import Answer

HOMES, SEED = 1000, 1
"""Of a town, where nothing else is asked for."""


def init(directory: Path, template: str, homes: int | None = None, seed: int | None = None) -> Answer:
    """Write the files of a template into a folder: those of a bundled scenario, or of a town made on the spot."""
    if template == town.NAME:
        files = town.files(homes or HOMES, SEED if seed is None else seed)
    else:
        files = scenario.template_files(template)
    written = atomic_file.write_new(directory, files)
    lines = [*(f"wrote {path}" for path in written), f"next: otonari clear {directory}"]
    return Answer([str(path) for path in written], "\n".join(lines))
