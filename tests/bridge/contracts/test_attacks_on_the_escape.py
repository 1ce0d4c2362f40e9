"""Attacks on the escape that succeeded once: paid twice, and locked for ever."""

from typing import Any

import pytest

from clearing.schema.records.exits import ExitKind
from clearing.state.ledger import STRAY_ACCOUNT
from tests.kit.bridge.certified import Tree, released
from tests.kit.bridge.exits import ALICE, BOB, CAROL, Exits, balance, pay
from tests.kit.bridge.vault_chain import UNIT, VaultChain

pytestmark = pytest.mark.chain
NOBODY = 999


@pytest.fixture
def exits(vault: VaultChain) -> Exits:
    return Exits(vault)


def me(exits: Exits) -> bytes:
    return bytes.fromhex(exits.vault.user.address[2:])


def test_a_stray_refunded_after_the_snapshot_is_not_refunded_again(exits: Exits) -> None:
    """A cycle of 50: deposit to nobody, refund by the network. Every turn is a new claim that comes first."""
    vault = exits.vault
    vault.deposit(100 * UNIT)
    leaf = exits.owe(100 * UNIT, ALICE, 1)
    exits.close()
    made: list[Any] = []
    for turn in range(2):
        vault.deposit(50 * UNIT, NOBODY)
        made.append(released(vault, turn, account=STRAY_ACCOUNT, amount=50 * UNIT, to=me(exits)))
        pay(exits, 2 + turn, made)
    exits.settle()
    exits.show_payments()
    exits.walk(2)
    exits.begin_payments()
    before = balance(exits, me(exits))
    stolen = [exits.refund(2), exits.refund(3)]
    assert balance(exits, me(exits)) - before == sum(stolen) == 0
    assert exits.claim(leaf) == 100 * UNIT


def test_refunds_shown_as_paid_do_not_let_the_first_account_take_the_others_part(exits: Exits) -> None:
    """Debts of nobody's account lower what accounts are due together, and nobody's claim ever bears them."""
    vault = exits.vault
    vault.deposit(100 * UNIT)
    vault.deposit(40 * UNIT, NOBODY)
    alice, bob = exits.owe(60 * UNIT, ALICE, 1), exits.owe(40 * UNIT, BOB, 2)
    stray = exits.owe(40 * UNIT, me(exits), 2, ExitKind.REFUND)
    exits.close()
    made = [released(vault, 0, account=STRAY_ACCOUNT, amount=40 * UNIT, to=me(exits))]
    pay(exits, 2, made)
    exits.settle()
    exits.show_payments()
    exits.begin_payments()
    exits.claim(stray)
    exits.wait(4 * exits.quarter())
    got = [exits.claim(alice), exits.claim(bob)]
    assert got[0] * 40 == got[1] * 60, got


def test_a_debt_beyond_its_account_s_leaf_does_not_let_the_first_take_the_others_part(exits: Exits) -> None:
    """Account 3 had 10, won 50 of account 4 after the snapshot, and withdrew 60."""
    vault = exits.vault
    vault.deposit(100 * UNIT)
    exits.owe(10 * UNIT, CAROL, 3)
    alice, bob = exits.owe(45 * UNIT, ALICE, 1), exits.owe(45 * UNIT, BOB, 2)
    exits.close()
    made = [released(vault, 0, account=3, amount=60 * UNIT, to=CAROL)]
    pay(exits, 2, made)
    exits.settle()
    exits.show_payments()
    exits.begin_payments()
    assert [exits.claim(alice), exits.claim(bob)] == [18 * UNIT, 18 * UNIT], "account 3 may still come"
    exits.wait(4 * exits.quarter())
    assert [exits.claim(alice), exits.claim(bob)] == [2 * UNIT, 2 * UNIT]


def test_a_withdrawal_paid_since_whose_owner_hides_its_leaf_locks_nothing_for_ever(exits: Exits) -> None:
    vault = exits.vault
    vault.deposit(100 * UNIT)
    made = [released(vault, 0, amount=40 * UNIT, to=BOB)]
    alice = exits.owe(60 * UNIT, ALICE, 1)
    exits.owe(40 * UNIT, BOB, 0, ExitKind.WITHDRAWAL)
    exits.close(withdrawals=1)
    pay(exits, 2, made)
    exits.settle()
    exits.show_payments()
    exits.begin_payments()
    exits.wait(400 * exits.quarter())
    assert exits.claim(alice) == 60 * UNIT


