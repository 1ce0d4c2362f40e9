"""A header is final only if a known committee proves it: recorded data of mainnet and of the minimal preset."""

import copy
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from bridge.beacon.beacon_json import read_bootstrap, read_update
from bridge.beacon.network import CAPELLA, DENEB, ELECTRA, Fork
from bridge.beacon.sync_protocol import LightState, bootstrapped, updated
from bridge.codes import BridgeCode
from clearing.base import bls
from clearing.base.errors import RemoteFault
from tests.kit.bridge.beacon_chain import NETWORK, PERIOD_SLOTS, BeaconChain, committee
from tests.kit.bridge.recorded_beacon import MAINNET, MINIMAL, NOW
from tests.kit.refusals import refused

Path = tuple[str | int, ...]
SAMPLED_KEYS = (0, 255, 511)


@pytest.fixture
def start(recorded) -> LightState:
    """After mainnet's bootstrap."""
    return bootstrapped(MAINNET, recorded.bootstrap.header.beacon.root, recorded.bootstrap)


@pytest.fixture
def synced(recorded, start) -> LightState:
    """After all recorded updates but the last."""
    state = start
    for update in recorded.updates[:-1]:
        state = updated(MAINNET, state, update, NOW)
    return state


def leaves(value: Any, above: Path = ()) -> Iterator[Path]:
    """The places of all values; of the keys of a committee, three."""
    steps: list[Any] = []
    if isinstance(value, dict):
        steps = list(value)
    elif isinstance(value, list):
        steps = [place for place in range(len(value)) if len(value) < 32 or place in SAMPLED_KEYS]
    if not steps and not isinstance(value, dict | list):
        yield above
    for step in steps:
        yield from leaves(value[step], (*above, step))


def flipped(tree: Any, path: Path) -> Any:
    """A copy in which one value differs in its lowest bit."""
    found = copy.deepcopy(tree)
    at = found
    for step in path[:-1]:
        at = at[step]
    text = at[path[-1]]
    if text == "0x":
        changed = "0x00"
    elif text.startswith("0x"):
        data = bytes.fromhex(text[2:])
        changed = "0x" + (data[:-1] + bytes([data[-1] ^ 1])).hex()
    else:
        changed = str(int(text) ^ 1)
    at[path[-1]] = changed
    return found


def test_recorded_mainnet_updates_lead_from_a_trusted_root_through_six_periods(recorded, start):
    state = start
    for update in recorded.updates:
        state = updated(MAINNET, state, update, NOW)
    assert state.header == recorded.updates[-1].finalized_header.beacon
    state = updated(MAINNET, state, recorded.finality, NOW)
    assert state.header.slot == 7_109_344
    assert recorded.finality.finalized_header.execution.block_number == 17_923_026
    assert MAINNET.period(state.header.slot) - MAINNET.period(start.header.slot) == 5


def test_the_official_case_of_the_minimal_preset_ends_as_stated(recorded):
    data = recorded.minimal
    root = bytes.fromhex(data["meta"]["trusted_block_root"][2:])
    state = bootstrapped(MINIMAL, root, read_bootstrap(data["bootstrap"], MINIMAL))
    ends = []
    for step in data["steps"]:
        update = read_update(step["update"], MINIMAL)
        if update.has_finality:
            state = updated(MINIMAL, state, update, step["current_slot"])
        else:
            # The specification keeps such an update for a forced change after a timeout; here nothing is forced.
            with refused(BridgeCode.BAD_LIGHT_UPDATE, at="finality"):
                updated(MINIMAL, state, update, step["current_slot"])
        expected = step["expected"]["finalized_header"]
        ends.append((state.header.slot, "0x" + state.header.root.hex()))
        assert ends[-1] == (int(expected["slot"]), expected["beacon_root"])
        if update.has_finality and state.header == update.finalized_header.beacon:
            assert "0x" + update.finalized_header.execution.root(ELECTRA).hex() == expected["execution_root"]
    assert [slot for slot, _ in ends] == [24, 72, 96, 96]


def test_a_bootstrap_with_any_value_flipped_is_refused(recorded):
    root = recorded.bootstrap.header.beacon.root
    for path in leaves(recorded.bootstrap_json):
        with pytest.raises(RemoteFault) as caught:
            bootstrapped(MAINNET, root, read_bootstrap(flipped(recorded.bootstrap_json, path), MAINNET))
        assert caught.value.code in (BridgeCode.BAD_LIGHT_UPDATE, BridgeCode.MALFORMED_ANSWER), path


