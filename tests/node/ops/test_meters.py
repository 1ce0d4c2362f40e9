"""Metrics say what happened, under bounded labels, and none of them is for show; peers have a line each."""

import re
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from bridge.relay.vault_freeze import Freeze, FreezeOutcome
from bridge.rpc.dissent import Dissent
from bridge.rpc.endpoint_health import EndpointHealth
from bridge.watch.branch import AcceptedCheckpoint
from clearing.schema.blocks.receipt import Receipt, Refused
from clearing.schema.receipts.prices import OutliersDropped, PriceApplied, PriceStatusChanged
from clearing.schema.receipts.withdrawals import InflowWaits
from clearing.schema.records.prices import PriceStatus
from clearing.schema.records.withdrawals import HeldRefundRecord, WaitingInflow, WaitingInflowRecord
from clearing.state.state import State
from member.api.streams import Cursor
from member.printing.network import peer_lines
from node.api.state import peer_view
from node.chains.conflicts import ConflictStanding, VaultAnswer
from node.chains.header_signatures import SignatureCollection
from node.chains.provider_diversity import ProviderDiversity
from node.ops.meters import Meters
from node.ops.metrics import Metrics, PeerCollector
from node.ops.stream_collector import StreamCollector
from node.ops.stream_counts import StreamCounts
from node.p2p.peers import NetworkStats, PeerStatus, Role
from tests.kit.clearing.world import funded

EMPTY = funded().state
ROOT = Path(__file__).resolve().parents[3]
GOOD = PeerStatus(
    key=b"\x01" * 32,
    role=Role.VALIDATOR,
    connected=True,
    connections=1,
    rtt_ms=1.5,
    score=100,
    faults=0,
    last_fault="",
    bans=0,
    banned_seconds=0.0,
)


def test_every_metric_is_fed_by_something() -> None:
    source = (ROOT / "node/ops/metrics.py").read_text()
    declared = set(re.findall(r"self\.(\w+) = self\._(?:gauge|counter|histogram)", source))
    fed = set(re.findall(r"metrics\.(\w+)\b", (ROOT / "node/ops/meters.py").read_text()))
    assert declared <= fed, declared - fed
    assert len(declared) > 15


class _Pool:
    size = 5

    def __len__(self) -> int:
        return 2


class Node:
    """Services that have done a little, and their meters."""

    def __init__(self) -> None:
        self.peer = SimpleNamespace(bytes_out=Counter(CONSENSUS=7), bytes_in=Counter(), dropped_out=Counter(DATA=1))
        self.transactions = SimpleNamespace(refused=Counter(R0203=2), window=1024)
        self.bridge = SimpleNamespace(watchers={}, pulses={}, keepers={}, lights={}, branches={})
        four = SimpleNamespace(validators=(1, 2, 3, 4), total_power=4)
        services: dict[str, Any] = {
            "network": SimpleNamespace(peers=frozenset((b"a",)), stats=SimpleNamespace(peers={"a": self.peer})),
            "oracle": SimpleNamespace(reports=()),
            "bridge": self.bridge,
            "packages": SimpleNamespace(
                newest_epoch=3,
                newest_bytes=6030,
                seconds=deque((1.5,)),
                progress=SimpleNamespace(done=1, total=4, lost=2, refused=1),
                seconds_left=30,
                waiting=(4, 5),
                waited_seconds=61.0,
                lost={2: "3 proofs failed"},
            ),
            "pool": _Pool(),
            "transactions": self.transactions,
            "membership": SimpleNamespace(
                now=four,
                sets=SimpleNamespace(last=four),
                others=frozenset((b"a", b"b", b"c")),
                is_validator=True,
            ),
        }
        diversity = ProviderDiversity(1, 3, 4, 5, (0, 750_000, 1_000_000))
        frozen, refused = (Freeze(outcome) for outcome in (FreezeOutcome.FROZEN, FreezeOutcome.REFUSED))
        conflict = ConflictStanding(7, (VaultAnswer(1, frozen), VaultAnswer(2, refused), VaultAnswer(3, None)))
        self.meters = Meters(
            Metrics(),
            *services.values(),
            lambda: 1_000,
            lambda: (diversity,),
            lambda: (conflict,),
            collection=lambda: SignatureCollection(9, 2, 4, 8, 3.0),
        )

    @property
    def lines(self) -> list[str]:
        """What is told, without descriptions."""
        return self.meters.render().decode().splitlines()

    def commit(self, receipts: Sequence[Receipt], transactions: int = 0, state: State = EMPTY) -> None:
        block = SimpleNamespace(transactions=range(transactions))
        self.meters.committed(SimpleNamespace(block=block, result=SimpleNamespace(receipts=receipts), state=state))


