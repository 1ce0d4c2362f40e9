"""A log with liquidations, a default, an amendment and a cancelled withdrawal gives the same roots again, told by hand.

From genesis, from saved states, from the state at any height, and in processes that hash strings otherwise.
"""

import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
import trio

from clearing.apply_block import apply_block
from clearing.schema.blocks.block import BlockInput
from clearing.schema.blocks.receipt import Refused
from clearing.schema.receipts.default import (
    BiddersRanked,
    DefaultBidTaken,
    DefaultDeclared,
    DefaultEnded,
    LossAllocated,
    PortfolioSold,
    WaterfallLayer,
)
from clearing.schema.receipts.governance import AmendmentEnacted
from clearing.schema.receipts.liquidation import Liquidated, LiquidationOpened, LiquidationStepTaken, SliceSold
from clearing.schema.receipts.withdrawals import RefundReason, WithdrawalRefunded
from clearing.state.export import export_state, import_state
from cli.main import run
from member.api.receipts import ReceiptAt, ReceiptPage, Series
from member.client.authorization import SignedPart, authorization
from member.explaining.receipt_index import MASKED, receipt_accounts
from node.agreement.application import DecidedHeight
from node.api.calls import ApiCall, owner_of
from node.api.receipts import masks_of, slice_sales, under_way
from node.api.receipts import receipts as receipts_handler
from node.api.view import NodeView
from node.config import Api
from node.http.server import build_api, serve_api
from node.offline.replay import replay
from node.store.block_log import read_block_log
from node.store.store import Store
from tests.kit.clearing.funds import DAVE
from tests.kit.clearing.genesis import ALICE, ALICE_CLIENT
from tests.kit.clearing.signer import secret
from tests.kit.node.crisis_log import NEW_PENALTY_PPM, CrisisLog, write_crisis
from tests.kit.node.keeping_view import record_all
from tests.kit.node.live_view import live_view
from tests.kit.node.station import Station


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> CrisisLog:
    return write_crisis(tmp_path_factory.mktemp("crisis"))


@pytest.fixture(scope="module")
def from_log(log: CrisisLog) -> list[str]:
    files = ["--genesis", str(log.genesis_file), "--home", str(log.home.path), "--devnet"]
    return ["--log", str(log.log_file), *files]


def test_everything_that_is_to_be_replayed_is_in_the_log(log: CrisisLog) -> None:
    assert not log.of_kind(Refused)
    (back,) = log.of_kind(WithdrawalRefunded)
    assert back.reason is RefundReason.CANCELLED
    assert len(log.of_kind(AmendmentEnacted)) == 1
    for kind in (
        LiquidationOpened,
        SliceSold,
        LiquidationStepTaken,
        Liquidated,
        DefaultBidTaken,
        PortfolioSold,
        BiddersRanked,
    ):
        assert log.of_kind(kind)
    (loss,) = log.of_kind(LossAllocated)
    assert [step.layer for step in loss.steps] == [
        WaterfallLayer.OWN_CONTRIBUTION,
        WaterfallLayer.HOUSE_CAPITAL,
        WaterfallLayer.SURVIVORS,
    ]
    assert len(log.of_kind(DefaultDeclared)) == len(log.of_kind(DefaultEnded)) == 1


def test_from_genesis_every_root_and_receipt_comes_out_again(log: CrisisLog) -> None:
    roots: dict[int, tuple[bytes, ...]] = {}
    receipts: dict[int, Any] = {}

    def note(decided: DecidedHeight) -> None:
        roots[decided.header.height] = decided.state.module_roots()
        receipts[decided.header.height] = decided.result.receipts

    result = replay(log.home.genesis, log.home.salt, read_block_log(log.log_file), note)
    assert (result.height, result.blocks) == (log.height, log.height)
    assert (roots, receipts) == (log.roots, log.receipts)


def test_from_every_saved_state_they_do_too(log: CrisisLog, tmp_path: Path) -> None:
    assert len(log.saved) >= 3
    for saved in sorted(log.saved):
        told: dict[int, Any] = {}

        def note(decided: DecidedHeight, told: dict[int, Any] = told) -> None:
            told[decided.header.height] = (decided.state.module_roots(), decided.result.receipts)

        with log.disk(tmp_path / f"{saved}.sqlite", saved) as store:
            station = Station(log.home, store, listeners=(note,))
            assert (station.restored.height, station.application.height) == (saved, log.height)
        assert told == {at: (log.roots[at], log.receipts[at]) for at in range(saved + 1, log.height + 1)}