@pytest.mark.parametrize("of", ["update", "finality_update"])
def test_an_update_with_any_value_flipped_is_refused(recorded, synced, of):
    tree = recorded.updates_json[-1] if of == "update" else recorded.finality_json
    assert updated(MAINNET, synced, read_update(tree, MAINNET), NOW) != synced
    for path in leaves(tree):
        if path == ("signature_slot",):
            continue
        with pytest.raises(RemoteFault) as caught:
            updated(MAINNET, synced, read_update(flipped(tree, path), MAINNET), NOW)
        assert caught.value.code in (
            BridgeCode.BAD_LIGHT_UPDATE,
            BridgeCode.STALE_LIGHT_UPDATE,
            BridgeCode.MALFORMED_ANSWER,
        ), path


def test_the_slot_of_the_signature_is_not_signed_and_changes_nothing(recorded, synced):
    """It only chooses committee and fork, of which the signature has one."""
    later = msgspec.structs.replace(recorded.finality, signature_slot=recorded.finality.signature_slot + 1)
    assert updated(MAINNET, synced, later, NOW) == updated(MAINNET, synced, recorded.finality, NOW)


def test_a_minimal_update_with_any_value_flipped_is_refused(recorded):
    data = recorded.minimal
    root = bytes.fromhex(data["meta"]["trusted_block_root"][2:])
    state = bootstrapped(MINIMAL, root, read_bootstrap(data["bootstrap"], MINIMAL))
    step = data["steps"][0]
    for path in leaves(step["update"]):
        if path != ("signature_slot",):
            with pytest.raises(RemoteFault):
                updated(MINIMAL, state, read_update(flipped(step["update"], path), MINIMAL), step["current_slot"])


def signed_by(update: Any, places: int) -> Any:
    """Another participation: the first places."""
    size = len(update.participation)
    return msgspec.structs.replace(update, participation=((1 << places) - 1).to_bytes(size, "little"))


@pytest.mark.parametrize("signers", [0, 1, 341])
def test_fewer_than_two_thirds_are_refused_before_the_signature_is_looked_at(recorded, synced, monkeypatch, signers):
    monkeypatch.setattr(bls, "verify_aggregate", lambda *_: True)
    with refused(BridgeCode.BAD_LIGHT_UPDATE, at="signature") as caught:
        updated(MAINNET, synced, signed_by(recorded.finality, signers), NOW)
    assert caught.value.values["why"] == "fewer than two thirds"
    assert updated(MAINNET, synced, signed_by(recorded.finality, 342), NOW) != synced


def test_another_committee_than_the_signer_is_refused(recorded, synced):
    other = LightState(synced.header, recorded.bootstrap.committee, recorded.bootstrap.committee)
    with refused(BridgeCode.BAD_LIGHT_UPDATE, at="signature"):
        updated(MAINNET, other, recorded.finality, NOW)


@pytest.mark.parametrize("version", ["02000000", "04000000"])
def test_a_signature_for_another_fork_is_refused(recorded, synced, version):
    other = replace(MAINNET, forks=(Fork(194_048, bytes.fromhex(version), CAPELLA),))
    with refused(BridgeCode.BAD_LIGHT_UPDATE, at="signature"):
        updated(other, synced, recorded.finality, NOW)


def test_a_signature_for_another_chain_is_refused(recorded, synced):
    other = replace(MAINNET, genesis_validators_root=bytes(32))
    with refused(BridgeCode.BAD_LIGHT_UPDATE, at="signature"):
        updated(other, synced, recorded.finality, NOW)


@pytest.mark.parametrize("layout", [DENEB, ELECTRA])
def test_a_header_read_as_another_forks_is_refused(recorded, synced, layout):
    other = replace(MAINNET, forks=(Fork(194_048, bytes.fromhex("03000000"), layout),))
    with refused(BridgeCode.BAD_LIGHT_UPDATE):
        updated(other, synced, recorded.finality, NOW)


def test_a_slot_before_the_first_known_fork_is_refused(recorded):
    other = replace(MAINNET, forks=MAINNET.forks[1:])
    with refused(BridgeCode.BAD_LIGHT_UPDATE, at="bootstrap"):
        bootstrapped(other, recorded.bootstrap.header.beacon.root, recorded.bootstrap)


