"""Defaults explained: who could not pay, who took the positions, and which layer bore how much of the loss.

Rule: each layer's shares are recomputed (`member.explaining.loss_allocation`), and sums are followed from receipt to
receipt until the default has ended. Receipts that contradict each other give a line that fails.
"""

from collections.abc import Callable, Iterable
from typing import Any

from clearing.schema.codes import ClearingCode
from clearing.schema.receipts import default, house
from clearing.schema.receipts.default import LayerAllocation, WaterfallLayer
from clearing.schema.receipts.default_fund import FundDrawn
from clearing.schema.records.default import MemberStatus
from member.api.receipts import ReceiptAt
from member.explaining.close_out import (
    EstateBooks,
    bid_taken,
    client_closed,
    collateral_taken,
    deleveraged,
    pooled,
    portfolio_sold,
    ranked,
    taken_by_house,
    torn_up,
)
from member.explaining.formatting import (
    ExplainedReceipt,
    Explanation,
    Line,
    Listing,
    called,
    condition_line,
    equality_line,
    explain_all,
    plain_line,
)
from member.explaining.loss_allocation import Payer, allocation_lines
from member.explaining.recoveries import (
    inventory_closed,
    inventory_offered,
    inventory_sold,
    recovery_ended,
    recovery_paid,
)

FUNDED = (WaterfallLayer.OWN_CONTRIBUTION, WaterfallLayer.SURVIVORS)
_LAYERS = {
    WaterfallLayer.OWN_MARGIN: "the defaulter's own margin",
    WaterfallLayer.OWN_CONTRIBUTION: "the defaulter's own contribution",
    WaterfallLayer.HOUSE_CAPITAL: "the house's capital",
    WaterfallLayer.SURVIVORS: "the survivors' contributions",
    WaterfallLayer.ASSESSMENTS: "assessments",
    WaterfallLayer.GAINS: "gains since the defaulter was last fully margined",
    WaterfallLayer.TEAR_UP: "nobody",
    WaterfallLayer.CLAIMS: "all claims in cash, pro rata",
}


def explain_defaults(receipts: Iterable[ReceiptAt], listing: Callable[[int], Listing]) -> list[ExplainedReceipt]:
    """All receipts of defaults, in order; `listing`: the terms in force at a height."""
    return explain_all(receipts, listing, EstateBooks(Listing()), _EXPLAINERS)


def _status(receipt: default.MemberStatusChanged, _: EstateBooks) -> Explanation:
    before, after = (MemberStatus(status).name.lower() for status in (receipt.before, receipt.after))
    return f"member {receipt.member} was {before} and is {after}", []


def _cured(receipt: default.DeficitCured, _: EstateBooks) -> Explanation:
    owed, paid = sum(micros for _, micros in receipt.deficits), sum(micros for _, _, micros in receipt.paid)
    lines = [plain_line(f"needed in cash group {group}: {micros}") for group, micros in receipt.deficits]
    lines += [
        plain_line(f"{called(split)} paid {micros} in cash group {group}") for split, group, micros in receipt.paid
    ]
    lines.append(equality_line("paid together, out of other accounts of the member", paid, owed))
    title = f"member {receipt.member} paid what {called(receipt.account)} failed on: no default"
    return title, lines


def _declared(receipt: default.DefaultDeclared, books: EstateBooks) -> Explanation:
    books.begin(receipt)
    reason = receipt.reason.name.lower().replace("_", " ")
    lines = [plain_line(f"because of {called(receipt.account)}: {reason}")]
    lines += [
        plain_line(f"{called(account)} owes {micros} in cash group {group}")
        for account, group, micros in receipt.deficits
    ]
    lines.append(
        plain_line(
            f"estate {called(receipt.estate)}; own {_accounts(receipt.own)}; clients {_accounts(receipt.clients)}"
        )
    )
    lines.append(
        plain_line(f"gains are counted from height {receipt.margined_height}, when it was last fully margined")
    )
    auction = f"bids until height {receipt.auction_height}" if receipt.auction_height else "nothing to sell"
    if receipt.reveal_height:
        auction = f"sealed {auction}, revealed from {receipt.reveal_height} on"
    lines.append(plain_line(f"{auction}, porting until {receipt.porting_height}, over by {receipt.deadline_height}"))
    return f"default {receipt.number}: member {receipt.member} cannot pay", lines


