"""What a member sees of its account and nobody else: margins, held trades and mandates, withdrawals."""

import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pytest

from clearing.base.ids import NetworkId
from clearing.base.secp256k1 import address, recover
from clearing.schema.requests.withdrawals import WithdrawalCancellation
from clearing.schema.terms.withdrawals import InflowDelayTerms, InflowStep
from clearing.withdrawals.refunds import is_withdrawal_open
from member.api.accounts import TradingView
from member.api.margin import MarginView, SimulationView
from member.api.submit import body_of, transaction_of
from member.api.withdrawals import WithdrawalsView
from member.notation.listing import Listing
from member.printing.withdrawals import withdrawal_lines
from node.api.accounts import account_of, trading_of
from node.api.withdrawals import ENDED_MAX, LISTED_MAX, withdrawals_of
from tests.kit.clearing.desk import venue_world
from tests.kit.clearing.gated import GATE, gated, not_executed
from tests.kit.clearing.genesis import (
    ALICE,
    ALICE_CLIENT,
    BOB,
    BTC,
    BTC_PERP,
    CAROL,
    DOLLAR,
    USD,
    USDC_1,
    WETH_1,
    make_genesis,
)
from tests.kit.clearing.margined import traded
from tests.kit.clearing.requests import PRICE, VENUE, VENUE_SECRETS
from tests.kit.clearing.world import World, codes, executed, funded
from tests.kit.node import fake_view
from tests.kit.node.applying_view import ApplyingView
from tests.kit.node.fake_view import FakeView, ask_view, client_of, status_and_code
from tests.kit.node.live_view import run_against
from tests.kit.node.station import secret_file

traded = cache(traded)


def waiting() -> World:
    """Two reported trades are held, and a bilateral one."""
    desk = venue_world()
    late, early = desk.report(ALICE, BOB, 3, hold_ms=20_000), desk.report(ALICE, BOB, 4, hold_ms=10_000)
    pair = desk.bilateral(CAROL, BOB, hold_ms=5_000)
    desk.block(late, early, pair, desk.give_up(late, ALICE, CAROL), desk.correction(early, lots=5))
    return desk


def withdrawn() -> World:
    """Of Alice: one withdrawal is out, one waits."""
    world = gated(GATE, give_back_expired=True, deficit_reserve=True)
    while (world.state.now.height + 1) % 5:
        world.block()
    world.block(world.withdrawal(ALICE, USDC_1, 900 * DOLLAR))
    world.block(world.withdrawal(ALICE, USDC_1, 20_000 * DOLLAR))
    return world


ROUTES: dict[str, Callable[[], World]] = {"margin": traded, "trading": waiting, "withdrawals": withdrawn}


@pytest.mark.parametrize("route", ROUTES)
async def test_only_the_accounts_own_member_is_told(route: str) -> None:
    view = FakeView(ROUTES[route]().state)
    for account in (ALICE, 99):
        target = f"/v1/accounts/{account}/{route}"
        assert status_and_code(await ask_view(view, target, fake_view.BOB)) == (403, "R0848")
        async with client_of(view) as client:
            assert (await client.get(target)).status_code == 401


async def test_a_member_sees_every_term_of_its_margin() -> None:
    response = await ask_view(FakeView(traded().state), "/v1/accounts/1/margin")
    view = msgspec.json.decode(response.content, type=MarginView)
    assert view.height == traded().state.now.height
    assert sum(int(each.amount_micros) for each in view.equity) == int(view.equity_micros)
    assert sum(int(each.amount_micros) for each in view.requirement) == int(view.initial_margin_micros)
    assert all(term.source and term.rounding and term.inputs for term in (*view.equity, *view.requirement))
    assert {each.name for each in view.liquidation} == {"BTC", "ETH"}


async def simulated(body: Any, key: bytes = fake_view.ALICE, account: int = 1) -> Any:
    return await ask_view(FakeView(traded().state), f"/v1/accounts/{account}/margin/simulate", key, body)


async def test_a_simulation_shows_before_and_after() -> None:
    body = {
        "index": [{"feed": BTC, "move_ppm": -100_000}],
        "trades": [{"instrument": BTC_PERP, "lots": "-6000"}],
        "cash": [{"cash_group": USD, "amount_micros": "5"}],
        "tokens": [{"asset": WETH_1, "amount_units": "-1"}],
    }
    view = msgspec.json.decode((await simulated(body)).content, type=SimulationView)
    assert int(view.after.initial_margin_micros) < int(view.before.initial_margin_micros)


