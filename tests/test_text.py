"""Text of plain values: aligned tables, JSON without what JSON lacks, and times."""

import json
import math

from otonari.runs.text import as_json, table, utc


def test_columns_are_as_wide_as_their_widest_cell_and_lines_have_no_trailing_space():
    lines = table(["", "kWh"], [["a long name", ""], ["b", "1,234.5"]]).split("\n")
    assert lines == ["                 kWh", "a long name", "b            1,234.5"]


def test_json_has_no_number_that_json_lacks():
    value = {1: (math.nan, math.inf), "nested": [{"x": -math.inf}], "kept": [0.1, 10**20, None, True, "näh"]}
    assert json.loads(as_json(value)) == {
        "1": [None, None],
        "nested": [{"x": None}],
        "kept": [0.1, 10**20, None, True, "näh"],
    }
    assert "näh" in as_json(value)


def test_a_time_is_utc_to_the_minute():
    assert utc(0) == "1970-01-01 00:00"
    assert utc(86_399) == "1970-01-01 23:59"