def test_a_payment_shown_beside_one_of_a_token_that_is_not_open_counts(exits: Exits) -> None:
    """Payments of one word are shown together, also those of a token that the tree does not know."""
    vault = exits.vault
    vault.deposit(50 * UNIT)
    leaf = exits.owe(50 * UNIT, ALICE, 1)
    exits.close()
    vault.deposit(10 * UNIT, NOBODY, vault.other_at)
    made = [
        released(vault, 0, account=1, amount=50 * UNIT, to=ALICE),
        released(vault, 1, account=STRAY_ACCOUNT, amount=10 * UNIT, to=ALICE, token=vault.other_at.address),
    ]
    tree = Tree([each for _, each in made])
    exits.certify(2, tree, 2)
    entries, siblings = [entry for entry, _ in made], tree.proof_of_many(range(2))
    vault.withdraw_batch(entries, siblings)
    exits.settle()
    exits.show_payments()
    assert vault.view("isShown", 0)
    exits.begin_payments()
    assert exits.claim(leaf) == 0


@pytest.mark.parametrize("kind", [ExitKind.DEPOSIT, ExitKind.REFUND])
@pytest.mark.parametrize("order", [(0, 1, 2), (1, 0, 2), (2, 1, 0), (1, 2, 0)])
def test_of_strays_refunded_and_credited_none_is_paid_again_in_any_order(
    exits: Exits, order: tuple[int, ...], kind: ExitKind
) -> None:
    """Three of one depositor: one refunded, two credited to accounts 5 and 6, which withdrew them."""
    vault, mine = exits.vault, me(exits)
    vault.deposit(100 * UNIT)
    for account in (NOBODY, 5, 6):
        vault.deposit(50 * UNIT, account)
    alice = exits.owe(100 * UNIT, ALICE, 1)
    strays = [exits.owe(50 * UNIT, mine, NOBODY, kind)]
    strays += [exits.owe(50 * UNIT, mine, account, ExitKind.DEPOSIT) for account in (5, 6)]
    exits.close()
    made = [
        released(vault, 0, account=STRAY_ACCOUNT, amount=50 * UNIT, to=mine),
        released(vault, 1, account=5, amount=50 * UNIT, to=BOB),
        released(vault, 2, account=6, amount=50 * UNIT, to=BOB),
    ]
    pay(exits, 2, made)
    exits.settle()
    exits.show_payments()
    exits.begin_payments()
    assert [exits.claim(strays[at]) for at in order] == [0, 0, 0]
    assert exits.claim(alice) == 100 * UNIT


def test_a_stray_s_refund_does_not_spare_the_leaf_of_its_account(exits: Exits) -> None:
    """Account 5 withdrew what it had; its stray was refunded; a later deposit was neither."""
    vault, mine = exits.vault, me(exits)
    vault.deposit(100 * UNIT)
    vault.deposit(50 * UNIT, 5)
    vault.deposit(50 * UNIT, 5)
    alice, own = exits.owe(100 * UNIT, ALICE, 1), exits.owe(50 * UNIT, BOB, 5)
    stray = exits.owe(50 * UNIT, mine, 5, ExitKind.DEPOSIT)
    exits.close()
    made = [
        released(vault, 0, account=STRAY_ACCOUNT, amount=50 * UNIT, to=mine),
        released(vault, 1, account=5, amount=50 * UNIT, to=BOB),
    ]
    vault.deposit(30 * UNIT, NOBODY)
    pay(exits, 2, made)
    exits.settle()
    exits.show_payments()
    exits.walk(4)
    exits.begin_payments()
    paid = [exits.claim(own), exits.claim(stray), exits.refund(4), exits.claim(own), exits.refund(4)]
    assert sum(paid) == 30 * UNIT
    assert exits.claim(alice) == 100 * UNIT
    assert vault.balance(vault.token_at.address) == 0
