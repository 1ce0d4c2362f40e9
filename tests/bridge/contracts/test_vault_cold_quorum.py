"""What the cold quorum decides, and whose signatures make a decision."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data
from web3.exceptions import ContractCustomError

from bridge.contracts.cold_quorum import (
    BranchChoice,
    ColdKeys,
    Decision,
    GuardianReplacement,
    PauseEnd,
    decision_digest,
    in_signer_order,
)
from bridge.contracts.deploy import deploy_vault
from bridge.contracts.vault import end_pause_call, replace_guardian_call
from clearing.base import secp256k1
from clearing.base.hashing import keccak256
from tests.kit.bridge.vault_chain import COLD, COLD_KEYS, GUARDIAN, UNIT, USER, ChainUser, VaultChain, refused

pytestmark = pytest.mark.chain
HEIR = bytes([9]) * 32
HEIR_ADDRESS = secp256k1.address(HEIR)
STRANGER = bytes([10]) * 32


def end_pause(vault: VaultChain, signatures: tuple[bytes, ...]) -> Any:
    return vault.call(end_pause_call(signatures))


def test_two_of_three_keys_end_a_pause(vault: VaultChain) -> None:
    vault.guard()
    end_pause(vault, vault.decided(PauseEnd(vault.view("pausedUntil"))))
    vault.deposit(UNIT)
    assert vault.view("coldNonce") == 1
    assert refused(vault.guard) == "PausedAlready", "the guardian's budget is used up as before"


def test_two_of_three_keys_replace_the_guardian(vault: VaultChain) -> None:
    vault.call(replace_guardian_call(HEIR_ADDRESS, vault.decided(GuardianReplacement(HEIR_ADDRESS), COLD[1:])))
    assert bytes.fromhex(vault.view("guardian")[2:]) == HEIR_ADDRESS
    assert refused(vault.guard) == "NotGuardian"
    ChainUser(vault.chain, HEIR).send(vault.vault.functions.pause())
    assert refused(vault.deposit, UNIT) == "IsPaused"


def _high_s(signature: bytes) -> bytes:
    s = secp256k1.ORDER - int.from_bytes(signature[32:64], "big")
    return signature[:32] + s.to_bytes(32, "big") + bytes([55 - signature[64]])


def _turned(change: Callable[[bytes], bytes]) -> Callable[[VaultChain, int], tuple[bytes, ...]]:
    def signatures(vault: VaultChain, until: int) -> tuple[bytes, ...]:
        first, second = vault.decided(PauseEnd(until))
        return change(first), second

    return signatures


def _of(*secrets: bytes, **changes: Any) -> Callable[[VaultChain, int], tuple[bytes, ...]]:
    return lambda vault, until: vault.decided(PauseEnd(until), secrets, **changes)


REFUSED: dict[str, tuple[str, Callable[[VaultChain, int], tuple[bytes, ...]]]] = {
    "none": ("UnderColdQuorum", lambda vault, until: ()),
    "one": ("UnderColdQuorum", _of(COLD[0])),
    "one_twice": ("NotAColdKey", lambda vault, until: vault.decided(PauseEnd(until), COLD[:1]) * 2),
    "two_in_the_wrong_order": ("NotAColdKey", lambda vault, until: vault.decided(PauseEnd(until))[::-1]),
    "one_and_a_stranger": ("NotAColdKey", _of(COLD[0], STRANGER)),
    "two_and_a_stranger": ("NotAColdKey", _of(*COLD[:2], STRANGER)),
    "the_guardian_and_one": ("NotAColdKey", _of(GUARDIAN, COLD[0])),
    "of_another_chain": ("NotAColdKey", _of(*COLD[:2], chain_id=1)),
    "of_another_vault": ("NotAColdKey", _of(*COLD[:2], vault=bytes([1]) * 20)),
    "of_the_next_number": ("NotAColdKey", _of(*COLD[:2], nonce=1)),
    "of_another_pause": ("NotAColdKey", lambda vault, until: vault.decided(PauseEnd(until - 1))),
    "of_another_decision": ("NotAColdKey", lambda vault, until: vault.decided(BranchChoice(until.to_bytes(32, "big")))),
    "a_high_s": ("ECDSAInvalidSignatureS", _turned(_high_s)),
    "a_short_one": ("ECDSAInvalidSignatureLength", _turned(lambda signature: signature[:64])),
    "a_zero_one": ("ECDSAInvalidSignature", _turned(lambda signature: bytes(65))),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_decision_needs_a_quorum_of_different_cold_keys_over_exactly_it(vault: VaultChain, case: str) -> None:
    vault.guard()
    name, signatures = REFUSED[case]
    assert refused(end_pause, vault, signatures(vault, vault.view("pausedUntil"))) == name
    assert vault.view("coldNonce") == 0
    assert refused(vault.deposit, UNIT) == "IsPaused"


def test_a_decision_takes_effect_once(vault: VaultChain) -> None:
    signatures = vault.decided(GuardianReplacement(HEIR_ADDRESS))
    vault.call(replace_guardian_call(HEIR_ADDRESS, signatures))
    assert refused(vault.call, replace_guardian_call(HEIR_ADDRESS, signatures)) == "NotAColdKey"


def test_an_open_vault_has_no_pause_to_end(vault: VaultChain) -> None:
    assert refused(end_pause, vault, vault.decided(PauseEnd(0))) == "NotPaused"


def test_in_the_second_in_which_a_pause_ends_there_is_none_to_end(vault: VaultChain) -> None:
    vault.guard()
    end = vault.view("pausedUntil")
    signatures = vault.decided(PauseEnd(end))
    vault.at(end)
    assert refused(end_pause, vault, signatures) == "NotPaused"


def test_nobody_is_not_made_guardian(vault: VaultChain) -> None:
    nobody = bytes(20)
    call = replace_guardian_call(nobody, vault.decided(GuardianReplacement(nobody)))
    assert refused(vault.call, call) == "ZeroSetting"


BAD_KEYS = {
    "one_of_one": (ColdKeys(COLD_KEYS.addresses[:1], 1), "BadColdQuorum(uint256,uint256)"),
    "one_of_two": (ColdKeys(COLD_KEYS.addresses[:2], 1), "BadColdQuorum(uint256,uint256)"),
    "half": (ColdKeys((*COLD_KEYS.addresses, b"\xff" * 20), 2), "BadColdQuorum(uint256,uint256)"),
    "more_than_there_are": (ColdKeys(COLD_KEYS.addresses, 4), "BadColdQuorum(uint256,uint256)"),
    "none": (ColdKeys((), 0), "BadColdQuorum(uint256,uint256)"),
    "twice": (ColdKeys(COLD_KEYS.addresses[:1] * 2, 2), "NotAColdKey(address)"),
    "not_ascending": (ColdKeys(COLD_KEYS.addresses[::-1], 2), "NotAColdKey(address)"),
    "nobodys": (ColdKeys((bytes(20), *COLD_KEYS.addresses), 3), "NotAColdKey(address)"),
}


@pytest.mark.parametrize("case", BAD_KEYS)
def test_a_vault_is_not_deployed_for_a_quorum_of_one_key_or_of_half(vault: VaultChain, case: str) -> None:
    keys, error = BAD_KEYS[case]
    with pytest.raises(ContractCustomError) as caught:
        deploy_vault(vault.user.web3, USER, vault.verifier_at.address, replace(vault.terms, cold_keys=keys))
    assert str(caught.value.data)[:10] == "0x" + keccak256(error.encode())[:4].hex()


DECISIONS: dict[str, tuple[Decision, str, str]] = {
    "EndPause": (PauseEnd(77), "pausedUntil", "uint256"),
    "ReplaceGuardian": (GuardianReplacement(HEIR_ADDRESS), "guardian", "address"),
    "ChooseBranch": (BranchChoice(bytes([3]) * 32), "header", "bytes32"),
}


@pytest.mark.parametrize("name", DECISIONS)
def test_a_decision_is_typed_data_as_wallets_sign_it(name: str) -> None:
    decision, field, kind = DECISIONS[name]
    vault = bytes([5]) * 20
    typed = encode_typed_data(
        domain_data={"name": "crossclear vault", "version": "1", "chainId": 7, "verifyingContract": "0x" + vault.hex()},
        message_types={name: [{"name": field, "type": kind}, {"name": "nonce", "type": "uint256"}]},
        message_data={field: decision[0], "nonce": 4},
    )
    signed = Account.sign_message(typed, COLD[0])
    digest = decision_digest(7, vault, decision, 4)
    assert bytes(signed.message_hash) == digest
    assert bytes(signed.signature) == secp256k1.sign_digest(COLD[0], digest)


def test_signatures_are_put_in_the_order_of_their_signers_and_doubles_left_out() -> None:
    digest = bytes([6]) * 32
    signatures = [secp256k1.sign_digest(secret, digest) for secret in COLD]
    assert in_signer_order(digest, [*signatures[::-1], signatures[1]]) == tuple(signatures)
