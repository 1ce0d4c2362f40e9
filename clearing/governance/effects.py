"""Effects of amendments: for every kind, whether it may take effect, and what it then does.

Rule: a check changes nothing; an effect runs only after its check in the same block. Terms change as a whole, and
everything derived from them is built anew. Suspense money comes only from the suspense account, only as far as it is
there, and goes only to a member's account.
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
from clearing.validators.validator_sets import kept_set, set_numbers

NO_REQUEST_INDEX = 2**32 - 1
"""In place of a transaction's number: by an amendment."""


def validate_amendment(state: State, amendment: Amendment) -> Genesis | Rejected | None:
    """Why an amendment may not be, at this state; else the genesis as it makes it, or None where terms stay."""
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
    """Whether an amendment cannot take effect only because something it touches is under way, and will end."""
    if isinstance(amendment, TermsAmendment):
        touches = any(change.path.split(".")[0] in ("crisis", "members") for change in amendment.changes)
        return touches and bool(defaults_under_way(state))
    return isinstance(amendment, ValidatorsAmendment) and state.set_changes.get(0) is not None


def enact_amendment(
    context: BlockContext, amendment: Amendment, judged: Genesis | None, proposal: bytes, approved: int
) -> int:
    """Let an amendment be, with what `judge` gave in this block. The number of the amendment of the terms, or 0."""
    if isinstance(amendment, TermsAmendment | VaultDetachment):
        if judged is None:
            raise Bug("an amendment of the terms was judged and made none")
        if isinstance(amendment, VaultDetachment):
            detach_vault(context, amendment)
        return _enact_terms(context, amendment, judged, proposal)
    if isinstance(amendment, ValidatorsAmendment):
        planned = plan_change(context.state, amendment.left, amendment.entered)
        if isinstance(planned, Rejected):
            raise Bug(f"an amendment of the validators was judged, and is {planned}")
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
    """From here on the block, and all later ones, have these terms; everybody's margin is looked at."""
    before = context.state.terms
    context.state.terms = Terms(after, before.original_genesis)
    write_listing_change(context.state, before.genesis, after, context.previous_time_ms)
    context.rebuild_arrays()
    context.touched_accounts.update(account for account, _ in context.state.accounts.ordered())


def _check_validators(state: State, amendment: ValidatorsAmendment) -> Rejected | None:
    before = kept_set(state, set_numbers(state).next)
    if amendment.before != before.hash:
        return reject(ClearingCode.WRONG_VALIDATOR_SET, "amendment", before=amendment.before, in_force=before.hash)
    planned = changed_set(before, amendment.left, amendment.entered)
    return planned if isinstance(planned, Rejected) else check_new_validators(amendment.entered)


AT = "suspense"


def check_suspense(state: State, amendment: SuspenseAssignment) -> Rejected | None:
    """Whether so much is in suspense, and there is such an account."""
    if not can_hold(state, amendment.account):
        return reject(ClearingCode.UNKNOWN_ACCOUNT, AT, account=amendment.account)
    have = balance(state, SUSPENSE_ACCOUNT, amendment.currency)
    if not 0 < amendment.units <= have:
        return reject(ClearingCode.BALANCE_TOO_SMALL, AT, units=amendment.units, balance=have)
    return None


def assign_suspense(context: BlockContext, amendment: SuspenseAssignment) -> None:
    """Move it. The caller has checked it."""
    account, currency, units = amendment.account, amendment.currency, amendment.units
    context.journal.transfer(SUSPENSE_ACCOUNT, account, currency, units, TransferCode.SUSPENSE_ASSIGNED, account)
    context.touched_accounts.add(account)
    context.receipts.append(SuspenseAssigned(account, currency, units))
