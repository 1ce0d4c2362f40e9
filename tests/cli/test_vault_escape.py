"""`crossclear vault escape|refund`: silence is stated by anybody, and deposits after the snapshot go back."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from clearing.epochs.exit_tree import NO_EXITS
from clearing.schema.records.exits import ExitTree
from devnet.anvil import Anvil
from member.api.deposits import DepositView
from tests.kit.bridge.exits import ALICE, Exits
from tests.kit.bridge.vault_chain import FOUR, UNIT, USER, VaultChain
from tests.kit.command_line import CommandLine, Printed

pytestmark = pytest.mark.chain


class Bystander:
    """Who has a key for gas and nothing else."""

    def __init__(self, cli: CommandLine, place: VaultChain, folder: Path) -> None:
        self.cli, self.place, self.exits = cli, place, Exits(place)
        self.payer = folder / "payer"
        self.payer.touch(0o600)
        self.payer.write_text(USER.hex())
        self.receipt = folder / "escape.json"

    def run(self, verb: str, *words: object, code: int = 0, output: str = "json") -> Printed:
        there = ["0x" + self.place.vault_at.address.hex(), "--rpc", self.place.chain.url, "--payer-file", self.payer]
        return self.cli("vault", verb, *there, "--output", output, *words, code=code)

    def refund(self, *words: object) -> Printed:
        return self.run("refund", "--token", "0x" + self.place.token_at.address.hex(), *words)

    def saved(self, account: int = 1, tree: ExitTree | None = None) -> Path:
        """An account's exit file."""
        made = Exits(self.place)
        made.tree = tree or self.exits.tree
        path = self.receipt.with_name("exit.json" if tree is None else "other.json")
        path.write_bytes(msgspec.json.encode(made.file(account)))
        return path

    def claim(self, file: Path) -> Any:
        rpc = ["--rpc", self.place.chain.url, "--payer-file", self.payer, "--output", "json"]
        return self.cli("exit", "claim", file, *rpc).json

    def blocks(self) -> int:
        return int(self.place.user.web3.eth.block_number)

    def silence(self) -> None:
        self.exits.wait(2 * self.exits.quarter() + 2)

    def quarter(self) -> None:
        self.exits.wait(self.exits.quarter() + 2)


@pytest.fixture
def bystander(cli: CommandLine, anvil: Callable[..., Anvil], tmp_path: Path) -> Bystander:
    return Bystander(cli, VaultChain(anvil(), FOUR), tmp_path)


def calls(printed: Printed) -> list[str]:
    return [call["call"] for call in printed.json["calls"]]


def test_silence_is_not_stated_of_a_network_that_lives(bystander: Bystander) -> None:
    before = bystander.blocks()
    assert "NotSilent" in bystander.run("escape", code=6).err
    assert "NotSilent" in bystander.run("escape", "--dry-run", code=6).err
    assert bystander.blocks() == before


def test_a_dry_run_estimates_and_sends_nothing(bystander: Bystander) -> None:
    bystander.silence()
    before = bystander.blocks()
    planned = bystander.run("escape", "--dry-run")
    assert bystander.blocks() == before
    assert (calls(planned), planned.json["stage"], planned.json["is_dry_run"]) == (["triggerEscape"], "silent", True)
    made = bystander.run("escape", "--out", bystander.receipt)
    (plan,), (sent,) = planned.json["calls"], made.json["calls"]
    assert sent["gas"] <= plan["gas"] <= sent["gas"] * 5 // 4
    assert (plan["block"], plan["transaction"]) == (0, "0x")


def test_the_silence_is_stated_once_and_the_receipt_says_what_comes_next(bystander: Bystander) -> None:
    bystander.silence()
    made = bystander.run("escape", "--out", bystander.receipt).json
    assert json.loads(bystander.receipt.read_text()) == made
    assert (made["stage"], made["escape_from"]) == ("return", bystander.place.view("escapeFrom"))
    assert made["payments_from"] == bystander.place.view("paymentsFrom")
    assert "exists" in bystander.run("escape", "--out", bystander.receipt, code=7).err
    before = bystander.blocks()
    for stage, words in (("return", "may return"), ("settlement", "exit claim"), ("payment", "without end")):
        again = bystander.run("escape", output="text").out
        assert f"escape: {stage}" in again
        assert words in again
        bystander.quarter()
    assert bystander.blocks() == before + 3, "only the test's own blocks"


