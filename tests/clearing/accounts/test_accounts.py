"""Accounts opened, closed and ported; whose money may go where."""

from typing import Any

import pytest

from clearing.accounts.lifecycle import close_account, opened_id
from clearing.base.codec import decode, encode
from clearing.context.block_context import BlockContext
from clearing.epochs.snapshot import take_snapshot
from clearing.schema.codes import ClearingCode as C
from clearing.schema.receipts.accounts import AccountClosed, AccountOpened, AccountPorted, TokensTransferred
from clearing.schema.receipts.collateral import DepositCredited, DepositStray
from clearing.schema.receipts.liquidation import Liquidated
from clearing.schema.records.accounts import LoanRecord, RestrictionRecord
from clearing.schema.records.collateral import CashCallRecord
from clearing.schema.records.margin_calls import CallKind, LiquidationRecord, MarginCallRecord
from clearing.schema.records.prices import AuctionOrder
from clearing.schema.terms.genesis import MEMBER_ACCOUNTS_MAX, OPENED_ACCOUNTS, AccountKind, Genesis
from clearing.state.holdings import current_holdings, margin_book
from tests.kit.clearing.desk import venue_genesis, venue_world
from tests.kit.clearing.genesis import ALICE, ALICE_CLIENT, BOB, BTC_PERP, CAROL, DOLLAR, ETH, USDC_1, WETH_1
from tests.kit.clearing.requests import CLIENT_KEY, CLIENT_SECRET, PRICE
from tests.kit.clearing.signer import secret
from tests.kit.clearing.world import World, of_kind

CLIENT, OWN = AccountKind.CLIENT, AccountKind.HOUSE


@pytest.fixture
def desk() -> World:
    return venue_world()


