"""What a vault announces: each event that a node or a watcher reads, with its values."""

from typing import Any

import pytest
from web3 import Web3
from web3.logs import DISCARD

from bridge.contracts.cold_quorum import BranchChoice, GuardianReplacement, PauseEnd
from bridge.contracts.conflicts import choose_branch_call, freeze_call
from bridge.contracts.vault import end_pause_call, replace_guardian_call
from clearing.base import secp256k1
from clearing.base.hashing import sha256
from clearing.base.header import Header
from tests.kit.bridge.exits import ALICE, Exits
from tests.kit.bridge.vault_chain import UNIT, VaultChain, make_header, make_signers

pytestmark = pytest.mark.chain
HEIR = secp256k1.address(bytes([9]) * 32)
QUORUM = (0, 1, 2)


def announced(vault: VaultChain, receipt: Any) -> dict[str, tuple[Any, ...]]:
    """The vault's events in a transaction: name to values."""
    found = (event for kind in vault.vault.events for event in kind().process_receipt(receipt, errors=DISCARD))
    return {event["event"]: tuple(event["args"].values()) for event in found}


def branches(vault: VaultChain) -> tuple[Header, Header]:
    one, two = (make_header(vault.signers, 8, payload_root=sha256(name)) for name in (b"one", b"two"))
    return one, two


def freeze(vault: VaultChain, one: Header, two: Header) -> Any:
    return vault.call(freeze_call(*((header, vault.signers.certify(header, QUORUM)) for header in (one, two))))


def test_a_pause_and_its_end(vault: VaultChain) -> None:
    receipt = vault.guard()
    until = vault.view("pausedUntil")
    assert announced(vault, receipt) == {"Paused": (until,)}
    receipt = vault.call(end_pause_call(vault.decided(PauseEnd(until))))
    assert announced(vault, receipt) == {"PauseEnded": (vault.now(),)}


def test_another_guardian(vault: VaultChain) -> None:
    receipt = vault.call(replace_guardian_call(HEIR, vault.decided(GuardianReplacement(HEIR))))
    assert announced(vault, receipt) == {"GuardianReplaced": (Web3.to_checksum_address(HEIR),)}


def test_another_validator_set(vault: VaultChain) -> None:
    following = make_signers((1, 1, 1, 1), b"following").validators.hash
    header = make_header(vault.signers, 3, next_validators_hash=following, withdrawals_count=2)
    assert announced(vault, vault.certified(header)) == {
        "Checkpointed": (3, header.hash, 2),
        "ValidatorsRotated": (3, following),
    }


def test_a_conflict_and_its_settlement(vault: VaultChain) -> None:
    one, two = branches(vault)
    assert announced(vault, freeze(vault, one, two)) == {"Frozen": (8, one.hash, two.hash)}
    receipt = vault.call(choose_branch_call(one, vault.decided(BranchChoice(one.hash))))
    assert announced(vault, receipt) == {"Checkpointed": (8, one.hash, 0), "BranchChosen": (8, one.hash)}


def test_an_escape_and_the_opening_of_a_token(vault: VaultChain) -> None:
    exits = Exits(vault)
    vault.deposit(10 * UNIT)
    exits.owe(7 * UNIT, ALICE, 1)
    exits.close(counted=6 * UNIT)
    exits.certify()
    exits.wait(2 * exits.quarter() + 2)
    receipt = exits.trigger()
    begins = vault.now() + exits.quarter()
    assert announced(vault, receipt) == {"EscapeTriggered": (begins,)}
    exits.wait(exits.quarter())
    assert announced(vault, exits.open()) == {"ExitOpened": (vault.token.address, 7 * UNIT, 4 * UNIT)}


@pytest.mark.parametrize("by", ["the network's return", "evidence"])
def test_an_escape_that_is_cancelled(vault: VaultChain, by: str) -> None:
    exits = Exits(vault)
    exits.wait(2 * exits.quarter() + 2)
    exits.trigger()
    exits.wait(2)
    if by == "evidence":
        found = announced(vault, freeze(vault, *branches(vault)))
    else:
        found = announced(vault, vault.certified(make_header(vault.signers, 8, time_ms=vault.now() * 1000)))
    assert found["EscapeCancelled"] == (8,)
    assert vault.view("escapeTriggeredAt") == vault.view("escapeFrom") == 0
