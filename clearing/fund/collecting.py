"""Contributions before defaults are looked at: parts follow the cash that they are, and calls run out.

Rule: at its deadline a call takes what the member's own accounts can let go of; what is then missing restricts the
member for the grace that genesis gives; after it, where genesis says so, it is debited down to maintenance margin and
positions are sold for it; what is then missing is a failure like any, for default to take up. A deadline moves on by a
block while prices are not open with which the member could bring it all, and while no token of the group is left; a
trifle that has no open price saves nobody.
"""

import msgspec

from clearing.accounts.by_member import own_accounts_by_member
from clearing.base.units import allocate
from clearing.calls.failures import Failure, FailureReason
from clearing.collateral.receipts import ClaimConverted
from clearing.default.status import restrict_member
from clearing.fund.parts import can_be_brought, own_account, size_in_force, takes_part
from clearing.fund.payments import could_bring, free_cash, pay_in
from clearing.fund.receipts import NOT_REQUESTED, FundPaid, FundReturned, ReturnCause
from clearing.fund.records import Contribution
from clearing.fund.reducing import begin_reducing, can_be_reduced, reduce
from clearing.ledger import FUND_ACCOUNT, token_currency
from clearing.run import Run
from clearing.transfers import TransferCode


def follow_cash(run: Run) -> None:
    """After tokens have left the fund's cash group: every part gives up cash in proportion, and is paid the token."""
    if run.state.fund_sizes.get(0) is not None:
        left = [each for each in run.receipts if isinstance(each, ClaimConverted) and each.account == FUND_ACCOUNT]
        for each in left:
            _convert(run, run.terms.collateral_of[each.asset].id, each.given_micros, each.units)


def _convert(run: Run, token: int, micros: int, units: int) -> None:
    """Share what the fund gave up of its cash, and the token that it has instead, by what each part is."""
    state, currency = run.state, token_currency(token)
    parts = [(member, record) for member, record in state.contributions.ordered() if record.micros]
    weights = [record.micros for _, record in parts]
    shares = zip(parts, allocate(micros, weights), allocate(units, weights), strict=True)
    for (member, record), given_up, paid in shares:
        account = own_account(state, member, record.account) or record.account
        left = record.micros - given_up
        state.contributions.put(member, msgspec.structs.replace(record, micros=left))
        run.journal.transfer(FUND_ACCOUNT, account, currency, paid, TransferCode.FUND_TOKEN_RETURNED, member)
        run.touched.add(account)
        cause = ReturnCause.TOKEN_LEFT_GROUP
        run.receipts.append(FundReturned(member, account, currency, paid, left, record.required, cause, given_up))


def collect_contributions(run: Run) -> None:
    """Step 6, before defaults: take what is due; `tend_fund` of the same block finds what is next."""
    size = size_in_force(run.state)
    if not size.next_height or run.block.height < size.next_height:
        return
    parts = run.state.contributions.ordered()
    due = [each for each in parts if each[1].reducing or 0 < each[1].deadline <= run.block.height]
    if due and not can_be_brought(run.state):
        wait(run, due)
        return
    own = own_accounts_by_member(run.state) if due else {}
    for member, record in due:
        _collect(run, member, record, own.get(member, ()))


def wait(run: Run, due: list[tuple[int, Contribution]]) -> None:
    """Give calls as long again that nobody can meet: no token of the fund's cash group is left."""
    later = run.block.height + run.terms.crisis.fund.call_blocks
    for member, record in due:
        run.state.contributions.put(member, msgspec.structs.replace(record, deadline=later))


def _collect(run: Run, member: int, record: Contribution, own: tuple[int, ...]) -> None:
    """Take what is there; restrict the member, or hand it on as failed, for what is not."""
    state, terms = run.state, run.terms.crisis.fund
    if not takes_part(state, member):
        state.contributions.put(member, msgspec.structs.replace(record, called=0, deadline=0, reducing=False))
        return
    if own and record.account not in own:  # closed meanwhile
        record = msgspec.structs.replace(record, account=own[0])
    payers = sorted(own, key=lambda each: (each != record.account, each))
    record = _take(run, member, record, payers)
    first = terms.grace_blocks > 0 and not record.lapsed
    if record.called and _ends(run, record) and _could_bring(run, record, payers):
        state.contributions.put(member, msgspec.structs.replace(record, deadline=run.block.height + 1))
        return
    if record.called and payers and not first and (record.reducing or terms.reduce_blocks):
        record = _reduce(run, member, record, payers)
    if not record.called or not _ends(run, record):
        return
    deadline = run.block.height + (terms.grace_blocks if first else terms.call_blocks)
    record = msgspec.structs.replace(record, lapsed=True, deadline=deadline, reducing=False)
    state.contributions.put(member, record)
    run.receipts.append(FundPaid(NOT_REQUESTED, member, record.account, 0, record.micros, record.called, lapsed=True))
    restrict_member(run, member)
    if payers and not first and run.terms.crisis.default.enabled:
        run.failures.append(Failure(record.account, FailureReason.CALL_LAPSED))


def _ends(run: Run, record: Contribution) -> bool:
    return run.block.height >= record.deadline


def _could_bring(run: Run, record: Contribution, own: list[int]) -> bool:
    return sum(could_bring(run, account) for account in own) >= record.called


def _reduce(run: Run, member: int, record: Contribution, own: list[int]) -> Contribution:
    """Debit what is missing and sell for it; where nothing is left to sell its time is over."""
    record = reduce(run, member, record if record.reducing else begin_reducing(run, member, record), own)
    if record.called:
        restrict_member(run, member)
        if not can_be_reduced(run, own):
            record = msgspec.structs.replace(record, deadline=run.block.height)
    return record


def _take(run: Run, member: int, record: Contribution, own: list[int]) -> Contribution:
    """Debit the account that the member pays from, then its others of its own, the lowest first: so they come here."""
    for account in own:
        micros = min(free_cash(run, account), record.called)
        if micros:
            after = pay_in(run, member, msgspec.structs.replace(record, account=account), micros)
            record = msgspec.structs.replace(after, account=record.account)
            run.state.contributions.put(member, record)
    return record
