"""The page of `proofs/browser` in a headless Chromium.

Run `python -m tests.kit.proofs.browser_page FOLDER` to write screenshots: a good package, a bad one, the own account
found, several packages, a node. `make screenshots` does so.
"""

import base64
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from devnet.toolchain import BROWSER, install_browser, node_path
from proofs.epoch.package import read_package

GOOD = Path(__file__).resolve().parents[2] / "vectors" / "proofs" / "v2" / "good"

NARROW = {"width": 360, "height": 740}


def play(*scenes: dict[str, Any]) -> list[dict[str, Any]]:
    """What the page shows in each scene, as `proofs/browser/scripts/drive.mjs` reads it; bytes are sent in base64."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    assert chromium is not None, "the page's test needs Chromium: apt-get install chromium"
    command = [
        str(node_path()),
        str(BROWSER / "scripts" / "drive.mjs"),
        chromium,
        str(BROWSER / "build" / "verifier.html"),
    ]
    lines = json.dumps(
        scenes, default=lambda value: base64.b64encode(value).decode() if isinstance(value, bytes) else str(value)
    )
    done = subprocess.run(command, input=lines, capture_output=True, text=True, cwd=BROWSER, check=False)
    assert done.returncode == 0, done.stderr
    shown: list[dict[str, Any]] = json.loads(done.stdout)
    return shown


def write_screenshots(folder: Path) -> None:
    """A good package, a bad one, the own account found, several packages, a node; light, and some on a narrow dark
    screen."""
    from tests.kit.pictures import shrink  # here: other scenes need no node and no pictures
    from tests.kit.proofs.package_node import serving

    folder = folder.resolve()  # the browser's driver runs in a folder of its own

    def into(name: str) -> dict[str, Any]:
        return {"screenshot": folder / f"{name}.png"}

    folder.mkdir(parents=True, exist_ok=True)
    trusted = read_package((GOOD / "every-part.ccp").read_bytes()).validators.hash.hex()
    package = GOOD / "three-accounts.ccp"
    changed = bytearray(package.read_bytes())
    changed[-1] ^= 1
    dark = {"dark": True, "viewport": NARROW}
    with tempfile.TemporaryDirectory() as place, serving({4: package.read_bytes()}) as node, serving({}) as empty:
        bad = Path(place) / "changed.ccp"
        bad.write_bytes(changed)
        any_age = {"age": ""}
        known = {**any_age, "validators": trusted, "network": "07" * 32}
        play(
            {"file": GOOD / "every-part.ccp", "fields": known, **into("good-package")},
            {"file": bad, "fields": any_age, **into("bad-package")},
            {"file": package, "answer": GOOD / "answer.cci", "fields": any_age, **into("own-account")},
            {"file": [GOOD / "every-part.ccp", package, bad], **into("several-packages")},
            {"address": node, "fetch": "#fetch", "fields": known, **into("from-a-node")},
            {"address": empty, **into("node-without-packages")},
            {"address": "http://127.0.0.1:1", **dark, **into("no-node-narrow-dark")},
            {"file": package, "fields": any_age, **dark, **into("narrow-dark")},
            {"file": bad, "fields": any_age, **dark, **into("bad-package-narrow-dark")},
        )
    shrink(folder)


if __name__ == "__main__":
    install_browser()
    write_screenshots(Path(sys.argv[1]))
