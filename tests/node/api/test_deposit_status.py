"""A depositor sees what became of its deposit, why, and what happens next and when."""

from typing import Any

import httpx
import msgspec
import pytest
import trio

from clearing.deposits import deposit_refunds
from clearing.state.state import State
from cli.main import run
from member.api.deposits import DepositView
from node.api.deposits import deposit_of
from node.app.clock import clock_ms
from node.config import Api
from node.http.server import build_api, serve_api
from tests.kit.clearing.detached import gone, stuck
from tests.kit.clearing.gated import not_executed
from tests.kit.clearing.genesis import ALICE, BOB, DOLLAR, USDC_1, USDC_2, VAULTS
from tests.kit.clearing.strays import EDITH, FRANK, WAIT, key_of, pay_in, tight
from tests.kit.clearing.world import World, executed
from tests.kit.node.fake_view import NOW, FakeView

NOBODY = 999


def view(world: World, key: tuple[int, bytes, int]) -> DepositView:
    found = deposit_of(world.state, key)
    assert found is not None
    return found


def test_a_deposit_is_seen_from_before_it_is_agreed_until_it_is_credited() -> None:
    world = tight()
    first, second = world.deposit_fact(ALICE, USDC_1, DOLLAR), world.deposit_fact(ALICE, USDC_1, DOLLAR)
    assert view(world, key_of(first)).status == "unseen"
    world.block(facts=[second])
    assert [view(world, key_of(each)).status for each in (first, second)] == ["unseen", "agreed"]
    world.block(facts=[first])
    assert [view(world, key_of(each)).status for each in (first, second)] == ["credited", "credited"]


def test_a_stray_says_why_and_when_it_is_refunded_and_its_refund_how_far_it_is() -> None:
    world = tight()
    key = pay_in(world, NOBODY, 7, EDITH)
    seen = view(world, key)
    assert (seen.status, seen.code, seen.account, seen.amount) == ("waiting", "R0311", NOBODY, "7000000")
    assert seen.due_height == world.state.now.height + WAIT
    assert f"height {seen.due_height}" in seen.next
    for _ in range(WAIT):
        world.block()
    seen = view(world, key)
    assert (seen.status, seen.refund and seen.refund.withdrawal) == ("refund_released", 0)
    assert "0x" + EDITH.hex() in seen.next
    world.block(after_ms=120_000)
    world.block(facts=[not_executed(world, 0)])
    assert view(world, key).refund == msgspec.structs.replace(
        seen.refund, withdrawal=1, not_after_s=world.state.withdrawals[1].not_after_s
    )
    world.block(facts=[executed(1, 1)])
    assert view(world, key).status == "refunded"


def test_a_refund_says_what_it_waits_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deposit_refunds, "RELEASED_PER_BLOCK_MAX", 0)
    world = tight(stray_blocks=0, smallest=5 * DOLLAR)
    small, before, behind = pay_in(world, NOBODY, 4, EDITH), pay_in(world, NOBODY, 5, FRANK), pay_in(world, BOB, 10**6)
    assert [view(world, key).status for key in (small, before, behind)] == ["refund_due"] * 3
    assert "below the smallest refund" in view(world, small).next
    assert "after 1 other refunds" in view(world, behind).next
    assert view(world, small).refund == msgspec.structs.replace(
        view(world, before).refund, number=1, depositor="0x" + EDITH.hex(), amount="4000000"
    )


def test_a_detached_vault_is_said_to_be_sent_nothing() -> None:
    house = stuck(heartbeat_ms_max=1_000)
    fact = house.deposit_fact(NOBODY, USDC_2, 7 * DOLLAR, EDITH)
    house.block(facts=[fact])
    house = gone(house)
    seen = view(house, key_of(fact))
    assert (seen.status, "no checkpoint reaches it" in seen.next) == ("refund_due", True)
    later = view(house, (fact.chain_id, fact.vault, fact.nonce + 1))
    assert (later.status, "Its escape refunds it" in later.next) == ("unseen", True)


async def asked(state: State, target: str) -> httpx.Response:
    app = build_api(FakeView(state), Api(), lambda: NOW)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://node") as client:
        return await client.get(f"/v1/deposits/{target}")


async def test_anybody_asks_by_chain_vault_and_number() -> None:
    world = tight()
    key = pay_in(world, NOBODY, 7, EDITH)
    vault = "0x" + VAULTS[1].hex()
    answer = await asked(world.state, f"1/{vault}/1")
    assert msgspec.json.decode(answer.content, type=DepositView) == view(world, key)
    statuses = {target: (await asked(world.state, target)).status_code for target in (f"2/{vault}/1", f"1/{vault}/0")}
    assert list(statuses.values()) == [404, 400]


async def test_the_command_prints_it(capsys: Any) -> None:
    world, settings = tight(), Api(port=0)
    pay_in(world, NOBODY, 7, EDITH)
    async with trio.open_nursery() as nursery:
        bound = await nursery.start(serve_api, build_api(FakeView(world.state), settings, clock_ms), settings)
        arguments = ["deposits", "status", "1", "0x" + VAULTS[1].hex(), "1", "--url", bound[0]]
        assert await trio.to_thread.run_sync(run, arguments) == 0
        nursery.cancel_scope.cancel()
    printed = capsys.readouterr().out
    assert "waiting" in printed
    assert f"From height {view(world, (1, VAULTS[1], 1)).due_height} on it is refunded" in printed
