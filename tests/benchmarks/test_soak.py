"""Rules of long runs: what is flat, and a short simulated day."""

from collections.abc import Callable

import pytest

from benchmarks.soak.day import STEADY, Day, simulate, weigh
from benchmarks.soak.load import posts_of
from benchmarks.soak.samples import Sample, trends
from member.api.submit import TRANSACTIONS_MAX


def samples(memory: Callable[[int], float], handles: Callable[[int], int]) -> list[Sample]:
    return [
        Sample(
            second=10.0 * each,
            memory_mib=memory(each),
            resident_mib=memory(each),
            workers_mib=0.0,
            handles=handles(each),
            threads=8,
            disk_mib=float(each),
            height=each,
            cpu_seconds=float(each),
        )
        for each in range(1, 361)
    ]


@pytest.mark.parametrize(
    ("memory", "handles", "flat"),
    [
        (lambda _: 200.0, lambda _: 40, {"memory_mib", "handles"}),
        (lambda each: 150.0 + min(each, 80), lambda _: 40, {"memory_mib", "handles"}),
        (lambda each: 200.0 + 0.1 * each, lambda _: 40, {"handles"}),
        (lambda each: 200.0 + 20 * (each % 7), lambda each: 40 + each % 3, {"memory_mib", "handles"}),
        (lambda _: 200.0, lambda each: 40 + each // 20, {"memory_mib"}),
    ],
    ids=["constant", "warm-up only", "memory leaks", "noise", "handles leak"],
)
def test_memory_and_handles_are_flat_after_the_warm_up_or_a_leak(
    memory: Callable[[int], float], handles: Callable[[int], int], flat: set[str]
) -> None:
    found = {each.figure: each for each in trends("n0", samples(memory, handles))}
    assert {name for name in ("memory_mib", "handles") if found[name].flat} == flat
    assert found["threads"].flat
    assert found["workers_mib"].flat
    assert not found["disk_mib"].judged


@pytest.mark.parametrize("pairs", [0, 1, TRANSACTIONS_MAX // 2, TRANSACTIONS_MAX // 2 + 1, 400])
def test_no_post_has_more_trades_than_a_node_takes(pairs: int) -> None:
    assert sum(posts_of(pairs)) == pairs
    assert all(0 < some <= TRANSACTIONS_MAX // 2 for some in posts_of(pairs))


def test_a_simulated_day_ends_level_with_every_fault_healed() -> None:
    """And the same seed is the same day."""
    report, again = (simulate(0.25, 10_000, 3, lambda _: None) for _ in range(2))
    assert report.heights >= 60
    assert report.recovery_ms > 0
    assert report.trace == again.trace


def test_what_a_simulated_disk_holds_is_no_memory() -> None:
    """The saved state grows with what members hold; it is on the disk, and as such not weighed."""
    day = Day(3, 0.05, 10_000)
    day.day()
    steady = day.nodes[STEADY]
    (before,) = weigh(steady)
    steady.house._saved = (1, bytes(1 << 20), bytes(1 << 20))
    (after,) = weigh(steady)
    assert before.height > 0
    assert (after.application_kib, after.replica_kib) == (before.application_kib, before.replica_kib)
