"""The pages on strategies and on March 2020 name what there is, and their commands are commands."""

import re
from pathlib import Path

import pytest

from benchmarks.march2020.__main__ import LINES, parser
from benchmarks.march2020.settings import SETTINGS
from tests.sim.clearing.planted import PLANTED

DOCS = Path(__file__).parents[2] / "docs" / "explanation"


def test_every_planted_bug_is_told() -> None:
    told = re.findall(r"^\| `([a-z-]+)` \|", (DOCS / "strategies.md").read_text(), re.MULTILINE)
    assert told == list(PLANTED)


def test_the_tables_of_march_have_every_line_and_setting() -> None:
    page = (DOCS / "march-2020.md").read_text()
    tables = re.findall(r"```text\n(.*?)```", page, re.DOTALL)
    assert len(tables) == 2
    for table in tables:
        assert table.split("\n")[0].split() == list(SETTINGS)
        assert all(any(line.startswith(title) for line in table.splitlines()) for _, title in LINES)


@pytest.mark.parametrize(
    "command", re.findall(r"^python -m benchmarks\.march2020(.*)$", (DOCS / "march-2020.md").read_text(), re.M)
)
def test_every_command_of_the_page_is_one(command: str) -> None:
    options = parser().parse_args(command.split("#")[0].split())
    assert set(options.settings.split(",")) <= set(SETTINGS)
