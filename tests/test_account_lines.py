"""The table of account lines: every line is settled, checked and described, and the bill adds up by it."""

import ast
import inspect

import pytest

from otonari.model.checks.run import check
from otonari.model.settlement import account_lines
from otonari.model.settlement.account_lines import LINES, MONEY, OPTIONAL, SHARES, SIGNS, TOTALS, statement
from otonari.model.settlement.unpaid import SIGNS as BESIDE

from . import neighbourhood


@pytest.fixture(scope="module")
def run():
    return neighbourhood.run()


@pytest.mark.thorough
@pytest.mark.parametrize("name", LINES)
def test_the_checks_hold_every_line(run, name):
    """A line that no check computes again could hold any amount."""
    groups = [run[group].copy(deep=True) for group in ("inputs", "results", "trades", "settlement")]
    settlement = groups[-1]
    assert judged(groups) == []
    line = settlement[name] if name not in OPTIONAL else 0 * settlement["bill"]
    settlement[name] = line.fillna(0) + 2
    assert judged(groups)


def judged(groups):
    """Return the violations but for those of equilibrium, which nobody looked for on paper."""
    found = check(*groups, grid_only=neighbourhood.grid_only())
    return [violation for violation in found if not violation.check.startswith("price ")]


def test_a_line_has_the_unit_and_the_text_of_its_row(run):
    for name, line in LINES.items():
        if name in OPTIONAL:  # of contracts with components, see test_contracts
            assert name not in run["settlement"]
            continue
        unit = "JPY" if line.unit == "currency" else line.unit
        assert run["settlement"][name].attrs == {"long_name": line.text, "units": unit}


def test_what_enters_the_bill_has_one_sign_and_no_line_is_counted_twice():
    assert list(SIGNS.values()) == sorted(SIGNS.values(), reverse=True)
    for name, line in LINES.items():
        assert line.sign in (1, 0, -1)
        assert not line.part_of or (line.sign == 0 and LINES[line.part_of].sign)
        beside = name in BESIDE  # nobody pays it
        assert bool(line.sign or line.part_of or beside or name in TOTALS) == (line.unit == "currency"), name


def test_a_page_shows_all_money_and_parts_under_what_they_are_part_of():
    lines = list(statement())
    assert sorted(lines) == sorted(set(MONEY) - set(BESIDE))
    at = lines.index("peer_cost")
    assert lines[at : at + 3] == ["peer_cost", "network_fee", "congestion_rent"]
    assert all(line.label for line in statement().values())
    assert all(line.label and line.measure for line in SHARES.values())


def test_the_table_is_data():
    """The checks read it, and know nothing else of the model: so it must know nothing of the model itself."""
    nodes = ast.walk(ast.parse(inspect.getsource(account_lines)))
    imported = [ast.unparse(n) for n in nodes if isinstance(n, ast.Import | ast.ImportFrom)]
    assert imported == ["from dataclasses import dataclass"]
