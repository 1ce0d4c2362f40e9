"""Sizing of the default fund, once an epoch at the end of a block, from the members' stress losses.

Rule: the fund is sized in the first block after an epoch closed, on the book at that time. Cash beyond initial margin
does not count as cover, because it may leave; so a stress loss is never less than the shortfall in a statement. A call
runs to its deadline whatever the next sizing is; what is missing beyond it is called afterwards. An excess over the
required contribution stays for a delay, can be drawn on, and is paid back when no default is open. This module must
not know the waterfall.
"""

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np

from clearing.base.ids import HOUSE_ACCOUNT, HOUSE_MEMBER
from clearing.context.affiliation import OwnerFamilies
from clearing.context.block_context import BlockContext
from clearing.context.member_status import lift_member_restriction, member_status
from clearing.context.stress_exposure import allowance
from clearing.context.unresolved_losses import defaults_under_way
from clearing.default_fund.contributions import (
    call_contribution,
    can_members_pay,
    contribution_account,
    current_fund_size,
    fund_currency,
    is_contributing,
    lowest_own_accounts,
    schedule_review,
    update_next_review,
)
from clearing.default_fund.cover_rules import (
    StressNeeds,
    contribution_exposure,
    contribution_parts,
    recent_sizes,
    required_fund_size,
    stress_size,
)
from clearing.margin.statement.stress import StressArrays, stressed_equity
from clearing.schema.receipts.default_fund import ContributionSet, FundReturned, FundSized, ReturnCause
from clearing.schema.records.accounts import Account
from clearing.schema.records.default import ContributionRecord, FundAllowance, FundSizeRecord, MemberStatus
from clearing.schema.terms.default import FundTerms
from clearing.schema.terms.genesis import AccountKind
from clearing.schema.transfers import TransferCode
from clearing.state.effective_parameters import current_rulebook
from clearing.state.holdings import Holdings, current_holdings, margin_book
from clearing.state.ledger import FUND_ACCOUNT
from clearing.state.state import State


def update_fund(context: BlockContext) -> None:
    """Phase 11, after defaults: size the fund when an epoch has closed, and pay back what is due."""
    state, terms = context.state, context.terms.crisis.fund
    if terms.enabled and FUND_ACCOUNT not in state.accounts:
        state.accounts.put(FUND_ACCOUNT, Account(HOUSE_MEMBER, AccountKind.HOUSE))
    size = current_fund_size(state)
    if (terms.enabled or size.cash_group) and state.now.epoch > size.epoch:
        _size_fund(context, size, terms)
        update_next_review(context)
    if (
        current_fund_size(state).next_review_height == 0
        or context.block.height < current_fund_size(state).next_review_height
    ):
        return
    for member, record in list(state.contributions.ordered()):
        if record.return_height and context.block.height >= record.return_height:
            _return_excess(context, member, record)
    update_next_review(context)


