"""Attacks that emptied other bridges, each tried on the vault by the name that it is known by.

`docs/explanation/known-attacks.md` lists these tests and those elsewhere.
"""

from typing import Any

import pytest

from bridge.contracts import load_artifact
from bridge.contracts.deploy import Deployed
from bridge.contracts.vault import checkpoint_arguments
from clearing.base.withdrawal_leaves import DEPTH, empty_subtree_root
from tests.kit.bridge.certified import certify, released
from tests.kit.bridge.vault_chain import (
    FOUR,
    UNIT,
    ChainUser,
    VaultChain,
    claim_as_json,
    make_header,
    make_signers,
    refused,
)


@pytest.mark.chain
def test_nomad_a_root_that_was_never_set_proves_nothing(vault: VaultChain) -> None:
    vault.deposit(10 * UNIT)
    entry, _ = released(vault, 0)
    for root in range(3):
        assert refused(vault.withdraw, entry, (), root=root) == "UnknownWithdrawal", "before any checkpoint"
    zero = make_header(vault.signers, withdrawals_root=bytes(32), withdrawals_count=1)
    assert refused(vault.certified, zero) == "ZeroRoot"
    tree = certify(vault, [released(vault, 0, amount=2 * UNIT)[1]])
    for root in (0, 2, 63, 64, 65):
        assert vault.view("certifiedRoot", root) == bytes(32)
        assert refused(vault.withdraw, entry, tree.proof(0), root=root) == "UnknownRoot"
    assert refused(vault.withdraw, entry, (), root=1) == "BadProof"


@pytest.mark.chain
def test_qubit_no_credit_without_code_or_without_a_transfer(vault: VaultChain) -> None:
    for address in (bytes(20), bytes([9]) * 20):
        assert refused(vault.deposit, UNIT, at=Deployed(address, 0)) == "TokenNotListed"
    vault.set_mood("Lying")
    assert refused(vault.deposit, UNIT, at=vault.moody_at) == "BelowMinimum"
    vault.chain.rpc("anvil_setCode", "0x" + vault.token_at.address.hex(), "0x")
    assert refused(vault.deposit, UNIT) == "0x", "an answer without a balance; the vault gives no reason"
    assert vault.view("depositNonce") == 0
    assert vault.view("depositsHash") == bytes(27)


@pytest.mark.chain
@pytest.mark.parametrize("target", ["vault", "extension", "verifier"])
def test_poly_network_no_certified_withdrawal_calls_a_contract_of_the_vault(vault: VaultChain, target: str) -> None:
    called = bytes.fromhex(
        {"vault": vault.vault.address, "verifier": vault.view("verifier"), "extension": vault.view("extension")}[
            target
        ][2:]
    )
    keys = vault.view("validatorsHash"), vault.view("validatorsCode"), vault.view("guardian")
    vault.deposit(10 * UNIT)
    entry, leaf = released(vault, 0, token=called)
    assert refused(vault.withdraw, entry, certify(vault, [leaf]).proof(0)) == "BeyondHoldings"
    assert (vault.view("validatorsHash"), vault.view("validatorsCode"), vault.view("guardian")) == keys


@pytest.mark.chain
def test_poly_network_keys_follow_a_certificate_alone(vault: VaultChain) -> None:
    strangers = make_signers((1, 1, 1, 1), b"strangers")
    header = make_header(FOUR, 1, next_validators_hash=strangers.validators.hash)
    shown = checkpoint_arguments(header, FOUR.certify(header, (0, 1)))
    assert refused(vault.show, *shown) == "UnderQuorum"
    assert refused(vault.install, strangers.validators) == "WrongValidatorSet"


def _inputs(entries: Any) -> set[tuple[str, str]]:
    found = set()
    for entry in entries:
        found |= {(entry["type"], entry["name"])} | _inputs(entry.get("components", ()))
    return found


@pytest.mark.parametrize("name", ["verifier", "extension", "network", "trustingPeriod"])
def test_wormhole_what_judges_a_certificate_is_no_input_and_no_storage(name: str) -> None:
    vault = load_artifact("Vault")
    functions = [entry for entry in vault.abi if entry["type"] == "function"]
    assert name in {entry["name"] for entry in functions}, "it can be read"
    assert name not in vault.storage
    assert name not in {stated for entry in functions for _, stated in _inputs(entry["inputs"])}


def test_wormhole_a_checkpoint_names_no_address() -> None:
    (checkpoint,) = (entry for entry in load_artifact("Vault").abi if entry.get("name") == "checkpoint")
    assert not any(kind.startswith("address") for kind, _ in _inputs(checkpoint["inputs"]))


@pytest.mark.chain
def test_ronin_no_few_keys_certify_and_the_hot_ones_move_nothing(vault: VaultChain) -> None:
    """Here the quorum is of power; guardian and cold keys sign no header and are paid nothing."""
    vault.deposit(10 * UNIT)
    header = make_header(FOUR, 1, withdrawals_root=b"\x01" * 32, withdrawals_count=1)
    for signers in ((0,), (1, 2), (0, 3)):
        assert refused(vault.checkpoint, header, FOUR.certify(header, signers)) == "UnderQuorum"
    entry, _ = released(vault, 0)
    for secret in (bytes([8]) * 32, *(bytes([index]) * 32 for index in (21, 22, 23))):
        call = vault.vault.functions.payOfBatch(claim_as_json(entry))
        assert refused(ChainUser(vault.chain, secret).send, call) == "NotTheVault"
    assert vault.balance(vault.token_at.address) == 10 * UNIT


@pytest.mark.chain
def test_bnb_token_hub_a_proof_has_no_optional_part(vault: VaultChain) -> None:
    """Siblings may only be left out where the tree is empty; nothing can be added or put elsewhere."""
    vault.deposit(10 * UNIT)
    made = [released(vault, nonce) for nonce in range(3)]
    tree = certify(vault, [leaf for _, leaf in made])
    whole = tree.proof(0)
    assert refused(vault.withdraw, made[0][0], whole[:1]) == "BadProof"
    assert refused(vault.withdraw, made[0][0], (whole[1], whole[0], *whole[2:])) == "BadProof"
    assert refused(vault.withdraw, made[0][0], (*whole, empty_subtree_root(DEPTH))) == "BadSiblings"
    assert refused(vault.withdraw, made[0][0], (made[0][1], *whole[1:])) == "BadProof"
    vault.withdraw(made[0][0], whole[:2])


@pytest.mark.chain
@pytest.mark.parametrize("nonce", [2, 2**32 + 1, 2**63 + 1])
def test_an_index_beyond_the_tree_proves_no_leaf_a_second_time(vault: VaultChain, nonce: int) -> None:
    """A Merkle verifier without this bound took one leaf under many numbers (2026)."""
    vault.deposit(10 * UNIT)
    made = [released(vault, number) for number in range(2)]
    tree = certify(vault, [leaf for _, leaf in made])
    vault.withdraw(made[1][0], tree.proof(1))
    again = released(vault, nonce)[0]
    assert refused(vault.withdraw, again, tree.proof(1)) == "UnknownWithdrawal"
    assert refused(vault.withdraw_batch, [again], tree.proof_of_many((1,))) in ("NotAscending", "BadProof")
    assert vault.view("withdrawn", vault.token.address) == UNIT
