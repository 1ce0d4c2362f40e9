"""Claims by an exit file at the vaults of one chain, when the network is gone: every step that is possible now.

Rule: the file was verified before; the vault checks every leaf again. It needs no node. Repeat it until all is paid.
"""

from bridge.codes import BridgeCode
from bridge.contracts.escape import EscapeStage, ExitPayment
from bridge.evm.hexadecimal import hex_data
from bridge.relay.transactions import Sender
from bridge.relay.vault_escape import VaultEscape
from bridge.relay.vault_reader import VaultReader, VaultStanding
from bridge.rpc.endpoint import Endpoint
from clearing.base.errors import LocalFault, RemoteFault
from member.api.proofs import ExitLeafView, ExitView
from member.api.types import Body, Id, octets
from member.codes import NodeCode
from member.vaults.exit_opening import exit_opening, exit_place, snapshot_counts
from member.verifying.exits import leaf_of


class LeafAtVault(Body, frozen=True):
    """A payment, what the vault has paid of it, and what it paid just now."""

    index: Id
    kind: str
    number: Id
    token: str
    amount: str
    paid: str
    paid_now: str = "0"


class ExitAtVault(Body, frozen=True):
    """The payments of an exit file at one vault. Times in seconds; 0 while no escape was triggered."""

    chain_id: Id
    vault: str
    stage: str
    now: Id
    silent_from: Id
    escape_from: Id
    payments_from: Id
    is_newest: bool
    """Whether the vault's newest certified exit root is that of the file. Only such a file can be claimed by."""
    leaves: tuple[LeafAtVault, ...]
    done: tuple[str, ...] = ()
    """What was sent just now."""


async def exit_at_vaults(rpc: str, exit_: ExitView) -> tuple[ExitAtVault, ...]:
    """What the vaults of the endpoint's chain say of a file's payments.

    Raises LocalFault OUT_OF_PLACE when it has none on that chain, RemoteFault for an endpoint's faults.
    """
    async with Endpoint(rpc) as endpoint:
        chain_id = await endpoint.chain_id()
        return tuple([await _look(endpoint, exit_, chain_id, at) for at in _vaults(exit_, chain_id)])


async def claim_at_vaults(
    rpc: str, exit_: ExitView, secret: bytes, first_block: int, *, settle: bool
) -> tuple[ExitAtVault, ...]:
    """Take every step that is possible now at the vaults of the endpoint's chain.

    `secret`: the key that pays for transactions. `settle`: also show the vault its own records from `first_block` on,
    and refund what was deposited after the snapshot, which helps all owners. Raises as `exit_at_vaults`.
    """
    async with Endpoint(rpc) as endpoint:
        chain_id = await endpoint.chain_id()
        sender = Sender(endpoint, chain_id, secret)
        found = []
        for at in _vaults(exit_, chain_id):
            done, paid = await _VaultClaims(endpoint, sender, exit_, chain_id, at).advance(first_block, settle=settle)
            found.append(await _look(endpoint, exit_, chain_id, at, done, paid))
        return tuple(found)


