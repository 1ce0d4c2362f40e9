"""Effects of amendments: for every kind, whether it may take effect, and what it then does.

Rule: a check changes nothing. An effect runs only after its check in the same block. Terms change as a whole, and
everything derived from them is rebuilt. Suspense money comes only from the suspense account's balance, and goes only to
a member's account.
"""

from clearing.base.errors import Bug, Rejected
from clearing.context.block_context import BlockContext
from clearing.context.unresolved_losses import defaults_under_way
from clearing.genesis.effective_terms import Terms, next_head
from clearing.governance.halts import check_halt, check_resumption, halt_instrument, resume_instrument
from clearing.governance.listing import write_listing_change
from clearing.governance.validation import validate_terms
from clearing.governance.vault_detachment import check_detachment, detach_vault
from clearing.schema.codes import ClearingCode, reject
from clearing.schema.receipts.governance import SuspenseAssigned
from clearing.schema.records.governance import AmendmentRecord, GovernanceCounters
from clearing.schema.requests.amendments import (
    Amendment,
    InstrumentHalt,
    InstrumentResumption,
    SuspenseAssignment,
    TermsAmendment,
    TermsChangingAmendment,
    ValidatorsAmendment,
    VaultDetachment,
)
from clearing.schema.terms.genesis import Genesis
from clearing.schema.transfers import TransferCode
from clearing.state.ledger import SUSPENSE_ACCOUNT, balance, can_hold
from clearing.state.state import State
from clearing.validators.set_changes import begin_change, changed_set, check_new_validators, plan_change
from clearing.validators.validator_sets import set_numbers, stored_set

NO_REQUEST_INDEX = 2**32 - 1
"""In place of a transaction's index: by an amendment."""


def validate_amendment(state: State, amendment: Amendment) -> Genesis | Rejected | None:
    """Why an amendment is refused at this state; otherwise the resulting genesis, or None where the terms
    stay unchanged."""
    if isinstance(amendment, TermsAmendment):
        return validate_terms(state, amendment)
    if isinstance(amendment, VaultDetachment):
        return check_detachment(state, amendment) or validate_terms(state, amendment)
    if isinstance(amendment, ValidatorsAmendment):
        return _check_validators(state, amendment)
    if isinstance(amendment, InstrumentHalt):
        return check_halt(state, amendment.instrument, amendment.until_height)
    if isinstance(amendment, InstrumentResumption):
        return check_resumption(state, amendment.instrument)
    return check_suspense(state, amendment)


def must_be_postponed(state: State, amendment: Amendment) -> bool:
    """Whether an amendment must wait only because a default or validator change that it touches is under way."""
    if isinstance(amendment, TermsAmendment):
        touches = any(change.path.split(".")[0] in ("crisis", "members") for change in amendment.changes)
        return touches and bool(defaults_under_way(state))
    return isinstance(amendment, ValidatorsAmendment) and state.set_changes.get(0) is not None


def enact_amendment(
    context: BlockContext, amendment: Amendment, validated: Genesis | None, proposal: bytes, approved: int
) -> int:
    """Enact an amendment with the result of `validate_amendment` in this block. Returns the terms amendment's
    number, or 0."""
    if isinstance(amendment, TermsAmendment | VaultDetachment):
        if validated is None:
            raise Bug("an amendment of the terms was validated without a result")
        if isinstance(amendment, VaultDetachment):
            detach_vault(context, amendment)
        return _enact_terms(context, amendment, validated, proposal)
    if isinstance(amendment, ValidatorsAmendment):
        planned = plan_change(context.state, amendment.left, amendment.entered)
        if isinstance(planned, Rejected):
            raise Bug(f"an amendment of the validators was validated, and is {planned}")
        begin_change(context, NO_REQUEST_INDEX, planned, approved)
    elif isinstance(amendment, InstrumentHalt):
        halt_instrument(context, amendment.instrument, amendment.until_height, by_house=False)
    elif isinstance(amendment, InstrumentResumption):
        resume_instrument(context, amendment.instrument)
    elif isinstance(amendment, SuspenseAssignment):
        assign_suspense(context, amendment)
    return 0


def _enact_terms(context: BlockContext, amendment: TermsChangingAmendment, after: Genesis, proposal: bytes) -> int:
    clock = context.state.governance_counters.get(0) or GovernanceCounters()
    number, height = clock.amendments + 1, context.block.height
    head = next_head(clock.chain_head, height, context.time_ms, proposal, amendment)
    context.state.governance_counters.put(0, GovernanceCounters(clock.proposals, number, head))
    context.state.amendments.put(number, AmendmentRecord(height, context.time_ms, proposal, amendment, head))
    adopt_terms(context, after)
    return number


def adopt_terms(context: BlockContext, after: Genesis) -> None:
    """Replace the terms for the rest of the block and all later ones; every account's margin is checked."""
    before = context.state.terms
    context.state.terms = Terms(after, before.original_genesis)
    write_listing_change(context.state, before.genesis, after, context.previous_time_ms)
    context.rebuild_arrays()
    context.touched_accounts.update(account for account, _ in context.state.accounts.ordered())


def _check_validators(state: State, amendment: ValidatorsAmendment) -> Rejected | None:
    before = stored_set(state, set_numbers(state).next)
    if amendment.before != before.hash:
        return reject(ClearingCode.WRONG_VALIDATOR_SET, "amendment", before=amendment.before, in_force=before.hash)
    planned = changed_set(before, amendment.left, amendment.entered)
    return planned if isinstance(planned, Rejected) else check_new_validators(amendment.entered)


AT = "suspense"


def check_suspense(state: State, amendment: SuspenseAssignment) -> Rejected | None:
    """Whether suspense contains this amount, and the account exists."""
    if not can_hold(state, amendment.account):
        return reject(ClearingCode.UNKNOWN_ACCOUNT, AT, account=amendment.account)
    available = balance(state, SUSPENSE_ACCOUNT, amendment.currency)
    if not 0 < amendment.units <= available:
        return reject(ClearingCode.BALANCE_TOO_SMALL, AT, units=amendment.units, balance=available)
    return None


def assign_suspense(context: BlockContext, amendment: SuspenseAssignment) -> None:
    """Move the assigned money. The caller has checked it."""
    account, currency, units = amendment.account, amendment.currency, amendment.units
    context.journal.transfer(SUSPENSE_ACCOUNT, account, currency, units, TransferCode.SUSPENSE_ASSIGNED, account)
    context.touched_accounts.add(account)
    context.receipts.append(SuspenseAssigned(account, currency, units))