def test_the_fork_of_the_slot_before_the_signature_is_signed_for(recorded, synced):
    """A committee signs in the first slot of a fork for the fork before."""
    first = (recorded.finality.signature_slot // 32 + 1) * 32
    other = Fork(first // 32, bytes.fromhex("04000000"), CAPELLA)
    forking = replace(MAINNET, forks=(MAINNET.forks[0], other))
    at_first = msgspec.structs.replace(recorded.finality, signature_slot=first)
    assert updated(forking, synced, at_first, NOW) != synced
    with refused(BridgeCode.BAD_LIGHT_UPDATE, at="signature"):
        updated(forking, synced, msgspec.structs.replace(at_first, signature_slot=first + 1), NOW)


def test_a_fork_begins_with_the_first_slot_of_its_epoch():
    first = 364_032 * 32
    assert MAINNET.fork_at(first - 1) == MAINNET.forks[1]
    assert MAINNET.fork_at(first) == MAINNET.forks[2]


def test_an_older_update_is_refused_as_stale(recorded, synced):
    newest = updated(MAINNET, synced, recorded.finality, NOW)
    for older in (*recorded.updates, recorded.finality):
        try:
            # A period's update may still bring the committee after it.
            assert updated(MAINNET, newest, older, NOW).header == newest.header
        except RemoteFault as fault:
            assert fault.code == BridgeCode.STALE_LIGHT_UPDATE
    assert updated(MAINNET, newest, recorded.finality, NOW) == newest


def test_an_update_of_the_future_is_refused(recorded, synced):
    with refused(BridgeCode.BAD_LIGHT_UPDATE, at="slots"):
        updated(MAINNET, synced, recorded.finality, recorded.finality.signature_slot - 1)


def test_slots_that_are_not_in_order_are_refused(recorded, synced):
    update = recorded.finality
    attested = update.attested_header.beacon.slot
    with refused(BridgeCode.BAD_LIGHT_UPDATE, at="slots"):
        updated(MAINNET, synced, msgspec.structs.replace(update, signature_slot=attested), NOW)
    later = msgspec.structs.replace(update.finalized_header.beacon, slot=attested + 1)
    header = msgspec.structs.replace(update.finalized_header, beacon=later)
    with refused(BridgeCode.BAD_LIGHT_UPDATE, at="slots"):
        updated(MAINNET, synced, msgspec.structs.replace(update, finalized_header=header), NOW)


def test_blob_gas_before_deneb_is_refused(recorded, synced):
    """The root of those headers does not have it."""
    execution = msgspec.structs.replace(recorded.finality.finalized_header.execution, blob_gas_used=1)
    header = msgspec.structs.replace(recorded.finality.finalized_header, execution=execution)
    with refused(BridgeCode.BAD_LIGHT_UPDATE, at="finalized"):
        updated(MAINNET, synced, msgspec.structs.replace(recorded.finality, finalized_header=header), NOW)


def test_a_next_committee_is_taken_only_from_a_period_that_is_final():
    chain = BeaconChain()
    chain.final_slot = 2 * PERIOD_SLOTS - 8
    state = LightState(chain.header(PERIOD_SLOTS), committee(1))
    for final_slot, known in ((PERIOD_SLOTS - 1, None), (PERIOD_SLOTS, committee(2))):
        update = read_update(chain.finality_update(final_slot) | chain.next_committee(final_slot), NETWORK)
        assert updated(NETWORK, state, update, NOW).next_committee == known


def test_no_period_is_skipped(recorded, start):
    for later in recorded.updates[1:]:
        with refused(BridgeCode.BAD_LIGHT_UPDATE, at="slots"):
            updated(MAINNET, start, later, NOW)


def test_a_header_beside_the_trusted_root_is_refused(recorded):
    with refused(BridgeCode.BAD_LIGHT_UPDATE, at="bootstrap"):
        bootstrapped(MAINNET, recorded.updates[0].finalized_header.beacon.root, recorded.bootstrap)


def test_an_older_branch_in_the_form_of_a_newer_fork_is_read(recorded, synced):
    """It begins with zero nodes, and with nothing else."""
    update = recorded.finality
    longer = msgspec.structs.replace(update, finality_branch=(bytes(32), *update.finality_branch))
    assert updated(MAINNET, synced, longer, NOW) == updated(MAINNET, synced, update, NOW)
    for branch in ((b"\1" * 32, *update.finality_branch), update.finality_branch[1:]):
        with refused(BridgeCode.BAD_LIGHT_UPDATE, at="finality"):
            updated(MAINNET, synced, msgspec.structs.replace(update, finality_branch=branch), NOW)


def test_another_next_committee_than_the_proven_one_is_refused(recorded, start):
    update = recorded.updates[0]
    before = msgspec.structs.replace(start.header, slot=update.attested_header.beacon.slot - 1)
    known = LightState(before, start.committee, recorded.bootstrap.committee)
    with refused(BridgeCode.BAD_LIGHT_UPDATE, at="next committee"):
        updated(MAINNET, known, update, NOW)
