"""Who is paid by a vault: those that a certified withdrawals tree names, once, in time, and nobody else."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from web3.logs import DISCARD

from bridge.contracts.vault import shortened
from clearing.base.hashing import keccak256
from clearing.base.withdrawal_leaves import DEPTH, empty_subtree_root
from devnet.anvil import Anvil
from tests.kit.bridge.certified import NEVER, PAYEE, Tree, certify, released
from tests.kit.bridge.vault_chain import UNIT, VaultChain, make_signers, refusal, refused
from tests.kit.clearing.withdrawal_proofs import withdrawals_root_from_proof

pytestmark = pytest.mark.chain


def test_a_certified_withdrawal_is_paid_once(vault: VaultChain) -> None:
    vault.deposit(10 * UNIT)
    entries = [released(vault, nonce, amount=(nonce + 1) * UNIT) for nonce in range(3)]
    tree = certify(vault, [leaf for _, leaf in entries])
    for nonce in (2, 0, 1):
        receipt = vault.withdraw(entries[nonce][0], tree.proof(nonce))
        (event,) = vault.vault.events.Withdrawn().process_receipt(receipt, errors=DISCARD)
        assert (event["args"]["nonce"], event["args"]["amount"]) == (nonce, (nonce + 1) * UNIT)
        assert vault.view("isPaid", nonce)
        assert refused(vault.withdraw, entries[nonce][0], tree.proof(nonce)) == "AlreadyPaid"
    token = vault.token.address
    assert (vault.view("deposited", token), vault.view("withdrawn", token)) == (10 * UNIT, 6 * UNIT)
    assert vault.token.functions.balanceOf(vault.user.web3.to_checksum_address(PAYEE)).call() == 6 * UNIT


def test_a_replayed_proof_is_refused_under_every_later_root(vault: VaultChain) -> None:
    vault.deposit(10 * UNIT)
    first, second = released(vault, 0), released(vault, 1)
    vault.withdraw(first[0], certify(vault, [first[1]]).proof(0))
    later = certify(vault, [first[1], second[1]], height=2)
    assert refused(vault.withdraw, first[0], later.proof(0)) == "AlreadyPaid"
    vault.withdraw(second[0], later.proof(1))


def test_a_leaf_is_paid_under_its_own_number_only(vault: VaultChain) -> None:
    vault.deposit(10 * UNIT)
    entries = [released(vault, nonce) for nonce in range(4)]
    tree = certify(vault, [leaf for _, leaf in entries])
    for claimed in (0, 1, 3):
        renumbered = (claimed, *entries[2][0][1:])
        assert refused(vault.withdraw, renumbered, tree.proof(2)) == "BadProof"
    assert refused(vault.withdraw, entries[2][0], tree.proof(3)) == "BadProof"


def test_a_leaf_at_another_place_than_its_number_is_not_paid(vault: VaultChain) -> None:
    vault.deposit(10 * UNIT)
    entries = [released(vault, nonce) for nonce in (1, 0)]  # a tree that consensus would never build
    tree = certify(vault, [leaf for _, leaf in entries])
    for place in (0, 1):
        for proof in (0, 1):
            assert refused(vault.withdraw, entries[place][0], tree.proof(proof)) == "BadProof"


@pytest.mark.parametrize("nonce", [2, 3, 2**32, 2**32 + 1, 2**64 - 1])
def test_a_number_beyond_the_certified_count_is_refused(vault: VaultChain, nonce: int) -> None:
    # The proof reads 32 bits of the number: without the bound, 2**32 + 1 would prove leaf 1 a second time.
    vault.deposit(10 * UNIT)
    tree = certify(vault, [released(vault, n)[1] for n in range(2)])
    assert refused(vault.withdraw, released(vault, nonce)[0], tree.proof(1)) == "UnknownWithdrawal"


def test_a_number_of_more_than_32_bits_proves_nothing_even_within_the_count(vault: VaultChain) -> None:
    vault.deposit(10 * UNIT)
    entry, leaf = released(vault, 1)
    tree = certify(vault, [released(vault, 0)[1], leaf], count=2**40 - 1)
    assert refused(vault.withdraw, (2**32 + 1, *entry[1:]), tree.proof(1)) == "BadSiblings"
    vault.withdraw(entry, tree.proof(1))


@pytest.mark.parametrize("count", [1, 2, 3, 5, 8, 11])
def test_empty_subtrees_may_be_given_as_zeros_and_left_out_at_the_end(vault: VaultChain, count: int) -> None:
    vault.deposit(count * UNIT)
    entries = [released(vault, nonce) for nonce in range(count)]
    tree = certify(vault, [leaf for _, leaf in entries])
    for nonce, (entry, _) in enumerate(entries):
        short = tuple(shortened(tree.proof(nonce)))
        assert len(short) == (count - 1).bit_length()
        if short:
            # Without the last one the number lies beyond, or the root is another.
            assert refused(vault.withdraw, entry, short[:-1]) in ("BadSiblings", "BadProof")
        for level, sibling in enumerate(short):
            other = bytes(32) if any(sibling) else keccak256(b"no empty subtree")
            assert refused(vault.withdraw, entry, (*short[:level], other, *short[level + 1 :])) == "BadProof"
        vault.withdraw(entry, short)


def test_what_is_shortened_leads_to_the_same_root() -> None:
    leaves = [keccak256(bytes([nonce])) for nonce in range(21)]
    tree = Tree(leaves)
    for nonce in range(21):
        full, short = tree.proof(nonce), shortened(tree.proof(nonce))
        padded = [*short, *[bytes(32)] * (DEPTH - len(short))]
        assert full == tuple(given if any(given) else empty_subtree_root(at) for at, given in enumerate(padded))


REFUSED: dict[str, tuple[str, dict[str, Any], dict[int, Any]]] = {
    "another_account": ("BadProof", {}, {1: 2}),
    "another_token": ("BadProof", {}, {2: bytes([1]) * 20}),
    "another_receiver": ("BadProof", {}, {3: bytes([1]) * 20}),
    "another_amount": ("BadProof", {}, {4: UNIT + 1}),
    "another_time": ("BadProof", {}, {5: NEVER - 1}),
    "of_another_chain": ("BadProof", {"chain_id": 1}, {}),
    "of_another_vault": ("BadProof", {"vault": bytes([1]) * 20}, {}),
    "of_more_than_the_vault_accounts_for": ("BeyondHoldings", {"amount": 10 * UNIT + 1}, {}),
    "of_an_unlisted_token": ("BeyondHoldings", {"token": bytes([9]) * 20}, {}),
}
"""The error, what the released withdrawal says, and which of its fields the claim changes."""


@pytest.mark.parametrize("case", REFUSED)
def test_a_withdrawal_is_paid_only_as_it_was_released_and_out_of_what_the_vault_accounts_for(
    vault: VaultChain, case: str
) -> None:
    name, changes, claimed = REFUSED[case]
    vault.deposit(10 * UNIT)
    # A donation is nobody's credit and cannot be withdrawn.
    vault.user.send(vault.token.functions.mint(vault.vault.address, 100 * UNIT))
    entry, leaf = released(vault, 0, **changes)
    claim = tuple(claimed.get(field, value) for field, value in enumerate(entry))
    assert refused(vault.withdraw, claim, certify(vault, [leaf]).proof(0)) == name


def test_a_withdrawal_after_its_time_is_refused(vault: VaultChain) -> None:
    vault.deposit(10 * UNIT)
    limit = vault.now() + 1000
    entries = [released(vault, nonce, not_after_s=limit) for nonce in range(2)]
    tree = certify(vault, [leaf for _, leaf in entries])
    vault.chain.rpc("evm_setNextBlockTimestamp", limit)
    vault.withdraw(entries[0][0], tree.proof(0))  # the last second still counts
    vault.chain.rpc("evm_setNextBlockTimestamp", limit + 1)
    assert refused(vault.withdraw, entries[1][0], tree.proof(1)) == "Expired"
    assert not vault.view("isPaid", 1)


def test_what_was_paid_is_owed_no_more(vault: VaultChain) -> None:
    """Coins that nobody deposited pay nobody."""
    vault.deposit(10 * UNIT)
    vault.user.send(vault.token.functions.mint(vault.vault.address, 100 * UNIT))
    made = [released(vault, nonce, amount=6 * UNIT) for nonce in range(2)]
    tree = certify(vault, [leaf for _, leaf in made])
    vault.withdraw(made[0][0], tree.proof(0))
    found = refusal(vault.withdraw, made[1][0], tree.proof(1))
    assert (found.name, found.values) == ("BeyondHoldings", (6 * UNIT, 4 * UNIT))


def test_nothing_is_paid_before_the_first_checkpoint(vault: VaultChain) -> None:
    vault.deposit(UNIT)
    entry, leaf = released(vault, 0)
    assert refused(vault.withdraw, entry, Tree([leaf]).proof(0)) == "UnknownWithdrawal"


def test_the_empty_tree_pays_nobody(vault: VaultChain) -> None:
    vault.deposit(UNIT)
    certify(vault, [])
    assert refused(vault.withdraw, released(vault, 0)[0], Tree([]).proof(0)) == "UnknownWithdrawal"


def test_what_one_chain_took_another_pays(anvil: Callable[..., Anvil]) -> None:
    signers = make_signers((1, 1, 1, 1))
    first, second = VaultChain(anvil(1001), signers), VaultChain(anvil(1002), signers)
    first.deposit(5 * UNIT)
    second.deposit(5 * UNIT)
    entry, leaf = released(second, 0, amount=5 * UNIT)
    tree = certify(second, [leaf])
    certify(first, [leaf])
    assert refused(first.withdraw, entry, tree.proof(0)) == "BadProof"
    second.withdraw(entry, tree.proof(0))


@given(st.lists(st.binary(min_size=32, max_size=32), min_size=1, max_size=9), st.data())
def test_the_ledgers_proofs_lead_to_the_root_that_the_slow_tree_has(leaves: list[bytes], data: st.DataObject) -> None:
    tree = Tree(leaves)
    index = data.draw(st.integers(0, len(leaves) - 1))
    assert withdrawals_root_from_proof(leaves[index], index, tree.proof(index)) == tree.root
    assert DEPTH == 32
