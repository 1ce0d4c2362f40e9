"""A third chain for a running devnet: its contracts, its terms as files for a proposal, and every node's settings.

It lacks the precompiles of EIP-2537, so its vault takes the validators' secp256k1 signatures.
"""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import msgspec
import trio

from bridge.contracts.deploy import VaultAsset, VaultTerms, connect, deploy_token, deploy_vault, deploy_verifier
from bridge.rpc.chain_profiles import profile_of
from bridge.rpc.endpoint import Endpoint
from clearing.base.codec import u256
from clearing.base.evm.storage import BalanceLocation, BalanceOrder
from clearing.genesis.json import genesis_part_to_json
from clearing.schema.terms.assets import Asset
from clearing.schema.terms.chains import ChainTerms
from devnet.anvil import Anvil, start_anvil
from devnet.chains import GAS_MONEY_WEI, Wallet, fund
from devnet.genesis import DEVNET_BALANCES, USD
from devnet.network import Devnet, wait_ready
from node.config import ChainConfig
from node.config_sources import dump_config
from tests.kit.bridge.vault_chain import COLD_KEYS, USER, address_of

STRIDE = 2
PROFILE, HARDFORK = "evm-ecdsa", "cancun"


@dataclass(frozen=True)
class AddedChain:
    """The chain's process and terms; its one token is cash."""

    anvil: Anvil
    terms: ChainTerms
    asset: Asset
    endpoint: Endpoint

    def wallet(self, secret: bytes) -> Wallet:
        return Wallet(self.endpoint, self.anvil.chain_id, secret)

    def write_terms(self, folder: Path) -> None:
        """`chain.json` and `asset.json`, as the page on adding a chain names them."""
        for name, part in (("chain", self.terms), ("asset", self.asset)):
            (folder / f"{name}.json").write_text(json.dumps(genesis_part_to_json(part)))

    async def configure(self, devnet: Devnet) -> None:
        """Add the chain to each node's settings, and restart one node after another."""
        added = ChainConfig(
            chain_id=self.anvil.chain_id, name=self.terms.name, endpoints=(self.anvil.url,), profile=PROFILE
        )
        for node in devnet.testnet.nodes:
            name = node.config.node.name
            config = msgspec.structs.replace(node.config, chains=(*node.config.chains, added))
            (node.home / "node.toml").write_text(dump_config(config))
            await devnet.nodes[name].stop()
            await devnet.nodes[name].start()
            await wait_ready(devnet, name)


def _deploy(anvil: Anvil, devnet: Devnet, endpoint: Endpoint) -> AddedChain:
    """What the page does by hand: verifier, token and vault with the validator set in force."""
    anvil.fund(address_of(USER))
    web3 = connect(anvil.url)
    token = deploy_token(web3, USER, "USDC", "USDC", 6)
    scheme = profile_of(anvil.chain_id, PROFILE).scheme
    verifier = deploy_verifier(web3, USER, scheme)
    guardian = bytes.fromhex(address_of(USER)[2:])
    assets = (VaultAsset(token.address, 1),)
    vault_terms = VaultTerms(devnet.network, devnet.genesis.validators, guardian, COLD_KEYS, assets, scheme=scheme)
    vault = deploy_vault(web3, USER, verifier.address, vault_terms)
    anvil.rpc("evm_setIntervalMining", 1)
    asset = Asset(
        id=max(each.id for each in devnet.genesis.assets) + 1,
        name="USDC@third",
        chain_id=anvil.chain_id,
        vault=vault.address,
        token=token.address,
        token_decimals=6,
        unit_decimals=6,
        cash_group=USD,
        feed=0,
        haircut_ppm=0,
        cap_units=10**15,
        balances=BalanceLocation(BalanceOrder.KEY_FIRST, u256(DEVNET_BALANCES)),
    )
    return AddedChain(
        anvil, ChainTerms(anvil.chain_id, "third", vault.address, STRIDE, vault.block_number), asset, endpoint
    )


@asynccontextmanager
async def added_chain(devnet: Devnet, folder: Path) -> AsyncIterator[AddedChain]:
    """Start a third chain, deploy to it, and give everybody there gas; the chain ends with the `async with`."""
    chain_id = max(chain.anvil.chain_id for chain in devnet.chains) + 1
    anvil = await trio.to_thread.run_sync(partial(start_anvil, chain_id, folder, hardfork=HARDFORK))
    try:
        async with Endpoint(anvil.url) as endpoint:
            added = await trio.to_thread.run_sync(_deploy, anvil, devnet, endpoint)
            paying = [member.address for member in devnet.members] + [node.relayer for node in devnet.testnet.nodes]
            await fund(endpoint, paying, GAS_MONEY_WEI)
            yield added
    finally:
        anvil.stop()
