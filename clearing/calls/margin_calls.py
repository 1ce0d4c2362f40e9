"""Step 6: the margin of every account that the block touched; calls, and liquidation where their time is over.

Rule: an account below initial margin is called, which its next trades and withdrawals notice by themselves; below its
trigger, or owing more cash than the limit, it is liquidated once it has no more time, the worst first, so many a block.
Accounts under a call are looked at in every block, so that none is forgotten when a block's cap or a halted feed made
it wait. Own accounts of a member in default are default's business.
"""

import msgspec

from clearing.calls.deadlines import is_due, meet
from clearing.calls.early import call_early
from clearing.calls.records import CallKind
from clearing.calls.trigger import congestion_of, trigger_of
from clearing.collateral.cash_calls import has_time, owes_too_much
from clearing.default.status import is_in_default
from clearing.holdings import Holdings, arrays_of, holdings_of, margin_of
from clearing.liquidation.stages import end_liquidation, liquidate, pause
from clearing.liquidation.takeover import may_liquidate
from clearing.margin.book import MarginBook
from clearing.margin.requirement import AccountMargin
from clearing.margins import margin_book
from clearing.receipts import MarginCalled, MarginRestored
from clearing.run import Run
from clearing.state.indexes import CALLED, holders, set_holder


def check_margins(run: Run) -> None:
    """Look at all touched and called accounts: call, warn, and liquidate those whose time is over."""
    book = margin_book(run.state)
    called = [each for each in holders(run.state, CALLED, 0) if each in book]
    remargined = set(book.remargin())
    others = run.touched.difference(remargined)
    looked_at = sorted(remargined.union(called, (each for each in others if each in book)))
    due = _call_all(run, book, looked_at, called)
    due.sort(key=lambda each: (-each[0], each[1]))
    for _, account, holdings, margin in due:
        if run.liquidated.accounts >= run.terms.market.liquidations_per_block:
            break
        left = liquidate(run, account, holdings, margin)
        after = margin if left is holdings else margin_of(arrays_of(run.state), left)
        if after.initial_ok:
            settle(run, account, after)


def _call_all(
    run: Run, book: MarginBook, looked_at: list[int], called: list[int]
) -> list[tuple[int, int, Holdings, AccountMargin]]:
    """Call and restore; how far below maintenance they are, and the accounts that are to be liquidated."""
    congestion = congestion_of(run)
    short = set(book.short(looked_at, run.terms.risk.cash_limit_micros))
    due = []
    for account in sorted(short.union(called)):
        if is_in_default(run.state, account):
            continue
        margin = book.margin(account)
        if account not in short:
            settle(run, account, margin)
            continue
        call(run, account, margin)
        held = holdings_of(run.state, account)
        cash_due = owes_too_much(run, held.cash) and not has_time(run, account, held)
        trigger = trigger_of(run, margin, congestion)
        margin_due = margin.equity < trigger and is_due(run, account, margin, trigger, congestion)
        if not (cash_due or margin_due or account in run.state.liquidations):
            continue
        if may_liquidate(run, held):
            due.append((shortage(run, margin), account, held, margin))
        else:
            pause(run, account, held, margin)
    call_early(run, book, looked_at, congestion)
    return due


def shortage(run: Run, margin: AccountMargin) -> int:
    """How far below maintenance, in micros times the maintenance denominator."""
    risk = run.terms.risk
    return risk.maintenance_numerator * margin.initial - risk.maintenance_denominator * margin.equity


def settle(run: Run, account: int, margin: AccountMargin) -> None:
    """An account is at initial margin again: end its calls, and its liquidation."""
    end_liquidation(run, account, margin, failed=False)
    restore(run, account, margin)
    if not _is_early(run, account):
        meet(run, account, margin)


def _is_early(run: Run, account: int) -> bool:
    held = run.state.margin_calls.get(account)
    return held is not None and held.kind is CallKind.EARLY


def call(run: Run, account: int, margin: AccountMargin) -> None:
    """Call an account that is not called yet."""
    record = run.state.accounts[account]
    if record.called_height == 0:
        run.state.accounts.put(account, msgspec.structs.replace(record, called_height=run.block.height))
        set_holder(run.state, CALLED, 0, account, holds=True)
        run.receipts.append(MarginCalled(account, margin.equity, margin.initial, margin.maintenance))


def restore(run: Run, account: int, margin: AccountMargin) -> None:
    """Take back the call of an account that is called."""
    record = run.state.accounts[account]
    if record.called_height != 0:
        run.state.accounts.put(account, msgspec.structs.replace(record, called_height=0))
        set_holder(run.state, CALLED, 0, account, holds=False)
        run.receipts.append(MarginRestored(account, margin.equity, margin.initial))
