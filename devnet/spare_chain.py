"""A chain that a devnet's nodes are configured for and its network does not list: for trying how a chain is added.

Rule: it has what a real chain would have before a vault is there: a token, wallets with gas and tokens, and a key that
pays for the deployment. `spare-chain/env` names all of it for a shell.
"""

import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bridge.contracts.deploy import connect, deploy_token
from bridge.rpc.chain_profiles import GENERIC
from bridge.rpc.endpoint import Endpoint
from clearing.base import secp256k1
from clearing.base.codec import u256
from devnet.anvil import Anvil, start_anvil
from devnet.chains import GAS_MONEY_WEI, MINT, Wallet, fund
from devnet.members import DevnetMember, devnet_entropy
from devnet.options import FIRST_CHAIN_ID, DevnetOptions
from member.durable_files import write_new
from member.keys.key_folder import KeyKind, new_secret
from member.keys.secret_files import make_secret_folder, write_secret
from node.config import ChainConfig

NAME = "spare"
ENVIRONMENT = "env"
PAYER = "payer.key"
BLOCK_SECONDS = 1
DECIMALS = 6
MINTED = 10**6 * 10**DECIMALS
"""Of the token, for each member."""


@dataclass(frozen=True, slots=True)
class SpareChain:
    """The process, and how a node reaches it."""

    anvil: Anvil
    settings: ChainConfig
    token: bytes
    payer: bytes
    """The secret of who pays for deployments there."""


@contextmanager
def running_spare_chain(options: DevnetOptions, folder: Path) -> Iterator[SpareChain]:
    """Start the chain, deploy its token, and write `folder / "spare-chain"`; blocks. It ends with the `with`."""
    chain_id, place = FIRST_CHAIN_ID + options.chains, folder / "spare-chain"
    anvil = start_anvil(chain_id, place)
    try:
        secrets = [new_secret(KeyKind.SECP256K1, devnet_entropy(options.seed, f"spare/{who}")) for who in range(4)]
        payer, *cold = map(secp256k1.address, secrets)
        anvil.fund("0x" + payer.hex(), GAS_MONEY_WEI)
        web3 = connect(anvil.url)
        token = deploy_token(web3, secrets[0], "USDC", "USDC", DECIMALS)
        keys = place / "keys"
        make_secret_folder(keys)
        write_secret(keys / PAYER, secrets[0].hex().encode() + b"\n")
        shown = {
            "CHAIN": str(chain_id),
            "RPC": anvil.url,
            "CHAIN_PID": str(anvil.chain_pid),
            "TOKEN": "0x" + token.address.hex(),
            "PAYER": str(keys / PAYER),
            "GUARDIAN": "0x" + payer.hex(),
            **{f"COLD{number}": "0x" + each.hex() for number, each in enumerate(sorted(cold), 1)},
        }
        lines = "".join(f"{key}={shlex.quote(value)}\n" for key, value in shown.items())
        write_new(place / ENVIRONMENT, lines.encode())
        anvil.rpc("evm_setIntervalMining", BLOCK_SECONDS)
        settings = ChainConfig(chain_id=chain_id, name=NAME, endpoints=(anvil.url,), profile=GENERIC)
        yield SpareChain(anvil, settings, token.address, secrets[0])
    finally:
        anvil.stop()


async def stock(chain: SpareChain, gas: Sequence[bytes], members: Sequence[DevnetMember]) -> None:
    """Give these addresses gas, and each member tokens: anybody may mint this one."""
    async with Endpoint(chain.anvil.url) as endpoint:
        await fund(endpoint, gas, GAS_MONEY_WEI)
        wallet, sent = Wallet(endpoint, chain.anvil.chain_id, chain.payer), ""
        for member in members:
            sent = await wallet.send(chain.token, MINT + member.address.rjust(32, b"\0") + u256(MINTED))
        await wallet.mined(sent, "mint")
