"""A vault's escape, driven by anybody who pays for the transactions: each step that is possible now.

Rule: it is trusted with nothing; the vault checks everything, and a step that others took first is no error. Steps can
be repeated at any time; what is done already is not sent again.
"""

from collections.abc import Sequence

from bridge.codes import BridgeCode
from bridge.contracts import escape
from bridge.contracts.escape import ExitLeafState, ExitPayment, ExitPlace, TokenExit, VaultTotals
from bridge.relay.transactions import Sender
from bridge.relay.vault_records import deposits_since, payments_since, walk_call
from bridge.rpc.endpoint import Endpoint, view_call
from clearing.base.codec import u256
from clearing.base.errors import RemoteFault

WALKED_AT_ONCE = 100
"""Deposits shown in one transaction."""


class VaultEscape:
    """One vault, through one endpoint of its chain."""

    def __init__(self, endpoint: Endpoint, at: bytes) -> None:
        self._endpoint = endpoint
        self._at = at

    async def token(self, token: bytes) -> TokenExit:
        """What the vault knows of a token's exit. Raises RemoteFault."""
        (answer,) = await self._read(escape.exit_of_call(token))
        return escape.read_token_exit(answer)

    async def leaf(self, index: int) -> ExitLeafState:
        """What became of a leaf. Raises RemoteFault."""
        (answer,) = await self._read(escape.exit_leaf_call(index))
        return escape.read_exit_leaf(answer)

    async def trigger(self, sender: Sender) -> None:
        """State the network's silence. Raises RemoteFault TRANSACTION_REVERTED while it is not silent."""
        await sender.send(self._at, escape.trigger_call())

    async def open(self, sender: Sender, totals: VaultTotals, place: ExitPlace) -> bool:
        """Open a token's exit; False when it is open. Raises RemoteFault."""
        if (await self.token(totals.token)).is_open:
            return False
        await sender.send(self._at, escape.open_exit_call(totals, place))
        return True

    async def claim(self, sender: Sender, payment: ExitPayment, place: ExitPlace) -> int | None:
        """Claim by a leaf: base units that were paid now; None when the vault refuses, as for a token that cannot be
        transferred. Raises RemoteFault."""
        before = await self.leaf(place.index)
        if not await self._sent_unless_refused(sender, escape.claim_exit_call(payment, place)):
            return None
        return (await self.leaf(place.index)).paid - before.paid

    async def show_payments(self, sender: Sender, count: int, first_block: int) -> int:
        """Show the payments of withdrawals from number `count` on: how many transactions of them were shown.

        Those that were shown, or whose root the vault has forgotten, are left out. Raises RemoteFault.
        """
        shown = 0
        for payments in await payments_since(self._endpoint, self._at, count, first_block):
            nonces = [claim.nonce for claim in payments.claims if claim.nonce >= count]
            if all(map(any, await self._read(*(escape.IS_SHOWN + u256(nonce) for nonce in nonces)))):
                continue
            call = escape.show_paid_call(payments.claims, payments.root_number, payments.siblings)
            shown += await self._sent_unless_refused(sender, call)
        return shown

    async def walk(self, sender: Sender, cursor: int, first_block: int) -> int:
        """Show the deposits after number `cursor` that were not shown: how many. Raises RemoteFault."""
        deposits = await deposits_since(self._endpoint, self._at, cursor, first_block)
        started, below = await self._read(escape.WALK_STARTED, escape.WALK_NONCE)
        left = [entry for entry in deposits if not any(started) or entry.nonce <= int.from_bytes(below, "big")]
        shown = len(left)
        while left:
            part, left = left[-WALKED_AT_ONCE:], left[:-WALKED_AT_ONCE]
            before = left[-1].hash_after if left else await self._hash_before(part[0].nonce, first_block)
            await sender.send(self._at, walk_call(part, before))
        return shown

    async def refund(self, sender: Sender, cursor: int, first_block: int) -> int:
        """Refund the deposits after number `cursor` to their senders: how many it refunded now. Raises RemoteFault."""
        refunded = 0
        for entry in await deposits_since(self._endpoint, self._at, cursor, first_block):
            (shown,) = await self._read(escape.WALKED_DEPOSIT + u256(entry.nonce))
            if any(shown):
                refunded += await self._sent_unless_refused(
                    sender, escape.refund_deposit_call(entry.nonce, entry.deposit)
                )
        return refunded

    async def _hash_before(self, nonce: int, first_block: int) -> bytes:
        """The rolling hash before deposit `nonce`: that of the deposit before it."""
        if nonce == 1:
            return bytes(32)
        before = await deposits_since(self._endpoint, self._at, nonce - 2, first_block)
        if not before or before[0].nonce != nonce - 1:
            raise RemoteFault(BridgeCode.NONCE_GAP, "deposits", missing=nonce - 1, first_block=first_block)
        return before[0].hash_after

    async def _sent_unless_refused(self, sender: Sender, call: bytes) -> bool:
        """Whether the vault took a call, which one that cannot be paid may refuse without stopping the others."""
        try:
            await sender.send(self._at, call)
        except RemoteFault as fault:
            if fault.code is not BridgeCode.TRANSACTION_REVERTED:
                raise
            return False
        return True

    async def _read(self, *calls: bytes) -> Sequence[bytes]:
        return await self._endpoint.views([view_call(self._at, call) for call in calls])
