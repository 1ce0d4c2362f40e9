"""What is installed is what the lock says."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_pip_finds_exactly_the_one_known_difference() -> None:
    # libp2p 0.8.1 pins a fastecdsa that needs a C compiler; requirements.override says why 4.0.0 stands in for it.
    checked = subprocess.run([sys.executable, "-m", "pip", "check"], capture_output=True, text=True, check=False)
    assert [line for line in checked.stdout.splitlines() if line.strip()] == [
        'libp2p 0.8.1 has requirement fastecdsa==2.3.2; sys_platform != "win32", but you have fastecdsa 4.0.0.'
    ]


def test_every_pinned_distribution_has_hashes_and_no_lock_names_a_host() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    entries = [entry for entry in re.split(r"^(?=[A-Za-z0-9])", lock, flags=re.MULTILINE) if not entry.startswith("#")]
    assert len(entries) > 100
    for entry in entries:
        assert "--hash=sha256:" in entry, entry.splitlines()[0]
    assert "://" not in lock
    packages = (ROOT / "bridge/contracts/package-lock.json").read_text()
    assert '"integrity"' in packages
    assert '"resolved"' not in packages
