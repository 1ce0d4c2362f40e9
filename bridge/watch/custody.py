"""A vault's counters at a final block, for the watcher: from a quorum's answers, or proven by the block's state.

Rule: a vault that lacks some of a token is believed on a storage proof only, and stops nothing but that token: its
proven counters are a fact like others, on which the ledger halts the asset. Counters that nobody can deliver delay the
deposits of their blocks for a bounded time, because most endpoints drop states after 128 blocks; then the deposits go
on without them, which shows, and no epoch closes on counters that are missing.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import trio

from bridge.codes import BridgeCode
from bridge.evm.header import BlockHeader
from bridge.rpc.proofs import fetch_evidence, prove_custody
from bridge.rpc.quorum import EndpointQuorum
from bridge.rpc.vault_reads import NATIVE, VaultCustody, check_solvent, read_custody
from bridge.watched_chain import WatchedChain
from clearing.base.errors import RemoteFault
from clearing.schema.facts import CustodySeen

CUSTODY_WAIT_SECONDS = 60.0
"""How long counters that can't be read are tried again, from the first fault on; 0: they are not waited for."""


@dataclass(frozen=True, slots=True)
class JudgedCustody:
    """Counters that may be reported, and by token why it is short."""

    facts: tuple[CustodySeen, ...]
    shortages: Mapping[bytes, str]


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

    async def judge(self, chain: WatchedChain, custody: VaultCustody) -> JudgedCustody:
        """Which counters may be reported, and of which tokens the vault lacks some.

        A shortage is reported only when the block's own state proves it: endpoints that report one unit too few must
        not halt an asset. The counters of a token whose shortage is not proven are left out, and those of the others
        are reported all the same.
        """
        facts: list[CustodySeen] = []
        shortages: dict[bytes, str] = {}
        for fact in custody.tokens:
            unproven = ""
            try:
                check_solvent((fact,))
            except RemoteFault as fault:
                unproven = await self._why_unproven(chain, fact)
                unproven = f"; {BridgeCode.SHORTAGE_UNPROVEN.label}: {unproven}" if unproven else ""
                shortages[fact.token] = f"{fault}{unproven}"
            if not unproven:
                facts.append(fact)
        return JudgedCustody(tuple(facts), shortages)

    async def _read(self, chain: WatchedChain, block: BlockHeader) -> VaultCustody:
        """A quorum's answers; where there is none, what one endpoint can prove."""
        try:
            return await read_custody(chain, self._quorum, block)
        except RemoteFault as fault:
            try:
                return await prove_custody(chain, self._quorum, block)
            except RemoteFault:
                raise fault from None

    async def _why_unproven(self, chain: WatchedChain, fact: CustodySeen) -> str:
        """Why no state proves these counters; empty when the block's own does."""
        if fact.token != NATIVE and not chain.balances_of(fact.token).is_known:
            return "genesis does not say where the token keeps balances"
        try:
            await fetch_evidence(chain, self._quorum, (fact,))
        except RemoteFault as fault:
            return str(fault)
        return ""
