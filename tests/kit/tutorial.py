"""A tutorial, run as a reader would: the commands of its pages, one after another, in one shell and an empty folder."""

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.kit.ports import free_ports

ROOT = Path(__file__).resolve().parents[2]
PAGES = ROOT / "docs" / "tutorials"
ENDS_ALL = "trap 'kill $(jobs -p) 2> kill.log; wait' EXIT\nset -eu -m\n"
"""Job control, so that `%?node3/` is the job with that in its command, as in a terminal."""


def commands_of(page: str) -> str:
    """All commands of a page, in order."""
    text = (PAGES / page).read_text(encoding="utf-8")
    return "".join(re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL))


def follow(folder: Path, pages: Sequence[str], ports: Sequence[int], extra: dict[str, str] | None = None) -> str:
    """Run the pages in `folder / "empty"` and give what they printed. `ports`: those that they name, each replaced by a
    free one. `extra`: environment."""
    script = "".join(f"echo '== {page}'\n{commands_of(page)}" for page in pages)
    for port, free in zip(ports, free_ports(len(ports)), strict=True):
        assert str(port) in script
        script = script.replace(str(port), str(free))
    (folder / "bin").mkdir()
    (folder / "bin" / "crossclear").write_text(f'#!/bin/sh\nexec {sys.executable} -m cli "$@"\n')
    (folder / "bin" / "crossclear").chmod(0o755)
    (folder / "empty").mkdir()
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("CROSSCLEAR")},
        "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        **(extra or {}),
    }
    ended = subprocess.run(
        ["bash", "-c", ENDS_ALL + script],
        cwd=folder / "empty",
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    logs = [log.read_text()[-2_000:] for log in sorted((folder / "empty").glob("*.log"))]
    assert ended.returncode == 0, (ended.stdout[-3_000:], ended.stderr[-3_000:], logs)
    return ended.stdout
