"""`crossclear withdrawals request --wait`: the command ends when a block has taken or refused the request."""

import json
from pathlib import Path

import pytest

from clearing.schema.codes import ClearingCode
from cli.output import ExitCode
from tests.kit.clearing.defaults import CLIENT_SECRET, default_world
from tests.kit.clearing.funds import KEYED_CLIENT
from tests.kit.clearing.signer import secret
from tests.kit.clearing.world import funded
from tests.kit.node.applying_view import ApplyingView
from tests.kit.node.live_view import run_against
from tests.kit.node.station import secret_file

TO = "0x" + "42" * 20


def request(view: ApplyingView, folder: Path, amount: str, *words: str) -> int:
    """For member-1, with its key."""
    key = folder / "key"
    if not key.exists():
        secret_file(key, secret(1))
    command = ("withdrawals", "request", "member-1", amount, TO, "--wait", *words)
    return run_against(view, *command, "--secret-file", str(key))


def test_a_request_is_followed_into_a_block(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    view = ApplyingView(funded(check=False))
    assert request(view, tmp_path, "250.5 USDC-1", "--output", "json") == ExitCode.OK
    shown = json.loads(capsys.readouterr().out)
    assert (shown["amount_units"], shown["transaction"]["state"]) == ("250500000", "applied")
    (released,) = view.state.withdrawals.ordered()
    assert released[1].units == 250_500_000


def test_a_refusal_of_a_block_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    view = ApplyingView(funded(check=False))
    assert request(view, tmp_path, "1,000,000 USDC-1") == ExitCode.VERIFICATION
    said = capsys.readouterr().out
    assert "withdrawal of 1,000,000.00 USDC-1" in said
    assert ClearingCode(view.refused[0]).remedy in said


def test_a_client_withdraws_with_its_own_key_and_a_nonce(tmp_path: Path) -> None:
    """The node answers members only, so the client says which nonce is next. Its member's key takes nothing out."""
    world = default_world()
    world.bring(keyed=1_000)
    view = ApplyingView(world)
    own, members = secret_file(tmp_path / "own", CLIENT_SECRET), secret_file(tmp_path / "member", secret(1))
    words = ("withdrawals", "request", str(KEYED_CLIENT), "10 USDC-1", TO, "--wait")

    def run(key: Path, *more: str) -> int:
        return run_against(view, *words, *more, "--secret-file", str(key))

    assert run(own) not in (ExitCode.OK, ExitCode.VERIFICATION), "without a nonce"
    assert run(members, "--nonce", "1") == ExitCode.VERIFICATION
    assert view.refused == [ClearingCode.WRONG_SIGNER]
    assert run(own, "--nonce", "1") == ExitCode.OK
    (released,) = [each for _, each in view.state.withdrawals.ordered()]
    assert (released.account, released.to.hex()) == (KEYED_CLIENT, TO[2:])