def _accounts(accounts: tuple[int, ...]) -> str:
    return ", ".join(called(account) for account in accounts) or "none"


def _loss(receipt: default.LossAllocated, books: EstateBooks) -> Explanation:
    lines = [
        plain_line(f"{called(account)} owes {micros} in cash group {group}")
        for account, group, micros in receipt.deficits
    ]
    owed = sum(micros for _, _, micros in receipt.deficits)
    lines.append(equality_line("loss = what they owe, together", receipt.loss, owed))
    left = receipt.loss
    for step in receipt.steps:
        lines.append(equality_line(f"{_LAYERS[step.layer]}: still to be borne", step.loss_before, left))
        lines += _layer(step)
        left -= step.loss_borne
    lines.append(condition_line("layers pay in their order", _in_order(receipt.steps)))
    lines += books.of_another(receipt.number, receipt.member)
    lines += _moved(receipt, books)
    if left:
        lines.append(plain_line(f"left after these layers: {left}"))
    books.shared(receipt)
    return f"default {receipt.number}: {receipt.loss} are to be borne", lines


def _layer(step: LayerAllocation) -> list[Line]:
    if not step.shares:
        return [condition_line("no payer is left in these layers", step.loss_borne == 0)]
    of_accounts = step.layer in (WaterfallLayer.HOUSE_CAPITAL, WaterfallLayer.GAINS, WaterfallLayer.CLAIMS)
    payers = [
        Payer(called(share.payer) if of_accounts else f"member {share.payer}", share.weight, share.cap, share.amount)
        for share in step.shares
    ]
    paid = sum(share.amount for share in step.shares)
    return [
        *allocation_lines(step.loss_before, payers),
        equality_line("borne by this layer, together", step.loss_borne, paid),
    ]


def _in_order(allocations: tuple[LayerAllocation, ...]) -> bool:
    """A layer pays nothing while one before it has something left."""
    layers = [step.layer for step in allocations]
    full = all(share.amount == share.cap or not share.weight for step in allocations[:-1] for share in step.shares)
    return layers == sorted(layers) and full


def _moved(receipt: default.LossAllocated, books: EstateBooks) -> list[Line]:
    """What the ledger moved, layer by layer, is what the layer bore; the house's capital is there already."""
    lines = []
    borne: dict[int, int] = {}
    for step in receipt.steps:
        if step.layer in (WaterfallLayer.OWN_MARGIN, WaterfallLayer.GAINS, WaterfallLayer.CLAIMS):
            paid = sum(micros for layer, _, _, micros in receipt.paid if layer == step.layer)
            lines.append(equality_line(f"moved to the house for {_LAYERS[step.layer]}", paid, step.loss_borne))
        elif step.layer in FUNDED:
            # A member that was charged for its absence is in two layers.
            for share in step.shares:
                borne[share.payer] = borne.get(share.payer, 0) + share.amount
    for member, amount in borne.items():
        drawn = books.drawn.pop((member, receipt.member), 0)
        lines.append(equality_line(f"drawn from the fund of member {member}", drawn, amount))
    return lines


def _drawn(receipt: FundDrawn, books: EstateBooks) -> Explanation:
    key = (receipt.member, receipt.cause)
    books.drawn[key] = books.drawn.get(key, 0) + receipt.micros
    lines = [plain_line(f"{receipt.left} of its contribution are left")]
    title = f"{receipt.micros} of member {receipt.member}'s contribution bear a loss of member {receipt.cause}"
    return title, lines


def _assessments(receipt: default.AssessmentsCalled, books: EstateBooks) -> Explanation:
    found = books.assessed.get(receipt.number)
    lines = []
    for member, micros in receipt.members:
        text = f"member {member} has to bring"
        stated = None if found is None else found.get(member, 0)
        lines.append(plain_line(f"{text} {micros}") if stated is None else equality_line(text, micros, stated))
    return f"default {receipt.number}: assessments until height {receipt.deadline_height}", lines


