"""A real node, and members at its API: an affiliate and a standby member declared by commands, and shown."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from clearing.base.secp256k1 import address
from clearing.base.validators import ValidatorSet
from clearing.schema.risk.parameters import SPAN_SIXTEEN, RiskParameters
from clearing.schema.terms.default import DefaultTerms
from clearing.schema.terms.genesis import (
    AccountKind,
    AccountTerms,
    CrisisParameters,
    Genesis,
    MarketParameters,
    MemberTerms,
)
from cli.main import run
from devnet.network import reserved_ports
from devnet.testnet import TestnetNode, create_testnet
from tests.kit.clearing.signer import secret
from tests.kit.node.station import secret_file

pytestmark = pytest.mark.network
ROOT = Path(__file__).resolve().parents[2]
SECONDS_MAX = 600
"""Bound of every wait: only its expiry costs time."""
ALICES, CLIENTS, BOBS = 1, 2, 3
"""Accounts: Alice's own, her client's, and Bob's."""


def build(validators: ValidatorSet) -> Genesis:
    """Two members, one with a client; nothing is listed. It begins now."""
    own = AccountKind.HOUSE
    members = (
        MemberTerms(0, "house", address(secret(0)), (AccountTerms(0, own),)),
        MemberTerms(
            1, "alice", address(secret(1)), (AccountTerms(ALICES, own), AccountTerms(CLIENTS, AccountKind.CLIENT))
        ),
        MemberTerms(2, "bob", address(secret(2)), (AccountTerms(BOBS, own),)),
    )
    crisis = CrisisParameters(default=DefaultTerms(enabled=True, pool_affiliates=True, standby_porting=True))
    risk, now = RiskParameters(groups=(), scenarios=SPAN_SIXTEEN), time.time_ns() // 1_000_000
    return Genesis("one", now, validators, (), (), (), (), (), risk, MarketParameters(), members, crisis=crisis)


def start(node: TestnetNode) -> "subprocess.Popen[bytes]":
    given = ["consensus.heartbeat_ms=300", "relayer.enabled=false", "proofs.enabled=false", "oracle.source=none"]
    arguments = ["start", "--config", str(node.home / "node.toml"), *(each for one in given for each in ("--set", one))]
    program = f"import sys\nfrom cli.main import run\nsys.exit(run({arguments!r}))\n"
    with (node.home / "node.log").open("ab") as log:
        return subprocess.Popen([sys.executable, "-c", program], stderr=log, cwd=ROOT)


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    with reserved_ports(1) as base_port:
        made = create_testnet(tmp_path / "net", build, validators=1, devnet=True, seed=5, base_port=base_port)
        (node,) = made.nodes
        process = start(node)
        yield f"http://127.0.0.1:{node.config.api.port}"
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(SECONDS_MAX)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class Members:
    """Their keys as files, and commands that ask the node with one of them."""

    def __init__(self, folder: Path, url: str, capsys: pytest.CaptureFixture[str]) -> None:
        self._url, self._capsys = url, capsys
        self._keys = [secret_file(folder / f"key{member}", secret(member)) for member in range(3)]

    def command(self, member: int, *words: Any) -> int:
        return run([*map(str, words), "--secret-file", str(self._keys[member]), "--url", self._url])

    def shown(self, member: int, *words: Any) -> Any:
        """The answer; None where there is none yet."""
        self._capsys.readouterr()
        code = self.command(member, *words, "--output", "json")
        answer = self._capsys.readouterr().out
        return json.loads(answer) if code == 0 else None

    def until(self, member: int, *words: Any, **values: Any) -> Any:
        """Ask again until the answer has these values."""
        deadline, answer = time.monotonic() + SECONDS_MAX, None
        while time.monotonic() < deadline:
            answer = self.shown(member, *words)
            if answer is not None and all(answer[name] == value for name, value in values.items()):
                return answer
            time.sleep(0.3)
        pytest.fail(f"no {values} in {answer}")


def test_two_members_declare_and_see_both_at_a_running_node(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    members = Members(tmp_path, url, capsys)
    members.until(1, "affiliates", "show", ALICES, affiliates=[])
    file = tmp_path / "affiliation.json"
    assert members.command(1, "affiliates", "declare", ALICES, BOBS, "--out", file) == 0
    assert members.command(2, "affiliates", "agree", file) == 0
    shown = members.until(1, "affiliates", "show", ALICES, stays_for_members=[1, 2])
    assert [each["owner"]["member"] for each in shown["affiliates"]] == [2]
    file = tmp_path / "standby.json"
    assert members.command(1, "standby", "name", CLIENTS, 2, "--out", file) == 0
    assert members.command(2, "standby", "accept", file) == 0
    assert members.until(1, "standby", "show", CLIENTS, standby=2)["standby_active"]
    assert [each["account"] for each in members.shown(2, "standby", "clients")["clients"]] == [CLIENTS]
    assert members.command(2, "standby", "end", CLIENTS) == 0
    members.until(1, "standby", "show", CLIENTS, standby=0)
