"""A vote orders a vault to have another guardian: by a leaf of the withdrawals tree that is no withdrawal."""

import pytest

from clearing.base.withdrawal_leaves import guardian_order_leaf_hash
from clearing.epochs.exit_tree import exit_tree
from clearing.schema.codes import ClearingCode
from clearing.schema.facts import WithdrawalExecuted
from clearing.schema.receipts.governance import GuardianOrdered
from clearing.schema.records.governance import DetachedVaultRecord
from clearing.schema.requests.governance import GuardianOrder
from clearing.state.withdrawals_tree import withdrawal_proof, withdrawals_root
from clearing.withdrawals.guardian_orders import newest_guardian_orders
from clearing.withdrawals.refunds import expired_withdrawals, is_withdrawal_open
from tests.kit.bridge.certified import Tree
from tests.kit.clearing.genesis import ALICE, DOLLAR, USDC_1, VAULTS
from tests.kit.clearing.world import World, of_kind

CHAIN, VAULT = 1, VAULTS[1]
HEIR, OTHER = b"\x31" * 20, b"\x32" * 20


def ordered(house: World, guardian: bytes = HEIR) -> None:
    """A vote for this guardian that is in force."""
    house.agree(GuardianOrder(CHAIN, VAULT, guardian))
    assert of_kind(house.wait(), GuardianOrdered)


def test_an_agreed_order_is_the_next_leaf_of_the_withdrawals_tree(house: World) -> None:
    house.block(house.withdrawal(ALICE, USDC_1, 5 * DOLLAR))
    house.agree(GuardianOrder(CHAIN, VAULT, HEIR))
    assert house.state.now.withdrawals_released == 1, "not before its timelock is over"
    assert of_kind(house.wait(), GuardianOrdered) == [GuardianOrdered(1, CHAIN, VAULT, HEIR)]
    house.block(house.withdrawal(ALICE, USDC_1, 7 * DOLLAR))

    leaf = guardian_order_leaf_hash(CHAIN, VAULT, 1, HEIR)
    withdrawn = [house.state.withdrawals[nonce].leaf for nonce in (0, 2)]
    tree = Tree([withdrawn[0], leaf, withdrawn[1]])
    assert (withdrawals_root(house.state), house.results[-1].withdrawals_count) == (tree.root, 3)
    assert withdrawal_proof(house.state, [1], 3) == tree.proof(1)
    assert house.restored().module_roots() == house.state.module_roots()
    assert withdrawals_root(house.restored()) == tree.root


def test_an_order_moves_no_money_and_is_no_withdrawal(house: World) -> None:
    before = [leaf.amount for leaf in exit_tree(house.state).leaves]
    ordered(house)
    assert [leaf.amount for leaf in exit_tree(house.state).leaves] == before
    assert all(each.withdrawals_count == 1 for each in exit_tree(house.state).totals)
    assert not is_withdrawal_open(house.state, 0)
    assert not list(house.state.unpaid_withdrawals.ordered())
    assert not list(expired_withdrawals(house.state, CHAIN, []))


def test_nobody_can_say_that_an_order_was_paid(house: World) -> None:
    ordered(house)
    paid = WithdrawalExecuted(CHAIN, VAULT, 0, 900, b"\x0d" * 32, bytes(32))
    before = house.state.guardian_orders[0]
    house.block(facts=(paid,))
    assert (house.state.guardian_orders[0], house.state.withdrawals.get(0)) == (before, None)


def test_of_the_orders_to_a_vault_the_newest_counts(house: World) -> None:
    ordered(house)
    ordered(house, OTHER)
    (at,) = newest_guardian_orders(house.state).items()
    assert at == ((CHAIN, VAULT), (1, house.state.guardian_orders[1]))
    assert at[1][1].guardian == OTHER


@pytest.mark.parametrize(
    "order",
    [GuardianOrder(77, VAULT, HEIR), GuardianOrder(CHAIN, VAULTS[2], HEIR), GuardianOrder(CHAIN, VAULT, bytes(20))],
    ids=["of_no_chain", "of_another_chains_vault", "of_nobody"],
)
def test_an_order_that_no_vault_can_follow_is_refused(house: World, order: GuardianOrder) -> None:
    assert house.refusals(house.proposal(order)) == [ClearingCode.GUARDIAN_ORDER_REFUSED]


def test_a_vault_that_was_detached_since_the_proposal_gets_no_order(house: World) -> None:
    house.agree(GuardianOrder(CHAIN, VAULT, HEIR))
    fork = house.state.fork()
    fork.detached_vaults.put((CHAIN, VAULT), DetachedVaultRecord(1, 1))
    house.state = fork.absorb()
    house.wait()
    assert not list(house.state.guardian_orders.ordered())
