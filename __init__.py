"""otonari: clear and plan local peer-to-peer electricity markets.

The names below are the public face. Each is imported when it is first used: ``import otonari`` is quick.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .data.assembly.inputs import build_inputs
    from .data.loading.scenario import load_scenario
    from .model.clearing import community_block
    from .runs.clear.single import clear
    from .runs.compare import compare
    from .runs.store.run_file import open_run

__all__ = ["build_inputs", "clear", "community_block", "compare", "load_scenario", "open_run"]

_HOMES = {
    "load_scenario": ".data.loading.scenario",
    "build_inputs": ".data.assembly.inputs",
    "clear": ".runs.clear.single",
    "open_run": ".runs.store.run_file",
    "compare": ".runs.compare",
    "community_block": ".model.clearing",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("otonari")
    if name not in _HOMES:
        raise AttributeError(f"module 'otonari' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name], __name__), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__, "__version__"])
