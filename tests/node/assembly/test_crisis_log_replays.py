"""A log with liquidations, a default, an amendment and a cancelled withdrawal gives the same roots again, told by hand.

From genesis, from saved states, from the state at any height, and in processes that hash strings otherwise.
"""

import doctest
import json
import os
import re
import shlex
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
import trio

from clearing.apply_block import apply_block
from clearing.schema.blocks.block import BlockInput
from clearing.schema.blocks.receipt import Receipt, Refused
from clearing.schema.receipts.default import (
    BiddersRanked,
    DefaultBidTaken,
    DefaultDeclared,
    DefaultEnded,
    LossAllocated,
    PortfolioSold,
)
from clearing.schema.receipts.governance import AmendmentEnacted
from clearing.schema.receipts.liquidation import Liquidated, LiquidationOpened, LiquidationStepTaken, SliceSold
from clearing.schema.receipts.withdrawals import RefundReason, WithdrawalRefunded
from clearing.state.account_masks import MASKED
from clearing.state.export import export_state, import_state
from member.api.receipts import ReceiptAt, Series
from member.explaining.receipt_index import receipt_accounts
from node.agreement.application import DecidedHeight
from node.api.calls import ApiCall, owner_of
from node.api.receipts import masks_of, slice_sales, under_way
from node.api.receipts import receipts as receipts_handler
from node.api.view import NodeView
from node.offline.replay import replay
from node.store.records import ReceiptsAsked
from node.store.store import Store
from tests.kit.clearing.funds import DAVE
from tests.kit.clearing.genesis import ALICE, ALICE_CLIENT
from tests.kit.clearing.signer import secret
from tests.kit.command_line import CommandLine
from tests.kit.node.crisis_log import NEW_PENALTY_PPM, write_crisis
from tests.kit.node.fake_view import client_of, signed
from tests.kit.node.live_view import live_view, run_against
from tests.kit.node.recorded import Recorded
from tests.kit.node.station import Station, secret_file

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    return write_crisis(tmp_path_factory.mktemp("crisis"))


def test_everything_that_is_to_be_replayed_is_in_the_log(log: Recorded) -> None:
    assert not log.of_kind(Refused)
    (back,) = log.of_kind(WithdrawalRefunded)
    assert back.reason is RefundReason.CANCELLED
    liquidation = (LiquidationOpened, SliceSold, LiquidationStepTaken, Liquidated)
    for kind in (*liquidation, DefaultBidTaken, PortfolioSold, BiddersRanked):
        assert log.of_kind(kind)
    for kind in (AmendmentEnacted, DefaultDeclared, LossAllocated, DefaultEnded):
        assert len(log.of_kind(kind)) == 1
    assert [step.layer.name for step in log.of_kind(LossAllocated)[0].steps] == [
        "OWN_CONTRIBUTION",
        "HOUSE_CAPITAL",
        "SURVIVORS",
    ]


Executed = dict[int, tuple[tuple[bytes, ...], tuple[Receipt, ...]]]
"""Roots and receipts by height."""


def note_into(executed: Executed) -> Callable[[DecidedHeight], None]:
    def note(decided: DecidedHeight) -> None:
        executed[decided.header.height] = (decided.state.module_roots(), decided.result.receipts)

    return note


def expected(log: Recorded, above: int = 0) -> Executed:
    return {at: (log.roots[at], log.receipts[at]) for at in range(above + 1, log.height + 1)}


def test_from_genesis_every_root_and_receipt_comes_out_again(log: Recorded) -> None:
    executed: Executed = {}
    result = replay(log.home.genesis, log.home.salt, log.records, note_into(executed))
    assert (result.height, result.blocks) == (log.height, log.height)
    assert executed == expected(log)


def test_from_every_saved_state_they_do_too(log: Recorded, tmp_path: Path) -> None:
    assert len(log.saved) >= 3
    for saved in sorted(log.saved):
        executed: Executed = {}
        with log.disk(tmp_path / f"{saved}.sqlite", saved=saved) as store:
            station = Station(log.home, store, listeners=(note_into(executed),))
            assert (station.restored.height, station.application.height) == (saved, log.height)
        assert executed == expected(log, saved)


