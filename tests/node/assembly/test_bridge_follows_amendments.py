"""What amendments list on a watched chain is watched at once; a new chain waits for settings and a restart."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec

from clearing.schema.terms.assets import Asset
from clearing.schema.terms.chains import ChainTerms
from node.chains.attestation_pool import AttestationPool
from node.chains.bridge_service import BridgeService
from node.config import ChainConfig
from tests.kit.clearing.genesis import ETH, VAULTS, make_genesis

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
        made.keepers[chain].follow = lambda told, keeper=made.keepers[chain]: setattr(keeper, "chain", told)
    return made


def test_a_new_token_and_another_stride_are_followed_at_once(tmp_path: Path) -> None:
    bridge = service(tmp_path)
    token = Asset(9, "NEW-2", 2, VAULTS[2], b"\xc9" * 20, 18, 6, 0, ETH, 100_000, 10**12)
    chains = (GENESIS.chains[0], msgspec.structs.replace(GENESIS.chains[1], custody_stride=8))
    bridge.follow(msgspec.structs.replace(GENESIS, assets=(*GENESIS.assets, token), chains=chains))
    told = bridge.watchers[2].chain
    assert told == bridge.keepers[2].chain
    assert (told.tokens, told.custody_stride) == ((GENESIS.assets[1].token, token.token), 8)
    assert bridge.watchers[1].chain is None, "nothing has changed there"


def test_a_new_chain_waits_and_a_detached_one_is_left_as_it_is(tmp_path: Path) -> None:
    bridge = service(tmp_path)
    bridge.follow(msgspec.structs.replace(GENESIS, chains=(*GENESIS.chains, ChainTerms(3, "third", b"\xa3" * 20, 4))))
    bridge.follow(msgspec.structs.replace(GENESIS, chains=GENESIS.chains[:1]))
    assert (bridge.watchers[1].chain, bridge.watchers[2].chain) == (None, None)
