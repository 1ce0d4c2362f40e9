"""The reference pages say what the code says."""

from pathlib import Path

from docs.generate import drifted

ROOT = Path(__file__).resolve().parents[2]


def test_no_reference_page_differs_from_the_code() -> None:
    assert drifted() == [], "run `make docs`"


def test_the_readme_names_the_two_commands_and_the_prerequisites() -> None:
    readme = (ROOT / "README.md").read_text()
    for line in ("make demo", "make test", "apt install make git python3 python3-venv ca-certificates"):
        assert line in readme


def test_every_decision_is_numbered_without_gaps() -> None:
    numbers = sorted(int(path.name[:4]) for path in (ROOT / "docs/decisions").glob("*.md"))
    assert numbers == list(range(1, len(numbers) + 1))
