"""What a vault takes, and what it refuses to take."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from eth_account import Account
from web3 import Web3
from web3.exceptions import ContractCustomError, ContractLogicError
from web3.logs import DISCARD

from bridge.contracts.deploy import Deployed, VaultAsset, deploy, deploy_vault, next_vault_address
from bridge.contracts.vault import checkpoint_arguments, permit_digest
from clearing.base.codec import u256
from clearing.base.hashing import keccak256
from devnet.anvil import Anvil
from tests.kit.bridge.certified import certify, released
from tests.kit.bridge.vault_chain import (
    FOUR,
    GUARDIAN,
    LEAST,
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
        rolled = keccak256(b"".join(words))[:27] + bytes(5)
        assert event["args"] == {
            "nonce": nonce,
            "token": vault.token.address,
            "account": account,
            "amount": amount,
            "from": vault.user.address,
            "depositsHash": rolled,
        }
    assert vault.view("depositNonce") == 2
    assert vault.view("depositsHash") == rolled[:27]
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
    terms = replace(vault.terms, assets=(VaultAsset(codeless, UNIT),), wrapped_native=b"")
    with pytest.raises(ContractCustomError) as caught:
        deploy_vault(vault.user.web3, USER, vault.verifier_at.address, terms)
    assert caught.value.data == "0x" + (keccak256(b"NoCode(address)")[:4] + codeless.rjust(32, b"\0")).hex()


def test_an_unlisted_token_is_refused(vault: VaultChain) -> None:
    for address in (bytes([9]) * 20, vault.verifier_at.address, bytes(20)):
        assert refused(vault.deposit, UNIT, at=Deployed(address, 0)) == "TokenNotListed"


def test_a_deposit_without_allowance_credits_nothing(vault: VaultChain) -> None:
    stranger = ChainUser(vault.chain, bytes([3]) * 32)
    call = vault.vault.functions.deposit(vault.token.address, UNIT, 1)
    assert refused(stranger.send, call) == "ERC20InsufficientAllowance"


def test_only_the_guardian_pauses_and_only_once_between_checkpoints(vault: VaultChain) -> None:
    assert refused(vault.user.send, vault.vault.functions.pause()) == "NotGuardian"
    vault.guard()
    assert refused(vault.deposit, UNIT) == "IsPaused"
    assert refused(vault.guard) == "PausedAlready"
    vault.chain.rpc("evm_increaseTime", vault.terms.pause_s + 1)
    vault.chain.mine()
    vault.deposit(UNIT)
    assert refused(vault.guard) == "PausedAlready"


def test_a_pause_never_outlasts_the_trust_in_the_set(vault: VaultChain) -> None:
    """Else a guardian's key alone could lock what the vault holds for ever: no checkpoint is taken without trust."""
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


def test_a_guardian_who_brings_checkpoints_cannot_keep_a_vault_locked(vault: VaultChain) -> None:
    """Else a checkpoint and a pause in each first open block would hold every withdrawal until its time has passed."""
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
    predicted = next_vault_address(vault.user.web3, USER)
    assert deploy_vault(vault.user.web3, USER, vault.verifier_at.address, vault.terms).address == predicted


def test_two_chains_have_vaults_of_their_own(anvil: Callable[..., Anvil]) -> None:
    first, second = VaultChain(anvil(1001), FOUR), VaultChain(anvil(1002), FOUR)
    first.deposit(UNIT)
    assert (first.view("depositNonce"), second.view("depositNonce")) == (1, 0)
    assert address_of(USER) == first.user.address == second.user.address


def test_no_deposit_is_taken_for_a_network_that_has_been_silent_for_half_the_trusting_period(
    vault: VaultChain,
) -> None:
    trusted_at, half = vault.view("latest")[2], vault.terms.trusting_s // 2
    vault.chain.rpc("evm_setNextBlockTimestamp", trusted_at + half)
    vault.deposit(UNIT)  # the last second still counts
    vault.chain.rpc("evm_setNextBlockTimestamp", trusted_at + half + 1)
    found = refusal(vault.deposit, UNIT)
    assert (found.name, found.values[0]) == ("NetworkSilent", trusted_at + half)
    vault.certified(make_header(vault.signers, time_ms=1_000 * (trusted_at + half)))
    vault.deposit(UNIT)


