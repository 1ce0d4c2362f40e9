"""One run of the demonstration for all tests that look at what it left."""

import os
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from tests.kit.e2e.demo_folder import DemoFolder
from tests.kit.e2e.leftovers import MARK, ROOT, files_of_checkout


@pytest.fixture(scope="session")
def demo_run(anvil_binary: Path, tmp_path_factory: pytest.TempPathFactory) -> DemoFolder:
    """The demonstration, played once to its end as anybody would, but with an empty home and temporary folder."""
    base = tmp_path_factory.mktemp("demo")
    folder, private, mark = base / "demo-out", base / "private", uuid.uuid4().hex
    for name in ("home", "tmp", "work"):
        (private / name).mkdir(parents=True)
    environment = {
        **os.environ,
        MARK: mark,
        "HOME": str(private / "home"),
        "TMPDIR": str(private / "tmp"),
        "PYTHONPATH": str(ROOT),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    before = files_of_checkout()
    ended = subprocess.run(
        [sys.executable, "-m", "cli", "devnet", "--demo", "--output-dir", str(folder)],
        cwd=private / "work",
        env={name: value for name, value in environment.items() if not name.startswith("XDG_")},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    appeared = files_of_checkout() - before
    return DemoFolder(folder, ended.returncode, ended.stdout, ended.stderr, mark, private, appeared)
