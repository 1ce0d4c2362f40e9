"""Show a vault two certified headers of one height, so that it freezes.

Rule: it is trusted with nothing; the vault checks everything. A vault that knows the conflict, or a lower one, is sent
nothing, and what it would refuse is tried without a transaction: neither costs anything.
"""

from dataclasses import dataclass
from enum import Enum

from bridge.codes import BridgeCode
from bridge.contracts.conflicts import CONFLICT, ShownHeader, freeze_call, read_conflict
from bridge.evm.hexadecimal import hex_data
from bridge.relay.refusals import refusal_text
from bridge.relay.transactions import Sender
from bridge.rpc.endpoint import Endpoint, Refusal, accepted, view_call
from clearing.base.errors import RemoteFault


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
        data = freeze_call(first, second)
        (answer,) = await self._endpoint.batch((view_call(self._at, data),))
        if isinstance(answer, Refusal) and answer.is_revert:
            # Asked after the refusal: others may freeze it at any time.
            if await self._is_shown(first[0].height):
                return Freeze(FreezeOutcome.FROZEN)
            return Freeze(FreezeOutcome.REFUSED, refusal_text("Vault", answer))
        accepted(answer, "eth_call")
        if sender is None:
            return Freeze(FreezeOutcome.WOULD_FREEZE)
        try:
            mined = await sender.send(self._at, data)
        except RemoteFault as fault:
            # Somebody else was faster.
            if fault.code is BridgeCode.TRANSACTION_REVERTED and await self._is_shown(first[0].height):
                return Freeze(FreezeOutcome.FROZEN)
            raise
        return Freeze(FreezeOutcome.FROZEN, hex_data(mined.hash))

    async def _is_shown(self, height: int) -> bool:
        """Whether it is frozen by a conflict of this height or of a lower one."""
        (answer,) = await self._endpoint.views((view_call(self._at, CONFLICT),))
        conflict = read_conflict(answer)
        return conflict is not None and conflict.height <= height
