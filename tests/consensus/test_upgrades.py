"""Upgrades at a height: a replica without the rules stops before it, whole; one with them goes on; nobody forks."""

from dataclasses import replace
from random import Random

import pytest

from clearing.base.certificate import VoteKind
from clearing.base.protocol import ProtocolVersions
from consensus.core.state import Step
from consensus.messages import BlockRequest, CertificateMessage, Proposal, Status, Vote
from consensus.outputs import Broadcast, Output, Persist, Send
from consensus.replica.replica import Replica
from consensus.timeouts import TimerKind
from tests.kit.complete import COMPLETE
from tests.kit.consensus.crypto import VALIDATORS
from tests.kit.consensus.replicas import certificate, make_replica, messages_of, new_replica, receive, vote
from tests.kit.consensus.toy import ToyApplication
from tests.sim.consensus.network import CALM, Faults, SimNetwork
from tests.sim.consensus.scenarios import faults_of, toy_faults_of

SEEDS = range(200 if COMPLETE else 12)
BOTH = ProtocolVersions(1, 2)
VALUE = b"\x01" * 32


def late(seed: int, faults: Faults) -> Faults:
    """The same faults, and an upgrade in their midst: each node gets its release at some time, one at the very end."""
    random = Random(f"upgrade/{seed}")
    times = [random.randrange(100, faults.heal_ms + 500) for _ in range(faults.nodes)]
    times[random.randrange(faults.nodes)] = faults.heal_ms + 1500
    return replace(faults, upgrade_height=random.choice((2, 3, 5, 9)), upgraded_ms=tuple(times), liars=())


def stopped() -> tuple[ToyApplication, Replica]:
    """A replica that stands before height 1, whose rules it lacks."""
    application = ToyApplication(VALIDATORS, 0, upgrade_height=1)
    return application, make_replica(application=application)


def test_a_replica_without_the_rules_signs_nothing_and_executes_nothing() -> None:
    application, replica = stopped()
    assert replica.missing_version == 2
    outputs = replica.on_timer(TimerKind.PACE, 1, 0) + replica.on_timer(TimerKind.HEARTBEAT, 1, 0)
    outputs += replica.notify_work()
    for kind in (VoteKind.PREVOTE, VoteKind.PRECOMMIT):
        outputs += receive(replica, 1, *(vote(1, kind, round_, VALUE) for round_ in range(3)))
        outputs += receive(replica, 2, vote(2, kind, 0, VALUE))
        outputs += receive(replica, 3, vote(3, kind, 0, VALUE))
    for kind in (TimerKind.REBROADCAST, TimerKind.PROPOSE, TimerKind.PREVOTE, TimerKind.APPLY, TimerKind.SYNC):
        outputs += replica.on_timer(kind, 1, 0)
    assert not [message for message in messages_of(outputs) if isinstance(message, Vote | Proposal)]
    assert not [output for output in outputs if isinstance(output, Persist)]
    assert (replica.run.state.step, application.processed) == (Step.NEW, [])


def test_not_even_a_certificate_decides_a_height_whose_rules_are_missing() -> None:
    _, replica = stopped()
    final = certificate(VoteKind.PRECOMMIT, 0, VALUE, 1, 2, 3)
    for sender in (1, 2, 3):
        receive(replica, sender, CertificateMessage(certificate=final, extensions=()))
    assert (replica.chain.height, replica.run.state.step) == (0, Step.NEW)


def test_a_stopped_replica_asks_for_no_block_and_says_where_it_is() -> None:
    _, replica = stopped()
    outputs = receive(replica, 1, Status(height=40))
    outputs += replica.on_timer(TimerKind.SYNC, 0, 0)
    assert not [message for message in messages_of(outputs) if isinstance(message, BlockRequest)]
    said = messages_of(replica.on_timer(TimerKind.STATUS, 0, 0))
    assert [message.height for message in said if isinstance(message, Status)] == [0]
    assert replica.catch_up.best_height == 40


