"""Fates of accepted transactions, of real processes that are killed."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import msgspec

from clearing.base.secp256k1 import address
from clearing.base.validators import ValidatorSet
from clearing.schema.blocks.transaction import Transaction, transaction_hash
from clearing.schema.terms.genesis import AccountKind, AccountTerms, Genesis, MemberTerms
from devnet.testnet import Testnet, create_testnet
from member.api.submit import SubmitBody, body_of
from member.api.types import hexed
from tests.kit.clearing.genesis import ALICE
from tests.kit.clearing.signer import secret
from tests.kit.clearing.world import World
from tests.kit.node.house_alone import house_alone
from tests.kit.ports import free_port
from tests.kit.until import until_now

ROOT = Path(__file__).resolve().parents[3]


@dataclass
class Member:
    """Of a network whose first node alone runs."""

    made: Testnet
    port: int
    http: httpx.Client

    @contextmanager
    def running(self) -> Iterator[subprocess.Popen[bytes]]:
        """The node until the block ends, where it is killed."""
        home = self.made.nodes[0].home
        given = ["consensus.heartbeat_ms=50", "relayer.enabled=false", f"api.port={self.port}"]
        arguments = ["start", "--config", str(home / "node.toml"), "--set", f"p2p.port={free_port()}"]
        arguments += [part for each in given for part in ("--set", each)]
        with (home / "log").open("ab") as log:
            node = subprocess.Popen([sys.executable, "-m", "cli", *arguments], stderr=log, cwd=ROOT)
        try:
            until_now(lambda: self.is_up or node.poll() is not None)
            assert node.poll() is None, (home / "log").read_text()
            yield node
        finally:
            node.send_signal(signal.SIGKILL)
            node.wait()

    @property
    def is_up(self) -> bool:
        """Whether the node takes transactions, though it has no block yet. Until it takes part it answers only 503."""
        try:
            return self.http.get(f"http://127.0.0.1:{self.port}/v1/transactions/0x{'ab' * 32}").status_code == 404
        except httpx.TransportError:
            return False

    def get(self, path: str) -> Any:
        """The answer; None while nobody answers or nothing is known."""
        try:
            answer = self.http.get(f"http://127.0.0.1:{self.port}{path}")
        except httpx.TransportError:
            return None
        return answer.json() if answer.status_code == 200 else None

    def submit(self, *transactions: Transaction) -> None:
        body = msgspec.json.encode(SubmitBody(transactions=tuple(body_of(each) for each in transactions)))
        headers = {"content-type": "application/json"}
        answer = self.http.post(f"http://127.0.0.1:{self.port}/v1/submit", content=body, headers=headers)
        assert "results" in answer.json(), answer.text
        assert [each["status"] for each in answer.json()["results"]] == ["accepted"] * len(transactions), answer.text

    def fate(self, transaction: Transaction) -> Any:
        return self.get(f"/v1/transactions/{hexed(transaction_hash(transaction))}")

    def state(self, transaction: Transaction) -> str:
        return str((self.fate(transaction) or {}).get("state"))

    def world(self) -> World:
        """It signs for this network, now."""
        world = World(self.made.genesis)
        world.time_ms = time.time_ns() // 1_000_000
        return world


@contextmanager
def network(folder: Path, validators: int) -> Iterator[Member]:
    def build(keys: ValidatorSet) -> Genesis:
        alone = house_alone(keys, time_ms=1_000)
        alice = MemberTerms(1, "alice", address(secret(1)), (AccountTerms(ALICE, AccountKind.HOUSE),))
        return msgspec.structs.replace(alone, members=(*alone.members, alice))

    made = create_testnet(folder / "net", build, validators=validators, devnet=True, seed=9)
    with httpx.Client(trust_env=False, timeout=60) as http:
        yield Member(made, free_port(), http)


def test_what_a_block_decided_is_known_after_a_kill(tmp_path: Path) -> None:
    with network(tmp_path, 1) as member:
        world = member.world()
        refused, applied = world.session_key(ALICE), world.session_key(ALICE)
        assert refused.nonce < applied.nonce, "so it is refused after the other"
        with member.running():
            member.submit(applied, refused)
            until_now(lambda: {member.state(applied), member.state(refused)} == {"applied", "refused"})
            before = [member.fate(each) for each in (applied, refused)]
            assert all(each["height"] for each in before)
            assert before[1]["problem"]["remedy"]
        for _ in range(2):
            with member.running():
                until_now(lambda: member.fate(applied) is not None)
                assert [member.fate(each) for each in (applied, refused)] == before


def test_what_was_pending_at_a_kill_is_pending_again_or_expired(tmp_path: Path) -> None:
    """One of two validators runs: no block decides anything."""
    with network(tmp_path, 2) as member:
        world = member.world()
        long = world.session_key(ALICE, not_after_ms=world.time_ms + 500_000)
        with member.running():
            world.time_ms = time.time_ns() // 1_000_000
            short = world.session_key(ALICE, not_after_ms=world.time_ms + 2_000)
            member.submit(long, short)
            assert [member.state(each) for each in (long, short)] == ["pending"] * 2
        until_now(lambda: time.time_ns() // 1_000_000 > short.not_after_ms)
        for _ in range(2):
            with member.running():
                until_now(lambda: member.state(long) == "pending")
                assert member.state(short) == "expired"


def test_a_hash_that_nobody_sent_stays_unknown(tmp_path: Path) -> None:
    with network(tmp_path, 1) as member, member.running():
        url = f"http://127.0.0.1:{member.port}/v1/transactions/0x{'ab' * 32}"
        until_now(lambda: member.http.get(url).status_code == 404)
        assert member.http.get(url).json()["code"] == "R0877"
