"""Stress exposure: what a member's default would cost others in the fund's stress scenarios, kept up in a block.

Rule: in a scenario a member lacks what its clients' accounts fall below zero, each by itself, less what its own
accounts and affiliates, which a default merges, are worth together. All money counts, because this is asked of a
member that trades: what leaves is asked again. What the fund was sized for is in the member's allowance. It refuses
nothing but what `check_stress_growth` refuses: that a member lacks more afterwards, and more than that. Scenarios are
in the order of the risk parameters, figures in micros.
"""

from collections.abc import Callable

from clearing.base.errors import Rejected
from clearing.base.ids import HOUSE_MEMBER
from clearing.context.block_context import BlockContext
from clearing.context.member_status import is_on_members_side, member_status
from clearing.margin.statement.stress import StressArrays, stressed_equity
from clearing.schema.codes import ClearingCode, reject
from clearing.schema.records.default import ContributionRecord, MemberStatus
from clearing.state.effective_parameters import current_rulebook
from clearing.state.holdings import Holdings, current_arrays, current_holdings
from clearing.state.indexes import MEMBER_ACCOUNTS, holders
from clearing.state.ledger import soft_credit_of
from clearing.state.state import State

Scenarios = tuple[int, ...]
NO_CONTRIBUTION = ContributionRecord(0, 0)


def stress_arrays(state: State) -> StressArrays:
    """The stress scenarios' arrays of this state, built on first use and after each move of a mark."""
    arrays = current_arrays(state)
    known = state.known_stress
    if known is None or known[0] is not arrays:
        known = state.known_stress = (arrays, current_rulebook(state).stress())
    return known[1]


def account_stress(state: State, account: int, holdings: Holdings) -> Scenarios:
    """What an account with these holdings is worth in every scenario, without soft credit."""
    lent = sum(soft_credit_of(state, account, group) for group in state.terms.cash_groups)
    values = stressed_equity(stress_arrays(state), holdings.cash, holdings.tokens, holdings.lots)
    return tuple(value - lent for value in values)


def allowance(state: State, member: int) -> Scenarios:
    """What the fund has been sized and paid for of a member in every scenario, with what it paid for growth since.

    Zeros before the first sizing, and while the scenarios are others than those of the last one.
    """
    none = (0,) * len(state.terms.risk.stress)
    record = state.fund_allowances.get(member)
    if record is None or len(record.sized) != len(none):
        return none
    contribution = state.contributions.get(member) or NO_CONTRIBUTION
    base = max(contribution.required - record.called, 0)
    if contribution.micros >= base:
        grown = min(contribution.micros - base, record.called)
        return tuple(sized + grown for sized in record.sized)
    before = record.paid_for if len(record.paid_for) == len(none) else none
    return tuple(min(pair) for pair in zip(record.sized, before, strict=True))


class StressExposures:
    """Of the members asked for in a block, what each lacks; an account is read again only after it has changed."""

    def __init__(self, context: BlockContext) -> None:
        self._context = context
        self._arrays = current_arrays(context.state)
        self._transfers_seen, self._moves_seen = len(context.journal.transfers), len(context.positions.moved)
        self._parts: dict[int, Scenarios] = {}
        """By account, what it adds to its member's lack: negative for an own account that is worth something."""
        self._counted_with: dict[int, int] = {}
        """By account, the member in whose sums it is: a closed account names none any more."""
        self._sums: dict[int, Scenarios] = {}
        """By member."""

    def lacking(self, member: int) -> Scenarios:
        """What a member lacks in every scenario."""
        return tuple(max(each, 0) for each in self.sums(member))

    def part(self, account: int, holdings: Holdings) -> Scenarios:
        """What an account adds to its member's sums with these holdings."""
        values = account_stress(self._context.state, account, holdings)
        if is_on_members_side(self._context, account):
            return tuple(-value for value in values)
        return tuple(max(-value, 0) for value in values)

    def present_part(self, account: int) -> Scenarios:
        """The same with the holdings that it has, of an account whose member's sums were asked for."""
        return self._parts.get(account, self._zeros())

    def sums(self, member: int) -> Scenarios:
        """What a member lacks in every scenario, negative where it has more than it lacks."""
        self._forget_changed()
        if member not in self._sums:
            self._sums[member] = self._zeros()
            for each in holders(self._context.state, MEMBER_ACCOUNTS, member):
                self._add(member, each)
        return self._sums[member]

    def port(self, account: int, before: int) -> None:
        """Count a ported account with its new member, no longer with the one `before`."""
        member = self._context.state.accounts[account].member
        part = self._parts.pop(account, None)
        self._counted_with.pop(account, None)
        if part is not None and before in self._sums:
            self._sums[before] = tuple(a - b for a, b in zip(self._sums[before], part, strict=True))
        if member in self._sums:
            self._add(member, account)

    def _zeros(self) -> Scenarios:
        return (0,) * len(self._context.terms.risk.stress)

    def _add(self, member: int, account: int) -> None:
        part = self.part(account, current_holdings(self._context.state, account))
        self._parts[account], self._counted_with[account] = part, member
        self._sums[member] = tuple(a + b for a, b in zip(self._sums[member], part, strict=True))

    def _forget_changed(self) -> None:
        """Read accounts again that money or lots moved on; all of them under other arrays."""
        context = self._context
        if current_arrays(context.state) is not self._arrays:
            self._arrays = current_arrays(context.state)
            self._parts.clear()
            self._counted_with.clear()
            self._sums.clear()
        changed = set(context.positions.moved[self._moves_seen :])
        for moved in context.journal.transfers[self._transfers_seen :]:
            changed.update((moved.debit, moved.credit))
        self._transfers_seen, self._moves_seen = len(context.journal.transfers), len(context.positions.moved)
        for account in sorted(changed):
            record, counted = context.state.accounts.get(account), self._counted_with.pop(account, None)
            if counted is not None:
                before = self._parts.pop(account)
                self._sums[counted] = tuple(a - b for a, b in zip(self._sums[counted], before, strict=True))
            if record is not None and record.member in self._sums:
                self._add(record.member, account)


