"""Files that a user names and that are not what they should be: one clear error each, and no waiting."""

import os
import signal

import pytest
from click.testing import CliRunner

from otonari.cli import main
from otonari.runs import text
from otonari.runs.ledger.format import canonical_json
from otonari.runs.store import atomic_file


@pytest.fixture
def otonari(tmp_path, monkeypatch):
    """Return a function that runs a command line in an empty folder and wants an exit code, within 20 s."""
    monkeypatch.chdir(tmp_path)

    def waited(number, frame):
        raise AssertionError("the command waits")

    def call(*arguments, code=2):
        before = signal.signal(signal.SIGALRM, waited)
        signal.alarm(20)
        try:
            result = CliRunner().invoke(main, [str(a) for a in arguments])
        finally:
            signal.alarm(0)
            signal.signal(signal.SIGALRM, before)
        assert result.exit_code == code, result.output
        return result

    return call


@pytest.mark.parametrize(
    "command",
    [
        "compare pipe.nc",
        "compare pipe.nc pipe.nc",
        "compare pipe.zarr",
        "compare pipes.zarr",
        "report pipe.nc",
        "report pipe.nc home-01",
        "clear pipe.nc",
        "clear pipe",
        "validate pipe.yaml",
        "sweep pipe.yaml",
        "exchange match pipe.csv",
        "forecast demand pipe.csv",
        "ledger check pipe",
        "ledger correct . pipe.nc",
        "ledger cosign . --key pipe",
    ],
)
def test_a_pipe_in_the_place_of_a_file_is_refused_at_once(otonari, command, tmp_path):
    for name in {word for word in command.split() if word.startswith("pipe")} - {"pipes.zarr"}:
        os.mkfifo(tmp_path / name)
    (tmp_path / "pipes.zarr").mkdir()
    os.mkfifo(tmp_path / "pipes.zarr" / ".zattrs")
    assert "pipe" in otonari(*command.split()).stderr


@pytest.mark.parametrize("name", ["run.nc", "page.md", "sums.csv"])
def test_nothing_is_written_in_the_place_of_a_pipe(tmp_path, name):
    os.mkfifo(tmp_path / name)
    with pytest.raises(atomic_file.RunFileError, match="not a file"):
        atomic_file.publish_text(tmp_path / name, "text")
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("letter", ["お", "a", "%", "/", "😀"])
@pytest.mark.parametrize("length", [1, 26, 27, 60, 180, 181, 1000])
def test_every_label_names_a_file(tmp_path, letter, length):
    """File systems take 255 bytes, the temporary name beside the file included."""
    label = canonical_json.label(letter * length)
    for ending in (".md", ".tlog-proof"):
        path = tmp_path / text.file_name(label, ending)
        assert path.parent == tmp_path
        assert path.name.endswith(ending)
        atomic_file.publish_text(path, label)
        assert path.read_text() == label


def test_no_two_labels_name_the_same_file():
    """Not by a common beginning, nor by a label that is called what another one's file is."""
    long = ["x" * n for n in range(170, 400)] + ["x" * 300 + letter for letter in "abc"]
    taken = [text.file_name(label, "") for label in long]
    spoofed = [text.file_name(name, "") for name in taken if "~" in name]
    assert len({*taken, *spoofed}) == len(taken) + len(spoofed)