@pytest.mark.parametrize("units", [1, 4])
def test_a_deposit_below_the_tokens_minimum_is_refused_with_the_minimum(vault: VaultChain, units: int) -> None:
    found = refusal(vault.deposit, units * UNIT, at=vault.other_at)
    assert (found.name, found.values) == ("BelowMinimum", (units * UNIT, LEAST))
    vault.deposit(LEAST, at=vault.other_at)
    vault.deposit(UNIT)
    assert vault.view("depositNonce") == 2


UNFIT = {
    "no clearing unit": ("ZeroSetting()", VaultAsset(b"", 0, 1), b""),
    "a minimum below the clearing unit": ("BelowMinimum(uint256,uint256)", VaultAsset(b"", UNIT, UNIT - 1), b""),
    "native coin as a token that is not listed": ("TokenNotListed(address)", VaultAsset(b"", UNIT), b"\x07" * 20),
}


@pytest.mark.parametrize("name", UNFIT)
def test_no_vault_is_deployed_with_unfit_terms_of_a_token(vault: VaultChain, name: str) -> None:
    error, asset, wrapped = UNFIT[name]
    terms = replace(vault.terms, assets=(replace(asset, token=vault.token_at.address),), wrapped_native=wrapped)
    with pytest.raises(ContractCustomError) as caught:
        deploy_vault(vault.user.web3, USER, vault.verifier_at.address, terms)
    assert str(caught.value.data)[:10] == "0x" + keccak256(error.encode())[:4].hex()


def test_native_coin_is_credited_as_the_wrapped_token_and_paid_in_it(vault: VaultChain) -> None:
    receipt = vault.user.send(vault.vault.functions.depositNative(7), value=10 * UNIT)
    (event,) = vault.vault.events.Deposited().process_receipt(receipt, errors=DISCARD)
    wrapped = Web3.to_checksum_address(vault.wrapped_at.address)
    assert event["args"]["token"] == wrapped
    assert (event["args"]["account"], event["args"]["amount"]) == (7, 10 * UNIT)
    assert vault.balance(vault.wrapped_at.address) == vault.view("deposited", wrapped) == 10 * UNIT
    assert vault.user.web3.eth.get_balance(vault.vault.address) == 0
    entry, leaf = released(vault, 0, token=vault.wrapped_at.address, amount=4 * UNIT)
    vault.withdraw(entry, certify(vault, [leaf]).proof(0))
    assert vault.balance(vault.wrapped_at.address) == 6 * UNIT


@pytest.mark.parametrize(("wei", "error"), [(0, "NotAMultiple"), (UNIT + 1, "NotAMultiple")])
def test_native_coin_is_taken_by_the_rules_of_its_token(vault: VaultChain, wei: int, error: str) -> None:
    assert refused(vault.user.send, vault.vault.functions.depositNative(7), value=wei) == error


def test_a_vault_without_a_wrapped_token_takes_no_native_coin(vault: VaultChain) -> None:
    terms = replace(vault.terms, wrapped_native=b"")
    made = vault.user.contract("Vault", deploy_vault(vault.user.web3, USER, vault.verifier_at.address, terms))
    assert refused(vault.user.send, made.functions.depositNative(7), value=UNIT) == "TokenNotListed"


def test_coin_that_is_merely_sent_is_not_taken(vault: VaultChain) -> None:
    with pytest.raises(ContractLogicError):
        vault.user.web3.eth.estimate_gas({"from": vault.user.address, "to": vault.vault.address, "value": UNIT})


def permit(vault: VaultChain, owner: ChainUser, at: Deployed, amount: int = UNIT) -> tuple[int, int, bytes, bytes]:
    """Deadline and signature for the vault to spend `amount`."""
    deadline = 2**63
    digest = permit_digest(
        owner.contract("TestToken", at).functions.DOMAIN_SEPARATOR().call(),
        bytes.fromhex(owner.address[2:]),
        vault.vault_at.address,
        amount,
        0,
        deadline,
    )
    signature = Account.unsafe_sign_hash(digest, owner.secret)
    return deadline, signature.v, u256(signature.r), u256(signature.s)


