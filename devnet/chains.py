"""The devnet's EVM chains: anvil processes with tokens and vaults, and wallets that sign transactions there."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import trio
from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_utils.address import to_checksum_address

from bridge.contracts.cold_quorum import ColdKeys
from bridge.contracts.deploy import (
    VaultAsset,
    VaultTerms,
    connect,
    deploy_token,
    deploy_vault,
    deploy_verifier,
    deploy_wrapped_native,
    next_vault_address,
)
from bridge.contracts.vault import balance_of_call, selector
from bridge.rpc.endpoint import Endpoint, RpcCall
from clearing.base import secp256k1
from clearing.base.errors import Bug, LocalFault
from clearing.base.plain_json import bound_recursion
from clearing.schema.terms.genesis import Genesis, network_id
from devnet.anvil import Anvil, start_anvil
from devnet.codes import DevnetCode
from devnet.genesis import DeployedChain
from devnet.market import Market
from devnet.members import devnet_entropy
from devnet.options import FIRST_CHAIN_ID, DevnetOptions
from member.keys.key_folder import KeyKind, new_secret

bound_recursion()  # eth-account and py-ecc raise it

MINT = selector("mint(address,uint256)")
"""Of a devnet's tokens, which anybody may mint."""
GAS_LIMIT = 3_000_000
TIP_WEI = 1_000_000_000
FEE_WEI = 100_000_000_000
POLL_SECONDS = 0.1
WAIT_SECONDS = 60


class Wallet:
    """A key that pays and signs on one chain."""

    def __init__(self, endpoint: Endpoint, chain_id: int, secret: bytes) -> None:
        self._endpoint = endpoint
        self._chain_id = chain_id
        self._account: LocalAccount = Account.from_key(secret)
        self._nonce: int | None = None
        self._lock = trio.Lock()

    @property
    def address(self) -> bytes:
        """20 bytes."""
        return bytes.fromhex(self._account.address[2:])

    async def send(self, to: bytes, data: bytes, value: int = 0) -> str:
        """Sign and send; returns the transaction hash at once. Raises LocalFault when the node refuses it."""
        async with self._lock:
            if self._nonce is None:
                address = self._account.address
                self._nonce = int(str(await self._endpoint.call("eth_getTransactionCount", address, "pending")), 16)
            signed = self._account.sign_transaction(
                {
                    "chainId": self._chain_id,
                    "nonce": self._nonce,
                    "to": to_checksum_address(to),
                    "value": value,
                    "data": data,
                    "gas": GAS_LIMIT,
                    "maxFeePerGas": FEE_WEI,
                    "maxPriorityFeePerGas": TIP_WEI,
                    "type": 2,
                }
            )
            raw = "0x" + bytes(signed.raw_transaction).hex()
            sent = str(await self._endpoint.call("eth_sendRawTransaction", raw))
            self._nonce += 1
        return sent

    async def mined(self, transaction: str, what: str) -> dict[str, object]:
        """The receipt. Raises LocalFault when the transaction reverted or is not mined in a minute."""
        with trio.move_on_after(WAIT_SECONDS):
            while True:
                receipt = await self._endpoint.call("eth_getTransactionReceipt", transaction)
                if isinstance(receipt, dict):
                    if receipt.get("status") == "0x1":
                        return receipt
                    break
                await trio.sleep(POLL_SECONDS)
        raise LocalFault(DevnetCode.CHAIN_TRANSACTION_FAILED, what, chain_id=self._chain_id, transaction=transaction)

    async def token_balance(self, token: bytes) -> int:
        """The wallet's balance of an ERC-20 token, in base units."""
        call = {"to": "0x" + token.hex(), "data": "0x" + balance_of_call(self.address).hex()}
        return int(str(await self._endpoint.call("eth_call", call, "latest")), 16)

    async def execute(self, to: bytes, data: bytes, what: str) -> dict[str, object]:
        """Send and wait for the receipt."""
        return await self.mined(await self.send(to, data), what)


async def fund(endpoint: Endpoint, addresses: Sequence[bytes], wei: int) -> None:
    """Give each address native coin, by anvil's own call: devnets have no faucet."""
    for address in addresses:
        await endpoint.batch([RpcCall("anvil_setBalance", ("0x" + address.hex(), hex(wei)))])


GAS_MONEY_WEI = 10**21


@dataclass(frozen=True, slots=True)
class DevnetChain:
    """A running chain: its process and its contracts."""

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
    """Deploy each vault at its address in genesis, then mine blocks at their interval. Blocking."""
    for chain in chains:
        by_token = {asset.token: asset for asset in genesis.assets if asset.chain_id == chain.anvil.chain_id}
        listed = [(token, by_token[chain.deployed.tokens[token.symbol]]) for token in market.tokens]
        terms = VaultTerms(
            network=network_id(genesis),
            validators=genesis.validators,
            guardian=_guardian(options),
            cold_keys=_cold_keys(options),
            assets=tuple(
                VaultAsset(asset.token, asset.base_units, token.minimum_units * asset.base_units)
                for token, asset in listed
            ),
            wrapped_native=next((asset.token for token, asset in listed if token.native), b""),
        )
        vault = deploy_vault(connect(chain.anvil.url), _deployer(options), chain.verifier, terms)
        if vault.address != chain.deployed.vault or vault.block_number != chain.deployed.vault_block:
            raise Bug(f"vault at {vault.address.hex()} in block {vault.block_number}, genesis states another place")
        chain.anvil.rpc("evm_setIntervalMining", market.chains.block_seconds)


def _prepare(options: DevnetOptions, market: Market, anvil: Anvil, name: str) -> DevnetChain:
    secret = _deployer(options)
    anvil.fund("0x" + _guardian(options).hex(), GAS_MONEY_WEI)
    web3 = connect(anvil.url)
    tokens = {
        token.symbol: (
            deploy_wrapped_native(web3, secret)
            if token.native
            else deploy_token(web3, secret, token.symbol, token.symbol, token.decimals)
        ).address
        for token in market.tokens
    }
    verifier = deploy_verifier(web3, secret)
    vault = next_vault_address(web3, secret)
    # The block of its extension is between.
    deployed = DeployedChain(anvil.chain_id, name, vault, verifier.block_number + 2, tokens)
    return DevnetChain(anvil, deployed, verifier.address)


def _deployer(options: DevnetOptions) -> bytes:
    return new_secret(KeyKind.SECP256K1, devnet_entropy(options.seed, "deployer"))


def _cold_keys(options: DevnetOptions) -> ColdKeys:
    """Two of three."""
    secrets = [new_secret(KeyKind.SECP256K1, devnet_entropy(options.seed, f"cold key/{number}")) for number in range(3)]
    return ColdKeys(tuple(sorted(map(secp256k1.address, secrets))), 2)


def _guardian(options: DevnetOptions) -> bytes:
    """The deployer's address, which also guards the vaults of a devnet."""
    return secp256k1.address(_deployer(options))
