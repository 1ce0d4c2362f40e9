"""What everybody may see of the default fund: its composition, and the opening of the account that holds it."""

import json
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
import trio

from clearing.base.errors import RemoteFault
from clearing.base.ids import FUND_ACCOUNT
from clearing.base.secp256k1 import address
from clearing.base.units import DAY_MS
from clearing.epochs.snapshot import take_snapshot
from clearing.margin.statement.snapshot import AccountHoldings
from clearing.schema.blocks.block import BlockInput, BlockResult
from clearing.schema.receipts.default_fund import FundPaid
from clearing.schema.transfers import TransferCode
from clearing.state.state import State
from cli.main import run
from member.api.proofs import FundOpening, FundView
from member.api.types import Problem
from member.codes import NodeCode
from member.printing.network import fund_lines
from member.statements.days import StatementDays
from member.verifying.fund import OPENING_BYTES_MAX, read_opening
from node.api.fund import fund_of
from node.config import Api
from node.epochs.member_files import AccountHoldingsRecord, EpochHoldings, EpochHoldingsRecord, epoch_holdings
from node.http.server import build_api, serve_api
from proofs.algebra.commitment import commit_holdings
from proofs.algebra.srs import basis
from proofs.epoch.prover import commit_epoch
from proofs.statement.arithmetization import complete_holdings, context_of
from proofs.verify.inclusion import values_in_slots
from tests.kit.clearing.fund import fund_world
from tests.kit.clearing.genesis import ALICE, BOB, CAROL, DOLLAR, make_genesis
from tests.kit.clearing.signer import secret
from tests.kit.clearing.world import World
from tests.kit.node.fake_view import NOW, FakeView
from tests.kit.node.keeping_view import FAKE_OWNERS, seed_of

HOUSE_KEY = address(secret(0))


@pytest.fixture(scope="module")
def world() -> World:
    world = fund_world()
    world.open_positions()
    world.pass_epoch()
    world.block(world.pay(CAROL, 600 * DOLLAR))
    return world


@pytest.fixture
def kept(tmp_path: Path) -> EpochHoldings:
    holdings = EpochHoldings(tmp_path / "holdings", seed_of)
    accounts = (
        AccountHoldingsRecord(1, FAKE_OWNERS[1], ((0, 5),)),
        AccountHoldingsRecord(FUND_ACCOUNT, HOUSE_KEY, ((0, 600 * DOLLAR),)),
    )
    holdings.write_epoch(EpochHoldingsRecord(1, 5, ("cash:USD", "position:BTC-PERP"), accounts))
    return holdings


async def get(view: FakeView, target: str) -> httpx.Response:
    app = build_api(view, Api(), lambda: NOW)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://node") as client:
        return await client.get(target)


def test_the_composition_is_what_the_state_has(world: World) -> None:
    view = fund_of(world.state)
    size = world.state.fund_sizes[0]
    assert (view.target_micros, view.total_micros) == (str(size.target), str(world.fund))
    assert [each.name for each in view.scenarios] == ["crash", "rally"]
    assert view.sizing == "cover_two"
    parts = {each.member: each for each in view.parts}
    assert list(parts) == [ALICE, BOB, CAROL]
    assert (parts[CAROL].micros, parts[CAROL].called_micros) == (str(600 * DOLLAR), str(400 * DOLLAR))
    assert parts[ALICE].required_micros == str(world.required(ALICE))
    assert {each.status for each in view.parts} == {"active"}


def test_a_network_without_a_fund_says_so() -> None:
    view = fund_of(State.empty(make_genesis(), bytes(32)))
    assert (view.cash_group, view.parts) == (0, ())
    assert fund_lines(view).startswith("no default fund")


async def test_anybody_may_see_the_fund(world: World) -> None:
    response = await get(FakeView(world.state, None), "/v1/fund")
    assert response.status_code == 200
    assert msgspec.json.decode(response.content, type=FundView) == fund_of(world.state)


async def test_anybody_may_open_the_account_of_the_contributions_and_no_other(
    world: World, kept: EpochHoldings
) -> None:
    view = FakeView(world.state, kept)
    for epoch in ("1", "latest"):
        response = await get(view, f"/v1/fund/opening/{epoch}")
        opening = msgspec.json.decode(response.content, type=FundOpening)
        assert (opening.epoch, opening.account, opening.seed) == (1, FUND_ACCOUNT, seed_of(FUND_ACCOUNT).hex())
        assert opening.holdings == {"cash:USD": str(600 * DOLLAR)}
        assert seed_of(1).hex() not in response.text
    missing = await get(view, "/v1/fund/opening/7")
    assert (missing.status_code, msgspec.json.decode(missing.content, type=Problem).code) == (
        404,
        NodeCode.API_NOT_FOUND.label,
    )
    assert (await get(FakeView(world.state, None), "/v1/fund/opening/1")).status_code == 501
    assert (await get(view, "/v1/fund/opening/-1")).status_code == 400


