"""A history has what the blocks did, in either database, however often its writer is killed."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from clearing.base.errors import LocalFault
from clearing.schema.blocks.transaction import Transaction
from clearing.schema.facts import Fact
from clearing.state.holdings import current_arrays, current_holdings, holdings_margin
from clearing.state.ledger import balance
from cli.main import run
from member.codes import NodeCode
from node.history import indexer
from node.history.database import HistoryDatabase, answer
from node.history.examples import examples
from node.history.indexer import Indexed, index
from node.history.tables import METADATA
from tests.kit.clearing.genesis import ALICE, BOB, BTC_PERP, DOLLAR, HOUSE, USDC_1
from tests.kit.clearing.world import World
from tests.kit.node.proving import decided
from tests.kit.node.station import MARKET, Station, new_station
from tests.kit.refusals import refused

HEIGHTS = 3 * MARKET.epoch_blocks
ROOT = Path(__file__).resolve().parents[3]


def facts(words: World, height: int) -> tuple[Fact, ...]:
    if height != 2:
        return ()
    return tuple(words.deposit_fact(each, USDC_1, 100_000 * DOLLAR) for each in (HOUSE, ALICE, BOB))


def requests(words: World, height: int) -> tuple[Transaction, ...]:
    if height < 4:
        return ()
    return words.trade(ALICE, BOB, BTC_PERP, height, 790_000), words.trade(ALICE, BOB, BTC_PERP, 1, 1)


def live(station: Station, heights: int) -> None:
    """With two trades a height, one of them refused."""
    for _ in decided(station, heights, facts, requests):
        pass


@pytest.fixture
def station(tmp_path: Path) -> Iterator[Station]:
    with new_station(tmp_path / "net") as made:
        live(made, HEIGHTS)
        yield made


def dump(url: str) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of all tables, in order."""
    found = {}
    for table in METADATA.sorted_tables:
        columns = ", ".join(column.name for column in table.columns)
        rows = answer(url, f"SELECT {columns} FROM {table.name}", {})[1]  # noqa: S608 - names of our tables
        found[table.name] = sorted(tuple(_plain(value) for value in row) for row in rows)
    return found


def _plain(value: Any) -> Any:
    """Databases write JSON and truth in their own ways."""
    if isinstance(value, dict):
        return json.dumps(value, sort_keys=True)
    if isinstance(value, str) and value.startswith("{"):
        return json.dumps(json.loads(value), sort_keys=True)
    return -1 if value is None else int(value) if isinstance(value, bool) else value


def one(url: str, sql: str, **parameters: int) -> Any:
    return answer(url, sql, parameters)[1][0][0]


def test_a_history_has_every_block_request_and_receipt(station: Station, database: str) -> None:
    assert index(station.home.path, database) == Indexed(1, HEIGHTS)
    blocks = answer(database, "SELECT height, hash, time_ms FROM blocks ORDER BY height", {})[1]
    headers = [committed.block.header for committed in station.decided]
    assert blocks == [(each.height, each.hash.hex(), each.time_ms) for each in headers]
    assert one(database, "SELECT COUNT(*) FROM requests") == 2 * (HEIGHTS - 3)
    assert one(database, "SELECT COUNT(*) FROM requests WHERE refused") == HEIGHTS - 3
    assert one(database, "SELECT COUNT(*) FROM trades") == HEIGHTS - 3
    assert one(database, "SELECT SUM(lots) FROM trades") == sum(range(4, HEIGHTS + 1))
    kept = sum(len(station.store.receipts_at(height)) for height in range(1, HEIGHTS + 1))
    assert one(database, "SELECT SUM(receipts) FROM blocks") == one(database, "SELECT COUNT(*) FROM receipts")
    assert kept in (0, one(database, "SELECT COUNT(*) FROM receipts"))


def test_balances_and_margins_are_those_of_the_state(station: Station, database: str) -> None:
    index(station.home.path, database)
    state = station.state
    newest = {(a, c): amount for a, c, amount, _ in answer(database, "SELECT * FROM newest_balances", {})[1]}
    known = {(account, currency) for (account, currency), _ in state.balances.ordered() if account in state.accounts}
    assert {key: amount for key, amount in newest.items() if amount} == {
        key: amount for key in sorted(known) if (amount := balance(state, *key))
    }
    for account in (ALICE, BOB):
        margin = holdings_margin(current_arrays(state), current_holdings(state, account))
        sql = "SELECT equity, initial, maintenance FROM margins WHERE account = :account AND height = :height"
        found = answer(database, sql, {"account": account, "height": HEIGHTS})[1]
        assert found == [(margin.equity, margin.initial, margin.maintenance)]
    sql = "SELECT lots FROM positions WHERE account = :account AND height = :height"
    assert one(database, sql, account=ALICE, height=HEIGHTS) == sum(range(4, HEIGHTS + 1))


