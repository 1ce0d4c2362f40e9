"""Changes of the validator set: limits, approvals, and when a change begins.

Rule: at most a third of the power leaves and a third of the new power joins with one change. One change is under way at
a time. Every new key has a proof of possession. Validator additions, power increases and new BLS keys may be delayed;
removals take effect immediately. One delayed change waits at a time; any other change of the set drops it, because it
was signed for the old set.
"""

from clearing.base import ed25519
from clearing.base.errors import Rejected, RemoteFault
from clearing.base.validators import Validator, ValidatorSet, check_possession, check_shape
from clearing.context.block_context import BlockContext
from clearing.schema.codes import ClearingCode, reject
from clearing.schema.receipts.validators import ValidatorAdditionDropped, ValidatorAdditionScheduled, ValidatorsChanged
from clearing.schema.records.validators import ScheduledAdditionRecord, SetChangeRecord
from clearing.schema.requests.validators import ValidatorChange
from clearing.state.state import State
from clearing.validators.validator_sets import schedule_next_set, set_numbers, stored_set

AT = "validator_change"
RULE_INDEX = 2**32 - 1
"""In place of a transaction's index: a scheduled change became due."""


def change_validator_set(context: BlockContext, index: int, request: ValidatorChange) -> Rejected | None:
    """Begin the change that more than two thirds of the power signed, or schedule it if it adds voting power."""
    if context.time_ms > request.not_after_ms:
        return reject(ClearingCode.REQUEST_EXPIRED, AT, not_after_ms=request.not_after_ms, time_ms=context.time_ms)
    after = validate_change(context.state, request)
    if isinstance(after, Rejected):
        return after
    before, approved = (
        stored_set(context.state, set_numbers(context.state).next),
        approved_power(context.state, request),
    )
    if is_delayed(context.state, before, after):
        _schedule_addition(context, index, before, after, approved)
    else:
        begin_change(context, index, after, approved)
    return None


def is_delayed(state: State, before: ValidatorSet, after: ValidatorSet) -> bool:
    """Whether a request for this change is delayed before it begins."""
    return _addition_delay_ms(state) > 0 and moved_power(before, after)[1] > 0


def begin_due_addition(context: BlockContext) -> None:
    """Begin the scheduled change when it is due."""
    addition = _due_addition(context)
    if addition is not None:
        begin_change(context, RULE_INDEX, addition.after, addition.approved_power)


def validate_change(state: State, request: ValidatorChange) -> ValidatorSet | Rejected:
    """The set that results from a valid request, whatever the time.

    Checks that an attacker can make expensive (points, proofs) run only after a quorum's signatures. The first invalid
    signature ends them.
    """
    in_force = set_numbers(state).next
    before = stored_set(state, in_force)
    if request.number != in_force + 1 or request.before != before.hash:
        return reject(
            ClearingCode.WRONG_VALIDATOR_SET,
            AT,
            number=request.number,
            next_number=in_force + 1,
            before=request.before,
            in_force=before.hash,
        )
    planned = plan_change(state, request.left, request.entered)
    if isinstance(planned, Rejected):
        return planned
    addition = state.scheduled_additions.get(0)
    if addition is not None and is_delayed(state, before, planned):
        # The first signed addition keeps its place, even if it or another addition is submitted again.
        return reject(ClearingCode.VALIDATOR_CHANGE_UNDER_WAY, AT, number=addition.number, due_ms=addition.due_ms)
    refusal = _check_approvals(state, before, request)
    if refusal is not None:
        return refusal
    refusal = check_new_validators(request.entered)
    if refusal is not None:
        return refusal
    if planned.hash != request.after:
        return reject(ClearingCode.BAD_VALIDATOR_CHANGE, f"{AT}.after", stated=request.after, computed=planned.hash)
    return planned


def plan_change(state: State, left: tuple[bytes, ...], entered: tuple[Validator, ...]) -> ValidatorSet | Rejected:
    """The set in force with removals and additions, if no change is under way and all limits are respected."""
    set_change = state.set_changes.get(0)
    if set_change is not None:
        return reject(
            ClearingCode.VALIDATOR_CHANGE_UNDER_WAY,
            AT,
            number=set_change.number,
            vaults_waiting=len(set_change.awaited_vaults),
        )
    return changed_set(stored_set(state, set_numbers(state).next), left, entered)


def changed_set(
    before: ValidatorSet, left: tuple[bytes, ...], entered: tuple[Validator, ...]
) -> ValidatorSet | Rejected:
    """`before` with removals and additions, within all limits. No curve points are decoded."""
    present = {validator.envelope_key: validator for validator in before.validators}
    unknown = [key for key in left if key not in present]
    unchanged = [validator for validator in entered if present.get(validator.envelope_key) == validator]
    keys = [validator.envelope_key for validator in entered]
    if unknown or unchanged or not (left or entered):
        odd = unknown[0] if unknown else unchanged[0].envelope_key if unchanged else b""
        return reject(ClearingCode.BAD_VALIDATOR_CHANGE, AT, left=len(left), entered=len(entered), key=odd)
    if list(left) != sorted(set(left)) or keys != sorted(set(keys)) or set(left) & set(keys):
        return reject(ClearingCode.BAD_VALIDATOR_CHANGE, f"{AT}.order", left=len(left), entered=len(entered))
    members = {key: validator for key, validator in present.items() if key not in left}
    members.update((validator.envelope_key, validator) for validator in entered)
    after = ValidatorSet(tuple(members[key] for key in sorted(members)))
    try:
        check_shape(after)
    except RemoteFault as fault:
        return reject(ClearingCode.BAD_VALIDATOR_CHANGE, f"{AT}.{fault.at}", **fault.values)
    leaving, joining = moved_power(before, after)
    if 3 * leaving > before.total_power or 3 * joining > after.total_power:
        return reject(
            ClearingCode.TOO_MUCH_POWER_MOVES,
            AT,
            gone=leaving,
            of=before.total_power,
            come=joining,
            of_new=after.total_power,
        )
    return after


