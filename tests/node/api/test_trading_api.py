"""What a member is shown of held trades and mandates is what it needs to change them."""

from collections.abc import AsyncIterator

import httpx
import msgspec
import pytest

from member.api.accounts import TradingView
from node.api.accounts import trading_of
from node.config import Api
from node.http.server import build_api
from tests.kit.clearing.desk import venue_world
from tests.kit.clearing.genesis import ALICE, BOB, CAROL
from tests.kit.clearing.requests import PRICE, VENUE, VENUE_SECRETS
from tests.kit.clearing.world import World, codes
from tests.kit.node.fake_view import ALICE as ALICE_KEY
from tests.kit.node.fake_view import BOB as BOB_KEY
from tests.kit.node.fake_view import NOW, FakeView, signed

TARGET = f"/v1/accounts/{ALICE}/trading"


def waiting() -> World:
    desk = venue_world()
    late, early = desk.report(ALICE, BOB, 3, hold_ms=20_000), desk.report(ALICE, BOB, 4, hold_ms=10_000)
    pair = desk.bilateral(CAROL, BOB, hold_ms=5_000)
    desk.block(late, early, pair, desk.give_up(late, ALICE, CAROL), desk.correction(early, lots=5))
    return desk


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    app = build_api(FakeView(waiting().state), Api(requests_burst=100_000), lambda: NOW)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://node") as made:
        yield made


def test_held_trades_come_by_their_time_with_all_that_a_change_names() -> None:
    desk = waiting()
    alice, bob, carol = (trading_of(desk.state, each) for each in (ALICE, BOB, CAROL))
    assert alice is not None
    assert bob is not None
    assert carol is not None
    (held,) = alice.pending_trades
    assert (held.lots, held.price_ticks, held.revision, held.low, held.high) == ("5", str(PRICE), 1, 0, 0)
    assert [each.venue for each in bob.pending_trades] == [0, VENUE, VENUE]
    assert [(each.buyer, each.seller) for each in carol.pending_trades] == [(CAROL, BOB), (CAROL, BOB)]
    assert trading_of(desk.state, 999) is None


def test_mandates_show_what_is_used_of_the_day() -> None:
    desk = waiting()
    view = trading_of(desk.state, ALICE)
    assert view is not None
    (mandate,) = view.mandates
    assert (mandate.venue, int(mandate.used_today), mandate.suspended) == (VENUE, (3 + 5) * PRICE * 10, False)
    assert codes(desk.block(desk.switch(VENUE_SECRETS[VENUE]))) == []
    desk.block(after_ms=86_400_000)
    later = trading_of(desk.state, ALICE)
    assert later is not None
    assert (later.mandates[0].used_today, later.mandates[0].suspended) == ("0", True)


async def test_a_member_sees_its_own_accounts_only(client: httpx.AsyncClient) -> None:
    shown = await client.get(TARGET, headers=signed(ALICE_KEY, TARGET))
    assert len(msgspec.json.decode(shown.content, type=TradingView).pending_trades) == 1
    assert (await client.get(TARGET, headers=signed(BOB_KEY, TARGET))).status_code == 403
    assert (await client.get(TARGET)).status_code == 401
