"""Deposits: what became of one, by its number at its vault.

Rule: it says what the chain says of a deposit, and what the network does with it; never what an account has.
"""

from clearing.deposits.deposit_refunds import RELEASED_PER_BLOCK_MAX, smallest_refund
from clearing.schema.codes import ClearingCode
from clearing.schema.records.stray_deposits import DepositRefundRecord, RefundedDepositRecord, RefundStage
from clearing.state.state import State
from clearing.validators.chain_attestations import is_detached
from member.api.deposits import VAULT_DEPOSIT, DepositView, RefundView
from member.api.types import hexed
from node.api.calls import NUMBER, ApiCall, Parameter, Routes, known

routes = Routes()
Key = tuple[int, bytes, int]
"""(chain id, vault, nonce)."""


@routes.get(
    "/v1/deposits/{chain_id}/{vault}/{nonce}",
    Parameter("chain_id", "path", NUMBER, "chain of the vault"),
    Parameter("vault", "path", "0x[0-9a-fA-F]{40}", "address of the vault"),
    Parameter("nonce", "path", "[1-9][0-9]{0,17}", VAULT_DEPOSIT),
    refusals=(404,),
)
def deposit(call: ApiCall) -> DepositView:
    """What became of a deposit, why it was not credited, and what happens next. Anybody may ask."""
    chain_id, vault = int(call.parameters["chain_id"]), bytes.fromhex(call.parameters["vault"][2:])
    found = deposit_of(call.state, (chain_id, vault, int(call.parameters["nonce"])))
    return known(found, "vault", chain_id=chain_id, vault=vault)


def deposit_of(state: State, key: Key) -> DepositView | None:
    """A deposit; None where the network has no such vault."""
    cursor = state.deposit_cursors.get(key[:2])
    if cursor is None:
        return None
    refunded = state.refunded_deposits.get(key)
    if refunded is not None:
        return _refunded(state, key, refunded)
    if key in state.stray_deposits:
        return _waiting(state, key)
    if key[2] <= cursor.nonce:
        return _view(state, key, status="credited", next="Nothing: it is in its account.")
    if is_detached(state, *key[:2]):
        return _view(state, key, status="unseen", next=f"{_DETACHED} Its escape refunds it.")
    if (agreed := state.agreed_deposits.get(key)) is not None:
        return _view(
            state,
            key,
            status="agreed",
            next="It is taken in after the deposits before it, and once custody evidence and its token's price allow.",
            account=agreed.deposit.account,
            amount=_number(agreed.deposit.amount),
        )
    return _view(
        state,
        key,
        status="unseen",
        next="It is taken in once its block is final and more than two thirds of the power attest it, in the order of"
        f" the vault's deposits. The last one so far is {cursor.nonce}.",
    )


_DETACHED = "The vault is detached: no checkpoint reaches it any more, so that it is sent nothing."


def _waiting(state: State, key: Key) -> DepositView:
    stray = state.stray_deposits[key]
    wanted = "there is room under the cap of its asset"
    if stray.reason_code == ClearingCode.DEPOSIT_TO_UNKNOWN_ACCOUNT:
        wanted = "its account exists with the depositor's address as its key"
    refund_at = f"From height {stray.due_height} on it is refunded to {hexed(stray.deposit.depositor)}."
    return _view(
        state,
        key,
        status="waiting",
        next=f"It is credited as soon as {wanted}. {refund_at}",
        code=ClearingCode(stray.reason_code),
        account=stray.deposit.account,
        amount=_number(stray.deposit.amount),
        due_height=stray.due_height,
    )


def _refunded(state: State, key: Key, part: RefundedDepositRecord) -> DepositView:
    refund = state.deposit_refunds[*key[:2], part.refund]
    status = {RefundStage.RELEASED: "refund_released", RefundStage.PAID: "refunded"}.get(refund.stage, "refund_due")
    before = _refunds_before(state, key, refund)
    released = state.withdrawals[refund.withdrawal] if status != "refund_due" else None
    return _view(
        state,
        key,
        status=status,
        next=_next_of(state, key, refund, before),
        code=ClearingCode(part.reason_code),
        account=part.account,
        amount=_number(part.amount),
        refund=RefundView(
            number=part.refund,
            depositor=hexed(refund.depositor),
            amount=_number(refund.amount),
            deposits=refund.deposits,
            smallest=str(smallest_refund(state, refund.asset)),
            refunds_before=before,
            withdrawal=refund.withdrawal if released else None,
            not_after_s=released.not_after_s if released else 0,
        ),
    )


def _refunds_before(state: State, key: Key, refund: DepositRefundRecord) -> int:
    queue = state.refund_queues.get(key[:2])
    return refund.place - queue.first_place if queue and refund.stage is RefundStage.QUEUED else 0


def _next_of(state: State, key: Key, refund: DepositRefundRecord, before: int) -> str:
    if refund.stage is RefundStage.PAID:
        return f"Nothing: the vault paid it to {hexed(refund.depositor)} as withdrawal {refund.withdrawal}."
    if refund.stage is RefundStage.RELEASED:
        until = state.withdrawals[refund.withdrawal].not_after_s
        return (
            f"Its vault pays it to {hexed(refund.depositor)} as withdrawal {refund.withdrawal}, which a relayer or"
            f" anybody claims until {until} s. If it is not paid by then, it is released again."
        )
    if is_detached(state, *key[:2]):
        return _DETACHED
    if refund.stage is RefundStage.BELOW_MINIMUM:
        return (
            "It is below the smallest refund of its token: it is released with the next deposits of"
            f" {hexed(refund.depositor)} that are not credited, once they reach it together."
        )
    return (
        f"It is released as a withdrawal to {hexed(refund.depositor)} after {before} other refunds, of which a block"
        f" releases {RELEASED_PER_BLOCK_MAX} while the chain is live."
    )


def _number(amount: bytes) -> str:
    return str(int.from_bytes(amount, "big"))


def _view(state: State, key: Key, *, code: ClearingCode | None = None, **known_fields: object) -> DepositView:
    return DepositView(
        chain_id=key[0],
        vault=hexed(key[1]),
        nonce=key[2],
        height=state.now.height,
        code=code.label if code else "",
        reason=code.remedy if code else "",
        **known_fields,  # type: ignore[arg-type]
    )
