"""Declaration of a default: when a member cannot pay for a failed account, and the immediate consequences.

Rule: a member with other money of its own, beyond maintenance margin, pays with it and does not default. Otherwise all
its own accounts are merged into one estate: debts, money and positions. Its affiliated clients' accounts are its own
here. Client accounts stay unchanged. This module
must not know who bears a loss.
"""

import msgspec

from clearing.base.ids import HOUSE_ACCOUNT, HOUSE_MEMBER
from clearing.base.units import POSITION_MAX
from clearing.context.affiliation import OwnerFamilies
from clearing.context.block_context import AccountsOfMember, BlockContext, Failure
from clearing.context.member_status import accounts_by_member, member_status
from clearing.context.unresolved_losses import NO_DEFAULTS, Deficit, account_deficits, defaults_under_way
from clearing.default.gains_liabilities import fix_gains
from clearing.default.standby_porting import port_to_standbys
from clearing.default.variation_gains import open_gains_window
from clearing.schema.receipts.default import DefaultDeclared, DeficitCured, EstatePooled, MemberStatusChanged
from clearing.schema.records.default import DefaultPhase, DefaultReason, DefaultRecord, MemberStatus, MemberStatusRecord
from clearing.schema.terms.default import default_blocks_max
from clearing.schema.terms.genesis import AccountKind
from clearing.schema.transfers import TransferCode
from clearing.state.holdings import current_arrays, current_holdings, holdings_margin, position_lots, positions_of
from clearing.state.ledger import balance, cash_currency, soft_credit_of, token_currency
from clearing.state.state import State
from clearing.trades.balance_limits import BALANCE_MAX
from clearing.trades.consent import end_delegations
from clearing.withdrawals.delayed_release import recall_account_withdrawals

Deficits = tuple[Deficit, ...]


def declare_defaults(context: BlockContext) -> None:
    """Handle every account that failed in this block, in the order of failure."""
    members: dict[int, AccountsOfMember] = {}
    seen: set[int] = set()
    for failure in context.failures:
        # An account that fails twice in a block, on a debt and on a call, is cured of both at once.
        if failure.account not in seen and not _is_handled(context.state, failure.account):
            seen.add(failure.account)
            members = members or _sides(context)
            declare(context, failure, *members[context.state.accounts[failure.account].member])


def declare(context: BlockContext, failure: Failure, own_accounts: tuple[int, ...], clients: tuple[int, ...]) -> None:
    """Cure the failure from the member's other money, or declare its default. The house pays for its own accounts."""
    member = context.state.accounts[failure.account].member
    deficits = account_deficits(context.state, (failure.account,))
    if member == HOUSE_MEMBER:
        for account, group, micros in deficits if failure.account != HOUSE_ACCOUNT else ():
            context.journal.transfer(
                HOUSE_ACCOUNT, account, cash_currency(group), micros, TransferCode.DEFICIT_COVERED, account
            )
        context.touched_accounts.update((HOUSE_ACCOUNT, failure.account))
        return
    recall_account_withdrawals(context, own_accounts)
    if _cure_deficit(context, member, failure.account, _cure_needs(context, member, failure, deficits), own_accounts):
        return
    open_default(context, member, failure, own_accounts, clients)
    port_to_standbys(context, defaults_under_way(context.state)[-1][0])


def _sides(context: BlockContext) -> dict[int, AccountsOfMember]:
    """Accounts of this block's end, affiliates' on their member's side where genesis pools them."""
    families = OwnerFamilies(context.state) if context.terms.crisis.default.pool_affiliates else None
    return accounts_by_member(context.state, families)


def accounts_of_members(state: State, member: int) -> AccountsOfMember:
    """A member's own accounts and its clients', each ordered. Linear in all accounts: only for rare events."""
    return accounts_by_member(state).get(member, AccountsOfMember())


def cash_above_initial(state: State, account: int) -> int:
    """Cash that an account can give and stay at initial margin, without soft credit."""
    margin = holdings_margin(current_arrays(state), current_holdings(state, account))
    return cash_within(state, account, margin.equity - margin.initial)


def cash_within(state: State, account: int, spare: int) -> int:
    """An account's positive cash in all groups, limited to `spare`, less its soft credit."""
    return max(
        min(_cash(state, account), spare)
        - sum(soft_credit_of(state, account, cash_group) for cash_group in state.terms.cash_groups),
        0,
    )


