"""The time of blocks: less than a third can't move it, and wrong clocks of more can't take it to the future."""

from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearing.base.certificate import NIL
from consensus.blocks.vote_extensions import CLOCK_AHEAD_MS_MAX, block_time, is_timely
from consensus.chain_state import ChainState
from consensus.core.events import CastVote, ProposalReceived, StartHeight
from consensus.core.rules import Rule
from consensus.messages import Extension, SignedExtension
from tests.kit.consensus.core import PREVOTE, Core, V, certified
from tests.kit.consensus.crypto import validator_set
from tests.kit.consensus.replicas import GENESIS_MS, NETWORK
from tests.sim.consensus.network import CALM, SimNetwork
from tests.sim.consensus.node import SimClock

HOUR_MS = 3_600_000


def chain_of(powers: tuple[int, ...]) -> ChainState:
    validators = validator_set(len(powers), powers)
    return ChainState(NETWORK, 1, NETWORK, GENESIS_MS, validators, validators, validators)


def extensions(times: dict[int, int]) -> list[SignedExtension]:
    return [SignedExtension(index, Extension(time_ms, b""), bytes(64)) for index, time_ms in sorted(times.items())]


@given(st.data())
def test_less_than_a_third_can_not_move_the_time_out_of_the_range_of_honest_clocks(data: st.DataObject) -> None:
    """Whatever they report, and whichever quorum a proposer picks."""
    powers = data.draw(st.sampled_from([(10, 10, 10, 10), (1,) * 7, (5, 3, 3, 2, 2, 1)]))
    chain = chain_of(powers)
    order = data.draw(st.permutations(range(len(powers))))
    liars: list[int] = []
    for index in order:
        if 3 * sum(powers[each] for each in (*liars, index)) < sum(powers):
            liars.append(index)
    honest = {
        index: GENESIS_MS + data.draw(st.integers(100, 5000)) for index in range(len(powers)) if index not in liars
    }
    times = honest | {index: data.draw(st.integers(0, 2**62)) for index in liars}
    picked: list[int] = []
    for index in data.draw(st.permutations(range(len(powers)))):
        if not chain.validators.is_quorum(sum(powers[each] for each in picked)):
            picked.append(index)
    found = block_time(chain, extensions({index: times[index] for index in picked}))
    assert min(honest.values()) <= found <= max(honest.values())


@pytest.mark.parametrize(
    ("ahead_ms", "timely"), [(-HOUR_MS, True), (0, True), (CLOCK_AHEAD_MS_MAX, True), (CLOCK_AHEAD_MS_MAX + 1, False)]
)
def test_a_time_too_far_ahead_of_the_own_clock_is_not_timely(ahead_ms: int, timely: bool) -> None:
    now = GENESIS_MS + HOUR_MS
    assert is_timely(chain_of((1, 1, 1, 1)), now + ahead_ms, now) is timely


def test_the_least_time_is_always_timely() -> None:
    """Or a chain that is ahead of all clocks would stand until they reach it."""
    assert is_timely(chain_of((1, 1, 1, 1)), GENESIS_MS + 1, GENESIS_MS - HOUR_MS)
    assert not is_timely(chain_of((1, 1, 1, 1)), GENESIS_MS + 2, GENESIS_MS - HOUR_MS)


def test_a_fresh_proposal_ahead_of_the_clock_gets_nil_and_its_polka_locks_all_the_same() -> None:
    core = Core(own=1)
    core.feed(StartHeight(), ProposalReceived(0, V, -1, valid=True, timely=False))
    assert core.cast == [(PREVOTE, 0, NIL)]
    assert int(Rule.AHEAD_OF_CLOCK) in core.lines
    core.feed(certified(PREVOTE, 0, V))
    assert core.state.locked_value == V


def test_a_value_with_a_polka_is_not_asked_for_its_time_again() -> None:
    core = Core(own=2)
    core.feed(StartHeight())
    core.votes(PREVOTE, 1, NIL, 0, 1)
    core.feed(certified(PREVOTE, 0, V), ProposalReceived(1, V, 0, valid=True, timely=False))
    assert [effect.value for effect in core.effects if isinstance(effect, CastVote)] == [V]


@dataclass
class Drift:
    """A clock of its own pace."""

    clock: SimClock
    ppm: int

    def wall_ms(self) -> int:
        return self.clock.wall_ms() + self.clock.steady_ms() * self.ppm // 1_000_000

    def steady_ms(self) -> int:
        return self.clock.steady_ms()


class Clocks(SimNetwork):
    """Some nodes' clocks are wrong; every block's time is compared with the true time."""

    def __init__(self, skews_ms: dict[int, int], drifts_ppm: dict[int, int] | None = None) -> None:
        self.ahead_ms: list[int] = []
        super().__init__(1, replace(CALM, skew_ms_max=0))
        for index, skew_ms in skews_ms.items():
            self.nodes[index].clock._skew_ms = skew_ms
        for index, ppm in (drifts_ppm or {}).items():
            node = self.nodes[index]
            node.clock = Drift(node.clock, ppm)  # type: ignore[assignment]

    def decided(self, node: object, committed: object) -> None:
        super().decided(node, committed)  # type: ignore[arg-type]
        time_ms = committed.block.header.time_ms  # type: ignore[attr-defined]
        self.ahead_ms.append(time_ms - GENESIS_MS - self.now_us // 1000)


def test_two_of_four_clocks_an_hour_ahead_do_not_take_the_time_with_them() -> None:
    """A liar and a broken clock are enough for the median of three."""
    network = Clocks({0: HOUR_MS, 1: HOUR_MS})
    network.run(heights_after_healing=12)
    assert max(network.ahead_ms) <= 0


def test_clocks_that_drift_take_the_time_no_further_than_they_are() -> None:
    """One per cent fast and slow: within a minute the honest range is 1.2 s wide, and the time is inside."""
    network = Clocks({}, {0: 10_000, 1: -10_000})
    network.run_for(60_000)
    assert min(network.ahead_ms) >= -1500
    assert max(network.ahead_ms) <= 600
    assert min(node.height for node in network.nodes) > 100


def test_a_third_with_wrong_clocks_stops_nobody() -> None:
    for skew_ms in (HOUR_MS, -HOUR_MS):
        network = Clocks({2: skew_ms})
        network.run(heights_after_healing=12)
        rounds = [committed.certificate.round for committed in network.nodes[0].committed()]
        assert max(rounds) <= 1
