"""The page of a member in HTML: the bill first, in its language, with figures of the receipt, checked as bills are."""

import json
import shutil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otonari.data.problems import InputError
from otonari.runs.ledger.format.errors import LedgerError
from otonari.runs.report.bills import bill, check, issue
from otonari.runs.report.pages import member_page
from otonari.runs.report.pages.languages.phrases import FOLDER, MODEL, Phrases, phrases, shipped

from . import counts, pages
from .books import KEY
from .test_bill import NAMES, keep, otonari, street


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return keep(street(NAMES), tmp_path_factory.mktemp("street"))


@pytest.fixture(scope="module")
def issued(run):
    return issue.issue(run, issue.Request())


@pytest.mark.parametrize("language", shipped())
def test_the_bill_comes_first_in_every_language(issued, language):
    say = phrases(language)
    for name, receipt in issued.items():
        found = pages.read(member_page.write(receipt, say))
        assert found.faults == []
        it = bill.bill(receipt)
        money = f"{it.money(abs(it.to_pay))} {it.currency}"
        assert found.text.index(money) < found.text.index(say("Your period in figures"))
        assert (name in found.text) == (name != NAMES["site"])  # what turns a line round is spelled out
        assert it.receipt_name in found.text
        assert it.digest in found.text


def test_its_numbers_are_those_of_the_bill(issued):
    receipt = issued[NAMES["bert"]]
    it, found = bill.bill(receipt), pages.read(member_page.write(receipt, Phrases()))
    header, *rows = found.tables[""]  # the first table, in no figure
    assert header == ["item", "kWh", "JPY/kWh", "JPY", "ledger"]
    lines = {row[0].strip(): row[1:] for row in rows}
    for line in it.lines:
        wh = "" if line.wh is None else bill.amount_text(line.wh, 3)
        assert lines[line.label] == [wh, line.price(6, 2), it.money(it.shown(line)), line.mark]
    assert lines["to pay"][2] == "295"
    _, paid = found.table("What you pay, item by item")
    assert paid == {line.label: [it.shown(line)] for line in it.lines if it.shown(line)}
    _, energy = found.table("Your energy over time")
    leaves = [proof.leaf for proof in receipt.proofs]
    for row, leaf in zip(energy.values(), leaves, strict=True):
        want = [leaf["purchases"], leaf["grid_in"], -leaf["sales"], -leaf["grid_out"]]
        assert row == pytest.approx([wh / 1000 for wh in want])
    header, uses = found.table("Where your energy came from")
    names = [name.partition(",")[0] for name in header[1:]]
    for use, source, wh in it.sources:
        assert uses[use][names.index(source)] == pytest.approx(wh / 1000)


def test_every_phrase_is_called_something(issued):
    """All that pages ask of a language is in its file, but for names, and nothing else is."""
    known = json.loads((FOLDER / f"{MODEL}.json").read_text(encoding="utf-8"))
    asked, plain = set(), Phrases()

    def say(phrase, *values):
        asked.add(phrase)
        return plain(phrase, *values)

    say.language = "en"
    for receipt in issued.values():
        member_page.write(receipt, say)
    dear = bill.bill(issued[NAMES["bert"]])
    peak = member_page._peak(dear, "demand", 1000, 5_000_000, say)
    assert peak == "demand: 1,000 W charged, summed over months; one kW less at the peaks saves 5 JPY"
    assert asked - known.keys() == set()
    assert all(text.strip() for text in known.values())
    labels = {label for label, *_ in bill._OF_LEAVES.values()} | {
        *bill._LABELS.values(),
        *bill.PARTS.values(),
    }
    assert labels | {bill.PROVED, bill.ENERGY_PROVED, bill.STATED} <= known.keys()


def test_a_language_of_ones_own(tmp_path):
    known = json.loads((FOLDER / f"{MODEL}.json").read_text(encoding="utf-8"))
    path = tmp_path / "eo.json"
    path.write_text(json.dumps(known | {"To pay": "<Pagi>"}), encoding="utf-8")
    assert phrases(str(path))("To pay") == "<Pagi>"
    assert phrases(str(path)).language == "eo"
    del known["market"]
    path.write_text(json.dumps(known | {"{} slots": "slots", "To  pay": ""}), encoding="utf-8")
    with pytest.raises(InputError) as error:
        phrases(str(path))
    assert len(error.value.problems) == 3
    assert "did you mean 'To pay'?" in str(error.value)
    for wrong, want in (("[]", "object of texts"), ("{", "no JSON")):
        path.write_text(wrong, encoding="utf-8")
        with pytest.raises(InputError, match=want):
            phrases(str(path))
    with pytest.raises(InputError, match="en, ja, or a"):
        phrases("jp")


def test_the_household_checks_its_page(run, tmp_path):
    """Every language that is shipped; a figure that was altered is found, and what is around it is shown."""
    for language in shipped():
        folder = tmp_path / language
        otonari("report", run, NAMES["bert"], "-o", folder / "bill.html", "--language", language)
        path = folder / "bill.html"
        assert f'<html lang="{language}">' in path.read_text(encoding="utf-8")
        assert path.stat().st_mode & 0o777 == 0o600
        assert "4 slots" in otonari("ledger", "check", path, "--key", KEY.key).stdout
    text = path.read_text(encoding="utf-8").replace("<strong>295", "<strong>292")
    path.write_text(text, encoding="utf-8")
    told = otonari("ledger", "check", path, "--key", KEY.key, code=4).stderr
    assert "<strong>292" in told
    assert len(told) < 600


@settings(max_examples=counts.examples(60), derandomize=True, database=None, deadline=None)
@given(data=st.data())
def test_any_edit_of_the_page_is_seen(issued, tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("page")
    receipt = issued[NAMES["anna"]]
    (folder / bill.bill(receipt).receipt_name).write_bytes(receipt.packed())
    good = member_page.write(receipt, phrases("ja")).encode()
    assert check.check(folder / "bill.html", good, [KEY.key])
    place, length = data.draw(st.integers(0, len(good) - 1)), data.draw(st.integers(0, 3))
    altered = good[:place] + data.draw(st.binary(max_size=3)) + good[place + length :]
    if altered != good:
        with pytest.raises(LedgerError):
            check.check(folder / "bill.html", altered, [KEY.key])
    shutil.rmtree(folder)


def test_everybody_in_a_language(run, tmp_path):
    otonari("report", run, "--bills", "-o", tmp_path, "--language", "ja")
    assert len([*tmp_path.glob("*.html")]) == 3
    assert not [*tmp_path.glob("*.md")]
    for wrong in (["-o", tmp_path / "bill.md"], []):
        assert (
            "--language" in otonari("report", run, NAMES["bert"], "--language", "ja", *wrong, code=2).stderr
        )
    assert "only bills" in otonari("report", run, "--language", "ja", code=2).stderr
