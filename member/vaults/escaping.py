"""An operator's part in a vault's escape: state the network's silence, refund what was deposited after the snapshot.

Rule: anybody may, and the vault checks everything. Nothing is sent before the receipt can be kept; what others did
already is not sent again. Payments need an exit file: `member.client.vault_exits`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from bridge.codes import BridgeCode
from bridge.contracts import escape
from bridge.contracts.escape import NO_TREE, EscapeStage, ExitPlace, VaultTotals
from bridge.evm.hexadecimal import hex_data, read_quantity
from bridge.relay.transactions import Mined, Sender
from bridge.relay.vault_escape import VaultEscape
from bridge.relay.vault_reader import VaultReader, VaultStanding
from bridge.rpc.endpoint import Endpoint, Refusal, RpcCall, accepted
from clearing.base.errors import RemoteFault
from clearing.base.ids import ZERO_HASH
from clearing.epochs.exit_tree import NO_EXITS
from member.api.proofs import ExitView
from member.api.types import Address, Body, Hex, Id, hexed, octets
from member.vaults.exit_opening import exit_opening, snapshot_counts
from member.vaults.standing import send_named

_NAMES = {
    escape.TRIGGER: "triggerEscape",
    escape.OPEN_EXIT: "openExit",
    escape.WALK_DEPOSITS: "walkDeposits",
    escape.REFUND_DEPOSIT: "refundDeposit",
}


class EscapeCall(Body, frozen=True):
    """One call of the vault. Without `transaction` it was only estimated."""

    call: str
    gas: Id
    """Used; of a dry run: estimated."""
    block: Id = 0
    transaction: Hex = "0x"


class EscapeReceipt(Body, frozen=True):
    """`crossclear vault escape|refund --out`: what was sent, and how far the vault's escape is then.

    Times in seconds; 0 while no escape was triggered.
    """

    format: Literal["crossclear.escape.v1"]
    chain_id: Id
    vault: Address
    is_dry_run: bool
    now: Id
    stage: str
    silent_from: Id
    escape_from: Id
    payments_from: Id
    calls: tuple[EscapeCall, ...] = ()
    deposits_shown: Id = 0
    deposits_refunded: Id = 0
    closed_tokens: tuple[Address, ...] = ()
    """Named tokens whose exit nobody has opened."""


@dataclass(frozen=True, slots=True)
class EscapeRun:
    """Whether transactions are sent, and what is done with the receipt: before anything is sent, and after each."""

    dry_run: bool = False
    on_progress: Callable[[EscapeReceipt], None] = field(default=lambda _: None)


async def trigger_escape(rpc: str, at: bytes, secret: bytes, run: EscapeRun) -> EscapeReceipt:
    """State the network's silence, unless somebody did. `secret`: the key that pays for gas.

    Raises RemoteFault TRANSACTION_REVERTED with the vault's error while it is not silent, or an endpoint's fault.
    """
    async with Endpoint(rpc) as endpoint:
        steps = await _Steps.begin(endpoint, at, secret, run)
        if not steps.standing.times.escape_from:
            await send_named(endpoint, steps.sender, at, escape.trigger_call())
        return await steps.end()


async def refund_deposits(
    rpc: str,
    at: bytes,
    tokens: Sequence[bytes],
    secret: bytes,
    first_block: int,
    run: EscapeRun,
    exit_: ExitView | None = None,
) -> EscapeReceipt:
    """Refund every deposit of these tokens after the snapshot to who made it, as far as the stage allows.

    `first_block`: where the vault's deposits after the snapshot begin, or before. In the stage of settlement they are
    shown to the vault, in that of payment refunded. `exit_`: anybody's exit file, whose totals open tokens that nobody
    has opened. Raises RemoteFault, WRONG_EXIT_ROOT for a file of another tree.
    """
    async with Endpoint(rpc) as endpoint:
        steps = await _Steps.begin(endpoint, at, secret, run)
        if steps.standing.stage < EscapeStage.SETTLEMENT:
            return await steps.end()
        try:
            await _refund(steps, tokens, first_block, exit_)
        except RemoteFault as fault:
            # A dry run cannot estimate a call that needs the one before it.
            if fault.code is not BridgeCode.TRANSACTION_REVERTED or not (run.dry_run and steps.calls):
                raise
        return await steps.end()


async def _refund(steps: "_Steps", tokens: Sequence[bytes], first_block: int, exit_: ExitView | None) -> None:
    vault, cursors = VaultEscape(steps.endpoint, steps.at), list[int]()
    for token in tokens:
        known = await vault.token(token)
        if known.is_open:
            cursors.append(steps.cursor(exit_) or known.deposit_cursor)
        elif opening := steps.opening(token, exit_):
            await vault.open(steps.sender, token, *opening)
            cursors.append(steps.cursor(exit_))
        else:
            steps.closed.append(token)
    if not cursors:
        return
    steps.shown = await vault.walk(steps.sender, min(cursors), first_block)
    if steps.standing.stage is EscapeStage.PAYMENT:
        steps.refunded = await vault.refund(steps.sender, min(cursors), first_block)


class _Steps:
    """What was done at one vault so far."""

    def __init__(self, endpoint: Endpoint, at: bytes, chain_id: int, standing: VaultStanding, run: EscapeRun) -> None:
        self.endpoint = endpoint
        self.at = at
        self.standing = standing
        self.calls: list[EscapeCall] = []
        self.closed: list[bytes] = []
        self.shown = self.refunded = 0
        self.sender: Sender
        self._chain_id = chain_id
        self._run = run

    def cursor(self, exit_: ExitView | None) -> int:
        """The newest deposit of the snapshot, by the file if there is one."""
        return 0 if exit_ is None else snapshot_counts(exit_, self._chain_id, self.at)[0]

    def opening(self, token: bytes, exit_: ExitView | None) -> tuple[VaultTotals, ExitPlace] | None:
        """What opens a token; None: an exit file is needed. Raises RemoteFault WRONG_EXIT_ROOT, MALFORMED."""
        root = self.standing.checkpoint.exit_root
        if root in (ZERO_HASH, NO_EXITS):
            # No tree was certified: everything goes back to who deposited it.
            return NO_TREE
        if exit_ is None:
            return None
        if root != octets(exit_.exit_root):
            raise RemoteFault(BridgeCode.WRONG_EXIT_ROOT, "exit file", epoch=exit_.epoch, vault=root)
        return exit_opening(exit_, self._chain_id, self.at, token)

    @classmethod
    async def begin(cls, endpoint: Endpoint, at: bytes, secret: bytes, run: EscapeRun) -> "_Steps":
        """Read the vault, and keep the first receipt."""
        chain_id = await endpoint.chain_id()
        steps = cls(endpoint, at, chain_id, await VaultReader(endpoint, at).standing(), run)
        steps.sender = _NotingSender(endpoint, chain_id, secret, steps._note, dry_run=run.dry_run)
        run.on_progress(steps.receipt)
        return steps

    async def end(self) -> EscapeReceipt:
        """The last receipt, with the vault's new state."""
        self.standing = await VaultReader(self.endpoint, self.at).standing()
        self._run.on_progress(self.receipt)
        return self.receipt

    @property
    def receipt(self) -> EscapeReceipt:
        """So far."""
        standing, times = self.standing, self.standing.times
        return EscapeReceipt(
            format="crossclear.escape.v1",
            chain_id=self._chain_id,
            vault=hexed(self.at),
            is_dry_run=self._run.dry_run,
            now=standing.now,
            stage=standing.stage.name.lower(),
            silent_from=times.silent_from,
            escape_from=times.escape_from,
            payments_from=times.payments_from,
            calls=tuple(self.calls),
            deposits_shown=self.shown,
            deposits_refunded=self.refunded,
            closed_tokens=tuple(map(hexed, self.closed)),
        )

    def _note(self, data: bytes, mined: Mined) -> None:
        self.calls.append(
            EscapeCall(
                call=_NAMES.get(data[:4], hexed(data[:4])),
                gas=mined.gas_used,
                block=mined.block_number,
                transaction=hexed(mined.hash),
            )
        )
        self._run.on_progress(self.receipt)


