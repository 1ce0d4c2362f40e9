"""Refunds of stray deposits: one per depositor, in turn, by the vault; never lost, never paid twice."""

import msgspec
import pytest

from clearing.base.codec import u256
from clearing.context.request_checks import owner_key
from clearing.deposits import deposit_refunds
from clearing.deposits.crediting import deposit_room
from clearing.deposits.custody import custody_terms
from clearing.epochs.exit_tree import exit_tree
from clearing.schema.facts import CustodySeen
from clearing.schema.receipts.collateral import DepositCredited, DepositsRefunded
from clearing.schema.receipts.withdrawals import WithdrawalReleased
from clearing.schema.records.exits import ExitKind
from clearing.schema.records.stray_deposits import RefundStage
from clearing.schema.terms.assets import Asset
from clearing.state.asset_flows import asset_flow
from clearing.state.ledger import STRAY_ACCOUNT
from clearing.withdrawals.refunds import expired_withdrawals
from tests.kit.clearing.chamber import governed_genesis, parliament_world
from tests.kit.clearing.gated import not_executed, owed_and_held
from tests.kit.clearing.genesis import ALICE, BOB, DOLLAR, USDC_1, VAULTS
from tests.kit.clearing.strays import CAP, EDITH, FRANK, UNLISTED, pay_in, refund_of, tight, unlisted_fact
from tests.kit.clearing.world import World, executed, of_kind

TOKEN = (1, VAULTS[1], b"\xc1" * 20)
NOBODY = 999


