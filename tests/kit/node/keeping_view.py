"""A fake node that keeps the holdings of its epochs, and what records them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import trio

from clearing.base import secp256k1
from clearing.base.errors import Rejected
from clearing.schema.facts import Fact
from devnet.demo.story import until
from node.api.live_view import LiveView
from node.app.persister import Persister
from node.epochs.holdings import EpochHoldings, HoldingsQuestion
from node.epochs.service import account_seed
from tests.kit.clearing.world import USDC_1, WETH_1, World
from tests.kit.node.fake_view import ALICE, BOB, FakeView

FAKE_OWNERS = {1: secp256k1.address(ALICE), 2: secp256k1.address(BOB)}


def seed_of(account: int) -> bytes:
    return account_seed(bytes(32), account)


class KeepingView(FakeView):
    """`LiveView.inclusion` over the fake's accounts; epoch 1 has a package."""

    def __init__(self, holdings: EpochHoldings | None) -> None:
        super().__init__()
        self._holdings = holdings
        self._store, self._home = self, Path()

    def inclusion(self, account: int, epoch: int | None) -> HoldingsQuestion | Rejected:
        return LiveView.inclusion(self, account, epoch)  # type: ignore[arg-type]

    def package(self, epoch: int | None = None) -> Any:
        found = super().package(epoch)
        return None if found is None else _Record(found.epoch)


@dataclass
class _Record:
    epoch: int
    path: str = __file__


async def record_all(recorder: Persister) -> None:
    async def idle() -> bool | None:
        return True if recorder._receive.statistics().tasks_waiting_receive else None

    async with trio.open_nursery() as nursery:
        nursery.start_soon(recorder.run)
        await until("recorded", 60, idle)
        nursery.cancel_scope.cancel()


def first_deposits(words: World, height: int) -> tuple[Fact, ...]:
    return (words.deposit_fact(1, USDC_1, 9_000), words.deposit_fact(1, WETH_1, 10**18)) if height == 1 else ()