class _NotingSender(Sender):
    """Sends calls, or in a dry run estimates their gas only, and reports each."""

    def __init__(
        self,
        endpoint: Endpoint,
        chain_id: int,
        secret: bytes,
        on_call: Callable[[bytes, Mined], None],
        *,
        dry_run: bool,
    ) -> None:
        super().__init__(endpoint, chain_id, secret)
        self._asked = endpoint
        self._on_call = on_call
        self._dry_run = dry_run

    async def send(self, to: bytes, data: bytes, gas_least: int = 0) -> Mined:
        """Send it, or estimate it. Raises as `Sender.send`."""
        mined = await (self._estimated(to, data) if self._dry_run else super().send(to, data, gas_least))
        self._on_call(data, mined)
        return mined

    async def _estimated(self, to: bytes, data: bytes) -> Mined:
        call = {"from": hex_data(self.address), "to": hex_data(to), "data": hex_data(data)}
        (answer,) = await self._asked.batch((RpcCall("eth_estimateGas", (call,)),))
        if isinstance(answer, Refusal) and answer.is_revert:
            raise RemoteFault(BridgeCode.TRANSACTION_REVERTED, "estimate", message=answer.message)
        return Mined(b"", 0, read_quantity(accepted(answer, "eth_estimateGas"), "eth_estimateGas"))