def refunded(world: World) -> list[tuple[bytes, int]]:
    """(depositor, dollars) of what was released in the last block."""
    return [(each.depositor, int.from_bytes(each.amount, "big") // DOLLAR) for each in world.last(DepositsRefunded)]


def test_strays_of_one_depositor_in_one_token_are_one_payment() -> None:
    world = tight(stray_blocks=0)
    facts = [world.deposit_fact(NOBODY, USDC_1, dollars * DOLLAR, EDITH) for dollars in (1, 2, 3)]
    facts.append(world.deposit_fact(NOBODY, USDC_1, 4 * DOLLAR, FRANK))
    world.block(facts=facts)
    assert refunded(world) == [(EDITH, 6), (FRANK, 4)]
    assert [each.account for each in world.last(WithdrawalReleased)] == [STRAY_ACCOUNT] * 2
    owed_and_held(world, 100)


def test_a_refund_below_the_smallest_waits_for_more_of_the_same_depositor() -> None:
    world = tight(stray_blocks=0, smallest=10 * DOLLAR)
    first = pay_in(world, NOBODY, 9, EDITH)
    pay_in(world, NOBODY, 9, FRANK)
    assert refunded(world) == []
    refund = refund_of(world.state, first)
    assert refund is not None
    assert (refund.stage, refund.place) == (RefundStage.BELOW_MINIMUM, 0)
    pay_in(world, NOBODY, 1, EDITH)
    assert refunded(world) == [(EDITH, 10)]


def test_a_flood_of_one_depositor_delays_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deposit_refunds, "RELEASED_PER_BLOCK_MAX", 1)
    world = tight(stray_blocks=0)
    flood = [world.deposit_fact(NOBODY, USDC_1, 1, EDITH) for _ in range(50)]
    world.block(facts=[*flood, world.deposit_fact(NOBODY, USDC_1, DOLLAR, FRANK)])
    released = world.every(DepositsRefunded)
    world.block()
    assert [each.depositor for each in (*released, *world.last(DepositsRefunded))] == [EDITH, FRANK]


def test_a_vault_is_sent_a_bounded_number_of_refunds_a_block(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deposit_refunds, "RELEASED_PER_BLOCK_MAX", 3)
    world = tight(stray_blocks=0)
    depositors = [bytes([each]) * 20 for each in range(1, 9)]
    world.block(facts=[world.deposit_fact(NOBODY, USDC_1, DOLLAR, each) for each in depositors])
    rounds = [refunded(world)]
    for _ in range(3):
        world.block()
        rounds.append(refunded(world))
    assert [len(each) for each in rounds] == [3, 3, 2, 0]
    assert [depositor for each in rounds for depositor, _ in each] == depositors
    assert world.state.now.withdrawals_released == 8


def test_a_refund_that_was_paid_is_over() -> None:
    world = tight(stray_blocks=0)
    key = pay_in(world, NOBODY, 7, EDITH)
    world.block(facts=[executed(1, 0)])
    refund = refund_of(world.state, key)
    assert refund is not None
    assert (refund.stage, refund.withdrawal) == (RefundStage.PAID, 0)
    owed_and_held(world, 100, paid=[0])
    assert asset_flow(world.state, TOKEN).refunding == 0


@pytest.mark.parametrize("give_back_expired", [False, True])
def test_a_refund_that_was_not_paid_in_time_is_released_again_and_only_then(give_back_expired: bool) -> None:
    world = tight(stray_blocks=0, give_back_expired=give_back_expired)
    key = pay_in(world, NOBODY, 7, EDITH)
    world.block(after_ms=120_000)
    assert world.every(DepositsRefunded) == world.every(DepositsRefunded)[:1], "time alone brings nothing back"
    assert list(expired_withdrawals(world.state, 1, [0])) == [(0, world.state.withdrawals[0].not_after_s)]
    world.block(facts=[not_executed(world, 0)])
    (again,) = world.last(DepositsRefunded)
    assert (again.withdrawal, again.refund, int.from_bytes(again.amount, "big")) == (1, 1, 7 * DOLLAR)
    owed_and_held(world, 100)
    assert not world.block(facts=[executed(1, 0)]).receipts, "of the two facts the first excludes the other"
    world.block(facts=[executed(1, 1)])
    refund = refund_of(world.state, key)
    assert refund is not None
    assert refund.stage is RefundStage.PAID
    owed_and_held(world, 104, paid=[1])


def test_a_refund_on_its_way_takes_no_room_under_the_cap() -> None:
    world = tight(stray_blocks=0, give_back_expired=True)
    pay_in(world, NOBODY, CAP // DOLLAR, EDITH)
    assert deposit_room(world.context(), world.state.terms.assets[USDC_1]) == CAP
    pay_in(world, ALICE, CAP // DOLLAR)
    assert len(world.last(DepositCredited)) == 1


def test_strays_that_come_while_a_refund_is_on_its_way_are_another_one() -> None:
    world = tight(stray_blocks=0)
    first, second = pay_in(world, NOBODY, 7, EDITH), pay_in(world, NOBODY, 8, EDITH)
    parts = [world.state.refunded_deposits[key].refund for key in (first, second)]
    assert parts == [1, 2]
    world.block(after_ms=120_000)
    world.block(facts=[not_executed(world, 0)])
    assert refunded(world) == [(EDITH, 7)], "each comes back as what it was"


def test_a_token_that_is_listed_later_has_its_earlier_flows() -> None:
    house = parliament_world(governed_genesis())
    house.block(facts=[unlisted_fact(house, 5 * 10**9, EDITH), unlisted_fact(house, 7, FRANK)])
    house.block(facts=[executed(1, 0)])
    before = asset_flow(house.state, (1, VAULTS[1], UNLISTED))
    assert (before.deposited, before.released, before.stray) == (5 * 10**9 + 7, 5 * 10**9 + 7, 0)
    house.amend(("assets.30", Asset(30, "NEW-1", 1, VAULTS[1], UNLISTED, 9, 6, 0, 2, 200_000, 10**12)))
    assert asset_flow(house.state, (1, VAULTS[1], UNLISTED)) == before
    fact = msgspec.structs.replace(unlisted_fact(house, 3 * 10**9), account=ALICE)
    assert of_kind(house.block(facts=[fact]), DepositCredited)
    counters = CustodySeen(1, VAULTS[1], UNLISTED, 100, u256(100), u256(8 * 10**9 + 7), u256(5 * 10**9), u256(10**12))
    house.block(facts=[*house.custody_facts(100), counters])
    terms = custody_terms(house.state)
    assert terms is not None, "an epoch can close"
    (term,) = [each for each in terms if each.token == UNLISTED]
    parts = [int.from_bytes(part, "big") for part in (term.released, term.later, term.strays, term.dust)]
    assert (term.held, parts) == (3 * 10**6, [7, 0, 0, 0])


def test_a_state_read_back_refunds_as_the_one_that_was_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deposit_refunds, "RELEASED_PER_BLOCK_MAX", 1)
    world = tight(stray_blocks=2, smallest=2 * DOLLAR)
    pay_in(world, ALICE, 1_000)
    made = ((BOB, 1, EDITH), (NOBODY, 2, EDITH), (NOBODY, 3, FRANK), (2**63 - 1, 4, FRANK))
    world.block(facts=[world.deposit_fact(account, USDC_1, dollars * DOLLAR, who) for account, dollars, who in made])
    copy, first = world.restored(), len(world.blocks)
    for _ in range(5):
        world.block()
    world.check_replay(copy, first)
    world.check_replay()
    world.read_back()
    assert [each.depositor for each in world.every(DepositsRefunded)] == [FRANK, EDITH, FRANK]


def exits(world: World) -> list[tuple[str, int, bytes, int]]:
    """(kind, number, to, amount) of the exit tree's payments that are not of accounts; the totals agree with them."""
    tree = exit_tree(world.state)
    found = [leaf for leaf in tree.leaves if leaf.kind is not ExitKind.ACCOUNT]
    for totals in tree.totals:
        token = (totals.chain_id, totals.vault, totals.token)
        assert totals.seniors == sum(leaf.amount for leaf in found if (leaf.chain_id, leaf.vault, leaf.token) == token)
        assert totals.counted == asset_flow(world.state, token).deposited
    assert len({leaf.salt for leaf in tree.leaves}) == len(tree.leaves)
    return [(leaf.kind.name, leaf.number, leaf.to, leaf.amount) for leaf in found]


def test_the_exit_tree_has_every_stray_as_long_as_it_is_owed() -> None:
    world = tight(smallest=10 * DOLLAR)
    pay_in(world, NOBODY, 7, EDITH)
    assert exits(world) == [("DEPOSIT", NOBODY, EDITH, 7 * DOLLAR)]
    for _ in range(6):
        world.block()
    assert exits(world) == [("REFUND", 1, EDITH, 7 * DOLLAR)], "below the smallest refund"
    pay_in(world, NOBODY, 3, EDITH)
    for _ in range(6):
        world.block()
    assert exits(world) == [("WITHDRAWAL", 0, EDITH, 10 * DOLLAR)]
    world.block(facts=[executed(1, 0)])
    assert exits(world) == []


def test_a_depositor_that_owns_an_account_finds_its_strays_among_that_accounts_payments() -> None:
    world = tight()
    owner = owner_key(world.state, BOB)
    pay_in(world, NOBODY, 7, owner)
    pay_in(world, NOBODY, 7, EDITH)
    found = [leaf.account for leaf in exit_tree(world.state).leaves if leaf.kind is ExitKind.DEPOSIT]
    assert found == [BOB, STRAY_ACCOUNT]


def test_the_exit_tree_has_refunds_on_their_way_and_none_that_came_back() -> None:
    world = tight(stray_blocks=0)
    world.block(facts=[world.deposit_fact(NOBODY, USDC_1, 7 * DOLLAR, EDITH), unlisted_fact(world, 5, FRANK)])
    assert exits(world) == [("WITHDRAWAL", 0, EDITH, 7 * DOLLAR), ("WITHDRAWAL", 1, FRANK, 5)]
    world.block(after_ms=120_000)
    world.block(facts=[not_executed(world, 0)])
    assert [nonce for nonce, _ in world.state.unpaid_withdrawals.ordered()] == [1, 2]
    assert list(world.restored().unpaid_withdrawals.ordered()) == list(world.state.unpaid_withdrawals.ordered())
