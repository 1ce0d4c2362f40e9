"""The escape drill: members save their exit files, all validators stop for ever, time passes, and the vaults pay.

Rule: nothing of the network is used once it has stopped: only the files, an endpoint of each chain, and a key for gas.
"""

from collections.abc import Callable
from dataclasses import dataclass

import trio
from eth_account import Account

from bridge.contracts.vault import balance_of_call
from bridge.evm.hexadecimal import hex_data
from bridge.relay.vault_reader import VaultReader
from bridge.rpc.endpoint import view_call
from clearing.base.errors import LocalFault
from devnet.codes import DevnetCode
from devnet.network import Devnet
from member.api.proofs import ExitView
from member.client.downloads import fetch_exit
from member.client.vault_exits import ExitAtVault, claim_at_vaults, exit_at_vaults
from member.light.source import http_sources
from member.vaults.rotation import rotate_vault

PAYER = bytes([0x77]) * 32
DAY = 86_400
DAYS = (8, 4, 4, 0)
"""Until the trigger, the settlement, the payments, and the payments of what others left over."""


@dataclass(frozen=True, slots=True)
class TokenDrill:
    """What the escape of one token of one vault came to, in base units."""

    chain: str
    token: str
    owed: int
    """To all owners, by the exit tree."""
    paid: int
    left: int
    """In the vault: what was paid after the snapshot is owed to nobody, and divisions round down."""


class EscapeDrill:
    """Plays on a running devnet, and ends it."""

    def __init__(self, devnet: Devnet, report: Callable[[str], None]) -> None:
        self._devnet = devnet
        self._report = report

    async def play(self) -> tuple[TokenDrill, ...]:
        """Bring the vaults up to date, save the files, stop the network, and claim.

        Raises LocalFault when a vault has no exit root.
        """
        await self._bring_checkpoints()
        files = [await self.saved_files(chain) for chain in range(len(self._devnet.chains))]
        await self.stop_for_ever()
        found: list[TokenDrill] = []
        for chain, views in enumerate(files):
            found += await self._claim(chain, views)
        return tuple(found)

    async def saved_files(self, chain: int) -> list[ExitView]:
        """Each member's payments in the newest exit tree that a chain's vault knows."""
        deployed = self._devnet.chains[chain].deployed
        root = (await VaultReader(self._devnet.endpoints[chain], deployed.vault).standing()).checkpoint.exit_root
        saved = []
        for member in self._devnet.members:
            async with self._devnet.client_of(member) as client:
                for epoch in range((await client.newest_header()).epoch, 0, -1):
                    view, _ = await fetch_exit(client, member.id, epoch)
                    if view.exit_root == hex_data(root):
                        saved.append(view)
                        break
                else:
                    raise LocalFault(DevnetCode.STORY_STUCK, f"exit root of {deployed.name}", seconds=0)
        return saved

    async def stop_for_ever(self) -> None:
        """End every validator."""
        self._report("all validators stop for ever")
        for node in self._devnet.nodes.values():
            await node.stop()

    async def _bring_checkpoints(self) -> None:
        """Relayers post one an hour where no withdrawal waits, and a demo is shorter."""
        for chain in self._devnet.chains:
            chain.anvil.fund(str(Account.from_key(PAYER).address))
            with http_sources([self._devnet.url("n0")]) as (source,):
                await rotate_vault(chain.anvil.url, chain.deployed.vault, source, PAYER, 0, lambda _: None)

    async def _claim(self, at: int, views: list[ExitView]) -> list[TokenDrill]:
        chain = self._devnet.chains[at]
        own = [view for view in views if any(leaf.chain_id == chain.anvil.chain_id for leaf in view.leaves)]
        for days in DAYS:
            await self._pass(at, days)
            for view in own:
                await claim_at_vaults(chain.anvil.url, view, PAYER, 0, settle=True)
        paid = [await exit_at_vaults(chain.anvil.url, view) for view in own]
        self._report(f"the vault on {chain.deployed.name} has paid {len(own)} members by their exit files")
        return [await self._drilled(at, symbol, token, paid) for symbol, token in chain.deployed.tokens.items()]

    async def _pass(self, at: int, days: int) -> None:
        anvil = self._devnet.chains[at].anvil
        await trio.to_thread.run_sync(anvil.rpc, "evm_increaseTime", days * DAY)
        await trio.to_thread.run_sync(anvil.mine)

    async def _drilled(self, at: int, symbol: str, token: bytes, paid: list[tuple[ExitAtVault, ...]]) -> TokenDrill:
        deployed = self._devnet.chains[at].deployed
        leaves = [leaf for found in paid for vault in found for leaf in vault.leaves if leaf.token == hex_data(token)]
        (left,) = await self._devnet.endpoints[at].views([view_call(token, balance_of_call(deployed.vault))], 32)
        return TokenDrill(
            chain=deployed.name,
            token=symbol,
            owed=sum(int(leaf.amount) for leaf in leaves),
            paid=sum(int(leaf.paid) for leaf in leaves),
            left=int.from_bytes(left, "big"),
        )
