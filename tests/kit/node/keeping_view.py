"""Members of the fake node and their seeds, and what records the holdings of its epochs."""

import trio

from clearing.base import secp256k1
from clearing.schema.facts import Fact
from node.app.persister import Persister
from node.epochs.service import account_seed
from tests.kit.clearing.genesis import USDC_1, WETH_1
from tests.kit.clearing.world import World
from tests.kit.node.fake_view import ALICE, BOB
from tests.kit.until import until

FAKE_OWNERS = {1: secp256k1.address(ALICE), 2: secp256k1.address(BOB)}


def seed_of(account: int) -> bytes:
    return account_seed(bytes(32), account)


async def record_all(recorder: Persister) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(recorder.run)
        await until(lambda: recorder._receive.statistics().tasks_waiting_receive)
        nursery.cancel_scope.cancel()


def first_deposits(words: World, height: int) -> tuple[Fact, ...]:
    return (words.deposit_fact(1, USDC_1, 9_000), words.deposit_fact(1, WETH_1, 10**18)) if height == 1 else ()
