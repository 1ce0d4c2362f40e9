"""What each kind of amendment asks and does.

Rule: one pair of functions per kind: whether it may be, which changes nothing, and its effect, which the caller judged
in the same block. Terms change as a whole, at the start of a block, and everything that was derived from them is built
anew.
"""

from clearing.base.errors import Bug, Rejected
from clearing.codes import ClearingCode, reject
from clearing.default.unresolved import defaults_under_way
from clearing.genesis import Genesis
from clearing.governance.amendments import (
    Amendment,
    InstrumentHalt,
    InstrumentResumption,
    SuspenseAssignment,
    TermsAmendment,
    TermsChanging,
    ValidatorsAmendment,
    VaultDetachment,
)
from clearing.governance.fold import next_head
from clearing.governance.halts import check_halt, check_resumption, halt_instrument, resume_instrument
from clearing.governance.judging import judge_terms
from clearing.governance.listing import write_listing
from clearing.governance.records import AmendmentHeld, GovernanceClock
from clearing.governance.suspense import assign_suspense, check_suspense
from clearing.governance.vaults import check_detachment, detach_vault
from clearing.run import Run
from clearing.state.state import State
from clearing.state.terms import Terms
from clearing.validators.changes import begin_change, changed_set, check_entered, plan_change
from clearing.validators.sets import seats_of, set_of

NO_INDEX = 2**32 - 1
"""In place of a transaction's number: by an amendment."""


def judge(state: State, amendment: Amendment) -> Genesis | Rejected | None:
    """Why an amendment may not be, at this state; else the genesis as it makes it, or None where terms stay."""
    if isinstance(amendment, TermsAmendment):
        return judge_terms(state, amendment)
    if isinstance(amendment, VaultDetachment):
        return check_detachment(state, amendment) or judge_terms(state, amendment)
    if isinstance(amendment, ValidatorsAmendment):
        return _check_validators(state, amendment)
    if isinstance(amendment, InstrumentHalt):
        return check_halt(state, amendment.instrument, amendment.until_height)
    if isinstance(amendment, InstrumentResumption):
        return check_resumption(state, amendment.instrument)
    return check_suspense(state, amendment)


def must_wait(state: State, amendment: Amendment) -> bool:
    """Whether an amendment cannot take effect only because something it touches is under way, and will end."""
    if isinstance(amendment, TermsAmendment):
        touches = any(change.path.split(".")[0] in ("crisis", "members") for change in amendment.changes)
        return touches and bool(defaults_under_way(state))
    return isinstance(amendment, ValidatorsAmendment) and state.changes.get(0) is not None


def take_effect(run: Run, amendment: Amendment, judged: Genesis | None, proposal: bytes, approved: int) -> int:
    """Let an amendment be, with what `judge` gave in this block. The number of the amendment of the terms, or 0."""
    if isinstance(amendment, TermsAmendment | VaultDetachment):
        if judged is None:
            raise Bug("an amendment of the terms was judged and made none")
        if isinstance(amendment, VaultDetachment):
            detach_vault(run, amendment)
        return _amend(run, amendment, judged, proposal)
    if isinstance(amendment, ValidatorsAmendment):
        planned = plan_change(run.state, amendment.left, amendment.entered)
        if isinstance(planned, Rejected):
            raise Bug(f"an amendment of the validators was judged, and is {planned}")
        begin_change(run, NO_INDEX, planned, approved)
    elif isinstance(amendment, InstrumentHalt):
        halt_instrument(run, amendment.instrument, amendment.until_height, by_house=False)
    elif isinstance(amendment, InstrumentResumption):
        resume_instrument(run, amendment.instrument)
    elif isinstance(amendment, SuspenseAssignment):
        assign_suspense(run, amendment)
    return 0


def _amend(run: Run, amendment: TermsChanging, after: Genesis, proposal: bytes) -> int:
    clock = run.state.governance.get(0) or GovernanceClock()
    number, height = clock.amendments + 1, run.block.height
    head = next_head(clock.head, height, run.time_ms, proposal, amendment)
    run.state.governance.put(0, GovernanceClock(clock.proposals, number, head))
    run.state.amendments.put(number, AmendmentHeld(height, run.time_ms, proposal, amendment, head))
    put_in_force(run, after)
    return number


def put_in_force(run: Run, after: Genesis) -> None:
    """From here on the block, and all later ones, have these terms; everybody's margin is looked at."""
    before = run.state.terms
    run.state.terms = Terms(after, before.origin)
    write_listing(run.state, before.genesis, after, run.previous_ms)
    run.rebuild_arrays()
    run.touched.update(account for account, _ in run.state.accounts.ordered())


def _check_validators(state: State, amendment: ValidatorsAmendment) -> Rejected | None:
    before = set_of(state, seats_of(state).next)
    if amendment.before != before.hash:
        return reject(ClearingCode.WRONG_VALIDATOR_SET, "amendment", before=amendment.before, in_force=before.hash)
    planned = changed_set(before, amendment.left, amendment.entered)
    return planned if isinstance(planned, Rejected) else check_entered(amendment.entered)