def test_both_databases_have_the_same_rows(station: Station, server: Callable[[], str], tmp_path: Path) -> None:
    urls = (server(), f"sqlite:///{tmp_path / 'same.db'}")
    for url in urls:
        index(station.home.path, url)
    assert dump(urls[0]) == dump(urls[1])


async def test_a_history_goes_on_where_it_ended(station: Station, database: str, server: Callable[[], str]) -> None:
    assert index(station.home.path, database) == Indexed(1, HEIGHTS)
    assert index(station.home.path, database) == Indexed(0, 0)
    await station.write_results()
    live(station, 4)
    assert index(station.home.path, database) == Indexed(HEIGHTS + 1, HEIGHTS + 4)
    whole = server()
    index(station.home.path, whole)
    assert dump(database) == dump(whole)


def test_a_height_is_written_whole_or_not_at_all(
    station: Station, database: str, monkeypatch: pytest.MonkeyPatch, server: Callable[[], str]
) -> None:
    monkeypatch.setattr(indexer, "BLOCKS_AT_ONCE", 1)
    rows_of, bad = indexer.rows_of, 7

    def torn(found: Any) -> Any:
        rows = rows_of(found)
        if found.header.height == bad:
            rows["balances"] = rows["balances"] * 2 or [rows["blocks"][0]]  # the second one has the first one's key
        return rows

    monkeypatch.setattr(indexer, "rows_of", torn)
    with pytest.raises(LocalFault):
        index(station.home.path, database)
    assert one(database, "SELECT MAX(height) FROM blocks") == bad - 1
    assert one(database, "SELECT COUNT(*) FROM receipts WHERE height >= :height", height=bad) == 0
    monkeypatch.setattr(indexer, "rows_of", rows_of)
    index(station.home.path, database)
    whole = server()
    index(station.home.path, whole)
    assert dump(database) == dump(whole)


def test_a_writer_that_is_killed_leaves_no_gap_and_no_double(station: Station, database: str) -> None:
    command = [sys.executable, "-c", _SLOW, str(station.home.path), database]
    chance = random.Random(5)
    for _ in range(3):
        process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)})
        before = _height(database)
        while _height(database) < before + 2 and process.poll() is None:
            time.sleep(chance.uniform(0.01, 0.05))
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        assert 0 < _height(database) < HEIGHTS
    index(station.home.path, database)
    heights = [each for (each,) in answer(database, "SELECT height FROM blocks ORDER BY height", {})[1]]
    assert heights == list(range(1, HEIGHTS + 1))
    assert one(database, "SELECT COUNT(*) FROM trades") == HEIGHTS - 3


_SLOW = """
import sys, time
from pathlib import Path
from node.history import indexer
indexer.BLOCKS_AT_ONCE = 1
indexer.index(Path(sys.argv[1]), sys.argv[2], progress=lambda height: time.sleep(0.2))
"""


def _height(url: str) -> int:
    try:
        return int(one(url, "SELECT COALESCE(MAX(height), 0) FROM blocks"))
    except LocalFault:  # not made yet
        return 0


def test_a_history_of_another_network_or_of_other_blocks_is_refused(
    station: Station, database: str, tmp_path: Path
) -> None:
    index(station.home.path, database)
    with refused(NodeCode.HISTORY_OTHER, LocalFault):
        HistoryDatabase(database, bytes(32))
    answer_to = "UPDATE blocks SET hash = 'ff' WHERE height = 15"
    _write(database, answer_to)
    with refused(NodeCode.HISTORY_OTHER, LocalFault):
        index(station.home.path, database)
    _write(database, "UPDATE about SET value = '0' WHERE name = 'version'")
    with refused(NodeCode.HISTORY_OTHER, LocalFault):
        index(station.home.path, database)


def _write(url: str, sql: str) -> None:
    from sqlalchemy import text

    from node.history.database import engine_of

    engine = engine_of(url)
    with engine.begin() as connection:
        connection.execute(text(sql))
    engine.dispose()