class _VaultClaims:
    """The steps at one vault."""

    def __init__(self, endpoint: Endpoint, sender: Sender, exit_: ExitView, chain_id: int, at: str) -> None:
        self._vault, self._reader = VaultEscape(endpoint, octets(at)), VaultReader(endpoint, octets(at))
        self._sender = sender
        self._exit = exit_
        self._place = chain_id, octets(at)
        self._leaves = _leaves_of(exit_, chain_id, at)
        self._cursor, self._count = snapshot_counts(exit_, *self._place)

    async def advance(self, first_block: int, *, settle: bool) -> tuple[list[str], dict[int, int]]:
        """What was done, and base units that were paid by leaf."""
        standing, done = await self._reader.standing(), list[str]()
        if standing.stage is EscapeStage.SILENT:
            await self._vault.trigger(self._sender)
            return ["the escape was triggered"], {}
        if standing.stage < EscapeStage.SETTLEMENT:
            return [], {}
        if standing.checkpoint.exit_root != octets(self._exit.exit_root):
            raise RemoteFault(
                BridgeCode.WRONG_EXIT_ROOT, "exit file", epoch=self._exit.epoch, vault=standing.checkpoint.exit_root
            )
        tokens = {octets(leaf.token) for leaf in self._leaves}
        if settle:
            tokens.update(await self._vault.deposited_tokens(self._cursor, first_block))
        for token in sorted(tokens):
            if await self._vault.open(self._sender, token, *exit_opening(self._exit, *self._place, token)):
                done.append(f"the exit of token {hex_data(token)} was opened")
        if settle:
            done += await self._settle(standing, first_block)
        if standing.stage is not EscapeStage.PAYMENT:
            return done, {}
        paid = await self._claim()
        done += [f"the vault refused to pay leaf {index}" for index, amount in paid.items() if amount is None]
        return done, {index: amount for index, amount in paid.items() if amount is not None}

    async def _settle(self, standing: VaultStanding, first_block: int) -> list[str]:
        figures = {
            "payments after the snapshot shown": await self._vault.show_payments(
                self._sender, self._count, first_block
            ),
            "deposits after the snapshot shown": await self._vault.walk(self._sender, self._cursor, first_block),
        }
        if standing.stage is EscapeStage.PAYMENT:
            figures["deposits refunded"] = await self._vault.refund(self._sender, self._cursor, first_block)
        return [f"{what}: {count}" for what, count in figures.items() if count]

    async def _claim(self) -> dict[int, int | None]:
        paid: dict[int, int | None] = {}
        for view in self._leaves:
            leaf, known = leaf_of(self._exit.account, view), await self._vault.leaf(view.index)
            if known.is_settled and known.paid == leaf.amount:
                continue
            payment = ExitPayment(
                salt=leaf.salt,
                kind=int(leaf.kind),
                epoch=self._exit.epoch,
                number=leaf.number,
                token=leaf.token,
                to=leaf.to,
                amount=leaf.amount,
                account=leaf.account,
                not_after_s=leaf.not_after_s,
            )
            paid[view.index] = await self._vault.claim(self._sender, payment, exit_place(self._exit, view))
        return paid


async def _look(
    endpoint: Endpoint,
    exit_: ExitView,
    chain_id: int,
    at: str,
    done: list[str] | None = None,
    paid_now: dict[int, int] | None = None,
) -> ExitAtVault:
    vault = VaultEscape(endpoint, octets(at))
    standing, leaves = await VaultReader(endpoint, octets(at)).standing(), []
    for view in _leaves_of(exit_, chain_id, at):
        known, now = await vault.leaf(view.index), (paid_now or {}).get(view.index, 0)
        leaves.append(
            LeafAtVault(
                index=view.index,
                kind=view.kind,
                number=view.number,
                token=view.token,
                amount=view.amount,
                paid=str(known.paid),
                paid_now=str(now),
            )
        )
    return ExitAtVault(
        chain_id=chain_id,
        vault=at,
        stage=standing.stage.name.lower(),
        now=standing.now,
        silent_from=standing.times.silent_from,
        escape_from=standing.times.escape_from,
        payments_from=standing.times.payments_from,
        is_newest=standing.checkpoint.exit_root == octets(exit_.exit_root),
        leaves=tuple(leaves),
        done=tuple(done or ()),
    )


def _vaults(exit_: ExitView, chain_id: int) -> list[str]:
    found = sorted({leaf.vault for leaf in exit_.leaves if leaf.chain_id == chain_id})
    if not found:
        chains = sorted({leaf.chain_id for leaf in exit_.leaves})
        raise LocalFault(NodeCode.EXIT_OF_ANOTHER_CHAIN, "rpc", chain_id=chain_id, chains=str(chains))
    return found


def _leaves_of(exit_: ExitView, chain_id: int, at: str) -> list[ExitLeafView]:
    return [leaf for leaf in exit_.leaves if (leaf.chain_id, leaf.vault) == (chain_id, at)]
