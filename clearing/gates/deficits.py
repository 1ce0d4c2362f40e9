"""The reserve for deficits that nobody has borne yet: who takes money out leaves its part of them behind.

Rule: an account's part is the deficit in proportion to the account's worth among all that the ledger owed when the
first took something out, rounded up, so it never exceeds the deficit, and a deficit of dust holds back dust; the
house's part is the whole. What the account took out since counts as worth still, or many small withdrawals would leave
nothing; and nobody's comings and goings make another's part smaller. At the deadline of the defaults that caused it the
gate opens. What a member is assessed stays in the account of its own that money leaves from, until it is taken. It
moves no money.
"""

from clearing.accounts.kinds import AccountKind
from clearing.base.errors import Rejected
from clearing.base.ids import HOUSE_ACCOUNT
from clearing.base.units import MONEY_MAX, mul_div_up
from clearing.codes import ClearingCode, reject
from clearing.collateral.listing import assets_now
from clearing.collateral.soft_credit import lent
from clearing.default.unresolved import assessed_now, deadline_height, unresolved_micros
from clearing.gates.records import DeficitLeft
from clearing.gates.siblings import short_siblings
from clearing.holdings import Holdings, add_units, arrays_of, holdings_of, margin_of
from clearing.ledger import held
from clearing.run import Run
from clearing.state.state import State

ALL = MONEY_MAX
"""No account: what was owed to all is noted under it."""


def deficit_now(run: Run) -> tuple[int, int]:
    """(micros, height up to which they hold money back); (0, 0) where nothing is held back."""
    if not _reserves(run.state):
        return 0, 0
    return _until(run.state, run.unresolved.micros(run.state, run.journal.transfers))


def deficit_of(state: State) -> tuple[int, int]:
    """The same of a state whose clock stands at the block in question."""
    return _until(state, unresolved_micros(state)) if _reserves(state) else (0, 0)


def _reserves(state: State) -> bool:
    return state.terms.genesis.crisis.gates.deficit_reserve


def _until(state: State, micros: int) -> tuple[int, int]:
    until = deadline_height(state)
    return (micros, until) if micros > 0 and state.now.height <= until else (0, 0)


def part_of(deficit: int, worth: int, whole: int) -> int:
    """What an account worth `worth` of `whole` leaves behind, at most all of the deficit."""
    if worth <= 0 or whole <= 0:
        return 0
    return mul_div_up(deficit, min(worth, whole), whole)


def check_reserve(
    run: Run, at: str, account: int, *leaving: tuple[int, int], within: bool = False, mends: int = HOUSE_ACCOUNT
) -> Rejected | None:
    """Whether an account that lets go of (currency, units) covers its initial margin and its part of the deficit.

    And, unless it stays `within` its member's own accounts, what the member is assessed, and what other accounts of the
    member are short of, where it is not brought to one of them (`mends`). Units below zero come in. What is paid within
    the house, such as a contribution to the fund, is not asked about.
    """
    deficit, until = deficit_now(run)
    assessed = 0 if within else _assessed(run.state, account)
    short = [] if within else short_siblings(run, account, mends)
    if not deficit and not assessed and not short:
        return None
    after = _without(run, account, leaving)
    if account != HOUSE_ACCOUNT:
        for index, group in enumerate(run.terms.cash_groups):
            after.cash[index] -= lent(run.state, account, group)
    left = margin_of(arrays_of(run.state), after)
    reserve = max(_part(run, account, deficit) if deficit else 0, assessed)
    if short and left.equity - left.initial < sum(each.missing for each in short):
        first = {"account": short[0].account, "equity": short[0].equity, "initial": short[0].initial}
        spare = left.equity - left.initial
        return reject(ClearingCode.COLLATERAL_NEEDED_FOR_MARGIN, at, **first, leaves=account, spare=spare)
    if left.equity - left.initial >= reserve:
        return None
    return reject(
        ClearingCode.DEFICIT_RESERVE,
        at,
        account=account,
        equity=left.equity,
        initial=left.initial,
        reserve=reserve,
        deficit=deficit or assessed,
        until=until or deadline_height(run.state),
    )


