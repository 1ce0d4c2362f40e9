"""The client in TypeScript: its own tests pass, and its packages are locked by hash and name no registry."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from devnet.toolchain import BROWSER, CLIENT, node_path

VECTORS = Path(__file__).parents[2] / "docs" / "reference" / "signing-vectors.json"
LOCK = json.loads((CLIENT / "package-lock.json").read_bytes())["packages"]
FILES = sorted((CLIENT / "test").glob("*.test.mjs"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_its_own_tests_pass(file: Path) -> None:
    done = subprocess.run(
        [str(node_path()), "--test", "--test-reporter=tap", str(file)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "VECTORS": str(VECTORS)},
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    counts = dict(re.findall(r"^# (tests|pass|fail|skipped|todo) (\d+)$", done.stdout, re.M))
    assert counts["tests"] == counts["pass"]
    assert int(counts["tests"]) > 20


def test_every_file_of_tests_is_run() -> None:
    assert [file.name for file in FILES] == ["signing.test.mjs", "streams.test.mjs", "talking.test.mjs"]


def test_packages_are_locked_by_hash_and_by_no_registry() -> None:
    assert all("resolved" not in entry for entry in LOCK.values())
    assert all(entry["integrity"].startswith("sha512-") for name, entry in LOCK.items() if name)


def test_packages_are_those_of_the_verifier() -> None:
    """One version of each library in both."""
    verifier = json.loads((BROWSER / "package-lock.json").read_bytes())["packages"]
    assert all(verifier[name] == entry for name, entry in LOCK.items() if name)


def test_what_is_built_is_typed() -> None:
    types = (CLIENT / "build" / "types" / "src" / "client.d.ts").read_text()
    assert "settle(request: RequestBody" in types
