"""Inclusion: one account opened against a package, a member's own or the account of the members' contributions.

Rule: holdings are given by slot names, such as `position:BTC-PERP`; slots not named are zero, and a name that the
package does not have is the caller's mistake. Holdings and seed go nowhere else. A package tests the
house's own default fund and lists, for every stress scenario, by how much the two largest members would exceed it;
members' contributions are the cash of one more account, whose seed and holdings are published, and its opening is the
whole proof that they cover the listed amounts. It must not know how contributions are called.
"""

from collections.abc import Mapping, Sequence

from clearing.base.errors import BaseCode, LocalFault
from clearing.base.ids import FUND_ACCOUNT
from clearing.margin.statement.snapshot import RiskStatement, SlotKind
from proofs.epoch.package import EpochPackage
from proofs.errors import ProofCode, VerificationFailed
from proofs.verify.verdict import OwnAccount, printable


def own_account(
    package: EpochPackage, account: int, holdings: Mapping[str, int], seed: bytes, owner: bytes
) -> OwnAccount:
    """An account by its holdings (slot name to whole units), its 32-byte seed of the epoch and the 20-byte address that
    owns it. Raises LocalFault OUT_OF_RANGE."""
    return OwnAccount(account, values_in_slots(package.statement, holdings), seed, owner)


def check_commitments_differ(commitments: Sequence[tuple[int, bytes]]) -> None:
    """Raises VerificationFailed COMMITMENTS_EQUAL naming two accounts with one commitment: no two have the same
    blinders."""
    accounts: dict[bytes, int] = {}
    for account, commitment in commitments:
        if commitment in accounts:
            raise VerificationFailed(ProofCode.COMMITMENTS_EQUAL, f"accounts {accounts[commitment]} and {account}")
        accounts[commitment] = account


def values_in_slots(statement: RiskStatement, holdings: Mapping[str, int]) -> tuple[int, ...]:
    """Amounts for all slots but the auxiliary ones, zero where none is named. Raises LocalFault for an unknown name."""
    names = [slot.name for slot in statement.slots if slot.is_public]
    for name in sorted(holdings.keys() - set(names)):
        raise LocalFault(BaseCode.OUT_OF_RANGE, "holdings", slot=name, slots=printable(", ".join(names)))
    return tuple(holdings.get(name, 0) for name in names)


def check_contributions(statement: RiskStatement, opened: OwnAccount) -> str:
    """Compare the opened account's cash with every listed deficit; returns the result as text.

    `opened` must have passed `inclusion`. Raises VerificationFailed BAD_STATEMENT without stress scenarios or for
    another account, FUND_NOT_COVERED naming the scenario that is short by most.
    """
    if not statement.cover:
        raise VerificationFailed(ProofCode.BAD_STATEMENT, "no stress scenarios: there is no test of the default fund")
    if opened.account != FUND_ACCOUNT:
        raise VerificationFailed(ProofCode.BAD_STATEMENT, "account of the contributions", account=opened.account)
    terms, public = statement.cover[0], [slot for slot in statement.slots if slot.is_public]
    if opened.account not in dict(terms.members):
        raise VerificationFailed(ProofCode.BAD_STATEMENT, "account of the contributions among the members'")
    amounts = list(zip(public, opened.values, strict=True))
    cash = [value for slot, value in amounts if slot.kind is SlotKind.CASH]
    if any(value < 0 for _, value in amounts) or any(v for slot, v in amounts if slot.kind is SlotKind.POSITION):
        raise VerificationFailed(ProofCode.BAD_STATEMENT, "contributions owe cash or have positions")
    paid = sum(cash)
    names = [slot.name.removeprefix("uncovered:") for slot in statement.slots if slot.kind is SlotKind.UNCOVERED]
    short = sorted((paid - deficit, name) for deficit, name in zip(terms.deficits, names, strict=True))
    margin, worst = short[0]
    if margin < 0:
        raise VerificationFailed(ProofCode.FUND_NOT_COVERED, worst, contributions=paid, missing=-margin)
    return (
        f"contributions of {paid} micros and the house's fund of {terms.fund} cover what the two largest members would "
        f"lack in {len(names)} stress scenarios; in {worst}, the worst, {margin} would be left"
    )
