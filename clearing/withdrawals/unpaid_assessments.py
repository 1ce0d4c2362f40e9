"""Unpaid assessments: what assessed members cannot pay is lost again, and others are assessed for it.

Rule: a member can surely pay what its own accounts have above initial margin, and a member in default nothing. An
affiliate's money is not debited for an assessment and may leave before, so it does not count. What an assessment comes
to beyond that is foreseen as a loss of its member, from the assessment until that member's own default has allocated
it. Members bear a loss in proportion, those that cannot pay their part no more than they can, and nobody
more than its cap for the period has left. It moves no money.
"""

from collections.abc import Mapping
from typing import NamedTuple

from clearing.base.units import mul_div_up
from clearing.context.block_context import BlockContext
from clearing.context.member_status import member_status, sides_by_member
from clearing.context.unresolved_losses import outstanding_assessment
from clearing.schema.records.default import DefaultPhase, DefaultRecord, MemberStatus
from clearing.schema.terms.genesis import AccountKind
from clearing.state.holdings import current_arrays, current_holdings, holdings_margin
from clearing.state.indexes import MEMBER_ACCOUNTS, holders
from clearing.state.ledger import balance, cash_currency, soft_credit_total
from clearing.state.state import State
from clearing.withdrawals.worst_moves import worst_side_loss


class ForeseenLoss(NamedTuple):
    """A loss that members may be assessed for."""

    member: int
    """Whose loss it is: it is not assessed for it."""
    micros: int
    liable: Mapping[int, int]
    """By member, the contribution that counts for its assessment."""


def required_contributions(state: State) -> dict[int, int]:
    """By member, the required contribution now."""
    return {member: record.required for member, record in state.contributions.ordered()}


def unpaid_assessments(context: BlockContext, open_defaults: list[DefaultRecord]) -> list[ForeseenLoss]:
    """What members cannot pay of what they were assessed, and what those that could not owe before their own default is
    declared; by member, ordered."""
    state = context.state
    assessed: dict[int, int] = {}
    for default in open_defaults:
        if default.phase is DefaultPhase.ASSESSING:
            for member, micros in default.assessed:
                assessed[member] = assessed.get(member, 0) + micros
    unpaid = {member: max(micros - sure_money(context, member), 0) for member, micros in assessed.items()}
    # Whenever it was assessed: the period of its cap may end before its default is declared.
    for member, _ in state.assessments.ordered():
        stands = member_status(state, member) in (MemberStatus.ACTIVE, MemberStatus.RESTRICTED)
        if stands and _owes_cash(state, member) and own_equity(context, member) < 0:
            side = sides_by_member(context)[member]
            unpaid[member] = unpaid.get(member, 0) + worst_side_loss(state, side.own, side.clients)
    return [
        ForeseenLoss(member, micros, required_contributions(state))
        for member, micros in sorted(unpaid.items())
        if micros
    ]


def sure_money(context: BlockContext, member: int) -> int:
    """Micros above initial margin in a member's own accounts, affiliates' not among them, without soft credit; 0 in
    default."""
    state = context.state
    if member_status(state, member) is MemberStatus.DEFAULTING:
        return 0
    margins = _equity_and_spare(context, member)
    return sum(max(spare, 0) for account, _, spare in margins if state.accounts[account].kind is not AccountKind.CLIENT)


def own_equity(context: BlockContext, member: int) -> int:
    """Micros of equity in a member's own accounts and pooled affiliates', together; 0 without one."""
    return sum(equity for _, equity, _ in _equity_and_spare(context, member))


def _owes_cash(state: State, member: int) -> bool:
    """Whether an account of a member owes cash: only then a closer look is worth it."""
    accounts, groups = holders(state, MEMBER_ACCOUNTS, member), state.terms.cash_groups
    return any(balance(state, account, cash_currency(group)) < 0 for account in accounts for group in groups)


def _equity_and_spare(context: BlockContext, member: int) -> list[tuple[int, int, int]]:
    """Of each account on a member's side: itself, its equity without soft credit, and how much of it is above initial
    margin."""
    state, side = context.state, sides_by_member(context).get(member)
    found = []
    for account in side.own if side is not None else ():
        if account in state.accounts:
            margin = holdings_margin(current_arrays(state), current_holdings(state, account))
            equity = margin.equity - soft_credit_total(state, account)
            found.append((account, equity, equity - margin.initial))
    return found


class ForeseenShares:
    """Adds up, over losses, what members may be assessed; others count for what they can surely pay."""

    def __init__(self, context: BlockContext) -> None:
        self._context = context
        self._shares: dict[int, int] = {}
        self._rooms: dict[int, int] = {}
        self._able: dict[int, int] = {}
        """By member, what it can surely pay beyond its assessments and the losses before."""

    def add(self, micros: int, liable: Mapping[int, int], rooms: Mapping[int, int]) -> None:
        """Share a loss. `liable`: by member that may be assessed, its weight; `rooms`: what its cap has left."""
        caps = {member: min(self._able_to_pay(member), rooms[member]) for member in liable}
        left, weight = _uncapped(micros, liable, caps)
        for member, own in liable.items():
            share = mul_div_up(left, own, weight) if weight else micros
            self._rooms[member] = max(self._rooms.get(member, 0), rooms[member])
            self._shares[member] = self._shares.get(member, 0) + share
            self._able[member] -= min(share, caps[member])

    def micros(self) -> dict[int, int]:
        """By member, what it may be assessed: no more than its cap has left."""
        return {member: min(share, self._rooms[member]) for member, share in self._shares.items()}

    def _able_to_pay(self, member: int) -> int:
        if member not in self._able:
            owed = outstanding_assessment(self._context.state, member)
            self._able[member] = max(sure_money(self._context, member) - owed, 0)
        return self._able[member]


def _uncapped(micros: int, weights: Mapping[int, int], caps: Mapping[int, int]) -> tuple[int, int]:
    """What is left for those below their caps after the others paid theirs, and the weight of those; (micros, 0) where
    nobody is. Shares are in proportion to weights."""
    left, open_ = micros, dict(weights)
    while open_:
        whole = sum(open_.values())
        full = [member for member, own in open_.items() if left * own > caps[member] * whole]
        if not full:
            return left, whole
        for member in full:
            left -= caps[member]
            del open_[member]
    return micros, 0
