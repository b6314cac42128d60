"""The kinds of failure of a ledger: what a program ends with, and what a person reads."""

import pytest

from otonari.runs.ledger.format import errors

KINDS = {
    errors.LedgerError: (2, ""),
    errors.LedgerTampered: (4, "ledger tampered"),
    errors.LedgerConflict: (5, "ledger conflict"),
    errors.LedgerLocked: (6, "ledger locked"),
    errors.LedgerTorn: (6, "ledger torn"),
}


@pytest.mark.parametrize("error", KINDS)
def test_every_kind_has_its_exit_code_and_its_name(error):
    assert (error.exit_code, error.kind) == KINDS[error]
    assert issubclass(error, errors.LedgerError)


def test_there_is_no_other_kind():
    assert {errors.LedgerError, *errors.LedgerError.__subclasses__()} == set(KINDS)


def test_what_a_forger_wrote_cannot_steer_a_terminal():
    error = errors.LedgerTampered("checkpoint", "origin", "a\x1b[2J\u202eb\n", 7)
    assert str(error) == "checkpoint: origin: got a\\x1b[2J\\u202eb\\n, want 7"
    assert (error.index, error.field, error.got, error.want) == (
        "checkpoint",
        "origin",
        "a\x1b[2J\u202eb\n",
        "7",
    )


def test_an_error_says_which_block_and_no_more_than_a_line():
    assert str(errors.LedgerTampered(3, "hash", "x" * 300, "y")).startswith("block 3: hash: got xxx")
    assert len(str(errors.LedgerTampered(3, "hash", "x" * 300, "y" * 300))) < 250


def test_a_conflict_names_its_slots():
    assert errors.LedgerConflict("two markets").slots == ()
    assert errors.LedgerConflict("other results", [1, 2]).slots == (1, 2)