def test_deposits_after_the_snapshot_go_back_to_any_depositor(bystander: Bystander) -> None:
    place, exits = bystander.place, bystander.exits
    place.deposit(5 * UNIT)
    exits.owe(5 * UNIT, ALICE, 1)
    exits.close()
    exits.certify()
    place.deposit(7 * UNIT)
    place.deposit(2 * UNIT, 2)
    bystander.silence()
    bystander.run("escape")
    assert calls(bystander.refund()) == [], "the network may still return"
    bystander.quarter()
    closed = bystander.refund().json
    assert (closed["calls"], closed["closed_tokens"]) == ([], ["0x" + place.token_at.address.hex()])
    exits.open()
    assert calls(bystander.refund("--dry-run")) == ["walkDeposits"]
    shown = bystander.refund()
    assert (calls(shown), shown.json["deposits_shown"]) == (["walkDeposits"], 2)
    bystander.quarter()
    before = place.balance(place.token_at.address)
    paid = bystander.refund()
    assert (calls(paid), paid.json["deposits_refunded"]) == (["refundDeposit"] * 2, 2)
    assert place.balance(place.token_at.address) == before - 9 * UNIT
    assert calls(bystander.refund()) == [], "once"


def test_before_any_epoch_was_certified_all_deposits_go_back(bystander: Bystander) -> None:
    place = bystander.place
    place.deposit(5 * UNIT)
    bystander.silence()
    bystander.run("escape")
    bystander.quarter()
    assert calls(bystander.refund()) == ["openExit", "walkDeposits"]
    bystander.quarter()
    assert bystander.refund("--out", bystander.receipt).json["deposits_refunded"] == 1
    assert place.balance(place.token_at.address) == 0


def test_under_the_root_of_no_tree_all_deposits_go_back(bystander: Bystander) -> None:
    place = bystander.place
    place.deposit(5 * UNIT)
    bystander.exits.certify(exit_root=NO_EXITS)
    bystander.silence()
    bystander.run("escape")
    bystander.quarter()
    assert calls(bystander.refund()) == ["openExit", "walkDeposits"]
    bystander.quarter()
    assert calls(bystander.refund()) == ["refundDeposit"]


def test_anybodys_exit_file_gives_deposits_of_a_new_token_back(bystander: Bystander) -> None:
    """Its first deposit came after the snapshot: the tree has no totals of it, and the depositor has no file."""
    place, exits = bystander.place, bystander.exits
    place.deposit(5 * UNIT)
    exits.owe(5 * UNIT, ALICE, 1)
    exits.close()
    exits.certify()
    place.deposit(9 * UNIT, 77, place.other_at)
    bystander.silence()
    bystander.run("escape")
    bystander.quarter()
    token = ["--token", "0x" + place.other_at.address.hex()]
    assert bystander.run("refund", *token).json["closed_tokens"] == token[1:]
    assert "--exit-file" in bystander.run("refund", *token, output="text").out
    file = ["--exit-file", bystander.saved()]
    other = bystander.saved(tree=replace(exits.tree, epoch=2))
    assert "R06" in bystander.run("refund", *token, "--exit-file", other, code=6).err
    assert calls(bystander.run("refund", *token, *file, "--dry-run")) == ["openExit", "walkDeposits"]
    assert calls(bystander.run("refund", *token, *file)) == ["openExit", "walkDeposits"]
    bystander.quarter()
    assert calls(bystander.run("refund", *token, *file)) == ["refundDeposit"]
    assert place.balance(place.other_at.address) == 0


def test_a_claim_gives_the_deposits_of_a_new_token_back_too(bystander: Bystander) -> None:
    place, exits = bystander.place, bystander.exits
    place.deposit(5 * UNIT)
    exits.owe(5 * UNIT, ALICE, 1)
    exits.close()
    exits.certify()
    place.deposit(9 * UNIT, 77, place.other_at)
    bystander.silence()
    bystander.run("escape")
    for stage in ("settlement", "payment"):
        bystander.quarter()
        (said,) = bystander.claim(bystander.saved())
        assert said["stage"] == stage
    assert place.balance(place.token_at.address) == place.balance(place.other_at.address) == 0


def test_while_the_network_lives_it_refunds_itself(bystander: Bystander, monkeypatch: pytest.MonkeyPatch) -> None:
    vault = "0x" + bystander.place.vault_at.address.hex()
    stray = DepositView(chain_id=31337, vault=vault, nonce=7, height=9, status="refund_due", next="It waits for 2.")
    monkeypatch.setattr("member.client.ask.ask_node", lambda *_: stray)
    before = bystander.blocks()
    said = bystander.refund("--deposit", 7, "--url", "http://127.0.0.1:1")
    assert (calls(said), bystander.blocks()) == ([], before)
    assert "refund due" in said.err
    assert "It waits for 2." in said.err
