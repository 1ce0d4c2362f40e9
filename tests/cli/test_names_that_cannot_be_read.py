"""What a node answered is printed though it no longer says what things are called: raw, with one line that says so."""

from pathlib import Path
from typing import Any

import pytest
import trio

from cli.main import run
from cli.output import ExitCode
from node.app.clock import clock_ms
from tests.kit.clearing.signer import secret
from tests.kit.clearing.world import funded
from tests.kit.node.applying_view import ApplyingView
from tests.kit.node.rewriting import Rewrite
from tests.kit.node.served_api import served_api
from tests.kit.node.station import secret_file
from tests.kit.node.streams import ALICE_KEY, serving_streams, streaming_node

Output = pytest.CaptureFixture[str]
REQUEST = ("withdrawals", "request", "member-1", "250.5 USDC-1", "0x" + "42" * 20, "--wait")
UNREAD = "names and units cannot be read"


def refusing(path: str, once_asked: str) -> Rewrite:
    """A node that answers nothing under `path` any more, once it was asked something under the other one."""
    asked = False

    def rewrite(at: str, status: int, value: Any) -> tuple[int, Any]:
        nonlocal asked
        asked = asked or at.startswith(once_asked)
        return (500, {}) if asked and at.startswith(path) else (status, value)

    return rewrite


@pytest.mark.parametrize("path", ["/v1/governance/terms", "/v1/state"])
def test_the_fate_of_a_request_is_printed_raw(path: str, tmp_path: Path, capsys: Output) -> None:
    view, key = ApplyingView(funded(check=False)), secret_file(tmp_path / "key", secret(1))
    with served_api(view, clock_ms, rewrite=refusing(path, "/v1/transactions/")) as url:
        code = run([*REQUEST, "--secret-file", str(key), "--url", url])
        printed = capsys.readouterr()
        assert code == ExitCode.OK, printed.err
        assert "withdrawal of 250.50 USDC-1" in printed.out
        assert ": applied at height" in printed.out
        assert "units 250500000" in printed.out
        assert [UNREAD in line for line in printed.err.splitlines()].count(True) == 1
        if path == "/v1/state":
            return  # which also says the network that the next question is signed for
        (shown,) = (line.split()[1].rstrip(":") for line in printed.out.splitlines() if line.startswith("transaction "))
        code = run(["transactions", "show", shown, "--secret-file", str(key), "--url", url])
        printed = capsys.readouterr()
        assert code == ExitCode.OK, printed.err
        assert f"transaction {shown}: applied" in printed.out
        assert "units 250500000" in printed.out
        assert UNREAD in printed.err


def test_a_refused_request_is_printed_raw_and_keeps_its_exit_code(tmp_path: Path, capsys: Output) -> None:
    view, key = ApplyingView(funded(check=False)), secret_file(tmp_path / "key", secret(1))
    words = ("withdrawals", "request", "member-1", "1,000,000 USDC-1", REQUEST[4], "--wait")
    with served_api(view, clock_ms, rewrite=refusing("/v1/state", "/v1/transactions/")) as url:
        assert run([*words, "--secret-file", str(key), "--url", url]) == ExitCode.VERIFICATION
    printed = capsys.readouterr()
    assert ": refused at height" in printed.out
    assert UNREAD in printed.err


def test_a_request_whose_fate_cannot_be_asked_is_printed_with_its_hash(tmp_path: Path, capsys: Output) -> None:
    """It stands: who does not see its hash submits it once more."""
    view, key = ApplyingView(funded(check=False)), secret_file(tmp_path / "key", secret(1))
    with served_api(view, clock_ms, rewrite=refusing("/v1/transactions/", "/v1/transactions/")) as url:
        code = run([*REQUEST, "--secret-file", str(key), "--url", url])
    printed = capsys.readouterr()
    assert code not in (ExitCode.OK, ExitCode.BUG)
    assert len(view.submitted) == 1
    assert "withdrawal of 250.50 USDC-1" in printed.out
    assert "accepted, transaction " in printed.out
    assert "error: " in printed.err


async def test_a_stream_is_printed_raw(tmp_path: Path, capsys: Output) -> None:
    key = secret_file(tmp_path / "alice", ALICE_KEY)
    with streaming_node(tmp_path) as node:
        async with serving_streams(node, clock_ms, rewrite=refusing("/v1/governance/terms", "/")) as served:
            words = ("watch", "heights", "account:1", "--frames", "2", "--secret-file", str(key), "--url", served.url)
            code = await trio.to_thread.run_sync(run, words)
    printed = capsys.readouterr()
    assert code == ExitCode.OK, printed.err
    assert UNREAD in printed.err
    assert " heights: " in printed.out
    assert '"height"' in printed.out
    assert '"equity_micros"' in printed.out
