"""Bytes of regular files, text and cells of CSV files, and tables of rows."""

import hashlib
import os

import pytest
from pydantic import BaseModel, Field

from otonari.data.files import csv_table, csv_text
from otonari.data.files.regular_file import content, sha256
from otonari.data.problems import InputError, Problem, several


class Home(BaseModel):
    """A row of the table under test."""

    home: str = Field(description="label of the home")
    persons: float = Field(default=2.0, description="persons who live there")


def problems(call, *arguments):
    with pytest.raises(InputError) as caught:
        call(*arguments)
    return list(caught.value.problems)


def test_only_a_regular_file_is_read(tmp_path):
    path = tmp_path / "f"
    path.write_bytes(b"12345")
    assert content(path, "text", 5) == b"12345"
    assert sha256(path) == hashlib.sha256(b"12345").hexdigest()
    assert problems(content, path, "text", 4) == [Problem(str(path), "", "file", "5 bytes", "at most 4")]
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    assert problems(content, pipe, "text")[0].got == "a device or a pipe"
    assert problems(content, tmp_path / "none", "a table")[0].want == "a table"
    assert problems(content, tmp_path / "a\0b", "text")[0].got == "a path with a NUL character"


def test_another_encoding_is_named(tmp_path):
    path = tmp_path / "f.csv"
    path.write_bytes("time,家\n".encode("cp932"))
    assert csv_text.read_text(path, "cp932") == "time,家\n"
    (problem,) = problems(csv_text.read_text, path)
    assert (problem.row, problem.got) == ("1", "bytes that are not utf-8")
    assert problem.want == "text in utf-8 (or encoding: cp932, which it can be read in)"
    assert problems(csv_text.read_text, path, "utf-9")[0].want == "an encoding such as utf-8 or cp932"
    path.write_bytes(b" \n")
    assert problems(csv_text.read_text, path)[0].got == "an empty file"


def test_records_carry_their_lines():
    text = 'made by a logger\n\n# a comment\nhome,note\na,"two\nlines"\n\nb,one\n'
    records = list(csv_text.records("F", text, skip_rows=1))
    assert records == [(4, ["home", "note"]), (5, ["a", "two\nlines"]), (8, ["b", "one"])]
    (problem,) = problems(list, csv_text.records("F", "home;note\n"))
    assert problem.want == "columns (separator: ';'?)"
    assert problems(list, csv_text.records("F", "# nothing else\n"))[0].got == "no header"


def test_a_table_leaves_blank_cells_out_and_keeps_lines(tmp_path):
    path = tmp_path / "homes.csv"
    path.write_text("Home;persons\na;2,5\nb;\nc\n")
    table, wrong = csv_table.read(path, Home, ";", ",", rename={"Home": "home"})
    assert table.rows == [{"home": "a", "persons": "2.5"}, {"home": "b"}]
    assert (table.lines, table.complete, table.known) == ([2, 3], False, True)
    assert wrong == [Problem(str(path), "4", "row", "1 cells", "2, as in the header")]
    rows = csv_table.rows(path, Home, ";", ",", rename={"Home": "home"})
    assert [next(rows), next(rows)] == table.rows
    assert problems(next, rows) == wrong


def test_a_table_of_other_columns_is_not_known(tmp_path):
    path = tmp_path / "homes.csv"
    path.write_text("hom,persons,persons\na,1,2\n")
    table, wrong = csv_table.read(path, Home)
    assert not table.known
    assert [(p.field, p.got) for p in wrong] == [
        ("hom", "an unknown column 'hom' (did you mean 'home'?)"),
        ("persons", "2 columns 'persons'"),
    ]


def test_problems_of_one_kind_are_listed_five_times_and_then_counted():
    entries = [(row, "x") for row in range(2, 10)]
    listed = list(several("F", "a", entries, "a number"))
    assert [p.row for p in listed] == ["2", "3", "4", "5", "6", "~"]
    assert listed[-1].got == "3 more rows like these, to row 9"