@pytest.mark.parametrize("account", [1, 99])
async def test_anothers_margin_is_not_simulated(account: int) -> None:
    assert status_and_code(await simulated({}, fake_view.BOB, account)) == (403, "R0848")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"index": [{"feed": 99, "move_ppm": 1}]}, (422, "R0104")),
        ({"trades": [{"instrument": BTC_PERP, "lots": "1", "price_ticks": "9999999999999999999"}]}, (422, "R0104")),
        ({"trades": [{"instrument": BTC_PERP, "lots": "9999999999999999999"}]}, (422, "R0104")),
        ({"tokens": [{"asset": WETH_1, "amount_units": "-99999999999"}]}, (422, "R0104")),
        ({"index": [{"feed": BTC, "move_ppm": -1_000_000}]}, (400, "R0843")),
        ({"index": 2 * [{"feed": BTC, "move_ppm": 1}]}, (400, "R0843")),
        ({"trades": 65 * [{"instrument": BTC_PERP, "lots": "1"}]}, (400, "R0843")),
        ({"trades": [{"instrument": BTC_PERP, "lots": "1.5"}]}, (400, "R0843")),
        ({"unknown": []}, (400, "R0843")),
    ],
)
async def test_a_hostile_shock_is_refused(body: Any, expected: tuple[int, str]) -> None:
    assert status_and_code(await simulated(body)) == expected


def test_held_trades_come_by_their_time_with_all_that_a_change_names() -> None:
    desk = waiting()
    alice, bob, carol = (trading_of(desk.state, each) for each in (ALICE, BOB, CAROL))
    (held,) = alice.pending_trades
    assert (held.lots, held.price_ticks, held.revision, held.low, held.high) == ("5", str(PRICE), 1, 0, 0)
    assert [each.venue for each in bob.pending_trades] == [0, VENUE, VENUE]
    assert [(each.buyer, each.seller) for each in carol.pending_trades] == [(CAROL, BOB), (CAROL, BOB)]
    assert trading_of(desk.state, 999) is None


def test_mandates_show_what_is_used_of_the_day() -> None:
    desk = waiting()
    (mandate,) = trading_of(desk.state, ALICE).mandates
    assert (mandate.venue, int(mandate.used_today), mandate.suspended) == (VENUE, (3 + 5) * PRICE * 10, False)
    assert codes(desk.block(desk.switch(VENUE_SECRETS[VENUE]))) == []
    desk.block(after_ms=86_400_000)
    (mandate,) = trading_of(desk.state, ALICE).mandates
    assert (mandate.used_today, mandate.suspended) == ("0", True)


async def test_the_routes_answer_with_what_the_state_has() -> None:
    trading = await ask_view(FakeView(waiting().state), f"/v1/accounts/{ALICE}/trading")
    assert msgspec.json.decode(trading.content, type=TradingView) == trading_of(waiting().state, ALICE)
    withdrawals = await ask_view(FakeView(withdrawn().state), f"/v1/accounts/{ALICE}/withdrawals")
    assert msgspec.json.decode(withdrawals.content, type=WithdrawalsView) == withdrawals_of(withdrawn().state, ALICE)


def test_what_waits_what_is_out_and_what_may_follow() -> None:
    world = withdrawn()
    view = withdrawals_of(world.state, ALICE)
    (delayed,), (released,), (limit,) = view.waiting, view.released, view.limits
    assert (delayed.number, delayed.amount_units, delayed.nonce) == (0, str(20_000 * DOLLAR), 2)
    assert delayed.due_height == delayed.accepted_height + 3
    assert (released.nonce, released.amount_units, released.overdue) == (0, str(900 * DOLLAR), False)
    assert (limit.owner_used_units, limit.prompt_used_units) == (str(20_900 * DOLLAR), str(900 * DOLLAR))
    assert (limit.all_used_units, limit.opens_height % 5) == (str(20_900 * DOLLAR), 0)
    assert (view.deficit_micros, view.deficit_until_height) == ("0", 0)
    client = withdrawals_of(world.state, ALICE_CLIENT)
    assert (client.waiting, client.released) == ((), ())
    assert client.limits[0].owner_used_units == str(20_900 * DOLLAR), "the same key signs"
    assert withdrawals_of(world.state, 99) is None


def test_an_overdue_one_is_told_until_it_is_given_back() -> None:
    world = withdrawn()
    world.block(after_ms=70_000)
    assert [each.overdue for each in withdrawals_of(world.state, ALICE).released] == [True]
    world.block(facts=[not_executed(world, 0)])
    assert not is_withdrawal_open(world.state, 0)
    assert withdrawals_of(world.state, ALICE).released == ()
    (ended,) = withdrawals_of(world.state, ALICE).ended
    assert (ended.nonce, ended.status) == (0, "refunded")


def test_a_paid_one_is_listed_as_paid_the_newest_first_and_not_for_ever() -> None:
    world = withdrawn()
    assert withdrawals_of(world.state, ALICE).ended == ()
    world.block(facts=[executed(1, 0)])
    view = withdrawals_of(world.state, ALICE)
    assert view.released == ()
    (paid,) = view.ended
    assert (paid.nonce, paid.amount_units, paid.status) == (0, str(900 * DOLLAR), "paid")
    (row,) = [line for line in lines_of(world, view).splitlines() if line.startswith("0 ")]
    assert row.split() == ["0", "900.00", "USDC-1", paid.to, "paid"]
    assert withdrawals_of(world.state, BOB).ended == (), "another's"
    many = gated(check=False)
    many.block(*(many.withdrawal(BOB, USDC_1, 1) for _ in range(40)))
    many.block(facts=[executed(1, nonce) for nonce in range(40)])
    assert [each.nonce for each in withdrawals_of(many.state, BOB).ended] == list(range(39, 39 - ENDED_MAX, -1))


