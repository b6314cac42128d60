"""The reference of the public names and of the variables of Datasets, as a page, from docstrings and tables."""

import ast
import inspect
import textwrap
from collections.abc import Iterable
from types import ModuleType
from typing import Any

import xarray as xr

from ...data.inputs.variables import REQUIRED, TABLE, Variable

GROUPS = {
    "results": "What was decided, of who trades and what stands behind meters",
    "trades": "Who sold to whom, a row per seller, buyer and slot",
    "settlement": "What everybody pays and gets, and where energy came from",
    "marginal": "What one more unit is worth",
    "network": "A power flow, where `otonari grid` has added one",
    "forecast": "What was forecast of all members together, of a simulation",
    "order_book": "The ladders of the orders of every slot, of a simulation on the exchange",
    "allocation": "A settled month, in whole Wh and units of money",
}
"""Groups of a run on the page, in their order; what is said of each."""


def reference(face: ModuleType, runs: Iterable[xr.DataTree]) -> str:
    """Return the reference as Markdown.

    Parameters
    ----------
    face : ModuleType
        The package, whose ``__all__`` names what is public.
    runs : iterable of DataTree
        Runs whose groups are described: a variable is on the page where one of them has it.
    """
    public = [_of_name(name, getattr(face, name)) for name in sorted(face.__all__)]
    return "\n".join(
        [
            "# Reference",
            "",
            "Written by `python -m tests.reference` from docstrings, the variable table and runs; tests hold it so.",
            "",
            "## Public names",
            "",
            *public,
            "## Inputs",
            "",
            "The variable table: `otonari.build_inputs` returns them, clearings read them. A `label` names an entry of",
            "another dimension. Without a default a variable must be given; `absent`: it may be, and stands for that.",
            "",
            *_table(
                ("variable", "dims", "unit", "default", "meaning"),
                [_of_input(name, row) for name, row in TABLE.items()],
            ),
            "",
            *_groups(runs),
        ]
    )


def _of_name(name: str, thing: object) -> str:
    """Return a public function with its signature and docstring; a module with those of its functions."""
    if inspect.ismodule(thing):
        own = [_of_name(f"{name}.{part}", getattr(thing, part)) for part in thing.__all__]
        return "\n".join(
            [f"### otonari.{name}", "", (inspect.getdoc(thing) or "").split("\n\n")[0], "", *own]
        )
    signature = f"otonari.{name}{_signature(thing)}"
    return "\n".join(
        [f"### otonari.{name}", "", "```text", signature, "", inspect.getdoc(thing) or "", "```", ""]
    )


def _signature(function: Any) -> str:
    """Return the parameters of a function as its source has them: how types are shown depends on their libraries."""
    (node,) = ast.parse(textwrap.dedent(inspect.getsource(function))).body
    if not isinstance(node, ast.FunctionDef):
        raise TypeError(f"{function}: want a function")
    returned = "" if node.returns is None else f" -> {ast.unparse(node.returns)}"
    return f"({ast.unparse(node.args)}){returned}"


def _of_input(name: str, row: Variable) -> tuple[str, ...]:
    """Return the cells of a row of the variable table."""
    default = "" if row.default is REQUIRED else str(row.default)
    if row.default is None:
        default = "absent" if row.absent is None else f"absent: {row.absent}"
    if isinstance(row.default, tuple):
        default = "least of " + ", ".join(f"`{other}`" for other in row.default)
    return (
        f"`{name}`",
        ", ".join(row.dims),
        row.unit.replace("{", "").replace("}", ""),
        default,
        row.long_name,
    )


def _groups(runs: Iterable[xr.DataTree]) -> list[str]:
    """Return the tables of the groups of runs."""
    found: dict[str, dict[str, tuple[str, ...]]] = {name: {} for name in GROUPS}
    for tree in runs:
        money = str(tree.attrs["currency"])
        for group in (name for name in GROUPS if name in tree.children):
            for name, array in tree[group].data_vars.items():
                unit = str(array.attrs.get("units", "")).replace(money, "currency")
                text = str(array.attrs.get("long_name", ""))
                found[group].setdefault(str(name), (f"`{name}`", ", ".join(map(str, array.dims)), unit, text))
    lines = []
    for group, rows in found.items():
        if rows:
            lines += [f"## Group `{group}`", "", f"{GROUPS[group]}.", ""]
            lines += [*_table(("variable", "dims", "unit", "meaning"), list(rows.values())), ""]
    return lines


def _table(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> list[str]:
    """Return a table as Markdown."""
    cells = [header, tuple("---" for _ in header), *rows]
    return ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in cells]
