"""Tokens of every kind that others have met, in a real vault: each one's trouble stays its own.

The kinds are those of github.com/d-xo/weird-erc20, with hooks (ERC-777), flash mints and code that is gone.
"""

from typing import Any, NamedTuple

import pytest
from web3 import Web3

from bridge.contracts.deploy import Deployed
from clearing.base.codec import u256
from clearing.base.hashing import keccak256
from tests.kit.bridge.certified import PAYEE, certify, released
from tests.kit.bridge.vault_chain import UNIT, Refused, VaultChain, refusal, refused

pytestmark = pytest.mark.chain

PAID = "paid"


class Kind(NamedTuple):
    """What the vault does with a token of this kind: what it credits of a deposit of five units, in units, or the
    error; and what comes of a payment of one unit. The error is empty where the call just fails."""

    mood: str
    deposit: int | str
    payment: str


KINDS = {
    "fair": Kind("Fair", 5, PAID),
    "fee on transfer": Kind("ReceiverFee", 4, PAID),
    "fee of the sender": Kind("SenderFee", 5, "WrongDebit"),
    "says true, moves nothing": Kind("Lying", "BelowMinimum", "WrongDebit"),
    "paused": Kind("Refusing", "NotInTheMood", "NotInTheMood"),
    "says false, moves nothing": Kind("Failing", "SafeERC20FailedOperation", "SafeERC20FailedOperation"),
    "says false, moves the amount": Kind("Modest", "SafeERC20FailedOperation", "SafeERC20FailedOperation"),
    "says nothing": Kind("Silent", 5, PAID),
    "says too much": Kind("Long", 5, PAID),
    "reverts with too much": Kind("Loud", "", ""),
    "burns all gas": Kind("Burning", "", ""),
    "calls the vault again": Kind("Reentering", "ReentrancyGuardReentrantCall", "ReentrancyGuardReentrantCall"),
    "hook that gives the vault more": Kind("Giving", 5, "WrongDebit"),
    "refuses zero": Kind("RefusingZero", 5, PAID),
    "refuses 96 bits": Kind("Narrow", 5, PAID),
    "blocks a receiver": Kind("Blocking", 5, "NotInTheMood"),
    "changes allowances only by way of zero": Kind("Racing", 5, PAID),
    "balance without bound": Kind("BalanceBoundless", "BelowMinimum", "WrongDebit"),
    "balance refused": Kind("BalanceRefused", "NotInTheMood", "NotInTheMood"),
    "balance burns all gas": Kind("BalanceBurning", "", ""),
    "balance cut short": Kind("BalanceShort", "", ""),
    "code gone": Kind("", "", ""),
}
TROUBLED = [name for name, kind in KINDS.items() if kind.payment != PAID]


def turn(vault: VaultChain, kind: Kind) -> None:
    """From here on the token is of this kind."""
    if kind.mood:
        vault.set_mood(kind.mood)
    else:
        vault.chain.rpc("anvil_setCode", "0x" + vault.moody_at.address.hex(), "0x")


def has(vault: VaultChain, token: Deployed) -> int:
    """Balance of the vault in the token's storage, whatever the token says of it."""
    key = keccak256(vault.vault_at.address.rjust(32, b"\0") + u256(0))
    return int(vault.chain.rpc("eth_getStorageAt", "0x" + token.address.hex(), "0x" + key.hex(), "latest"), 16)


def owes(vault: VaultChain, token: Deployed) -> int:
    address = Web3.to_checksum_address(token.address)
    return int(vault.view("deposited", address) - vault.view("withdrawn", address))


def outcome(call: Any, *arguments: Any, **named: Any) -> str:
    """PAID, or the error; empty for one that is not the vault's."""
    try:
        call(*arguments, **named)
    except Refused as refusal:
        return "" if refusal.name.startswith("0x") else refusal.name
    return PAID


@pytest.mark.parametrize("name", KINDS)
def test_a_deposit_is_credited_no_more_than_came(vault: VaultChain, name: str) -> None:
    kind = KINDS[name]
    vault.deposit(10 * UNIT, at=vault.moody_at)
    turn(vault, kind)
    result = outcome(vault.deposit, 5 * UNIT, at=vault.moody_at)
    credited, nonces = (kind.deposit, 2) if isinstance(kind.deposit, int) else (0, 1)
    assert result == (PAID if credited else kind.deposit)
    assert owes(vault, vault.moody_at) == (10 + credited) * UNIT <= has(vault, vault.moody_at)
    assert vault.view("depositNonce") == nonces
    vault.deposit(5 * UNIT)
    assert vault.view("depositNonce") == nonces + 1, "another token's deposit"


