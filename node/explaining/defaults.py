"""Defaults in words: who could not pay, who took the positions, and which layer bore how much of the loss.

Rule: each layer's shares are computed anew (`node.explaining.allocation`), sums are followed from receipt to receipt
until the default has ended, and what one of them says that another denies is told. Members are told by number.
"""

from collections.abc import Callable, Iterable
from typing import Any

from clearing.default import receipts as default
from clearing.default.records import MemberStatus
from clearing.default.waterfall import Layer, Step
from clearing.fund.receipts import FundDrawn
from clearing.receipts import Receipt
from node.api.view import ReceiptAt
from node.explaining.allocation import Payer, sharing_lines
from node.explaining.auctions import bid_taken, portfolio_sold, ranked
from node.explaining.closing import client_closed, collateral_taken, deleveraged, taken_by_house, torn_up
from node.explaining.estates import Books, pooled
from node.explaining.lines import Line, Told, equal, holds, sensible, tell
from node.explaining.telling import Listing, called

Words = tuple[str, list[Line]]
FUNDED = (Layer.OWN_CONTRIBUTION, Layer.SURVIVORS)
_LAYERS = {
    Layer.OWN_MARGIN: "the defaulter's own margin",
    Layer.OWN_CONTRIBUTION: "the defaulter's own contribution",
    Layer.HOUSE_CAPITAL: "the house's capital",
    Layer.SURVIVORS: "the survivors' contributions",
    Layer.ASSESSMENTS: "assessments",
    Layer.GAINS: "gains since the defaulter was last fully margined",
    Layer.TEAR_UP: "tear-up",
}


def tell_defaults(receipts: Iterable[ReceiptAt], listing: Callable[[int], Listing]) -> list[Told]:
    """All receipts of defaults, in order; `listing`: the terms in force at a height."""
    books, told = Books(Listing()), []
    for at in receipts:
        if type(at.receipt) in _TELL:
            books.listing, books.height = listing(at.height), at.height
            title, lines = _words(at.receipt, books)
            kind = type(at.receipt).__name__
            told.append(Told(height=at.height, index=at.index, kind=kind, title=title, lines=tuple(lines)))
    return told


def _words(receipt: Receipt, books: Books) -> Words:
    return sensible(lambda: _TELL[type(receipt)](receipt, books))


def _status(receipt: default.StatusChanged, _: Books) -> Words:
    before, after = (MemberStatus(each).name.lower() for each in (receipt.before, receipt.after))
    return f"member {receipt.member} was {before} and is {after}", []


def _cured(receipt: default.DeficitCured, _: Books) -> Words:
    owed, paid = sum(micros for _, micros in receipt.deficits), sum(micros for _, _, micros in receipt.paid)
    lines = [tell(f"needed in cash group {group}: {micros}") for group, micros in receipt.deficits]
    lines += [tell(f"{called(each)} paid {micros} in cash group {group}") for each, group, micros in receipt.paid]
    lines.append(equal("paid together, out of other accounts of the member", paid, owed))
    title = f"member {receipt.member} paid what {called(receipt.account)} failed on: no default"
    return title, lines


def _declared(receipt: default.DefaultDeclared, books: Books) -> Words:
    books.begin(receipt)
    reason = receipt.reason.name.lower().replace("_", " ")
    lines = [tell(f"because of {called(receipt.account)}: {reason}")]
    lines += [tell(f"{called(each)} owes {micros} in cash group {group}") for each, group, micros in receipt.deficits]
    lines.append(tell(f"estate {called(receipt.estate)}; own {_all(receipt.own)}; clients {_all(receipt.clients)}"))
    lines.append(tell(f"gains are counted from height {receipt.margined_height}, when it was last fully margined"))
    auction = f"bids until height {receipt.auction_height}" if receipt.auction_height else "nothing to sell"
    lines.append(tell(f"{auction}, porting until {receipt.porting_height}, over by {receipt.deadline_height}"))
    return f"default {receipt.number}: member {receipt.member} cannot pay", lines


def _all(accounts: tuple[int, ...]) -> str:
    return ", ".join(called(each) for each in accounts) or "none"


def _loss(receipt: default.LossShared, books: Books) -> Words:
    lines = [tell(f"{called(each)} owes {micros} in cash group {group}") for each, group, micros in receipt.deficits]
    owed = sum(micros for _, _, micros in receipt.deficits)
    lines.append(equal("loss = what they owe, together", receipt.loss, owed))
    left = receipt.loss
    for step in receipt.steps:
        lines.append(equal(f"{_LAYERS[step.layer]}: still to be borne", step.before, left))
        lines += _layer(step)
        left -= step.borne
    lines.append(holds("layers pay in their order", _in_order(receipt.steps)))
    lines += books.of_another(receipt.number, receipt.member)
    lines += _moved(receipt, books)
    if left:
        lines.append(tell(f"left after these layers: {left}"))
    books.shared(receipt)
    return f"default {receipt.number}: {receipt.loss} are to be borne", lines


