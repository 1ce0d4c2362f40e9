"""Metrics say what happened, and none of them is for show."""

import re
from collections import Counter, deque
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from clearing.schema.blocks.receipt import Refused
from clearing.schema.receipts.prices import OutliersDropped, PriceApplied, PriceStatusChanged
from clearing.schema.records.prices import PriceStatus
from node.ops.meters import Meters
from node.ops.metrics import Metrics

ROOT = Path(__file__).resolve().parents[3]


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


def build() -> tuple[Meters, Any, Any]:
    peer = SimpleNamespace(bytes_out=Counter(CONSENSUS=7), bytes_in=Counter(), dropped_out=Counter(DATA=1))
    network: Any = SimpleNamespace(peers=frozenset((b"a",)), stats=SimpleNamespace(peers={"a": peer}))
    oracle: Any = SimpleNamespace(reports=())
    bridge: Any = SimpleNamespace(watchers={}, pulses={}, keepers={})
    progress = SimpleNamespace(done=1, total=4)
    packages: Any = SimpleNamespace(newest_epoch=3, newest_bytes=6030, seconds=deque((1.5,)), progress=progress)
    transactions: Any = SimpleNamespace(refused=Counter(R0203=2))
    four: Any = SimpleNamespace(validators=(1, 2, 3, 4), total_power=4)
    membership: Any = SimpleNamespace(now=four, sets=SimpleNamespace(last=four))
    pool: Any = _Pool()
    meters = Meters(Metrics(), network, oracle, bridge, packages, pool, transactions, membership, lambda: 1_000)
    return meters, peer, transactions


def test_counters_follow_the_services_and_count_nothing_twice() -> None:
    meters, peer, transactions = build()
    first = meters.render().decode()
    assert 'crossclear_p2p_message_send_bytes_total{channel="CONSENSUS"} 7.0' in first
    assert 'crossclear_mempool_failed_txs_total{code="R0203"} 2.0' in first
    assert "crossclear_mempool_size 2.0" in first
    peer.bytes_out["CONSENSUS"] += 3
    transactions.refused["R0201"] += 1
    second = meters.render().decode()
    assert 'crossclear_p2p_message_send_bytes_total{channel="CONSENSUS"} 10.0' in second
    assert 'crossclear_mempool_failed_txs_total{code="R0203"} 2.0' in second
    assert 'crossclear_mempool_failed_txs_total{code="R0201"} 1.0' in second
    assert "crossclear_proofs_proving_seconds_count 1.0" in second


def test_a_block_is_counted_by_its_transactions_and_receipts() -> None:
    meters, _, _ = build()
    refused = Refused(0, 203, "withdrawal", ())
    decided: Any = SimpleNamespace(
        block=SimpleNamespace(transactions=(1, 2)), result=SimpleNamespace(receipts=(refused,))
    )
    meters.committed(decided)
    meters.committed(decided)
    told = meters.render().decode()
    assert "crossclear_consensus_num_txs 2.0" in told
    assert "crossclear_consensus_total_txs_total 4.0" in told
    assert 'crossclear_clearing_refused_total{code="R0203"} 2.0' in told


def test_a_feeds_rung_and_its_outliers_are_told() -> None:
    meters, _, _ = build()
    dropped = OutliersDropped(1, 100, 1, 5, (0, 3), 20, quorum=False)
    for receipts, rung in (
        ((PriceApplied(1, 100, 90, 4, 40),), 0),
        ((dropped, PriceStatusChanged(1, PriceStatus.SETTLED, 9, 7)), 3),
    ):
        decided: Any = SimpleNamespace(
            block=SimpleNamespace(transactions=()), result=SimpleNamespace(receipts=receipts)
        )
        meters.committed(decided)
        assert f'crossclear_clearing_feed_rung{{feed="1"}} {rung}.0' in meters.render().decode()
    assert 'crossclear_clearing_outliers_total{feed="1"} 2.0' in meters.render().decode()


def test_answers_of_the_api_are_counted_by_route_and_status() -> None:
    meters, _, _ = build()
    meters.api_answered("state", 200)
    assert 'crossclear_api_requests_total{route="state",status="200"} 1.0' in meters.render().decode()
