"""What is shown to newcomers works: the pictures of the page, and the program in `example`."""

import subprocess
from pathlib import Path

import pytest
from PIL import Image

from devnet.toolchain import BROWSER, node_path
from proofs.epoch.package import read_package
from tests.kit.proofs.browser_page import GOOD, write_screenshots

PICTURES = Path(__file__).resolve().parents[3] / "docs" / "images" / "verifier"
OPEN = 6
"""As `crossclear verify --strict` exits where a check is open or has failed."""


def test_the_script_writes_every_picture_that_is_committed(built_verifier: None, tmp_path: Path) -> None:
    write_screenshots(tmp_path)
    made = sorted(path.name for path in tmp_path.iterdir())
    assert made == sorted(path.name for path in PICTURES.iterdir())
    for name in made:
        with Image.open(tmp_path / name) as here, Image.open(PICTURES / name) as there:
            assert here.width == there.width, name
            assert len(here.convert("L").getcolors(256) or []) > 10, f"{name} shows something"


def example(file: Path, *trusted: str) -> tuple[int, list[str]]:
    """Exit code and lines of the program."""
    done = subprocess.run(
        [str(node_path()), "example/verify.mjs", str(file), *trusted],
        capture_output=True,
        text=True,
        cwd=BROWSER,
        check=False,
    )
    assert done.stderr == ""
    return done.returncode, done.stdout.splitlines()


def test_the_example_verifies_a_package_and_says_what_is_open(built_verifier: None) -> None:
    package = GOOD / "three-accounts.ccp"
    trusted = read_package(package.read_bytes()).validators.hash.hex()
    code, lines = example(package, trusted)
    assert (code, lines[-1]) == (OPEN, "VERIFIED IN PART")
    assert any(line.startswith("ok   ranges_and_rows ") for line in lines)
    assert any(line.startswith("open cover ") for line in lines)
    assert not any(line.startswith("FAIL ") for line in lines)


def test_the_example_refuses_a_package_of_another_set(built_verifier: None) -> None:
    code, lines = example(GOOD / "three-accounts.ccp", "11" * 32)
    assert (code, lines[-1]) == (OPEN, "NOT VERIFIED")
    assert any(line.startswith("FAIL certificate ") for line in lines)


@pytest.mark.parametrize("at", [0, -1])
def test_the_example_refuses_a_changed_package(built_verifier: None, tmp_path: Path, at: int) -> None:
    changed = bytearray((GOOD / "three-accounts.ccp").read_bytes())
    changed[at] ^= 1
    bad = tmp_path / "changed.ccp"
    bad.write_bytes(changed)
    code, lines = example(bad)
    assert (code, lines[-1]) == (OPEN, "NOT VERIFIED")
    assert any(line.startswith("FAIL ") for line in lines)
