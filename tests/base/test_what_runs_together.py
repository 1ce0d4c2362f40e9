"""`make test` runs every test once: what starts no network on all cores, the rest alone; no verdict hangs on chance."""

import re
import subprocess
from pathlib import Path

from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parents[2]


def runs() -> list[list[str]]:
    """The words of each call of pytest."""
    told = subprocess.run(
        ["make", "--dry-run", "test", "OPTIONS="], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    return [words.split() for words in re.findall(r"-m pytest(.*?)\|\|", told)]


def test_each_folder_is_in_exactly_one_run() -> None:
    together, alone = runs()
    folders = [word for word in together if word.startswith("tests/")]
    assert len(set(folders)) == len(folders) > 10
    assert all((ROOT / folder).is_dir() for folder in folders)
    assert [f"--ignore={folder}" for folder in folders] == alone


def test_nothing_that_starts_a_network_runs_beside_others() -> None:
    together, _ = runs()
    folders = [ROOT / word for word in together if word.startswith("tests/")]
    files = [file for folder in folders for file in folder.rglob("*.py") if file != Path(__file__)]
    assert len(files) > 200
    assert [str(file) for file in files if "mark.network" in file.read_text(encoding="utf-8")] == []


def test_every_run_draws_the_same_examples_however_slow_the_machine_is() -> None:
    now = settings.get_profile("crossclear")
    assert now.derandomize
    assert now.deadline is None
    assert now.database is None
    assert HealthCheck.too_slow in now.suppress_health_check


def test_who_allows_something_else_still_allows_to_be_slow() -> None:
    """A list of what is suppressed takes the place of the profile's."""
    told = [
        (file, listed)
        for file in sorted((ROOT / "tests").rglob("*.py"))
        for listed in re.findall(r"suppress_health_check=\[(.*?)\]", file.read_text(encoding="utf-8"), re.DOTALL)
    ]
    assert len(told) > 5
    assert [file for file, listed in told if "too_slow" not in listed] == []
