"""The deficit reserve: a withdrawal leaves behind the account's share of losses that nobody has borne yet.

Rule: an account's share is the deficit in proportion to its value among everything that the ledger owed before the
first withdrawal, rounded up, so a deficit of dust reserves dust. The house's share is the whole. What the account has
withdrawn since still counts as its value. Assessments and gains that may be cut come on top, because claims are cut
after them. The reserve begins with the block in which an account has no equity, before a default is declared, and ends
at the deadline of the defaults that caused it. Assessments stay in the account until they are debited. It moves no
money.
"""

from clearing.base.errors import Rejected
from clearing.base.ids import HOUSE_ACCOUNT
from clearing.base.units import MONEY_MAX, mul_div_up
from clearing.collateral.cash_tokens import current_assets
from clearing.context.block_context import BlockContext
from clearing.context.house_limits import kept_apart
from clearing.context.member_status import is_on_members_side
from clearing.context.stress_exposure import check_stress_growth
from clearing.context.unresolved_losses import (
    defaults_under_way,
    outstanding_assessment,
    resolution_deadline,
    unresolved_micros,
)
from clearing.schema.codes import ClearingCode, reject
from clearing.schema.records.withdrawals import ValueWithdrawnRecord
from clearing.schema.terms.genesis import AccountKind
from clearing.state.holdings import Holdings, add_to_holdings, current_arrays, current_holdings, holdings_margin
from clearing.state.ledger import inventory_units, soft_credit_of
from clearing.state.state import State
from clearing.withdrawals.foreseen_assessments import foreseen_assessment
from clearing.withdrawals.uncovered_accounts import uncovered_accounts
from clearing.withdrawals.unpriced_tokens import drop_unpriced_tokens

ALL_ACCOUNTS = MONEY_MAX
"""Key without an account: the record of what was owed to all."""


def _current_deficit(context: BlockContext) -> tuple[int, int]:
    """(deficit in micros, last height of the reserve); (0, 0) without a reserve."""
    if not _holds_reserve(context.state):
        return 0, 0
    return _until_height(context.state, context.unresolved_losses.micros(context.state, context.journal.transfers))


def unresolved_deficit(state: State) -> tuple[int, int]:
    """The same for a state whose clock is at the block in question."""
    return _until_height(state, unresolved_micros(state)) if _holds_reserve(state) else (0, 0)


def _holds_reserve(state: State) -> bool:
    return state.terms.genesis.crisis.gates.deficit_reserve


def _until_height(state: State, micros: int) -> tuple[int, int]:
    if micros <= 0:
        return 0, 0
    until = resolution_deadline(state)
    return (micros, until) if state.now.height <= until else (0, 0)


def deficit_share(deficit: int, value: int, whole: int) -> int:
    """What an account of this `value` of `whole` leaves behind, at most the whole deficit."""
    if value <= 0 or whole <= 0:
        return 0
    return mul_div_up(deficit, min(value, whole), whole)


