"""Rules of a node's refusals at its client: its own code, remedy and exit code; its words steer no terminal."""

from pathlib import Path

import pytest

from clearing.base.errors import LocalFault
from cli.output import ExitCode, exit_of, say_failure
from devnet.codes import DevnetCode
from member.api.types import Problem
from member.client.node_refusal import TEXT_CHARS_MAX, refusal_of
from member.codes import NodeCode
from tests.kit.clearing.genesis import ALICE
from tests.kit.node.fake_view import FakeView
from tests.kit.node.live_view import run_against
from tests.kit.node.statement_runs import random_run

URL = "http://node"


def refused_with(code: str, message: str = "words", remedy: str = "Do it.") -> LocalFault:
    return refusal_of(Problem(code, message, "place", remedy), 422, URL)


@pytest.mark.parametrize(
    ("code", "exit_code"),
    [
        ("R0848", ExitCode.UNEXPECTED),
        ("R0203", ExitCode.UNEXPECTED),
        (NodeCode.API_NOT_READY.label, ExitCode.NOT_READY),
        (NodeCode.TRANSACTIONS_UNREAD.label, ExitCode.NOT_READY),
    ],
)
def test_a_known_code_is_passed_on_with_its_remedy_and_exit_code(code: str, exit_code: ExitCode) -> None:
    fault = refused_with(code)
    assert (fault.code.label, fault.at, exit_of(fault)) == (code, "place", exit_code)
    assert fault.code.remedy
    assert str(fault) == "words (status 422 of http://node)"


def test_a_code_that_is_not_known_here_is_shown_in_the_nodes_words() -> None:
    fault = refused_with("R9999", remedy="Upgrade.")
    assert fault.code is NodeCode.API_REFUSED
    assert str(fault) == "R0874 api_refused: R9999: words Upgrade. (status 422 of http://node)"


def test_a_nodes_words_are_bounded_and_steer_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    fault = refused_with("R0848", "\x1b[2J" + "x" * 10 * TEXT_CHARS_MAX)
    say_failure(fault, exit_of(fault))
    shown = capsys.readouterr().err
    assert "\x1b" not in shown
    assert len(shown) < 2 * TEXT_CHARS_MAX
    assert NodeCode.API_FORBIDDEN.remedy in shown


def test_a_command_ends_with_the_code_that_the_node_gave(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stranger = tmp_path / "secret"
    stranger.write_text("11" * 32)
    stranger.chmod(0o600)
    view = FakeView(random_run(3, 5).state)
    assert run_against(view, "withdrawals", "show", str(ALICE), "--secret-file", str(stranger)) == ExitCode.UNEXPECTED
    shown = capsys.readouterr().err
    assert "R0847" in shown
    assert "R0852" not in shown
    assert NodeCode.API_UNAUTHENTICATED.remedy in shown


def test_a_devnet_that_runs_is_a_question_of_safety() -> None:
    assert exit_of(LocalFault(DevnetCode.DEVNET_RUNNING, "folder")) == ExitCode.SAFETY
