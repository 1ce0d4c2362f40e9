"""Rules of what a node shows: something sensible at every height, and ready only while everything moves."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
import trio
from trio.testing import MockClock

from bridge.relay.vault_freeze import Freeze, FreezeOutcome
from bridge.rpc.dissent import Dissent
from bridge.watch.branch import AcceptedCheckpoint
from bridge.watch.cursor import Halt
from bridge.watch.status import WatcherStatus
from clearing.base.hashing import sha256
from clearing.initial_state import initial_state
from clearing.schema.blocks.block import PriceReport, VoteExtension
from clearing.schema.terms.genesis import Genesis
from node.agreement.validator_membership import Membership
from node.api.accounts import account_of
from node.api.calls import ApiCall, member_of, owner_of
from node.api.state import state
from node.chains.attestation_pool import AttestationPool
from node.chains.bridge_service import BridgeService, Pulse
from node.chains.conflicts import ConflictStanding, VaultAnswer
from node.chains.header_signatures import SignatureCollection
from node.chains.submissions import CollateralEvent, Submission
from node.config import ChainConfig
from node.ops.health import (
    AHEAD_SECONDS_MAX,
    BLOCK_AGE_MS_MAX,
    CHAIN_BEHIND_MAX,
    CHAIN_SILENCE_SECONDS_MAX,
    PROOF_WAIT_SECONDS_MAX,
    UNSIGNED_SECONDS_MAX,
    HealthMonitor,
)
from node.store.records import PackageRecord, ReceiptsAsked
from tests.kit.clearing.genesis import BTC, ETH, make_genesis
from tests.kit.clearing.world import reports
from tests.kit.node.live_view import live_view
from tests.kit.node.memory_network import Hub
from tests.kit.node.station import new_station, time_of
from tests.kit.until import until

STILL_MS = 20_000


def test_everything_can_be_asked_before_the_first_height(tmp_path: Path) -> None:
    with new_station(tmp_path) as station:
        view = live_view(station)
        nothing = (view.newest, view.light_block(None), view.light_block(1), view.package(None), view.package(1))
        assert nothing == (None,) * 5
        assert view.receipts(0, ReceiptsAsked(10)) == []
        for member in station.home.genesis.members:
            for account in member.accounts:
                shown = account_of(view.state, account.id)
                assert (shown.equity_micros, shown.height, shown.next_nonce) == ("0", 0, 1)
                assert owner_of(view.state, account.id) == member.trade_address
            assert member_of(view.state, member.trade_address) == member.id
        assert account_of(view.state, 999) is owner_of(view.state, 999) is None
        assert view.look_for_event(CollateralEvent(1, bytes(32), "")) is Submission.ACCEPTED
        assert view.submission_status(1, bytes(32), view.state) is None


def test_what_is_shown_is_the_decided_height(tmp_path: Path) -> None:
    with new_station(tmp_path) as station:
        view = live_view(station)
        for height in range(1, 4):
            prices = reports((BTC, 790_000 + height), (ETH, 20_000), time_ms=time_of(height))
            station.decide(VoteExtension(prices))
        newest = state(ApiCall(view, {}))
        assert newest.height == view.light_block(None).header.height == 3
        assert {each.name: each.index_ticks for each in newest.prices} == {"BTC": "790002", "ETH": "20000"}
        assert view.light_block(4) is None


def test_a_package_that_changed_on_disk_is_not_shown(tmp_path: Path) -> None:
    with new_station(tmp_path) as station:
        view, file = live_view(station), station.home.path / "p.ccp"
        station.store.save_package(PackageRecord(1, 5, file.name, 3, sha256(b"abc")))
        assert view.package(1) is None
        file.write_bytes(b"abc")
        assert view.package(1).data == b"abc"
        file.write_bytes(b"abd")
        assert view.package(1) is None


class _Sight:
    """All that health looks at, in good order; a test spoils one thing."""

    def __init__(self) -> None:
        self.now_ms = 1_000_000
        genesis = make_genesis()
        chains = tuple(msgspec.structs.replace(each, heartbeat_ms_max=STILL_MS) for each in genesis.chains)
        self.genesis: Genesis = msgspec.structs.replace(genesis, chains=chains)
        self.status = {chain.chain_id: WatcherStatus(100, 100) for chain in chains}
        self.pulses = {chain.chain_id: Pulse(0.0, 0.0, 100) for chain in chains}
        self.membership = Membership(b"\x01" * 32, initial_state(self.genesis, bytes(32)))
        self.network = SimpleNamespace(peers=frozenset(bytes([each]) * 32 for each in (2, 3, 4)))
        self.oracle: Any = SimpleNamespace(reports=(PriceReport(1, 5, 0, 1, self.now_ms),))
        watchers = {each: SimpleNamespace(status=status, dissents=()) for each, status in self.status.items()}
        self.bridge = SimpleNamespace(watchers=watchers, pulses=self.pulses, lights={}, branches={})
        self.conflicts: tuple[ConflictStanding, ...] = ()
        self.collection: SignatureCollection | None = None
        self.packages: Any = None
        self.make(decided_ms_ago=10)

    def make(self, heartbeat_ms: int = 500, decided_ms_ago: int | None = None) -> None:
        """Health anew, of a node that decided a height so long ago, or never."""
        services: tuple[Any, ...] = (self.network, self.oracle, self.bridge)
        self.health = HealthMonitor(
            *services,
            self.genesis,
            self.membership,
            heartbeat_ms,
            lambda: self.now_ms,
            conflicts=lambda: self.conflicts,
            collection=lambda: self.collection,
            packages=self.packages,
        )
        if decided_ms_ago is not None:
            self.health._decided_ms = self.now_ms - decided_ms_ago

    def follow(self, *chains: Any) -> None:
        self.health.follow(msgspec.structs.replace(self.genesis, chains=chains))

    @property
    def names(self) -> list[str]:
        return [check.name for check in self.health.checks()]

    @property
    def bad(self) -> list[str]:
        return [check.name for check in self.health.checks() if not check.ok]


@pytest.fixture
def sight() -> _Sight:
    return _Sight()


async def test_a_node_is_ready_while_everything_moves(sight: _Sight, autojump_clock: MockClock) -> None:
    assert (sight.names, sight.bad) == (["peers", "blocks", "validator", "oracle", "chain-1", "chain-2"], [])


async def test_a_node_outside_the_set_says_that_it_signs_nothing(sight: _Sight, autojump_clock: MockClock) -> None:
    def shown() -> str:
        (check,) = (each for each in sight.health.checks() if each.name == "validator")
        return check.detail

    assert shown() == f"{'01' * 32} with power 10 of 40"
    sight.membership.own_key = b"\x09" * 32
    assert shown() == f"not in the validator set: {'09' * 32} signs nothing"


FROZEN, REFUSED = Freeze(FreezeOutcome.FROZEN), Freeze(FreezeOutcome.REFUSED, "TrustExpired(1)")


async def test_conflicting_headers_are_shown_until_every_vault_has_answered(
    sight: _Sight, autojump_clock: MockClock
) -> None:
    sight.conflicts = (ConflictStanding(7, (VaultAnswer(1, FROZEN), VaultAnswer(2, None, "R0603 unreachable"))),)
    assert sight.bad == ["conflict-7"]
    (check,) = (each for each in sight.health.checks() if not each.ok)
    assert check.detail == ("two certified headers of one height: chain 1 frozen; chain 2 not shown: R0603 unreachable")
    sight.conflicts = (ConflictStanding(7, (VaultAnswer(1, FROZEN), VaultAnswer(2, REFUSED))),)
    assert sight.bad == []


async def test_too_few_signatures_on_headers_fail_readiness_after_a_while(
    sight: _Sight, autojump_clock: MockClock
) -> None:
    sight.collection = SignatureCollection(9, 1, 4, 3, UNSIGNED_SECONDS_MAX)
    assert (sight.names[-1], sight.bad) == ("header-signatures", [])
    sight.collection = SignatureCollection(9, 1, 4, 3, UNSIGNED_SECONDS_MAX + 1)
    (check,) = (each for each in sight.health.checks() if not each.ok)
    assert check.detail.startswith("1 of 4 validators signed header 9; the newest that a quorum signed is 3;")


async def test_epochs_that_wait_are_shown_and_one_that_is_given_up_fails_readiness(
    sight: _Sight, autojump_clock: MockClock
) -> None:
    sight.packages = SimpleNamespace(waiting=(7, 9), waited_seconds=PROOF_WAIT_SECONDS_MAX, lost={})
    sight.make(decided_ms_ago=10)
    (check,) = (each for each in sight.health.checks() if each.name == "proofs")
    waits = "2 epochs wait for a proof, the oldest is 7, one for 900 s"
    assert (check.ok, check.detail) == (True, waits)
    sight.packages.waited_seconds += 1
    assert sight.bad == ["proofs"]
    sight.packages.waited_seconds -= 1
    sight.packages.lost[5] = "3 proofs failed"
    (check,) = (each for each in sight.health.checks() if not each.ok)
    assert check.detail == f"{waits}; epoch 5 is not proven here: 3 proofs failed"


async def test_a_vault_ahead_of_this_node_fails_readiness_after_a_while(
    sight: _Sight, autojump_clock: MockClock
) -> None:
    waiting = (AcceptedCheckpoint(9, bytes(32), 100),)
    branch = sight.bridge.branches[2] = SimpleNamespace(waiting=waiting, waiting_seconds=AHEAD_SECONDS_MAX)
    assert (sight.names[-1], sight.bad) == ("vault-branch-2", [])
    branch.waiting_seconds += 1
    assert sight.bad == ["vault-branch-2"]
    sight.follow(sight.genesis.chains[0])
    assert sight.bad == []


def no_oracle(sight: _Sight) -> None:
    sight.oracle = None
    sight.make(decided_ms_ago=0)


def old_report(sight: _Sight) -> None:
    sight.oracle.reports = (PriceReport(1, 5, 0, 1, sight.now_ms - 5_001),)


@pytest.mark.parametrize(
    ("spoil", "bad"),
    [
        pytest.param(_Sight.make, ["blocks"], id="it_never_decided"),
        pytest.param(lambda sight: sight.make(500, BLOCK_AGE_MS_MAX + 11), ["blocks"], id="blocks_stand_still"),
        pytest.param(lambda sight: sight.make(30_000, 35_000), [], id="slow_heartbeats_are_no_standstill"),
        pytest.param(lambda sight: setattr(sight.network, "peers", {b"a"}), ["peers"], id="peers_are_few"),
        pytest.param(old_report, ["oracle"], id="its_price_is_old"),
        pytest.param(lambda sight: setattr(sight.oracle, "reports", ()), ["oracle"], id="it_has_no_price"),
        pytest.param(no_oracle, [], id="a_validator_without_prices_of_its_own_can_be_ready"),
        pytest.param(lambda sight: setattr(sight.status[2], "last_fault", "gone"), ["chain-2"], id="a_chain_is_gone"),
        pytest.param(lambda sight: setattr(sight.status[2], "doubt", "R0644"), ["chain-2"], id="an_endpoint_dissents"),
        pytest.param(
            lambda sight: setattr(sight.status[2], "custody_fault", "R"), ["chain-2"], id="custody_is_not_read"
        ),
        pytest.param(lambda sight: setattr(sight.status[2], "shortage", "R0623"), ["vault-2"], id="a_token_is_short"),
        pytest.param(lambda sight: sight.health.show_halts({3: "short"}), ["asset-3"], id="an_asset_is_halted"),
        pytest.param(lambda sight: setattr(sight.status[1], "expired_fault", "R"), ["chain-1"], id="refunds_wait"),
        pytest.param(
            lambda sight: setattr(sight.status[1], "halt", Halt(code=1, reason="broke its word")),
            ["chain-1"],
            id="a_chain_broke_its_word",
        ),
        pytest.param(
            lambda sight: setattr(sight.status[1], "final_number", 101 + CHAIN_BEHIND_MAX),
            ["chain-1"],
            id="scanning_is_behind",
        ),
        pytest.param(lambda sight: sight.bridge.watchers.pop(2), ["chain-2"], id="nobody_watches_a_chain_yet"),
    ],
)
async def test_a_node_is_not_ready_when(
    sight: _Sight, autojump_clock: MockClock, spoil: Callable[[_Sight], object], bad: list[str]
) -> None:
    spoil(sight)
    assert sight.bad == bad


async def test_readiness_names_missing_links_and_bears_them(sight: _Sight, autojump_clock: MockClock) -> None:
    sight.network.peers = frozenset((b"\x02" * 32, b"\x04" * 32))
    assert sight.bad == []
    (peers,) = (check for check in sight.health.checks() if check.name == "peers")
    assert peers.detail == f"2 validators connected, 2 needed; no link to {'03' * 8}"


async def test_each_chain_is_asked_for_as_amendments_list_it(sight: _Sight, autojump_clock: MockClock) -> None:
    """A vault that was detached because its chain never returns would keep every node from being ready, too."""
    sight.status[2].last_fault = "endpoint gone"
    assert sight.bad == ["chain-2"]
    first, second = sight.genesis.chains
    sight.follow(first)
    assert sight.bad == []
    third = msgspec.structs.replace(first, chain_id=3)
    sight.follow(first, second, third)
    assert sight.bad == ["chain-2", "chain-3"], "one has a fault, one is not configured"
    sight.follow(first)
    await trio.sleep(STILL_MS / 1000 + 1)
    for pulse in sight.pulses.values():
        pulse.answered = trio.current_time()
    assert sight.bad == ["chain-1"]
    sight.follow(msgspec.structs.replace(first, heartbeat_ms_max=2 * STILL_MS))
    assert sight.bad == []


async def test_an_endpoint_that_is_no_longer_waited_for_is_named(sight: _Sight, autojump_clock: MockClock) -> None:
    sight.bridge.watchers[1].dissents = (Dissent("behind:8545", 7, b"\x01" * 32, None, 0.0),)
    assert sight.bad == []
    assert [check.name for check in sight.health.checks() if "behind:8545" in check.detail] == ["chain-1"]


async def test_an_endpoint_that_hangs_without_a_fault_is_noticed(sight: _Sight, autojump_clock: MockClock) -> None:
    await trio.sleep(CHAIN_SILENCE_SECONDS_MAX + 1)
    for pulse in sight.pulses.values():
        pulse.note(trio.current_time(), 200)
    assert sight.bad == []
    sight.pulses[1].answered = 0.0
    assert sight.bad == ["chain-1"]


async def test_a_chain_that_answers_and_stands_still_is_noticed(sight: _Sight, autojump_clock: MockClock) -> None:
    await trio.sleep(STILL_MS / 1000 + 1)
    for chain_id, pulse in sight.pulses.items():
        pulse.note(trio.current_time(), 100 + chain_id - 1)
    assert sight.bad == ["chain-1"]
    sight.health._still_seconds_max[1] = 0.0
    assert sight.bad == [], "genesis does not say how fast this chain must be"


@pytest.mark.parametrize(
    ("changes", "good", "detail"),
    [
        ({}, True, "block 7 proven final; its slot is 900 s old"),
        ({"is_late": True}, False, "900 s old"),
        ({"newest": None, "last_fault": "R0686"}, False, "nothing proven yet; R0686"),
        ({"last_fault": "R0685"}, False, "R0685"),
    ],
)
async def test_a_light_client_that_proves_nothing_new_is_noticed(
    sight: _Sight, autojump_clock: MockClock, changes: dict[str, Any], good: bool, detail: str
) -> None:
    facts: dict[str, Any] = {"newest": 7, "last_fault": "", "seconds_behind": 900.0, "is_late": False}
    sight.bridge.lights[1] = SimpleNamespace(**(facts | changes))
    (check,) = (check for check in sight.health.checks() if check.name == "light-client-1")
    assert (check.ok, detail in check.detail) == (good, True)


@pytest.mark.parametrize("answers", [False, True])
async def test_a_watched_endpoint_that_hangs_leaves_no_pulse(tmp_path: Path, answers: bool) -> None:
    """A real socket that takes requests and never answers, or only with a fault, within the endpoint's patience."""
    asked = 0

    async def serve(stream: trio.SocketStream) -> None:
        nonlocal asked
        await stream.receive_some(1 << 16)
        asked += 1
        if not answers:
            await trio.sleep_forever()
        await stream.send_all(b"HTTP/1.1 500 no\r\ncontent-length: 0\r\n\r\n")

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(trio.serve_tcp, serve, 0)
        url = f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}"
        genesis = make_genesis()
        configs = {
            each.chain_id: ChainConfig(chain_id=each.chain_id, name=each.name, endpoints=(url,), timeout_ms=600_000)
            for each in genesis.chains
        }
        bridge = BridgeService(genesis, configs, tmp_path, AttestationPool(b"\x01" * 32))

        def all_at_fault() -> bool:
            return all(watcher.status.last_fault for watcher in bridge.watchers.values())

        nursery.start_soon(bridge.run, Hub().join(b"k" * 32), lambda: None)
        await until(lambda: asked >= len(genesis.chains) and (not answers or all_at_fault()))
        for chain_id, pulse in bridge.pulses.items():
            assert (pulse.answered, pulse.final_number) == (pulse.moved, 0)
            assert bool(bridge.watchers[chain_id].status.last_fault) == answers, "hanging is no fault yet"
        nursery.cancel_scope.cancel()