def test_from_the_state_at_any_height_they_do_too(log: CrisisLog) -> None:
    """Calls, sales, waiting withdrawals, amendments and defaults under way are all in the state, and nowhere else."""
    genesis, salt = log.home.genesis, log.home.salt
    states: dict[int, bytes] = {}
    blocks: dict[int, BlockInput] = {}

    def note(decided: DecidedHeight) -> None:
        blocks[decided.header.height] = decided.block
        if decided.header.height % 3 == 0:
            states[decided.header.height] = export_state(decided.state)

    replay(genesis, salt, read_block_log(log.log_file), note)
    for height, data in states.items():
        state = import_state(genesis, salt, data)
        assert state.module_roots() == log.roots[height]
        for at in range(height + 1, min(height + 9, log.height) + 1):
            fork, result = apply_block(state, blocks[at])
            assert (fork.module_roots(), result.receipts) == (log.roots[at], log.receipts[at])
            state = fork.absorb()


@pytest.mark.parametrize("hash_seed", ["1", "4242"])
def test_processes_that_hash_otherwise_agree(log: CrisisLog, from_log: list[str], hash_seed: str) -> None:
    command = [sys.executable, "-m", "cli", "replay", from_log[1], *from_log[2:], "--output", "json"]
    done = subprocess.run(command, env={**os.environ, "PYTHONHASHSEED": hash_seed}, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    assert json.loads(done.stdout)["state_root"] == log.blocks[-1].block.header.state_root.hex()


def test_the_terms_of_an_amendment_are_those_of_its_time(log: CrisisLog, from_log: list[str], capsys: Any) -> None:
    assert run(["liquidations", "explain", *from_log]) == 0
    told = capsys.readouterr()
    assert "FAIL" not in told.out
    assert "penalty 0.5 % of each notional" in told.out
    assert f"penalty {NEW_PENALTY_PPM / 10_000:g} % of each notional" in told.out
    assert "every line that can be recomputed" in told.err


def test_each_liquidation_and_default_is_told_out_of_the_log(log: CrisisLog, from_log: list[str], capsys: Any) -> None:
    counts = {}
    for command in (["liquidations", "explain"], ["waterfall", "explain"], ["fund", "explain"]):
        assert run([*command, *from_log, "--output", "json"]) == 0
        told = json.loads(capsys.readouterr().out)
        counts[command[0]] = sum(line["ok"] is True for each in told for line in each["lines"])
        assert not [each for each in told for line in each["lines"] if line["ok"] is False]
    assert counts["liquidations"] > 80, "lines that were computed again"
    assert counts["waterfall"] > 20
    assert counts["fund"] > 20
    assert run(["liquidations", "explain", *from_log, "--account", str(DAVE), "--output", "json"]) == 0
    assert {each["kind"] for each in json.loads(capsys.readouterr().out)} == {"SliceSold"}
    assert run(["waterfall", "explain", *from_log, "--number", "2", "--output", "json"]) == 0
    assert json.loads(capsys.readouterr().out) == []
    assert run(["waterfall", "explain", *from_log, "--number", "1"]) == 0
    out = capsys.readouterr().out
    assert "member 2: the smaller of" in out
    assert "drawn from the fund of member 2" in out


@pytest.fixture(scope="module")
def served(log: CrisisLog, tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeView]:
    """A node that was restored from the blocks and has written its receipts."""
    with log.disk(tmp_path_factory.mktemp("served") / "node.sqlite") as store:
        yield viewed(log, store)


def viewed(log: CrisisLog, store: Store) -> NodeView:
    station = Station(log.home, store)
    trio.run(record_all, station.recorder)
    return live_view(station)


async def ask(view: NodeView, folder: Path, member: int, *command: str) -> int:
    """A command of this member against the view's API."""
    key = folder / f"key-{member}"
    key.touch(mode=0o600)
    key.write_text(secret(member).hex())
    settings = Api(port=0)
    app = build_api(view, settings, lambda: time.time_ns() // 1_000_000)
    with trio.fail_after(600):
        async with trio.open_nursery() as nursery:
            bound = await nursery.start(serve_api, app, settings)
            argv = [*command, "--url", bound[0], "--secret-file", str(key)]
            code = await trio.to_thread.run_sync(run, argv)
            nursery.cancel_scope.cancel()
    return code


async def test_a_node_tells_its_members_the_same_with_others_masked(
    log: CrisisLog, served: NodeView, tmp_path: Path, capsys: Any
) -> None:
    for command in ("liquidations", "waterfall", "fund"):
        assert await ask(served, tmp_path, 2, command, "explain", "--output", "json") == 0
        stranger = capsys.readouterr().out
        assert await ask(served, tmp_path, 1, command, "explain", "--output", "json") == 0
        owner = capsys.readouterr().out
        assert len(json.loads(stranger)) == len(json.loads(owner)) > 10
        for account in (ALICE, ALICE_CLIENT) if command != "fund" else (ALICE,):
            assert f"account {account} " in owner
            assert f"account {account} " not in stranger
        assert "account ~" in stranger
        assert sum(line["ok"] is True for each in json.loads(stranger) for line in each["lines"]) > 15


async def test_a_receipt_that_a_node_has_changed_does_not_recompute(
    log: CrisisLog, served: NodeView, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    true = served.receipts

    def lie(key: int, after: tuple[int, int], limit: int) -> list[ReceiptAt]:
        return [changed(each) for each in true(key, after, limit)]

    def changed(at: ReceiptAt) -> ReceiptAt:
        if not isinstance(at.receipt, LossAllocated):
            return at
        *others, last = at.receipt.steps
        (share, *rest) = last.shares
        last = msgspec.structs.replace(last, shares=(msgspec.structs.replace(share, amount=share.amount - 1), *rest))
        return ReceiptAt(at.height, at.index, msgspec.structs.replace(at.receipt, steps=(*others, last)))

    monkeypatch.setattr(served, "receipts", lie)
    assert await ask(served, tmp_path, 2, "waterfall", "explain") == 6
    told = capsys.readouterr()
    assert "BUT THE RECEIPT STATES" in told.out
    assert "1 of" in told.err
    assert "DO NOT RECOMPUTE" in told.err


async def got(view: NodeView, target: str, member: int | None) -> httpx.Response:
    """A request, signed by a member or by nobody."""
    now = 1_700_000_000_000
    app = build_api(view, Api(), lambda: now)
    headers = {}
    if member is not None:
        part = SignedPart("GET", target, b"")
        headers["authorization"] = authorization(view.network, secret(member), part, now, secrets.token_bytes(32))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://node") as client:
        return await client.get(target, headers=headers)


@pytest.mark.parametrize("path", ["/v1/liquidations", "/v1/defaults", "/v1/fund/receipts"])
async def test_only_members_ask_and_only_what_there_is_to_ask(served: NodeView, path: str) -> None:
    assert (await got(served, path, None)).status_code == 401
    assert (await got(served, path, 77)).status_code == 401, "a key that no member has"
    for query in ("?after=x", "?limit=0", "?account=1", "?after=1:1&after=2:2"):
        assert (await got(served, path + query, 2)).status_code == 400, query
    page = (await got(served, f"{path}?limit=3", 2)).json()
    assert len(page["receipts"]) == 3
    rest = (await got(served, f"{path}?after={page['next']}", 2)).json()
    assert rest["next"] == ""
    assert not [each for each in rest["receipts"] if each in page["receipts"]]


async def test_who_is_one_of_many_in_a_default_learns_no_others_account(log: CrisisLog, served: NodeView) -> None:
    target = f"/v1/receipts?account={ALICE_CLIENT}"
    (loss,) = [each for each in (await got(served, target, 1)).json()["receipts"] if each["kind"] == "LossAllocated"]
    assert [each[0] for each in loss["details"]["deficits"]] == [str(ALICE), str(ALICE_CLIENT)], "both are member 1's"
    (mine,) = [
        each
        for each in (await got(served, f"/v1/receipts?account={DAVE}", 4)).json()["receipts"]
        if each["kind"] == "PortfolioSold"
    ]
    assert mine["details"]["account"] == str(DAVE)
    others = (await got(served, "/v1/defaults?limit=500", 4)).json()["receipts"]
    (loss,) = [each for each in others if each["kind"] == "LossAllocated"]
    assert all(int(each[0]) >= MASKED for each in loss["details"]["deficits"])


def test_pages_follow_each_other_and_concern_their_series_only(log: CrisisLog, served: NodeView) -> None:
    seen: list[Any] = []
    after = (0, -1)
    while page := served.receipts(Series.LIQUIDATIONS, after, 7):
        seen += page
        after = (page[-1].height, page[-1].index)
    assert len(seen) == len({(each.height, each.index) for each in seen}) > 30
    assert not [each for each in seen if isinstance(each.receipt, LossAllocated)]
    assert [each for each in served.receipts(Series.DEFAULTS, (0, -1), 500) if isinstance(each.receipt, LossAllocated)]


def test_who_is_concerned_finds_a_receipt_under_its_own_account(log: CrisisLog, served: NodeView) -> None:
    for sold in log.of_kind(SliceSold):
        assert set(receipt_accounts(sold)) >= {sold.account, sold.bidder}
    mine = [each.receipt for each in served.receipts(DAVE, (0, -1), 500)]
    assert len([each for each in mine if isinstance(each, SliceSold)]) == len(log.of_kind(SliceSold))


def test_no_receipt_of_an_own_account_tells_whose_a_mask_is(log: CrisisLog, served: NodeView) -> None:
    """The same sale is in the series of all, masked: the bidder's name in clear would undo its mask everywhere."""
    (sold, *_) = log.of_kind(SliceSold)
    for own, other in ((sold.account, sold.bidder), (sold.bidder, sold.account)):
        key = owner_of(served.state, own)
        assert key is not None
        page = receipts_handler(ApiCall(served, {"account": str(own), "limit": "500"}, signer=key))
        assert isinstance(page, ReceiptPage)
        told = next(each.details for each in page.receipts if each.kind == "SliceSold")
        hidden = str(masks_of(served.state, key)(other))
        assert int(hidden) >= MASKED
        named = {told["account"], told["bidder"]}
        assert named == {str(own), hidden}


def test_slices_and_portfolios_can_be_bid_for_by_what_is_shown(log: CrisisLog, tmp_path: Path) -> None:
    opened = next(at for at, each in log.receipts.items() if any(isinstance(one, LiquidationOpened) for one in each))
    with log.disk(tmp_path / "sale.sqlite", height=opened) as store:
        view = viewed(log, store)
        (sale,) = slice_sales(view.state)
        (told,) = [each for each in log.receipts[opened] if isinstance(each, LiquidationOpened)]
        assert (sale.account, sale.opened_height, sale.last_height) == (told.account, opened, told.last_height)
        assert sale.discount_ppm == told.start_ppm
        assert [(each.instrument, int(each.lots)) for each in sale.positions] == list(told.positions)
        assert under_way(view.state) == ()
    declared = next(at for at, each in log.receipts.items() if any(isinstance(one, DefaultDeclared) for one in each))
    with log.disk(tmp_path / "default.sqlite", height=declared) as store:
        (held,) = under_way(viewed(log, store).state)
        assert (held.number, held.member, held.phase, held.slices) == (1, 1, "open", 100)
        assert [int(each.lots) > 0 for each in held.positions] == [True]


def test_a_masked_account_is_the_same_everywhere_and_no_account(log: CrisisLog, served: NodeView) -> None:
    name = masks_of(served.state, bytes(20))
    assert name(0) == 0
    assert MASKED <= name(ALICE) != name(ALICE_CLIENT)
    assert masks_of(served.state, b"\x01" * 20)(ALICE) == name(ALICE)


def test_stored_receipts_are_those_of_the_blocks(log: CrisisLog, served: NodeView) -> None:
    rows = served.receipts(Series.DEFAULTS, (0, -1), 500)
    for each in rows:
        assert log.receipts[each.height][each.index] == each.receipt


def test_statements_tell_whose_lots_which_receipt_moved(log: CrisisLog, from_log: list[str], capsys: Any) -> None:
    moved: dict[tuple[int, str], int] = {}
    for member in range(5):
        assert run(["statement", "2023-11-14", *from_log, "--member", str(member)]) == 0
        rows = [line.split(",") for line in capsys.readouterr().out.splitlines()]
        for row in (each for each in rows if each[2] == "change"):
            lots = int(row[8] or 0) - int(row[9] or 0)
            moved[(int(row[1]), row[4])] = moved.get((int(row[1]), row[4]), 0) + lots
        for each in rows[1:]:
            assert each[2] != "transfer" or ":" in each[-1], "a receipt tells of every transfer"
    sold = sum(position.lots for each in log.of_kind(SliceSold) for position in each.positions)
    assert (moved[(ALICE_CLIENT, "SliceSold")], moved[(DAVE, "SliceSold")]) == (-sold, sold)
    portfolio = sum(position.lots for each in log.of_kind(PortfolioSold) for position in each.positions)
    assert moved[(ALICE, "PortfolioSold")] == -portfolio
    for kind in ("SliceSold", "PortfolioSold", "Liquidated", "HouseTakeover", "TradeNovated"):
        assert sum(lots for (_, told), lots in moved.items() if told == kind) == 0, kind