def _size_fund(context: BlockContext, fund_size: FundSizeRecord, terms: FundTerms) -> None:
    """Record the required size and each contribution; call for what is missing, schedule returns."""
    state = context.state
    # When the terms name another cash group than that of the money in the fund, that money is returned first.
    paid_for = {member: allowance(state, member) for member, _ in state.members.ordered()}
    active = terms.enabled and (fund_size.cash_group in (0, terms.cash_group) or not _has_contributions(state))
    own = lowest_own_accounts(state)
    # A member with only client accounts has no own money to pay with.
    members = [member for member, _ in state.members.ordered() if member in own and is_contributing(state, member)]
    figures = stress_needs(state, tuple(members) if active else (), terms.cash_group if active else 0)
    scenarios = tuple(stress_size(name, _by_group(context, lacking)) for name, lacking in figures.shortfalls)
    sizes = recent_sizes(
        fund_size.recent_sizes, required_fund_size(scenarios, figures.house_micros, terms) if active else 0, terms
    )
    target = max(sizes) if active else 0
    group = terms.cash_group if active else fund_size.cash_group if _has_contributions(state) else 0
    state.fund_sizes.put(
        0,
        FundSizeRecord(
            epoch=state.now.epoch,
            height=context.block.height,
            target=target,
            recent_sizes=sizes,
            cash_group=group,
            house_micros=figures.house_micros,
            scenario_sizes=tuple((scenario.cover_two, scenario.largest_or_next_two) for scenario in scenarios),
            next_review_height=fund_size.next_review_height,
        ),
    )
    _set_contributions(context, target, figures, terms, own)
    _set_allowances(context, figures, paid_for if active and terms.cover_growth else {})
    context.receipts.append(
        FundSized(
            epoch=state.now.epoch,
            sizing=terms.sizing,
            scenarios=scenarios,
            house_micros=figures.house_micros,
            buffer_ppm=terms.buffer_ppm,
            sizes=sizes,
            target=target,
            minimum_micros=terms.minimum_micros,
            step_micros=terms.step_micros,
            exposure_memory_ppm=terms.exposure_memory_ppm,
            parts=tuple(
                ContributionSet(member, record.exposure, record.required, record.micros, figures.margins.get(member, 0))
                for member, record in state.contributions.ordered()
            ),
        )
    )
    for member, record in list(state.contributions.ordered()):
        _follow_contribution(context, member, record, terms)


def _by_group(context: BlockContext, lacking: Mapping[int, int]) -> Mapping[int, int]:
    """What affiliated members lack together, as the lowest of them, where genesis counts them as one."""
    if not context.terms.crisis.fund.net_affiliates:
        return lacking
    sums: dict[int, int] = {}
    for member, micros in lacking.items():
        first = context.families.members_like(member).member
        sums[first] = min(sums.get(first, 0) + micros, RECEIPT_MICROS_MAX)
    return sums


def _set_allowances(context: BlockContext, figures: StressNeeds, paid_for: Mapping[int, tuple[int, ...]]) -> None:
    """Record what the fund is now sized for of each member that contributes, and what it has paid for before.

    `paid_for`: empty where growth needs no cover.
    """
    state = context.state
    for member in [member for member, _ in state.fund_allowances.ordered() if member not in figures.margins]:
        state.fund_allowances.remove(member)
    for member in figures.margins:
        if member in paid_for:
            sized = tuple(lacking.get(member, 0) for _, lacking in figures.shortfalls)
            state.fund_allowances.put(member, FundAllowance(sized, paid_for[member]))
        else:
            state.fund_allowances.remove(member)


def _has_contributions(state: State) -> bool:
    return any(record.micros for _, record in state.contributions.ordered())


def _set_contributions(
    context: BlockContext, target: int, figures: StressNeeds, terms: FundTerms, own: dict[int, int]
) -> None:
    """Set contributions of participating members. A member in default keeps its own; a member that left owes none."""
    state = context.state
    records = {
        member: state.contributions.get(member) or ContributionRecord(own[member], 0) for member in figures.margins
    }
    exposures = {
        member: contribution_exposure(records[member].exposure, margin, terms)
        for member, margin in figures.margins.items()
    }
    parts = contribution_parts(target, exposures, terms)
    for member, required in parts.items():
        record = msgspec.structs.replace(records[member], required=required, exposure=exposures[member])
        state.contributions.put(member, record)
    for member, record in list(state.contributions.ordered()):
        off = not parts and is_contributing(state, member)
        if off or member_status(state, member) is MemberStatus.LEFT or member not in state.members:
            state.contributions.put(member, msgspec.structs.replace(record, required=0, exposure=0))


