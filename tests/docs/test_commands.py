"""Every command in the documentation exists with its options; the tutorial on the first proof does what it shows."""

import doctest
import inspect
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path

import click
import pytest

from cli.main import cli, run

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    [
        *(ROOT / "docs").glob("*.md"),
        *(page for folder in ("tutorials", "how-to", "explanation") for page in (ROOT / "docs" / folder).glob("*.md")),
        *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")),
    ]
)
FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
SHELL = {">", ">>", "|", "||"}
PROMPT = re.compile(r"^(?:\$|[a-z]+\$)\s+|^\.venv/bin/")


def commands_of(page: Path) -> list[list[str]]:
    """The words of each line in a fence that calls the program."""
    found = []
    for _, block in FENCE.findall(page.read_text(encoding="utf-8")):
        for line in re.sub(r"\\\n\s*", " ", block).splitlines():
            called = PROMPT.sub("", PROMPT.sub("", line.strip()))
            if called.startswith("crossclear ") and not called.startswith("crossclear --version"):
                words = shlex.split(called, comments=True)[1:]
                found.append(
                    [word for word in takewhile(lambda word: word not in {">", ">>", "|", "||"}, words) if word != "…"]
                )
    return found


COMMANDS = [(page.relative_to(ROOT).as_posix(), words) for page in PAGES for words in commands_of(page)]


def check_command(words: list[str]) -> None:
    """Raises click's fault for a command or an option that does not exist, or a required one that lacks."""
    command: click.Command = cli
    context = click.Context(cli, info_name="crossclear", **cli.context_settings)
    while isinstance(command, click.Group):
        found = command.get_command(context, words[0]) if words else None
        if found is None:
            raise click.UsageError(f"no command {words[:1]}")
        command, words = found, words[1:]
        context = click.Context(command, context, command.name)
    _, extra, _ = command.make_parser(context).parse_args(words)
    if extra:
        raise click.UsageError(f"unexpected {extra}")


@pytest.mark.parametrize(("page", "words"), COMMANDS, ids=lambda value: " ".join(value)[:60])
def test_each_command_exists_with_its_options(page: str, words: list[str]) -> None:
    check_command(words)


def commands(group: click.Group = cli, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command that does something, by its words."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name), command


@pytest.mark.parametrize(("path", "command"), list(commands()), ids=lambda value: str(value)[:60])
def test_the_help_of_each_command_ends_in_an_example_of_it(path: tuple[str, ...], command: click.Command) -> None:
    _, found, example = inspect.cleandoc(command.help or "").rpartition("\n\nExample: crossclear ")
    assert found, "no example"
    words = shlex.split(" ".join(example.split()))
    assert tuple(words[: len(path)]) == path
    check_command(words)


WITHOUT_OUTPUT = {
    **dict.fromkeys([("start",), ("signer", "start"), ("devnet",)], "runs until it is stopped, and logs"),
    **dict.fromkeys([("check",)], "one line, as monitoring systems read it"),
    **dict.fromkeys(
        [("margin", "run"), ("settle", "run"), ("liquidation", "run"), ("waterfall", "run"), ("proof", "show")],
        "always JSON",
    ),
}


def test_every_command_prints_json_when_asked_to() -> None:
    without = {path for path, command in commands() if not any(option.name == "output" for option in command.params)}
    assert without == set(WITHOUT_OUTPUT)


def test_a_shell_completes_commands() -> None:
    asked = {"_CROSSCLEAR_COMPLETE": "bash_complete", "COMP_WORDS": "crossclear backup cr", "COMP_CWORD": "2"}
    program = [sys.executable, "-m", "cli"]
    ended = subprocess.run(program, env=os.environ | asked, cwd=ROOT, capture_output=True, text=True)
    assert ended.stdout.split() == ["plain,create"]


def test_a_command_or_an_option_that_does_not_exist_is_found() -> None:
    for words in (["nothing"], ["proof", "nothing"], ["status", "--nothing"], ["keys", "list", "too", "many"]):
        with pytest.raises(click.UsageError):
            check_command(words)


def test_there_are_commands_to_check() -> None:
    assert len(COMMANDS) > 60


def test_each_make_target_of_the_documentation_exists() -> None:
    texts = [page.read_text(encoding="utf-8") for page in PAGES]
    named = {name for text in texts for name in re.findall(r"(?:^|`)make ([a-z][a-z-]*)", text, re.MULTILINE)}
    targets = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert named - targets == set()
    assert {"demo", "test", "site", "devnet"} <= named


def test_each_file_and_module_that_a_command_runs_exists() -> None:
    for page in PAGES:
        for module in re.findall(r"python -m ([a-z_0-9.]+)", page.read_text(encoding="utf-8")):
            path = ROOT / module.replace(".", "/")
            tool = module in ("pytest",)
            assert tool or path.with_suffix(".py").is_file() or (path / "__main__.py").is_file(), (page.name, module)


def test_each_file_of_the_repository_that_a_command_reads_exists() -> None:
    for page, words in COMMANDS:
        for word in words:
            if word.startswith(("configs/", "tests/")):
                assert (ROOT / word).is_file(), (page, word)


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
