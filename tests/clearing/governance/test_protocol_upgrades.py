"""A protocol version begins at the height that a vote set, at all nodes alike; a release without its rules stops."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearing.apply_block import apply_block
from clearing.base.codec import encode
from clearing.base.errors import BaseCode, LocalFault
from clearing.base.header import Header
from clearing.base.protocol import RELEASE_VERSIONS, ProtocolVersions
from clearing.governance.shown_protocol import check_protocol, read_protocol, show_protocol
from clearing.governance.upgrades import UPGRADE_NOTICE_BLOCKS
from clearing.schema.codes import ClearingCode
from clearing.schema.receipts.governance import ProposalClosed, UpgradeBegun, UpgradeCancelled, UpgradeScheduled
from clearing.schema.records.governance import ProtocolRecord
from clearing.schema.requests.governance import ProtocolUpgrade, UpgradeCancellation
from clearing.state.protocol_version import GENESIS_PROTOCOL, check_version, protocol_of, version_at
from tests.kit.clearing.chamber import parliament_world
from tests.kit.clearing.genesis import ALICE, BOB
from tests.kit.clearing.world import World
from tests.kit.headers import make_header
from tests.kit.refusals import refused

NOTICE = UPGRADE_NOTICE_BLOCKS
BOTH = ProtocolVersions(1, 2)
SOON = 10
"""More blocks than a vote with its timelock takes."""


def height_of(house: World) -> int:
    return house.state.now.height


def scheduled(house: World, ahead: int = NOTICE + SOON, replaces: int = 0) -> int:
    """Agree on version 2; its height."""
    height = height_of(house) + ahead
    house.agree(ProtocolUpgrade(2, height, replaces))
    house.wait(SOON - 2)
    assert protocol_of(house.state).next_height == height
    return height


def until(house: World, height: int) -> None:
    house.check = False
    house.wait(height - height_of(house))


def header_of(house: World) -> Header:
    return make_header(height_of(house), house.genesis.validators, module_roots=house.state.module_roots())


def refused_place(house: World, amendment: ProtocolUpgrade | UpgradeCancellation) -> list[str]:
    assert house.refusals(house.proposal(amendment)) == [ClearingCode.UPGRADE_REFUSED]
    return [receipt.at for receipt in house.results[-1].receipts if hasattr(receipt, "at")]


def test_a_version_begins_at_its_height_and_not_before(house: World) -> None:
    house.versions = BOTH
    height = scheduled(house)
    assert house.every(UpgradeScheduled) == [UpgradeScheduled(2, height)]
    until(house, height - 1)
    assert protocol_of(house.state) == ProtocolRecord(1, 1, 2, height)
    assert (version_at(house.state, height - 1), version_at(house.state, height)) == (1, 2)
    assert not house.every(UpgradeBegun)
    house.block()
    assert house.last(UpgradeBegun) == [UpgradeBegun(2)]
    assert protocol_of(house.state) == ProtocolRecord(2, height)
    house.check_replay()


def test_a_release_without_the_rules_executes_every_block_below_and_none_from_there_on(house: World) -> None:
    assert RELEASE_VERSIONS.newest == 1
    height = scheduled(house)
    until(house, height - 1)
    before = house.state.module_roots()
    for _ in range(2):
        with pytest.raises(LocalFault) as stopped:
            apply_block(house.state, house.make_block())
        assert stopped.value.code is ClearingCode.RELEASE_TOO_OLD
        assert stopped.value.values == {"height": height, "needed": 2, "since_height": height, "release": "1"}
    assert house.state.module_roots() == before
    # A release that has both goes on, with the same state, and rules ask for the version of their block.
    house.versions = BOTH
    assert house.context().protocol_version == 2
    house.block(house.perp_trade(ALICE, BOB))


def test_a_release_that_lost_the_old_rules_executes_no_old_block(house: World) -> None:
    with pytest.raises(LocalFault) as stopped:
        apply_block(house.state, house.make_block(), ProtocolVersions(2, 3))
    assert stopped.value.code is ClearingCode.RELEASE_TOO_NEW
    height = scheduled(house)
    until(house, height - 1)
    check_version(house.state, height, ProtocolVersions(2, 3))


def test_a_network_that_never_upgrades_has_no_record_of_it(house: World) -> None:
    house.wait(3)
    assert not list(house.state.protocol.ordered())
    assert protocol_of(house.state) == GENESIS_PROTOCOL
    assert {version_at(house.state, height) for height in (1, 7, 10**9)} == {1}


@pytest.mark.parametrize("version", [0, 1, 3, 2**32 - 1])
def test_only_the_next_version_can_be_scheduled(house: World, version: int) -> None:
    assert refused_place(house, ProtocolUpgrade(version, 10_000)) == ["upgrade.version"]


def test_an_upgrade_has_notice(house: World) -> None:
    assert refused_place(house, ProtocolUpgrade(2, height_of(house) + NOTICE)) == ["upgrade.height"]
    # Enough when it is proposed, and too little when it would take effect.
    house.agree(ProtocolUpgrade(2, height_of(house) + NOTICE + 2))
    house.wait(SOON)
    assert [closed.code for closed in house.every(ProposalClosed)] == [ClearingCode.UPGRADE_REFUSED]
    assert not list(house.state.protocol.ordered())


def test_an_upgrade_is_moved_by_its_height_in_both_directions(house: World) -> None:
    first = scheduled(house, 500)
    assert refused_place(house, ProtocolUpgrade(2, 900)) == ["upgrade.scheduled"]
    assert refused_place(house, ProtocolUpgrade(2, 900, first + 1)) == ["upgrade.scheduled"]
    assert refused_place(house, ProtocolUpgrade(2, first, first)) == ["upgrade.height"]
    later = scheduled(house, 900, first)
    sooner = scheduled(house, NOTICE + SOON, later)
    house.versions = BOTH
    until(house, sooner)
    assert protocol_of(house.state) == ProtocolRecord(2, sooner)


def test_a_cancelled_upgrade_never_begins_and_can_be_scheduled_again(house: World) -> None:
    height = scheduled(house, 500)
    assert refused_place(house, UpgradeCancellation(height + 1)) == ["upgrade.scheduled"]
    house.agree(UpgradeCancellation(height))
    house.wait(SOON)
    assert house.every(UpgradeCancelled) == [UpgradeCancelled(2, height)]
    assert refused_place(house, UpgradeCancellation(height)) == ["upgrade.scheduled"]
    assert refused_place(house, UpgradeCancellation(0)) == ["upgrade.height"]
    until(house, height + 1)
    assert not house.every(UpgradeBegun)
    scheduled(house)


def test_a_frozen_upgrade_is_neither_moved_nor_cancelled(house: World) -> None:
    height = scheduled(house, NOTICE + 30)
    # Agreed before it is frozen, and due after that.
    until(house, height - NOTICE - 3)
    house.agree(UpgradeCancellation(height))
    house.wait(SOON)
    assert [closed.at for closed in house.every(ProposalClosed)] == ["upgrade.frozen"]
    assert refused_place(house, ProtocolUpgrade(2, height + 500, height)) == ["upgrade.frozen"]
    assert protocol_of(house.state).next_height == height


def test_the_last_block_before_the_freeze_can_still_cancel() -> None:
    house = parliament_world()
    height = scheduled(house, NOTICE + 30)
    until(house, height - NOTICE - 1)
    assert house.refusals(house.proposal(UpgradeCancellation(height))) == []
    assert refused_place(house, UpgradeCancellation(height)) == ["upgrade.frozen"]


def test_a_state_read_back_has_the_scheduled_upgrade(house: World) -> None:
    height = scheduled(house)
    copy = house.read_back()
    assert protocol_of(copy) == ProtocolRecord(1, 1, 2, height)


def test_a_header_shows_the_scheduled_upgrade_and_no_other(house: World) -> None:
    assert show_protocol(house.state) is None
    height = scheduled(house, 2 * NOTICE)
    header, data = header_of(house), show_protocol(house.state)
    assert data is not None
    shown = read_protocol(data)
    assert check_protocol(shown, header) == ProtocolRecord(1, 1, 2, height)
    for record in (ProtocolRecord(1, 1), ProtocolRecord(2, height), ProtocolRecord(1, 1, 2, height + 1)):
        with refused(BaseCode.BAD_MERKLE_PROOF):
            check_protocol(msgspec.structs.replace(shown, record=record), header)
    with refused(ClearingCode.BAD_SNAPSHOT):
        check_protocol(shown, msgspec.structs.replace(header, height=header.height + 1))
    house.agree(UpgradeCancellation(height))
    house.wait(SOON)
    with refused(BaseCode.BAD_MERKLE_PROOF):
        check_protocol(msgspec.structs.replace(shown, height=height_of(house)), header_of(house))
    with refused(ClearingCode.BAD_SNAPSHOT):
        read_protocol(encode(msgspec.structs.replace(shown, format=2)))


@given(
    oldest=st.integers(1, 5),
    more=st.integers(0, 4),
    version=st.integers(1, 9),
    since=st.integers(1, 50),
    ahead=st.integers(0, 50),
    height=st.integers(1, 200),
)
def test_a_release_has_a_height_or_is_named_too_old_or_too_new(
    oldest: int, more: int, version: int, since: int, ahead: int, height: int
) -> None:
    state = EMPTY.state.fork()
    record = ProtocolRecord(version, since, version + 1, since + ahead) if ahead else ProtocolRecord(version, since)
    state.protocol.put(0, record)
    release, needed = ProtocolVersions(oldest, oldest + more), version_at(state, height)
    assert needed == version + (ahead > 0 and height >= since + ahead)
    try:
        check_version(state, height, release)
    except LocalFault as fault:
        assert not release.has(needed)
        wanted = ClearingCode.RELEASE_TOO_OLD if needed > release.newest else ClearingCode.RELEASE_TOO_NEW
        assert (fault.code, fault.values["needed"]) == (wanted, needed)
    else:
        assert release.oldest <= needed <= release.newest


EMPTY = World()