def _follow_contribution(
    context: BlockContext, member: int, contribution: ContributionRecord, terms: FundTerms
) -> None:
    """Call for what is missing, reduce a call above that, and schedule the return of an excess."""
    state, height = context.state, context.block.height
    missing = max(contribution.required - contribution.micros, 0)
    left = member_status(state, member) is MemberStatus.LEFT
    if not is_contributing(state, member):
        contribution = msgspec.structs.replace(
            contribution, called=0, deadline=0, lapsed=False, reduction_started=False
        )
    elif missing and not contribution.called and can_members_pay(state):
        call_contribution(context, member, contribution, missing, height + terms.call_blocks)
        contribution = state.contributions[member]
    elif missing < contribution.called:
        if contribution.lapsed and not missing:
            lift_member_restriction(context, member)
        deadline, lapsed = (contribution.deadline, contribution.lapsed) if missing else (0, False)
        reducing = contribution.reduction_started and missing > 0
        contribution = msgspec.structs.replace(
            contribution, called=missing, deadline=deadline, lapsed=lapsed, reduction_started=reducing
        )
    beyond = contribution.micros > contribution.required and (left or is_contributing(state, member))
    return_height = (contribution.return_height or height + terms.return_blocks) if beyond else 0
    if contribution.micros or contribution.required:
        state.contributions.put(member, msgspec.structs.replace(contribution, return_height=return_height))
        schedule_review(state, return_height)
    else:
        state.contributions.remove(member)


def _return_excess(context: BlockContext, member: int, contribution: ContributionRecord) -> None:
    """Return the excess over a member's required contribution; while a default is open it waits for the next block."""
    state = context.state
    beyond = max(contribution.micros - contribution.required, 0)
    account = contribution_account(state, member, contribution.account)
    if beyond and account is None:
        later = context.block.height + context.terms.crisis.fund.return_blocks
        state.contributions.put(member, msgspec.structs.replace(contribution, return_height=later))
        return
    if beyond and defaults_under_way(state):
        return
    if beyond and account is not None:
        context.journal.transfer(
            FUND_ACCOUNT, account, fund_currency(state), beyond, TransferCode.FUND_RETURNED, member
        )
        context.touched_accounts.add(account)
        left = contribution.micros - beyond
        context.receipts.append(
            FundReturned(
                member, account, fund_currency(state), beyond, left, contribution.required, ReturnCause.BEYOND_PART
            )
        )
        contribution = msgspec.structs.replace(contribution, micros=left, account=account)
    if contribution.micros or contribution.required:
        state.contributions.put(member, msgspec.structs.replace(contribution, return_height=0))
    else:
        state.contributions.remove(member)


RECEIPT_MICROS_MAX = 2**61
"""Cap on reported figures: twice as much fits into 63 bits, and no group's cash reaches half of it."""


def stress_needs(state: State, contributing: tuple[int, ...], group: int) -> StressNeeds:
    """Members' shortfalls in each scenario, what the house bears first, and margins of the `contributing` members.

    `group`: the cash group of the contributions; 0: none.
    """
    stress, book = current_rulebook(state).stress(), margin_book(state)
    # The book may still contain accounts that were emptied and closed since it was built.
    accounts = [account for account in book.accounts() if account in state.accounts]
    batch = book.totals(accounts)
    margins = {member: 0 for member in contributing if member != HOUSE_MEMBER}
    for account, initial in zip(accounts, batch.initial.tolist(), strict=True):
        member = state.accounts[account].member
        if member in margins:
            margins[member] = min(margins[member] + initial, RECEIPT_MICROS_MAX)
    shortfalls = member_shortfalls(state, stress, accounts, group)
    return StressNeeds(
        shortfalls=tuple(
            (name, {member: losses[at] for member, losses in sorted(shortfalls.items())})
            for at, name in enumerate(stress.names)
        ),
        house_micros=_house_fund_micros(state, stress),
        margins=margins,
    )


