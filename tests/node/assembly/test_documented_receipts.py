"""Every command of docs/explanation/receipts.md prints what the page shows."""

import doctest
import re
import shlex
from pathlib import Path

import pytest

from cli.main import run
from tests.kit.node.crisis_log import CrisisLog, write_crisis

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs/explanation/receipts.md").read_text()
OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CrisisLog:
    """The folder that the page is read in."""
    log = write_crisis(tmp_path)
    (tmp_path / "node").symlink_to(log.home.path)
    for examples in ("waterfall", "liquidation"):
        (tmp_path / examples).symlink_to(ROOT / "configs/examples" / examples)
    monkeypatch.chdir(tmp_path)
    return log


def test_the_pages_commands_print_what_it_shows(desk: CrisisLog, capsys: pytest.CaptureFixture[str]) -> None:
    count = 0
    for block in re.findall(r"^```console\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL):
        for command, expected in re.findall(r"^\$ crossclear (.*)\n((?:(?!\$ ).*\n)*)", block, re.MULTILINE):
            assert run(shlex.split(command)) == 0, command
            told = capsys.readouterr().out
            assert doctest.OutputChecker().check_output(expected, told, OPTIONS), told
            count += 1
    assert count == 7


def test_the_page_is_of_the_story_that_it_tells(desk: CrisisLog) -> None:
    kinds = {type(each).__name__ for receipts in desk.receipts.values() for each in receipts}
    assert kinds >= {"WithdrawalRefunded", "AmendmentEnacted", "SliceSold", "LossAllocated"}
