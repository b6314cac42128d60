"""What runs/ledger/README.md gives to copy: verifiers that need nothing of this package, run against real ledgers."""

import re
import shutil
import subprocess
import sys
from importlib.resources import files

import pytest

from otonari.runs.ledger import administration, checkpoints, ledger
from otonari.runs.ledger.format import block_schema

from .books import KEY, OTHER, WITNESS, blocks_of, forge, lines_of, make, records
from .test_ledger_tampering import MANGLED

PAGE = (files("otonari.runs.ledger") / "README.md").read_text(encoding="utf-8")
PYTHON, *_ = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
SHELL, OPENSSL = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)


def needs(*programs):
    missing = [program for program in programs if not shutil.which(program)]
    return pytest.mark.skipif(
        bool(missing), reason=f"{', '.join(missing)} not installed: the recipe is not run"
    )


def python(book, *held):
    command = [sys.executable, "-I", "-c", PYTHON, str(book), *map(str, held)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def shell(book):
    return subprocess.run(["sh", "-c", SHELL], cwd=book, capture_output=True, text=True, check=False)


RECIPES = [
    pytest.param(python, id="python"),
    pytest.param(shell, id="shell", marks=needs("jq", "sha256sum", "sh")),
]


@pytest.fixture
def book(tmp_path):
    """Return a signed ledger with a correction, a cosignature and a rotation in it."""
    folder = make(tmp_path / "book", 5, KEY)
    ledger.commit(folder, records(2, energy=7), signer=KEY, correct=True)
    administration.rotate(folder, KEY, OTHER)
    administration.cosign(folder, WITNESS, [], first=True)
    return folder


def test_thirty_lines():
    assert len([line for line in PYTHON.splitlines() if line.strip()]) <= 30
    assert PYTHON.splitlines()[0] == "import base64, hashlib, json, sys"


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_good_ledger(book, tmp_path, recipe):
    for folder in (book, make(tmp_path / "plain", 1), make(tmp_path / "longer", 12)):
        done = recipe(folder)
        summary = ledger.verify(folder)
        assert done.returncode == 0, done.stdout + done.stderr
        assert done.stdout.startswith(f"good: {summary.count} blocks, head {summary.head}\n")
        if recipe is shell:
            assert f'"energy": {summary.totals["energy"]},' in done.stdout


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("case", MANGLED)
def test_a_mangled_ledger(tmp_path, recipe, case):
    folder = make(tmp_path / "book")
    (folder / ledger.NAME).write_bytes(b"".join(MANGLED[case](*lines_of(folder))))
    assert recipe(folder).returncode != 0


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_flipped_bit_here_and_there(tmp_path, recipe):
    path = make(tmp_path / "book", 1) / ledger.NAME
    good = path.read_bytes()
    for place in range(0, len(good), 37):
        path.write_bytes(good[:place] + bytes([good[place] ^ 1 << place % 8]) + good[place + 1 :])
        assert recipe(path.parent).returncode != 0


def test_older_checkpoints(tmp_path):
    folder, held = make(tmp_path / "book", 3, KEY), tmp_path / "held"
    shutil.copy(folder / checkpoints.OWN, held)
    ledger.commit(folder, records(7), signer=KEY)
    assert python(folder, held).returncode == 0
    blocks = blocks_of(folder)
    blocks[1]["totals"]["money"] = 0
    forge(folder, blocks, KEY)
    assert python(folder).returncode == 0
    assert "held: tree hash" in python(folder, held).stderr
    assert "blocks are missing" in python(make(tmp_path / "short", 1), held).stderr


@needs("openssl", "base64", "sed")
def test_the_signature(book):
    for signer, good in ((OTHER, True), (KEY, False)):
        script = f"set -e; vkey='{signer.key}'\n{OPENSSL}"
        done = subprocess.run(["sh", "-c", script], cwd=book, capture_output=True, text=True, check=False)
        assert (done.returncode == 0) == good, done.stdout + done.stderr


def test_the_page_names_every_key():
    """A second implementation must find every key of every kind there."""
    for kind, shape in block_schema.SHAPES.items():
        assert kind in PAGE
        for name, part in shape.items():
            assert f"`{name}`" in PAGE, (kind, name)
            for inner in part if isinstance(part, dict) else ():
                assert f"`{inner}`" in PAGE, (kind, inner)
