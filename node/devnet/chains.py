"""The devnet's EVM chains: anvil processes with tokens and, once genesis is known, vaults.

Rule: chains mine each transaction at once until the vault stands, so that its block is known beforehand; then they
mine at an interval, as real chains do.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bridge.deploy import VaultTerms, connect, deploy_token, deploy_vault, deploy_verifier, next_addresses
from clearing.base import secp256k1
from clearing.base.errors import Bug
from clearing.genesis import Genesis, network_id
from node.devnet.anvil import Anvil, start_anvil
from node.devnet.genesis import DeployedChain
from node.devnet.market import Market
from node.devnet.members import devnet_entropy
from node.devnet.options import FIRST_CHAIN_ID, DevnetOptions
from node.keys.ring import KeyKind, new_secret

GAS_MONEY_WEI = 10**21


@dataclass(frozen=True, slots=True)
class DevnetChain:
    """A running chain: its process and what stands on it."""

    anvil: Anvil
    deployed: DeployedChain
    verifier: bytes


@contextmanager
def running_chains(options: DevnetOptions, market: Market, folder: Path) -> Iterator[tuple[DevnetChain, ...]]:
    """Start the chains and deploy tokens and verifiers; blocks. The chains end with the `with`."""
    started: list[Anvil] = []
    try:
        chains = []
        for number in range(options.chains):
            anvil = start_anvil(FIRST_CHAIN_ID + number, folder / f"chain{number}")
            started.append(anvil)
            chains.append(_prepare(options, market, anvil, f"chain{number}"))
        yield tuple(chains)
    finally:
        for anvil in started:
            anvil.stop()


def place_vaults(options: DevnetOptions, market: Market, genesis: Genesis, chains: tuple[DevnetChain, ...]) -> None:
    """Deploy each vault where genesis says it is, then let blocks come at their interval. Blocks."""
    for chain in chains:
        assets = [asset for asset in genesis.assets if asset.chain_id == chain.anvil.chain_id]
        terms = VaultTerms(
            network=network_id(genesis),
            validators=genesis.validators,
            guardian=_guardian(options),
            assets=tuple((asset.token, asset.base_units) for asset in assets),
        )
        vault = deploy_vault(connect(chain.anvil.url), _deployer(options), chain.verifier, terms)
        if vault.address != chain.deployed.vault or vault.block_number != chain.deployed.vault_block:
            raise Bug(f"vault at {vault.address.hex()} in block {vault.block_number}, genesis says otherwise")
        chain.anvil.rpc("evm_setIntervalMining", market.chains.block_seconds)


def _prepare(options: DevnetOptions, market: Market, anvil: Anvil, name: str) -> DevnetChain:
    secret = _deployer(options)
    anvil.fund("0x" + _guardian(options).hex(), GAS_MONEY_WEI)
    web3 = connect(anvil.url)
    tokens = {
        token.symbol: deploy_token(web3, secret, token.symbol, token.symbol, token.decimals).address
        for token in market.tokens
    }
    verifier = deploy_verifier(web3, secret)
    (vault,) = next_addresses(web3, secret, 1)
    deployed = DeployedChain(anvil.chain_id, name, vault, verifier.block_number + 1, tokens)
    return DevnetChain(anvil, deployed, verifier.address)


def _deployer(options: DevnetOptions) -> bytes:
    return new_secret(KeyKind.SECP256K1, devnet_entropy(options.seed, "deployer"))


def _guardian(options: DevnetOptions) -> bytes:
    """The deployer's address, which also guards the vaults of a devnet."""
    return secp256k1.address(_deployer(options))