@pytest.fixture
def node() -> Node:
    return Node()


def test_counters_follow_the_services_and_count_nothing_twice(node: Node) -> None:
    first = {
        'crossclear_p2p_message_send_bytes_total{channel="CONSENSUS"} 7.0',
        'crossclear_mempool_failed_txs_total{code="R0203"} 2.0',
        "crossclear_mempool_size 2.0",
        'crossclear_bridge_providers{chain="1"} 5.0',
        "crossclear_bridge_conflicts 1.0",
        "crossclear_consensus_is_validator 1.0",
        "crossclear_bridge_conflicts_unfrozen 2.0",
        "crossclear_bridge_header_signers 2.0",
        "crossclear_bridge_header_certified_height 8.0",
        "crossclear_bridge_header_waiting_seconds 3.0",
        'crossclear_bridge_providers_published{chain="1"} 3.0',
        'crossclear_bridge_providers_reach_ratio{chain="1",providers="2"} 0.75',
    }
    assert first <= set(node.lines)
    node.peer.bytes_out["CONSENSUS"] += 3
    node.transactions.refused["R0201"] += 1
    second = {
        'crossclear_p2p_message_send_bytes_total{channel="CONSENSUS"} 10.0',
        'crossclear_mempool_failed_txs_total{code="R0203"} 2.0',
        'crossclear_mempool_failed_txs_total{code="R0201"} 1.0',
        "crossclear_proofs_proving_seconds_count 1.0",
    }
    assert second <= set(node.lines)


def test_inflow_that_waits_is_counted_by_chain_and_asset_and_shown_while_it_does(node: Node) -> None:
    state, chain_id = EMPTY.fork(), min(EMPTY.terms.chains)
    now = state.now.height
    ended, later = WaitingInflow(now, 100), WaitingInflow(now + 5, 7)
    state.waiting_inflows.put(1, WaitingInflowRecord((ended, later)))
    state.waiting_inflows.put(2, WaitingInflowRecord((ended,)))
    state.held_refunds.put((chain_id, bytes(20), 1), HeldRefundRecord(now + 5))
    state.held_refunds.put((chain_id, bytes(20), 2), HeldRefundRecord(now))
    waits = InflowWaits(account=1, chain_id=chain_id, asset=3, micros=7, until_height=now + 5)
    node.commit([waits, waits], state=state)
    which = f'chain="{chain_id}",asset="3"'
    other = f'asset="3",chain="{chain_id}"'
    shown = {line.replace(other, which) for line in node.lines}
    assert shown >= {
        f"crossclear_clearing_inflow_delayed_total{{{which}}} 2.0",
        f"crossclear_clearing_inflow_delayed_micros_total{{{which}}} 14.0",
        "crossclear_clearing_inflow_waiting_micros 7.0",
        "crossclear_clearing_inflow_waiting_accounts 1.0",
        f'crossclear_clearing_refunds_held{{chain="{chain_id}"}} 1.0',
    }
    node.commit([])
    assert "crossclear_clearing_inflow_waiting_micros 0.0" in node.lines
    assert f'crossclear_clearing_refunds_held{{chain="{chain_id}"}} 0.0' in node.lines


def watcher_of(*endpoints: EndpointHealth, dissenting: str = "") -> SimpleNamespace:
    status = SimpleNamespace(final_number=0, doubt="", custody_fault="", shortage="", halt=None)
    dissents = (Dissent(dissenting, 7, b"", None, 0.0),) if dissenting else ()
    return SimpleNamespace(status=status, dissents=dissents, endpoints=endpoints)


