"""Two of a validator's three endpoints forge a block: what it attests and shows, and what the ledger makes of it."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
import trio

from clearing.schema.codes import ClearingCode
from clearing.schema.facts import DepositSeen
from clearing.schema.receipts.collateral import DepositCredited
from node.agreement.validator_membership import Membership
from node.chains.attestation_pool import AttestationPool
from node.chains.bridge_service import BridgeService
from node.config import ChainConfig
from node.ops.health import HealthMonitor
from tests.kit.bridge.forged_chain import ForgedChain
from tests.kit.bridge.lying_server import served
from tests.kit.bridge.watched_chain import CHAIN_ID, TOKEN, chain, endpoint, liar
from tests.kit.chains import anvil, anvil_binary
from tests.kit.clearing.genesis import ALICE, DOLLAR, USDC_2, make_genesis
from tests.kit.clearing.vaults import on_real_chain
from tests.kit.clearing.world import World, codes, of_kind
from tests.kit.node.memory_network import Hub
from tests.kit.until import until

__all__ = ["anvil", "anvil_binary", "chain", "endpoint", "liar"]

pytestmark = pytest.mark.chain
SILENT_MS = 30_000


async def test_what_two_forge_is_not_credited_and_readiness_says_why(chain: Any, liar: Any, tmp_path: Path) -> None:
    base = on_real_chain(make_genesis(), CHAIN_ID, chain.emitter, TOKEN)
    change = msgspec.structs.replace
    terms = change(base.chains[1], custody_stride=10**6, vault_block=chain.profile.deployment_block)
    genesis = change(base, chains=(base.chains[0], change(terms, heartbeat_ms_max=SILENT_MS)))
    own = change(genesis, chains=genesis.chains[1:], assets=(genesis.assets[1],))
    number = int(chain.deposited(1, account=ALICE, amount=1_000 * DOLLAR)["blockNumber"], 16)
    chain.mine(10)
    forged = ForgedChain(chain, number, amount=5_000_000 * DOLLAR)
    world = World(genesis, check=False)
    key = world.genesis.validators.validators[0].envelope_key
    pool = AttestationPool(key)
    async with trio.open_nursery() as nursery:
        urls = await served(nursery, [liar(forged), liar(forged), liar()])
        config = ChainConfig(chain_id=CHAIN_ID, name="real", endpoints=urls, quorum=2, poll_ms=10)
        bridge = BridgeService(own, {CHAIN_ID: config}, tmp_path, pool)
        health = HealthMonitor(
            SimpleNamespace(peers=frozenset()),  # type: ignore[arg-type]
            None,
            bridge,
            own,
            Membership(key, world.state),
            500,
            lambda: 0,
        )

        def shown() -> Any:
            return next(check for check in health.checks() if check.name == f"chain-{CHAIN_ID}")

        nursery.start_soon(bridge.run, Hub().join(key), lambda: None)
        await until(lambda: "R0644" in shown().detail)
        assert not shown().ok
        assert pool.pending(world.state) == ()
        forged.is_on = False
        await until(lambda: any(isinstance(fact, DepositSeen) for fact in pool.pending(world.state)))
        assert shown().ok
        credited = of_kind(world.block(facts=pool.pending(world.state)), DepositCredited)
        assert [(each.account, each.units) for each in credited] == [(ALICE, 1_000 * DOLLAR)]
        assert codes(world.block(world.withdrawal(ALICE, USDC_2, DOLLAR))) == []
        forged.is_on = True
        await until(lambda: "R0644" in shown().detail)
        chain.mine(4)
        assert pool.pending(world.state) == ()
        world.block(after_ms=SILENT_MS)
        assert codes(world.block(world.withdrawal(ALICE, USDC_2, DOLLAR))) == [ClearingCode.CHAIN_SILENT]
        nursery.cancel_scope.cancel()