def test_from_the_state_at_any_height_they_do_too(log: Recorded) -> None:
    """Calls, sales, waiting withdrawals, amendments and defaults under way are all in the state, and nowhere else."""
    genesis, salt = log.home.genesis, log.home.salt
    states: dict[int, bytes] = {}
    blocks: dict[int, BlockInput] = {}

    def note(decided: DecidedHeight) -> None:
        blocks[decided.header.height] = decided.block
        if decided.header.height % 3 == 0:
            states[decided.header.height] = export_state(decided.state)

    replay(genesis, salt, log.records, note)
    for height, data in states.items():
        state = import_state(genesis, salt, data)
        assert state.module_roots() == log.roots[height]
        for at in range(height + 1, min(height + 9, log.height) + 1):
            fork, result = apply_block(state, blocks[at])
            assert (fork.module_roots(), result.receipts) == (log.roots[at], log.receipts[at])
            state = fork.absorb()


@pytest.mark.parametrize("hash_seed", ["1", "4242"])
def test_processes_that_hash_otherwise_agree(log: Recorded, hash_seed: str) -> None:
    _, file, *options = log.options
    command = [sys.executable, "-m", "cli", "replay", file, *options, "--no-strict", "--output", "json"]
    done = subprocess.run(command, env={**os.environ, "PYTHONHASHSEED": hash_seed}, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    assert json.loads(done.stdout)["state_root"] == log.state_root.hex()


def test_the_commands_of_the_page_on_receipts_print_what_it_shows(
    log: Recorded, tmp_path: Path, cli: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = {"node": log.home.path, "genesis.json": log.genesis_file, "blocks.log": log.log_file}
    for name in ("waterfall", "liquidation"):
        places[name] = ROOT / "configs/examples" / name
    for name, place in places.items():
        (tmp_path / name).symlink_to(place)
    monkeypatch.chdir(tmp_path)
    page = (ROOT / "docs/explanation/receipts.md").read_text()
    blocks = re.findall(r"^```console\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    shown = [each for block in blocks for each in re.findall(r"^\$ crossclear (.*)\n((?:(?!\$ ).*\n)*)", block, re.M)]
    assert len(shown) == 7
    for command, expected in shown:
        printed = cli(*shlex.split(command)).out
        flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
        assert doctest.OutputChecker().check_output(expected, printed, flags), printed


def test_the_terms_of_an_amendment_are_those_of_its_time(log: Recorded, cli: CommandLine) -> None:
    explained = cli("liquidations", "explain", *log.options)
    assert "FAIL" not in explained.out
    for penalty in ("0.5", f"{NEW_PENALTY_PPM / 10_000:g}"):
        assert f"penalty {penalty} % of each notional" in explained.out
    assert "every line that can be recomputed" in explained.err


@pytest.mark.parametrize(("command", "least"), [("liquidations", 80), ("waterfall", 20), ("fund", 20)])
def test_each_event_is_told_out_of_the_log(log: Recorded, cli: CommandLine, command: str, least: int) -> None:
    receipts = cli(command, "explain", *log.options, "--output", "json").json
    lines = [line["ok"] for each in receipts for line in each["lines"]]
    assert lines.count(True) > least, "lines that were computed again"
    assert False not in lines


def test_what_is_told_out_of_the_log_is_chosen_by_account_and_number(log: Recorded, cli: CommandLine) -> None:
    of_dave = cli("liquidations", "explain", *log.options, "--account", DAVE, "--output", "json").json
    assert {each["kind"] for each in of_dave} == {"SliceSold"}
    assert cli("waterfall", "explain", *log.options, "--number", "2", "--output", "json").json == []
    first = cli("waterfall", "explain", *log.options, "--number", "1").out
    assert "member 2: the smaller of" in first
    assert "drawn from the fund of member 2" in first


@pytest.fixture(scope="module")
def served(log: Recorded, tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeView]:
    """A node that was restored from the blocks and has written its receipts."""
    with log.disk(tmp_path_factory.mktemp("served") / "node.sqlite") as store:
        yield viewed(log, store)


def viewed(log: Recorded, store: Store) -> NodeView:
    station = Station(log.home, store)
    trio.run(station.write_results)
    return live_view(station)


def ask(view: NodeView, folder: Path, member: int, *command: str) -> int:
    """A command of this member."""
    key = secret_file(folder / f"key-{member}", secret(member))
    return run_against(view, *command, "--secret-file", str(key))


def test_a_node_tells_its_members_the_same_with_others_masked(
    log: Recorded, served: NodeView, tmp_path: Path, capsys: Any
) -> None:
    for command in ("liquidations", "waterfall", "fund"):
        assert ask(served, tmp_path, 2, command, "explain", "--output", "json") == 0
        stranger = capsys.readouterr().out
        assert ask(served, tmp_path, 1, command, "explain", "--output", "json") == 0
        owner = capsys.readouterr().out
        assert len(json.loads(stranger)) == len(json.loads(owner)) > 10
        for account in (ALICE, ALICE_CLIENT) if command != "fund" else (ALICE,):
            assert f"account {account} " in owner
            assert f"account {account} " not in stranger
        assert "account ~" in stranger
        assert sum(line["ok"] is True for each in json.loads(stranger) for line in each["lines"]) > 15


def test_a_receipt_that_a_node_has_changed_does_not_recompute(
    log: Recorded, served: NodeView, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    true = served.receipts

    def lie(key: int, page: ReceiptsAsked) -> list[ReceiptAt]:
        return [changed(each) for each in true(key, page)]

    def changed(at: ReceiptAt) -> ReceiptAt:
        if not isinstance(at.receipt, LossAllocated):
            return at
        *others, last = at.receipt.steps
        (share, *rest) = last.shares
        last = msgspec.structs.replace(last, shares=(msgspec.structs.replace(share, amount=share.amount - 1), *rest))
        return ReceiptAt(at.height, at.index, msgspec.structs.replace(at.receipt, steps=(*others, last)))

    monkeypatch.setattr(served, "receipts", lie)
    assert ask(served, tmp_path, 2, "waterfall", "explain") == 6
    printed = capsys.readouterr()
    assert "BUT THE RECEIPT STATES" in printed.out
    assert "1 of" in printed.err
    assert "DO NOT RECOMPUTE" in printed.err


async def got(view: NodeView, target: str, member: int | None) -> httpx.Response:
    """A request, signed by a member or by nobody."""
    async with client_of(view) as client:
        key = {} if member is None else signed(secret(member), target, network=view.network)
        return await client.get(target, headers=key)


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


async def details_of(view: NodeView, target: str, member: int, kind: str) -> dict[str, Any]:
    """What the only receipt of a kind in an answer tells."""
    receipts = (await got(view, target, member)).json()["receipts"]
    (details,) = [each["details"] for each in receipts if each["kind"] == kind]
    return details


async def test_who_is_one_of_many_in_a_default_learns_no_others_account(served: NodeView) -> None:
    loss = await details_of(served, f"/v1/receipts?account={ALICE_CLIENT}", 1, "LossAllocated")
    assert [each[0] for each in loss["deficits"]] == [str(ALICE), str(ALICE_CLIENT)], "both are member 1's"
    sold = await details_of(served, f"/v1/receipts?account={DAVE}", 4, "PortfolioSold")
    assert sold["account"] == str(DAVE)
    loss = await details_of(served, "/v1/defaults?limit=500", 4, "LossAllocated")
    assert all(int(each[0]) >= MASKED for each in loss["deficits"])


def test_pages_follow_each_other_and_concern_their_series_only(log: Recorded, served: NodeView) -> None:
    seen: list[Any] = []
    after = (0, -1)
    while page := served.receipts(Series.LIQUIDATIONS, ReceiptsAsked(7, after)):
        seen += page
        after = (page[-1].height, page[-1].index)
    assert len(seen) == len({(each.height, each.index) for each in seen}) > 30
    assert not [each for each in seen if isinstance(each.receipt, LossAllocated)]
    assert [
        each for each in served.receipts(Series.DEFAULTS, ReceiptsAsked(500)) if isinstance(each.receipt, LossAllocated)
    ]


def test_who_is_concerned_finds_a_receipt_under_its_own_account(log: Recorded, served: NodeView) -> None:
    for sold in log.of_kind(SliceSold):
        assert set(receipt_accounts(sold)) >= {sold.account, sold.bidder}
    mine = [each.receipt for each in served.receipts(DAVE, ReceiptsAsked(500))]
    assert len([each for each in mine if isinstance(each, SliceSold)]) == len(log.of_kind(SliceSold))


def test_no_receipt_of_an_own_account_tells_whose_a_mask_is(log: Recorded, served: NodeView) -> None:
    """The same sale is in the series of all, masked: the bidder's name in clear would undo its mask everywhere."""
    (sold, *_) = log.of_kind(SliceSold)
    for own, other in ((sold.account, sold.bidder), (sold.bidder, sold.account)):
        key = owner_of(served.state, own)
        page = receipts_handler(ApiCall(served, {"account": str(own), "limit": "500"}, signer=key))
        details = next(each.details for each in page.receipts if each.kind == "SliceSold")
        hidden = masks_of(served.state, key)(other)
        assert hidden >= MASKED
        assert {details["account"], details["bidder"]} == {str(own), str(hidden)}


def test_slices_and_portfolios_can_be_bid_for_by_what_is_shown(log: Recorded, tmp_path: Path) -> None:
    opened, declared = (log.heights_of(kind)[0] for kind in (LiquidationOpened, DefaultDeclared))
    with log.disk(tmp_path / "sale.sqlite", opened) as store:
        view = viewed(log, store)
        name, (receipt, *_) = masks_of(view.state, bytes(20)), log.of_kind(LiquidationOpened)
        (sale,) = slice_sales(view.state, name)
        shown = (sale.account, sale.opened_height, sale.last_height, sale.discount_ppm)
        assert shown == (name(receipt.account), opened, receipt.last_height, receipt.start_ppm)
        assert [(each.instrument, int(each.lots)) for each in sale.positions] == list(receipt.positions)
        assert under_way(view.state) == ()
    with log.disk(tmp_path / "default.sqlite", declared) as store:
        (default,) = under_way(viewed(log, store).state)
        assert (default.number, default.member, default.phase, default.slices) == (1, 1, "open", 100)
        assert [int(each.lots) > 0 for each in default.positions] == [True]


def test_a_masked_account_is_the_same_everywhere_and_no_account(log: Recorded, served: NodeView) -> None:
    name = masks_of(served.state, bytes(20))
    assert name(0) == 0
    assert MASKED <= name(ALICE) != name(ALICE_CLIENT)
    assert masks_of(served.state, b"\x01" * 20)(ALICE) == name(ALICE)


def test_stored_receipts_are_those_of_the_blocks(log: Recorded, served: NodeView) -> None:
    for each in served.receipts(Series.DEFAULTS, ReceiptsAsked(500)):
        assert log.receipts[each.height][each.index] == each.receipt


def test_statements_tell_whose_lots_which_receipt_moved(log: Recorded, cli: CommandLine) -> None:
    moved: Counter[tuple[int, str]] = Counter()
    for member in range(5):
        statement = cli("statement", "2023-11-14", *log.options, "--member", member).out
        for row in (line.split(",") for line in statement.splitlines()[1:]):
            if row[2] == "change":
                moved[int(row[1]), row[4]] += int(row[8] or 0) - int(row[9] or 0)
            assert row[2] != "transfer" or ":" in row[-1], "a receipt tells of every transfer"
    slices, portfolio = (
        sum(position.lots for each in log.of_kind(kind) for position in each.positions)
        for kind in (SliceSold, PortfolioSold)
    )
    assert (moved[ALICE_CLIENT, "SliceSold"], moved[DAVE, "SliceSold"]) == (-slices, slices)
    assert moved[ALICE, "PortfolioSold"] == -portfolio
    for kind in ("SliceSold", "PortfolioSold", "Liquidated", "HouseTakeover", "TradeNovated"):
        assert sum(lots for (_, by), lots in moved.items() if by == kind) == 0, kind
