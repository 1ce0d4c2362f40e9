"""What became of a transaction, by its hash.

Rule: who knows the hash learns how it ended; receipts and a refusal's values, which may tell of margin, are for a
member that is a party. What this node never had, or has forgotten, is refused as unknown.
"""

from typing import Literal

from clearing.accounts.signatories import accounts_of, signatories, signing_addresses
from clearing.base.errors import CodeBook, Rejected
from clearing.schema.blocks.receipt import Receipt, Refused
from clearing.schema.blocks.transaction import Transaction
from clearing.state.state import State
from member.api.receipts import ReceiptAt
from member.api.transactions import TransactionView
from member.api.types import Problem, hexed, octets
from member.client.node_refusal import code_of
from member.codes import NodeCode
from member.explaining.receipt_index import masked, receipt_accounts
from node.api.calls import (
    ApiCall,
    ApiRefusal,
    Parameter,
    Routes,
    owner_of,
    problem_of,
    run_in_worker,
)
from node.api.receipts import masks_of, receipt_view
from node.store.fate_table import FateRecord, FateState

routes = Routes()
STATES: dict[FateState, Literal["pending", "applied", "refused", "dropped", "expired"]] = {
    FateState.PENDING: "pending",
    FateState.APPLIED: "applied",
    FateState.REFUSED: "refused",
    FateState.DROPPED: "dropped",
    FateState.EXPIRED: "expired",
}


@routes.get(
    "/v1/transactions/{hash}",
    Parameter("hash", "path", "0x[0-9a-f]{64}", "`hash` of the answer to the submission"),
    may_sign=True,
    refusals=(404, 503),
)
async def transaction(call: ApiCall) -> TransactionView:
    """What became of a transaction that this node accepted or that is in a block.

    Anybody may ask for its state and its refusal's code; a signed request of a member that is a party also shows its
    receipts and the refusal's values. An unknown hash is refused with 404.
    """
    hash_ = octets(call.parameters["hash"])
    fate = call.view.fate(hash_)
    if fate is None:
        if not call.view.fates_complete():
            raise ApiRefusal(503, NodeCode.TRANSACTIONS_UNREAD, "hash", hash=hash_)
        raise ApiRefusal(404, NodeCode.TRANSACTION_UNKNOWN, "hash", hash=hash_)
    values: dict[str, str] = {}
    shown: tuple[Receipt, ...] = ()
    if call.signer and fate.height:
        outcome = await run_in_worker(call.view.outcome, fate)
        if outcome is not None and is_party(call.state, outcome[0], call.signer):
            shown = _readable(call.state, outcome[1], call.signer)
            values = {name: text for each in outcome[1] if isinstance(each, Refused) for name, text in each.values}
    return TransactionView(
        hash=hexed(hash_),
        state=STATES[fate.state],
        time_ms=fate.time_ms,
        height=fate.height,
        index=fate.index,
        problem=_problem(fate),
        values=values,
        receipts=tuple(receipt_view(ReceiptAt(fate.height, fate.index, receipt)) for receipt in shown),
    )


def is_party(state: State, transaction: Transaction, address: bytes) -> bool:
    """Whether the member with this trade key owns an account that the request concerns, or may sign for a signatory."""
    if any(owner_of(state, account) == address for account in accounts_of(transaction)):
        return True
    return any(address in signing_addresses(state, who) for who in signatories(transaction))


def _readable(state: State, receipts: list[Receipt], address: bytes) -> tuple[Receipt, ...]:
    """Those that name an account of this member or none at all, others' accounts masked."""
    masks = masks_of(state, address)
    found = []
    for receipt in receipts:
        accounts = receipt_accounts(receipt)
        if not isinstance(receipt, Refused) and (
            not accounts or any(owner_of(state, account) == address for account in accounts)
        ):
            found.append(masked(receipt, masks))
    return tuple(found)


def _problem(fate: FateRecord) -> Problem | None:
    if fate.state in (FateState.PENDING, FateState.APPLIED):
        return None
    code: CodeBook = code_of(fate.code) or NodeCode.API_REFUSED
    return problem_of(Rejected(code, fate.place or "transaction"))
