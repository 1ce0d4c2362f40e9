"""A history tells liquidations and refusals as the blocks have them, whatever text a request contains."""

from pathlib import Path
from typing import Any, get_args

import pytest

from clearing.schema.blocks.receipt import Receipt
from clearing.schema.blocks.transaction import Transaction
from clearing.schema.codes import ClearingCode
from clearing.schema.facts import Fact
from clearing.schema.receipts import liquidation
from clearing.schema.terms.genesis import network_id
from node.history.database import HistoryDatabase, answer
from node.history.examples import examples
from node.history.execution import HomeExecution
from node.history.indexer import index
from node.history.rows import Rows, rows_of
from node.history.tables import LIQUIDATION_KINDS
from node.store.store import Store
from tests.kit.clearing.genesis import ALICE, BOB, BTC_PERP, DOLLAR, HOUSE, USDC_1
from tests.kit.clearing.world import World
from tests.kit.node.crisis_log import write_crisis
from tests.kit.node.proving import decided
from tests.kit.node.recorded import Recorded
from tests.kit.node.station import new_station


@pytest.fixture(scope="module")
def crisis(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    return write_crisis(tmp_path_factory.mktemp("crisis"))


@pytest.fixture(scope="module")
def crisis_rows(crisis: Recorded) -> list[Rows]:
    home = crisis.home
    with Store(crisis.folder / "story.sqlite", home.network) as store:
        return [rows_of(each) for each in HomeExecution(home.genesis, home.salt, store, 0).heights()]


def test_liquidations_are_those_of_the_blocks(crisis: Recorded, crisis_rows: list[Rows], database: str) -> None:
    with HistoryDatabase(database, crisis.home.network) as history:
        history.write(crisis_rows)
    happened: list[tuple[Any, ...]] = [
        (height, type(each).__name__, each.account)
        for height, receipts in sorted(crisis.receipts.items())
        for each in receipts
        if isinstance(each, liquidation.Liquidated) or type(each).__name__ in LIQUIDATION_KINDS
    ]
    assert len({kind for _, kind, _ in happened}) > 3
    sql = "SELECT height, kind, account FROM liquidations ORDER BY height, position"
    assert answer(database, sql, {})[1] == happened
    by_day = answer(database, examples()["liquidations_by_day"].sql, {})[1]
    assert sum(receipts for _, _, receipts, _ in by_day) == len(happened)


def test_every_receipt_of_a_liquidation_is_in_the_view() -> None:
    kinds = [each for each in get_args(Receipt) if each.__module__ == liquidation.__name__]
    assert set(LIQUIDATION_KINDS) == {each.__name__ for each in kinds if "account" in each.__struct_fields__}


def test_a_refused_trade_of_a_bundle_is_a_refusal(tmp_path: Path, database: str) -> None:
    def facts(words: World, height: int) -> tuple[Fact, ...]:
        each = (HOUSE, ALICE, BOB) if height == 2 else ()
        return tuple(words.deposit_fact(account, USDC_1, 100_000 * DOLLAR) for account in each)

    def bundles(words: World, height: int) -> tuple[Transaction, ...]:
        return (words.bundle(ALICE, BOB, (BTC_PERP, 1, 790_000), (BTC_PERP, 1, 1)),) if height == 5 else ()

    with new_station(tmp_path / "bundled") as made:
        for _ in decided(made, 6, facts, bundles):
            pass
        index(made.home.path, database)
    found = answer(database, "SELECT height, position, kind, code FROM refusals", {})[1]
    assert found == [(5, 0, "TradeBundle", int(ClearingCode.PRICE_OUTSIDE_BAND))]
    assert answer(database, "SELECT COUNT(*) FROM trades", {})[1] == [(1,)]
    assert answer(database, "SELECT refused FROM requests", {})[1] == [(False,)]


def test_a_text_with_a_zero_byte_ends_no_query(crisis: Recorded, crisis_rows: list[Rows], database: str) -> None:
    """PostgreSQL has no such text: one request would end every query that reads its receipt."""
    (block, request) = next((rows["blocks"][0], each) for rows in crisis_rows for each in rows["requests"])
    body = {"index": request["position"], "code": 1, "at": "terms", "values": [["path\0", "\\u0000"]]}
    at = {"height": block["height"], "position": 0}
    receipt = {**at, "kind": "Refused", "request": request["position"], "body": body}
    with HistoryDatabase(database, network_id(crisis.home.genesis)) as history:
        history.write([{"blocks": [block], "requests": [request], "receipts": [receipt]}])
    assert answer(database, "SELECT code, place FROM refusals", {})[1] == [(1, "terms")]
    query = "SELECT body->'values'->0->>0, body->'values'->0->>1 FROM receipts"
    assert answer(database, query, {})[1] == [("path\ufffd", "\\u0000")]