def bound_micros(run: Run, account: int) -> int:
    """What an account has to keep above its initial margin whatever else it does: what its member is assessed, and what
    the member's other accounts are short of. A trade at another price than the mark would carry that out, too.
    """
    if account == HOUSE_ACCOUNT or not run.terms.crisis.default.enabled:
        return 0
    short = sum(each.missing for each in short_siblings(run, account, HOUSE_ACCOUNT))
    return max(_assessed(run.state, account), short)


def check_bound(run: Run, at: str, account: int, *leaving: tuple[int, int]) -> Rejected | None:
    """Whether an account that pays another (currency, units) keeps `bound_micros`. Units below zero come in."""
    kept = bound_micros(run, account)
    if not kept:
        return None
    left = margin_of(arrays_of(run.state), _without(run, account, leaving))
    if left.equity - left.initial >= kept:
        return None
    told = {"equity": left.equity, "initial": left.initial, "reserve": kept}
    return reject(ClearingCode.COLLATERAL_NEEDED_FOR_MARGIN, at, account=account, **told)


def _without(run: Run, account: int, leaving: tuple[tuple[int, int], ...]) -> Holdings:
    """What an account has when (currency, units) have left it."""
    after = holdings_of(run.state, account)
    for currency, units in leaving:
        add_units(run.state, after, currency, -units)
    return after


def _part(run: Run, account: int, deficit: int) -> int:
    worth = _equity(run, account) + taken_out(run, account)
    return deficit if account == HOUSE_ACCOUNT else part_of(deficit, worth, _whole(run))


def _assessed(state: State, account: int) -> int:
    """What is assessed of the member whose own account this is; nothing is of clients."""
    record = state.accounts[account]
    return 0 if record.kind is AccountKind.CLIENT else assessed_now(state, record.member)


def taken_out(run: Run, account: int) -> int:
    """What the account took out while the present deficits were unresolved."""
    record = _noted(run, account)
    return record.micros if record else 0


def worths(run: Run, account: int) -> tuple[int, int]:
    """(the account's equity, what is owed to all) where it matters: zeros while nothing is unresolved."""
    return (_equity(run, account), _whole(run)) if deficit_now(run)[0] else (0, 0)


def note_taken_out(run: Run, account: int, before: tuple[int, int]) -> None:
    """Count what a withdrawal that was just written took out. `before`: what `worths` told before it."""
    deficit, until = deficit_now(run)
    if not deficit:
        return
    micros = taken_out(run, account) + max(before[0] - _equity(run, account), 0)
    for key, value in ((account, micros), (ALL, before[1])):
        noted = _noted(run, key)
        since = noted.since_height if noted else run.block.height
        run.state.deficit_left.put(key, DeficitLeft(until, min(value, MONEY_MAX), since))


def note_back(run: Run, account: int, equity_before: int, accepted_height: int) -> None:
    """Count no more what came back of a withdrawal that was accepted since the deficits began."""
    noted = _noted(run, account)
    if noted is not None and accepted_height >= noted.since_height and deficit_now(run)[0]:
        left = max(noted.micros - max(_equity(run, account) - equity_before, 0), 0)
        run.state.deficit_left.put(account, DeficitLeft(noted.deadline_height, left, noted.since_height))


def _noted(run: Run, account: int) -> DeficitLeft | None:
    """The record, while the deficits that it is for may still be unresolved."""
    record = run.state.deficit_left.get(account)
    return record if record is not None and record.deadline_height >= run.block.height else None


def _whole(run: Run) -> int:
    noted = _noted(run, ALL)
    return noted.micros if noted else owed_in_all(run.state)


def owed_in_all(state: State) -> int:
    """Micros: the custody of all cash groups, and of all tokens at their value after haircut."""
    values = {token.id: value for token, value in zip(state.terms.tokens, arrays_of(state).token_prices, strict=True)}
    return sum(held(state, asset) * (1 if asset.is_cash else values[asset.id]) for asset in assets_now(state))


def forget_taken_out(run: Run) -> None:
    """A record counts no more once the deadline that it is for has passed."""
    over = [account for account, each in run.state.deficit_left.ordered() if each.deadline_height < run.block.height]
    for account in over:
        run.state.deficit_left.remove(account)


def _equity(run: Run, account: int) -> int:
    return margin_of(arrays_of(run.state), holdings_of(run.state, account)).equity
