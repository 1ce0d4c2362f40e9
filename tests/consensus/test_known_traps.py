"""Traps that other implementations fell into, each by name.

The core is driven input by input as in `test_core_rules`; where the trap lies around it, whole replicas are.
"""

from dataclasses import replace
from typing import Any

from clearing.base.certificate import NIL
from clearing.base.errors import RemoteFault
from clearing.base.ids import Hash32
from consensus.blocks.vote_extensions import check_extension
from consensus.core.events import (
    CastVote,
    CertificateVerified,
    Decide,
    FetchBlock,
    GetValue,
    SetTimer,
    StartHeight,
    TimeoutElapsed,
)
from consensus.core.state import Step
from consensus.core.votes import FUTURE_ROUNDS, PAST_ROUNDS
from consensus.timeouts import PAPER_TIMERS, Timeouts, TimerKind
from tests.kit.consensus.core import PRECOMMIT, PREVOTE, Core, V, W, certificate, locked_on_v, proposal, started
from tests.kit.consensus.toy import ToyApplication
from tests.sim.consensus.network import NETWORK, Faults, SimNetwork

CALM = Faults(
    heal_ms=0,
    loss_percent=0,
    duplicate_percent=0,
    stall_percent=0,
    crash_interval_ms=0,
    torn_write_percent=0,
    partition_interval_ms=0,
)


def test_prevote_after_a_round_skip() -> None:
    """Votes that caused the skip, even a whole polka, don't stand in for the own prevote of the new round."""
    core = started(1)
    core.votes(PREVOTE, 3, V, 1, 2, 3)
    assert (core.state.round, core.state.step) == (3, Step.PROPOSE)
    assert core.cast == []
    core.feed(proposal(3, V))
    assert core.cast == [(PREVOTE, 3, V), (PRECOMMIT, 3, V)]


def test_line_36_after_the_own_precommit() -> None:
    """A polka that comes after an own nil precommit raises the valid value, and neither locks nor votes again."""
    core = started(1)
    core.feed(proposal(1, V), TimeoutElapsed(TimerKind.PREVOTE, 1))
    core.feed(CertificateVerified(certificate(PREVOTE, 1, V)))
    assert core.cast == [(PREVOTE, 1, V), (PRECOMMIT, 1, NIL)]
    assert (core.state.locked_round, core.state.valid_round) == (-1, 1)


def test_a_polka_for_an_unknown_block() -> None:
    """It neither locks nor is lost: the block that comes later, in whatever round's proposal, is locked on at once."""
    core = started(1)
    core.feed(TimeoutElapsed(TimerKind.PROPOSE, 1), CertificateVerified(certificate(PREVOTE, 1, V)))
    assert core.state.locked_round == -1
    core.feed(proposal(0, V))
    assert core.cast[-1] == (PRECOMMIT, 1, V)
    assert core.state.locked_round == 1


def test_a_polka_for_an_unknown_block_of_a_round_that_is_left() -> None:
    """Known too late to lock, it is what a later proposer must propose."""
    core = started(1)
    core.feed(CertificateVerified(certificate(PREVOTE, 1, V)))
    core.votes(PRECOMMIT, 4, NIL, 1, 2)
    core.feed(proposal(1, V))
    assert (core.state.locked_round, core.state.valid_value, core.state.valid_round) == (-1, V, 1)


def test_a_certificate_before_its_proposal() -> None:
    """A final value without its block is fetched once, whatever else goes on, and decided when the block is here."""
    core = started(1)
    final = certificate(PRECOMMIT, 1, V)
    effects = core.feed(CertificateVerified(final), CertificateVerified(final), TimeoutElapsed(TimerKind.PROPOSE, 1))
    assert [each for each in effects if isinstance(each, FetchBlock)] == [FetchBlock(final)]
    assert Decide(final) in core.feed(proposal(1, V))


def test_two_proposals_in_a_round() -> None:
    """The first is voted on; the second is kept as a block, for others may decide it."""
    core = started(1)
    core.feed(proposal(1, V), proposal(1, W))
    assert core.cast == [(PREVOTE, 1, V)]
    final = certificate(PRECOMMIT, 1, W)
    assert Decide(final) in core.feed(CertificateVerified(final))


def test_memory_of_future_rounds_is_bounded() -> None:
    core = started(1)
    for round_ in range(3, 3000):
        core.votes(PREVOTE, round_, round_.to_bytes(32, "big"), 3)
        core.votes(PRECOMMIT, round_, NIL, 3)
    assert core.state.round == 1
    assert core.state.votes.size <= 2 + 2 * FUTURE_ROUNDS


def test_memory_of_past_rounds_is_bounded() -> None:
    core = started(1)
    for round_ in range(2, 400):
        core.votes(PREVOTE, round_, NIL, 1, 2)
        core.votes(PRECOMMIT, round_, NIL, 1, 2)
    assert core.state.round == 399
    assert len(core.state.votes.steps) <= 2 * (PAST_ROUNDS + 2)


def test_timers_of_old_rounds() -> None:
    """Nor those of a step that was left, nor a timer that runs out twice."""
    core = started(2)
    assert core.feed(*(TimeoutElapsed(kind, 1) for kind in PAPER_TIMERS)) == []
    core.feed(TimeoutElapsed(TimerKind.PROPOSE, 2))
    assert core.feed(TimeoutElapsed(TimerKind.PROPOSE, 2)) == []
    assert core.cast == [(PREVOTE, 2, NIL)]