@pytest.mark.parametrize("name", KINDS)
def test_a_payment_is_made_in_full_or_not_at_all(vault: VaultChain, name: str) -> None:
    kind = KINDS[name]
    vault.deposit(10 * UNIT, at=vault.moody_at)
    entry, leaf = released(vault, 0, token=vault.moody_at.address)
    tree = certify(vault, [leaf])
    turn(vault, kind)
    assert outcome(vault.withdraw, entry, tree.proof(0)) == kind.payment
    paid = kind.payment == PAID
    assert vault.view("isPaid", 0) is paid
    assert owes(vault, vault.moody_at) == has(vault, vault.moody_at) == (10 - paid) * UNIT


@pytest.mark.parametrize("name", TROUBLED)
def test_a_tokens_trouble_stays_its_own(vault: VaultChain, name: str) -> None:
    vault.deposit(10 * UNIT)
    vault.deposit(10 * UNIT, at=vault.moody_at)
    tokens = (vault.token_at, vault.moody_at, vault.token_at, vault.token_at)
    made = [released(vault, nonce, token=at.address) for nonce, at in enumerate(tokens)]
    entries, tree = [entry for entry, _ in made], certify(vault, [leaf for _, leaf in made])
    turn(vault, KINDS[name])
    vault.withdraw_batch(entries[:3], tree.proof_of_many((0, 1, 2)))
    vault.withdraw(entries[3], tree.proof(3))
    assert [vault.view("isPaid", nonce) for nonce in range(4)] == [True, False, True, True]
    assert owes(vault, vault.moody_at) == has(vault, vault.moody_at) == 10 * UNIT
    if KINDS[name].mood:
        vault.set_mood("Fair")
        vault.withdraw(entries[1], tree.proof(1))
        assert owes(vault, vault.moody_at) == has(vault, vault.moody_at) == 9 * UNIT


def test_a_receiver_that_a_token_blocks_keeps_nobody_else_from_their_money(vault: VaultChain) -> None:
    vault.deposit(10 * UNIT, at=vault.moody_at)
    made = [released(vault, nonce, token=vault.moody_at.address, to=to) for nonce, to in enumerate((PAYEE, b"\7" * 20))]
    tree = certify(vault, [leaf for _, leaf in made])
    vault.set_mood("Blocking")
    vault.withdraw_batch([entry for entry, _ in made], tree.proof_of_many((0, 1)))
    assert [vault.view("isPaid", nonce) for nonce in range(2)] == [False, True]


def test_a_payment_that_makes_the_vaults_balance_grow_took_nothing_out_of_it(vault: VaultChain) -> None:
    """Code that adds 5 to a balance, the same for all, on every call but `balanceOf`."""
    vault.deposit(10 * UNIT, at=vault.moody_at)
    entry, leaf = released(vault, 0, token=vault.moody_at.address)
    tree = certify(vault, [leaf])
    balance_of, others = "5f545f5260205ff3", "5f546005015f5560015f5260205ff3"
    vault.chain.rpc("anvil_setCode", "0x" + vault.moody_at.address.hex(), f"0x36602414601657{others}5b{balance_of}")
    found = refusal(vault.withdraw, entry, tree.proof(0))
    assert (found.name, found.values[1:]) == ("WrongDebit", (UNIT, 0))


def test_the_vault_is_not_its_own_payee(vault: VaultChain) -> None:
    vault.deposit(10 * UNIT)
    entry, leaf = released(vault, 0, to=vault.vault_at.address)
    assert refused(vault.withdraw, entry, certify(vault, [leaf]).proof(0)) == "WrongDebit"


def test_nothing_is_paid_of_nothing(vault: VaultChain) -> None:
    vault.deposit(10 * UNIT)
    entry, leaf = released(vault, 0, amount=0)
    assert refused(vault.withdraw, entry, certify(vault, [leaf]).proof(0)) == "BeyondHoldings"


