"""What amendments list is watched and relayed to at once; a chain without settings harms nothing."""

from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
import trio

from bridge.watch.cursor import FileFactStore, ScanCursor
from bridge.watch.watcher import Watcher
from clearing.base.errors import LocalFault
from clearing.schema.facts import WithdrawalExecuted
from clearing.schema.terms.assets import Asset
from clearing.schema.terms.chains import ChainTerms
from member.codes import NodeCode
from node.chains.attestation_pool import AttestationPool
from node.chains.bridge_service import BridgeService
from node.chains.submissions import CollateralEvent, Submission
from node.config import ChainConfig
from node.supervision import Supervisor
from tests.kit.clearing.genesis import ETH, VAULTS, make_genesis
from tests.kit.node.memory_network import Hub
from tests.kit.refusals import refused
from tests.kit.until import until

GENESIS = make_genesis()
CONFIGS = {
    chain: ChainConfig(name=f"chain-{chain}", chain_id=chain, endpoints=(f"http://127.0.0.1:{chain}",))
    for chain in (1, 2)
}


def service(folder: Path) -> Any:
    made: Any = BridgeService(GENESIS, CONFIGS, folder, AttestationPool(b"k" * 32))
    for chain in (1, 2):
        made.watchers[chain] = SimpleNamespace(chain=None)
        made.keepers[chain] = SimpleNamespace(chain=None)
        made.keepers[chain].follow = lambda chain_terms, keeper=made.keepers[chain]: setattr(
            keeper, "chain", chain_terms
        )
    return made


def test_a_new_token_and_another_stride_are_followed_at_once(tmp_path: Path) -> None:
    bridge = service(tmp_path)
    token = Asset(9, "NEW-2", 2, VAULTS[2], b"\xc9" * 20, 18, 6, 0, ETH, 100_000, 10**12)
    chains = (GENESIS.chains[0], msgspec.structs.replace(GENESIS.chains[1], custody_stride=8))
    bridge.follow(msgspec.structs.replace(GENESIS, assets=(*GENESIS.assets, token), chains=chains))
    chain_terms = bridge.watchers[2].chain
    assert chain_terms == bridge.keepers[2].chain
    assert (chain_terms.tokens, chain_terms.custody_stride) == ((GENESIS.assets[1].token, token.token), 8)
    assert bridge.watchers[1].chain is None, "nothing has changed there"


THIRD = ChainTerms(3, "third", b"\xa3" * 20, 4, vault_block=7)
AMENDED = msgspec.structs.replace(GENESIS, chains=(*GENESIS.chains, THIRD))
CONFIGURED = CONFIGS | {3: ChainConfig(name="chain-3", chain_id=3, endpoints=("http://127.0.0.1:3",))}


async def watched(bridge: BridgeService, count: int) -> dict[int, Watcher]:
    """The watchers by chain, once the running service has so many."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(bridge.run, Hub().join(b"k" * 32), lambda: None)
        await until(lambda: len(bridge.watchers) == count)
        nursery.cancel_scope.cancel()
    return bridge.watchers


async def test_a_new_chain_is_watched_from_the_block_that_lists_it(tmp_path: Path) -> None:
    bridge = BridgeService(GENESIS, CONFIGURED, tmp_path, AttestationPool(b"k" * 32))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(bridge.run, Hub().join(b"k" * 32), lambda: None)
        await until(lambda: len(bridge.watchers) == 2)
        bridge.follow(AMENDED)
        await until(lambda: len(bridge.watchers) == 3)
        chain = bridge.watchers[3].chain
        assert (chain.vault, chain.deployment_block, chain.custody_stride) == (THIRD.vault, 7, 4)
        assert set(bridge.keepers) == set(bridge.pulses) == {1, 2, 3}
        bridge.follow(msgspec.structs.replace(AMENDED, feeds=()))
        nursery.cancel_scope.cancel()
    assert bridge.watchers[3].chain is chain


async def test_a_watcher_that_fails_starts_again_and_the_other_chains_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    supervisor, bridge = Supervisor(), BridgeService(GENESIS, CONFIGURED, tmp_path, AttestationPool(b"k" * 32))
    real, runs = bridge._run_chain, Counter[int]()

    async def failing_once(chain_id: int, *given: Any) -> None:
        runs[chain_id] += 1
        if (chain_id, runs[chain_id]) == (1, 1):
            raise LookupError("what nobody foresaw")
        await real(chain_id, *given)

    monkeypatch.setattr(bridge, "_run_chain", failing_once)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(bridge.run, Hub().join(b"k" * 32), lambda: None, supervisor.keep)
        await until(lambda: set(bridge.watchers) == {1, 2})
        nursery.cancel_scope.cancel()
    assert runs == {1: 2, 2: 1}
    assert [(each.name, each.failures) for each in supervisor.standings] == [("chain-1", 1), ("chain-2", 0)]


async def test_blocks_that_a_restart_executes_list_chains_and_their_tokens_too(tmp_path: Path) -> None:
    bridge = BridgeService(GENESIS, CONFIGURED, tmp_path, AttestationPool(b"k" * 32))
    bridge.follow(AMENDED)
    token = Asset(9, "NEW-3", 3, THIRD.vault, b"\xc9" * 20, 18, 6, 0, ETH, 100_000, 10**12)
    bridge.follow(msgspec.structs.replace(AMENDED, assets=(*GENESIS.assets, token)))
    watchers = await watched(bridge, 3)
    assert watchers[3].chain.tokens == (token.token,)


async def test_what_was_seen_of_a_new_chain_before_a_restart_is_attested_again(tmp_path: Path) -> None:
    seen = WithdrawalExecuted(3, THIRD.vault, 5, 9, b"h" * 32, b"s" * 32)
    FileFactStore(tmp_path).record(ScanCursor(3, THIRD.vault, 9, b"h" * 32, 0, bytes(32), (b"h" * 32,)), (seen,))
    pool = AttestationPool(b"k" * 32)
    bridge = BridgeService(GENESIS, CONFIGURED, tmp_path, pool)
    assert len(pool) == 0
    bridge.follow(AMENDED)
    assert len(pool) == 1


async def test_a_chain_without_settings_harms_nothing_and_is_not_submitted_to(tmp_path: Path) -> None:
    bridge = BridgeService(GENESIS, CONFIGS, tmp_path, AttestationPool(b"k" * 32))
    bridge.follow(AMENDED)
    assert bridge.look_for(CollateralEvent(3, bytes(32), "")) is Submission.NOT_WATCHED
    assert set(await watched(bridge, 2)) == {1, 2}
    with refused(NodeCode.CONFIG_MISSING, LocalFault):
        BridgeService(AMENDED, CONFIGS, tmp_path, AttestationPool(b"k" * 32))


def test_a_detached_chain_is_left_as_it_is(tmp_path: Path) -> None:
    bridge = service(tmp_path)
    bridge.follow(msgspec.structs.replace(GENESIS, chains=GENESIS.chains[:1]))
    assert (bridge.watchers[1].chain, bridge.watchers[2].chain) == (None, None)
