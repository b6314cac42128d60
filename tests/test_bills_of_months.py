"""Bills over several runs: local months, who joins on the way, corrections of what was billed before, settled months."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from otonari.runs import archive
from otonari.runs.ledger.format.errors import LedgerError, LedgerTampered
from otonari.runs.report.bills import bill, issue, page, receipt, sources
from otonari.runs.store import netcdf

from .settlements import written
from .test_bill import amounts, dearer, otonari, sections_of, street


@pytest.fixture(scope="module", autouse=True)
def opened_once():
    """Open a run once for all bills of it, as long as its file is the same: most of what they cost here."""
    known = {}

    def opened(path):
        state = path.stat()
        key = (path, state.st_mtime_ns, state.st_size)
        if key not in known:
            known[key] = archive.open_recorded(path)
        return known[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sources, "archive", SimpleNamespace(open_recorded=opened))
        yield


def at(tree, start):
    """Return a run of four hours as if it had begun at another time, a folder's name for it."""
    shift = np.datetime64(start, "ns") - tree["inputs"]["time"].values[0]
    for group in tree.children.values():
        dataset = group.to_dataset()
        moved = {
            n: v.copy(data=v.values + shift) for n, v in dataset.variables.items() if v.dtype.kind == "M"
        }
        group.dataset = dataset.assign(
            {n: v for n, v in moved.items() if n not in dataset.coords}
        ).assign_coords({n: v for n, v in moved.items() if n in dataset.coords})
    return tree


def recorded(folder, name, tree):
    """Store a run, and commit it to the one ledger of its market."""
    return archive.store(tree, folder / name, folder / "ledger", None).path


def made(source, month="", before=None, who="bert"):
    (one,) = issue.issue(source, issue.Request([who], month, before)).values()
    return bill.bill(receipt.read(one.content, "x"))


@pytest.fixture(scope="module")
def market(tmp_path_factory):
    """Return a folder with three runs: over the end of June, on the first of July, and later, with carl for bert."""
    folder = tmp_path_factory.mktemp("market")
    recorded(folder, "a.nc", at(street(), "2025-06-30T22:00"))
    recorded(folder, "b.nc", at(street(), "2025-07-01T02:00"))
    recorded(folder, "c.nc", at(street({"bert": "carl"}), "2025-07-15T00:00"))
    return folder


def test_a_month_over_several_runs_and_a_run_over_two_months(market):
    """June has half of the first run; all lines of June and July add up to those of the two runs."""
    june, july = (made(market, month) for month in ("2025-06", "2025-07"))
    assert (june.slots, july.slots) == (2, 6)
    assert [f"{start:%d %H} {end:%d %H}" for start, end in july.spans] == ["01 00 01 06"]
    whole = [made(market / name) for name in ("a.nc", "b.nc")]
    for lines in ("lines", "borne"):
        sums = [{}, {}]
        for total, ones in zip(sums, ((june, july), whole), strict=True):
            for line in (line for one in ones for line in getattr(one, lines)):
                total[line.name] = total.get(line.name, 0) + line.amount
        assert sums[0] == pytest.approx(sums[1], abs=4), lines
    assert june.co2_grams + july.co2_grams == sum(one.co2_grams for one in whole)
    assert [line.name for line in june.gains] == []  # of a part of a run it is not known
    everything = made(market)
    assert everything.slots == 8
    assert [line.name for line in everything.gains] == ["saving"]


def test_who_joins_on_the_way_has_one_bill_from_then_on(market):
    carl, anna = made(market, "2025-07", who="carl"), made(market, "2025-07", who="anna")
    assert (carl.slots, anna.slots) == (4, 10)
    assert [f"{start:%d %H} {end:%d %H}" for start, end in anna.spans] == ["01 00 01 06", "15 00 15 04"]
    assert "01 00:00 to 2025-07-01 06:00, 2025-07-15 00:00 to" in page.write(anna)
    said = otonari("report", market, "carl", "--month", "2025-06", code=2).stderr
    assert "one with recorded slots in 2025-06" in said
    everybody = json.loads(otonari("report", market, "--bills", "--month", "2025-06", "--json").stdout)
    assert set(everybody) == {"anna", "bert", "site"}


def test_every_recorded_slot_must_be_in_a_run(market, tmp_path):
    for name in ("a.nc", "c.nc"):
        (tmp_path / name).write_bytes((market / name).read_bytes())
    said = otonari("report", tmp_path, "bert", "--ledger", market / "ledger", code=2).stderr
    assert "4 of 12 slots, the first is 2025-07-01 02:00 UTC" in said


def drawn_more():
    """Return the dearer street, in which bert also draws 1 kWh more of the retailer in the second hour, at 30 JPY."""
    tree = dearer()
    tree["results"]["grid_import"].loc[{"participant": "bert"}][1] += 1
    for name in ("grid_cost", "bill"):
        tree["settlement"][name] = tree["settlement"][name] + [0, 30, 0]
    return tree


def _without(part, mark):
    return b"\n".join(line for line in part.split(b"\n") if mark not in line)


FORGED = {
    "without the reversals": lambda p: [p[0], _without(p[1], b'"kind":"correction"'), *p[2:]],
    "without what was before": lambda p: [
        p[0],
        _without(p[1], b'"index":1,'),
        p[2].split(b"\n", 1)[1],
        *p[3:],
    ],
}