def test_a_second_writer_is_refused(station: Station, database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[int] = []
    rows_of = indexer.rows_of

    def other_first(found: Any) -> Any:
        if not begun:
            begun.append(found.header.height)
            index(station.home.path, database)
        return rows_of(found)

    monkeypatch.setattr(indexer, "rows_of", other_first)
    with refused(NodeCode.HISTORY_TAKEN, LocalFault):
        index(station.home.path, database)
    assert one(database, "SELECT COUNT(*) FROM blocks") == HEIGHTS


VALUES = {"account": ALICE, "height": HEIGHTS, "time_ms": 2**60, "instrument": BTC_PERP}
EXAMPLES = tuple(sorted(examples()))


def test_there_are_ten_examples() -> None:
    assert len(EXAMPLES) == 10


def test_the_page_lists_each_example_with_its_parameters() -> None:
    page = (ROOT / "docs/how-to/history.md").read_text(encoding="utf-8")
    for each in examples().values():
        parameters = ", ".join(f"`{name}`" for name in sorted(each.parameters))
        assert f"| `{each.name}` | {parameters} | {each.answers} |".replace("|  |", "| |") in page


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory, server: Callable[[], str]) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("filled")
    urls = {"sqlite": f"sqlite:///{folder / 'history.db'}", "postgresql": server()}
    with new_station(folder / "net") as station:
        live(station, HEIGHTS)
        for url in urls.values():
            index(station.home.path, url)
    return urls


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_has_the_same_answer_in_both_databases(filled: dict[str, str], name: str) -> None:
    example = examples()[name]
    given = {each: VALUES[each] for each in example.parameters}
    columns, rows = answer(filled["sqlite"], example.sql, given)
    other_columns, other_rows = answer(filled["postgresql"], example.sql, given)
    assert columns == other_columns
    assert [tuple(map(_number, row)) for row in rows] == [tuple(map(_number, row)) for row in other_rows]
    assert rows or name == "liquidations_by_day"


def _number(value: Any) -> Any:
    """PostgreSQL sums 64-bit numbers to decimals."""
    return value if isinstance(value, str) else int(value)


def test_the_command_indexes_and_answers(station: Station, database: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["history", "run", "--once", "--home", str(station.home.path), "--database", database]) == 0
    assert capsys.readouterr().out == f"heights 1 to {HEIGHTS}\n"
    ask = ["history", "query", "volume_by_day", "--database", database, "--output", "json"]
    assert run(ask) == 0
    (day,) = json.loads(capsys.readouterr().out)
    assert (day["instrument"], day["trades"], int(day["lots"])) == (BTC_PERP, 12, sum(range(4, HEIGHTS + 1)))
    assert run(["history", "query", "--database", database]) == 0
    assert set(EXAMPLES) <= set(capsys.readouterr().out.split())
    assert run(["history", "query", "balances_at", "--database", database]) == 2
    assert run(["history", "query", "nonsense", "--database", database]) == 2


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("mysql://host/name", NodeCode.HISTORY_URL),
        ("nonsense", NodeCode.HISTORY_URL),
        ("postgresql://me:secret@127.0.0.1:1/none", NodeCode.HISTORY_DATABASE),
        ("sqlite:////nowhere/at/all.db", NodeCode.HISTORY_DATABASE),
    ],
)
def test_a_database_that_cannot_be_used_is_refused_without_its_password(url: str, code: NodeCode) -> None:
    with pytest.raises(LocalFault) as caught:
        HistoryDatabase(url, bytes(32))
    assert caught.value.code is code
    assert "secret" not in str(caught.value)


def test_a_new_file_is_for_the_operator_alone(tmp_path: Path) -> None:
    file = tmp_path / "history.db"
    HistoryDatabase(f"sqlite:///{file}", bytes(32)).close()
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_history_is_followed_until_it_is_interrupted(station: Station, database: str) -> None:
    seen: list[int] = []

    def pause(_: float) -> None:
        if len(seen) == 3:
            raise KeyboardInterrupt
        live(station, 1)

    with pytest.raises(KeyboardInterrupt):
        index(station.home.path, database, follow=True, progress=seen.append, pause=pause)
    assert seen == [HEIGHTS, HEIGHTS + 1, HEIGHTS + 2]
