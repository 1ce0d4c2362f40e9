"""Whether an amendment may be: everything that is asked of it, when it is proposed and again when it takes effect.

Rule: what genesis would refuse is refused here, by the same checks; then what no vote changes, the bounds that no vote
can pass, what the state holds, and at last a trial: risk arrays and rulebook are built under the new terms before
anything is decided. Whatever goes wrong in judging is a refusal, never the end of a block. Changes nothing.
"""

from clearing.base.codec import encode
from clearing.base.errors import Bug, CrossclearError, Rejected
from clearing.codes import ClearingCode, reject
from clearing.epoch import rulebook_of
from clearing.genesis import GENESIS_BYTES_MAX, Genesis, check_terms
from clearing.governance.amendments import TermsChanging
from clearing.governance.bounds import check_bounds
from clearing.governance.fold import amended
from clearing.governance.frozen import check_frozen
from clearing.governance.listing import check_listing, write_listing
from clearing.governance.protections import check_protections
from clearing.holdings import arrays_of
from clearing.margin.rulebook import write_rulebook
from clearing.state.state import State
from clearing.state.terms import Terms

AT = "amendment"
AMENDED_BYTES_MAX = GENESIS_BYTES_MAX // 2


def judge_terms(state: State, amendment: TermsChanging) -> Genesis | Rejected:
    """The genesis that an amendment makes of the terms in force, or why it may not."""
    before = state.terms.genesis
    after = amended(before, amendment)
    if isinstance(after, Rejected):
        return after
    if after == before:
        return reject(ClearingCode.BAD_AMENDMENT, AT, why="it changes nothing")
    size = len(encode(after))
    if size > AMENDED_BYTES_MAX:
        return reject(ClearingCode.AMENDMENT_REFUSED, f"{AT}.bytes", bytes=size, limit=AMENDED_BYTES_MAX)
    refusal = (
        check_frozen(before, after)
        or _check_terms(after)
        or check_bounds(before, after)
        or check_protections(state.terms.origin, before, after)
        or check_listing(state, before, after)
        or _check_trial(state, after)
    )
    return after if refusal is None else refusal


def trial_state(state: State, after: Genesis, previous_ms: int) -> State:
    """A state above this one as if `after` were in force already, to be looked at and thrown away."""
    before = state.terms
    trial = State(Terms(after, before.origin), state.salt, state)
    trial.arrays_cache = None
    write_listing(trial, before.genesis, after, previous_ms)
    return trial


def _check_terms(after: Genesis) -> Rejected | None:
    try:
        check_terms(after)
    except CrossclearError as fault:
        return reject(ClearingCode.AMENDMENT_REFUSED, fault.at[:128], **{"code": fault.code.label, **fault.values})
    except (Bug, ArithmeticError, ValueError, LookupError, TypeError) as fault:
        return reject(ClearingCode.AMENDMENT_REFUSED, AT, why=str(fault)[:128])
    return None


def _check_trial(state: State, after: Genesis) -> Rejected | None:
    """Whether risk arrays can be built under these terms at the prices of now, and told in a rulebook."""
    try:
        trial = trial_state(state, after, state.now.time_ms)
        arrays_of(trial)
        write_rulebook(rulebook_of(trial))
    except CrossclearError as fault:
        return reject(ClearingCode.AMENDMENT_REFUSED, f"trial.{fault.at}"[:128], code=fault.code.label)
    except (Bug, ArithmeticError, ValueError, LookupError, TypeError) as fault:
        return reject(ClearingCode.AMENDMENT_REFUSED, "trial", why=str(fault)[:128])
    return None
