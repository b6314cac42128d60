"""Records of a run in chunks: those of the same run in one piece, whatever the order and the regions of its parts."""

from dataclasses import replace

import numpy as np
import pytest

from otonari.runs.ledger import ledger, reader, records, records_by_region

from .books import contents
from .test_ledger import run_tree

ORDER = {"participant": ["a", "b"], "battery": ["cell"], "vehicle": ["car"]}


def market(tree):
    tree.attrs = {"market": "p2p", "market_id": "street", "otonari_version": "0.1.0", "currency": "JPY"}
    return tree


def backwards():
    """Return the run with its participants in the order of the regions, which is not that of the scenario."""
    tree = run_tree()
    groups = {name: tree[name].to_dataset() for name in ("inputs", "results", "trades")}
    for name in ("inputs", "results"):
        groups[name] = groups[name].isel(participant=[1, 0])
    return market(type(tree).from_dict({f"/{name}": group for name, group in groups.items()}))


def test_records_are_in_the_order_of_the_scenario(tmp_path):
    records_by_region.write_shares(backwards(), tmp_path / "shares")
    found = list(records_by_region.of_regions(backwards(), [tmp_path / "shares"], ORDER))
    assert found == records.of_run(market(run_tree()))
    assert [path.name for path in tmp_path.iterdir()] == ["shares"]


@pytest.fixture
def parts(tmp_path, monkeypatch):
    """Return the files of two regions of one home each; the first holds all trades."""
    whole, paths = list(records.shares(backwards())), []
    for region in (0, 1):
        split = [
            replace(
                share,
                trades=[] if region else share.trades,
                grid={name: [values[region]] for name, values in share.grid.items()},
                uses={name: [values[region]] for name, values in share.uses.items()},
            )
            for share in whole
        ]
        monkeypatch.setattr(records, "shares", lambda tree, split=split: iter(split))
        paths.append(tmp_path / f"region {region}")
        records_by_region.write_shares(backwards(), paths[-1])
    monkeypatch.undo()
    return paths


def test_regions_are_joined_to_the_slots_of_the_whole(parts):
    found = list(records_by_region.of_regions(backwards(), parts, ORDER))
    assert found == records.of_run(market(run_tree()))


def test_a_run_in_chunks_is_committed_as_in_one_piece(parts, tmp_path):
    book = tmp_path / "book"
    done = records_by_region.commit(backwards(), parts, ORDER, book, None)
    assert (done.added, done.already) == (2, 0)
    assert ledger.verify(book, private=True).head == done.head
    assert ledger.commit(book, records.of_run(market(run_tree()))).already == 2
    again = records_by_region.commit(backwards(), parts, ORDER, book, None)
    assert (again.added, again.already, again.head, again.checkpoint) == (0, 2, done.head, done.checkpoint)


def test_a_ledger_is_verified_once_a_run(parts, tmp_path, monkeypatch):
    """Not once a slot: looking for conflicts and committing go on from what was found."""
    book = tmp_path / "book"
    ledger.commit(book, records.of_run(market(run_tree()))[:1])
    verified, read = [], reader.read
    monkeypatch.setattr(reader, "read", lambda *a, **options: verified.append(1) or read(*a, **options))
    done = records_by_region.commit(backwards(), parts, ORDER, book, None)
    assert (done.added, done.already, len(verified)) == (1, 1, 1)


def test_a_conflict_in_a_later_slot_is_found_before_anything_is_written(parts, tmp_path):
    book = tmp_path / "book"
    other = records.cleared(run_tree(energy=0.4), "street", "otonari 0.1.0")
    ledger.commit(book, other[1:])
    before = contents(book)
    with pytest.raises(ledger.LedgerConflict) as caught:
        records_by_region.commit(backwards(), parts, ORDER, book, None)
    assert caught.value.slots == (other[1]["slot"],)
    assert contents(book) == before


def test_what_is_read_of_a_part_is_what_was_written(tmp_path):
    records_by_region.write_shares(backwards(), tmp_path / "shares")
    share, wanted = records_by_region._read(tmp_path / "shares", 1), list(records.shares(backwards()))[1]
    assert [tuple(trade) for trade in share.trades] == wanted.trades
    assert share.uses == wanted.uses
    for name, values in wanted.grid.items():
        np.testing.assert_array_equal(share.grid[name], values)