def _is_handled(state: State, account: int) -> bool:
    return any(
        account in default.own_accounts or account in default.client_accounts
        for _, default in defaults_under_way(state)
    )


def _cure_needs(context: BlockContext, member: int, failure: Failure, deficits: Deficits) -> Deficits:
    """What cures a failure: the account's debts, plus what it needs to cover initial margin and its open fund call.

    The additional amount is in the fund's or the first group. Empty when nothing is
    missing that could be paid.
    """
    state, account = context.state, failure.account
    margin = holdings_margin(current_arrays(state), current_holdings(state, account))
    contribution = state.contributions.get(member)
    called = contribution.called if contribution is not None and contribution.account == account else 0
    needed = {deficit.cash_group: deficit.micros for deficit in deficits}
    additional = max(margin.initial + called - margin.equity - sum(needed.values()), 0)
    if additional:
        group = context.terms.crisis.fund.cash_group or context.terms.cash_groups[0]
        needed[group] = needed.get(group, 0) + additional
    return tuple(Deficit(account, group, micros) for group, micros in sorted(needed.items()))


def _cure_deficit(
    context: BlockContext, member: int, account: int, deficits: Deficits, own_accounts: tuple[int, ...]
) -> bool:
    """Pay what an account needs from the member's other own accounts, claims on other groups at par. Returns whether it
    did.

    It does not where this would bring them below maintenance margin. Free cash above initial margin pays first, then
    other cash, then credit. An account that is then below initial margin is called like any other.
    """
    payers = [own for own in own_accounts if own != account]
    spare = {payer: _above_maintenance_micros(context.state, payer) for payer in payers}
    needed = sum(deficit.micros for deficit in deficits)
    if not needed or sum(spare.values()) < needed:
        return False
    paid: dict[tuple[int, int], int] = {}
    for capacity in (cash_above_initial, _cash, None):
        for payer in payers:
            limit = min(capacity(context.state, payer) if capacity else spare[payer], spare[payer], needed)
            for group in context.terms.cash_groups:
                available = max(balance(context.state, payer, cash_currency(group)), 0) if capacity else limit
                micros = min(available, limit)
                if micros:
                    _pay_cure(context, payer, HOUSE_ACCOUNT, group, micros)
                    paid[(payer, group)] = paid.get((payer, group), 0) + micros
                    limit, needed, spare[payer] = limit - micros, needed - micros, spare[payer] - micros
    for deficit in deficits:
        _pay_cure(context, HOUSE_ACCOUNT, account, deficit.cash_group, deficit.micros)
    context.touched_accounts.update((HOUSE_ACCOUNT, account, *payers))
    owed = tuple((deficit.cash_group, deficit.micros) for deficit in deficits)
    payments = tuple((*key, micros) for key, micros in sorted(paid.items()))
    context.receipts.append(DeficitCured(member, account, owed, payments))
    return True


def _cash(state: State, account: int) -> int:
    return sum(max(balance(state, account, cash_currency(group)), 0) for group in state.terms.cash_groups)


def _above_maintenance_micros(state: State, account: int) -> int:
    """What an account can owe before it is below maintenance margin, without soft credit."""
    margin = holdings_margin(current_arrays(state), current_holdings(state, account))
    loans = sum(soft_credit_of(state, account, group) for group in state.terms.cash_groups)
    return max(margin.equity - margin.maintenance - loans, 0)


def _pay_cure(context: BlockContext, payer: int, payee: int, group: int, micros: int) -> None:
    context.journal.transfer(payer, payee, cash_currency(group), micros, TransferCode.DEFICIT_CURED, payer)


