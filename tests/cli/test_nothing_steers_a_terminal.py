"""No control, bidirectional or newline character of a stranger reaches a terminal, a log or a JSON reader."""

import ast
import importlib
import inspect
import io
import json
import logging
import pkgutil
import typing
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

import member.printing
from clearing.base.errors import LocalFault
from clearing.base.plain_text import SHOWN, one_line, plain, plain_json, several_lines
from cli.output import ExitCode, say_failure, say_failure_as_json, say_line, show, show_json, show_line
from member.codes import NodeCode
from node.config import Logging
from node.ops.logs import PlainFormatter, configure_logs
from tests.kit.member.hostile_text import HOSTILE, example, is_plain, strings_in

ROOT = Path(__file__).resolve().parents[2]
TEXT = st.text(st.characters(), max_size=20) | st.sampled_from(sorted(HOSTILE.values()))
Output = pytest.CaptureFixture[str]


def is_shown(letter: str) -> bool:
    return any(first <= ord(letter) <= last for first, last in SHOWN)


class Answer(msgspec.Struct):
    name: str
    parts: tuple[str, ...]
    named: dict[str, str]


@given(TEXT)
def test_what_is_escaped_is_printable_and_what_is_printable_stays(text: str) -> None:
    assert is_plain(one_line(text))
    assert is_plain(several_lines(text).replace("\n", "").replace("\t", ""))
    assert (one_line(text) == several_lines(text) == text) == all(map(is_shown, text))


def test_a_kind_of_string_becomes_a_plain_one() -> None:
    """As the result of a check that stays open, which JSON could not encode."""

    class Kind(str):
        __slots__ = ()

    assert type(one_line(Kind("text"))) is str


@given(TEXT, TEXT, st.sampled_from([0, 1, 2]))
def test_whoever_reads_printed_json_gets_printable_strings_and_the_same_numbers(a: str, b: str, indent: int) -> None:
    value = {a: [b, {b: a}], "number": 2**70, "none": None, "yes": True}
    shown = plain_json(json.dumps(value, indent=indent or None, ensure_ascii=False))
    read = json.loads(shown)
    assert all(map(is_plain, strings_in(read)))
    assert (read["number"], read["none"], read["yes"]) == (2**70, None, True)
    assert is_plain(shown.replace("\n", ""))


@given(st.text(st.one_of(st.characters(min_codepoint=a, max_codepoint=b) for a, b in SHOWN), max_size=30))
def test_json_of_printable_text_is_the_same_when_it_is_read(text: str) -> None:
    assert json.loads(plain_json(json.dumps({"text": text}, ensure_ascii=False))) == {"text": text}


@given(TEXT)
def test_every_string_of_an_answer_is_plain_at_any_depth(text: str) -> None:
    answer = Answer(text, (text, "x"), {text: text})
    found = plain(answer)
    assert all(map(is_plain, strings_in(msgspec.to_builtins(found))))
    assert plain(found) == found
    assert plain([(text, {1: text})]) == [(one_line(text), {1: one_line(text)})]


# What is printed of answers: each function of `member.printing` on each answer.


def printers() -> Iterator[tuple[str, Callable[[Any], Any], Any]]:
    for found in pkgutil.iter_modules(member.printing.__path__):
        module = importlib.import_module(f"member.printing.{found.name}")
        for name, function in vars(module).items():
            if not inspect.isfunction(function) or function.__module__ != module.__name__ or name.startswith("_"):
                continue
            try:
                hints = typing.get_type_hints(function)
            except NameError:  # its argument is not an answer
                continue
            result = hints.pop("return", None)
            if len(hints) == 1 and result in (str, list[str]):
                (kind,) = hints.values()
                if (
                    isinstance(kind, type)
                    and issubclass(kind, msgspec.Struct)
                    and kind.__module__.startswith("member.")
                ):
                    yield f"{found.name}.{name}", function, kind


PRINTERS = {name: (function, kind) for name, function, kind in printers()}


def test_there_are_printers_of_answers() -> None:
    assert len(PRINTERS) >= 15


