"""Options and fixtures shared by tests."""

import gc
import os
from pathlib import Path

import pytest

from . import counts
from .books import KEY, make

counts.register_profiles()
gc.disable()  # imports and thousands of tests leave little to collect: looking for it is a third of the time they take


def pytest_addoption(parser):
    parser.addoption("--update-golden", action="store_true", help="write the golden files anew")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config):
    """Run test files that are named in this process, which starts sooner; anything else on all cores (None)."""
    return 0 if all(Path(name.split("::")[0]).is_file() for name in config.args) else None


def pytest_collection_finish():
    """Collect garbage from now on, but not among what stays to the end."""
    gc.freeze()
    gc.enable()


@pytest.fixture
def golden(request):
    """Return a function that compares a text with a golden file, or writes it under ``--update-golden``."""
    folder = Path(__file__).parent / "golden"

    def compare(name, text):
        path = folder / name
        if request.config.getoption("--update-golden"):
            path.write_text(text, encoding="utf-8")
        assert text == path.read_text(encoding="utf-8")

    return compare


@pytest.fixture(scope="session")
def real_data():
    """Return the folder of real data, or skip with the reason."""
    folder = os.environ.get("OTONARI_REAL_DATA")
    if not folder:
        pytest.skip("OTONARI_REAL_DATA is not set: no real data here")
    return Path(folder)


@pytest.fixture(scope="session")
def cluster():
    """Return the Dask cluster of all tests that leave it alive: its processes take seconds to start."""
    from .clusters import local

    with local(workers=2) as made:
        yield made


@pytest.fixture(scope="session", autouse=True)
def no_wait_for_the_disk():
    """Let ``fsync`` return at once: tests kill processes, never the machine."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda file: None)
        yield


@pytest.fixture(scope="session")
def cleared():
    """Return the runs that are remembered, by what was cleared."""
    return {}


@pytest.fixture
def remembered(cleared, monkeypatch):
    """Clear a scenario once for all tests that ask for this: they are about what then becomes of the run."""
    from otonari.data.loading.scenario import digest
    from otonari.runs.clear import single

    clear = single.cleared

    def again(scenario, market, **options):
        what = digest(scenario), market
        if what not in cleared:
            cleared[what] = clear(scenario, market, **options)
        return cleared[what].copy(deep=True)

    monkeypatch.setattr(single, "cleared", again)


@pytest.fixture
def book(tmp_path):
    """Return a ledger of two slots that nobody signs."""
    return make(tmp_path / "book")


@pytest.fixture
def signed(tmp_path):
    """Return a ledger of two slots signed by KEY."""
    return make(tmp_path / "signed", signer=KEY)