def test_a_stopped_replica_serves_blocks_to_those_behind() -> None:
    _, replica = stopped()
    outputs = receive(replica, 1, BlockRequest(first=1, count=1))
    assert [output for output in outputs if isinstance(output, Send)]


def test_a_log_of_the_height_is_not_replayed_without_its_rules_and_repeated_in_the_same_bytes_with_them() -> None:
    """A newer release began the height, and an older one was started after it."""
    application = ToyApplication(VALIDATORS, 0, upgrade_height=1, release=BOTH)
    first = new_replica(application=application)
    outputs = first.start() + first.on_timer(TimerKind.HEARTBEAT, 1, 0) + first.on_timer(TimerKind.PROPOSE, 1, 0)
    outputs += first.on_timer(TimerKind.PACE, 1, 0)
    records = tuple(record for output in outputs if isinstance(output, Persist) for record in output.records)
    said = {output.data for output in outputs if isinstance(output, Broadcast) and is_voting(output)}
    assert said
    older = new_replica(application=ToyApplication(VALIDATORS, 0, upgrade_height=1), recorded=records)
    assert not [output for output in older.start() if isinstance(output, Persist) or is_voting(output)]
    assert older.run.state.step is Step.NEW
    again = ToyApplication(VALIDATORS, 0, upgrade_height=1, release=BOTH)
    newer = new_replica(application=again, recorded=records)
    assert {output.data for output in newer.start() if isinstance(output, Broadcast) and is_voting(output)} == said


def is_voting(output: Output) -> bool:
    return any(isinstance(message, Vote | Proposal) for message in messages_of([output]))


def test_all_stop_at_the_height_and_none_goes_beyond() -> None:
    network = SimNetwork(5, replace(CALM, upgrade_height=6))
    network.run_for(20_000)
    assert [node.height for node in network.nodes] == [5] * 4
    assert [node.replica.missing_version for node in network.nodes if node.replica] == [2] * 4


def test_releases_with_both_versions_go_on_over_the_height_without_a_stop() -> None:
    network = SimNetwork(5, replace(CALM, upgrade_height=16, upgraded_ms=(300, 400, 500, 600)))
    network.run_for(4_000)
    assert min(node.height for node in network.nodes) > 30
    late_rounds = [node.last_committed.certificate.round for node in network.nodes if node.last_committed]
    assert late_rounds == [0] * 4


@pytest.mark.parametrize("clearing", [False, True])
def test_who_stays_with_the_old_release_neither_forks_nor_stops_the_others(*, clearing: bool) -> None:
    network = SimNetwork(7, replace(CALM, upgrade_height=8, upgraded_ms=(3000, 3500, 4000), clearing=clearing))
    network.run_for(9_000)
    heights = [node.height for node in network.nodes]
    assert heights[3] == 7, "it has executed all below the height, and nothing from there on"
    assert min(heights[:3]) > 10
    assert network.nodes[3].store.height() == 7, "it has stored nothing that it cannot execute"


def test_two_thirds_must_have_upgraded_before_a_height_is_decided() -> None:
    network = SimNetwork(9, replace(CALM, upgrade_height=8, upgraded_ms=(3000, 3500)))
    network.run_for(12_000)
    assert [node.height for node in network.nodes] == [7] * 4


@pytest.mark.parametrize("clearing", [False, True])
def test_late_upgraders_catch_up_under_all_faults(*, clearing: bool) -> None:
    """Crashes with torn logs, loss, partitions: the states are one, and the chain gives them to a stranger."""
    for seed in SEEDS if not clearing else SEEDS[: len(SEEDS) // 3]:
        faults = late(seed, faults_of(seed) if clearing else toy_faults_of(seed))
        faults = replace(faults, swaps=(), outside=())
        network = SimNetwork(seed, faults)
        network.run(faults.upgrade_height + 4, limit_ms=90_000)
        assert min(node.height for node in network.honest) > faults.upgrade_height