def test_a_balance_that_grows_is_nobodys_and_one_that_shrinks_is_shared_by_nobody_elses_token(
    vault: VaultChain,
) -> None:
    """Rebasing tokens. The vault pays out of what is left, in the order of claims, until the watchers halt the chain or
    an escape shares the loss."""
    moody = vault.user.contract("MoodyToken", vault.moody_at)
    vault.deposit(10 * UNIT, at=vault.moody_at)
    vault.deposit(10 * UNIT)
    vault.user.send(moody.functions.mint(vault.vault.address, 3 * UNIT))
    assert owes(vault, vault.moody_at) == 10 * UNIT
    vault.user.send(moody.functions.take(vault.vault.address, 9 * UNIT))
    amounts = (4 * UNIT, 4 * UNIT)
    made = [released(vault, nonce, token=vault.moody_at.address, amount=amount) for nonce, amount in enumerate(amounts)]
    made.append(released(vault, 2))
    tree = certify(vault, [leaf for _, leaf in made])
    vault.withdraw_batch([entry for entry, _ in made], tree.proof_of_many((0, 1, 2)))
    assert [vault.view("isPaid", nonce) for nonce in range(3)] == [True, False, True]
    assert (owes(vault, vault.moody_at), has(vault, vault.moody_at)) == (6 * UNIT, 0)
    assert owes(vault, vault.token_at) == has(vault, vault.token_at) == 9 * UNIT


def test_a_flash_mint_cannot_be_deposited(vault: VaultChain) -> None:
    moody = vault.user.contract("MoodyToken", vault.moody_at)
    assert (
        refused(vault.user.send, moody.functions.flashDeposit(vault.vault.address, UNIT)) == "ERC20InsufficientBalance"
    )
    assert owes(vault, vault.moody_at) == 0


@pytest.mark.parametrize("amount", [2**97, 2**255])
def test_amounts_beyond_what_a_token_can_move_are_refused_by_it(vault: VaultChain, amount: int) -> None:
    vault.user.send(vault.user.contract("MoodyToken", vault.moody_at).functions.mint(vault.user.address, 2**255))
    vault.set_mood("Narrow")
    whole = amount - amount % UNIT
    assert refused(vault.deposit, whole, at=vault.moody_at) == "NotInTheMood"
    vault.set_mood("Fair")
    vault.deposit(whole, at=vault.moody_at)
    assert owes(vault, vault.moody_at) == has(vault, vault.moody_at) == whole


def test_counters_that_would_overflow_refuse_the_deposit_and_no_other(vault: VaultChain) -> None:
    """A token that mints and burns at will runs its own counter to the end, and no other's."""
    moody = vault.user.contract("MoodyToken", vault.moody_at)
    huge = 2**255 - 2**255 % UNIT
    for _ in range(2):
        vault.user.send(moody.functions.take(vault.user.address, moody.functions.balanceOf(vault.user.address).call()))
        vault.user.send(moody.functions.mint(vault.user.address, huge))
        last = outcome(vault.deposit, huge, at=vault.moody_at)
        vault.user.send(moody.functions.take(vault.vault.address, has(vault, vault.moody_at)))
    assert last == PAID
    vault.user.send(moody.functions.mint(vault.user.address, huge))
    assert outcome(vault.deposit, huge, at=vault.moody_at) == ""
    vault.deposit(UNIT)
    assert owes(vault, vault.token_at) == UNIT


def test_what_a_hook_gives_beside_a_deposit_is_counted_nowhere(vault: VaultChain) -> None:
    vault.set_mood("Giving")
    vault.deposit(5 * UNIT, at=vault.moody_at)
    moody = Web3.to_checksum_address(vault.moody_at.address)
    assert (vault.view("deposited", moody), vault.view("dust", moody)) == (5 * UNIT, 0)
    assert has(vault, vault.moody_at) == 5 * UNIT + 1


@pytest.mark.parametrize(("units", "whole", "dust"), [(50, 49, UNIT // 2), (99, 98, 1)])
def test_a_fee_leaves_its_dust_in_a_public_counter(vault: VaultChain, units: int, whole: int, dust: int) -> None:
    vault.set_mood("ReceiverFee")  # of one in a hundred
    vault.deposit(units * UNIT, at=vault.moody_at)
    moody = Web3.to_checksum_address(vault.moody_at.address)
    assert (vault.view("deposited", moody), vault.view("dust", moody)) == (whole * UNIT, dust)
    assert vault.view("depositNonce") == 1
