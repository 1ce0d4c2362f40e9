"""The cash call: an account that owes more settlement cash than the limit is given time, then its collateral is sold.

Rule: while equity covers maintenance margin, owing cash alone takes nothing from an account before the deadline; then
collateral is for sale among members for some blocks; what is owed after that the house brings by buying collateral at
its value after haircut, as in a liquidation. An account that fails maintenance margin has no time. It must not know
how collateral is sold.
"""

from collections.abc import Sequence

from clearing.collateral.receipts import AuctionOpened, CashCalled, CashCallMet
from clearing.collateral.terms import CashCallTerms
from clearing.holdings import Holdings
from clearing.ledger import balance, cash_currency
from clearing.run import Run
from clearing.state.records import CashCall


def owes_too_much(run: Run, cash: Sequence[int]) -> bool:
    """Whether any claim is below what an account may owe."""
    limit = run.terms.risk.cash_limit_micros
    return any(claim < -limit for claim in cash)


def has_time(run: Run, account: int, held: Holdings) -> bool:
    """Take the account's cash call one block further; whether it still has time to bring or raise cash.

    Called once a block for every account that owes too much.
    """
    terms = _terms(run, held.cash)
    if not terms.deadline_blocks:
        return False
    height = run.block.height
    call = run.state.cash_calls.get(account)
    if call is None:
        call = CashCall(height, height + terms.deadline_blocks)
        run.state.cash_calls.put(account, call)
        run.receipts.append(CashCalled(account, _owed(run, held.cash), call.deadline_height))
    if height < call.deadline_height:
        return True
    if not call.auction_height and terms.auction_blocks and any(held.tokens):
        owed = sum(micros for _, micros in _owed(run, held.cash))
        call = CashCall(call.opened_height, call.deadline_height, height + 1, owed)
        run.state.cash_calls.put(account, call)
        run.receipts.append(AuctionOpened(account, height + 1, height + terms.auction_blocks))
    return call.auction_height != 0 and height < call.auction_height + terms.auction_blocks - 1


def end_met_calls(run: Run) -> None:
    """End the calls of accounts that are within the limit again, however they came there."""
    for account, _ in list(run.state.cash_calls.ordered()):
        if not owes_too_much(run, [balance(run.state, account, cash_currency(each)) for each in run.terms.cash_groups]):
            run.state.cash_calls.remove(account)
            run.receipts.append(CashCallMet(account))


def _terms(run: Run, cash: Sequence[int]) -> CashCallTerms:
    """Of the first group in which too much is owed; nobody has time when one of these groups gives none."""
    limit = run.terms.risk.cash_limit_micros
    owing = [group.call for group, claim in zip(run.terms.cash_terms.values(), cash, strict=True) if claim < -limit]
    return min(owing, key=lambda terms: terms.deadline_blocks, default=CashCallTerms())


def _owed(run: Run, cash: Sequence[int]) -> tuple[tuple[int, int], ...]:
    return tuple((group, -claim) for group, claim in zip(run.terms.cash_groups, cash, strict=True) if claim < 0)
