"""A node at an upgrade: it says what it lacks, keeps what it has, and no release starts on blocks it cannot read."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from clearing.base.errors import LocalFault
from clearing.base.protocol import ProtocolVersions
from clearing.governance.upgrades import UPGRADE_NOTICE_BLOCKS
from clearing.schema.codes import ClearingCode
from clearing.schema.requests.governance import GovernanceProposal, ProtocolUpgrade
from clearing.schema.terms.genesis import CrisisParameters
from clearing.schema.terms.governance import GovernanceTerms
from clearing.state.protocol_version import protocol_of
from cli.output import ExitCode, exit_of
from member.signing.requests import UNSIGNED_BY_VALIDATOR, signed_by_validator
from node.agreement.upgrade_watch import NOTE, UpgradeStanding, UpgradeWatch, refuse_noted_release, refuse_release
from node.ops.health import upgrade_check
from node.ops.meters import show_upgrade
from node.ops.metrics import Metrics
from node.store.blocks import light_block_at
from node.store.store import Store
from node.sync.joining import check_state
from node.sync.restore import encode_saved
from tests.kit.node.station import Home, Station, make_home, time_of, vote_of_one
from tests.kit.refusals import refused

OLD, BOTH, NEW = ProtocolVersions(1, 1), ProtocolVersions(1, 2), ProtocolVersions(2, 2)
HEIGHT = UPGRADE_NOTICE_BLOCKS + 8
GOVERNED = CrisisParameters(governance=GovernanceTerms(vote_ms=60_000, timelock_ms=1_000, timelock_floor_ms=1_000))


@contextmanager
def opened(home: Home, release: ProtocolVersions) -> Iterator[Station]:
    """The node of this home, started with a release."""
    with Store(home.path / "node.sqlite", home.network) as store:
        yield Station(home, store, release=release)


def watch_of(station: Station, peers_height: int = 0) -> UpgradeWatch:
    watch = UpgradeWatch(station.state, station.store, lambda: peers_height, station.release)
    station.application.listen(watch.decided)
    return watch


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory) -> tuple[Home, Home]:
    """A home that stands before the upgrade, written by the old release, and the same some blocks after it."""
    folder = tmp_path_factory.mktemp("upgraded")
    home = make_home(folder / "net", crisis=GOVERNED)
    proposal = GovernanceProposal(0, ProtocolUpgrade(2, HEIGHT), "", time_of(60), UNSIGNED_BY_VALIDATOR)
    proposal = signed_by_validator(home.network, proposal, home.keys.envelope)
    with opened(home, OLD) as station:
        watch_of(station)
        station.decide()
        station.decide(transactions=(proposal,))
        station.decide(transactions=(vote_of_one(home, proposal),))
        while station.application.height < HEIGHT - 1:
            station.decide()
        assert protocol_of(station.state).next_height == HEIGHT
    before = Home(home.genesis, home.keys, folder / "before", home.config)
    shutil.copytree(home.path, before.path)
    with opened(home, BOTH) as station:
        watch_of(station)
        for _ in range(3):
            station.decide()
        height, record = station.application.height, station.epochs.record()
        station.store.save_snapshot(height, encode_saved(height, station.state, record))
    return before, home


def test_a_node_that_lacks_the_rules_restarts_before_them_and_says_what_it_needs(homes: tuple[Home, Home]) -> None:
    with opened(homes[0], OLD) as station:
        refuse_noted_release(station.store, OLD)
        refuse_release(station.state, OLD)
        assert station.application.missing_version(HEIGHT) == 2
        standing = watch_of(station, HEIGHT + 30).standing
        assert (standing.missing, standing.will_stop) == (2, True)
        needs = f"stopped after height {HEIGHT - 1}: from height {HEIGHT} on protocol 2 is needed, this release has 1"
        assert standing.detail.startswith(f"{needs}; peers are at {HEIGHT + 30}")
        with refused(ClearingCode.RELEASE_TOO_OLD, LocalFault):
            station.decide()
        assert station.store.height() == HEIGHT - 1


def test_a_release_with_both_versions_says_where_the_next_begins(homes: tuple[Home, Home]) -> None:
    with opened(homes[0], BOTH) as station:
        standing = watch_of(station).standing
        assert (standing.missing, standing.will_stop) == (None, False)
        assert f"protocol 2 from height {HEIGHT} on" in standing.detail
        assert station.store.get(NOTE) is None


def test_the_old_release_refuses_a_home_with_newer_blocks_before_reading_it(homes: tuple[Home, Home]) -> None:
    with Store(homes[1].path / "node.sqlite", homes[1].network) as store:
        with refused(ClearingCode.RELEASE_TOO_OLD, LocalFault, "store") as fault:
            refuse_noted_release(store, OLD)
        assert fault.value.values["since_height"] == HEIGHT
        assert exit_of(fault.value) is ExitCode.SAFETY
        refuse_noted_release(store, BOTH)
        refuse_noted_release(store, NEW)


def test_without_the_note_the_old_release_refuses_by_what_it_would_execute(homes: tuple[Home, Home]) -> None:
    with opened(homes[1], BOTH) as station, refused(ClearingCode.RELEASE_TOO_OLD, LocalFault):
        refuse_release(station.state, OLD)


def test_a_note_that_cannot_be_read_is_a_newer_releases(tmp_path: Path) -> None:
    with Store(tmp_path / "node.sqlite", bytes(32)) as store:
        refuse_noted_release(store, OLD)
        store.put(NOTE, b"\x93\x01\x02\x03")
        with refused(ClearingCode.RELEASE_TOO_OLD, LocalFault):
            refuse_noted_release(store, OLD)


def test_a_rollback_below_the_height_frees_the_old_release(homes: tuple[Home, Home], tmp_path: Path) -> None:
    home = Home(homes[1].genesis, homes[1].keys, tmp_path / "back", homes[1].config)
    shutil.copytree(homes[1].path, home.path)
    with Store(home.path / "node.sqlite", home.network) as store:
        while store.height() >= HEIGHT:
            store.remove_newest(store.height())
        refuse_noted_release(store, OLD)
    with opened(home, OLD) as station:
        refuse_release(station.state, OLD)
        assert station.application.height == HEIGHT - 1


def test_a_release_that_lost_the_old_rules_starts_at_the_height_and_not_below(
    homes: tuple[Home, Home], tmp_path: Path
) -> None:
    with opened(homes[0], OLD) as station:
        refuse_release(station.state, NEW)
    early = make_home(tmp_path / "net", crisis=GOVERNED)
    with opened(early, NEW) as station, refused(ClearingCode.RELEASE_TOO_NEW, LocalFault) as fault:
        refuse_release(station.state, NEW)
    assert exit_of(fault.value) is ExitCode.SAFETY


def test_a_state_of_newer_rules_is_not_joined(homes: tuple[Home, Home], monkeypatch: pytest.MonkeyPatch) -> None:
    home = homes[1]
    with opened(home, BOTH) as station:
        height = station.application.height
        light, data = light_block_at(station.store, height), station.store.snapshot_at(height)
    assert light is not None
    assert data is not None
    with refused(ClearingCode.RELEASE_TOO_OLD, LocalFault):
        check_state(home.genesis, home.salt, light, data)
    monkeypatch.setattr("node.sync.joining.refuse_release", lambda state: refuse_release(state, BOTH))
    check_state(home.genesis, home.salt, light, data)


def test_a_node_that_joined_above_the_height_notes_it(homes: tuple[Home, Home], tmp_path: Path) -> None:
    with opened(homes[1], BOTH) as station, Store(tmp_path / "node.sqlite", homes[1].network) as joined:
        UpgradeWatch(station.state, joined, lambda: 0, BOTH)
        assert joined.get(NOTE) == station.store.get(NOTE) is not None


def test_readiness_fails_when_the_node_has_stopped_and_metrics_name_the_version(homes: tuple[Home, Home]) -> None:
    metrics = Metrics()
    for home, release, ok, needed in ((0, OLD, False, 2), (0, BOTH, True, 0), (1, BOTH, True, 0)):
        with opened(homes[home], BOTH) as station:
            station.release = release
            standing: UpgradeStanding = watch_of(station).standing
        assert (upgrade_check(standing).ok, upgrade_check(standing).name) == (ok, "upgrade")
        show_upgrade(metrics, standing)
        text = metrics.render().decode()
        assert f"crossclear_upgrade_needed {float(needed)}" in text
        assert f"crossclear_protocol_version {1.0 + home}" in text
