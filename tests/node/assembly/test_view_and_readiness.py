"""Rules of what a node shows: something sensible at every height, and ready only while everything moves."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
import trio
from trio.testing import MockClock

from bridge.watch.cursor import Halt
from bridge.watch.watcher import WatcherStatus
from clearing.base.hashing import sha256
from clearing.initial_state import initial_state
from clearing.schema.blocks.block import PriceReport, VoteExtension
from clearing.schema.terms.genesis import Genesis
from node.agreement.validator_membership import Membership
from node.api.accounts import account_of
from node.api.calls import ApiCall, member_of, owner_of
from node.api.state import state
from node.chains.attestation_pool import AttestationPool
from node.chains.bridge_service import BridgeService, Pulse, Submission
from node.config import ChainConfig
from node.ops.health import BLOCK_AGE_MS_MAX, CHAIN_BEHIND_MAX, CHAIN_SILENCE_SECONDS_MAX, HealthMonitor
from node.p2p.memory import Hub
from node.store.records import PackageRecord
from node.store.store import Store
from tests.kit.clearing.genesis import BTC, ETH, make_genesis
from tests.kit.clearing.world import reports
from tests.kit.node.live_view import live_view
from tests.kit.node.station import Station, make_home, time_of

STILL_MS = 20_000


def test_everything_can_be_asked_before_the_first_height(tmp_path: Path) -> None:
    home = make_home(tmp_path / "net")
    with Store(home.path / "s.sqlite", home.network) as store:
        view = live_view(Station(home, store))
        assert view.newest is None
        assert view.light_block(None) is None
        assert view.light_block(1) is None
        assert view.package(None) is None
        assert view.package(1) is None
        assert view.receipts(0, (0, 0), 10) == []
        for member in home.genesis.members:
            for account in member.accounts:
                shown = account_of(view.state, account.id)
                assert shown is not None
                assert (shown.equity_micros, shown.height, shown.next_nonce) == ("0", 0, 1)
                assert owner_of(view.state, account.id) == member.trade_address
            assert member_of(view.state, member.trade_address) == member.id
        assert account_of(view.state, 999) is None
        assert owner_of(view.state, 999) is None
        assert view.look_for_event(1, bytes(32)) is Submission.ACCEPTED


def test_what_is_shown_is_the_decided_height(tmp_path: Path) -> None:
    home = make_home(tmp_path / "net")
    with Store(home.path / "s.sqlite", home.network) as store:
        station = Station(home, store)
        view = live_view(station)
        for height in range(1, 4):
            prices = reports((BTC, 790_000 + height), (ETH, 20_000), time_ms=time_of(height))
            station.decide(VoteExtension(prices))
        newest, block = state(ApiCall(view, {})), view.light_block(None)
        assert block is not None
        assert newest.height == block.header.height == 3
        assert {each.name: each.index_ticks for each in newest.prices} == {"BTC": "790002", "ETH": "20000"}
        assert view.light_block(4) is None


def test_a_package_that_changed_on_disk_is_not_shown(tmp_path: Path) -> None:
    home = make_home(tmp_path / "net")
    with Store(home.path / "s.sqlite", home.network) as store:
        view = live_view(Station(home, store))
        store.save_package(PackageRecord(1, 5, "p.ccp", 3, sha256(b"abc")))
        assert view.package(1) is None
        (home.path / "p.ccp").write_bytes(b"abc")
        shown = view.package(1)
        assert shown is not None
        assert shown.data == b"abc"
        (home.path / "p.ccp").write_bytes(b"abd")
        assert view.package(1) is None


class _Sight:
    """All that health looks at, in good order; a test spoils one thing."""

    def __init__(self) -> None:
        self.now_ms = 1_000_000
        genesis = make_genesis()
        self.genesis: Genesis = msgspec.structs.replace(
            genesis,
            chains=tuple(msgspec.structs.replace(each, heartbeat_ms_max=STILL_MS) for each in genesis.chains),
        )
        self.status = {chain.chain_id: WatcherStatus(100, 100) for chain in genesis.chains}
        self.pulses = {chain.chain_id: Pulse(0.0, 0.0, 100) for chain in genesis.chains}
        self.membership = Membership(b"\x01" * 32, initial_state(self.genesis, bytes(32)))
        self.network = SimpleNamespace(peers=frozenset(bytes([each]) * 32 for each in (2, 3, 4)))
        self.oracle: Any = SimpleNamespace(reports=(PriceReport(1, 5, 0, 1, self.now_ms),))
        watchers = {each: SimpleNamespace(status=status) for each, status in self.status.items()}
        self.bridge = SimpleNamespace(watchers=watchers, pulses=self.pulses)
        self.health = self.make()
        self.health._decided_ms = self.now_ms - 10

    def make(self, heartbeat_ms: int = 500) -> HealthMonitor:
        given: tuple[Any, ...] = (self.network, self.oracle, self.bridge)
        return HealthMonitor(*given, self.genesis, self.membership, heartbeat_ms, lambda: self.now_ms)

    def bad(self) -> list[str]:
        return [check.name for check in self.health.checks() if not check.ok]


async def test_a_node_is_ready_while_everything_moves(autojump_clock: MockClock) -> None:
    assert _Sight().bad() == []
    assert [check.name for check in _Sight().health.checks()] == ["peers", "blocks", "oracle", "chain-1", "chain-2"]


async def test_a_node_that_never_decided_is_not_ready(autojump_clock: MockClock) -> None:
    sight = _Sight()
    sight.health = sight.make()
    assert sight.bad() == ["blocks"]


async def test_each_thing_that_stands_still_makes_the_node_not_ready(autojump_clock: MockClock) -> None:
    sight = _Sight()
    sight.health._decided_ms = sight.now_ms - BLOCK_AGE_MS_MAX - 1
    assert sight.bad() == ["blocks"]
    sight = _Sight()
    sight.network.peers = frozenset((b"a",))
    assert sight.bad() == ["peers"]
    sight = _Sight()
    sight.oracle.reports = (PriceReport(1, 5, 0, 1, sight.now_ms - 5_001),)
    assert sight.bad() == ["oracle"]
    sight.oracle.reports = ()
    assert sight.bad() == ["oracle"]
    sight = _Sight()
    sight.status[2].last_fault = "endpoint gone"
    assert sight.bad() == ["chain-2"]
    sight = _Sight()
    sight.status[1].halt = Halt(code=1, reason="broke its word")
    assert sight.bad() == ["chain-1"]
    sight = _Sight()
    sight.status[1].final_number = 101 + CHAIN_BEHIND_MAX
    assert sight.bad() == ["chain-1"]
    sight = _Sight()
    sight.bridge.watchers.pop(2)
    assert sight.bad() == ["chain-2"], "a chain that nobody watches yet is not passed over"


async def test_a_chain_that_amendments_left_is_asked_for_as_they_say(autojump_clock: MockClock) -> None:
    """A vault that was detached because its chain never returns would keep every node from being ready, too."""
    sight = _Sight()
    sight.status[2].last_fault = "endpoint gone"
    assert sight.bad() == ["chain-2"]
    first, second = sight.genesis.chains
    sight.health.follow(msgspec.structs.replace(sight.genesis, chains=(first,)))
    assert sight.bad() == []
    sight.health.follow(msgspec.structs.replace(sight.genesis, chains=(first, second)))
    assert [check.name for check in sight.health.checks() if check.name.startswith("chain")] == ["chain-1"]
    still = msgspec.structs.replace(first, heartbeat_ms_max=2 * STILL_MS)
    await trio.sleep(STILL_MS / 1000 + 1)
    for pulse in sight.pulses.values():
        pulse.answered = trio.current_time()
    assert sight.bad() == ["chain-1"]
    sight.health.follow(msgspec.structs.replace(sight.genesis, chains=(still,)))
    assert sight.bad() == []


async def test_an_endpoint_that_hangs_without_a_fault_is_noticed(autojump_clock: MockClock) -> None:
    sight = _Sight()
    await trio.sleep(CHAIN_SILENCE_SECONDS_MAX + 1)
    for pulse in sight.pulses.values():
        pulse.note(trio.current_time(), 200)
    assert sight.bad() == []
    sight.pulses[1].answered = 0.0
    assert sight.bad() == ["chain-1"]


async def test_a_chain_that_answers_and_stands_still_is_noticed(autojump_clock: MockClock) -> None:
    sight = _Sight()
    await trio.sleep(STILL_MS / 1000 + 1)
    for chain_id, pulse in sight.pulses.items():
        pulse.note(trio.current_time(), 100 + chain_id - 1)
    assert sight.bad() == ["chain-1"]
    sight.health._still_seconds_max[1] = 0.0
    assert sight.bad() == [], "genesis does not say how fast this chain must be"


async def test_a_validator_without_prices_of_its_own_can_be_ready(autojump_clock: MockClock) -> None:
    sight = _Sight()
    sight.oracle = None
    sight.health = sight.make()
    sight.health._decided_ms = sight.now_ms
    assert sight.bad() == []


async def test_slow_heartbeats_are_not_taken_for_a_standstill(autojump_clock: MockClock) -> None:
    sight = _Sight()
    sight.health = sight.make(heartbeat_ms=30_000)
    sight.health._decided_ms = sight.now_ms - 35_000
    assert sight.bad() == []


@pytest.mark.parametrize("answers", [False, True])
async def test_a_watched_endpoint_that_hangs_leaves_no_pulse(tmp_path: Path, answers: bool) -> None:
    """A real socket that takes the request and never answers it, within the endpoint's own patience."""
    async with trio.open_nursery() as nursery:
        mute = _Mute(answers=answers)
        listeners = await nursery.start(trio.serve_tcp, mute.serve, 0)
        port = listeners[0].socket.getsockname()[1]
        genesis = make_genesis()
        url = f"http://127.0.0.1:{port}"
        configs = {
            each.chain_id: ChainConfig(chain_id=each.chain_id, name=each.name, endpoints=(url,), timeout_ms=600_000)
            for each in genesis.chains
        }
        bridge = BridgeService(genesis, configs, tmp_path, AttestationPool(b"\x01" * 32))
        nursery.start_soon(bridge.run, Hub().join(b"k" * 32), lambda: None)
        while mute.asked < len(genesis.chains) or (answers and not _all_at_fault(bridge)):  # noqa: ASYNC110
            await trio.sleep(0.01)
        for chain_id, pulse in bridge.pulses.items():
            assert (pulse.answered, pulse.final_number) == (pulse.moved, 0)
            assert bool(bridge.watchers[chain_id].status.last_fault) == answers, "hanging is no fault yet"
        nursery.cancel_scope.cancel()


def _all_at_fault(bridge: BridgeService) -> bool:
    return all(watcher.status.last_fault for watcher in bridge.watchers.values())


class _Mute:
    def __init__(self, *, answers: bool) -> None:
        self._answers = answers
        self.asked = 0

    async def serve(self, stream: trio.SocketStream) -> None:
        await stream.receive_some(1 << 16)
        self.asked += 1
        if self._answers:
            await stream.send_all(b"HTTP/1.1 500 no\r\ncontent-length: 0\r\n\r\n")
            return
        await trio.sleep_forever()