def check_deficit_reserve(
    context: BlockContext,
    at: str,
    account: int,
    *leaving: tuple[int, int],
    own_transfer: bool = False,
    paid_into: int = HOUSE_ACCOUNT,
) -> Rejected | None:
    """Whether an account that pays out (currency, units) still covers its initial margin and its share of the deficit.

    `own_transfer`: the money stays within the member's own accounts. Otherwise the account must also cover the member's
    assessments, its part of losses that its gains may have to bear, and the shortfalls of the member's other accounts
    unless the receiving account (`paid_into`) is one of them. Money that leaves the member's side must not let it lack
    more under stress than the fund was sized for. Negative units are received. Payments to the house, such as fund
    contributions, are not checked.
    """
    if paid_into == HOUSE_ACCOUNT or not is_on_members_side(context, paid_into):
        refusal = check_stress_growth(context, at, account, lambda: _holdings_without(context, account, leaving))
        if refusal is not None:
            return refusal
    deficit, until = _current_deficit(context)
    assessed = 0 if own_transfer else _assessed_of_account(context, account)
    gains = 0 if own_transfer else gains_reserve(context, account)
    short = [] if own_transfer else uncovered_accounts(context, account, paid_into)
    if not deficit and not assessed and not gains and not short:
        return None
    after = _holdings_without(context, account, leaving)
    if account != HOUSE_ACCOUNT:
        for index, group in enumerate(context.terms.cash_groups):
            after.cash[index] -= soft_credit_of(context.state, account, group)
    left = holdings_margin(current_arrays(context.state), after)
    reserve = (_deficit_part(context, account, deficit) if deficit else 0) + assessed + gains
    if short and left.equity - left.initial < sum(uncovered.shortfall for uncovered in short):
        first = {"account": short[0].account, "equity": short[0].equity, "initial": short[0].initial}
        spare = left.equity - left.initial
        return reject(ClearingCode.COLLATERAL_NEEDED_FOR_MARGIN, at, **first, leaves=account, spare=spare)
    enough = left.equity - left.initial >= reserve
    if enough and assessed and drop_unpriced_tokens(context.state, after):
        left, reserve = holdings_margin(current_arrays(context.state), after), assessed
        enough = left.equity - left.initial >= reserve
    if enough:
        return None
    return reject(
        ClearingCode.DEFICIT_RESERVE,
        at,
        account=account,
        equity=left.equity,
        initial=left.initial,
        reserve=reserve,
        deficit=deficit or assessed + gains,
        until=until or resolution_deadline(context.state),
    )


def committed_micros(context: BlockContext, account: int) -> int:
    """What an account must keep above its initial margin in any case: its member's assessments, and the shortfalls of
    the member's other accounts. A trade away from the mark could move that out, too."""
    if account == HOUSE_ACCOUNT:
        return kept_apart(context.state)
    if not context.terms.crisis.default.enabled:
        return 0
    short = sum(
        uncovered_account.shortfall for uncovered_account in uncovered_accounts(context, account, HOUSE_ACCOUNT)
    )
    return max(_assessed_of_account(context, account), short)


def keeps_committed(context: BlockContext, holdings: Holdings, loans: int, committed: int) -> bool:
    """Whether these holdings keep `committed` micros above initial margin, without lent money (`loans`) and without
    tokens that have no open price."""
    own = holdings.copy()
    drop_unpriced_tokens(context.state, own)
    margin = holdings_margin(current_arrays(context.state), own)
    return margin.equity - loans - margin.initial >= committed


def gains_reserve(context: BlockContext, account: int) -> int:
    """Equity that an account must keep for open defaults whose loss its gains may have to bear, in micros.

    Of each default its part of the unresolved deficit, in proportion to the gains fixed at the declaration, rounded up;
    at most its gains.
    """
    reserve, state = 0, context.state
    for number, default in defaults_under_way(state):
        liability = state.gains_liabilities.get((number, account))
        if liability is not None and default.gains_fixed:
            deficit = context.unresolved_losses.micros(state, context.journal.transfers)
            owed = min(deficit, default.gains_fixed)
            reserve += min(mul_div_up(owed, liability.micros, default.gains_fixed), liability.micros)
    return reserve


def check_commitments(context: BlockContext, at: str, account: int, *leaving: tuple[int, int]) -> Rejected | None:
    """Whether an account that pays another (currency, units) keeps `committed_micros`, and its member lacks no more
    under stress than the fund was sized for. Negative units are received."""
    refusal = check_stress_growth(context, at, account, lambda: _holdings_without(context, account, leaving))
    committed = committed_micros(context, account)
    if refusal is not None or not committed:
        return refusal
    left = holdings_margin(current_arrays(context.state), _holdings_without(context, account, leaving))
    if left.equity - left.initial >= committed:
        return None
    details = {"equity": left.equity, "initial": left.initial, "reserve": committed}
    return reject(ClearingCode.COLLATERAL_NEEDED_FOR_MARGIN, at, account=account, **details)


