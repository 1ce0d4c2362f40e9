"""Effects of amendments: for every kind, whether it may take effect, and what it then does.

Rule: a check changes nothing. It runs when an amendment is proposed and again when it takes effect. Any failure is a
refusal, never the end of a block. New terms are checked in order:

1. immutable fields;
2. the checks of genesis;
3. the bounds that no vote can pass, and the protections;
4. what the state contains;
5. a trial: risk arrays and rulebook are built under the new terms.

An effect runs only after its check in the same block. Terms change as a whole, and everything derived from them is
rebuilt. Suspense money comes only from the suspense account's balance, and goes only to a member's account.
"""

from clearing.base.codec import encode
from clearing.base.errors import Bug, CrossclearError, Rejected
from clearing.collateral.asset_halts import check_release, release_asset
from clearing.context.block_context import BlockContext
from clearing.context.unresolved_losses import defaults_under_way
from clearing.genesis.checks import check_terms
from clearing.genesis.effective_terms import Terms, amended_genesis, next_head
from clearing.genesis.json import GENESIS_BYTES_MAX
from clearing.governance.bounds import check_bounds
from clearing.governance.halts import check_halt, check_resumption, halt_instrument, resume_instrument
from clearing.governance.immutable_fields import check_immutable, check_safeguards
from clearing.governance.listing import check_listing_change, write_listing_change
from clearing.governance.upgrades import cancel_upgrade, check_cancellation, check_upgrade, schedule_upgrade
from clearing.governance.vault_detachment import check_detachment, detach_vault
from clearing.margin.statement.rulebook import write_rulebook
from clearing.schema.codes import ClearingCode, reject
from clearing.schema.receipts.governance import SuspenseAssigned
from clearing.schema.records.governance import AmendmentRecord, GovernanceCounters
from clearing.schema.requests.governance import (
    Amendment,
    AssetRelease,
    GuardianOrder,
    InstrumentHalt,
    InstrumentResumption,
    ProtocolUpgrade,
    SuspenseAssignment,
    TermsAmendment,
    TermsChangingAmendment,
    UpgradeCancellation,
    ValidatorsAmendment,
    VaultDetachment,
)
from clearing.schema.terms.genesis import Genesis
from clearing.schema.transfers import TransferCode
from clearing.state.effective_parameters import current_rulebook, effective_risk_group
from clearing.state.holdings import current_arrays
from clearing.state.ledger import SUSPENSE_ACCOUNT, balance, can_hold
from clearing.state.state import State
from clearing.validators.set_changes import begin_change, changed_set, check_new_validators, plan_change
from clearing.validators.validator_sets import set_numbers, stored_set
from clearing.withdrawals.guardian_orders import check_guardian_order, release_guardian_order

TERMS_AT = "amendment"
AMENDED_BYTES_MAX = GENESIS_BYTES_MAX // 2


def validate_terms(state: State, amendment: TermsChangingAmendment) -> Genesis | Rejected:
    """The genesis that results from an amendment of the terms in force, or why it is refused."""
    before = state.terms.genesis
    after = amended_genesis(before, amendment)
    if isinstance(after, Rejected):
        return after
    if after == before:
        return reject(ClearingCode.BAD_AMENDMENT, TERMS_AT, why="it changes nothing")
    size = len(encode(after))
    if size > AMENDED_BYTES_MAX:
        return reject(ClearingCode.AMENDMENT_REFUSED, f"{TERMS_AT}.bytes", bytes=size, limit=AMENDED_BYTES_MAX)
    refusal = (
        check_immutable(before, after)
        or _check_amended_terms(after)
        or check_bounds(before, after)
        or check_safeguards(state.terms.original_genesis, before, after)
        or check_listing_change(state, before, after)
        or _check_trial_state(state, after)
    )
    return after if refusal is None else refusal


def trial_state(state: State, after: Genesis, previous_ms: int) -> State:
    """A state above this one as if `after` were in force already; to be discarded."""
    before = state.terms
    trial = State(Terms(after, before.original_genesis), state.salt, state)
    trial.arrays_cache = None
    write_listing_change(trial, before.genesis, after, previous_ms)
    return trial


def _check_amended_terms(after: Genesis) -> Rejected | None:
    try:
        check_terms(after)
    except CrossclearError as fault:
        return reject(ClearingCode.AMENDMENT_REFUSED, fault.at[:128], **{"code": fault.code.label, **fault.values})
    except (Bug, ArithmeticError, ValueError, LookupError, TypeError) as fault:
        return reject(ClearingCode.AMENDMENT_REFUSED, TERMS_AT, why=str(fault)[:128])
    return None


