"""Show a vault two certified headers of one height, so that it freezes, and where it stands below them.

Rule: it is trusted with nothing; the vault checks everything. A vault that knows the conflict, or a lower one, is sent
nothing, and what it would refuse is tried without a transaction: neither costs anything.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from bridge.codes import BridgeCode
from bridge.contracts.conflicts import (
    CONFLICT,
    ShownHeader,
    VaultConflict,
    freeze_by_history_call,
    freeze_call,
    read_conflict,
)
from bridge.evm.hexadecimal import hex_data
from bridge.relay.refusals import refusal_text
from bridge.relay.transactions import Sender
from bridge.relay.vault_history import TakenHeader
from bridge.rpc.endpoint import Endpoint, Refusal, accepted, view_call
from clearing.base.errors import RemoteFault
from clearing.base.header_words import HeaderWords


class FreezeOutcome(Enum):
    """What a vault made of a conflict."""

    FROZEN = "frozen"
    """It knows this conflict or one of a lower height."""
    WOULD_FREEZE = "would freeze"
    """It takes the evidence, which was not sent."""
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Freeze:
    """`detail`: the hash of the transaction that froze it here, or the vault's error; empty where others froze it."""

    outcome: FreezeOutcome
    detail: str = ""


class VaultFreezer:
    """One vault, through one endpoint of its chain. Everything raises RemoteFault for an endpoint's faults."""

    def __init__(self, endpoint: Endpoint, at: bytes) -> None:
        self._endpoint = endpoint
        self._at = at

    async def freeze(self, first: ShownHeader, second: ShownHeader, sender: Sender | None) -> Freeze:
        """Show both, unless that is done or refused; without a sender nothing is sent.

        Raises RemoteFault BAD_POINT for an aggregate that is no point, and as `Sender.send` does.
        """
        return await self._show(freeze_call(first, second), first[0].height, sender)

    async def freeze_by_history(
        self, own: ShownHeader, taken: Sequence[TakenHeader], place: int, accepted: HeaderWords, sender: Sender | None
    ) -> Freeze:
        """Show a certified header of the height at which the vault took another one: `accepted`, `taken[place]`.

        Raises RemoteFault as `freeze` does.
        """
        later = [each.header_hash for each in taken[place + 1 :]]
        data = freeze_by_history_call(own, accepted, taken[place].before, later)
        return await self._show(data, own[0].height, sender)

    async def conflict(self) -> VaultConflict | None:
        """The one that froze it."""
        (answer,) = await self._endpoint.views((view_call(self._at, CONFLICT),))
        return read_conflict(answer)

    async def show_base(self, call: bytes, sender: Sender) -> str:
        """Show a frozen vault its newest checkpoint below the conflict; the transaction's hash, empty when it is known.

        Raises RemoteFault TRANSACTION_REVERTED when the vault refuses, and as `Sender.send` does.
        """
        try:
            return hex_data((await sender.send(self._at, call)).hash)
        except RemoteFault as fault:
            known = await self.conflict()
            if fault.code is BridgeCode.TRANSACTION_REVERTED and (known is None or known.has_base):
                return ""
            raise

    async def _show(self, data: bytes, height: int, sender: Sender | None) -> Freeze:
        (answer,) = await self._endpoint.batch((view_call(self._at, data),))
        if isinstance(answer, Refusal) and answer.is_revert:
            # Asked after the refusal: others may freeze it at any time.
            if await self._is_shown(height):
                return Freeze(FreezeOutcome.FROZEN)
            return Freeze(FreezeOutcome.REFUSED, refusal_text("Vault", answer))
        accepted(answer, "eth_call")
        if sender is None:
            return Freeze(FreezeOutcome.WOULD_FREEZE)
        try:
            mined = await sender.send(self._at, data)
        except RemoteFault as fault:
            # Somebody else was faster.
            if fault.code is BridgeCode.TRANSACTION_REVERTED and await self._is_shown(height):
                return Freeze(FreezeOutcome.FROZEN)
            raise
        return Freeze(FreezeOutcome.FROZEN, hex_data(mined.hash))

    async def _is_shown(self, height: int) -> bool:
        """Whether it is frozen by a conflict of this height or of a lower one."""
        known = await self.conflict()
        return known is not None and known.height <= height
