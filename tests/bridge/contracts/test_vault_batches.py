"""Several withdrawals in one transaction: one proof for all, each paid once, and none stopped by another."""

from collections.abc import Callable
from typing import Any

import pytest
from web3.exceptions import ContractCustomError
from web3.logs import DISCARD

from bridge.contracts.vault import shortened
from clearing.base.hashing import keccak256
from tests.kit.bridge.certified import Tree, certify, released
from tests.kit.bridge.vault_chain import UNIT, VaultChain, claim_as_json, make_header, refusal, refused

pytestmark = pytest.mark.chain
ROOTS = 64


def entries_of(vault: VaultChain, count: int, **changes: Any) -> tuple[list[tuple[Any, ...]], list[bytes]]:
    made = [released(vault, nonce, to=bytes([nonce + 1]) * 20, **changes) for nonce in range(count)]
    return [entry for entry, _ in made], [leaf for _, leaf in made]


def paid(vault: VaultChain, receipt: Any) -> list[int]:
    return [event["args"]["nonce"] for event in vault.vault.events.Withdrawn().process_receipt(receipt, errors=DISCARD)]


def failed(vault: VaultChain, receipt: Any) -> list[int]:
    events = vault.vault.events.PaymentFailed().process_receipt(receipt, errors=DISCARD)
    return [event["args"]["nonce"] for event in events]


@pytest.mark.parametrize("chosen", [(0,), (4,), (0, 1), (1, 2), (0, 3, 4), (0, 1, 2, 3, 4), (2, 4)])
def test_any_choice_of_withdrawals_is_paid_under_one_proof(vault: VaultChain, chosen: tuple[int, ...]) -> None:
    vault.deposit(10 * UNIT)
    entries, leaves = entries_of(vault, 5)
    tree = certify(vault, leaves)
    receipt = vault.withdraw_batch([entries[nonce] for nonce in chosen], tree.proof_of_many(chosen))
    assert paid(vault, receipt) == list(chosen)
    assert [vault.view("isPaid", nonce) for nonce in range(5)] == [nonce in chosen for nonce in range(5)]
    assert vault.view("withdrawn", vault.token.address) == len(chosen) * UNIT


@pytest.mark.parametrize("field", range(6))
def test_no_field_of_any_withdrawal_of_a_batch_can_be_changed(vault: VaultChain, field: int) -> None:
    vault.deposit(10 * UNIT)
    entries, leaves = entries_of(vault, 4)
    siblings = certify(vault, leaves).proof_of_many((1, 2))
    altered = list(entries[2])
    altered[field] = (3, 2, b"\x01" * 20, b"\x01" * 20, UNIT + 1, 7)[field]
    assert refused(vault.withdraw_batch, [entries[1], tuple(altered)], siblings) == "BadProof"


BAD_BATCHES: dict[str, tuple[tuple[int, ...], Callable[[tuple[bytes, ...]], tuple[bytes, ...]], str]] = {
    "nothing claimed": ((), lambda siblings: siblings, "BadSiblings"),
    "one claimed twice": ((1, 1), lambda siblings: siblings, "NotAscending"),
    "claimed out of order": ((2, 1), lambda siblings: siblings, "NotAscending"),
    "a sibling missing": ((1, 2), lambda siblings: siblings[1:], "BadProof"),
    "the last sibling that is no empty subtree missing": ((1, 2), lambda siblings: siblings[:1], "BadProof"),
    "no siblings": ((1, 2), lambda siblings: (), "BadProof"),
    "a sibling too many": ((1, 2), lambda siblings: (*siblings, bytes(32)), "BadSiblings"),
    "siblings of others": ((0, 3), lambda siblings: siblings, "BadProof"),
    "siblings in another order": ((1, 2), lambda siblings: (siblings[1], siblings[0], *siblings[2:]), "BadProof"),
}


@pytest.mark.parametrize("name", BAD_BATCHES)
def test_a_batch_that_is_not_proven_pays_nobody(vault: VaultChain, name: str) -> None:
    nonces, alter, error = BAD_BATCHES[name]
    vault.deposit(10 * UNIT)
    entries, leaves = entries_of(vault, 4)
    siblings = alter(certify(vault, leaves).proof_of_many((1, 2)))
    assert refused(vault.withdraw_batch, [entries[nonce] for nonce in nonces], siblings) == error
    assert not any(vault.view("isPaid", nonce) for nonce in range(4))


