"""Collateral events that anybody submits, and the answers about them: where an event is, and how far it came."""

from typing import Annotated, Literal

from msgspec import Meta

from bridge.evm.events import NODE_BYTES_MAX
from bridge.evm.receipts import PROOF_NODES_MAX
from member.api.proofs import TokenAmount
from member.api.types import Body, Hash, Id, Problem, SmallId

ProgressName = Literal["submitted", "seen", "final", "proven", "attested", "credited", "refused"]
"""
- `submitted`: not found on its chain yet.
- `seen`: in a block that is not final.
- `final`: in a final block that the node has not scanned.
- `proven`: the node attests it.
- `attested`: more than two thirds of the power attest it, and it waits for its turn.
- `credited`: a deposit is credited, a payment or a rotation applied.
- `refused`: `problem` says why.
"""
ENDS = ("credited", "refused")
ProofNode = Annotated[str, Meta(pattern="^0x([0-9a-f]{2})+$", max_length=2 + 2 * NODE_BYTES_MAX)]


class ReceiptProofBody(Body, frozen=True):
    """Log `log_index`, counted within the receipt, of receipt `receipt_index` of a block. `proof`: nodes of the block's
    receipts trie, from the root to the receipt."""

    block_hash: Hash
    receipt_index: SmallId
    log_index: SmallId
    proof: Annotated[tuple[ProofNode, ...], Meta(min_length=1, max_length=PROOF_NODES_MAX)]


class CollateralEventBody(Body, frozen=True):
    """An event of a vault: either the transaction that made it, or its receipt proof. Neither is trusted."""

    chain_id: Id
    transaction_hash: Hash | None = None
    receipt_proof: ReceiptProofBody | None = None


class CollateralEventResult(Body, frozen=True):
    """The event is looked for. Ask for its status by `reference`: of a transaction its hash."""

    chain_id: Id
    reference: Hash
    status: Literal["accepted", "known"]


class VaultEventView(Body, frozen=True):
    """One event of the vault. `number` is a deposit's or withdrawal's nonce, or the height of a rotation."""

    kind: Literal["deposit", "withdrawal", "rotation"]
    number: Id
    block_number: Id
    block_hash: Hash
    progress: ProgressName
    account: Id | None = None
    """Of a deposit, as are token and amount."""
    token: str = ""
    amount: TokenAmount = "0"
    attested_power: Id = 0
    """Of validators that attest it, until more than two thirds do."""
    problem: Problem | None = None


class CollateralEventView(Body, frozen=True):
    """How far a submitted event is, at a height."""

    chain_id: Id
    reference: Hash
    height: Id
    progress: ProgressName
    """The earliest step among `events`, or of the submission itself."""
    total_power: Id
    events: tuple[VaultEventView, ...] = ()
    problem: Problem | None = None
    """Why it is refused, or what went wrong when the node looked last."""
