"""Step 6: the margin of every account that the block touched; calls, and liquidation where maintenance is not covered.

Rule: an account below initial margin is called, which its next trades and withdrawals notice by themselves; below
maintenance, or owing more cash than the limit, it is liquidated, the worst first, so many a block. Accounts under a
call are looked at in every block, so that none is forgotten when a block's cap or a halted feed made it wait.
"""

import msgspec

from clearing.collateral.cash_calls import has_time, owes_too_much
from clearing.holdings import Holdings, arrays_of, holdings_of, margin_of
from clearing.liquidation.takeover import liquidate, may_liquidate
from clearing.margin.requirement import AccountMargin
from clearing.margins import margin_book
from clearing.receipts import MarginCalled, MarginRestored
from clearing.run import Run
from clearing.state.indexes import CALLED, holders, set_holder


def check_margins(run: Run) -> None:
    """Look at all touched and called accounts, call those below initial, liquidate those below maintenance."""
    state = run.state
    book = margin_book(state)
    called = [each for each in holders(state, CALLED, 0) if each in book]
    remargined = set(book.remargin())
    others = run.touched.difference(remargined)
    looked_at = sorted(remargined.union(called, (each for each in others if each in book)))
    limit = run.terms.risk.cash_limit_micros
    short = set(book.short(looked_at, limit))
    failing: list[tuple[int, int, Holdings, AccountMargin]] = []
    for account in sorted(short.union(called)):
        margin = book.margin(account)
        if account not in short:
            restore(run, account, margin)
            continue
        call(run, account, margin)
        held = holdings_of(state, account)
        due = owes_too_much(run, held.cash) and not has_time(run, account, held)
        if (due or not margin.maintenance_ok) and may_liquidate(run, held):
            failing.append((shortage(run, margin), account, held, margin))
    failing.sort(key=lambda each: (-each[0], each[1]))
    for _, account, holdings, margin in failing[: run.terms.market.liquidations_per_block]:
        after = margin_of(arrays_of(state), liquidate(run, account, holdings, margin))
        if after.initial_ok:
            restore(run, account, after)


def shortage(run: Run, margin: AccountMargin) -> int:
    """How far below maintenance, in micros times the maintenance denominator."""
    risk = run.terms.risk
    return risk.maintenance_numerator * margin.initial - risk.maintenance_denominator * margin.equity


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