@pytest.mark.parametrize("left_out", [1, 7, 30])
def test_roots_of_empty_subtrees_at_the_end_of_a_proof_may_be_left_out(vault: VaultChain, left_out: int) -> None:
    vault.deposit(10 * UNIT)
    entries, leaves = entries_of(vault, 4)
    tree = certify(vault, leaves)
    vault.withdraw(entries[0], tree.proof(0)[:-left_out])
    vault.withdraw_batch(entries[1:3], tree.proof_of_many((1, 2))[:-left_out])
    assert [vault.view("isPaid", nonce) for nonce in range(4)] == [True, True, True, False]


def test_a_proof_longer_than_the_tree_is_deep_is_refused(vault: VaultChain) -> None:
    vault.deposit(10 * UNIT)
    entries, leaves = entries_of(vault, 1)
    tree = certify(vault, leaves)
    assert refused(vault.withdraw, entries[0], (*tree.proof(0), bytes(32))) == "BadSiblings"
    assert refused(vault.withdraw_batch, entries[:1], (*tree.proof(0), bytes(32))) == "BadSiblings"


def test_a_batch_pays_nothing_beyond_the_certified_count(vault: VaultChain) -> None:
    vault.deposit(10 * UNIT)
    entries, leaves = entries_of(vault, 6)
    tree = certify(vault, leaves, count=4)
    for nonce in (4, 5):
        found = refusal(vault.withdraw, entries[nonce], tree.proof(nonce))
        assert (found.name, found.values) == ("UnknownWithdrawal", (nonce, 4))
        found = refusal(vault.withdraw_batch, entries[3 : nonce + 1], tree.proof_of_many(range(3, nonce + 1)))
        assert (found.name, found.values) == ("UnknownWithdrawal", (nonce, 4))
    vault.withdraw_batch(entries[:4], tree.proof_of_many(range(4)))


def test_a_number_beyond_the_tree_is_no_other_leaf(vault: VaultChain) -> None:
    vault.deposit(10 * UNIT)
    entries, leaves = entries_of(vault, 2)
    tree = certify(vault, leaves)
    beyond = (2**32 + 1, *entries[1][1:])
    assert refused(vault.withdraw_batch, [beyond], tree.proof(1)) == "NotAscending"


def test_what_was_paid_before_is_passed_over(vault: VaultChain) -> None:
    vault.deposit(10 * UNIT)
    entries, leaves = entries_of(vault, 4)
    tree = certify(vault, leaves)
    vault.withdraw(entries[2], tree.proof(2))
    receipt = vault.withdraw_batch(entries, tree.proof_of_many(range(4)))
    assert (paid(vault, receipt), failed(vault, receipt)) == ([0, 1, 3], [])
    assert refused(vault.withdraw_batch, entries, tree.proof_of_many(range(4))) == "NothingPaid"
    assert vault.view("withdrawn", vault.token.address) == 4 * UNIT


@pytest.mark.parametrize("mood", ["Refusing", "Burning", "Lying", "SenderFee", "Loud", "Reentering"])
def test_one_payment_that_fails_stops_no_other(vault: VaultChain, mood: str) -> None:
    odd = vault.moody_at.address
    vault.deposit(10 * UNIT)
    vault.deposit(10 * UNIT, at=vault.moody_at)
    ours = [released(vault, nonce, to=bytes([nonce + 1]) * 20) for nonce in (0, 2)]
    made = [ours[0], released(vault, 1, token=odd), ours[1]]
    entries = [entry for entry, _ in made]
    tree = certify(vault, [leaf for _, leaf in made])
    vault.set_mood(mood)
    receipt = vault.withdraw_batch(entries, tree.proof_of_many(range(3)))
    assert (paid(vault, receipt), failed(vault, receipt)) == ([0, 2], [1])
    assert not vault.view("isPaid", 1)
    assert vault.view("withdrawn", vault.user.web3.to_checksum_address(odd)) == 0
    assert vault.balance(odd) == 10 * UNIT, "no unit left without being counted"
    vault.set_mood("Fair")
    vault.withdraw(entries[1], tree.proof(1))
    assert vault.balance(odd) == 9 * UNIT


def test_too_little_gas_for_a_payment_fails_the_batch_and_not_the_payment(vault: VaultChain) -> None:
    vault.deposit(10 * UNIT)
    entries, leaves = entries_of(vault, 2)
    siblings = certify(vault, leaves).proof_of_many((0, 1))
    assert refused(vault.withdraw_batch, entries, siblings, gas=200_000) == "TooLittleGas"
    assert not vault.view("isPaid", 0)