def _assessed(receipt: default.AssessmentTaken, books: EstateBooks) -> Explanation:
    lines = [
        plain_line(f"{called(split)} paid {micros} in cash group {group}") for split, group, micros in receipt.paid
    ]
    lines.append(equality_line("paid together", receipt.micros, sum(micros for _, _, micros in receipt.paid)))
    asked = books.assessed.get(receipt.number, {}).get(receipt.member)
    if asked is not None:
        lines.append(condition_line(f"no more than the {asked} it was assessed", receipt.micros <= asked))
    books.bear(receipt.number, WaterfallLayer.ASSESSMENTS, receipt.micros)
    return f"default {receipt.number}: member {receipt.member} paid its assessment", lines


def _ended(receipt: default.DefaultEnded, books: EstateBooks) -> Explanation:
    seen = books.borne.pop(receipt.number, None) if receipt.number in books.seen else None
    lines = []
    for layer, micros in receipt.by_layer:
        text = f"borne by {_LAYERS[WaterfallLayer(layer)]}"
        lines.append(
            plain_line(f"{text}: {micros}")
            if seen is None
            else equality_line(text, micros, seen.get(WaterfallLayer(layer), 0))
        )
    if receipt.house:
        lines.append(plain_line(f"no payer was left for {receipt.house}: the house owes it"))
    whole = sum(micros for _, micros in receipt.by_layer) + receipt.house
    lines.append(equality_line("loss = all layers, and the house", receipt.loss, whole))
    lines += books.of_another(receipt.number, receipt.member)
    until = receipt.replenishment_height
    lines += [
        plain_line(f"member {member} is called for {micros} until height {until}")
        for member, micros in receipt.replenished
    ]
    return f"default {receipt.number} of member {receipt.member} has ended", lines


def _rescued(receipt: default.ClientRescued, _: EstateBooks) -> Explanation:
    title = f"default {receipt.number}: {called(receipt.account)} passed to member {receipt.to_member} as it is"
    return title, [plain_line(f"with {called(child)}") for child in receipt.children]


def _ported_to_standby(receipt: default.PortedToStandby, _: EstateBooks) -> Explanation:
    title = f"default {receipt.number}: {called(receipt.account)} ported to its standby member {receipt.to_member}"
    return title, [plain_line(f"with {called(child)}") for child in receipt.children]


def _standby_not_taken(receipt: default.StandbyNotTaken, _: EstateBooks) -> Explanation:
    code = ClearingCode(receipt.code).name.lower()
    title = f"default {receipt.number}: {called(receipt.account)} is not ported to its standby member {receipt.standby}"
    return title, [plain_line(f"because of {code}")]


def _readmitted(receipt: default.MemberReadmitted, _: EstateBooks) -> Explanation:
    return f"member {receipt.member} is taken in again, after default {receipt.number}", []


def _left(receipt: default.MemberLeft, _: EstateBooks) -> Explanation:
    return f"member {receipt.member} has left for good", []


_EXPLAINERS: dict[type, Callable[[Any, EstateBooks], Explanation]] = {
    default.MemberStatusChanged: _status,
    default.DeficitCured: _cured,
    default.DefaultDeclared: _declared,
    default.EstatePooled: pooled,
    default.DefaultBidTaken: bid_taken,
    default.PortfolioSold: portfolio_sold,
    default.BiddersRanked: ranked,
    default.ClientRescued: _rescued,
    default.PortedToStandby: _ported_to_standby,
    default.StandbyNotTaken: _standby_not_taken,
    default.Deleveraged: deleveraged,
    default.HouseTakeover: taken_by_house,
    default.ClientClosedOut: client_closed,
    default.CollateralTaken: collateral_taken,
    default.LossAllocated: _loss,
    default.AssessmentsCalled: _assessments,
    default.AssessmentTaken: _assessed,
    default.PositionsTornUp: torn_up,
    default.DefaultEnded: _ended,
    default.MemberReadmitted: _readmitted,
    default.MemberLeft: _left,
    FundDrawn: _drawn,
    house.InventoryOffered: inventory_offered,
    house.InventorySold: inventory_sold,
    house.InventoryClosed: inventory_closed,
    house.RecoveryPaid: recovery_paid,
    house.RecoveryEnded: recovery_ended,
}
