"""Every example of docs/explanation/fund.md does what it says there."""

import contextlib
import io
import re
from itertools import pairwise
from pathlib import Path

import pytest

from cli.main import run
from member.printing.network import fund_lines
from node.api.fund import fund_of
from tests.kit.clearing.fund import fund_world
from tests.kit.clearing.genesis import CAROL, DOLLAR

PAGE = (Path(__file__).parents[3] / "docs" / "explanation" / "fund.md").read_text()
BLOCKS = re.findall(r"```(python|text)\n(.*?)```", PAGE, re.DOTALL)


def test_the_arithmetic_is_what_the_page_prints() -> None:
    names: dict[str, object] = {}
    ran = 0
    for (kind, code), (_, printed) in pairwise(BLOCKS):
        if kind == "python":
            out = io.StringIO()
            with contextlib.redirect_stdout(out):
                exec(code, names)  # noqa: S102 - our own page
            assert out.getvalue() == printed
            ran += 1
    assert ran == PAGE.count("```python") == 4


def test_the_command_prints_what_the_page_shows() -> None:
    world = fund_world()
    world.open_positions()
    world.pass_epoch()
    world.block(world.pay(CAROL, 600 * DOLLAR))
    assert fund_lines(fund_of(world.state)) + "\n" in [text for kind, text in BLOCKS if kind == "text"]


def test_every_command_on_the_page_takes_these_options(capsys: pytest.CaptureFixture[str]) -> None:
    lines = re.findall(r"^crossclear (\w+) (\w+)(.*)$", PAGE, re.MULTILINE)
    assert [each[:2] for each in lines] == [("proof", "fetch"), ("fund", "opening"), ("fund", "verify")]
    for group, verb, rest in lines:
        run([group, verb, "--help"])
        told = capsys.readouterr().out
        assert all(option in told for option in re.findall(r"--\w+", rest))
