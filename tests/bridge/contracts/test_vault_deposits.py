"""What a vault takes, and what it refuses to take."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from web3 import Web3
from web3.exceptions import ContractCustomError
from web3.logs import DISCARD

from bridge.contracts.deploy import Deployed, deploy_vault, next_addresses
from clearing.base.codec import u256
from clearing.base.hashing import keccak256
from devnet.anvil import Anvil
from tests.kit.bridge.vault_chain import (
    FOUR,
    UNIT,
    USER,
    ChainUser,
    VaultChain,
    address_of,
    make_header,
    refusal,
    refused,
)

pytestmark = pytest.mark.chain


def test_deposits_are_numbered_from_one_counted_and_chained(vault: VaultChain) -> None:
    rolled = bytes(32)
    for nonce, (amount, account) in enumerate(((3 * UNIT, 5), (UNIT, 2**64 - 1)), start=1):
        receipt = vault.deposit(amount, account)
        (event,) = vault.vault.events.Deposited().process_receipt(receipt, errors=DISCARD)
        token, sender = vault.token_at.address, bytes.fromhex(vault.user.address[2:])
        words = (rolled, u256(nonce), token.rjust(32, b"\0"), u256(account), u256(amount), sender.rjust(32, b"\0"))
        rolled = keccak256(b"".join(words))
        assert event["args"] == {
            "nonce": nonce,
            "token": vault.token.address,
            "account": account,
            "amount": amount,
            "from": vault.user.address,
            "depositsHash": rolled,
        }
    assert vault.view("depositNonce") == 2
    assert vault.view("depositsHash") == rolled
    assert vault.view("deposited", vault.token.address) == 4 * UNIT
    assert vault.token.functions.balanceOf(vault.vault.address).call() == 4 * UNIT


@pytest.mark.parametrize(
    ("amount", "lower", "upper"),
    [(0, 0, UNIT), (1, 0, UNIT), (5 * UNIT - 1, 4 * UNIT, 5 * UNIT), (2**256 - 1, 2**256 - 1 - (2**256 - 1) % UNIT, 0)],
)
def test_a_deposit_that_is_no_multiple_is_refused_with_the_amounts_that_would_do(
    vault: VaultChain, amount: int, lower: int, upper: int
) -> None:
    found = refusal(vault.deposit, amount)
    assert (found.name, found.values) == ("NotAMultiple", (amount, lower, upper))
    assert vault.view("depositNonce") == 0


def test_a_token_without_code_cannot_be_listed(vault: VaultChain) -> None:
    codeless = bytes([9]) * 20
    with pytest.raises(ContractCustomError) as caught:
        deploy_vault(vault.user.web3, USER, vault.verifier_at.address, replace(vault.terms, assets=((codeless, UNIT),)))
    assert caught.value.data == "0x" + (keccak256(b"NoCode(address)")[:4] + codeless.rjust(32, b"\0")).hex()


def test_an_unlisted_token_is_refused(vault: VaultChain) -> None:
    for address in (bytes([9]) * 20, vault.verifier_at.address, bytes(20)):
        assert refused(vault.deposit, UNIT, at=Deployed(address, 0)) == "TokenNotListed"


def test_a_fee_taking_token_is_credited_what_arrived_and_leaves_its_dust(vault: VaultChain) -> None:
    vault.deposit(50 * UNIT, at=vault.fee_at)  # 1 % goes: 49.5 units arrive
    fee = Web3.to_checksum_address(vault.fee_at.address)
    assert vault.view("deposited", fee) == 49 * UNIT
    assert vault.view("dust", fee) == UNIT // 2
    assert refused(vault.deposit, UNIT, at=vault.fee_at) == "NothingReceived"


def test_a_token_that_says_false_credits_nothing(vault: VaultChain) -> None:
    assert refused(vault.deposit, UNIT, at=vault.false_at) == "SafeERC20FailedOperation"
    assert vault.view("depositNonce") == 0


def test_a_token_cannot_reenter_the_vault(vault: VaultChain) -> None:
    assert refused(vault.deposit, UNIT, at=vault.reentrant_at) == "ReentrancyGuardReentrantCall"
    assert vault.view("depositNonce") == 0


def test_a_deposit_without_allowance_credits_nothing(vault: VaultChain) -> None:
    stranger = ChainUser(vault.chain, bytes([3]) * 32)
    call = vault.vault.functions.deposit(vault.token.address, UNIT, 1)
    assert refused(stranger.send, call) == "ERC20InsufficientAllowance"


def test_only_the_guardian_pauses_and_only_once_between_checkpoints(own_vault: VaultChain) -> None:
    vault = own_vault
    assert refused(vault.user.send, vault.vault.functions.pause()) == "NotGuardian"
    vault.guard()
    assert refused(vault.deposit, UNIT) == "IsPaused"
    assert refused(vault.guard) == "PausedAlready"
    vault.chain.rpc("evm_increaseTime", vault.terms.pause_s + 1)
    vault.chain.mine()
    vault.deposit(UNIT)
    assert refused(vault.guard) == "PausedAlready"


def test_a_pause_never_outlasts_the_trust_in_the_set(own_vault: VaultChain) -> None:
    """Else a guardian's key alone could lock what the vault holds for ever: no checkpoint is taken without trust."""
    vault = own_vault
    vault.certified(make_header(vault.signers))
    trusted_at = vault.view("latest")[2]
    vault.chain.rpc("evm_setNextBlockTimestamp", trusted_at + vault.terms.trusting_s - vault.terms.pause_s - 60)
    vault.guard()
    assert vault.view("pausedUntil") == trusted_at + vault.terms.trusting_s - vault.terms.pause_s
    vault.chain.rpc("evm_setNextBlockTimestamp", vault.view("pausedUntil"))
    vault.certified(make_header(vault.signers, 2, time_ms=vault.view("pausedUntil") * 1_000))
    latest_end = vault.view("latest")[2] + vault.terms.trusting_s - vault.terms.pause_s
    assert latest_end > trusted_at + vault.terms.trusting_s
    vault.chain.rpc("evm_setNextBlockTimestamp", latest_end)
    assert refused(vault.guard) == "PauseTooLate"
    vault.certified(make_header(vault.signers, 3, time_ms=latest_end * 1_000))
    vault.guard()