async def test_the_command_prints_the_fund_and_keeps_the_opening(
    world: World, kept: EpochHoldings, tmp_path: Path, capsys: Any
) -> None:
    settings = Api(port=0)
    async with trio.open_nursery() as nursery:
        bound = await nursery.start(serve_api, build_api(FakeView(world.state, kept), settings, lambda: NOW), settings)
        url, file = ["--url", bound[0]], tmp_path / "fund.json"
        out = ["opening", "--out", str(file), *url]
        assert await trio.to_thread.run_sync(run, ["fund", "show", *url]) == 0
        text = capsys.readouterr().out
        assert await trio.to_thread.run_sync(run, ["fund", "show", "--output", "json", *url]) == 0
        view = msgspec.json.decode(capsys.readouterr().out, type=FundView)
        codes = [await trio.to_thread.run_sync(run, ["fund", *out]) for _ in range(2)]
        nursery.cancel_scope.cancel()
    assert view == fund_of(world.state)
    assert f"called for {400 * DOLLAR} by height" in text
    assert "crash" in text
    assert codes[0] == 0
    assert codes[1] != 0, "an existing file is not overwritten"
    assert read_opening(file.read_bytes()).account == FUND_ACCOUNT


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"[]", b"{}", b'{"epoch":1}', b"\xff", b"[" * 10_000, b" " * (OPENING_BYTES_MAX + 1)],
    ids=["empty", "open", "list", "fields", "one", "bytes", "deep", "long"],
)
def test_a_bad_opening_is_refused(data: bytes) -> None:
    with pytest.raises(RemoteFault):
        read_opening(data)


def test_an_opening_with_further_fields_is_refused(world: World) -> None:
    good = {"epoch": 1, "height": 5, "account": FUND_ACCOUNT, "seed": "00" * 32, "holdings": {"cash:USD": "5"}}
    assert read_opening(json.dumps(good).encode()).holdings == {"cash:USD": "5"}
    for changes in ({"more": 1}, {"seed": "0"}, {"holdings": {"cash:USD": "5.0"}}, {"account": -1}):
        with pytest.raises(RemoteFault):
            read_opening(json.dumps({**good, **changes}).encode())


def test_a_members_day_tells_of_every_payment_by_its_receipt() -> None:
    world = fund_world()
    days = StatementDays(world.state)
    plain = world.apply

    def followed(block: BlockInput) -> BlockResult:
        result = plain(block)
        days.decided(block.time_ms, result, world.state)
        return result

    world.apply = followed  # type: ignore[method-assign]
    world.pass_epoch()
    world.block(world.pay(CAROL, 600 * DOLLAR))
    number = world.time_ms // DAY_MS
    for _ in range(3):
        world.block()
    day = days.day(number)
    assert day is not None
    for account, micros in ((CAROL, 1_000 * DOLLAR), (ALICE, 1_000 * DOLLAR)):
        (line,) = [line for key, line in day.lines[account].items() if key[1] is TransferCode.FUND_CONTRIBUTION]
        assert (line.debits, line.credits) == (micros, 0)
        for place in (line.first, line.last):
            receipts = next(each.receipts for each in world.results if each.height == place[0])
            receipt = receipts[place[1]]
            assert isinstance(receipt, FundPaid)
            assert receipt.account == account


async def test_what_is_opened_is_the_commitment_of_the_epoch(tmp_path: Path) -> None:
    world = fund_world()
    world.pass_epoch()
    world.block(*(world.pay(each, world.required(each)) for each in (ALICE, BOB, CAROL)))
    while world.state.now.snapshot_height != world.state.now.height:
        world.stride += 4
        world.block(facts=world.custody_facts(world.stride))
    snapshot = take_snapshot(world.state)
    holdings = EpochHoldings(tmp_path / "holdings", seed_of)
    holdings.write_epoch(epoch_holdings(snapshot, world.state))
    epoch = snapshot.statement.epoch
    response = await get(FakeView(world.state, holdings), f"/v1/fund/opening/{epoch}")
    opening = msgspec.json.decode(response.content, type=FundOpening)
    assert opening.holdings == {"cash:USD": str(3_000 * DOLLAR)}
    values = values_in_slots(snapshot.statement, {name: int(each) for name, each in opening.holdings.items()})
    whole = complete_holdings(snapshot.statement, AccountHoldings(FUND_ACCOUNT, values))
    context = context_of(snapshot.statement, FUND_ACCOUNT, bytes(20))
    seeds = {each.account: seed_of(each.account, epoch) for each in snapshot.accounts}
    committed = dict(commit_epoch(snapshot, seeds, 256))
    assert commit_holdings(basis(256), whole, bytes.fromhex(opening.seed), context) == committed[FUND_ACCOUNT]
