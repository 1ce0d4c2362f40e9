"""Posts certified headers to a vault, claims withdrawals there for their recipients, and shows it the network's orders.

Rule: it is trusted with nothing; the vault checks everything. Any number of relayers may run: each first checks
whether the work is done, and a call that lost the race is no error. Claims are proven under the root that the vault
has, not under the newest one: a newer header is posted for withdrawals that the vault cannot know yet.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import trio

from bridge.codes import BridgeCode
from bridge.contracts import vault
from bridge.contracts.vault import Checkpoint, VaultCertificate, VaultClaim, VaultOrder
from bridge.evm.hexadecimal import read_data
from bridge.relay.claim_queue import ALONE, ClaimQueue, RelayerPlace
from bridge.relay.relay_rounds import RelayRounds
from bridge.relay.transactions import Mined, Sender
from bridge.rpc.endpoint import BATCH_MAX, Endpoint, Refusal, accepted, view_call
from clearing.base.errors import RemoteFault
from clearing.base.header import Header
from clearing.base.validators import ValidatorSet

LOOKS_MAX = 32
"""How often one round looks further when the vault has paid already what is next."""
LATE_MAX = 64
"""So many claims past their not-after are asked for in a round, the newest."""


@dataclass(frozen=True, slots=True)
class Rotation:
    """The final header that ends the set which certified it: the last that a vault accepts from `before`."""

    header: Header
    certificate: VaultCertificate
    before: ValidatorSet
    after: ValidatorSet


@dataclass(frozen=True, slots=True)
class Relayable:
    """A final header, its certificate for this vault and its set, and this vault's open withdrawals under the header.

    `rotation`: of the change that this vault has not been seen to follow, where its header is at hand; `known`: what
    other sets the vault may rightly follow.
    """

    header: Header
    certificate: VaultCertificate
    validators: ValidatorSet
    claims: tuple[VaultClaim, ...] = ()
    proofs: "WithdrawalProofs | None" = None
    """Of the network's withdrawals tree; needed where there are claims or an order."""
    rotation: Rotation | None = None
    known: tuple[ValidatorSet, ...] = ()
    place: RelayerPlace = ALONE
    order: VaultOrder | None = None
    """The newest to this vault."""

    @property
    def wanted(self) -> tuple[bytes, bytes, int, int] | None:
        """What the network wants the vault to have, beside a newer header; None while more than that is open."""
        if self.claims or self.rotation is not None:
            return None
        header = self.header
        order = -1 if self.order is None else self.order.nonce
        return header.validators_hash, header.next_validators_hash, header.withdrawals_count, order


class WithdrawalProofs(Protocol):
    """The network's withdrawals tree as it was when it had `count` leaves."""

    def root(self, count: int) -> bytes:
        """Its root."""

    def siblings(self, nonces: Sequence[int], count: int) -> Sequence[bytes]:
        """What proves these withdrawals, in ascending order, under that root."""


@dataclass(frozen=True, slots=True)
class Relayed:
    """The transactions of one round; None and empty if there was nothing to do."""

    checkpoint: Mined | None
    claims: tuple[int, ...] = ()
    """Nonces of the withdrawals that were paid, by this relayer or by another in the meantime."""
    claimed: Mined | None = None
    refused: tuple[tuple[int, str], ...] = ()
    """Withdrawals that the vault did not pay, by nonce, with its error."""
    rotated: bool = False
    """Whether the vault was rotated to another set."""
    order: int | None = None
    """Nonce of the network's order that the vault has followed now."""

    @property
    def is_idle(self) -> bool:
        """Whether there was nothing to do."""
        return self == Relayed(None)


