"""Validation of amendments: all checks of an amendment, when it is proposed and again when it takes effect.

Rule: checks in order:

1. immutable fields;
2. the checks of genesis;
3. the bounds that no vote can pass, and the protections;
4. what the state contains;
5. a trial: risk arrays and rulebook are built under the new terms.

Any failure is a refusal, never the end of a block. Changes nothing.
"""

from clearing.base.codec import encode
from clearing.base.errors import Bug, CrossclearError, Rejected
from clearing.genesis.checks import check_terms
from clearing.genesis.effective_terms import Terms, amended_genesis
from clearing.genesis.json import GENESIS_BYTES_MAX
from clearing.governance.bounds import check_bounds
from clearing.governance.immutable_fields import check_immutable, check_safeguards
from clearing.governance.listing import check_listing_change, write_listing_change
from clearing.margin.statement.rulebook import write_rulebook
from clearing.schema.codes import ClearingCode, reject
from clearing.schema.requests.amendments import TermsChangingAmendment
from clearing.schema.terms.genesis import Genesis
from clearing.state.effective_parameters import current_rulebook
from clearing.state.holdings import current_arrays
from clearing.state.state import State

AT = "amendment"

AMENDED_BYTES_MAX = GENESIS_BYTES_MAX // 2


def validate_terms(state: State, amendment: TermsChangingAmendment) -> Genesis | Rejected:
    """The genesis that results from an amendment of the terms in force, or why it is refused."""
    before = state.terms.genesis
    after = amended_genesis(before, amendment)
    if isinstance(after, Rejected):
        return after
    if after == before:
        return reject(ClearingCode.BAD_AMENDMENT, AT, why="it changes nothing")
    size = len(encode(after))
    if size > AMENDED_BYTES_MAX:
        return reject(ClearingCode.AMENDMENT_REFUSED, f"{AT}.bytes", bytes=size, limit=AMENDED_BYTES_MAX)
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
        return reject(ClearingCode.AMENDMENT_REFUSED, AT, why=str(fault)[:128])
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
