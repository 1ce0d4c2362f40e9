"""Whether members' contributions to the default fund cover what a package lists that the house's own fund does not.

Rule: a format-v1 package tests the house's own fund and lists, for every stress scenario, by how much the two largest
members would exceed it. Contributions are the cash of one more account of the certified list, whose seed and holdings
are published: the opening of its commitment is the whole proof. It runs after all checks of `proofs.verify` with this
opening, of which `inclusion` is one. It must not know how contributions are called.
"""

from clearing.base.ids import FUND_ACCOUNT
from clearing.margin.snapshot import RiskStatement, SlotKind
from proofs.errors import ProofCode, Refused
from proofs.verdict import OwnAccount


def check_contributions(statement: RiskStatement, opened: OwnAccount) -> str:
    """Compare the opened account's cash with every listed deficit; what was found, in words.

    `opened` must have passed `inclusion`. Raises Refused BAD_STATEMENT without stress scenarios or for another account,
    FUND_NOT_COVERED naming the scenario that is short by most.
    """
    if not statement.cover:
        raise Refused(ProofCode.BAD_STATEMENT, "no stress scenarios: there is no test of the default fund")
    if opened.account != FUND_ACCOUNT:
        raise Refused(ProofCode.BAD_STATEMENT, "account of the contributions", account=opened.account)
    terms, public = statement.cover[0], [slot for slot in statement.slots if slot.is_public]
    if opened.account not in dict(terms.members):
        raise Refused(ProofCode.BAD_STATEMENT, "account of the contributions among the members'")
    held = list(zip(public, opened.values, strict=True))
    cash = [value for slot, value in held if slot.kind is SlotKind.CASH]
    if any(value < 0 for _, value in held) or any(v for slot, v in held if slot.kind is SlotKind.POSITION):
        raise Refused(ProofCode.BAD_STATEMENT, "contributions owe cash or have positions")
    paid = sum(cash)
    names = [slot.name.removeprefix("uncovered:") for slot in statement.slots if slot.kind is SlotKind.UNCOVERED]
    short = sorted((paid - deficit, name) for deficit, name in zip(terms.deficits, names, strict=True))
    least, worst = short[0]
    if least < 0:
        raise Refused(ProofCode.FUND_NOT_COVERED, worst, contributions=paid, missing=-least)
    return (
        f"contributions of {paid} micros and the house's fund of {terms.fund} cover what the two largest members would "
        f"lack in {len(names)} stress scenarios; in {worst}, the worst, {least} would be left"
    )