def fallen(ppm: int) -> dict[str, tuple[tuple[int, int], ...]]:
    """Prices at which BTC has fallen by so much."""
    return {"prices": ((1, PRICE - PRICE * ppm // 10**6), (ETH, 20_000))}


def test_an_opened_account_has_an_id_known_before_and_can_receive(desk: World) -> None:
    wanted = opened_id(1, 0)
    (receipt,) = of_kind(desk.block(desk.opening(ALICE)), AccountOpened)
    assert (receipt.account, receipt.member, receipt.kind, receipt.parent) == (wanted, 1, OWN, 0)
    (credited,) = of_kind(desk.deposit(wanted, USDC_1, 5 * DOLLAR), DepositCredited)
    assert (credited.account, desk.cash(wanted)) == (wanted, 5 * DOLLAR)


def test_ids_of_members_never_meet_and_stay_below_the_ledgers_own() -> None:
    ids = [opened_id(member, number) for member in (0, 1, 2**31 - 1) for number in (0, 2**16 - 1)]
    assert ids == sorted(set(ids))
    assert min(ids) == OPENED_ACCOUNTS
    assert max(ids) == MEMBER_ACCOUNTS_MAX - 1


def test_an_account_is_opened_once_by_its_member(desk: World) -> None:
    good = desk.opening(ALICE)
    forged = desk.sign(good, signature=secret(2))
    assert desk.refused(forged, good, good) == [C.WRONG_SIGNER, C.NONCE_USED]
    opened = [each for each, _ in desk.state.accounts.ordered() if OPENED_ACCOUNTS <= each < MEMBER_ACCOUNTS_MAX]
    assert opened == [opened_id(1, 0)]


def test_a_member_has_so_many_accounts_and_no_more() -> None:
    desk = venue_world(venue_genesis(member_accounts_max=3))
    first = desk.open_account(ALICE)
    assert desk.refused(desk.opening(ALICE)) == [C.ACCOUNTS_FULL]
    assert desk.refused(desk.closing(first), desk.opening(ALICE)) == []
    assert first not in desk.state.accounts
    assert opened_id(1, 1) in desk.state.accounts, "an id is given once"


def test_a_sub_account_is_of_its_parents_member_kind_and_key(desk: World) -> None:
    client = desk.open_account(ALICE, CLIENT, 0, CLIENT_KEY)
    child = desk.open_account(ALICE, CLIENT, client)
    assert desk.state.accounts[child].key == CLIENT_KEY
    assert desk.state.accounts[client].children == (child,)
    wrong = [
        desk.opening(ALICE, CLIENT, child),
        desk.opening(ALICE, OWN, client),
        desk.opening(ALICE, CLIENT, BOB),
        desk.opening(ALICE, CLIENT, 12345),
        desk.opening(ALICE, CLIENT, client, b"\x99" * 20),
        desk.opening(ALICE, OWN, 0, CLIENT_KEY),
    ]
    assert desk.refused(*wrong) == [C.BAD_PARENT] * 6
    assert desk.refused(desk.closing(client)) == [C.ACCOUNT_NOT_EMPTY]
    assert desk.refused(desk.closing(child), desk.closing(client)) == []


def test_only_an_empty_opened_account_is_closed(desk: World) -> None:
    account = desk.open_account(ALICE)
    assert desk.refused(desk.closing(ALICE)) == [C.NOT_CLOSABLE]
    desk.block(desk.transfer(ALICE, account, 10_000 * DOLLAR))
    assert desk.refused(desk.closing(account)) == [C.ACCOUNT_NOT_EMPTY]
    desk.block(desk.perp_trade(account, BOB, 10))
    desk.block(desk.perp_trade(BOB, account, 10))
    held = desk.report(account, BOB, signers="vbs", hold_ms=10_000)
    desk.block(desk.transfer(account, ALICE, desk.cash(account)), held)
    assert desk.refused(desk.closing(account)) == [C.ACCOUNT_NOT_EMPTY]
    desk.block(desk.trade_cancellation(held, signers="bs"))
    result = desk.block(desk.mandate(account), desk.session_key(account), desk.closing(account))
    assert of_kind(result, AccountClosed)[0].account == account
    for table in (desk.state.accounts, desk.state.books, desk.state.nonces):
        assert account not in table
    assert not [key for key, _ in desk.state.balances.ordered() if key[0] == account]
    assert not [key for key, _ in desk.state.mandates.ordered() if key[0] == account]
    assert account not in desk.state.session_keys
    assert of_kind(desk.deposit(account, USDC_1, DOLLAR), DepositStray), "a deposit to a closed account is a stray"


def test_an_account_is_emptied_and_closed_in_one_block(desk: World) -> None:
    """Its last position, its money and itself go in one block, and no margin of it is left over."""
    account = desk.open_account(ALICE)
    desk.block(desk.transfer(ALICE, account, 10_000 * DOLLAR), desk.perp_trade(account, BOB, 5_000))
    flat, empty = desk.perp_trade(BOB, account, 5_000), desk.transfer(account, ALICE, desk.cash(account))
    result = desk.block(flat, empty, desk.closing(account))
    assert of_kind(result, AccountClosed)
    assert account not in desk.state.accounts
    desk.block(**fallen(200_000))
    assert margin_book(desk.state).margin(account).maintenance_ok


@pytest.mark.parametrize(
    ("table", "key", "record"),
    [
        ("loans", lambda account: (account, 1), LoanRecord(1)),
        ("cash_calls", lambda account: account, CashCallRecord(1, 2)),
        ("margin_calls", lambda account: account, MarginCallRecord(CallKind.EARLY, 1, 2)),
        ("liquidations", lambda account: account, LiquidationRecord(1, 2, 3, 4)),
        ("restrictions", lambda account: account, RestrictionRecord(10**6, 1, b"\xa1" * 20, 1)),
        ("auction_orders", lambda account: (BTC_PERP, account), AuctionOrder(1, PRICE, 1)),
    ],
)
def test_an_account_with_something_under_way_is_not_closed(desk: World, table: str, key: Any, record: Any) -> None:
    account = desk.open_account(ALICE)
    fork = desk.state.fork()
    getattr(fork, table).put(key(account), record)
    context = BlockContext(fork, desk.make_block())
    rejected = close_account(context, 0, desk.closing(account))
    assert rejected is not None
    assert rejected.code is C.ACCOUNT_NOT_EMPTY


@pytest.mark.parametrize(("fallen_ppm", "taken_over"), [(10_000, 0), (50_000, 0), (300_000, 1)])
def test_an_account_stands_alone(desk: World, fallen_ppm: int, taken_over: int) -> None:
    """An isolated group is an account: its loss takes nothing from the member's other accounts, nor theirs from it."""
    isolated, client = desk.open_account(ALICE), desk.open_account(ALICE, CLIENT)
    desk.block(desk.transfer(ALICE, isolated, 6_000 * DOLLAR), desk.transfer(ALICE, client, 7_000 * DOLLAR))
    desk.block(desk.perp_trade(isolated, BOB, 3_000))
    others = {each: desk.cash(each) for each in (ALICE, client, ALICE_CLIENT)}
    results = [desk.block(**fallen(fallen_ppm)) for _ in range(2)]
    liquidated = [each.account for result in results for each in of_kind(result, Liquidated)]
    assert liquidated == [isolated] * taken_over
    assert {each: desk.cash(each) for each in others} == others


def test_client_margin_never_pays_a_house_loss(desk: World) -> None:
    desk.block(desk.transfer(ALICE, ALICE_CLIENT, 50_000 * DOLLAR))
    desk.block(desk.perp_trade(ALICE, BOB, 25_000))
    (liquidated,) = of_kind(desk.block(**fallen(290_000)), Liquidated)
    assert liquidated.account == ALICE
    assert liquidated.deficits, "the house account lost more than it had"
    assert desk.cash(ALICE_CLIENT) == 50_000 * DOLLAR


def test_money_of_a_client_without_a_key_stays_with_the_client(desk: World) -> None:
    one, two = desk.open_account(ALICE, CLIENT), desk.open_account(ALICE, CLIENT)
    child = desk.open_account(ALICE, CLIENT, one)
    desk.block(desk.transfer(ALICE, one, 100 * DOLLAR))
    refused = [desk.transfer(one, other, DOLLAR) for other in (ALICE, two, ALICE_CLIENT)]
    assert desk.refused(*refused) == [C.CLIENT_MONEY] * 3
    assert desk.refused(desk.transfer(one, child, DOLLAR), desk.transfer(child, one, DOLLAR)) == []


def test_money_of_a_client_with_a_key_moves_by_that_key_alone(desk: World) -> None:
    client = desk.open_account(ALICE, CLIENT, 0, CLIENT_KEY)
    desk.block(desk.transfer(ALICE, client, 100 * DOLLAR))
    by_member, by_client = desk.transfer(client, ALICE, DOLLAR), desk.transfer(client, ALICE, DOLLAR, key=CLIENT_SECRET)
    assert desk.refused(by_member, by_client) == [C.WRONG_SIGNER]
    paid = desk.withdrawal(client, USDC_1, DOLLAR)
    assert desk.refused(desk.sign(paid, signature=secret(1))) == [C.WRONG_SIGNER]
    assert desk.refused(desk.sign(paid, signature=CLIENT_SECRET)) == []
    assert desk.refused(desk.perp_trade(client, BOB)) == [], "the member trades for it"


def test_tokens_move_between_own_accounts_under_margin(desk: World) -> None:
    account = desk.open_account(ALICE)
    desk.deposit(account, WETH_1, 1_000 * 10**6)
    (moved,) = of_kind(desk.block(desk.token_transfer(account, ALICE, 10**6, WETH_1)), TokensTransferred)
    assert moved.units == desk.weth(ALICE) == 10**6
    wrong = [
        desk.token_transfer(account, ALICE, 10**6, USDC_1),
        desk.token_transfer(account, ALICE, 0, WETH_1),
        desk.token_transfer(account, account, 1, WETH_1),
        desk.token_transfer(account, BOB, 1, WETH_1),
        desk.token_transfer(account, ALICE, 10**10, WETH_1),
        desk.token_transfer(account, ALICE, 1, WETH_1, secret(2)),
    ]
    assert desk.refused(*wrong) == [
        C.UNKNOWN_ASSET, C.BAD_SIZE, C.SAME_ACCOUNT, C.NOT_OWN_ACCOUNT, C.BALANCE_TOO_SMALL, C.WRONG_SIGNER,
    ]  # fmt: skip
    desk.block(desk.perp_trade(account, BOB, 4_000))
    needed = desk.token_transfer(account, ALICE, 980 * 10**6, WETH_1)
    assert desk.refused(needed) == [C.COLLATERAL_NEEDED_FOR_MARGIN]


def client_of_alice(desk: World) -> tuple[int, int]:
    """A client with a key, a sub-account, money and positions in both."""
    client = desk.open_account(ALICE, CLIENT, 0, CLIENT_KEY)
    child = desk.open_account(ALICE, CLIENT, client)
    desk.deposit(client, WETH_1, 5_000 * 10**6)
    desk.block(desk.transfer(ALICE, client, 20_000 * DOLLAR), desk.transfer(ALICE, child, 20_000 * DOLLAR))
    desk.block(desk.mandate(client), desk.mandate(child))
    desk.block(desk.report(client, BOB, 50), desk.report(child, BOB, 5, hold_ms=3_600_000))
    return client, child


def test_porting_moves_all_of_the_client_and_changes_none_of_it(desk: World) -> None:
    client, child = client_of_alice(desk)
    before = {each: (current_holdings(desk.state, each), desk.margin(each)) for each in (client, child)}
    (ported,) = of_kind(desk.block(desk.porting(client, 3, client=CLIENT_SECRET)), AccountPorted)
    assert (ported.from_member, ported.to_member, ported.children, ported.pending_trades) == (1, 3, (child,), 1)
    assert {each: (current_holdings(desk.state, each), desk.margin(each)) for each in (client, child)} == before
    assert {desk.state.accounts[each].member for each in (client, child)} == {3}
    assert {member: desk.state.member_accounts[member].open for member in (1, 3)} == {1: 2, 3: 3}
    assert not [key for key, _ in desk.state.mandates.ordered() if key[0] in (client, child)]


def test_after_porting_only_the_new_member_signs(desk: World) -> None:
    client, child = client_of_alice(desk)
    old = desk.perp_trade(client, BOB, 1)
    port = desk.porting(client, 3, client=CLIENT_SECRET)
    assert desk.refused(port, old, port) == [C.WRONG_SIGNER, C.NONCE_USED]
    desk.owner.update({client: 3, child: 3})
    assert desk.refused(desk.perp_trade(client, BOB, 1), desk.opening(client, CLIENT, client)) == []
    assert opened_id(3, 0) in desk.state.accounts


@pytest.mark.parametrize("missing", ["client", "taker", "giver"])
def test_porting_needs_every_consent(desk: World, missing: str) -> None:
    client, _ = client_of_alice(desk)
    bad = {
        "client": desk.porting(client, 3),
        "taker": desk.porting(client, 3, client=CLIENT_SECRET, taker=secret(1)),
        "giver": desk.sign(desk.porting(client, 3, client=CLIENT_SECRET), signature=CLIENT_SECRET),
    }[missing]
    assert desk.refused(bad) == [C.WRONG_SIGNER]


def test_what_cannot_be_ported() -> None:
    desk = venue_world(venue_genesis(member_accounts_max=4))
    client, child = client_of_alice(desk)
    wrong = [
        desk.porting(ALICE, 3),
        desk.porting(child, 3, client=CLIENT_SECRET),
        desk.porting(client, 1, client=CLIENT_SECRET),
        desk.porting(client, 77, client=CLIENT_SECRET, taker=secret(0)),
    ]
    assert desk.refused(*wrong) == [C.NOT_PORTABLE] * 3 + [C.UNKNOWN_MEMBER]
    for _ in range(2):
        desk.open_account(CAROL)
    assert desk.refused(desk.porting(client, 3, client=CLIENT_SECRET)) == [C.ACCOUNTS_FULL]


def client_at_risk() -> World:
    desk = venue_world()
    desk.block(desk.transfer(ALICE, ALICE_CLIENT, 5_000 * DOLLAR))
    desk.block(desk.perp_trade(ALICE_CLIENT, BOB, 2_500))
    return desk


def test_a_client_under_a_margin_call_is_not_ported() -> None:
    desk = client_at_risk()
    desk.block(**fallen(80_000))
    assert desk.state.accounts[ALICE_CLIENT].called_height, "called, and not liquidated"
    assert desk.refused(desk.porting(ALICE_CLIENT, 3), **fallen(80_000)) == [C.NOT_PORTABLE]


@pytest.mark.parametrize(("fallen_ppm", "refused"), [(80_000, [C.COLLATERAL_NEEDED_FOR_MARGIN]), (1_000, [])])
def test_no_member_passes_a_loss_on_in_the_block_whose_price_makes_it(fallen_ppm: int, refused: list[int]) -> None:
    """Nobody is called yet; the loss would be that of a member with nothing, and then everybody's."""
    desk = client_at_risk()
    assert desk.refused(desk.porting(ALICE_CLIENT, 3), **fallen(fallen_ppm)) == refused
    assert desk.state.accounts[ALICE_CLIENT].member == (1 if refused else 3)


def test_a_genesis_client_without_a_key_is_ported_by_both_members(desk: World) -> None:
    assert desk.refused(desk.porting(ALICE_CLIENT, 3)) == []
    assert desk.state.accounts[ALICE_CLIENT].member == 3


def test_accounts_are_written_and_read(desk: World) -> None:
    client_of_alice(desk)
    assert desk.restored().module_roots() == desk.state.module_roots()
    assert decode(encode(desk.genesis), Genesis, 1 << 22) == desk.genesis


def test_the_epochs_snapshot_has_the_accounts_that_there_are(desk: World) -> None:
    account, gone = desk.open_account(ALICE), desk.open_account(ALICE)
    desk.block(desk.transfer(ALICE, account, 10_000 * DOLLAR), desk.closing(gone))
    desk.block(desk.perp_trade(account, BOB, 1_000))
    desk.block(facts=desk.custody_facts(8))
    snapshot = take_snapshot(desk.state)
    ids = [each.account for each in snapshot.accounts]
    assert ids == sorted(ids)
    assert (account in ids, gone in ids) == (True, False)