def test_a_double_start_of_a_height() -> None:
    """Not before the first vote, not amid the height, not after its decision."""
    core = Core()
    first = core.feed(StartHeight())
    assert sum(isinstance(each, GetValue) for each in first) == 1
    assert core.feed(StartHeight()) == []
    core.feed(proposal(0, V), CertificateVerified(certificate(PRECOMMIT, 0, V)))
    assert core.state.step is Step.DECIDED
    assert core.feed(StartHeight()) == []


def test_timeouts_are_bounded_after_an_hour_of_failing_rounds() -> None:
    """Elsewhere timeouts that grew for an hour held the chain up for another."""
    core = started(1)
    for round_ in range(1, 3600):
        core.votes(PREVOTE, round_, NIL, 1, 2, 3)
        core.votes(PRECOMMIT, round_, NIL, 1, 2, 3)
        core.feed(TimeoutElapsed(TimerKind.PRECOMMIT, round_))
    assert core.state.round == 3600
    waits = [each.duration_ms for each in core.effects if isinstance(each, SetTimer)]
    assert max(waits) == Timeouts().cap_ms


def test_an_older_polka_does_not_open_a_newer_lock() -> None:
    core = locked_on_v()
    core.feed(CertificateVerified(certificate(PREVOTE, 0, W)), proposal(2, W, 0))
    assert core.cast == [(PREVOTE, 2, NIL)]
    assert (core.state.locked_value, core.state.locked_round) == (V, 1)


def test_a_lock_that_others_do_not_see_is_shown_at_each_round_change() -> None:
    """The paper relies on gossip for it."""
    core = locked_on_v()
    shown = core.votes(PRECOMMIT, 3, NIL, 1, 2)
    assert any(getattr(each, "certificate", None) == core.state.highest_polka for each in shown)


def test_a_vote_is_cast_once_though_its_rule_would_fire_again() -> None:
    core = started(1)
    core.feed(proposal(1, V), proposal(1, V), TimeoutElapsed(TimerKind.PROPOSE, 1))
    core.feed(CertificateVerified(certificate(PREVOTE, 1, V)), CertificateVerified(certificate(PREVOTE, 1, NIL)))
    core.feed(TimeoutElapsed(TimerKind.PREVOTE, 1))
    assert [(each.kind, each.round) for each in core.effects if isinstance(each, CastVote)] == [
        (PREVOTE, 1),
        (PRECOMMIT, 1),
    ]


class Vain(ToyApplication):
    """Makes extensions that nobody takes, not even itself."""

    def extend(self, height: int, value: Hash32) -> bytes:
        return b"not toy: " + bytes([height % 256])


def test_the_proposers_own_extension_fails_at_others() -> None:
    """Elsewhere it was trusted unchecked, and no block of its maker was ever valid. Here it goes out empty."""

    class Network(SimNetwork):
        def house(self, node):  # type: ignore[no-untyped-def]
            made: Any = super().house(node)
            made.application.__class__ = Vain
            return made

    network = Network(3, CALM)
    network.run(heights_after_healing=6)
    assert network.monitor.faults == {}
    assert all(committed.certificate.round == 0 for committed in network.nodes[0].committed())
    for committed in network.nodes[0].committed():
        assert {signed.extension.data for signed in committed.block.extended_commit} <= {b""}


def test_an_extension_that_only_its_maker_takes_costs_its_maker_alone() -> None:
    """Its precommit is refused by all others; the rest is a quorum, its own blocks included."""

    class Own(Vain):
        def verify_extension(self, height: int, data: bytes) -> None:
            return None

    class Network(SimNetwork):
        def house(self, node):  # type: ignore[no-untyped-def]
            made: Any = super().house(node)
            if node.index == 1:
                made.application.__class__ = Own
            return made

    network = Network(3, CALM)
    network.run(heights_after_healing=8)
    assert set(network.monitor.faults) == {"MALFORMED"}
    assert len(network.nodes[0].committed()) >= 8


def test_a_late_joiner_of_a_running_height_gets_what_was_said_before() -> None:
    """Two of four wait for it with their votes out: what they said once, they say again."""
    network = SimNetwork(4, replace(CALM, heal_ms=10_000))
    late, gone = network.nodes[3], network.nodes[2]
    late.boot = gone.boot = lambda: None  # type: ignore[method-assign]
    real = type(late).boot
    network.schedule(8_000_000, "join late", 3)
    handle = network._handle

    def joined(event):  # type: ignore[no-untyped-def]
        if event[2] == "join late":
            del late.boot, gone.boot
            real(late)
        else:
            handle(event)

    network._handle = joined  # type: ignore[method-assign]
    network.schedule(9_000_000, "boot", 2)
    network.run()
    assert network.nodes[0].committed()[0].certificate.round >= 0
    assert network.recovery_ms is not None
    assert network.recovery_ms < 5000


def test_an_extension_for_another_round_or_value_is_refused() -> None:
    """The signature binds both, or an old price would pass for one of now."""
    network = SimNetwork(5, CALM)
    network.run()
    committed = network.nodes[0].committed()[0]
    replica = network.nodes[0].replica
    assert replica is not None
    signed, final = committed.extensions[0], committed.certificate
    for step, good in (
        ((1, final.round, final.value), True),
        ((1, final.round + 1, final.value), False),
        ((1, final.round, W), False),
        ((2, final.round, final.value), False),
    ):
        around = replica.context
        try:
            check_extension(around.verifier, around.application, NETWORK, network.validators, step, signed)
        except RemoteFault:
            assert not good
        else:
            assert good