def test_a_correction_is_billed_once_in_the_bill_after_it(tmp_path):
    """See `dearer`: anna gets 3.5 JPY more and bert pays 2.2 more, and 30 to the retailer; the receipt has both."""
    recorded(tmp_path, "july.nc", street())
    otonari("report", tmp_path, "--bills", "--month", "2025-07", "-o", tmp_path / "07")
    netcdf.write_run(drawn_more(), tmp_path / "right.nc")
    said = otonari("ledger", "correct", tmp_path / "ledger", tmp_path / "right.nc").stdout
    assert ["bert", "3", "2.20", "JPY"] in [line.split() for line in said.splitlines()]
    recorded(tmp_path, "august.nc", at(street(), "2025-08-01T00:00"))
    told = otonari(
        "report", tmp_path, "--bills", "--month", "2025-08", "--after", tmp_path / "07", "-o", tmp_path / "08"
    )
    assert told.stdout.count("wrote") == 7
    before = sources.billed(tmp_path / "07")
    everybody = issue.issue(tmp_path, issue.Request((), "2025-08", before))
    bert = amounts(bill.bill(everybody["bert"]))
    corrections = {name: value for name, value in bert.items() if name.startswith("correction")}
    assert corrections == {
        "correction_2025-07": (None, 2_200_000),
        "correction_2025-07_retailer": (None, 30_000_000),
    }
    anna = bill.bill(everybody["anna"])
    assert [line.label for line in anna.lines if line.part == bill.CORRECTIONS] == [
        "correction of 2025-07-01"
    ]
    assert amounts(anna)["correction_2025-07"] == (None, -3_500_000)
    for forge in FORGED.values():
        with pytest.raises(LedgerTampered):
            receipt.read((b"\n\n".join(forge(sections_of(everybody["bert"]))),), "x")
    checkpoint = tmp_path / "ledger" / "checkpoint"
    otonari("ledger", "check", tmp_path / "08" / "bert.md", "--checkpoint", checkpoint)
    recorded(tmp_path, "september.nc", at(street(), "2025-09-01T00:00"))
    after = amounts(made(tmp_path, "2025-09", sources.billed(tmp_path / "08")))
    assert not any(name.startswith("correction") for name in after)
    (tmp_path / "july.nc").rename(tmp_path / "gone")
    with pytest.raises(LedgerError, match="no run holds what it had recorded before it was corrected"):
        made(tmp_path, "2025-08", before)


def test_whose_leaf_a_correction_leaves_as_it_was_has_no_line(tmp_path):
    recorded(tmp_path, "july.nc", street())
    otonari("report", tmp_path, "--bills", "-o", tmp_path / "07")
    tree = street()
    for group, name in (("inputs", "demand"), ("results", "grid_import")):  # one reading of one home
        tree[group][name].loc[{"participant": "bert"}][1] += 1
    netcdf.write_run(tree, tmp_path / "right.nc")
    told = json.loads(
        otonari("ledger", "correct", tmp_path / "ledger", tmp_path / "right.nc", "--json").stdout
    )
    assert (told["corrected"], told["already"]) == (1, 3)
    assert told["changed"] == {"bert": {"slots": 1, "amount": 0}}
    recorded(tmp_path, "august.nc", at(street(), "2025-08-01T00:00"))
    before = sources.billed(tmp_path / "07")
    issued = issue.issue(tmp_path, issue.Request((), "2025-08", before))
    changes = {who: len(receipt.read(one.content, "x").changes) for who, one in issued.items()}
    assert changes == {"anna": 0, "bert": 1, "site": 0}


def test_bills_before_these_have_receipts(market, tmp_path):
    said = otonari("report", market, "bert", "--after", tmp_path, code=2).stderr
    assert "there is no receipt of a bill" in said
    (tmp_path / "x.receipt.gz").write_bytes(b"nothing")
    otonari("report", market, "bert", "--after", tmp_path, code=4)


# settled months


def test_a_settled_month_comes_out_of_the_same_page(tmp_path, monkeypatch):
    """0.125 kWh shared at 0.12 EUR, 0.075 of the retailer at 0.2: 3 cents to pay, a correction on the next bill."""
    monkeypatch.chdir(tmp_path)
    time = {"start": "2026-06-30", "days": 2, "slot_minutes": 60, "time_zone": "Europe/Vienna"}
    written(tmp_path / "trio", readings=two_days(), time=time)
    otonari("settle", "trio", "--month", "2026-06")
    folder = tmp_path / "runs-out/trio"
    otonari("report", folder, "--bills", "--month", "2026-06", "-o", "06")
    one = made(folder, "2026-06", who="anna")
    assert amounts(one) == {"shared_bought": (125, 1_500_000), "grid_cost": (75, 1_500_000)}
    assert (one.money(one.to_pay), one.sellers) == ("0.03", (("plant", 125),))
    (tmp_path / "trio" / "late.csv").write_text("time,AT-anna\n2026-06-30T10:00,300\n2026-06-30T11:00,0\n")
    late = "corrections=[{path: late.csv, unit: Wh, time_zone: UTC}]"
    otonari("settle", "trio", "--set", late, "--correct")
    before = sources.billed(tmp_path / "06")
    july = amounts(made(folder, "2026-07", before, "anna"))
    old, new = (125, 75), (300 * 1000 // 1700, 300 - 300 * 1000 // 1700)
    assert july["correction_2026-06"] == (new[0] - old[0], (new[0] - old[0]) * 12_000)
    assert july["correction_2026-06_retailer"] == (None, (new[1] - old[1]) * 20_000)
    checkpoint = folder / "ledger" / "checkpoint"
    otonari("report", folder, "--bills", "--month", "2026-07", "--after", "06", "-o", "07")
    otonari("ledger", "check", "07/anna.md", "--checkpoint", checkpoint)


def two_days():
    from .settlements import noon

    first, second = noon(), noon(first="2026-06-30T22:00")
    return first + second.split("\n", 1)[1]