def printed(function: Callable[[Any], Any], view: Any) -> str:
    made = function(view)
    return made if isinstance(made, str) else "\n".join(made)


@pytest.mark.parametrize("what", HOSTILE)
@pytest.mark.parametrize("name", PRINTERS)
def test_no_answer_steers_a_terminal_or_adds_a_line(name: str, what: str, capsys: Output) -> None:
    function, kind = PRINTERS[name]
    try:
        lines = printed(function, example(kind, "x")).count("\n")
    except (ValueError, KeyError):  # reads its strings as numbers or as words of its own, so it prints no other
        with pytest.raises((ValueError, KeyError)):
            printed(function, example(kind, HOSTILE[what]))
        return
    view = plain(example(kind, HOSTILE[what]))
    show(view, printed(function, view), "text")
    output = capsys.readouterr().out
    assert is_plain(output.replace("\n", ""))
    assert output.count("\n") == lines + 1
    show(example(kind, HOSTILE[what]), "", "json")
    output = capsys.readouterr().out
    assert all(map(is_plain, strings_in(json.loads(output))))
    assert is_plain(output.replace("\n", ""))


@given(text=TEXT)
def test_a_string_of_the_data_begins_no_line_of_the_text(text: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        output: list[str] = []
        patch.setattr("click.echo", lambda message, **_: output.append(message))
        show(Answer(f"a{text}b", (), {}), f"name a{text}b\nend", "text")
        show_line(text)
        say_line(text)
    assert output[0].count("\n") == 1
    assert is_plain(output[0].replace("\n", ""))
    assert all(map(is_plain, output[1:]))


@pytest.mark.parametrize("what", HOSTILE)
def test_failures_are_told_on_their_own_lines(what: str, capsys: Output) -> None:
    text = HOSTILE[what]
    for error in (LocalFault(NodeCode.CONFIG_VALUE, text, why=text), RuntimeError(text)):
        say_failure_as_json(error, ExitCode.CONFIG)
        found = json.loads(capsys.readouterr().err)
        assert all(map(is_plain, strings_in(found)))
    say_failure(LocalFault(NodeCode.CONFIG_VALUE, text, why=text), ExitCode.CONFIG)
    output = capsys.readouterr().err
    assert is_plain(output.replace("\n", ""))
    assert output.count("\n") == 2


def test_json_that_is_encoded_already_is_escaped(capsys: Output) -> None:
    show_json(b'{"name": "a\\u001b\xe2\x80\xae\\n"}\n')
    assert json.loads(capsys.readouterr().out) == {"name": "a\\u001b\\u202e\\u000a"}


@pytest.mark.parametrize("console", [False, True])
@pytest.mark.parametrize("what", HOSTILE)
def test_a_log_has_one_line_an_event_whatever_a_peer_wrote(what: str, console: bool) -> None:
    stream = io.StringIO()
    configure_logs(Logging(format="console" if console else "json"), stream=stream)
    text = HOSTILE[what]
    structlog.get_logger().warning("seen", peer=text, fault=LocalFault(NodeCode.CONFIG_VALUE, text, why=text))
    line = stream.getvalue()
    assert line.count("\n") == 1
    if console:
        line = line.replace("\x1b[", "")  # the renderer's own colours
        assert is_plain(line.replace("\n", ""))
    else:
        assert all(map(is_plain, strings_in(json.loads(line))))


@pytest.mark.parametrize("what", HOSTILE)
def test_what_a_library_logs_has_one_line_a_message(what: str) -> None:
    text, stream = HOSTILE[what], io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(PlainFormatter("%(levelname)s %(name)s %(message)s"))
    record = logging.LogRecord("libp2p", logging.WARNING, "", 0, "peer %s", (text,), None)
    handler.handle(record)
    assert stream.getvalue().count("\n") == 1
    assert is_plain(stream.getvalue().replace("\n", ""))


def test_commands_print_in_one_place_only() -> None:
    """`cli/output.py` escapes; `rich` shows what went through it."""
    for path in sorted((ROOT / "cli").rglob("*.py")):
        if path.name == "output.py":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                assert called not in ("click.echo", "click.secho", "print", "sys.stdout.write"), (path, node.lineno)
