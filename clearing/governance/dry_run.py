"""`dry_run`: what an amendment would do to every account if it took effect now, before anybody votes.

Rule: pure. The amendment is judged and let be in a fork that is thrown away, by the same functions as in a block; the
margins before and after are the margin book's, so what is told is what would be charged. Prices are those of the
state: what the market does until the timelock is over is not foreseen. Changes nothing.
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
from clearing.schema.requests.amendments import Amendment, ValidatorsAmendment
from clearing.state.account_margins import margin_book
from clearing.state.holdings import current_arrays, current_holdings, holdings_margin
from clearing.state.state import State
from clearing.validators.set_changes import plan_change


class AccountStanding(Wire, frozen=True):
    """An account's margin, in micros."""

    equity: I64
    initial: U63
    maintenance: U63
    initial_ok: bool
    """False: it is called."""
    maintenance_ok: bool
    """False: it can be liquidated."""


class AmendmentEffect(Wire, frozen=True):
    """One account before and after."""

    account: U63
    member: U63
    before: AccountStanding
    after: AccountStanding

    @property
    def changes(self) -> bool:
        """Whether anything differs."""
        return self.before != self.after


class AmendmentImpact(Wire, frozen=True):
    """What would happen."""

    height: U63
    """The state that it was tried on."""
    receipts: tuple[Receipt, ...]
    """Of the effect itself."""
    accounts: tuple[AmendmentEffect, ...]
    """Every account that was looked at, ordered; by default all that hold anything."""
    initial_before: U63
    initial_after: U63
    """Sums over these."""
    called_accounts: tuple[U63, ...]
    """Accounts that would be called and are not now."""
    liquidated_accounts: tuple[U63, ...]
    """Accounts that would be below maintenance and are not now."""


def amendment_impact(
    state: State, amendment: Amendment, accounts: Collection[int] | None = None
) -> AmendmentImpact | Rejected:
    """The effect of an amendment on every account, or why it may not be. Linear in the accounts.

    With `accounts` only these are looked at, and cost: what somebody may see who may not see all.
    """
    judged = validate_amendment(state, amendment)
    if isinstance(judged, Rejected):
        return judged
    if isinstance(amendment, ValidatorsAmendment):
        # In a block it waits for the change under way; here it is told that there is one.
        planned = plan_change(state, amendment.left, amendment.entered)
        if isinstance(planned, Rejected):
            return planned
    run = _context_above(state)
    enact_amendment(run, amendment, judged, bytes(32), 0)
    effects = _effects(state, run.state) if accounts is None else _effects_on(state, run.state, accounts)
    return AmendmentImpact(
        height=state.now.height,
        receipts=tuple(run.receipts),
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
    """A block in progress above a state, without anything in it."""
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
                holdings_margin(each, current_holdings(where, account))
                for each, where in zip(arrays, (state, after), strict=True)
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
                holdings_margin(each, current_holdings(where, account))
                for each, where in zip(arrays, (state, after), strict=True)
            )
            found.append(AmendmentEffect(account, record.member, _account_standing(before), _account_standing(then)))
    return tuple(found)


def _account_standing(margin: AccountMargin) -> AccountStanding:
    return AccountStanding(margin.equity, margin.initial, margin.maintenance, margin.initial_ok, margin.maintenance_ok)
