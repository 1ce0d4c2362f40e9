"""What a member sees of its withdrawals: what waits, what nobody saw paid, and what may follow. Nobody else sees it."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import msgspec
import pytest
import trio

from clearing.base.ids import NetworkId
from clearing.base.secp256k1 import address, recover
from clearing.schema.requests.withdrawals import WithdrawalCancellation
from clearing.withdrawals.refunds import is_withdrawal_open
from cli.main import run
from member.api.submit import body_of, transaction_of
from member.api.withdrawals import WithdrawalsView
from member.printing.withdrawals import withdrawal_lines
from node.api.accounts import account_of
from node.api.withdrawals import LISTED_MAX, withdrawals_of
from node.app.node import clock_ms
from node.config import Api
from node.http.server import build_api, serve_api
from tests.kit.clearing.gated import GATE, gated, not_executed
from tests.kit.clearing.genesis import ALICE, ALICE_CLIENT, BOB, DOLLAR, USDC_1
from tests.kit.clearing.world import World
from tests.kit.node.fake_view import ALICE as ALICE_KEY
from tests.kit.node.fake_view import BOB as BOB_KEY
from tests.kit.node.fake_view import NOW, FakeView, signed

TARGET = f"/v1/accounts/{ALICE}/withdrawals"


def story() -> World:
    """Of Alice: one that was paid late enough to be overdue, one that waits."""
    world = gated(GATE, give_back_expired=True, deficit_reserve=True)
    while (world.state.now.height + 1) % 5:
        world.block()
    world.block(world.withdrawal(ALICE, USDC_1, 900 * DOLLAR))
    world.block(world.withdrawal(ALICE, USDC_1, 20_000 * DOLLAR))
    return world


def test_what_waits_what_is_out_and_what_may_follow() -> None:
    world = story()
    view = withdrawals_of(world.state, ALICE)
    assert view is not None
    (waiting,), (released,), (limit,) = view.waiting, view.released, view.limits
    assert (waiting.number, waiting.amount_units, waiting.nonce) == (0, str(20_000 * DOLLAR), 2)
    assert waiting.due_height == waiting.accepted_height + 3
    assert (released.nonce, released.amount_units, released.overdue) == (0, str(900 * DOLLAR), False)
    assert (limit.owner_used_units, limit.prompt_used_units) == (str(20_900 * DOLLAR), str(900 * DOLLAR))
    assert (limit.all_used_units, limit.opens_height % 5) == (str(20_900 * DOLLAR), 0)
    assert (view.deficit_micros, view.deficit_until_height) == ("0", 0)
    client = withdrawals_of(world.state, ALICE_CLIENT)
    assert client is not None
    assert (client.waiting, client.released) == ((), ())
    assert client.limits[0].owner_used_units == str(20_900 * DOLLAR), "the same key signs"
    assert withdrawals_of(world.state, 99) is None


def test_an_overdue_one_is_told_until_it_is_given_back() -> None:
    world = story()
    world.block(after_ms=70_000)
    view = withdrawals_of(world.state, ALICE)
    assert view is not None
    assert [each.overdue for each in view.released] == [True]
    world.block(facts=[not_executed(world, 0)])
    assert not is_withdrawal_open(world.state, 0)
    after = withdrawals_of(world.state, ALICE)
    assert after is not None
    assert after.released == ()


def test_a_page_is_bounded() -> None:
    world = gated(check=False)
    for _ in range(3):
        world.block(*(world.withdrawal(BOB, USDC_1, 1) for _ in range(100)))
    view = withdrawals_of(world.state, BOB)
    assert view is not None
    assert [each.nonce for each in view.released] == list(range(299, 299 - LISTED_MAX, -1))


def test_a_cancellation_has_a_body_like_any_request() -> None:
    request = gated().withdrawal_cancellation(ALICE, 3)
    body = body_of(request)
    assert msgspec.json.decode(msgspec.json.encode(body))["type"] == "withdrawal_cancellation"
    assert transaction_of(body) == request


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    app = build_api(FakeView(story().state), Api(requests_burst=100_000), lambda: NOW)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://node") as made:
        yield made


async def test_only_the_accounts_own_member_is_told(client: httpx.AsyncClient) -> None:
    assert (await client.get(TARGET)).status_code == 401
    assert (await client.get(TARGET, headers=signed(BOB_KEY, TARGET))).status_code == 403
    told = await client.get(TARGET, headers=signed(ALICE_KEY, TARGET))
    assert told.status_code == 200
    assert told.json()["waiting"][0]["due_height"] > 0


class Reachable(FakeView):
    """The network whose requests it checks is the world's."""

    @property
    def network(self) -> NetworkId:
        return self.state.terms.network


async def test_the_command_shows_what_waits_and_takes_it_back(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    settings, view = Api(port=0), Reachable(story().state)
    secret = tmp_path / "alice"
    secret.write_text(ALICE_KEY.hex())
    secret.chmod(0o600)
    with trio.fail_after(600):
        async with trio.open_nursery() as nursery:
            bound = await nursery.start(serve_api, build_api(view, settings, clock_ms), settings)
            key = ["--url", bound[0], "--secret-file", str(secret)]

            async def command(*arguments: str) -> tuple[int, str, str]:
                code = await trio.to_thread.run_sync(run, ["withdrawals", *arguments, *key])
                said = capsys.readouterr()
                return code, said.out, said.err

            code, text, _ = await command("show", "1")
            assert code == 0
            assert f"0 is delayed until height 9: {20_000 * DOLLAR} units of asset 1" in text
            assert "leaf 0: " in text
            assert f"{20_900 * DOLLAR} of {50_000 * DOLLAR} units used by this owner" in text
            code, text, _ = await command("show", "1", "--output", "json")
            assert msgspec.json.decode(text, type=WithdrawalsView) == withdrawals_of(view.state, 1)
            assert (await command("show", "2"))[0] != 0, "another's"
            code, _, said = await command("cancel", "1", "0")
            assert (code, said) == (0, "withdrawal 0 of account 1: accepted\n")
            assert (await command("cancel", "1", "7", "--nonce", "77"))[0] == 0
            nursery.cancel_scope.cancel()
    asked, named = view.submitted
    assert isinstance(asked, WithdrawalCancellation)
    assert isinstance(named, WithdrawalCancellation)
    assert (asked.account, asked.number, asked.nonce) == (1, 0, account_of(view.state, 1).next_nonce)
    assert (named.number, named.nonce) == (7, 77)
    for request in (asked, named):
        assert recover(request.digest(view.network), request.signature) == address(ALICE_KEY)


def test_lines_tell_every_end() -> None:
    world = story()
    world.block(after_ms=70_000)
    view = withdrawals_of(world.state, ALICE)
    assert view is not None
    assert "overdue: it is refunded once the network agrees" in withdrawal_lines(view)
    due = msgspec.structs.replace(view.released[0], not_paid_height=9)
    told = withdrawal_lines(msgspec.structs.replace(view, released=(due,), deficit_micros="5", deficit_until_height=40))
    assert "not paid, by block 9: it is refunded" in told
    assert "5 micros of deficits are unallocated: every withdrawal leaves its part until height 40" in told
    empty = withdrawal_lines(WithdrawalsView(account=7, height=1))
    assert empty == "withdrawals of account 7 after height 1\n  none"
