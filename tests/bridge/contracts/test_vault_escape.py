"""The way out of a silent network: when it opens, who is paid what, and that nothing is paid twice."""

from random import Random
from typing import Any

import pytest
from web3 import Web3

from bridge.contracts import escape, load_artifact
from bridge.contracts.escape import PAYMENTS_IN_WORD
from bridge.evm.events import Deposited, rolled_deposits_hash
from bridge.evm.hexadecimal import hex_data
from clearing.base.codec import u256
from clearing.base.hashing import keccak256
from clearing.epochs.exit_tree import NO_EXITS
from clearing.schema.records.exits import ExitKind, ExitTotals, ExitTree, position_of
from clearing.state.ledger import STRAY_ACCOUNT
from devnet.genesis import DEVNET_BALANCES
from tests.kit.bridge.certified import Tree, certify, released
from tests.kit.bridge.exits import ALICE, BOB, CAROL, Exits, balance, pay
from tests.kit.bridge.vault_chain import UNIT, VaultChain, make_header, refusal, refused

pytestmark = pytest.mark.chain


@pytest.fixture
def exits(vault: VaultChain) -> Exits:
    return Exits(vault)


# When it opens


def test_a_silent_network_is_left_in_four_stages(exits: Exits) -> None:
    vault = exits.vault
    vault.deposit(10 * UNIT)
    leaf = exits.owe(10 * UNIT, ALICE, 1)
    exits.close()
    exits.certify()
    entry, siblings = released(vault, 0)[0], (bytes(32),)
    assert refused(exits.trigger) == "NotSilent"
    assert refused(exits.open) == "EscapeNotBegun"
    exits.wait(2 * exits.quarter() + 2)
    assert refused(vault.deposit, UNIT) == "NetworkSilent"
    exits.trigger()
    assert refused(exits.trigger) == "EscapeTriggeredAlready"
    assert refused(vault.guard) == "EscapeTriggeredAlready", "an escape cannot be paused"
    assert refused(exits.open) == "EscapeNotBegun"
    exits.wait(exits.quarter())
    exits.open()
    assert refused(exits.open) == "ExitOpenAlready"
    assert refused(exits.claim, leaf) == "EscapeNotBegun"
    assert refused(vault.certified, make_header(vault.signers, 9)) == "EscapeBegan"
    assert refused(vault.withdraw, entry, siblings) == "EscapeBegan"
    assert refused(vault.withdraw_batch, [entry], siblings) == "EscapeBegan"
    exits.wait(exits.quarter())
    assert exits.claim(leaf) == 10 * UNIT == balance(exits, ALICE)


