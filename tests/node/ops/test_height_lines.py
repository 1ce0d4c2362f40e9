"""Each height that a node decides is one line of its log."""

from pathlib import Path

from structlog.testing import capture_logs

from clearing.schema.blocks.transaction import Transaction
from consensus.outputs import Decided
from node.ops.height_lines import FETCHED_EVERY, HeightLines
from tests.kit.clearing.genesis import ALICE, BOB, BTC_PERP, DOLLAR, HOUSE, USDC_1
from tests.kit.clearing.world import Fact, World
from tests.kit.node.proving import decided
from tests.kit.node.station import new_station


def facts(words: World, height: int) -> tuple[Fact, ...]:
    each = (HOUSE, ALICE, BOB) if height == 2 else ()
    return tuple(words.deposit_fact(account, USDC_1, 100_000 * DOLLAR) for account in each)


def requests(words: World, height: int) -> tuple[Transaction, ...]:
    return (
        (words.trade(ALICE, BOB, BTC_PERP, 1, 790_000), words.trade(ALICE, BOB, BTC_PERP, 1, 1)) if height == 5 else ()
    )


def test_a_line_has_what_was_decided_and_how(tmp_path: Path) -> None:
    with new_station(tmp_path) as station, capture_logs() as lines:
        height_lines = HeightLines(lambda: 3, lambda: 2 * FETCHED_EVERY)
        station.application.listen(height_lines.committed)
        for committed in decided(station, 5, facts, requests):
            height_lines.decided(Decided(committed, rounds=2, duration_ms=40, fetched=False))
    found = [line for line in lines if line["event"] == "decided"]
    assert [line["height"] for line in found] == [1, 2, 3, 4, 5]
    expected = {"round": 1, "transactions": 2, "trades": 1, "ms": 40, "peers": 3, "log_level": "info"}
    assert found[-1] == {"event": "decided", "height": 5, **expected}


def test_fetched_heights_are_told_now_and_then(tmp_path: Path) -> None:
    with new_station(tmp_path) as station, capture_logs() as lines:
        height_lines = HeightLines(lambda: 3, lambda: 2 * FETCHED_EVERY)
        for committed in decided(station, FETCHED_EVERY + 1):
            height_lines.decided(Decided(committed, rounds=1, duration_ms=0, fetched=True))
    (line,) = (line for line in lines if line["event"] == "fetched")
    assert (line["height"], line["behind"]) == (FETCHED_EVERY, FETCHED_EVERY)
    assert line["seconds_left"] >= 0