def test_a_batch_is_refused_that_would_leave_a_payment_without_its_gas(vault: VaultChain) -> None:
    """A call has 63 of 64 parts of what is left at most."""
    vault.deposit(10 * UNIT)
    entries, leaves = entries_of(vault, 1)
    siblings = certify(vault, leaves).proof_of_many((0,))
    call = vault.vault.functions.withdrawBatch([claim_as_json(entries[0])], 1, siblings)

    def lacking(gas: int) -> tuple[int, int] | None:
        """What is left before the payment, and what it needs, if that is too little."""
        try:
            call.call({"from": vault.user.address, "gas": gas})
        except ContractCustomError as error:
            data = bytes.fromhex(str(error.data)[2:])
            assert data[:4] == keccak256(b"TooLittleGas(uint256,uint256)")[:4]
            return int.from_bytes(data[4:36], "big"), int.from_bytes(data[36:], "big")
        return None

    low, high = 200_000, 500_000
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if lacking(middle) is None else (middle, high)
    found = lacking(low)
    assert found is not None
    assert found[1] == vault.view("PAYMENT_GAS") * 64 // 63
    assert 0 <= found[1] - found[0] < 1_000, "all that was spent since it was looked at"


def test_only_the_vault_makes_the_payments_of_a_batch(vault: VaultChain) -> None:
    vault.deposit(10 * UNIT)
    entries, leaves = entries_of(vault, 1)
    certify(vault, leaves)
    call = vault.vault.functions.payOfBatch(claim_as_json(entries[0]))
    assert refused(vault.user.send, call) == "NotTheVault"


def test_a_proof_stays_good_while_its_root_is_among_the_last(vault: VaultChain) -> None:
    vault.deposit(10 * UNIT)
    entries, leaves = entries_of(vault, 2)
    trees = [certify(vault, leaves[:1], height=1), certify(vault, leaves, height=2)]
    for height in range(3, ROOTS + 1):
        later = [*leaves, *(bytes([height]) * 32 for _ in range(height))]
        vault.certified(
            make_header(vault.signers, height, withdrawals_root=Tree(later).root, withdrawals_count=len(later))
        )
    assert vault.root_number == ROOTS
    vault.withdraw(entries[0], trees[0].proof(0), root=1)
    vault.certified(make_header(vault.signers, ROOTS + 1, withdrawals_root=b"\x77" * 32, withdrawals_count=1000))
    assert refused(vault.withdraw, entries[1], trees[0].proof(0), root=1) == "UnknownRoot"
    vault.withdraw_batch([entries[1]], trees[1].proof_of_many((1,)), root=2)


def test_a_root_is_kept_once_however_often_it_is_certified(vault: VaultChain) -> None:
    _, leaves = entries_of(vault, 1)
    for height in (1, 2, 3):
        certify(vault, leaves, height=height)
    assert vault.root_number == 1


@pytest.mark.parametrize("number", [0, 2, 65, 2**64 - 1])
def test_a_root_that_was_never_certified_pays_nobody(vault: VaultChain, number: int) -> None:
    vault.deposit(10 * UNIT)
    entries, leaves = entries_of(vault, 1)
    tree = certify(vault, leaves)
    assert vault.view("certifiedRoot", number) == bytes(32)
    assert refused(vault.withdraw, entries[0], tree.proof(0), root=number) == "UnknownRoot"


@pytest.mark.parametrize("chosen", [(4,), (2, 4), (0, 5), (1, 2, 6), (0, 1, 2, 3, 4, 5, 6)])
def test_a_batch_takes_zeros_for_empty_subtrees_and_for_nothing_else(
    vault: VaultChain, chosen: tuple[int, ...]
) -> None:
    vault.deposit(10 * UNIT)
    entries, leaves = entries_of(vault, 7)
    proof = tuple(shortened(certify(vault, leaves).proof_of_many(chosen)))
    for place in range(len(proof)):
        other = bytes(32) if any(proof[place]) else leaves[0]
        swapped = (*proof[:place], other, *proof[place + 1 :])
        assert refused(vault.withdraw_batch, [entries[nonce] for nonce in chosen], swapped) == "BadProof"
    assert paid(vault, vault.withdraw_batch([entries[nonce] for nonce in chosen], proof)) == list(chosen)
