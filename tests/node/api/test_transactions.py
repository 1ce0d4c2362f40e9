"""What became of a transaction: who knows its hash learns how it ended, and a party learns why and what it did."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio

from clearing.base.errors import Rejected
from clearing.schema.blocks.transaction import Transaction, transaction_hash
from clearing.schema.codes import ClearingCode
from cli.output import ExitCode
from member.api.transactions import TransactionView
from member.api.types import hexed
from member.codes import NodeCode
from node.agreement.application import DecidedHeight
from node.agreement.decided_transactions import DecidedTransactions
from node.api.view import NodeView
from node.pool.fates import Fates, NotedBlock
from node.store.fate_table import FateTable
from tests.kit.clearing.genesis import ALICE, BOB, BTC_PERP, DOLLAR, USDC_1
from tests.kit.clearing.signer import secret
from tests.kit.clearing.world import World
from tests.kit.node.fake_view import NOW, FakeView, ask_view, client_of, signed, status_and_code
from tests.kit.node.live_view import live_view, run_against
from tests.kit.node.proving import decided
from tests.kit.node.station import Station, new_station, secret_file

ALICE_KEY, BOB_KEY, CAROL_KEY = secret(1), secret(2), secret(3)
CUSTODY_HEIGHTS = 6


@dataclass
class Scene:
    """A node, with transactions in its newest block and one in its pool."""

    station: Station
    view: NodeView
    fates: Fates
    waiting: set[bytes]
    trade: Transaction
    transfer: Transaction
    other: Transaction

    async def ask(self, transaction: Transaction, key: bytes | None = None) -> TransactionView:
        target = f"/v1/transactions/{hexed(transaction_hash(transaction))}"
        headers = signed(key, target, network=self.station.home.network) if key is not None else {}
        async with client_of(self.view) as client:
            response = await client.get(target, headers=headers)
        assert response.status_code == 200, response.text
        return msgspec.json.decode(response.content, type=TransactionView)


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    """Alice and Bob have collateral and trade; then Alice transfers what she has not."""
    made: dict[str, Transaction] = {}

    def deposits(words: World, height: int) -> tuple[Any, ...]:
        return tuple(words.deposit_fact(each, USDC_1, 100_000 * DOLLAR) for each in (ALICE, BOB) if height == 2)

    def requests(words: World, height: int) -> tuple[Transaction, ...]:
        if height != CUSTODY_HEIGHTS:
            return ()
        made["trade"] = words.trade(ALICE, BOB, BTC_PERP, 1, 790_000)
        made["transfer"] = words.transfer(ALICE, BOB, 2**50)
        made["other"] = words.trade(ALICE, BOB, BTC_PERP, 2, 790_000)
        return made["trade"], made["transfer"]

    with new_station(tmp_path) as station, FateTable(tmp_path / "fates.sqlite", station.home.network) as table:
        fates, waiting = Fates(table, lambda: NOW, 7, 1_000), set[bytes]()

        def note(decided: DecidedHeight) -> None:
            hashes = [transaction_hash(each) for each in decided.block.transactions]
            height, time_ms = decided.header.height, decided.header.time_ms
            fates.decided(NotedBlock(height, time_ms, hashes, decided.result.receipts))

        station.application.listen(note)
        assert len(list(decided(station, CUSTODY_HEIGHTS, deposits, requests))) == CUSTODY_HEIGHTS
        trio.run(station.write_results)
        services = {
            "find_fate": fates.find,
            "is_waiting": waiting.__contains__,
            "fates_complete": lambda: fates.complete,
        }
        yield Scene(station, live_view(station, **services), fates, waiting, **made)


async def test_anybody_learns_how_a_transaction_ended_and_no_more(scene: Scene) -> None:
    trade, transfer = await scene.ask(scene.trade), await scene.ask(scene.transfer)
    assert (trade.state, trade.height, trade.index) == ("applied", CUSTODY_HEIGHTS, 0)
    assert (transfer.state, transfer.height, transfer.index) == ("refused", CUSTODY_HEIGHTS, 1)
    assert transfer.problem is not None
    assert transfer.problem.code == ClearingCode.NOT_OWN_ACCOUNT.label
    assert transfer.problem.remedy == ClearingCode.NOT_OWN_ACCOUNT.remedy
    assert transfer.problem.at == "cash_transfer"
    assert trade.problem is None
    for view in (trade, transfer, await scene.ask(scene.trade, CAROL_KEY), await scene.ask(scene.transfer, CAROL_KEY)):
        assert (view.values, view.receipts) == ({}, ())


async def test_both_sides_of_a_trade_see_its_receipt(scene: Scene) -> None:
    for key in (ALICE_KEY, BOB_KEY):
        (receipt,) = (await scene.ask(scene.trade, key)).receipts
        assert receipt.kind == "TradeNovated"
        assert (receipt.height, receipt.details["buyer"]) == (CUSTODY_HEIGHTS, str(ALICE))


async def test_who_signed_a_refused_transfer_sees_the_values_and_its_recipient_does_not(scene: Scene) -> None:
    assert (await scene.ask(scene.transfer, ALICE_KEY)).values
    assert (await scene.ask(scene.transfer, BOB_KEY)).values == {}


async def test_the_answer_is_the_same_once_written_and_when_read_from_blocks(scene: Scene, tmp_path: Path) -> None:
    before = [await scene.ask(each, ALICE_KEY) for each in (scene.trade, scene.transfer)]
    await scene.fates.save()
    assert [await scene.ask(each, ALICE_KEY) for each in (scene.trade, scene.transfer)] == before
    with FateTable(tmp_path / "anew.sqlite", scene.station.home.network) as table:
        anew = Fates(table, lambda: NOW, 7, 1_000)
        with trio.move_on_after(0.2):
            await anew.run(DecidedTransactions(scene.station.store), CUSTODY_HEIGHTS)
        scene.view.find_fate = anew.find
        assert anew.complete
        assert [await scene.ask(each, ALICE_KEY) for each in (scene.trade, scene.transfer)] == before


async def test_what_waits_is_pending_unless_a_block_applied_it(scene: Scene) -> None:
    scene.waiting.update(transaction_hash(each) for each in (scene.trade, scene.transfer, scene.other))
    states = [(await scene.ask(each)).state for each in (scene.trade, scene.transfer, scene.other)]
    assert states == ["applied", "pending", "pending"]


async def test_what_expired_or_was_dropped_has_the_code_and_no_block(scene: Scene) -> None:
    key = transaction_hash(scene.other)
    scene.fates.expired(key)
    view = await scene.ask(scene.other, ALICE_KEY)
    assert view.problem is not None
    assert (view.state, view.height, view.time_ms) == ("expired", 0, NOW)
    assert view.problem.code == ClearingCode.REQUEST_EXPIRED.label
    scene.fates.dropped(key, Rejected(NodeCode.POOL_FULL, "mempool"))
    view = await scene.ask(scene.other)
    assert view.problem is not None
    assert (view.state, view.problem.code, view.problem.at) == ("dropped", NodeCode.POOL_FULL.label, "mempool")


async def test_an_unknown_hash_is_refused_and_one_that_may_be_in_unread_blocks_is_not_yet() -> None:
    view, target = FakeView(), "/v1/transactions/0x" + "ab" * 32
    async with client_of(view) as client:
        response = await client.get(target)
        assert status_and_code(response) == (404, NodeCode.TRANSACTION_UNKNOWN.label)
        assert response.json()["remedy"] == NodeCode.TRANSACTION_UNKNOWN.remedy
        view.ready = False
        assert status_and_code(await client.get(target)) == (503, NodeCode.TRANSACTIONS_UNREAD.label)
        assert (await client.get("/v1/transactions/0xAB")).status_code == 400


async def test_a_bad_signature_is_refused_though_none_is_needed() -> None:
    response = await ask_view(FakeView(), "/v1/transactions/0x" + "ab" * 32, b"\x03" * 32)
    assert response.status_code == 401


def test_the_command_prints_state_values_and_receipts(
    scene: Scene, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key = ["--secret-file", str(secret_file(tmp_path / "key", ALICE_KEY))]
    trade, transfer = (hexed(transaction_hash(each)) for each in (scene.trade, scene.transfer))
    assert run_against(scene.view, "transactions", "show", trade) == ExitCode.OK
    assert capsys.readouterr().out.strip() == f"transaction {trade}: applied at height {CUSTODY_HEIGHTS}, index 0"
    assert run_against(scene.view, "transactions", "show", trade, *key) == ExitCode.OK
    assert "TradeNovated index 0, venue 1, venue trade id " in (shown := capsys.readouterr().out)
    assert "instrument BTC-PERP, buyer member-1 (account 1), seller member-2 (account 2), size " in shown
    assert run_against(scene.view, "transactions", "show", transfer[2:], *key) == ExitCode.OK
    shown = capsys.readouterr().out
    assert ClearingCode.NOT_OWN_ACCOUNT.label in shown
    assert ClearingCode.NOT_OWN_ACCOUNT.remedy in shown


def test_the_command_passes_on_that_the_node_does_not_know(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_against(FakeView(), "transactions", "show", "ab" * 32) == ExitCode.UNEXPECTED
    assert NodeCode.TRANSACTION_UNKNOWN.remedy in capsys.readouterr().err
