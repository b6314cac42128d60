"""otonari: clear and plan local peer-to-peer electricity markets.

The names below are the public face. Each is imported when it is first used: ``import otonari`` is quick.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .data.assembly.inputs import build_inputs
    from .data.loading.scenario import load_scenario
    from .model.clearing import community_block
    from .model.hosts.pypsa_network import to_pypsa
    from .model.sharing.allocation import allocate
    from .model.solver.solve import solve
    from .runs.clear.block import settle_block
    from .runs.clear.single import clear
    from .runs.compare import compare
    from .runs.report.plots import plot
    from .runs.settle.run import settle
    from .runs.store.run_file import open_run

    __version__: str

__all__ = [
    "allocate",
    "build_inputs",
    "clear",
    "community_block",
    "compare",
    "load_scenario",
    "open_run",
    "plot",
    "settle",
    "settle_block",
    "solve",
    "to_pypsa",
]

_HOMES = {
    "load_scenario": ".data.loading.scenario",
    "build_inputs": ".data.assembly.inputs",
    "clear": ".runs.clear.single",
    "open_run": ".runs.store.run_file",
    "compare": ".runs.compare",
    "community_block": ".model.clearing",
    "solve": ".model.solver.solve",
    "settle": ".runs.settle.run",
    "settle_block": ".runs.clear.block",
    "allocate": ".model.sharing.allocation",
    "to_pypsa": ".model.hosts.pypsa_network",
    "plot": ".runs.report.plots.plot",
}

_MODULES = ("plot",)
"""Names that stand for a module."""

if not TYPE_CHECKING:  # else a type checker would take any misspelt name for a public one

    def __getattr__(name: str) -> object:
        if name == "__version__":
            from importlib.metadata import version

            return version("otonari")
        if name not in _HOMES:
            raise AttributeError(f"module 'otonari' has no attribute {name!r}")
        from importlib import import_module

        home = import_module(_HOMES[name], __name__)
        return home if name in _MODULES else getattr(home, name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__, "__version__"])
