"""A vault's counters at a final block, for the watcher: from a quorum's answers, or proven by the block's state.

Rule: an unsolvent vault is believed on a storage proof only. Counters that nobody can deliver delay the deposits of
their blocks for a bounded time, because most endpoints drop states after 128 blocks; then the deposits go on without
them, which shows, and no epoch closes on counters that are missing.
"""

import trio

from bridge.codes import BridgeCode
from bridge.evm.header import BlockHeader
from bridge.rpc.proofs import fetch_evidence, prove_custody
from bridge.rpc.quorum import EndpointQuorum
from bridge.rpc.vault_reads import NATIVE, VaultCustody, check_solvent, read_custody
from bridge.watched_chain import WatchedChain
from clearing.base.errors import RemoteFault

CUSTODY_WAIT_SECONDS = 60.0
"""How long counters that can't be read are tried again, from the first fault on; 0: they are not waited for."""


class CustodyReader:
    """Reads one chain's counters. `last_fault`: why the newest are missing; empty when they were read."""

    def __init__(self, quorum: EndpointQuorum, wait_seconds: float = CUSTODY_WAIT_SECONDS) -> None:
        self.last_fault = ""
        self._quorum = quorum
        self._wait_seconds = wait_seconds
        self._missing_since: float | None = None

    async def read(self, chain: WatchedChain, block: BlockHeader) -> VaultCustody | None:
        """The counters at `block`; None when they could not be read for too long.

        Raises RemoteFault while they are waited for.
        """
        try:
            custody = await self._read(chain, block)
        except RemoteFault as fault:
            now = trio.current_time()
            self.last_fault = str(fault)
            if self._missing_since is None:
                self._missing_since = now
            if now - self._missing_since < self._wait_seconds:
                raise
            return None
        self.last_fault, self._missing_since = "", None
        return custody

    async def shortage(self, chain: WatchedChain, custody: VaultCustody) -> RemoteFault | None:
        """VAULT_INSOLVENT when the vault is proven to have less than it accounts for.

        Endpoints that report one unit too few must not halt a chain for good: RemoteFault SHORTAGE_UNPROVEN is raised
        when the block's own state does not have the counters by which the vault is short.
        """
        try:
            check_solvent(custody.tokens)
        except RemoteFault as fault:
            await self._prove_shortage(chain, fault, custody)
            return fault
        return None

    async def _read(self, chain: WatchedChain, block: BlockHeader) -> VaultCustody:
        """A quorum's answers; where there is none, what one endpoint can prove."""
        try:
            return await read_custody(chain, self._quorum, block)
        except RemoteFault as fault:
            try:
                return await prove_custody(chain, self._quorum, block)
            except RemoteFault:
                raise fault from None

    async def _prove_shortage(self, chain: WatchedChain, shortage: RemoteFault, custody: VaultCustody) -> None:
        provable = [fact for fact in custody.tokens if fact.token == NATIVE or chain.balances_of(fact.token).is_known]
        why = "genesis does not say where the token keeps balances"
        try:
            if provable:
                await fetch_evidence(chain, self._quorum, provable)
                check_solvent(provable)
        except RemoteFault as fault:
            if fault.code is BridgeCode.VAULT_INSOLVENT:
                return
            why = str(fault)
        raise RemoteFault(BridgeCode.SHORTAGE_UNPROVEN, "vault", shortage=str(shortage), why=why)