def stress_exposures(context: BlockContext) -> StressExposures:
    """Those of this block."""
    if context.stress_exposures is None:
        context.stress_exposures = StressExposures(context)
    found: StressExposures = context.stress_exposures
    return found


def covers_growth(context: BlockContext, member: int) -> bool:
    """Whether growth of this member's exposure must be covered: not of the house, nor of a member in default."""
    terms = context.terms.crisis.fund
    if not (terms.enabled and terms.cover_growth) or member == HOUSE_MEMBER:
        return False
    return member_status(context.state, member) in (MemberStatus.ACTIVE, MemberStatus.RESTRICTED)


def check_stress_growth(context: BlockContext, at: str, account: int, after: Callable[[], Holdings]) -> Rejected | None:
    """Refuse holdings of an account with which its member would lack more than before, and more than its allowance.

    `after`: the holdings afterwards, computed only where it is asked for. An account that stays above zero in all
    scenarios needs no look at the member's other accounts, if it is a client's or the only one.
    """
    member = context.state.accounts[account].member
    if not covers_growth(context, member):
        return None
    exposures = stress_exposures(context)
    part = exposures.part(account, after())
    stands = all(each <= 0 for each in part)
    if stands and (not is_on_members_side(context, account) or _is_only_account(context.state, member)):
        return None
    sums = exposures.sums(member)
    present = exposures.present_part(account)
    if all(new <= old for new, old in zip(part, present, strict=True)):
        return None
    listed = zip(context.terms.risk.stress, sums, present, part, allowance(context.state, member), strict=True)
    for scenario, now, old, new, allowed in listed:
        lacking = now - old + new
        if lacking > max(now, allowed):
            return _not_covered(at, account, member, scenario.name, lacking, allowed)
    return None


def _is_only_account(state: State, member: int) -> bool:
    pieces = state.holders.get((MEMBER_ACCOUNTS, member)) or ()
    return len(pieces) == 1 and len(pieces[0]) == 1


def check_stress_joining(context: BlockContext, at: str, accounts: tuple[int, ...], member: int) -> Rejected | None:
    """Refuse clients' accounts that are to join a member which would then lack more than its allowance."""
    if not covers_growth(context, member):
        return None
    state = context.state
    worths = [account_stress(state, account, current_holdings(state, account)) for account in accounts]
    now = stress_exposures(context).sums(member)
    listed = zip(context.terms.risk.stress, now, allowance(state, member), *worths, strict=True)
    for scenario, lacking, allowed, *worth in listed:
        joining = sum(max(-each, 0) for each in worth)
        if joining and lacking + joining > allowed:
            return _not_covered(at, accounts[0], member, scenario.name, lacking + joining, allowed)
    return None


def port_exposure(context: BlockContext, account: int, before: int) -> None:
    """Count an account that was just ported with its new member; `before`: the old one."""
    if context.terms.crisis.fund.enabled and context.terms.crisis.fund.cover_growth:
        stress_exposures(context).port(account, before)


def _not_covered(at: str, account: int, member: int, scenario: str, lacking: int, sized: int) -> Rejected:
    values = {"member": member, "lacking": lacking, "sized": sized}
    return reject(ClearingCode.STRESS_NOT_COVERED, at, account=account, scenario=scenario, **values)