def test_a_guardian_who_brings_checkpoints_cannot_keep_a_vault_locked(own_vault: VaultChain) -> None:
    """Else a checkpoint and a pause in each first open block would hold every withdrawal until its time has passed."""
    vault = own_vault
    vault.guard()
    vault.chain.rpc("evm_setNextBlockTimestamp", vault.view("pausedUntil"))
    vault.certified(make_header(vault.signers))
    assert refused(vault.guard) == "PauseTooSoon"
    vault.deposit(UNIT)
    vault.chain.rpc("evm_setNextBlockTimestamp", vault.view("pausedUntil") + vault.terms.pause_s)
    vault.guard()


def test_a_vault_is_not_deployed_for_a_pause_of_more_than_half_the_trusting_period(anvil: Callable[..., Anvil]) -> None:
    VaultChain(anvil(), FOUR, trusting_s=200, pause_s=100)
    with pytest.raises(ContractCustomError) as caught:
        VaultChain(anvil(), FOUR, trusting_s=200, pause_s=101)
    assert str(caught.value.data)[:10] == "0x" + keccak256(b"PauseTooLong(uint256,uint256)")[:4].hex()


def test_a_vaults_address_is_told_before_it_exists(vault: VaultChain) -> None:
    (told,) = next_addresses(vault.user.web3, USER, 1)
    assert deploy_vault(vault.user.web3, USER, vault.verifier_at.address, vault.terms).address == told


def test_two_chains_have_vaults_of_their_own(anvil: Callable[..., Anvil]) -> None:
    first, second = VaultChain(anvil(1001), FOUR), VaultChain(anvil(1002), FOUR)
    first.deposit(UNIT)
    assert (first.view("depositNonce"), second.view("depositNonce")) == (1, 0)
    assert address_of(USER) == first.user.address == second.user.address


def test_no_deposit_is_taken_for_a_network_that_has_been_silent_for_half_the_trusting_period(
    own_vault: VaultChain,
) -> None:
    trusted_at, half = own_vault.view("latest")[2], own_vault.terms.trusting_s // 2
    own_vault.chain.rpc("evm_setNextBlockTimestamp", trusted_at + half)
    own_vault.deposit(UNIT)  # the last second still counts
    own_vault.chain.rpc("evm_setNextBlockTimestamp", trusted_at + half + 1)
    found = refusal(own_vault.deposit, UNIT)
    assert (found.name, found.values[0]) == ("NetworkSilent", trusted_at + half)
    own_vault.certified(make_header(own_vault.signers, time_ms=1_000 * (trusted_at + half)))
    own_vault.deposit(UNIT)