def test_each_stage_begins_in_its_second_and_not_before(exits: Exits) -> None:
    vault, period = exits.vault, exits.vault.terms.trusting_s
    vault.deposit(100 * UNIT)
    leaf = exits.owe(100 * UNIT, ALICE, 1)
    exits.owe(40 * UNIT, BOB, 0, ExitKind.WITHDRAWAL)  # never claimed
    exits.close(withdrawals=1)
    exits.certify()
    silent = vault.view("silentFrom")
    assert silent == vault.view("latest")[2] + period // 2
    vault.at(silent)
    found = refusal(exits.trigger)
    assert (found.name, found.values) == ("NotSilent", (silent, silent))
    assert vault.view("paymentsFrom") == 0
    vault.at(silent + 1)
    exits.trigger()
    begins, pays = vault.view("escapeFrom"), vault.view("paymentsFrom")
    assert (begins, pays) == (silent + 1 + period // 4, silent + 1 + 2 * (period // 4))
    older = {"exit_root": exits.tree.root, "time_ms": vault.view("latest")[2] * 1_000}
    vault.at(begins - 2)
    vault.certified(make_header(vault.signers, 2, **older))
    vault.at(begins - 1)
    found = refusal(exits.open)
    assert (found.name, found.values[0]) == ("EscapeNotBegun", begins)
    vault.at(begins)
    exits.open()
    vault.at(pays - 1)
    found = refusal(exits.claim, leaf)
    assert (found.name, found.values[0]) == ("EscapeNotBegun", pays)
    vault.at(pays)
    assert exits.claim(leaf) == 60 * UNIT
    vault.at(pays + period - 1)
    assert exits.claim(leaf) == 0
    vault.at(pays + period)
    assert exits.claim(leaf) == 40 * UNIT


def test_in_its_first_second_an_escape_takes_no_checkpoint(exits: Exits) -> None:
    exits.wait(2 * exits.quarter() + 2)
    exits.trigger()
    begins = exits.vault.view("escapeFrom")
    exits.vault.at(begins)
    found = refusal(exits.vault.certified, make_header(exits.vault.signers, time_ms=begins * 1_000))
    assert (found.name, found.values) == ("EscapeBegan", (begins,))


def test_a_network_that_comes_back_in_time_ends_the_escape(exits: Exits) -> None:
    exits.vault.deposit(10 * UNIT)
    exits.close()
    exits.certify()
    exits.wait(2 * exits.quarter() + 2)
    exits.trigger()
    exits.wait(exits.quarter() - 100)
    exits.certify(2)
    assert exits.vault.view("escapeFrom") == 0
    exits.wait(200)
    assert refused(exits.open) == "EscapeNotBegun"
    exits.vault.deposit(UNIT)
    assert refused(exits.trigger) == "NotSilent"


def test_a_header_of_the_second_of_the_trigger_ends_no_escape_and_one_of_the_next_does(exits: Exits) -> None:
    exits.vault.deposit(10 * UNIT)
    exits.close()
    exits.certify()
    exits.wait(2 * exits.quarter() + 2)
    exits.trigger()
    triggered = exits.vault.view("escapeTriggeredAt")
    exits.certify(2, time_ms=triggered * 1000 + 999)
    assert exits.vault.view("escapeFrom") != 0
    exits.certify(3, time_ms=triggered * 1000 + 1000)
    assert exits.vault.view("escapeFrom") == 0


def test_an_older_certified_header_makes_the_snapshot_newer_and_ends_nothing(exits: Exits) -> None:
    vault = exits.vault
    vault.deposit(10 * UNIT)
    exits.close()
    exits.certify()
    early = vault.now()
    exits.wait(2 * exits.quarter() + 2)
    exits.trigger()
    leaf = exits.owe(10 * UNIT, ALICE, 1)
    exits.close()
    exits.certify(2, time_ms=early * 1000)
    assert vault.view("escapeFrom") != 0
    assert refused(vault.deposit, UNIT) in ("EscapeTriggeredAlready", "NetworkSilent")
    exits.wait(exits.quarter() + 2)
    exits.open()
    exits.begin_payments()
    assert exits.claim(leaf) == 10 * UNIT


def test_once_an_escape_is_triggered_no_deposit_is_taken_although_the_network_speaks(exits: Exits) -> None:
    """A header from before the trigger ends no escape, and its time ends the silence."""
    exits.wait(2 * exits.quarter() + 2)
    exits.trigger()
    exits.certify(time_ms=exits.vault.view("escapeTriggeredAt") * 1000)
    assert exits.vault.view("silentFrom") > exits.vault.now()
    assert refused(exits.vault.deposit, UNIT) == "EscapeTriggeredAlready"


def test_an_escape_that_was_cancelled_was_not_triggered(exits: Exits) -> None:
    exits.wait(2 * exits.quarter() + 2)
    exits.trigger()
    assert exits.vault.view("escapeTriggeredAt") == exits.vault.now()
    exits.wait(2)
    exits.certify()
    assert exits.vault.view("escapeTriggeredAt") == exits.vault.view("escapeFrom") == 0


def test_a_pause_at_the_trigger_takes_no_time_from_the_network_s_return(exits: Exits) -> None:
    exits.certify()
    exits.wait(2 * exits.quarter() + 2)
    exits.vault.guard()
    exits.trigger()
    assert exits.vault.view("escapeFrom") == exits.vault.view("pausedUntil") + exits.quarter()


def test_before_any_checkpoint_all_deposits_go_back(exits: Exits) -> None:
    exits.vault.deposit(3 * UNIT)
    exits.vault.deposit(4 * UNIT)
    exits.close(counted=0)
    exits.wait(2 * exits.quarter() + 2)
    exits.trigger()
    exits.wait(exits.quarter() + 2)
    exits.open(accounts=1, seniors=1, counted=3 * UNIT, deposit_cursor=2, withdrawals_count=1)
    assert vault_knows(exits) == (0, 0, 0, 7 * UNIT), "there is no tree that would prove other totals than zero"
    exits.walk(1)
    exits.begin_payments()
    before = balance(exits, bytes.fromhex(exits.vault.user.address[2:]))
    assert [exits.refund(2), exits.refund(1)] == [4 * UNIT, 3 * UNIT]
    assert balance(exits, bytes.fromhex(exits.vault.user.address[2:])) - before == 7 * UNIT
    assert exits.vault.balance(exits.vault.token_at.address) == 0


def test_before_an_epoch_has_closed_there_is_no_tree_either(exits: Exits) -> None:
    exits.vault.deposit(3 * UNIT)
    exits.close(counted=0)
    exits.certify(exit_root=NO_EXITS)
    exits.wait(2 * exits.quarter() + 2)
    exits.trigger()
    exits.wait(exits.quarter() + 2)
    exits.open_without_a_tree()
    exits.walk(1)
    exits.begin_payments()
    assert exits.refund(1) == 3 * UNIT


# A token that the tree does not know


def test_a_token_first_deposited_after_the_snapshot_gives_its_deposits_back(exits: Exits) -> None:
    """All but what its accounts were paid since."""
    vault, new = exits.vault, exits.vault.other_at
    vault.deposit(10 * UNIT)
    leaf = exits.owe(10 * UNIT, ALICE, 1)
    exits.close()
    for amount, account in ((20, 5), (30, 6), (7, 999)):
        vault.deposit(amount * UNIT, account, new)
    pay(exits, 2, [released(vault, 0, account=5, amount=15 * UNIT, token=new.address)])
    exits.settle()
    exits.open(token=new.address)
    exits.show_payments()
    exits.walk(2)
    exits.begin_payments()
    assert [exits.refund(nonce) for nonce in (2, 4, 3)] == [5 * UNIT, 7 * UNIT, 30 * UNIT]
    assert exits.claim(leaf) == 10 * UNIT
    assert vault.balance(new.address) == vault.balance(vault.token_at.address) == 0


@pytest.mark.parametrize("seed", range(4))
def test_only_totals_that_skip_a_token_open_it_as_a_new_one(exits: Exits, seed: int) -> None:
    """By whatever of chain, vault and address its neighbours differ, and wherever it would stand among them."""
    vault, draw = exits.vault, Random(seed)
    here, own = (vault.chain.chain_id, vault.vault_at.address, vault.token_at.address), vault.token_at.address
    beside = [(*here[:place], near, *here[place + 1 :]) for place in range(3) for near in neighbours(here[place])]
    chosen = draw.sample(beside, draw.randrange(1, 5)) + [here] * (seed == 3)
    ring = tuple(ExitTotals(*at, 1, 1, 1, 1, 1) for at in sorted(chosen))
    exits.tree = ExitTree(3, 1, ring, ())
    exits.certify()
    exits.settle(vault.other_at)
    right = position_of(ring, here)
    for index in range(len(ring)):
        if index != right:
            assert refused(exits.open, index, own) == "WrongTotals"
    exits.open(right, own)
    assert vault_knows(exits) == ((1, 1, 1, 1) if here in chosen else (0, 0, 0, 0))


def test_a_token_between_two_is_not_opened_by_lies_about_the_next(exits: Exits) -> None:
    vault = exits.vault
    exits.close()
    exits.certify()
    exits.settle(vault.other_at)
    other, (totals,) = vault.moody_at.address, exits.tree.totals
    for lie in ({"next": (1, bytes(20), bytes(20))}, {"own": (*totals.at[:2], other)}):
        assert refused(exits.open, token=other, **lie) == "BadProof"
    assert refused(exits.open, token=bytes([9]) * 20) == "TokenNotListed"
    exits.open(token=other)
    assert refused(exits.open, token=other) == "ExitOpenAlready"
    assert refused(exits.open, token=vault.wrapped_at.address, epoch=2) == "BadProof"


# Who is paid what


def test_everybody_is_paid_in_full_while_the_vault_has_what_it_owes(exits: Exits) -> None:
    vault = exits.vault
    for account, amount in ((1, 10), (2, 20), (3, 30)):
        vault.deposit(amount * UNIT, account)
    # Withdrawals 0 and 1 are in the snapshot, and 1 is paid after it; 2 comes later and is paid, 3 comes and is not.
    amounts, owners = (2, 3, 4, 5), (1, 2, 3, 3)
    made = [
        released(vault, nonce, account=account, amount=amount * UNIT, to=bytes([nonce + 1]) * 20)
        for nonce, (account, amount) in enumerate(zip(owners, amounts, strict=True))
    ]
    leaves = [
        exits.owe(amount * UNIT, owner, number)
        for number, (amount, owner) in enumerate(((8, ALICE), (17, BOB), (30, CAROL)), 1)
    ]
    opens = [exits.owe(amounts[nonce] * UNIT, bytes([nonce + 1]) * 20, nonce, ExitKind.WITHDRAWAL) for nonce in (0, 1)]
    exits.close(withdrawals=2)
    tree = certify(vault, [leaf for _, leaf in made], 1)
    exits.certify(2, tree, 4)
    vault.deposit(6 * UNIT, 7)
    vault.withdraw(made[1][0], tree.proof(1))
    vault.withdraw(made[2][0], tree.proof(2))
    exits.settle()
    assert exits.claim(opens[1]) == 0, "it was paid: it is only settled"
    exits.show_payments()
    assert open_debts(exits) == 4 * UNIT
    exits.walk(4)
    exits.begin_payments()
    assert [exits.claim(leaf) for leaf in reversed(leaves)] == [26 * UNIT, 17 * UNIT, 8 * UNIT]
    assert open_debts(exits) == 0, "the leaf of the account bears it"
    assert exits.claim(opens[0]) == 2 * UNIT
    assert [vault.view("isPaid", nonce) for nonce in range(4)] == [True, True, True, False]
    assert exits.refund(4) == 6 * UNIT
    assert vault.balance(vault.token_at.address) == 0


def open_debts(exits: Exits) -> int:
    """What accounts were paid after the snapshot and no claim bears yet."""
    return int(exits.vault.view("exitOf", exits.vault.token.address)[3])


def test_what_is_shown_late_is_claimed_again(exits: Exits) -> None:
    vault = exits.vault
    vault.deposit(100 * UNIT)
    made = released(vault, 0, amount=40 * UNIT)
    leaf = exits.owe(60 * UNIT, ALICE, 1)
    paid = exits.owe(40 * UNIT, BOB, 0, ExitKind.WITHDRAWAL)
    exits.close(withdrawals=1)
    pay(exits, 2, [made])
    exits.settle()
    exits.begin_payments()
    assert exits.claim(leaf) == 20 * UNIT, "40 are reserved for a withdrawal that the vault does not know as paid"
    assert exits.claim(paid) == 0
    assert exits.claim(leaf) == 40 * UNIT
    assert exits.claim(leaf) == 0


def test_an_account_that_was_paid_all_after_the_snapshot_holds_the_others_back_for_a_time_only(exits: Exits) -> None:
    vault = exits.vault
    vault.deposit(100 * UNIT)
    leaves = [exits.owe(amount * UNIT, owner, account) for account, owner, amount in ((1, ALICE, 60), (2, BOB, 40))]
    exits.close()
    made = released(vault, 0, account=2, amount=40 * UNIT)
    pay(exits, 2, [made])
    exits.settle()
    exits.show_payments()
    exits.begin_payments()
    assert exits.claim(leaves[0]) == 36 * UNIT, "60 of 100 of what is there"
    exits.wait(4 * exits.quarter())
    assert [exits.claim(leaves[0]), exits.claim(leaves[1])] == [24 * UNIT, 0]


@pytest.mark.parametrize("first", ["leaf", "refund"])
def test_a_payment_after_the_snapshot_is_taken_off_whatever_its_account_claims(exits: Exits, first: str) -> None:
    vault = exits.vault
    vault.deposit(50 * UNIT, 5)
    leaf = exits.owe(50 * UNIT, ALICE, 5)
    exits.close()
    made = released(vault, 0, account=5, amount=70 * UNIT)
    vault.deposit(50 * UNIT, 5)
    pay(exits, 2, [made])
    exits.settle()
    for _ in range(2):
        exits.show_payments()
        assert vault.view("isShown", 0)
    exits.walk(2)
    exits.begin_payments()
    claims = [lambda: exits.claim(leaf), lambda: exits.refund(2)]
    claims = claims if first == "leaf" else claims[::-1]
    assert sum(claim() for claim in (*claims, *claims)) == 30 * UNIT
    assert balance(exits, ALICE) == 30 * UNIT, "the deposit was paid in for the account, which took it out"


@pytest.mark.parametrize("kind", [ExitKind.DEPOSIT, ExitKind.REFUND])
def test_a_stray_deposit_that_was_refunded_after_the_snapshot_is_not_paid_again(exits: Exits, kind: ExitKind) -> None:
    vault = exits.vault
    vault.deposit(50 * UNIT, 999)
    leaf = exits.owe(50 * UNIT, ALICE, 999, kind)
    exits.close()
    made = released(vault, 0, account=STRAY_ACCOUNT, amount=50 * UNIT, to=ALICE)
    vault.deposit(50 * UNIT, 5)
    pay(exits, 2, [made])
    exits.settle()
    exits.show_payments()
    debtor = 1 << 160 | int.from_bytes(ALICE)
    assert tuple(vault.view("exitDebt", vault.token.address, debtor)) == (50 * UNIT, 0), "known by the depositor"
    exits.walk(2)
    exits.begin_payments()
    assert [exits.claim(leaf), exits.refund(2)] == [0, 50 * UNIT]


def test_a_stray_deposit_that_was_credited_and_withdrawn_after_the_snapshot_is_not_paid_again(exits: Exits) -> None:
    vault = exits.vault
    vault.deposit(50 * UNIT, 7)
    leaf = exits.owe(50 * UNIT, ALICE, 7, ExitKind.DEPOSIT)
    exits.close()
    made = released(vault, 0, account=7, amount=30 * UNIT)
    pay(exits, 2, [made])
    exits.settle()
    exits.show_payments()
    exits.begin_payments()
    assert exits.claim(leaf) == 20 * UNIT
    assert vault.balance(vault.token_at.address) == 0


def test_a_stray_deposit_bears_no_more_than_itself(exits: Exits) -> None:
    """Its depositor was refunded a part, and the account that it names was paid more than the rest."""
    vault = exits.vault
    vault.deposit(50 * UNIT, 7)
    leaf = exits.owe(50 * UNIT, ALICE, 7, ExitKind.DEPOSIT)
    exits.close()
    vault.deposit(50 * UNIT, 5)
    refund = released(vault, 0, account=STRAY_ACCOUNT, amount=30 * UNIT, to=ALICE)
    pay(exits, 2, [refund, released(vault, 1, account=7, amount=40 * UNIT)])
    exits.settle()
    exits.show_payments()
    assert open_debts(exits) == 40 * UNIT
    exits.begin_payments()
    assert exits.claim(leaf) == 0
    assert open_debts(exits) == vault.view("exitDebt", vault.token.address, 7)[0] == 20 * UNIT


def test_a_token_that_shrank_pays_first_what_comes_first_and_the_rest_pro_rata(exits: Exits) -> None:
    vault = exits.vault
    vault.deposit(100 * UNIT)
    leaves = [
        exits.owe(amount * UNIT, owner, number) for number, (amount, owner) in enumerate(((60, ALICE), (30, BOB)), 1)
    ]
    senior = exits.owe(10 * UNIT, CAROL, 0, ExitKind.WITHDRAWAL)
    exits.close(withdrawals=1)
    exits.certify()
    lose(vault, 45 * UNIT)
    exits.settle()
    exits.begin_payments()
    assert [exits.claim(leaves[0]), exits.claim(senior), exits.claim(leaves[1])] == [30 * UNIT, 10 * UNIT, 15 * UNIT]


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_what_comes_first_shares_what_there_is_in_any_order(exits: Exits, order: tuple[int, ...]) -> None:
    vault = exits.vault
    vault.deposit(100 * UNIT)
    amounts = (50, 30, 20)
    seniors = [exits.owe(amount * UNIT, ALICE, nonce, ExitKind.WITHDRAWAL) for nonce, amount in enumerate(amounts)]
    exits.close(withdrawals=3)
    exits.certify()
    lose(vault, 60 * UNIT)
    exits.settle()
    exits.begin_payments()
    assert {at: exits.claim(seniors[at]) for at in order} == {0: 20 * UNIT, 1: 12 * UNIT, 2: 8 * UNIT}


def test_what_comes_first_and_was_cut_is_paid_in_full_once_there_is_more(exits: Exits) -> None:
    vault = exits.vault
    vault.deposit(100 * UNIT)
    made = [released(vault, 0, amount=90 * UNIT, to=BOB)]
    exits.owe(10 * UNIT, BOB, 1)
    paid = exits.owe(90 * UNIT, BOB, 0, ExitKind.WITHDRAWAL)
    exits.close(withdrawals=1)
    vault.deposit(50 * UNIT, 7)
    pay(exits, 2, made)
    exits.settle()
    exits.walk(2)
    exits.begin_payments()
    first = exits.refund(2)
    assert 0 < first < 50 * UNIT, "140 are due first as far as the vault knows, and it has 60"
    assert exits.claim(paid) == 0
    assert first + exits.refund(2) == 50 * UNIT
    assert exits.refund(2) == 0


def test_a_refund_is_whole_again_when_another_turns_out_to_have_been_paid(exits: Exits) -> None:
    vault = exits.vault
    vault.deposit(50 * UNIT, 1)
    vault.deposit(50 * UNIT, 7)
    made = released(vault, 0, account=1, amount=50 * UNIT)
    tree = certify(vault, [made[1]], 1)
    vault.withdraw(made[0], tree.proof(0))
    exits.close(cursor=0, counted=0)
    exits.settle_without_a_tree()
    exits.show_payments()
    exits.walk(1)
    exits.begin_payments()
    assert [exits.refund(2), exits.refund(1), exits.refund(2)] == [25 * UNIT, 0, 25 * UNIT]
    assert vault.balance(vault.token_at.address) == 0


def test_what_comes_first_and_nobody_claims_is_held_back_for_a_time_only(exits: Exits) -> None:
    vault = exits.vault
    vault.deposit(100 * UNIT)
    seniors = [exits.owe(50 * UNIT, ALICE, nonce, ExitKind.WITHDRAWAL) for nonce in range(2)]
    exits.close(withdrawals=2)
    exits.certify()
    lose(vault, 50 * UNIT)
    exits.settle()
    exits.begin_payments()
    assert exits.claim(seniors[0]) == 25 * UNIT
    exits.wait(4 * exits.quarter())
    assert exits.claim(seniors[0]) == 25 * UNIT


@pytest.mark.parametrize("order", ["leaf first", "refund first"])
def test_what_an_account_was_paid_is_borne_by_later_deposits_for_it_in_any_order(exits: Exits, order: str) -> None:
    """The depositor of 50 for account 5 is not its owner, who withdrew 50 and has 50 in the snapshot."""
    vault = exits.vault
    vault.deposit(50 * UNIT, 5)
    leaf = exits.owe(50 * UNIT, ALICE, 5)
    exits.close()
    vault.deposit(50 * UNIT, 5)
    made = released(vault, 0, account=5, amount=50 * UNIT, to=BOB)
    pay(exits, 2, [made])
    exits.settle()
    exits.show_payments()
    exits.walk(2)
    exits.begin_payments()
    if order == "leaf first":
        assert exits.claim(leaf) == 0, "nobody has shown yet that a deposit bears it"
    assert exits.refund(2) == 0
    assert exits.claim(leaf) == 50 * UNIT
    assert vault.balance(vault.token_at.address) == 0


@pytest.mark.parametrize("order", ["withdrawal first", "leaf first"])
def test_a_withdrawal_given_back_and_made_again_is_not_paid_twice(exits: Exits, order: str) -> None:
    """Withdrawal 0 is open in the snapshot, expires unpaid, comes back to its account and is paid as withdrawal 1."""
    vault = exits.vault
    vault.deposit(150 * UNIT)
    made = [released(vault, 0, account=2, amount=50 * UNIT, to=BOB, not_after_s=vault.now() + 5)]
    alice, own = exits.owe(50 * UNIT, ALICE, 1), exits.owe(50 * UNIT, CAROL, 2)
    old = exits.owe_withdrawal(made[0][0])
    exits.close(withdrawals=1)
    exits.wait(60)
    made.append(released(vault, 1, account=2, amount=50 * UNIT, to=CAROL))
    tree = Tree([leaf for _, leaf in made])
    exits.certify(2, tree, 2)
    vault.withdraw(made[1][0], tree.proof(1))
    assert refused(vault.withdraw, made[0][0], tree.proof(0)) == "Expired"
    exits.settle()
    exits.show_payments()
    exits.begin_payments()
    claims = (old, own) if order == "withdrawal first" else (own, old)
    for leaf in (*claims, *claims):
        exits.claim(leaf)
    assert (balance(exits, BOB), balance(exits, CAROL)) == (0, 100 * UNIT)
    assert exits.claim(alice) == 50 * UNIT
    assert vault.balance(vault.token_at.address) == 0
    accounts = vault.view("exitOf", vault.token.address)[4]
    assert tuple(accounts) == (100 * UNIT, 100 * UNIT, 100 * UNIT), "total, settled, paid"


def test_a_withdrawal_that_nobody_can_have_given_back_bears_nothing(exits: Exits) -> None:
    """It expires only after the newest header, so that what its account was paid is another withdrawal's."""
    vault = exits.vault
    vault.deposit(100 * UNIT)
    exits.wait(2 * 3_600)
    made = [released(vault, 0, account=2, amount=50 * UNIT, to=BOB, not_after_s=vault.now() + 2 * 3_600)]
    own, old = exits.owe(50 * UNIT, CAROL, 2), exits.owe_withdrawal(made[0][0])
    exits.close(withdrawals=1)
    made.append(released(vault, 1, account=2, amount=50 * UNIT, to=CAROL))
    tree = Tree([leaf for _, leaf in made])
    exits.certify(2, tree, 2)
    vault.withdraw(made[1][0], tree.proof(1))
    exits.settle()
    exits.show_payments()
    exits.begin_payments()
    assert [exits.claim(old), exits.claim(own)] == [50 * UNIT, 0]


@pytest.mark.parametrize(("ahead_s", "paid"), [(3_599, 0), (3_600, 50 * UNIT)])
def test_a_chain_s_time_may_be_an_hour_ahead_when_a_withdrawal_is_given_back(
    exits: Exits, ahead_s: int, paid: int
) -> None:
    vault = exits.vault
    vault.deposit(100 * UNIT)
    exits.wait(2 * 3_600)
    trusted_at = vault.now() + 60
    made = [released(vault, 0, account=2, amount=50 * UNIT, to=BOB, not_after_s=trusted_at + ahead_s)]
    exits.owe(50 * UNIT, CAROL, 2)
    old = exits.owe_withdrawal(made[0][0])
    exits.close(withdrawals=1)
    made.append(released(vault, 1, account=2, amount=50 * UNIT, to=CAROL))
    tree = Tree([leaf for _, leaf in made])
    exits.wait(70)
    exits.certify(2, tree, 2, time_ms=trusted_at * 1_000)
    vault.withdraw(made[1][0], tree.proof(1))
    exits.settle()
    exits.show_payments()
    exits.begin_payments()
    assert exits.claim(old) == paid


def test_one_token_s_trouble_stays_that_token_s(exits: Exits) -> None:
    vault = exits.vault
    vault.deposit(10 * UNIT)
    vault.deposit(10 * UNIT, at=vault.moody_at)
    good, bad = exits.owe(10 * UNIT, ALICE, 1), exits.owe(10 * UNIT, ALICE, 1, at=vault.moody_at)
    exits.close(vault.token_at, vault.moody_at)
    exits.certify()
    exits.settle(vault.token_at)
    exits.begin_payments()
    assert refused(exits.claim, bad) == "ExitNotOpen"
    assert exits.claim(good) == 10 * UNIT


# Records of payments


def test_payments_are_shown_word_by_word_in_the_order_in_which_they_were_made(exits: Exits) -> None:
    vault, count = exits.vault, PAYMENTS_IN_WORD + 2
    vault.deposit(100 * UNIT, 1)
    exits.owe(100 * UNIT, ALICE, 1)
    exits.close()
    made = [released(vault, nonce, amount=UNIT, to=bytes([nonce + 1]) * 20) for nonce in range(count)]
    tree = Tree([leaf for _, leaf in made])
    exits.certify(2, tree, count)
    order = (2, 0, count - 1, 39, 7, 40)
    for nonce in order:
        vault.withdraw(made[nonce][0], tree.proof(nonce))
    exits.settle()
    first, second = exits.payments(0), exits.payments(1)
    assert [each[0] for each in first] == [2, 0, 39, 7]
    lies: tuple[list[tuple[Any, ...]], ...] = (
        [],
        sorted(first),
        first[:-1],
        first[1:],
        [*first, first[0]],
        [*first[:-1], (*first[-1][:-1], 2 * UNIT)],
        [*first[:-1], (first[-1][0], 2, *first[-1][2:])],
        second,
    )
    for lie in lies:
        assert refused(exits.walk_payments, 0, lie) == "WrongPayments", lie
    assert refused(exits.walk_payments, 2, first) == "WrongPayments"
    exits.show_payments(0, 0, 1)
    assert [nonce for nonce in range(count) if vault.view("isShown", nonce)] == sorted(order)
    assert vault.view("exitDebt", vault.token.address, 1)[0] == len(order) * UNIT


def test_the_word_of_payments_is_the_marks_and_the_hash_that_python_computes(exits: Exits) -> None:
    vault = exits.vault
    vault.deposit(100 * UNIT)
    made = [released(vault, nonce, amount=(nonce + 1) * UNIT) for nonce in range(3)]
    tree = certify(vault, [leaf for _, leaf in made])
    rolled = bytes(32)
    for nonce in (1, 0):
        vault.withdraw(made[nonce][0], tree.proof(nonce))
        _, account, token, to, amount, _ = made[nonce][0]
        rolled = rolled_deposits_hash(rolled, Deposited(nonce, token, account, amount, to, b""))
    slot = load_artifact("Vault").storage["_payments"][0]
    word = vault.user.web3.eth.get_storage_at(vault.vault.address, int.from_bytes(keccak256(u256(0) + u256(slot))))
    assert bytes(word) == rolled[:27] + (0b11).to_bytes(5, "big")


# Nobody twice, nobody else


def test_only_a_payment_of_the_tree_is_claimed_and_once(exits: Exits) -> None:
    vault = exits.vault
    vault.deposit(100 * UNIT)
    leaf = exits.owe(10 * UNIT, ALICE, 1)
    senior = exits.owe(10 * UNIT, BOB, 4, ExitKind.WITHDRAWAL)
    exits.close(withdrawals=5)
    exits.certify()
    exits.settle()
    exits.begin_payments()
    lies: tuple[dict[str, Any], ...] = (
        {"amount": 11 * UNIT},
        {"to": Web3.to_checksum_address(BOB)},
        {"number": 2},
        {"epoch": 2},
        {"salt": bytes(32)},
        {"account": 2},
        {"notAfter": 1},
        {"kind": int(ExitKind.WITHDRAWAL)},
        {"kind": int(ExitKind.DEPOSIT)},
        {"kind": int(ExitKind.REFUND)},
    )
    for lie in lies:
        assert refused(exits.claim, leaf, **lie) == "BadProof", lie
    assert refused(exits.claim, leaf, kind=0) == refused(exits.claim, leaf, kind=5) == "WrongLeafKind"
    place = exits.place(1)
    assert refused(exits.claim, leaf, place | {"index": 2}) == "BadProof"
    assert refused(exits.claim, leaf, place | {"index": 1 + 4}) == "BadPath"
    assert refused(exits.claim, leaf, place | {"index": exits.tree.count}) == "BadPath"
    assert refused(exits.claim, leaf, place | {"count": exits.tree.count + 1}) == "BadProof"
    for depth, name in ((40, "BadProof"), (41, "BadPath")):
        assert refused(exits.claim, leaf, {"index": 1, "count": 2**depth, "path": [bytes(32)] * depth}) == name
    for path in (place["path"][:-1], [*place["path"], bytes(32)]):
        assert refused(exits.claim, leaf, place | {"path": path}) == "BadPath"
    assert [exits.claim(leaf), exits.claim(leaf)] == [10 * UNIT, 0]
    assert exits.claim(senior) == 10 * UNIT
    assert exits.claim(senior) == 0
    assert [nonce for nonce in range(200) if vault.view("isPaid", nonce)] == [4], "as if it was withdrawn"


def test_a_single_base_unit_is_paid_to_whoever_it_is_due_to(exits: Exits) -> None:
    vault, owner = exits.vault, bytes.fromhex(exits.vault.user.address[2:])
    vault.deposit(10 * UNIT)
    leaf, senior = exits.owe(1, ALICE, 1), exits.owe(1, BOB, 0, ExitKind.WITHDRAWAL)
    exits.close(withdrawals=1)
    vault.deposit(UNIT, 9)
    made = [released(vault, 0, amount=1, to=BOB), released(vault, 1, account=9, amount=UNIT - 1)]
    tree = Tree([leaf for _, leaf in made])
    exits.certify(2, tree, 2)
    vault.withdraw(made[1][0], tree.proof(1))
    exits.settle()
    exits.show_payments()
    exits.walk(2)
    exits.begin_payments()
    before = balance(exits, owner)
    assert [exits.claim(leaf), exits.claim(senior), exits.refund(2)] == [1, 1, 1]
    assert [balance(exits, ALICE), balance(exits, BOB), balance(exits, owner) - before] == [1, 1, 1]


def test_only_the_certified_totals_open_a_token(exits: Exits) -> None:
    exits.vault.deposit(10 * UNIT)
    exits.owe(10 * UNIT, ALICE, 1)
    exits.close()
    exits.certify()
    exits.wait(2 * exits.quarter() + 2)
    exits.trigger()
    exits.wait(exits.quarter() + 2)
    for lie in (
        {"accounts": 1},
        {"seniors": 1},
        {"counted": 1},
        {"deposit_cursor": 9},
        {"withdrawals_count": 9},
        {"epoch": 1},
        {"own": (1, *exits.tree.totals[0].at[1:])},
        {"next": (1, *exits.tree.totals[0].at[1:])},
    ):
        assert refused(exits.open, **lie) == "BadProof", lie


def test_deposits_are_shown_back_from_the_newest_without_a_gap_and_refunded_once(exits: Exits) -> None:
    vault = exits.vault
    for account in range(1, 6):
        vault.deposit(account * UNIT, account)
    exits.close(cursor=2, counted=3 * UNIT)
    exits.certify()
    exits.settle()
    assert refused(exits.walk, 1, 4) == "WrongDeposit", "the newest is left out"
    exits.walk(4)
    assert refused(exits.walk, 4) == "WrongDeposit", "those were shown"
    exits.walk(2, 3)
    assert refused(exits.refund, 5) == "EscapeNotBegun"
    exits.begin_payments()
    assert refused(exits.refund, 5, amount=6 * UNIT) == "WrongDeposit"
    assert refused(exits.refund, 1) == "WrongDeposit", "not shown"
    assert refused(exits.refund, 2) == "AlreadyPaid", "it is in the snapshot"
    assert [exits.refund(nonce) for nonce in (3, 5, 4)] == [3 * UNIT, 5 * UNIT, 4 * UNIT]
    assert exits.refund(5) == 0
    exits.walk(1, 1)
    assert refused(exits.walk, 1) == "WrongDeposit", "all were shown"


@pytest.mark.parametrize("seed", range(6))
def test_in_any_order_and_number_of_claims_nobody_gets_more_than_due_and_all_is_paid_out(
    exits: Exits, seed: int
) -> None:
    """Owners, open and paid withdrawals and late deposits, drawn; all is claimed twice."""
    draw, vault = Random(seed), exits.vault
    accounts = range(1, 5)
    balances = {account: draw.randrange(5, 50) * UNIT for account in accounts}
    for account, amount in balances.items():
        vault.deposit(amount, account)
    made, late = [], []
    for nonce in range(draw.randrange(1, 4)):
        account = draw.choice(accounts)
        amount = draw.randrange(1, balances[account] + 1)
        balances[account] -= amount
        made.append(
            (account, amount, released(vault, nonce, account=account, amount=amount, to=bytes([nonce + 1]) * 20))
        )
    leaves = [
        exits.owe(amount, bytes([0x80 + account]) * 20, account) for account, amount in balances.items() if amount
    ]
    leaves += [
        exits.owe(amount, bytes([nonce + 1]) * 20, nonce, ExitKind.WITHDRAWAL)
        for nonce, (_, amount, _) in enumerate(made)
    ]
    exits.close(withdrawals=len(made))
    for nonce in range(len(made), len(made) + 2):
        account = draw.choice(accounts)
        amount = draw.randrange(0, balances[account] + 1)
        if amount:
            made.append((account, amount, released(vault, nonce, account=account, amount=amount)))
            balances[account] -= amount
    first_late = vault.view("depositNonce") + 1
    for account in draw.sample(accounts, 2):
        late.append(first_late + len(late))
        vault.deposit(draw.randrange(1, 9) * UNIT, account)
    tree = certify(vault, [leaf for _, _, (_, leaf) in made], 1)
    exits.certify(2, tree, len(made))
    for nonce, (_, _, (entry, _)) in enumerate(made):
        if draw.random() < 0.6:
            vault.withdraw(entry, tree.proof(nonce))
    exits.settle()
    exits.show_payments()
    exits.walk(first_late)
    exits.begin_payments()
    steps = [lambda leaf=leaf: exits.claim(leaf) for leaf in leaves for _ in range(2)]  # type: ignore[misc]
    steps += [lambda nonce=nonce: exits.refund(nonce) for nonce in late]  # type: ignore[misc]
    draw.shuffle(steps)
    for step in [*steps, *steps]:
        step()
    token = vault.token.address
    assert vault.balance(vault.token_at.address) == 0
    assert vault.view("deposited", token) == vault.view("withdrawn", token)


def test_calldata_is_what_the_committed_abi_says() -> None:
    contract = Web3().eth.contract(abi=load_artifact("Vault").abi)
    token, owner = b"\x70" * 20, b"\x71" * 20
    shown, checksum = Web3.to_checksum_address(owner), Web3.to_checksum_address(token)
    place, path = escape.ExitPlace(3, 9, (bytes(32), b"\x01" * 32)), [bytes(32), b"\x01" * 32]
    totals = escape.VaultTotals(1, (7, owner, token), 2, 3, 4, 5, 6, (8, token, owner))
    payment = escape.ExitPayment(b"\x02" * 32, 1, 2, 3, token, owner, 4, 5, 6)
    deposit = escape.PastDeposit(token, 1, 2, owner)
    payment_made = escape.PastPayment(1, 2, token, owner, 3)
    given = (checksum, 1, 2, shown)
    expected: dict[bytes, tuple[str, list[Any]]] = {
        escape.trigger_call(): ("triggerEscape", []),
        escape.open_exit_call(token, totals, place): (
            "openExit",
            [checksum, (1, (7, shown, checksum), 2, 3, 4, 5, 6, (8, checksum, shown)), (3, 9, path)],
        ),
        escape.claim_exit_call(payment, place): (
            "claimExit",
            [(b"\x02" * 32, 1, 2, 3, checksum, shown, 4, 5, 6), (3, 9, path)],
        ),
        escape.walk_payments_call(8, [payment_made]): ("walkPayments", [8, [(1, 2, checksum, shown, 3)]]),
        escape.walk_deposits_call(b"\x05" * 32, [deposit]): ("walkDeposits", [b"\x05" * 32, [given]]),
        escape.refund_deposit_call(7, deposit): ("refundDeposit", [7, given]),
        escape.exit_of_call(token): ("exitOf", [checksum]),
        escape.exit_leaf_call(4): ("exitLeaf", [4]),
        escape.ESCAPE_FROM: ("escapeFrom", []),
        escape.PAYMENTS_FROM: ("paymentsFrom", []),
        escape.SILENT_FROM: ("silentFrom", []),
        escape.IS_SHOWN + u256(2): ("isShown", [2]),
        escape.WALK_NONCE: ("walkNonce", []),
        escape.WALKED_DEPOSIT + u256(3): ("walkedDeposit", [3]),
    }
    for data, (name, arguments) in expected.items():
        assert hex_data(data) == contract.encode_abi(name, arguments), name


def vault_knows(exits: Exits) -> tuple[int, int, int, int]:
    """Of the first token: the snapshot's deposits and withdrawals, and what is due to accounts and first."""
    _, cursor, count, _, accounts, seniors = exits.vault.view("exitOf", exits.vault.token.address)
    return cursor, count, accounts[0], seniors[0]


def neighbours(value: int | bytes) -> tuple[int | bytes, int | bytes]:
    """The values just below and above."""
    if isinstance(value, int):
        return value - 1, value + 1
    number = int.from_bytes(value, "big")
    return (number - 1).to_bytes(20, "big"), (number + 1).to_bytes(20, "big")


def lose(vault: VaultChain, amount: int) -> None:
    """The token takes this out of the vault by itself."""
    left = vault.balance(vault.token_at.address) - amount
    key = hex_data(keccak256(vault.vault_at.address.rjust(32, b"\0") + u256(DEVNET_BALANCES)))
    vault.chain.rpc("anvil_setStorageAt", vault.token.address, key, hex_data(u256(left)))