class Relayer:
    """Serves one vault.

    `checkpoint_seconds`: post even without withdrawals once the vault's newest checkpoint is this old.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        sender: Sender,
        vault_address: bytes,
        checkpoint_seconds: int,
        queue: ClaimQueue | None = None,
    ) -> None:
        self.last_fault = ""
        self._endpoint = endpoint
        self._sender = sender
        self._vault = vault_address
        self._checkpoint_seconds = checkpoint_seconds
        self._queue = queue or ClaimQueue()

    async def run(
        self, newest: Callable[[], Relayable | None], on_relayed: Callable[[Relayed], None], interval_seconds: float
    ) -> None:
        """Relay what `newest` returns, for ever. A fault is kept in `last_fault`, and the round is tried again."""
        rounds = RelayRounds()
        while True:
            relayable = newest()
            if relayable is not None and rounds.is_due(relayable.wanted):
                relayed = None
                try:
                    relayed = await self.relay(relayable)
                except RemoteFault as fault:
                    self.last_fault = str(fault)
                else:
                    self.last_fault = ""
                    if not relayed.is_idle:
                        on_relayed(relayed)
                rounds.note(relayable.wanted, is_idle=relayed is not None and relayed.is_idle)
            await trio.sleep(interval_seconds)

    async def relay(self, relayable: Relayable) -> Relayed:
        """One round: rotate the vault to the set that certifies, post the header if it is due, then claim what is under
        it, and show the order. Raises RemoteFault.
        """
        rotated, followed = await self.follow(relayable)
        latest = await self.latest()
        posted = None
        follows = followed == relayable.header.validators_hash
        if follows and self.is_due(latest, relayable) and not await self._is_held_up(latest, relayable):
            posted = await self.post_checkpoint(relayable)
            latest = await self.latest()
        round_ = await self.claim_due(relayable, latest)
        order = await self.show_order(relayable, latest)
        return replace(round_, checkpoint=posted, rotated=rotated, order=order)

    async def show_order(self, relayable: Relayable, latest: Checkpoint) -> int | None:
        """Show the vault the newest order to it, once its root has it; the nonce when the vault followed it now.

        Raises RemoteFault: TRANSACTION_REVERTED when the vault refuses, as while it is frozen, and as `claim_due`.
        """
        order, proofs = relayable.order, relayable.proofs
        if order is None or proofs is None or order.nonce >= latest.withdrawals_count:
            return None
        if latest.withdrawals_count > relayable.header.withdrawals_count:
            return None

        async def is_over() -> bool:
            return int.from_bytes(await self._view(vault.ORDERS_FROM, 32), "big") > order.nonce

        if await is_over():
            return None
        _check_root(proofs, latest)
        siblings = proofs.siblings([order.nonce], latest.withdrawals_count)
        call = vault.follow_order_call(order.nonce, order.guardian, latest.root_number, siblings)
        return None if await self._unless_done(call, is_over) is None else order.nonce

    async def claim_due(self, relayable: Relayable, latest: Checkpoint) -> Relayed:
        """Claim the withdrawals whose turn it is, in one transaction; none while the vault is ahead of this header.

        Raises RemoteFault: VAULT_ASTRAY when the vault's root is not one of the network's.
        """
        if relayable.proofs is None or latest.withdrawals_count > relayable.header.withdrawals_count:
            return Relayed(None)
        due = await self._due(relayable, latest)
        if not due:
            return Relayed(None)
        _check_root(relayable.proofs, latest)
        try:
            call = _claim_call(due, relayable.proofs, latest)
            claimed = await self._sender.send(self._vault, call, vault.batch_gas(len(due)))
        except RemoteFault as fault:
            if fault.code is not BridgeCode.TRANSACTION_REVERTED:
                raise
            claimed = None
        unpaid = await self._unpaid(due)
        refused = []
        reasons = await self._why_unpaid(unpaid, relayable.proofs, latest)
        for claim, (why, is_its_own) in zip(unpaid, reasons, strict=True):
            refused.append((claim.nonce, why))
            if is_its_own:
                self._queue.failed(claim.nonce, trio.current_time())
        paid = sorted({claim.nonce for claim in due} - {claim.nonce for claim in unpaid})
        return Relayed(None, tuple(paid), claimed, tuple(refused))

    async def follow(self, relayable: Relayable) -> tuple[bool, bytes]:
        """Post the header that rotates the vault, however old it is, and the keys of its set.

        Returns whether it was rotated here, and the hash of the set that it follows. Raises RemoteFault VAULT_ASTRAY
        when that is not one of ours, and TRANSACTION_REVERTED.
        """
        followed, keys = await self._followed()
        rotation, rotated = relayable.rotation, False
        if rotation is not None and followed == rotation.before.hash:
            if not keys:
                await self._install(rotation.before)
            rotated = await self._rotate(rotation)
            followed, keys = await self._followed()
        known = (relayable.validators, *relayable.known, *((rotation.before, rotation.after) if rotation else ()))
        found = next((validators for validators in known if validators.hash == followed), None)
        if found is None:
            raise RemoteFault(
                BridgeCode.VAULT_ASTRAY, "vault", follows=followed, certified_by=relayable.header.validators_hash
            )
        if not keys:
            await self._install(found)
        return rotated, followed

    def is_due(self, latest: Checkpoint, relayable: Relayable) -> bool:
        """Whether withdrawals or the order wait for this header, it rotates the set, or the vault's newest is old."""
        if relayable.header.height <= latest.height:
            return False
        waiting = any(claim.nonce >= latest.withdrawals_count for claim in relayable.claims)
        return waiting or self._is_urgent(latest, relayable)

    def _is_urgent(self, latest: Checkpoint, relayable: Relayable) -> bool:
        """Whether the vault needs this header for more than withdrawals."""
        header, order = relayable.header, relayable.order
        rotates = header.next_validators_hash != header.validators_hash
        is_old = header.time_ms // 1000 - latest.trusted_at >= self._checkpoint_seconds
        return rotates or is_old or (order is not None and order.nonce >= latest.withdrawals_count)

    async def _is_held_up(self, latest: Checkpoint, relayable: Relayable) -> bool:
        """Whether the header waits until what could be claimed under an earlier root is paid."""
        if self._is_urgent(latest, relayable):
            return False
        known = await self._known(relayable, latest)
        older = self._queue.holding_up(known, trio.current_time(), latest.root_number)
        return bool(await self._unpaid(older[:BATCH_MAX])) or len(older) > BATCH_MAX

    async def latest(self) -> Checkpoint:
        """The vault's newest checkpoint."""
        return vault.read_checkpoint(await self._view(vault.latest_call(), vault.CHECKPOINT_BYTES))

    async def post_checkpoint(self, relayable: Relayable) -> Mined | None:
        """Post the header to a vault that follows its set.

        None when another relayer posted it or a newer one first. Raises RemoteFault, TRANSACTION_REVERTED with the
        vault's error when it refuses the header.
        """

        async def is_posted() -> bool:
            return (await self.latest()).height >= relayable.header.height

        return await self._unless_done(vault.checkpoint_call(relayable.header, relayable.certificate), is_posted)

    async def _rotate(self, rotation: Rotation) -> bool:
        """Post the rotating header; False when somebody else did."""

        async def is_rotated() -> bool:
            return (await self._followed())[0] != rotation.before.hash

        posted = await self._unless_done(vault.checkpoint_call(rotation.header, rotation.certificate), is_rotated)
        return posted is not None

    async def _install(self, validators: ValidatorSet) -> None:
        """Submit the keys of the set that the vault follows."""

        async def has_keys() -> bool:
            return (await self._followed())[1]

        await self._unless_done(vault.install_validators_call(validators), has_keys)

    async def _followed(self) -> tuple[bytes, bool]:
        """Hash of the set that the vault follows, and whether it has the keys."""
        calls = [view_call(self._vault, call) for call in (vault.VALIDATORS_HASH, vault.VALIDATORS_CODE)]
        validators_hash, code = await self._endpoint.views(calls, 32)
        return validators_hash, any(code)

    async def _unless_done(self, data: bytes, is_done: Callable[[], Awaitable[bool]]) -> Mined | None:
        if await is_done():
            return None
        try:
            return await self._sender.send(self._vault, data)
        except RemoteFault as fault:
            if fault.code is BridgeCode.TRANSACTION_REVERTED and await is_done():
                return None
            raise

    async def _in_time(self, claims: Sequence[VaultClaim], now_s: int) -> list[VaultClaim]:
        """Those that the vault still pays: past its not-after, a claim has the time that pauses gave it."""
        late = [claim for claim in claims if claim.not_after_s < now_s][-LATE_MAX:]
        calls = [view_call(self._vault, vault.deadline_call(claim.not_after_s)) for claim in late]
        answers = await self._endpoint.batch(calls) if calls else ()
        payable = {
            claim.nonce
            for claim, answer in zip(late, answers, strict=True)
            if int.from_bytes(read_data(accepted(answer, "eth_call"), "deadline", 32), "big") >= now_s
        }
        return [claim for claim in claims if claim.not_after_s >= now_s or claim.nonce in payable]

    async def _known(self, relayable: Relayable, latest: Checkpoint) -> list[VaultClaim]:
        """The open withdrawals under the vault's newest root that it still pays."""
        waiting = await self._in_time(relayable.claims, relayable.header.time_ms // 1000)
        return [claim for claim in waiting if claim.nonce < latest.withdrawals_count]

    async def _due(self, relayable: Relayable, latest: Checkpoint) -> list[VaultClaim]:
        """What is claimed now: the next of the queue that the vault has not paid already."""
        known = await self._known(relayable, latest)
        for _ in range(LOOKS_MAX):
            asked = self._queue.due(known, trio.current_time(), relayable.place, latest.root_number)
            due = await self._unpaid(asked)
            if due or not asked:
                return due
        return []

    async def _unpaid(self, claims: Sequence[VaultClaim]) -> list[VaultClaim]:
        """Those that the vault has not paid; the queue notes the others."""
        calls = [view_call(self._vault, vault.is_paid_call(claim.nonce)) for claim in claims]
        answers = await self._endpoint.batch(calls) if calls else ()
        unpaid = []
        for claim, answer in zip(claims, answers, strict=True):
            if any(read_data(accepted(answer, "eth_call"), "isPaid", 32)):
                self._queue.paid(claim.nonce, trio.current_time())
            else:
                unpaid.append(claim)
        return unpaid

    async def _why_unpaid(
        self, claims: Sequence[VaultClaim], proofs: WithdrawalProofs, latest: Checkpoint
    ) -> list[tuple[str, bool]]:
        """The vault's error for each claim by itself, and whether it is this claim's: a pause is everybody's."""
        calls = [view_call(self._vault, _claim_call((claim,), proofs, latest)) for claim in claims]
        return [
            (str(answer.fault("eth_call")), answer.is_revert and answer.selector not in vault.ERRORS_OF_ALL_CLAIMS)
            if isinstance(answer, Refusal)
            else ("paid alone, but not in the batch", True)
            for answer in (await self._endpoint.batch(calls) if calls else ())
        ]

    async def _view(self, data: bytes, size: int) -> bytes:
        (answer,) = await self._endpoint.views([view_call(self._vault, data)], size)
        return answer


def _check_root(proofs: WithdrawalProofs, latest: Checkpoint) -> None:
    root = proofs.root(latest.withdrawals_count)
    if root != latest.withdrawals_root:
        raise RemoteFault(BridgeCode.VAULT_ASTRAY, "vault", root=latest.withdrawals_root, ours=root)


def _claim_call(claims: Sequence[VaultClaim], proofs: WithdrawalProofs, latest: Checkpoint) -> bytes:
    """One claim alone, so that the vault names its error; several as a batch."""
    siblings = proofs.siblings([claim.nonce for claim in claims], latest.withdrawals_count)
    if len(claims) == 1:
        return vault.withdraw_call(claims[0], latest.root_number, siblings)
    return vault.withdraw_batch_call(claims, latest.root_number, siblings)
