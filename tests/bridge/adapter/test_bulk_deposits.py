"""Ten thousand deposits on a real chain are credited exactly once, through two crashes of the adapter and a reorg."""

from collections import Counter
from pathlib import Path

import pytest

from bridge.watch.cursor import FileFactStore
from clearing.schema.facts import Fact
from clearing.schema.receipts.collateral import DepositCredited
from node.chains.attestation_pool import AttestationPool, event_is_agreed
from tests.kit.bridge.watched_chain import CHAIN_ID, TOKEN, Chain, Watch
from tests.kit.clearing.genesis import ALICE, BOB, USDC_2
from tests.kit.clearing.vaults import genesis_with, on_real_chain, vault_world
from tests.kit.clearing.world import World, of_kind

pytestmark = pytest.mark.chain
DEPOSITS, PER_BLOCK = 10_000, 200
UNDONE = 3
"""Blocks that the reorg replaces; a block is final four later."""
ORPHANED, TRUE = 3_000, 1_000


class PowerCut(BaseException):
    """The process ends here."""


class Adapter:
    """One life of a validator's adapter: what the disk has, the watcher, and the pool of what it attests."""

    def __init__(self, chain: Chain, endpoint: object, folder: Path) -> None:
        self.watch = Watch(chain.profile, [endpoint], folder)
        self.store: FileFactStore = self.watch.store
        self.pool = AttestationPool(b"\x01" * 32)
        for fact in self.store.pending(CHAIN_ID):
            self.pool.add(fact)
        self.left_to_emit = DEPOSITS
        self.watch.watcher._emit = self.emit

    async def emit(self, fact: Fact) -> None:
        if self.left_to_emit == 0:
            raise PowerCut
        self.left_to_emit -= 1
        self.pool.add(fact)

    async def catch_up(self) -> None:
        await self.watch.until_quiet()


class Ledger:
    """What validators that all attest what one of them saw make of it, block by block."""

    def __init__(self, vault: bytes) -> None:
        genesis = on_real_chain(genesis_with(), CHAIN_ID, vault, TOKEN)
        self.world: World = vault_world(genesis, check=False)
        self.world.block()
        self.credited: Counter[int] = Counter()
        self.units: Counter[int] = Counter()

    def decide(self, adapter: Adapter) -> bool:
        """A block with what the adapter has to attest; whether that was anything."""
        facts = adapter.pool.pending(self.world.state)
        for receipt in of_kind(self.world.block(facts=facts), DepositCredited):
            self.credited[receipt.nonce] += 1
            self.units[receipt.account] += receipt.units
        adapter.store.settle(CHAIN_ID, lambda fact: event_is_agreed(self.world.state, fact))
        return bool(facts)

    def decide_all(self, adapter: Adapter) -> None:
        while self.decide(adapter):
            pass


async def test_ten_thousand_deposits_are_credited_once_through_crashes_and_a_reorg(
    chain: Chain, endpoint: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger, kept = Ledger(chain.emitter), UNDONE * PER_BLOCK
    chain.deposits_in_bulk(1, DEPOSITS - kept, PER_BLOCK, account=ALICE, amount=TRUE)
    chain.deposits_in_bulk(DEPOSITS - kept + 1, kept, PER_BLOCK, account=BOB, amount=ORPHANED)

    # The first life ends between the disk and the pool: facts are recorded, and most were not attested.
    first = Adapter(chain, endpoint, tmp_path)
    first.left_to_emit = 2_500
    with pytest.raises(PowerCut):
        await first.catch_up()
    for _ in range(20):
        ledger.decide(first)
    assert 0 < len(ledger.credited) < 2_500

    # The second life attests what is on disk; it ends in the middle of a write.
    chain.rpc("anvil_reorg", UNDONE, [])
    chain.deposits_in_bulk(DEPOSITS - kept + 1, kept, PER_BLOCK, account=ALICE, amount=TRUE)
    chain.mine(8)
    second = Adapter(chain, endpoint, tmp_path)
    ledger.decide(second)

    def cut(*_: object) -> None:
        raise PowerCut

    with monkeypatch.context() as torn:
        torn.setattr("pathlib.Path.replace", cut)
        with pytest.raises(PowerCut):
            await second.catch_up()

    third = Adapter(chain, endpoint, tmp_path)
    await third.catch_up()
    ledger.decide_all(third)
    assert ledger.credited == Counter(dict.fromkeys(range(1, DEPOSITS + 1), 1))
    assert ledger.units == {ALICE: DEPOSITS * TRUE}, "what the reorg undid is credited to nobody"
    assert ledger.world.state.terms.assets[USDC_2].token == TOKEN
    assert third.store.pending(CHAIN_ID) == ()
    assert third.watch.watcher.status.halt is None