def lines_of(world: World, view: WithdrawalsView) -> str:
    """As the command prints them."""
    return withdrawal_lines(view, Listing(world.genesis, {}))


def test_a_page_is_bounded() -> None:
    world = gated(check=False)
    for _ in range(3):
        world.block(*(world.withdrawal(BOB, USDC_1, 1) for _ in range(100)))
    nonces = [each.nonce for each in withdrawals_of(world.state, BOB).released]
    assert nonces == list(range(299, 299 - LISTED_MAX, -1))


def test_a_cancellation_has_a_body_like_any_request() -> None:
    request = gated().withdrawal_cancellation(ALICE, 3)
    body = body_of(request)
    assert msgspec.json.decode(msgspec.json.encode(body))["type"] == "withdrawal_cancellation"
    assert transaction_of(body) == request


class Reachable(FakeView):
    """The network whose requests it checks is the world's."""

    @property
    def network(self) -> NetworkId:
        return self.state.terms.network


def test_the_command_shows_what_waits_and_takes_it_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    view = Reachable(withdrawn().state)
    secret = secret_file(tmp_path / "alice", fake_view.ALICE)

    def withdrawals(*arguments: str) -> tuple[int, str, str]:
        code = run_against(view, "withdrawals", *arguments, "--secret-file", str(secret))
        return code, *capsys.readouterr()

    code, text, _ = withdrawals("show", "1")
    assert code == 0
    rows = [line.split() for line in text.splitlines()]
    assert any(row[:4] == ["delayed", "0", "20,000.00", "USDC-1"] and row[-1] == "9" for row in rows)
    assert any(row[:3] == ["0", "900.00", "USDC-1"] for row in rows)
    assert "20,900.00 USDC-1 of 50,000.00 USDC-1 used by this owner" in text
    assert withdrawals("show", "member-1")[1] == text, "the same by name"
    _, text, _ = withdrawals("show", "1", "--output", "json")
    assert msgspec.json.decode(text, type=WithdrawalsView) == withdrawals_of(view.state, 1)
    assert withdrawals("show", "2")[0] != 0, "another's"
    code, text, error = withdrawals("cancel", "member-1", "0")
    assert (code, error) == (0, "")
    named = r"withdrawal 0 of member-1 \(account 1\): accepted, transaction 0x[0-9a-f]{64}\n"
    assert re.fullmatch(named, text)
    assert withdrawals("cancel", "1", "7", "--nonce", "77")[0] == 0
    code, _, error = withdrawals("cancel", "nobody", "0")
    assert (code, "no single account 'nobody'" in error) == (2, True)
    next_nonce = account_of(view.state, 1).next_nonce
    for request, number, nonce in zip(view.submitted, (0, 7), (next_nonce, 77), strict=True):
        assert isinstance(request, WithdrawalCancellation)
        assert (request.account, request.number, request.nonce) == (1, number, nonce)
        assert recover(request.digest(view.network), request.signature) == address(fake_view.ALICE)


def test_a_cancellation_that_is_waited_for_says_what_a_block_made_of_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    view = ApplyingView(withdrawn())
    secret = secret_file(tmp_path / "alice", fake_view.ALICE)

    def cancelled(number: str) -> tuple[int, str]:
        command = ("withdrawals", "cancel", "member-1", number, "--wait", "--secret-file", str(secret))
        return run_against(view, *command), capsys.readouterr().out

    code, text = cancelled("7")
    assert (code, "refused" in text) == (6, True), "there is none of this number"
    code, text = cancelled("0")
    assert (code, "applied at height" in text) == (0, True)
    assert "withdrawal 0 of member-1 (account 1)" in text


def test_lines_tell_every_end() -> None:
    world = withdrawn()
    world.block(after_ms=70_000)
    view = withdrawals_of(world.state, ALICE)
    assert "overdue: it is refunded once the network agrees" in lines_of(world, view)
    due = msgspec.structs.replace(view.released[0], not_paid_height=9)
    owed = msgspec.structs.replace(view, released=(due,), deficit_micros="5", deficit_until_height=40)
    text = lines_of(world, owed)
    assert "not paid, by block 9: it is refunded" in text
    assert "0.000005 of deficits are unallocated: every withdrawal leaves its part until height 40" in text
    empty = lines_of(world, WithdrawalsView(account=7, height=1))
    assert empty == "withdrawals of account 7 after height 1\n  none"


def test_large_inflow_states_from_which_height_on_it_may_leave() -> None:
    steps = InflowDelayTerms(window_blocks=10, owner_steps=(InflowStep(100_000 * DOLLAR, 16),))
    world = funded(genesis=msgspec.structs.replace(make_genesis(), inflow=steps))
    world.deposit(ALICE, USDC_1, 50_000 * DOLLAR)
    (part,) = withdrawals_of(world.state, ALICE).inflow
    assert (part.micros, part.until_height % 2) == (str(50_000 * DOLLAR), 0)
    assert f"may leave from height {part.until_height} on" in lines_of(world, withdrawals_of(world.state, ALICE))