@pytest.fixture
def newcomer(vault: VaultChain) -> ChainUser:
    """Somebody with a unit of the token and no allowance."""
    made = ChainUser(vault.chain, bytes([3]) * 32)
    vault.user.send(vault.token.functions.mint(made.address, UNIT))
    return made


def test_a_permit_deposits_without_an_approval(vault: VaultChain, newcomer: ChainUser) -> None:
    signed = permit(vault, newcomer, vault.token_at)
    newcomer.send(vault.vault.functions.depositWithPermit(vault.token.address, UNIT, 5, *signed))
    assert vault.view("deposited", vault.token.address) == UNIT


def test_a_permit_that_somebody_showed_before_still_deposits(vault: VaultChain, newcomer: ChainUser) -> None:
    signed = permit(vault, newcomer, vault.token_at)
    vault.user.send(vault.token.functions.permit(newcomer.address, vault.vault.address, UNIT, *signed))
    newcomer.send(vault.vault.functions.depositWithPermit(vault.token.address, UNIT, 5, *signed))
    assert vault.view("deposited", vault.token.address) == UNIT


def test_a_permit_moves_nobody_elses_money(vault: VaultChain, newcomer: ChainUser) -> None:
    signed = permit(vault, newcomer, vault.token_at)
    thief = ChainUser(vault.chain, bytes([4]) * 32)
    call = vault.vault.functions.depositWithPermit(vault.token.address, UNIT, 5, *signed)
    assert refused(thief.send, call) == "ERC20InsufficientAllowance"


def test_a_token_that_swallows_a_permit_deposits_out_of_its_allowance_only(vault: VaultChain) -> None:
    """Wrapped native coin takes any unknown call without a word."""
    wrapped = vault.user.contract("WrappedNative", vault.wrapped_at)
    vault.user.send(wrapped.functions.deposit(), value=2 * UNIT)
    call = vault.vault.functions.depositWithPermit(wrapped.address, UNIT, 5, 2**63, 27, bytes(32), bytes(32))
    assert refused(vault.user.send, call) == "ERC20InsufficientAllowance"
    vault.user.send(wrapped.functions.approve(vault.vault.address, UNIT))
    vault.user.send(call)
    assert vault.view("deposited", wrapped.address) == UNIT


def test_no_token_that_is_not_listed_is_asked_for_a_permit(vault: VaultChain) -> None:
    call = vault.vault.functions.depositWithPermit(
        Web3.to_checksum_address(vault.verifier_at.address), UNIT, 5, 2**63, 27, bytes(32), bytes(32)
    )
    assert refused(vault.user.send, call) == "TokenNotListed"


def test_a_vault_takes_only_the_extension_that_was_deployed_for_its_settings(vault: VaultChain) -> None:
    web3, terms = vault.user.web3, vault.terms
    none = web3.to_checksum_address(bytes(20))
    cold = [web3.to_checksum_address(key) for key in terms.cold_keys.addresses]
    verifier, guardian = web3.to_checksum_address(vault.verifier_at.address), address_of(USER)
    settings = (terms.network, verifier, guardian, terms.trusting_s, terms.pause_s, none, cold, 2)
    shorter = (*settings[:4], terms.pause_s - 1, *settings[5:])
    words = terms.validators.words
    extension = web3.to_checksum_address(deploy(web3, USER, "VaultExtension", shorter).address)
    with pytest.raises(ContractCustomError) as caught:
        deploy(web3, USER, "Vault", settings, extension, words, [])
    assert (
        caught.value.data
        == "0x" + (keccak256(b"WrongExtension(address)")[:4] + bytes(12)).hex() + extension[2:].lower()
    )
    deploy(web3, USER, "Vault", shorter, extension, words, [])


def test_an_extension_by_itself_obeys_nobody(vault: VaultChain) -> None:
    alone = vault.user.contract("Vault", Deployed(bytes.fromhex(vault.view("extension")[2:]), 0))
    assert refused(vault.user.send, alone.functions.pause()) == "NotGuardian"
    assert refused(ChainUser(vault.chain, GUARDIAN).send, alone.functions.pause()) == "NotGuardian"
    header = make_header(vault.signers)
    checkpoint = alone.functions.checkpoint(*checkpoint_arguments(header, vault.signers.certify(header, (0, 1, 2))))
    assert refused(vault.user.send, checkpoint) == "WrongValidatorSet"
