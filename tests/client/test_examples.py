"""What the examples decide, at a node that is one function: alerts begin and end once; quotes, fills, void trades."""

import hashlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from crossclear_client import Client, ClientError, Key, Retries

sys.path.append(str(Path(__file__).parents[2] / "client" / "examples"))

from market_maker import MarketMaker, Quote, take
from risk_monitor import Alerts, watch_account
from venue import Venue

NETWORK, OURS, THEIRS = b"\x2a" * 32, Key(b"\x01" * 32), Key(b"\x02" * 32)
Node = Callable[[httpx.Request], httpx.Response]


def client(node: Node) -> Client:
    fast = Retries(attempts=2, first_wait=0.001)
    return Client("http://node", OURS, network=NETWORK, retries=fast, transport=httpx.MockTransport(unread(node)))


def unread(node: Node) -> Node:
    def answer(request: httpx.Request) -> httpx.Response:
        found = node(request)
        return httpx.Response(found.status_code, headers=found.headers, stream=httpx.ByteStream(found.content))

    return answer


def account(height: int, **changes: Any) -> dict[str, Any]:
    amounts = {"equity_micros": "1000", "initial_margin_micros": "300", "maintenance_margin_micros": "200"}
    plain = {"account": 1, "member": 1, "height": height, "called": False, "next_nonce": 1, **amounts}
    return {**plain, **changes}


def test_an_alert_is_raised_when_it_begins_and_when_it_is_over(capsys: pytest.CaptureFixture[str]) -> None:
    call = {"kind": "margin", "opened_height": 3, "deadline_height": 9, "lapsed": False}
    views = [
        account(1),
        account(2, equity_micros="299"),
        account(3, equity_micros="250", called=True, calls=[call]),
        account(4, equity_micros="150", calls=[call], in_liquidation=True),
        account(5, equity_micros="301"),
    ]

    async def play() -> None:
        over = anyio.Event()

        def node(_: httpx.Request) -> httpx.Response:
            if len(views) == 1:
                over.set()
            return httpx.Response(200, json=views.pop(0) if len(views) > 1 else views[0])

        async with client(node) as asked, anyio.create_task_group() as tasks:
            asked.watch = lambda question, seconds=0.0: Client.watch(asked, question, seconds=0.001)  # type: ignore[method-assign]
            tasks.start_soon(watch_account, asked, 1, 150, 10, Alerts(frozenset()))
            await over.wait()
            await anyio.sleep(0.05)
            tasks.cancel_scope.cancel()

    anyio.run(play)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(line["alert"], line["state"], line["height"]) for line in lines] == [
        ("margin", "begins", 2),
        ("margin call", "begins", 3),
        ("liquidation", "begins", 4),
        ("margin", "is over", 5),
        ("margin call", "is over", 5),
        ("liquidation", "is over", 5),
    ]


@pytest.mark.parametrize(
    ("position", "equity", "bid", "ask"),
    [
        (0, "1000", 99_950, 100_050),
        (500, "1000", 99_900, 100_000),
        (-500, "1000", 99_999, 100_101),
        (1_000, "1000", 0, 99_950),
        (-1_000, "1000", 100_049, 0),
        (10, "500", 0, 100_049),
        (-10, "500", 99_950, 0),
    ],
)
def test_a_quote_leans_against_the_position_and_only_reduces_it_when_margin_is_short(
    position: int, equity: str, bid: int, ask: int
) -> None:
    mark = {"instrument": 1, "name": "BTC", "mark_ticks": "100000"}
    zeros = dict.fromkeys(("network", "header_hash", "state_root"), "0x" + "00" * 32)
    counts = dict.fromkeys(("height", "time_ms", "epoch", "validators", "package_epoch"), 1)
    held = [{"instrument": 1, "name": "BTC", "lots": str(position)}] if position else []

    def node(request: httpx.Request) -> httpx.Response:
        state = {**zeros, **counts, "marks": [mark]}
        own = account(1, equity_micros=equity, positions=held)
        return httpx.Response(200, json=state if request.url.path == "/v1/state" else own)

    async def play() -> Quote:
        async with client(node) as asked:
            return await MarketMaker(asked, 1, 1, 10, 1_000).quote()

    assert anyio.run(play) == Quote(bid, ask, 10)


@pytest.mark.parametrize(
    "change",
    [{"price_ticks": "104"}, {"lots": "11"}, {"lots": "0"}, {"instrument": 2}, {"type": "trade_report"}],
    ids=lambda change: next(iter(change)),
)
def test_a_market_maker_signs_nothing_but_what_it_quoted(change: dict[str, Any]) -> None:
    def node(request: httpx.Request) -> httpx.Response:
        raise AssertionError(request.url)

    async def play() -> None:
        async with client(node) as ours:
            taken = await take(ours, THEIRS, 2, 1, Quote(95, 105, 10), 1, buys=True)
            await MarketMaker(ours, 1, 1, 10, 1_000).fill(Quote(95, 105, 10), {**taken, **change})

    with pytest.raises((ValueError, ClientError)):
        anyio.run(play)


def test_a_fill_that_the_house_refuses_is_void_and_the_next_one_is_cleared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    problem = {"code": "R0226", "message": "exceeds", "at": "trade_report", "remedy": "trade less"}
    answers: list[dict[str, Any]] = [{"status": "refused", "problem": problem}, {"status": "accepted"}]

    def node(asked: httpx.Request) -> httpx.Response:
        if asked.method == "GET":
            return httpx.Response(200, json={"hash": asked.url.path[-66:], "state": "applied", "height": 9})
        hash_ = "0x" + hashlib.sha256(asked.content[1:]).hexdigest()
        return httpx.Response(202, json={"results": [{"hash": hash_, **answers.pop(0)}]})

    async def play() -> None:
        async with client(node) as asked:
            venue = Venue(asked, 7, THEIRS, 1, tmp_path / "ids")
            for ticks in (100, 101):
                await venue.enter(2, 5, ticks, is_buy=False)
            await venue.enter(3, 10, 101, is_buy=True)

    anyio.run(play)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    shown = [(line["event"], line["ticks"], line.get("code")) for line in lines]
    assert shown == [("void", 100, "R0226"), ("cleared", 101, None)]
    assert [line["id"] for line in lines] == [1, 2]
    assert (tmp_path / "ids").read_text() == "2"