def _layer(step: Step) -> list[Line]:
    if not step.shares:
        return [holds("nobody is left to bear it: positions end at the last mark", step.borne == 0)]
    of_accounts = step.layer in (Layer.HOUSE_CAPITAL, Layer.GAINS, Layer.TEAR_UP)
    payers = [
        Payer(called(each.payer) if of_accounts else f"member {each.payer}", each.weight, each.most, each.amount)
        for each in step.shares
    ]
    paid = sum(each.amount for each in step.shares)
    return [*sharing_lines(step.before, payers), equal("borne by this layer, together", step.borne, paid)]


def _in_order(steps: tuple[Step, ...]) -> bool:
    """A layer pays nothing while one before it has something left."""
    layers = [step.layer for step in steps]
    full = all(share.amount == share.most or not share.weight for step in steps[:-1] for share in step.shares)
    return layers == sorted(layers) and full


def _moved(receipt: default.LossShared, books: Books) -> list[Line]:
    """What the ledger moved, layer by layer, is what the layer bore; the house's capital is there already."""
    lines = []
    for step in receipt.steps:
        if step.layer in (Layer.OWN_MARGIN, Layer.GAINS):
            paid = sum(micros for layer, _, _, micros in receipt.paid if layer == step.layer)
            lines.append(equal(f"moved to the house for {_LAYERS[step.layer]}", paid, step.borne))
        elif step.layer in FUNDED:
            for share in step.shares:
                drawn = books.drawn.pop((share.payer, receipt.member), 0)
                lines.append(equal(f"drawn from the fund of member {share.payer}", drawn, share.amount))
    return lines


def _drawn(receipt: FundDrawn, books: Books) -> Words:
    key = (receipt.member, receipt.cause)
    books.drawn[key] = books.drawn.get(key, 0) + receipt.micros
    lines = [tell(f"{receipt.left} of its contribution are left")]
    title = f"{receipt.micros} of member {receipt.member}'s contribution bear a loss of member {receipt.cause}"
    return title, lines


def _assessments(receipt: default.AssessmentsCalled, books: Books) -> Words:
    found = books.assessed.get(receipt.number)
    lines = []
    for member, micros in receipt.members:
        text = f"member {member} has to bring"
        stated = None if found is None else found.get(member, 0)
        lines.append(tell(f"{text} {micros}") if stated is None else equal(text, micros, stated))
    return f"default {receipt.number}: assessments until height {receipt.deadline_height}", lines


def _assessed(receipt: default.AssessmentTaken, books: Books) -> Words:
    lines = [tell(f"{called(each)} paid {micros} in cash group {group}") for each, group, micros in receipt.paid]
    lines.append(equal("paid together", receipt.micros, sum(micros for _, _, micros in receipt.paid)))
    asked = books.assessed.get(receipt.number, {}).get(receipt.member)
    if asked is not None:
        lines.append(holds(f"no more than the {asked} it was assessed", receipt.micros <= asked))
    books.bear(receipt.number, Layer.ASSESSMENTS, receipt.micros)
    return f"default {receipt.number}: member {receipt.member} paid its assessment", lines


def _ended(receipt: default.DefaultEnded, books: Books) -> Words:
    seen = books.borne.pop(receipt.number, None) if receipt.number in books.seen else None
    lines = []
    for layer, micros in receipt.by_layer:
        text = f"borne by {_LAYERS[Layer(layer)]}"
        lines.append(tell(f"{text}: {micros}") if seen is None else equal(text, micros, seen.get(Layer(layer), 0)))
    if receipt.house:
        lines.append(tell(f"nobody was left to bear {receipt.house}: the house owes it"))
    whole = sum(micros for _, micros in receipt.by_layer) + receipt.house
    lines.append(equal("loss = all layers, and the house", receipt.loss, whole))
    lines += books.of_another(receipt.number, receipt.member)
    until = receipt.replenishment_height
    lines += [
        tell(f"member {each} is called for {micros} until height {until}") for each, micros in receipt.replenished
    ]
    return f"default {receipt.number} of member {receipt.member} has ended", lines


def _rescued(receipt: default.ClientRescued, _: Books) -> Words:
    title = f"default {receipt.number}: {called(receipt.account)} passed to member {receipt.to_member} as it is"
    return title, [tell(f"with {called(each)}") for each in receipt.children]


def _readmitted(receipt: default.MemberReadmitted, _: Books) -> Words:
    return f"member {receipt.member} is taken in again, after default {receipt.number}", []


def _left(receipt: default.MemberLeft, _: Books) -> Words:
    return f"member {receipt.member} has left for good", []


_TELL: dict[type, Callable[[Any, Books], Words]] = {
    default.StatusChanged: _status,
    default.DeficitCured: _cured,
    default.DefaultDeclared: _declared,
    default.EstatePooled: pooled,
    default.DefaultBidTaken: bid_taken,
    default.PortfolioSold: portfolio_sold,
    default.BiddersRanked: ranked,
    default.ClientRescued: _rescued,
    default.Deleveraged: deleveraged,
    default.TakenByHouse: taken_by_house,
    default.ClientClosedOut: client_closed,
    default.CollateralTaken: collateral_taken,
    default.LossShared: _loss,
    default.AssessmentsCalled: _assessments,
    default.AssessmentTaken: _assessed,
    default.TornUp: torn_up,
    default.DefaultEnded: _ended,
    default.MemberReadmitted: _readmitted,
    default.MemberLeft: _left,
    FundDrawn: _drawn,
}
