"""A history of a million receipts, in PostgreSQL and SQLite beside each other.

Run `python -m benchmarks.history [--receipts 1000000]`. Blocks of 500 receipts among a thousand accounts are written
as `crossclear history run` writes them, a hundred blocks a transaction; one receipt in fifty is a refusal, one a
liquidation. Printed: receipts a second, and how long each example query takes, with its connection: median and
extremes of five, with what was read before in memory.
"""

import argparse
import random
import tempfile
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.figures import Figure
from benchmarks.machine import this_machine
from node.history.database import HistoryDatabase, answer
from node.history.examples import Example, examples
from node.history.indexer import BLOCKS_AT_ONCE
from node.history.rows import Row, Rows
from tests.kit.node.databases import postgresql

RECEIPTS = 1_000_000
TRADES = 500
"""In each block."""
ACCOUNTS, INSTRUMENTS, FEEDS = 1_000, 8, 2
BLOCK_MS = 10_000
EPOCH_BLOCKS = 20
START_MS = 1_700_000_000_000
REPETITIONS = 5
NETWORK = bytes(32)


def blocks(receipts: int) -> Iterator[Rows]:
    """So many receipts; the same each time."""
    chance, cash = random.Random(7), dict.fromkeys(range(1, ACCOUNTS + 1), 10**12)
    for height in range(1, receipts // TRADES + 1):
        trades = [_trade(chance, height, position) for position in range(TRADES)]
        changed = sorted({trade["body"][side] for trade in trades for side in ("buyer", "seller")})
        for account in changed:
            cash[account] += chance.randint(-(10**8), 10**8)
        rows: Rows = {
            "blocks": [_block(height)],
            "requests": [_request(height, trade) for trade in trades],
            "receipts": trades,
            "receipt_accounts": [
                {"account": trade["body"][side], "height": height, "position": trade["position"]}
                for trade in trades
                for side in ("buyer", "seller")
            ],
            "balances": [
                {"account": account, "currency": 1, "height": height, "amount": cash[account]} for account in changed
            ],
            "prices": [{"feed": feed, "height": height, "ticks": 790_000 + height} for feed in range(1, FEEDS + 1)],
            "marks": [
                {"instrument": each, "height": height, "ticks": 790_000 + chance.randint(-500, 500)}
                for each in range(1, INSTRUMENTS + 1)
            ],
        }
        if height % EPOCH_BLOCKS == 0:
            rows["margins"] = [_margin(account, height, held) for account, held in cash.items()]
        yield rows


def _block(height: int) -> Row:
    return {
        "height": height,
        "time_ms": START_MS + height * BLOCK_MS,
        "hash": f"{height:064x}",
        "state_root": f"{height:064x}",
        "epoch": height // EPOCH_BLOCKS,
        "requests": TRADES,
        "receipts": TRADES,
    }


def _trade(chance: random.Random, height: int, position: int) -> Row:
    buyer, seller = chance.sample(range(1, ACCOUNTS + 1), 2)
    kind = {0: "Refused", 1: "SliceSold"}.get(position % 50, "TradeNovated")
    body: dict[str, Any] = {
        "index": position, "venue": 1, "venue_trade_id": height * TRADES + position,
        "instrument": chance.randint(1, INSTRUMENTS), "buyer": buyer, "seller": seller,
        "lots": str(chance.randint(1, 50)), "ticks": str(790_000 + chance.randint(-500, 500)), "mark_ticks": "790000",
        "buyer_received": "0", "fee_each": str(chance.randint(1, 10**6)), "venue_fee_each": "0",
    }  # fmt: skip
    if kind == "Refused":
        body |= {"code": 200 + chance.randint(1, 20), "at": "trade", "values": []}
    elif kind == "SliceSold":
        body |= {"account": str(seller)}
    return {
        "height": height,
        "position": position,
        "kind": kind,
        "request": position,
        "body": body,
    }


def _request(height: int, trade: Row) -> Row:
    return {
        "height": height,
        "position": trade["position"],
        "hash": f"{height:032x}{trade['position']:032x}",
        "kind": "Trade",
        "refused": trade["kind"] == "Refused",
        "body": {"type": "trade", "buyer": trade["body"]["buyer"], "seller": trade["body"]["seller"]},
    }


def _margin(account: int, height: int, held: int) -> Row:
    return {
        "account": account, "height": height, "equity": held, "initial": held // 3, "maintenance": held // 4,
        "called": account % 97 == 0,
    }  # fmt: skip


def loaded(url: str, receipts: int) -> float:
    """Seconds of writing all."""
    source, spent = blocks(receipts), 0.0
    with HistoryDatabase(url, NETWORK) as history:
        while batch := list(islice(source, BLOCKS_AT_ONCE)):
            began = time.perf_counter()
            history.write(batch)
            spent += time.perf_counter() - began
    return spent


def asked(url: str, example: Example, heights: int) -> tuple[list[float], int]:
    """Milliseconds of each repetition, and how many rows."""
    values = {"account": 7, "height": heights // 2, "time_ms": START_MS + heights // 2 * BLOCK_MS, "instrument": 3}
    given, took, rows = {name: values[name] for name in example.parameters}, [], []
    for _ in range(REPETITIONS + 1):
        began = time.perf_counter()
        rows = answer(url, example.sql, given)[1]
        took.append(1000 * (time.perf_counter() - began))
    return took[1:], len(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--receipts", type=int, default=RECEIPTS)
    options = parser.parse_args()
    print(this_machine().line(), flush=True)
    with tempfile.TemporaryDirectory() as folder, postgresql(Path(folder) / "server") as new:
        for name, url in (("PostgreSQL", new()), ("SQLite", f"sqlite:///{folder}/history.db")):
            spent = loaded(url, options.receipts)
            print(Figure(f"receipts written, {name}", options.receipts / spent, "1/s").line(), flush=True)
            for each in examples().values():
                took, rows = asked(url, each, options.receipts // TRADES)
                figure = Figure(f"{each.name}, {rows} rows, {name}", median(took), "ms", min(took), max(took))
                print(figure.line(), flush=True)


if __name__ == "__main__":
    main()