def moved_power(before: ValidatorSet, after: ValidatorSet) -> tuple[int, int]:
    """(power that leaves, in the old set; power that joins, in the new set).

    A validator with a changed power counts with the difference, one with another BLS key or EVM address with its
    full power.
    """
    return _power_not_in(before, after), _power_not_in(after, before)


def _power_not_in(one: ValidatorSet, other: ValidatorSet) -> int:
    """Power of `one` that the same keys do not have in `other`."""
    other_powers = {_keys_of(validator): validator.power for validator in other.validators}
    return sum(max(validator.power - other_powers.get(_keys_of(validator), 0), 0) for validator in one.validators)


def _keys_of(validator: Validator) -> tuple[bytes, bytes, bytes]:
    return validator.envelope_key, validator.bls_key, validator.evm_address


def check_new_validators(entered: tuple[Validator, ...]) -> Rejected | None:
    """Every new BLS key and EVM address must come with a proof of possession (1.6 ms each)."""
    for validator in entered:
        try:
            check_possession(validator)
        except RemoteFault as fault:
            return reject(ClearingCode.BAD_POSSESSION, AT, envelope_key=validator.envelope_key, why=fault.code.name)
    return None


def approved_power(state: State, request: ValidatorChange) -> int:
    """Power of the validators named in the request's approvals; the signatures are checked elsewhere."""
    validators = stored_set(state, set_numbers(state).next).validators
    return sum(
        validators[approval.validator].power for approval in request.approvals if approval.validator < len(validators)
    )


def _check_approvals(state: State, before: ValidatorSet, request: ValidatorChange) -> Rejected | None:
    at, indices = f"{AT}.approvals", [approval.validator for approval in request.approvals]
    if indices != sorted(set(indices)) or (indices and indices[-1] >= len(before.validators)):
        return reject(ClearingCode.BAD_APPROVAL, at, approvals=len(indices), validators=len(before.validators))
    power = approved_power(state, request)
    if not before.is_quorum(power):
        return reject(ClearingCode.TOO_FEW_APPROVALS, at, power=power, total=before.total_power)
    digest = request.digest(state.terms.network)
    for approval in request.approvals:
        if not ed25519.verify(before.validators[approval.validator].envelope_key, digest, approval.signature):
            return reject(ClearingCode.BAD_APPROVAL, at, validator=approval.validator)
    return None


def begin_change(context: BlockContext, index: int, after: ValidatorSet, approved: int) -> None:
    """Make `after` the set two heights later; wait for all vaults except detached ones. Checked before
    (`plan_change`)."""
    before = stored_set(context.state, set_numbers(context.state).next)
    old = {validator.envelope_key: validator for validator in before.validators}
    new = {validator.envelope_key for validator in after.validators}
    number, height = schedule_next_set(context.state, after), context.block.height
    vaults = ((chain.chain_id, chain.vault) for chain in context.terms.chains.values())
    waiting = tuple(vault for vault in vaults if vault not in context.state.detached_vaults)
    context.state.set_changes.put(0, SetChangeRecord(number, height, waiting))
    context.receipts.append(
        ValidatorsChanged(
            index=index,
            number=number,
            before=before.hash,
            after=after.hash,
            effective_height=height + 2,
            left=tuple(key for key in old if key not in new),
            entered=tuple(
                validator.envelope_key for validator in after.validators if old.get(validator.envelope_key) != validator
            ),
            total_power=after.total_power,
            approved_power=approved,
        )
    )


def _addition_delay_ms(state: State) -> int:
    """Delay of validator additions; 0: they begin at once."""
    return state.terms.genesis.crisis.governance.entry_delay_ms


def _schedule_addition(
    context: BlockContext, index: int, before: ValidatorSet, after: ValidatorSet, approved: int
) -> None:
    """Schedule a checked change for later, with a receipt."""
    number = set_numbers(context.state).next + 1
    due_ms = context.time_ms + _addition_delay_ms(context.state)
    context.state.scheduled_additions.put(
        0, ScheduledAdditionRecord(number, before.hash, after, approved, context.block.height, due_ms)
    )
    old, new = (
        {validator.envelope_key: validator for validator in validators.validators} for validators in (before, after)
    )
    context.receipts.append(
        ValidatorAdditionScheduled(
            index=index,
            number=number,
            before=before.hash,
            after=after.hash,
            due_ms=due_ms,
            left=tuple(key for key in old if key not in new),
            entered=tuple(key for key, validator in new.items() if old.get(key) != validator),
            approved_power=approved,
        )
    )


def _due_addition(context: BlockContext) -> ScheduledAdditionRecord | None:
    """The scheduled change, when it is due. One that starts from an outdated set is dropped first."""
    addition = context.state.scheduled_additions.get(0)
    if addition is None:
        return None
    number = set_numbers(context.state).next
    in_force = stored_set(context.state, number).hash
    if (addition.number, addition.before) != (number + 1, in_force):
        context.state.scheduled_additions.remove(0)
        context.receipts.append(
            ValidatorAdditionDropped(addition.number, addition.before, addition.after.hash, in_force)
        )
        return None
    if context.time_ms < addition.due_ms:
        return None
    context.state.scheduled_additions.remove(0)
    return addition
