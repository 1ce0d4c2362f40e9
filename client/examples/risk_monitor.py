"""A risk monitor: watches an account and its node, and raises an alert when something begins, and when it is over.

Watched: equity against maintenance margin, the distance to the next liquidation price, calls, a liquidation, and
whether the node answers and is ready. Each line printed is JSON.

    python risk_monitor.py URL --account 5 --key-file KEY --ratio 150 --distance 10
"""

import argparse
import json
import sys
from pathlib import Path

import anyio

from crossclear_client import Client, ClientError, Key, answers


class Alerts:
    """What is wrong now. An alert is printed when it begins and when it is over, not in between."""

    def __init__(self, wanted: frozenset[str]) -> None:
        self._now: set[str] = set()
        self._wanted = set(wanted)
        self.all_seen = anyio.Event()
        """Set once every wanted alert has begun; never where none is wanted."""

    def note(self, name: str, *, is_on: bool, **values: object) -> None:
        """State whether this is wrong now."""
        if is_on == (name in self._now):
            return
        (self._now.add if is_on else self._now.discard)(name)
        sys.stdout.write(json.dumps({"alert": name, "state": "begins" if is_on else "is over", **values}) + "\n")
        sys.stdout.flush()
        if is_on and name in self._wanted:
            self._wanted.discard(name)
            if not self._wanted:
                self.all_seen.set()


async def watch_account(client: Client, account: int, ratio: int, distance: int, alerts: Alerts) -> None:
    """Margin, calls and liquidation: asked at every height that changes the account."""
    async for view in client.watch(lambda: client.account(account)):
        equity, maintenance = int(view.equity_micros), int(view.maintenance_margin_micros)
        alerts.note(
            "margin",
            is_on=equity * 100 < maintenance * ratio,
            height=view.height,
            equity_micros=view.equity_micros,
            maintenance_micros=view.maintenance_margin_micros,
        )
        for kind in ("early", "margin"):
            calls = [each for each in view.calls if each.kind == kind]
            until = {"deadline_height": calls[0].deadline_height} if calls else {}
            alerts.note(f"{kind} call", is_on=bool(calls), height=view.height, **until)
        alerts.note("liquidation", is_on=view.in_liquidation, height=view.height)
        if view.positions:
            near = near_prices(await client.margin(account), distance)
            alerts.note("price near liquidation", is_on=bool(near), height=view.height, feeds=near)


def near_prices(margin: answers.MarginView, distance: int) -> list[str]:
    """Feeds whose index would liquidate the account after a move of less than so many percent."""
    near = []
    for price in margin.liquidation:
        index = int(price.index_ticks)
        moves = [abs(index - int(limit)) for limit in (price.below_ticks, price.above_ticks) if limit is not None]
        if any(100 * move < distance * index for move in moves):
            near.append(price.name)
    return near


async def watch_node(client: Client, alerts: Alerts, *, seconds: float = 2.0) -> None:
    """Whether the node answers, and is ready."""
    while True:
        try:
            readiness = await client.readiness()
        except ClientError as error:
            alerts.note("node", is_on=True, why=error.code)
        else:
            unmet = [check.name for check in readiness.checks if not check.ok]
            alerts.note("node", is_on=not readiness.ready, unmet=unmet)
        await anyio.sleep(seconds)


async def main(given: argparse.Namespace) -> None:
    """Watch until interrupted, or until every wanted alert was raised."""
    alerts = Alerts(frozenset(given.until))
    async with Client(given.url, given.key_file) as client, anyio.create_task_group() as tasks:
        tasks.start_soon(watch_account, client, given.account, given.ratio, given.distance, alerts)
        tasks.start_soon(watch_node, client, alerts)
        await alerts.all_seen.wait()
        tasks.cancel_scope.cancel()


def read_key(path: str) -> Key:
    """A file of 64 hex digits."""
    return Key(bytes.fromhex(Path(path).read_text(encoding="ascii").strip()))


def parsed() -> argparse.Namespace:
    """The arguments."""
    parser = argparse.ArgumentParser(description="Watch an account.")
    parser.add_argument("url")
    parser.add_argument("--account", type=int, required=True)
    parser.add_argument("--key-file", type=read_key, required=True)
    parser.add_argument("--ratio", type=int, default=150, help="percent of maintenance margin below which to alert")
    parser.add_argument("--distance", type=int, default=10, help="percent of a price move below which to alert")
    parser.add_argument("--until", action="append", default=[], help="end when this alert has begun; may be repeated")
    parser.add_argument("--backend", choices=("asyncio", "trio"), default="asyncio")
    return parser.parse_args()


if __name__ == "__main__":
    arguments = parsed()
    anyio.run(main, arguments, backend=arguments.backend)
