"""Contributions to the default fund in a close-out: whose they are, and which debts they pay before others' claims do.

Rule: a member's part first pays what its own accounts are left owing, its clients' too; then all parts pay what the
house cannot, in proportion, each micro by somebody (`allocate`); what is left of a part is a claim of the account that
it is paid back to. It writes nothing and knows no tokens.
"""

from dataclasses import dataclass, field

from clearing.base.units import allocate
from clearing.fund.parts import own_accounts, size_in_force
from clearing.state.state import State


@dataclass(slots=True)
class Parts:
    """Mutable: what is left of each member's part."""

    group: int = 0
    """Index of the cash group that parts are claims on."""
    micros: dict[int, int] = field(default_factory=dict)
    """By member, ordered."""
    member_of: dict[int, int] = field(default_factory=dict)
    """By account."""
    account_of: dict[int, int] = field(default_factory=dict)
    """Where each member's part is paid back to."""

    def pay_own(self, account: int, debt: int) -> int:
        """What the part of the account's member pays of a debt of that account."""
        member = self.member_of.get(account, -1)
        paid = min(self.micros.get(member, 0), debt)
        if paid:
            self.micros[member] -= paid
        return paid

    def pay_together(self, debt: int) -> int:
        """What all parts pay of a debt of the house, in proportion to what is left of them."""
        paid = min(sum(self.micros.values()), debt)
        if paid:
            shares = allocate(paid, list(self.micros.values()))
            self.micros = {
                member: left - share for (member, left), share in zip(self.micros.items(), shares, strict=True)
            }
        return paid


def parts_in(state: State) -> Parts:
    """The parts that there are; linear in the accounts where there is a fund."""
    held = {member: record for member, record in state.contributions.ordered() if record.micros}
    if not held:
        return Parts()
    lowest = own_accounts(state)
    back = {}
    for member, record in held.items():
        account = state.accounts.get(record.account)
        good = account is not None and account.member == member
        back[member] = record.account if good else lowest.get(member, -1)
    return Parts(
        group=state.terms.cash_groups.index(size_in_force(state).cash_group),
        micros={member: record.micros for member, record in held.items()},
        member_of={account: record.member for account, record in state.accounts.ordered()},
        account_of=back,
    )