def test_each_endpoint_of_a_chain_has_its_lag_dissent_faults_and_time(node: Node) -> None:
    anna = EndpointHealth("a:1", final_number=100, answers=4, answer_seconds=0.5)
    bert = EndpointHealth("b:1", final_number=97, faults=Counter(ENDPOINT_UNREACHABLE=2))
    node.bridge.watchers[5] = watcher_of(anna, bert, dissenting="b:1")
    first = {
        'crossclear_bridge_endpoint_final_height{chain="5",endpoint="a:1"} 100.0',
        'crossclear_bridge_endpoint_lag_blocks{chain="5",endpoint="a:1"} 0.0',
        'crossclear_bridge_endpoint_lag_blocks{chain="5",endpoint="b:1"} 3.0',
        'crossclear_bridge_endpoint_dissents{chain="5",endpoint="a:1"} 0.0',
        'crossclear_bridge_endpoint_dissents{chain="5",endpoint="b:1"} 1.0',
        'crossclear_bridge_endpoint_answers_total{chain="5",endpoint="a:1"} 4.0',
        'crossclear_bridge_endpoint_answer_seconds_total{chain="5",endpoint="a:1"} 0.5',
        'crossclear_bridge_endpoint_faults_total{chain="5",endpoint="b:1",kind="ENDPOINT_UNREACHABLE"} 2.0',
    }
    assert first <= set(node.lines)
    anna.answers, anna.answer_seconds = 6, 0.75
    second = {
        'crossclear_bridge_endpoint_answers_total{chain="5",endpoint="a:1"} 6.0',
        'crossclear_bridge_endpoint_answer_seconds_total{chain="5",endpoint="a:1"} 0.75',
        'crossclear_bridge_endpoint_faults_total{chain="5",endpoint="b:1",kind="ENDPOINT_UNREACHABLE"} 2.0',
    }
    assert second <= set(node.lines)


def test_a_light_client_has_its_height_its_age_and_its_endpoints(node: Node) -> None:
    endpoint = EndpointHealth("beacon c:1", final_number=64, faults=Counter(BAD_LIGHT_UPDATE=3))
    light = SimpleNamespace(newest=64, seconds_behind=900.0, is_stopped=False, health=(endpoint,))
    node.bridge.lights[1] = light
    assert set(node.lines) >= {
        'crossclear_bridge_light_client_final_height{chain="1"} 64.0',
        'crossclear_bridge_light_client_age_seconds{chain="1"} 900.0',
        'crossclear_bridge_light_client_stopped{chain="1"} 0.0',
        'crossclear_bridge_endpoint_final_height{chain="1",endpoint="beacon c:1"} 64.0',
        'crossclear_bridge_endpoint_faults_total{chain="1",endpoint="beacon c:1",kind="BAD_LIGHT_UPDATE"} 3.0',
    }
    light.is_stopped = True
    assert 'crossclear_bridge_light_client_stopped{chain="1"} 1.0' in node.lines


def test_a_vault_on_another_branch_and_one_ahead_of_this_node_are_told(node: Node) -> None:
    strayed = AcceptedCheckpoint(9, bytes(32), 100)
    node.bridge.branches = {
        1: SimpleNamespace(strayed=None, waiting=(strayed,)),
        2: SimpleNamespace(strayed=strayed, waiting=()),
    }
    assert set(node.lines) >= {
        'crossclear_bridge_vault_on_other_branch{chain="1"} 0.0',
        'crossclear_bridge_vault_checkpoints_waiting{chain="1"} 1.0',
        'crossclear_bridge_vault_on_other_branch{chain="2"} 1.0',
        'crossclear_bridge_vault_checkpoints_waiting{chain="2"} 0.0',
    }


def test_a_block_is_counted_by_its_transactions_and_receipts(node: Node) -> None:
    for _ in range(2):
        node.commit([Refused(0, 203, "withdrawal", ())], transactions=2)
    assert set(node.lines) >= {
        "crossclear_consensus_num_txs 2.0",
        "crossclear_consensus_total_txs_total 4.0",
        'crossclear_clearing_refused_total{code="R0203"} 2.0',
    }


def test_a_feeds_rung_and_its_outliers_are_told(node: Node) -> None:
    node.commit([PriceApplied(1, 100, 90, 4, 40)])
    assert 'crossclear_clearing_feed_rung{feed="1"} 0.0' in node.lines
    dropped = OutliersDropped(1, 100, 1, 5, (0, 3), 20, quorum=False)
    node.commit([dropped, PriceStatusChanged(1, PriceStatus.SETTLED, 9, 7)])
    assert 'crossclear_clearing_feed_rung{feed="1"} 3.0' in node.lines
    assert 'crossclear_clearing_outliers_total{feed="1"} 2.0' in node.lines


