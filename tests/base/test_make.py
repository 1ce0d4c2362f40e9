"""What `make` installs is what the lock says; `make test` runs every test once, and no verdict hangs on chance."""

import re
import subprocess
import sys
from pathlib import Path

from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parents[2]


def test_all_tests_are_one_run_whose_files_keep_their_order() -> None:
    """Which order, `tests/base/test_spreading.py` says."""
    dry = ["make", "--dry-run", "test", "OPTIONS="]
    output = subprocess.run(dry, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    calls = [words.split() for words in re.findall(r"-m pytest(.*)$", output, re.MULTILINE)]
    assert len(calls) == 1
    assert [word for word in calls[0] if word.startswith(("tests", "--ignore", "-k", "-m"))] == []
    assert {"--dist", "loadfile", "--no-loadscope-reorder"} <= set(calls[0])


def test_every_run_draws_the_same_examples_however_slow_the_machine_is() -> None:
    now = settings.get_profile("crossclear")
    assert now.derandomize
    assert now.deadline is None
    assert now.database is None
    assert HealthCheck.too_slow in now.suppress_health_check


def test_who_allows_something_else_still_allows_to_be_slow() -> None:
    """A list of what is suppressed takes the place of the profile's."""
    listings = [
        (file, listed)
        for file in sorted((ROOT / "tests").rglob("*.py"))
        for listed in re.findall(r"suppress_health_check=\[(.*?)\]", file.read_text(encoding="utf-8"), re.DOTALL)
    ]
    assert len(listings) > 5
    assert [file for file, listed in listings if "too_slow" not in listed] == []


def test_pip_finds_exactly_the_one_known_difference() -> None:
    # libp2p 0.8.1 pins a fastecdsa that needs a C compiler; requirements.override says why 4.0.0 stands in for it.
    checked = subprocess.run([sys.executable, "-m", "pip", "check"], capture_output=True, text=True, check=False)
    assert [line for line in checked.stdout.splitlines() if line.strip()] == [
        'libp2p 0.8.1 has requirement fastecdsa==2.3.2; sys_platform != "win32", but you have fastecdsa 4.0.0.'
    ]


def test_every_pinned_distribution_has_hashes_and_no_lock_names_a_host() -> None:
    for name, least in (("requirements.lock", 100), ("requirements-node.lock", 100), ("requirements-checks.lock", 50)):
        lock = (ROOT / name).read_text()
        split = re.split(r"^(?=[A-Za-z0-9])", lock, flags=re.MULTILINE)
        entries = [entry for entry in split if not entry.startswith("#")]
        assert len(entries) > least
        for entry in entries:
            assert "--hash=sha256:" in entry, entry.splitlines()[0]
        assert "://" not in lock
    for folder in ("bridge/contracts", "bridge/contracts/checks"):
        packages = (ROOT / folder / "package-lock.json").read_text()
        assert '"integrity"' in packages
        assert '"resolved"' not in packages


def test_set_up_installs_nothing_that_only_the_checks_of_contracts_need() -> None:
    users = (ROOT / "bridge/contracts/package-lock.json").read_text()
    checks = (ROOT / "bridge/contracts/checks/package-lock.json").read_text()
    assert "forge" in checks
    assert "forge" not in users
    dry = ["make", "--dry-run", "--always-make"]
    setup, check = (
        subprocess.run([*dry, target], cwd=ROOT, capture_output=True, text=True, check=True).stdout
        for target in ("setup", "contracts-check")
    )
    assert "install-checks" in check
    assert "install-checks" not in setup
