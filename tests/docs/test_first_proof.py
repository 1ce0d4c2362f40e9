"""The tutorial on the first proof does what it says, on the file that it names."""

import doctest
import re
import shlex
import shutil
from pathlib import Path

import pytest

from cli.main import run

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "tutorials" / "first-proof.md").read_text(encoding="utf-8")
OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
STEP = re.compile(r"^```(sh|console|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
EXIT = {"crossclear verify forged.ccp": 6}
"""Of the commands that fail on purpose."""


def test_the_steps_do_what_the_page_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    done = []
    for language, block in STEP.findall(PAGE):
        if language == "sh":
            copy, source, target = shlex.split(block)
            assert copy == "cp"
            shutil.copy(ROOT / source, target)
        elif language == "python":
            example = doctest.DocTestParser().get_doctest(block, {}, "first-proof.md", None, None)
            assert doctest.DocTestRunner(optionflags=OPTIONS).run(example).failed == 0
        else:
            command, expected = block.removeprefix("$ ").split("\n", 1)
            assert run(shlex.split(command)[1:]) == EXIT.get(command, 0), command
            shown = capsys.readouterr().out
            assert doctest.OutputChecker().check_output(expected, shown, OPTIONS), shown
        done.append(language)
    assert done == ["sh", "console", "python", "console", "console"]
