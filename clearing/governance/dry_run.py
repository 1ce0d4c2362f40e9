"""`amendment_impact`: the effect of an amendment on every account if it took effect now, for use before the vote.

Rule: pure. The amendment is validated and enacted in a fork that is discarded, by the same functions as in a block. The
margins before and after come from the margin book, so they are those that would be charged. Prices are those of the
state; market moves until the end of the timelock are not forecast. Changes nothing.
"""

from collections.abc import Collection

import msgspec

from clearing.base.codec import I64, U63, Wire
from clearing.base.errors import Rejected
from clearing.base.ids import HOUSE_ACCOUNT
from clearing.context.block_context import BlockContext
from clearing.governance.effects import enact_amendment, validate_amendment
from clearing.margin.requirement.account_margin import AccountMargin
from clearing.schema.blocks.block import BlockInput
from clearing.schema.blocks.receipt import Receipt
from clearing.schema.requests.governance import Amendment, ValidatorsAmendment
from clearing.state.holdings import current_arrays, current_holdings, holdings_margin, margin_book
from clearing.state.state import State
from clearing.validators.set_changes import plan_change


class AccountStanding(Wire, frozen=True):
    """An account's margin, in micros."""

    equity: I64
    initial: U63
    maintenance: U63
    initial_ok: bool
    """False: the account is called."""
    maintenance_ok: bool
    """False: the account can be liquidated."""


class AmendmentEffect(Wire, frozen=True):
    """One account before and after."""

    account: U63
    member: U63
    before: AccountStanding
    after: AccountStanding

    @property
    def changes(self) -> bool:
        """Whether the two differ."""
        return self.before != self.after


class AmendmentImpact(Wire, frozen=True):
    """The impact of an amendment."""

    height: U63
    """Height of the state that it was tried on."""
    receipts: tuple[Receipt, ...]
    """Receipts of the enactment itself."""
    accounts: tuple[AmendmentEffect, ...]
    """Every evaluated account, ordered; by default all with holdings."""
    initial_before: U63
    initial_after: U63
    """Sums over these accounts."""
    called_accounts: tuple[U63, ...]
    """Accounts that would be called and are not now."""
    liquidated_accounts: tuple[U63, ...]
    """Accounts that would be below maintenance and are not now."""


def amendment_impact(
    state: State, amendment: Amendment, accounts: Collection[int] | None = None
) -> AmendmentImpact | Rejected:
    """The effect of an amendment on every account, or why it is refused. Linear in the accounts.

    With `accounts`, only these are evaluated: for readers who may not see all.
    """
    validated = validate_amendment(state, amendment)
    if isinstance(validated, Rejected):
        return validated
    if isinstance(amendment, ValidatorsAmendment):
        # In a block it would wait for the change under way; here that change is reported.
        planned = plan_change(state, amendment.left, amendment.entered)
        if isinstance(planned, Rejected):
            return planned
    trial = _context_above(state)
    enact_amendment(trial, amendment, validated, bytes(32), 0)
    effects = _effects(state, trial.state) if accounts is None else _effects_on(state, trial.state, accounts)
    return AmendmentImpact(
        height=state.now.height,
        receipts=tuple(trial.receipts),
        accounts=effects,
        initial_before=sum(effect.before.initial for effect in effects),
        initial_after=sum(effect.after.initial for effect in effects),
        called_accounts=tuple(
            effect.account for effect in effects if effect.before.initial_ok and not effect.after.initial_ok
        ),
        liquidated_accounts=tuple(
            effect.account for effect in effects if effect.before.maintenance_ok and not effect.after.maintenance_ok
        ),
    )


def _context_above(state: State) -> BlockContext:
    """A block context above a state, without any input."""
    height, time_ms = state.now.height + 1, state.now.time_ms
    context = BlockContext(State(state.terms, state.salt, state), BlockInput(height, time_ms, (), 1, ()))
    context.state.clock.put(0, msgspec.structs.replace(state.now, height=height))
    return context


def _effects(state: State, after: State) -> tuple[AmendmentEffect, ...]:
    first, second = margin_book(state), margin_book(after)
    arrays = current_arrays(state), current_arrays(after)
    found: list[AmendmentEffect] = []
    for account, record in after.accounts.ordered():
        if account == HOUSE_ACCOUNT:
            before, then = (
                holdings_margin(arrays_then, current_holdings(state_then, account))
                for arrays_then, state_then in zip(arrays, (state, after), strict=True)
            )
        elif account in first and account in second:
            before, then = first.margin(account), second.margin(account)
        else:
            continue
        found.append(AmendmentEffect(account, record.member, _account_standing(before), _account_standing(then)))
    return tuple(found)


def _effects_on(state: State, after: State, accounts: Collection[int]) -> tuple[AmendmentEffect, ...]:
    arrays = current_arrays(state), current_arrays(after)
    found = []
    for account in sorted(accounts):
        record = state.accounts.get(account)
        if record is not None:
            before, then = (
                holdings_margin(arrays_then, current_holdings(state_then, account))
                for arrays_then, state_then in zip(arrays, (state, after), strict=True)
            )
            found.append(AmendmentEffect(account, record.member, _account_standing(before), _account_standing(then)))
    return tuple(found)


def _account_standing(margin: AccountMargin) -> AccountStanding:
    return AccountStanding(margin.equity, margin.initial, margin.maintenance, margin.initial_ok, margin.maintenance_ok)
