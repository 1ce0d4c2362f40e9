"""The light client's state and its two transitions: a bootstrap by a trusted root, and an update by a committee.

Rule: a header is final when at least two thirds of a known sync committee signed for a header whose state has it as
finalized. After consensus specifications, altair/light-client/sync-protocol.md (`initialize_light_client_store`,
`validate_light_client_update`, `apply_light_client_update`), with the indices and headers of capella, deneb and
electra. Two differences, both stricter: an update without finality or without two thirds is refused, not kept for
later, and so no header is ever forced final after a timeout. It knows no clock: the caller states the slot.
"""

import msgspec

from bridge.beacon.containers import BeaconHeader, Bootstrap, LightHeader, SyncCommittee, Update
from bridge.beacon.network import EXECUTION_PAYLOAD, BeaconNetwork, Fork
from bridge.beacon.ssz import is_branch
from bridge.codes import BridgeCode
from clearing.base import bls
from clearing.base.codec import Wire
from clearing.base.errors import RemoteFault


class LightState(Wire, frozen=True):
    """The newest final header, the committee of its period, and the next one once it is proven."""

    header: BeaconHeader
    committee: SyncCommittee
    next_committee: SyncCommittee | None = None


def bootstrapped(network: BeaconNetwork, trusted_root: bytes, bootstrap: Bootstrap) -> LightState:
    """The state at the header whose root the operator trusts (`initialize_light_client_store`).

    Raises RemoteFault BAD_LIGHT_UPDATE.
    """
    header = bootstrap.header.beacon
    layout = _fork(network, header.slot, "bootstrap").layout
    _require(header.root == trusted_root, "bootstrap", "another root than the trusted one", root=header.root)
    _check_execution(network, bootstrap.header, "bootstrap")
    _require(
        is_branch(bootstrap.committee.root, bootstrap.committee_branch, layout.current_committee, header.state_root),
        "bootstrap",
        "the branch of the committee",
    )
    return LightState(header, bootstrap.committee)


def updated(network: BeaconNetwork, state: LightState, update: Update, current_slot: int) -> LightState:
    """The state after a proven update; the same state where it proves nothing new.

    Raises RemoteFault BAD_LIGHT_UPDATE for what is not proven, STALE_LIGHT_UPDATE for what is older than the state.
    """
    check_update(network, state, update, current_slot)
    return _applied(network, state, update)


def check_update(network: BeaconNetwork, state: LightState, update: Update, current_slot: int) -> None:
    """Check that an update is proven under `state` (`validate_light_client_update`). Raises as `updated`."""
    _check_slots(network, state, update, current_slot)
    attested = update.attested_header.beacon
    final = update.finalized_header.beacon
    layout = _fork(network, attested.slot, "attested").layout
    _require(update.has_finality, "finality", "no finality branch")
    _check_execution(network, update.attested_header, "attested")
    _check_execution(network, update.finalized_header, "finalized")
    _require(
        is_branch(final.root, update.finality_branch, layout.finalized_root, attested.state_root),
        "finality",
        "the branch of the final header",
    )
    committee = update.next_committee
    if committee is not None:
        if network.period(attested.slot) == network.period(state.header.slot) and state.next_committee is not None:
            _require(committee == state.next_committee, "next committee", "another than the one proven before")
        _require(
            is_branch(committee.root, update.next_committee_branch, layout.next_committee, attested.state_root),
            "next committee",
            "the branch of the committee",
        )
    _check_signature(network, state, update)


def _check_slots(network: BeaconNetwork, state: LightState, update: Update, current_slot: int) -> None:
    attested, final = update.attested_header.beacon.slot, update.finalized_header.beacon.slot
    signed = update.signature_slot
    _require(current_slot >= signed > attested >= final, "slots", "not in order", now=current_slot, signed=signed)
    period, signed_period = network.period(state.header.slot), network.period(signed)
    known = {period} if state.next_committee is None else {period, period + 1}
    if signed_period < period:
        raise _stale(state, attested)
    _require(signed_period in known, "slots", "signed by a committee that is not known", period=signed_period)
    brings_committee = (
        state.next_committee is None and update.next_committee is not None and network.period(attested) == period
    )
    if attested <= state.header.slot and not brings_committee:
        raise _stale(state, attested)


def _check_signature(network: BeaconNetwork, state: LightState, update: Update) -> None:
    """Two thirds of the committee of the signature's period, under the fork of the slot before the signature's."""
    is_current = network.period(update.signature_slot) == network.period(state.header.slot)
    committee = state.committee if is_current else state.next_committee
    fork = _fork(network, max(update.signature_slot, 1) - 1, "signature")
    if committee is None or len(update.participation) * 8 != len(committee.pubkeys):
        raise _bad("signature", "no committee of that size")
    signers = update.signers(committee)
    _require(
        3 * len(signers) >= 2 * len(committee.pubkeys),
        "signature",
        "fewer than two thirds",
        signers=len(signers),
        committee=len(committee.pubkeys),
    )
    message = network.signing_root(update.attested_header.beacon.root, fork)
    try:
        holds = bls.verify_aggregate(signers, message, update.signature)
    except RemoteFault as fault:
        raise _bad("signature", str(fault)) from None
    _require(holds, "signature", "it does not verify")


def _applied(network: BeaconNetwork, state: LightState, update: Update) -> LightState:
    """`apply_light_client_update`, where `process_light_client_update` calls it."""
    attested, final = update.attested_header.beacon, update.finalized_header.beacon
    period, final_period = network.period(state.header.slot), network.period(final.slot)
    proves_next = (
        state.next_committee is None
        and update.next_committee is not None
        and final_period == network.period(attested.slot)
    )
    if final.slot <= state.header.slot and not proves_next:
        return state
    if state.next_committee is None:
        state = msgspec.structs.replace(state, next_committee=update.next_committee)
    elif final_period == period + 1:
        state = LightState(state.header, state.next_committee, update.next_committee)
    if final.slot > state.header.slot:
        state = msgspec.structs.replace(state, header=final)
    return state


def _check_execution(network: BeaconNetwork, header: LightHeader, at: str) -> None:
    """The execution header is the one in the block (capella/light-client/sync-protocol.md,
    `is_valid_light_client_header`)."""
    layout = _fork(network, header.beacon.slot, at).layout
    execution = header.execution
    if not layout.has_blob_gas:
        _require(execution.blob_gas_used == execution.excess_blob_gas == 0, at, "blob gas before Deneb")
    _require(
        is_branch(execution.root(layout), header.execution_branch, EXECUTION_PAYLOAD, header.beacon.body_root),
        at,
        "the branch of the execution header",
    )


def _fork(network: BeaconNetwork, slot: int, at: str) -> Fork:
    fork = network.fork_at(slot)
    if fork is None:
        raise _bad(at, "before the first fork that is known", slot=slot)
    return fork


def _require(holds: bool, at: str, why: str, **values: int | bytes) -> None:
    if not holds:
        raise _bad(at, why, **values)


def _bad(at: str, why: str, **values: int | bytes) -> RemoteFault:
    return RemoteFault(BridgeCode.BAD_LIGHT_UPDATE, at, why=why, **values)


def _stale(state: LightState, attested: int) -> RemoteFault:
    return RemoteFault(BridgeCode.STALE_LIGHT_UPDATE, "update", attested=attested, final=state.header.slot)
