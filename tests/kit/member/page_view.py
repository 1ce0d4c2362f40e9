"""A node's view for the page: a network with cash and positions, packages, and requests that end in a block."""

import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec
import trio

from clearing.base.hashing import sha256
from clearing.base.header import Header
from clearing.base.ids import NetworkId
from clearing.schema.blocks.block import BlockInput, BlockResult
from clearing.schema.receipts.accounts import CashTransferred
from clearing.state.state import State
from member.api.state import Check
from node.agreement.application import DecidedHeight
from node.api.view import NodeView, PackageAt
from node.store.fate_table import FateRecord, FateState
from node.store.records import PackageRecord
from tests.kit.clearing.genesis import ALICE, BOB, BTC, BTC_PERP, ETH, ETH_PERP, USD
from tests.kit.clearing.world import funded
from tests.kit.member.driven_page import Scene, Step, drive
from tests.kit.node.fake_view import GOVERNED, FakeView
from tests.kit.node.served_api import served_api
from tests.kit.proofs.browser_page import GOOD

NOT_READY = "503 /readyz"
PACKAGE = (GOOD / "every-part.ccp").read_bytes()


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def traded() -> State:
    """Alice and Bob have cash, and two positions with each other."""
    world = funded(genesis=GOVERNED)
    world.block(
        world.trade(ALICE, BOB, BTC_PERP, 100, 790_000),
        world.trade(ALICE, BOB, ETH_PERP, 10, 20_000),
    )
    return world.state


class PageView(FakeView):
    """A network with cash and positions; every request that it accepts is in block 7."""

    def __init__(self, packages: Sequence[bytes] = (PACKAGE,), state: State | None = None, first: int = 1) -> None:
        """`state`: another than that of `traded`. `first`: epoch under which the first package is listed."""
        super().__init__(state or traded())
        self._packages = dict(enumerate(packages, first))
        self.ticks_per_unit = {BTC: 100, ETH: 100}
        self.more_checks: tuple[Check, ...] = ()

    @property
    def network(self) -> NetworkId:
        return self.state.terms.network

    def checks(self) -> Sequence[Check]:
        return (*super().checks(), *self.more_checks)

    def packages(self, after: int, limit: int) -> Sequence[PackageRecord]:
        listed = [PackageRecord(at, 10 * at, "", len(each), sha256(each)) for at, each in self._packages.items()]
        return [each for each in listed if each.epoch > after][:limit]

    def newest_package(self) -> int:
        return max(self._packages, default=0)

    def package(self, epoch: int | None) -> PackageAt | None:
        at = self.newest_package() if epoch is None else epoch
        return PackageAt(at, 10 * at, bytes(32), self._packages[at]) if at in self._packages else None

    def fate(self, hash_: bytes) -> FateRecord | None:
        return FateRecord(hash_, FateState.APPLIED, 1, height=7)

    def outcome(self, fate: FateRecord) -> None:
        """The block's receipts are not there."""


class RisingView(PageView):
    """A new height with a receipt of Alice's each `seconds`, while `rising` runs beside the API."""

    def __init__(self, seconds: float = 0.5, first: int = 1) -> None:
        super().__init__(first=first)
        self._seconds, self._height = seconds, 3
        self._time_ms = now_ms()

    @property
    def newest(self) -> Header | None:
        before = super().newest
        return None if before is None else msgspec.structs.replace(before, height=self._height, time_ms=self._time_ms)

    async def rising(self) -> None:
        """Until cancelled."""
        while True:
            await trio.sleep(self._seconds)
            self._height, self._time_ms = self._height + 1, now_ms()
            header = self.newest
            assert header is not None
            receipt = CashTransferred(0, ALICE, BOB, USD, self._height, self._height)
            block = BlockInput(self._height, self._time_ms, (), 1, ())
            roots = (bytes(32), 0, bytes(32))
            result = BlockResult(self._height, (receipt,), (), (), *roots, 0, snapshot_due=False, deposit_cursors=())
            for follow in self.followers:
                follow(DecidedHeight(header, block, result, self.state))


def shown(
    view: FakeView | NodeView,
    *scenes: Sequence[Step] | dict[str, object],
    beside: Callable[[], Awaitable[None]] = trio.lowlevel.checkpoint,
    **settings: Any,
) -> list[Scene]:
    """What scenes show; none may complain, ask another than the node, or meet a failure of the node's."""
    settings = {"requests_burst": 100_000, "requests_per_second": 10_000} | settings
    with served_api(view, now_ms, beside, **settings) as url:
        found = drive(url, *scenes)
        assert [scene.complaints for scene in found] == [[]] * len(found)
        assert [each for scene in found for each in scene.refused if each.startswith("5") and each != NOT_READY] == []
        assert {origin for scene in found for origin in scene.requests} == {url}
    return found