def test_answers_of_the_api_are_counted_by_route_and_status(node: Node) -> None:
    node.meters.api_answered("state", 200)
    assert 'crossclear_api_requests_total{route="state",status="200"} 1.0' in node.lines


class Network:
    """The part of the network that metrics read."""

    def __init__(self, *peers: PeerStatus) -> None:
        self.stats = NetworkStats()
        self._peers = peers

    def status(self) -> tuple[PeerStatus, ...]:
        return self._peers


def test_a_line_tells_connection_score_ban_and_last_fault() -> None:
    fault = "R0520 double_sign at vote"
    banned = replace(GOOD, key=b"\x02" * 32, connected=False, score=51, bans=2, banned_seconds=19.6, last_fault=fault)
    first, second = peer_lines([peer_view(GOOD), peer_view(banned)])
    assert first == f"ok   peer {'01' * 8} validator  score 100  2 ms"
    assert second.startswith(
        f"-    peer {'02' * 8} validator  score  51  not connected, banned for 20 s; last fault: R05"
    )


def test_the_networks_counters_are_metrics_under_bounded_labels() -> None:
    network = Network(replace(GOOD, score=75, faults=3, bans=1))
    topic = network.stats.topic("prices")
    topic.published, topic.delivered, topic.duplicates = 5, 4, 3
    topic.dropped["origin rate"] += 2
    network.stats.refused["R0880"] += 7
    network.stats.peer(b"p" * 32).dropped_in["CONSENSUS"] += 9
    network.stats.peer(b"q" * 32).dropped_in["CONSENSUS"] += 1
    metrics = Metrics(PeerCollector(network))
    for _ in range(2):  # asking twice counts nothing twice
        assert set(metrics.render().decode().splitlines()) >= {
            f'crossclear_p2p_peer_score{{peer="{"01" * 8}"}} 75.0',
            f'crossclear_p2p_peer_faults_total{{peer="{"01" * 8}"}} 3.0',
            'crossclear_p2p_gossip_dropped_total{cause="origin rate",topic="prices"} 2.0',
            'crossclear_p2p_gossip_delivered_total{topic="prices"} 4.0',
            'crossclear_p2p_connections_refused_total{code="R0880"} 7.0',
            'crossclear_p2p_messages_refused_total{channel="CONSENSUS"} 10.0',
        }


def test_the_families_are_the_same_with_and_without_a_network() -> None:
    without, running = CollectorRegistry(), CollectorRegistry()
    without.register(PeerCollector(None))
    running.register(PeerCollector(Network()))
    assert generate_latest(without) == generate_latest(running)
    assert len(list(without.collect())) == 12


def test_streams_are_counted_by_kind_reason_and_delay() -> None:
    counts = StreamCounts()
    counts.newest = lambda: Cursor(9, 0)
    with counts.stream("socket", lambda: Cursor(7, 3)), counts.stream("events", lambda: Cursor(9, 0)):
        counts.sent("socket", 3, 0.02)
        counts.sent("socket", 1, 30.0)
        counts.sent("events", 2)
        counts.refused["R0962"] += 1
        lines = Metrics(StreamCollector(counts)).render().decode().splitlines()
    for line in (
        'crossclear_api_streams{kind="socket"} 1.0',
        'crossclear_api_stream_frames_total{kind="socket"} 4.0',
        'crossclear_api_stream_frames_total{kind="events"} 2.0',
        'crossclear_api_streams_refused_total{code="R0962"} 1.0',
        "crossclear_api_stream_lag_blocks 2.0",
        'crossclear_api_stream_delay_seconds_bucket{le="0.01"} 0.0',
        'crossclear_api_stream_delay_seconds_bucket{le="0.025"} 1.0',
        'crossclear_api_stream_delay_seconds_bucket{le="+Inf"} 2.0',
        "crossclear_api_stream_delay_seconds_sum 30.02",
    ):
        assert line in lines
    assert (counts.open["socket"], counts.lag()) == (0, 0)