def _check_trial_state(state: State, after: Genesis) -> Rejected | None:
    """Whether risk arrays and a rulebook can be built under these terms at present prices."""
    try:
        trial = trial_state(state, after, state.now.time_ms)
        current_arrays(trial)
        write_rulebook(current_rulebook(trial))
    except CrossclearError as fault:
        return reject(ClearingCode.AMENDMENT_REFUSED, f"trial.{fault.at}"[:128], code=fault.code.label)
    except (Bug, ArithmeticError, ValueError, LookupError, TypeError) as fault:
        return reject(ClearingCode.AMENDMENT_REFUSED, "trial", why=str(fault)[:128])
    return None


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
    if isinstance(amendment, AssetRelease):
        return check_release(state, TERMS_AT, amendment.asset)
    if isinstance(amendment, GuardianOrder):
        return check_guardian_order(state, amendment)
    if isinstance(amendment, ProtocolUpgrade):
        return check_upgrade(state, amendment)
    if isinstance(amendment, UpgradeCancellation):
        return check_cancellation(state, amendment)
    return _check_suspense(state, amendment)


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
    elif isinstance(amendment, GuardianOrder):
        release_guardian_order(context, amendment)
    elif isinstance(amendment, SuspenseAssignment):
        _assign_suspense(context, amendment)
    elif isinstance(amendment, AssetRelease):
        release_asset(context, amendment.asset)
    elif isinstance(amendment, ProtocolUpgrade):
        schedule_upgrade(context, amendment)
    elif isinstance(amendment, UpgradeCancellation):
        cancel_upgrade(context)
    return 0


def _enact_terms(context: BlockContext, amendment: TermsChangingAmendment, after: Genesis, proposal: bytes) -> int:
    clock = context.state.governance_counters.get(0) or GovernanceCounters()
    number, height = clock.amendments + 1, context.block.height
    head = next_head(clock.chain_head, height, context.time_ms, proposal, amendment)
    context.state.governance_counters.put(0, GovernanceCounters(clock.proposals, number, head))
    context.state.amendments.put(number, AmendmentRecord(height, context.time_ms, proposal, amendment, head))
    _adopt_terms(context, after)
    return number


def _adopt_terms(context: BlockContext, after: Genesis) -> None:
    """Replace the terms for the rest of the block and all later ones; every account's margin is checked, and what is
    valued at another volatility, surface, rate or cap of its premium is marked anew."""
    before = context.state.terms
    valued = _valuations(context.state)
    context.state.terms = Terms(after, before.original_genesis)
    write_listing_change(context.state, before.genesis, after, context.previous_time_ms)
    for group, valuation in _valuations(context.state).items():
        if valued.get(group, valuation) != valuation:
            context.moved_surfaces.append(group)
    context.marks_amended |= _changes_marks(before.genesis, after)
    context.rebuild_arrays()
    context.touched_accounts.update(account for account, _ in context.state.accounts.ordered())


def _changes_marks(before: Genesis, after: Genesis) -> bool:
    """Whether a future's carry or the cap of a perpetual's premium is another one."""
    caps = {instrument.id: instrument.funding.premium_cap_ppm for instrument in after.instruments}
    return before.risk.rate_ppm != after.risk.rate_ppm or any(
        caps.get(was.id, was.funding.premium_cap_ppm) != was.funding.premium_cap_ppm for was in before.instruments
    )


def _valuations(state: State) -> dict[int, tuple[object, ...]]:
    """What the marks of each risk group's options depend on beside prices, by id."""
    in_force = (effective_risk_group(state, group) for group in state.terms.risk.groups)
    return {group.id: (group.volatility_ppm, group.surface, group.curve) for group in in_force}


def _check_validators(state: State, amendment: ValidatorsAmendment) -> Rejected | None:
    before = stored_set(state, set_numbers(state).next)
    if amendment.before != before.hash:
        return reject(ClearingCode.WRONG_VALIDATOR_SET, "amendment", before=amendment.before, in_force=before.hash)
    planned = changed_set(before, amendment.left, amendment.entered)
    return planned if isinstance(planned, Rejected) else check_new_validators(amendment.entered)


SUSPENSE_AT = "suspense"


def _check_suspense(state: State, amendment: SuspenseAssignment) -> Rejected | None:
    """Whether suspense contains this amount, and the account exists."""
    if not can_hold(state, amendment.account):
        return reject(ClearingCode.UNKNOWN_ACCOUNT, SUSPENSE_AT, account=amendment.account)
    available = balance(state, SUSPENSE_ACCOUNT, amendment.currency)
    if not 0 < amendment.units <= available:
        return reject(ClearingCode.BALANCE_TOO_SMALL, SUSPENSE_AT, units=amendment.units, balance=available)
    return None


def _assign_suspense(context: BlockContext, amendment: SuspenseAssignment) -> None:
    """Move the assigned money. The caller has checked it."""
    account, currency, units = amendment.account, amendment.currency, amendment.units
    context.journal.transfer(SUSPENSE_ACCOUNT, account, currency, units, TransferCode.SUSPENSE_ASSIGNED, account)
    context.touched_accounts.add(account)
    context.receipts.append(SuspenseAssigned(account, currency, units))