def _holdings_without(context: BlockContext, account: int, leaving: tuple[tuple[int, int], ...]) -> Holdings:
    """The holdings of an account after (currency, units) have left it."""
    after = current_holdings(context.state, account)
    for currency, units in leaving:
        add_to_holdings(context.state, after, currency, -units)
    return after


def _deficit_part(context: BlockContext, account: int, deficit: int) -> int:
    value = _equity(context, account) + value_withdrawn(context, account)
    return deficit if account == HOUSE_ACCOUNT else deficit_share(deficit, value, _total_owed(context))


def _assessed_of_account(context: BlockContext, account: int) -> int:
    """The assessment of the member whose own account this is, and what it may still be assessed; 0 for a client's
    account."""
    record = context.state.accounts[account]
    if record.kind is AccountKind.CLIENT:
        return 0
    return outstanding_assessment(context.state, record.member) + foreseen_assessment(context, record.member)


def value_withdrawn(context: BlockContext, account: int) -> int:
    """Micros that an account withdrew while the present deficits were unresolved."""
    record = _current_record(context, account)
    return record.micros if record else 0


def equity_and_total(context: BlockContext, account: int) -> tuple[int, int]:
    """(the account's equity, what is owed to all) where needed: zeros while no deficit is unresolved."""
    return (_equity(context, account), _total_owed(context)) if _current_deficit(context)[0] else (0, 0)


def record_value_withdrawn(context: BlockContext, account: int, before: tuple[int, int]) -> None:
    """Count the value that a withdrawal just took out. `before`: result of `equity_and_total` before it."""
    deficit, until = _current_deficit(context)
    if not deficit:
        return
    micros = value_withdrawn(context, account) + max(before[0] - _equity(context, account), 0)
    for key, value in ((account, micros), (ALL_ACCOUNTS, before[1])):
        record = _current_record(context, key)
        since = record.since_height if record else context.block.height
        context.state.values_withdrawn.put(key, ValueWithdrawnRecord(until, min(value, MONEY_MAX), since))


def record_value_returned(context: BlockContext, account: int, equity_before: int, accepted_height: int) -> None:
    """Subtract the value of a refund of a withdrawal that was accepted since the deficits began."""
    record = _current_record(context, account)
    if record is not None and accepted_height >= record.since_height and _current_deficit(context)[0]:
        left = max(record.micros - max(_equity(context, account) - equity_before, 0), 0)
        context.state.values_withdrawn.put(
            account, ValueWithdrawnRecord(record.deadline_height, left, record.since_height)
        )


def _current_record(context: BlockContext, account: int) -> ValueWithdrawnRecord | None:
    """The record, while the deficits that it is for may still be unresolved."""
    record = context.state.values_withdrawn.get(account)
    return record if record is not None and record.deadline_height >= context.block.height else None


def _total_owed(context: BlockContext) -> int:
    record = _current_record(context, ALL_ACCOUNTS)
    return record.micros if record else total_owed(context.state)


def total_owed(state: State) -> int:
    """Micros: the custody of all cash groups, and of all tokens at their value after haircut."""
    values = {
        token.id: value for token, value in zip(state.terms.tokens, current_arrays(state).token_prices, strict=True)
    }
    return sum(
        inventory_units(state, asset) * (1 if asset.is_cash else values[asset.id]) for asset in current_assets(state)
    )


def drop_value_withdrawn(context: BlockContext) -> None:
    """Delete records whose deadline has passed."""
    over = [
        account
        for account, record in context.state.values_withdrawn.ordered()
        if record.deadline_height < context.block.height
    ]
    for account in over:
        context.state.values_withdrawn.remove(account)


def _equity(context: BlockContext, account: int) -> int:
    return holdings_margin(current_arrays(context.state), current_holdings(context.state, account)).equity