def member_shortfalls(
    state: State, stress: StressArrays, accounts: Sequence[int], group: int, *, apart: bool = False
) -> dict[int, list[int]]:
    """What the members of these accounts, all of the margin book, lack in each scenario; `group` as in `stress_needs`.

    Each account lacks by itself what it falls below zero. Where genesis nets affiliates, a member's own accounts and
    its affiliated clients' fall together, except `apart`.
    """
    batch = margin_book(state).totals(accounts)
    families = OwnerFamilies(state) if state.terms.crisis.fund.net_affiliates and not apart else None
    risky: list[tuple[int, int, int, Holdings]] = []
    for account, equity, initial in zip(accounts, batch.equity.tolist(), batch.initial.tolist(), strict=True):
        own = current_holdings(state, account)
        # An account without positions and debts has no shortfall: tokens are never worth less than zero.
        if any(own.lots) or any(cash < 0 for cash in own.cash):
            together = families is not None and families.is_on_members_side(account)
            free = min(max(equity - initial, 0), _fund_cash(state, own, group))
            risky.append((state.accounts[account].member, _TOGETHER if together else account, free, own))
    sums: dict[tuple[int, int], list[int]] = {}
    equities = stressed_equities(stress, [own for *_, own in risky])
    for (member, unit, free, _), stressed in zip(risky, equities, strict=True):
        before = sums.get((member, unit), [0] * len(stressed))
        sums[(member, unit)] = [whole + free - worth for whole, worth in zip(before, stressed, strict=True)]
    shortfalls: dict[int, list[int]] = {}
    for (member, _), lacks in sums.items():
        before = shortfalls.get(member, [0] * len(lacks))
        shortfalls[member] = [
            min(whole + max(0, lack), RECEIPT_MICROS_MAX) for whole, lack in zip(before, lacks, strict=True)
        ]
    return shortfalls


_TOGETHER = -1
"""In place of an account: all on a member's own side."""


def _house_fund_micros(state: State, stress: StressArrays) -> int:
    """What the house's own account bears: at most its cash, and at most its equity in the worst scenario.

    Nor more than it bears of one default: the risk parameters of a statement may name more.
    """
    own, default = current_holdings(state, HOUSE_ACCOUNT), state.terms.crisis.default
    equity = stressed_equity(stress, own.cash, own.tokens, own.lots)
    named = state.terms.risk.default_fund_micros
    if default.enabled:
        named = min(named, default.house_capital_micros)
    return max(0, min(named, sum(own.cash), *equity))


def _fund_cash(state: State, holdings: Holdings, group: int) -> int:
    """The account's own cash of the fund's group."""
    return max(holdings.cash[state.terms.cash_groups.index(group)], 0) if group else 0


_INT64_SAFE = 2**62


def stressed_equities(stress: StressArrays, holdings: Sequence[Holdings]) -> list[list[int]]:
    """Stressed equity [n][S] in micros, in the order of `holdings`."""
    if not holdings or not _fits_int64(stress, holdings):
        return [stressed_equity(stress, own.cash, own.tokens, own.lots) for own in holdings]
    cash = np.array([sum(own.cash) for own in holdings], np.int64)
    equity = cash[:, None] + np.zeros((1, len(stress.names)), np.int64)
    for values, amounts in (
        (stress.tokens, [own.tokens for own in holdings]),
        (stress.instruments, [own.lots for own in holdings]),
    ):
        if values and values[0]:
            equity += np.array(amounts, np.int64) @ np.array(values, np.int64).T
    found: list[list[int]] = equity.tolist()
    return found


def _fits_int64(stress: StressArrays, holdings: Sequence[Holdings]) -> bool:
    """Whether the sum of the largest of every term stays far inside 64 bits."""
    bound = max(sum(map(abs, own.cash)) for own in holdings)
    for values, amounts in (
        (stress.tokens, [own.tokens for own in holdings]),
        (stress.instruments, [own.lots for own in holdings]),
    ):
        columns = zip(zip(*values, strict=True), zip(*amounts, strict=True), strict=True)
        bound += sum(max(map(abs, of_value)) * max(map(abs, of_amount)) for of_value, of_amount in columns)
    return bound < _INT64_SAFE