def open_default(
    context: BlockContext, member: int, failure: Failure, own_accounts: tuple[int, ...], clients: tuple[int, ...]
) -> None:
    """Record the default, report it, and merge the estate."""
    state, terms, height = context.state, context.terms.crisis.default, context.block.height
    clock = state.default_counters.get(0) or NO_DEFAULTS
    number = clock.declared + 1
    window = open_gains_window(context, member)
    auctioned = bool(terms.auction_blocks) and _has_positions(state, own_accounts)
    sealed = auctioned and bool(terms.reveal_blocks)
    default = DefaultRecord(
        member=member,
        reason=DefaultReason(int(failure.reason)),
        account=failure.account,
        phase=DefaultPhase.OPEN,
        declared_height=height,
        auction_height=height + terms.auction_blocks if auctioned else 0,
        porting_height=height + terms.porting_blocks if _has_positions(state, clients) else height,
        deadline_height=height + default_blocks_max(terms, len(clock.open)),
        estate=_estate(state, own_accounts) if own_accounts else failure.account,
        own_accounts=own_accounts,
        client_accounts=clients,
        last_margined_height=window.height,
        last_margined_marks=window.marks,
        liable=_liable_members(state, member) if terms.hold_assessments else (),
        reveal_height=height + terms.auction_blocks - terms.reveal_blocks + 1 if sealed else 0,
    )
    state.default_counters.put(0, msgspec.structs.replace(clock, declared=number, open=(*clock.open, number)))
    state.defaults.put(number, default)
    before = member_status(state, member)
    state.member_statuses.put(member, MemberStatusRecord(MemberStatus.DEFAULTING, height, number))
    context.receipts.append(MemberStatusChanged(member, before, MemberStatus.DEFAULTING, number))
    context.receipts.append(
        DefaultDeclared(
            number=number,
            member=member,
            reason=default.reason,
            account=default.account,
            estate=default.estate,
            own=own_accounts,
            clients=clients,
            deficits=account_deficits(state, (*own_accounts, *clients)),
            margined_height=default.last_margined_height,
            auction_height=default.auction_height,
            porting_height=default.porting_height,
            deadline_height=default.deadline_height,
            reveal_height=default.reveal_height,
        )
    )
    for account in (*own_accounts, *clients):
        _end_open_business(context, account, own=account in own_accounts)
    for account in own_accounts:
        if account != default.estate:
            _pool_account(context, number, account, default.estate)
    state.defaults.put(number, fix_gains(context, number, default))


def _liable_members(state: State, defaulter: int) -> tuple[tuple[int, int], ...]:
    """What is required of the other members now: who closes its positions afterwards is assessed by no less."""
    return tuple(
        (member, record.required)
        for member, record in state.contributions.ordered()
        if record.required and member != defaulter
    )


def _estate(state: State, own_accounts: tuple[int, ...]) -> int:
    """The account into which all are merged: the lowest that is no client's, or the lowest."""
    return min(own_accounts, key=lambda account: (state.accounts[account].kind is AccountKind.CLIENT, account))


def _has_positions(state: State, accounts: tuple[int, ...]) -> bool:
    return any(positions_of(state, account).lots for account in accounts)


def _end_open_business(context: BlockContext, account: int, *, own: bool) -> None:
    """End mandates and orders; in a member's own account calls and sales, too."""
    end_delegations(context, account)
    for instrument in context.terms.instruments:
        context.state.auction_orders.remove((instrument, account))
    if own:
        context.state.cash_calls.remove(account)
        context.state.margin_calls.remove(account)
        context.state.liquidations.remove(account)


def _pool_account(context: BlockContext, number: int, account: int, estate: int) -> None:
    """Move everything in an account to the estate, its debts included. Lots beyond the estate's position limit stay,
    and so does cash that the ledger could not count there."""
    money: list[tuple[int, int]] = []
    currencies = [cash_currency(group) for group in context.terms.cash_groups]
    currencies += [token_currency(token.id) for token in context.terms.tokens]
    for currency in currencies:
        amount = balance(context.state, account, currency)
        if amount and abs(balance(context.state, estate, currency) + amount) <= BALANCE_MAX:
            payer, payee = (account, estate) if amount > 0 else (estate, account)
            context.journal.transfer(payer, payee, currency, abs(amount), TransferCode.ESTATE_POOLED, number)
            money.append((currency, amount))
    positions: list[tuple[int, int]] = []
    for instrument, lots in positions_of(context.state, account).lots:
        estate_lots = position_lots(context.state, estate, instrument)
        moved = min(max(lots, -POSITION_MAX - estate_lots), POSITION_MAX - estate_lots)
        if moved:
            context.positions.add(account, instrument, -moved)
            context.positions.add(estate, instrument, moved)
            positions.append((instrument, moved))
    context.touched_accounts.update((account, estate))
    if money or positions:
        context.receipts.append(EstatePooled(number, account, estate, tuple(money), tuple(positions)))
