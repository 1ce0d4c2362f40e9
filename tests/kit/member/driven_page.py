"""The page of `member/page` in a headless Chromium, over a view in this process or a node's address."""

import atexit
import json
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from devnet.toolchain import PAGE, node_path

Step = Sequence[Any]
NARROW = {"width": 360, "height": 740}
VIEWS = {
    "network": "Newest height",
    "solvency": "Epochs",
    "account": "Sign in",
    "risk": "Ranges",
    "governance": "Proposals",
}
"""Each view's path with the title of a panel in it."""


@dataclass(frozen=True)
class Scene:
    """What a scene showed. `notes`: one for each step."""

    notes: list[Any]
    complaints: list[str]
    requests: list[str]
    """Origins that were asked."""
    cursors: list[str]
    """The cursor with which each stream was opened; empty for a new one."""
    bytes: dict[str, int]
    """Compressed size of each file."""
    refused: list[str]
    """Status and path of each answer that was none."""


def drive(address: str, *scenes: Sequence[Step] | dict[str, Any]) -> list[Scene]:
    """Play scenes, each in a fresh profile: lists of steps, as `member/page/scripts/drive.mjs` names them."""
    given = [scene if isinstance(scene, dict) else {"steps": scene} for scene in scenes]
    driver = _driver()
    assert driver.stdin is not None
    assert driver.stdout is not None
    driver.stdin.write(json.dumps({"address": address, "scenes": given}) + "\n")
    driver.stdin.flush()
    line = driver.stdout.readline()
    assert line, f"the browser's driver ended, with {driver.wait()}"
    return [Scene(**shown) for shown in json.loads(line)]


@cache
def _driver() -> subprocess.Popen[str]:
    """One browser for all scenes of this process, which takes longer to start than most scenes to play."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    assert chromium is not None, "the page's test needs Chromium: apt-get install chromium"
    command = [str(node_path()), str(PAGE / "scripts" / "drive.mjs"), chromium]
    driver = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=PAGE)
    atexit.register(driver.communicate)  # the end of its input ends it
    return driver


def view(path: str) -> list[Step]:
    """Open a view and wait until it is there."""
    return [["open", f"/#/{path}"], ["see", "h2", VIEWS[path]]]


def signed_in(account: int, key: bytes) -> list[Step]:
    """Sign in and wait for the own equity."""
    fields: list[Step] = [["fill", "#account", str(account)], ["fill", "#key", key.hex()]]
    return [*view("account"), *fields, ["click", "button.main"], ["see", "#equity", "[0-9]"]]
