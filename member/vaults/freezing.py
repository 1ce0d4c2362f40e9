"""Freeze a vault with the evidence that a light client or a node kept: two certified headers of one height.

Rule: the vault checks both certificates, so that anybody may; what it refuses, or knows, costs nothing.
"""

from pathlib import Path

from bridge.codes import BridgeCode
from bridge.relay.transactions import Sender
from bridge.relay.vault_freeze import FreezeOutcome, VaultFreezer
from bridge.rpc.endpoint import Endpoint
from clearing.base.errors import RemoteFault
from member.api.types import Address, Body, Hash, Id, hexed
from member.light.evidence import read_attack
from member.vaults.conflict import CONFLICT_SUFFIX, Conflict, conflict_of, read_conflict_file


class FreezeView(Body, frozen=True):
    """`crossclear vault freeze`."""

    chain_id: Id
    vault: Address
    height: Id
    """Of both headers."""
    outcome: str
    """`would freeze` without a payer; `frozen` also where somebody else did it."""
    transaction: Hash | str
    """Empty where none was sent."""


def read_evidence(path: Path) -> Conflict:
    """A node's file by its ending, else a light client's.

    Raises LocalFault for one that is unreadable, RemoteFault for other bytes.
    """
    return read_conflict_file(path) if path.suffix == CONFLICT_SUFFIX else conflict_of(read_attack(path))


async def freeze_vault(rpc: str, at: bytes, conflict: Conflict, secret: bytes | None) -> FreezeView:
    """Show the vault both headers. `secret`: the key that pays; without it, only try.

    Raises RemoteFault TRANSACTION_REVERTED with the vault's error, before anything is sent, or an endpoint's fault.
    """
    async with Endpoint(rpc) as endpoint:
        chain_id = await endpoint.chain_id()
        sender = Sender(endpoint, chain_id, secret) if secret is not None else None
        freeze = await VaultFreezer(endpoint, at).freeze(*conflict.shown, sender)
    if freeze.outcome is FreezeOutcome.REFUSED:
        raise RemoteFault(BridgeCode.TRANSACTION_REVERTED, "vault", error=freeze.detail)
    return FreezeView(
        chain_id=chain_id,
        vault=hexed(at),
        height=conflict.height,
        outcome=freeze.outcome.value,
        transaction=freeze.detail,
    )
