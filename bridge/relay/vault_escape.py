"""A vault's escape, driven by anybody who pays for the transactions: each step that is possible now.

Rule: it is trusted with nothing; the vault checks everything, and a step that others took first is no error. Steps can
be repeated at any time; what is done already is not sent again.
"""

from collections.abc import Sequence

from bridge.codes import BridgeCode
from bridge.contracts import escape, vault
from bridge.contracts.escape import (
    PAYMENTS_IN_WORD,
    ExitLeafState,
    ExitPayment,
    ExitPlace,
    PastPayment,
    TokenExit,
    VaultTotals,
)
from bridge.evm.hexadecimal import read_data
from bridge.relay.transactions import Sender
from bridge.relay.vault_records import DepositsBack, NumberedDeposit, payments_of_words, walk_call
from bridge.rpc.endpoint import Endpoint, Refusal, accepted, view_call
from clearing.base.codec import u256
from clearing.base.errors import RemoteFault

WALKED_AT_ONCE = 100
"""Deposits shown in one transaction."""
WORDS_AT_ONCE = 500
"""Words of payments that are read into memory at once."""


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

    async def open(self, sender: Sender, token: bytes, totals: VaultTotals, place: ExitPlace) -> bool:
        """Open a token's exit by its totals, or by those that skip it; False when it is open. Raises RemoteFault."""
        if (await self.token(token)).is_open:
            return False
        await sender.send(self._at, escape.open_exit_call(token, totals, place))
        return True

    async def claim(self, sender: Sender, payment: ExitPayment, place: ExitPlace) -> int | None:
        """Claim by a leaf, if that changes anything: base units that were paid now; None when the vault refuses, as for
        a token that cannot be transferred. Raises RemoteFault."""
        call, before = escape.claim_exit_call(payment, place), await self.leaf(place.index)
        due = await self._due(call)
        if due is None or (not due and before.is_settled):
            return due
        if not await self._sent_unless_refused(sender, call):
            return None
        return (await self.leaf(place.index)).paid - before.paid

    async def show_payments(self, sender: Sender, count: int, first_block: int) -> int:
        """Show the payments of withdrawals from number `count` on: how many transactions of them were sent.

        Those of tokens that are not open are left out. Raises RemoteFault.
        """
        shown, first, is_last = 0, count // PAYMENTS_IN_WORD, False
        while not is_last:
            found = await payments_of_words(self._endpoint, self._at, first, WORDS_AT_ONCE, first_block)
            for word, payments in found.words.items():
                if await self._counts([each for each in payments if each.nonce >= count]):
                    shown += await self._sent_unless_refused(sender, escape.walk_payments_call(word, payments))
            first, is_last = first + WORDS_AT_ONCE, found.is_last
        return shown

    async def walk(self, sender: Sender, cursor: int, first_block: int) -> int:
        """Show the deposits after number `cursor` that were not shown: how many. Raises RemoteFault."""
        (below,) = await self._read(escape.WALK_NONCE)
        back = DepositsBack(self._endpoint, self._at, int.from_bytes(below, "big"), first_block)
        shown, read = 0, await back.take(WALKED_AT_ONCE + 1)
        while part := [entry for entry in read[:WALKED_AT_ONCE] if entry.nonce > cursor]:
            read = read[len(part) :]
            before = self._hash_before(part[-1].nonce, read, first_block)
            await sender.send(self._at, walk_call(part[::-1], before))
            shown, read = shown + len(part), read + await back.take(len(part))
        return shown

    async def deposited_tokens(self, cursor: int, first_block: int) -> tuple[bytes, ...]:
        """The tokens of the deposits after number `cursor`, in order. Raises RemoteFault."""
        (newest,) = await self._read(vault.DEPOSIT_NONCE)
        back, found = DepositsBack(self._endpoint, self._at, int.from_bytes(newest, "big"), first_block), set[bytes]()
        while part := [entry for entry in await back.take(WALKED_AT_ONCE) if entry.nonce > cursor]:
            found |= {entry.deposit.token for entry in part}
        return tuple(sorted(found))

    async def refund(self, sender: Sender, cursor: int, first_block: int) -> int:
        """Refund the deposits after number `cursor` to their senders: how many it refunded now. Raises RemoteFault."""
        (newest,) = await self._read(vault.DEPOSIT_NONCE)
        back, refunded = DepositsBack(self._endpoint, self._at, int.from_bytes(newest, "big"), first_block), 0
        while part := [entry for entry in await back.take(WALKED_AT_ONCE) if entry.nonce > cursor]:
            for entry in part:
                call = escape.refund_deposit_call(entry.nonce, entry.deposit)
                refunded += bool(await self._due(call)) and await self._sent_unless_refused(sender, call)
        return refunded

    async def _counts(self, payments: Sequence[PastPayment]) -> bool:
        """Whether one of these payments is still to be counted."""
        known = await self._read(*(escape.IS_SHOWN + u256(each.nonce) for each in payments))
        tokens = {each.token for each, answer in zip(payments, known, strict=True) if not any(answer)}
        for token in sorted(tokens):
            if (await self.token(token)).is_open:
                return True
        return False

    def _hash_before(self, nonce: int, older: Sequence[NumberedDeposit], first_block: int) -> bytes:
        """The rolling hash before deposit `nonce`: that of the deposit before it."""
        if nonce == 1:
            return bytes(32)
        if not older:
            raise RemoteFault(BridgeCode.NONCE_GAP, "deposits", missing=nonce - 1, first_block=first_block)
        return older[0].hash_after

    async def _due(self, call: bytes) -> int | None:
        """Base units that a claim would be paid now; None: it would be refused. Raises RemoteFault."""
        (answer,) = await self._endpoint.batch((view_call(self._at, call),))
        if isinstance(answer, Refusal) and answer.is_revert:
            return None
        return int.from_bytes(read_data(accepted(answer, "eth_call"), "eth_call", 32), "big")

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
