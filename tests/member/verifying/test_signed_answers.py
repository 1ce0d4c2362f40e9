"""A node's answer about a leaf is evidence only where it is about the owner that asks and a validator signed it."""

from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio

from clearing.base import ed25519
from clearing.base.errors import RemoteFault
from clearing.base.validators import ValidatorSet
from cli.options import MemberKey
from member.api.proofs import InclusionView
from member.client.downloads import fetch_inclusion
from member.codes import NodeCode
from tests.kit.command_line import CommandLine
from tests.kit.proofs import small_market as market
from tests.kit.proofs.signed_answer import ALICE, HELD, NODE, answer_of
from tests.kit.validator_records import made_validator

THROWAWAY = bytes([0x77]) * 32
BOB = bytes([0xB0]) * 20
"""A member that holds the same as the owner of account 1."""


class Node:
    """Shows account 1 as this owner's, signed with this key or not at all; lists one validator."""

    network = market.NETWORK

    def __init__(self, owner: bytes, secret: bytes | None = NODE) -> None:
        self.owner, self.secret = owner, secret

    async def inclusion(self, account: int, epoch: int | None) -> InclusionView:
        await trio.lowlevel.checkpoint()
        seed = market.seeds()[1]
        answer = b"" if self.secret is None else answer_of(self.owner, self.secret, seed)
        holdings = {name: str(amount) for name, amount in HELD.items()}
        owner = "0x" + self.owner.hex()
        fields: dict[str, Any] = {"seed": seed.hex(), "holdings": holdings, "owner": owner, "answer": answer.hex()}
        return InclusionView(epoch=4, height=40, account=account, package=True, **fields)

    async def validators(self) -> Any:
        await trio.lowlevel.checkpoint()
        return _Listed((_Listed(envelope_key="0x" + ed25519.public_key(NODE).hex()),))


class _Listed(msgspec.Struct):
    validators: tuple[Any, ...] = ()
    envelope_key: str = ""


@pytest.mark.parametrize("secret", [NODE, None])
@pytest.mark.parametrize("shown", [ALICE, bytes(20)])
def test_another_owners_leaf_is_refused_signed_or_not(shown: bytes, secret: bytes | None) -> None:
    """The node's signature of it would be true, so no package would refute it."""
    with pytest.raises(RemoteFault) as fault:
        trio.run(fetch_inclusion, Node(shown, secret), 1, 4, BOB)
    assert fault.value.code is NodeCode.NODE_ANSWER
    assert trio.run(fetch_inclusion, Node(BOB, secret), 1, 4, BOB).owner == "0x" + BOB.hex()


@pytest.fixture
def inputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cli: CommandLine) -> Any:
    """`crossclear proof inputs` of account 1 with Bob's key, from a node."""
    monkeypatch.setattr(MemberKey, "address", BOB)

    def run(node: Node, *more: str, code: int = 0) -> Any:
        monkeypatch.setattr(MemberKey, "ask", lambda _, question: trio.run(question, node))
        words = ["--url", "http://127.0.0.1:1", "--account", "1", "--epoch", "4", "--out", tmp_path / "own"]
        return cli("proof", "inputs", *words, *more, code=code)

    return run


def test_the_command_writes_nothing_of_another_owners_leaf(inputs: Any, tmp_path: Path) -> None:
    assert NodeCode.NODE_ANSWER.label in inputs(Node(ALICE), code=6).err
    assert not (tmp_path / "own").exists()


def test_a_client_account_is_bound_to_the_key_that_the_caller_names(inputs: Any, tmp_path: Path) -> None:
    own_key = "0x" + ALICE.hex()
    inputs(Node(ALICE), "--owner", own_key)
    assert (tmp_path / "own" / "owner").read_text().strip() == own_key


@pytest.mark.parametrize(("secret", "listed"), [(NODE, True), (THROWAWAY, False)])
def test_a_signature_that_is_no_validators_is_named_as_none(
    inputs: Any, tmp_path: Path, secret: bytes, *, listed: bool
) -> None:
    assert ("no validator's" in inputs(Node(BOB, secret)).err) is not listed
    for path in (tmp_path / "own").iterdir():
        path.unlink()
    assert inputs(Node(BOB, secret), "--output", "json").json["signed_by_validator"] is listed


@pytest.mark.parametrize(("secret", "code"), [(NODE, 0), (THROWAWAY, 6)])
def test_only_a_validator_of_the_trusted_set_is_accused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cli: CommandLine, secret: bytes, code: int
) -> None:
    listed = ValidatorSet((made_validator(ed25519.public_key(NODE), market.SECRETS[0], 10),))
    monkeypatch.setattr(market, "validator_set", lambda: listed)
    monkeypatch.setattr(market, "SECRETS", market.SECRETS[:1])
    package, answer = tmp_path / "epoch.ccp", tmp_path / "answer.cci"
    package.write_bytes(market.honest(market.snapshot()))
    accuse = partial(cli, "proof", "accuse", answer, "--package", package, "--output", "json")
    trust = ("--network", market.NETWORK.hex(), "--validators-hash", listed.hash.hex())
    answer.write_bytes(answer_of(ALICE, secret, bytes(32)))
    found = accuse(*trust, code=code).json
    assert (found["contradicted"], found["anchored"], found["is_validator"]) == (True, True, code == 0)
    assert ("no evidence" in found["detail"]) is (code != 0)
    accuse(code=6)
    retired = accuse(*trust, "--set-known-at", "2020-01-01T00:00:00Z", code=6).json
    assert not retired["contradicted"]
    assert "R0758" in retired["detail"], "a retired set can certify a list that no honest node knew"
    assert accuse(*trust, "--at", "2021-01-01T00:00:00Z", code=code).json["contradicted"], "evidence may be old"
    answer.write_bytes(answer_of(ALICE, secret, market.seeds()[1]))
    assert accuse(*trust, code=6).json["contradicted"] is False
