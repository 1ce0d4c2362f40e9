"""Rules of admission to the pool: what is accepted is decided soon, and nothing that fits is refused."""

from collections import deque
from dataclasses import dataclass, field

import pytest

from node.pool.admission import WINDOW_MIN, WINDOW_START, AdmissionWindow

WAITING_MAX = 50_000


@dataclass
class Queue:
    """A network that decides at most `per_block` transactions each `height_ms`; each waits `late_ms` for a proposer.

    Requests come to the nodes `at` in turn. A node hears what another took in after `gossip_ms`.
    """

    per_block: int
    height_ms: int
    late_ms: int = 60
    gossip_ms: int = 40
    at: tuple[int, ...] = (0,)
    nodes: int = 1
    now_ms: int = 0
    waits_ms: list[int] = field(default_factory=list)
    refused: int = 0
    most: int = 0
    """That waited at a time, on all nodes together."""
    _waiting: deque[tuple[int, int]] = field(default_factory=deque)
    """When each came in, and where."""

    def __post_init__(self) -> None:
        self.windows = [AdmissionWindow(WAITING_MAX) for _ in range(self.nodes)]
        self._gathered = [0] * self.nodes
        self._unheard: deque[tuple[int, int]] = deque()
        self._unheard_of = [0] * self.nodes

    def run(self, seconds: float, per_second: int) -> None:
        end_ms = self.now_ms + int(1000 * seconds)
        self.waits_ms.clear()
        self.refused = self.most = 0
        while self.now_ms < end_ms:
            self.now_ms += 1
            while self._unheard and self._unheard[0][0] <= self.now_ms - self.gossip_ms:
                self._unheard_of[self._unheard.popleft()[1]] -= 1
            for number in range((self.now_ms - 1) * per_second // 1000, self.now_ms * per_second // 1000):
                self._offer(self.at[number % len(self.at)])
            if self.now_ms % self.height_ms == 0:
                self._decide()

    def _offer(self, node: int) -> None:
        """One more request; each is of an account with more than its share."""
        known = len(self._waiting) - len(self._unheard) + self._unheard_of[node]
        if self.windows[node].wait_ms(known, 1 << 20, 1 << 20, self._gathered[node], self.nodes):
            self.refused += 1
            return
        self._waiting.append((self.now_ms, node))
        self._unheard.append((self.now_ms, node))
        self._unheard_of[node] += 1
        self._gathered[node] += 1
        self.most = max(self.most, len(self._waiting))

    def _decide(self) -> None:
        """A block, of what its proposer had when it began."""
        selected_ms, counts = self.now_ms - self.height_ms - self.late_ms, [0] * self.nodes
        while self._waiting and self._waiting[0][0] <= selected_ms and sum(counts) < self.per_block:
            came_ms, node = self._waiting.popleft()
            self.waits_ms.append(self.now_ms - came_ms)
            counts[node] += 1
            self._gathered[node] -= 1
        oldest_ms = self._waiting[0][0] if self._waiting else None
        for window, own in zip(self.windows, counts, strict=True):
            window.decided(sum(counts), self.now_ms, oldest_ms, own)

    @property
    def carried(self) -> int:
        return len(self.waits_ms)

    @property
    def p99_ms(self) -> int:
        return sorted(self.waits_ms)[int(0.99 * len(self.waits_ms))]


@pytest.mark.parametrize(("per_block", "height_ms"), [(10, 50), (60, 60), (200, 100), (400, 250), (2000, 200)])
def test_what_is_accepted_is_decided_soon_and_little_capacity_is_lost_at_twice_the_load(
    per_block: int, height_ms: int
) -> None:
    capacity = 1000 * per_block // height_ms
    queue = Queue(per_block, height_ms)
    queue.run(3, capacity // 2)
    queue.run(20, capacity // 2)
    assert queue.refused == 0, "what the network can decide is never refused"
    queue.run(10, 2 * capacity)
    queue.run(20, 2 * capacity)
    assert queue.p99_ms < 1000
    assert queue.carried > 0.9 * 20 * capacity


@pytest.mark.parametrize("per_second", [2_000, 8_000])
def test_four_nodes_together_admit_no_more_than_one_window(per_second: int) -> None:
    queue = Queue(150, 150, gossip_ms=200, nodes=4, at=(0, 1, 2, 3))
    queue.run(0.14, 40_000)
    assert queue.most <= WINDOW_START, "before a node has heard of any other"
    queue.run(10, per_second)
    queue.run(20, per_second)
    assert queue.most < 1.2 * queue.windows[0].size
    assert queue.p99_ms < 1000
    assert queue.carried > 0.9 * 20 * 1000


@pytest.mark.parametrize("at", [(0,), (0, 1), (0, 0, 0, 0, 0, 0, 0, 0, 1, 2)])
def test_what_other_nodes_leave_of_the_window_is_used(at: tuple[int, ...]) -> None:
    queue = Queue(150, 150, nodes=4, at=at)
    queue.run(10, 2000)
    queue.run(20, 2000)
    assert queue.p99_ms < 1000
    assert queue.carried > 0.9 * 20 * 1000


def test_a_node_that_was_alone_gives_way_to_others() -> None:
    queue = Queue(150, 150, nodes=4)
    queue.run(10, 2000)
    queue.at = (0, 1, 2, 3)
    queue.run(3, 8_000)
    assert queue.most < 2 * queue.windows[0].size
    queue.run(5, 8_000)
    assert queue.most < 1.2 * queue.windows[0].size


def test_the_window_follows_a_network_that_becomes_slow_and_fast_again() -> None:
    queue = Queue(200, 100)
    queue.run(20, 4000)
    queue.per_block = 20
    queue.run(20, 4000)
    queue.run(10, 4000)
    assert queue.p99_ms < 1500
    queue.per_block = 200
    queue.run(10, 4000)
    queue.run(10, 4000)
    assert queue.carried > 0.9 * 10 * 2000


def test_an_account_below_its_even_share_is_admitted_beside_those_that_fill_the_window() -> None:
    window = AdmissionWindow(WAITING_MAX)
    size = window.size
    assert window.wait_ms(size, own=size, accounts=1) > 0
    assert window.wait_ms(size, own=0, accounts=1) == 0
    assert window.wait_ms(2 * size, own=0, accounts=1) > 0, "however many accounts there are, twice the window at most"


def test_an_account_below_its_even_share_is_admitted_though_the_nodes_part_of_the_window_is_full() -> None:
    window = AdmissionWindow(WAITING_MAX)
    part = window.size // 4
    assert window.wait_ms(part, own=window.size, accounts=1, gathered=part, nodes=4) > 0
    assert window.wait_ms(part, own=0, accounts=1, gathered=part, nodes=4) == 0
    assert window.wait_ms(2 * part, own=0, accounts=1, gathered=2 * part, nodes=4) > 0


def test_the_stated_wait_grows_with_what_waits() -> None:
    window = AdmissionWindow(WAITING_MAX)
    waits = [window.wait_ms(waiting, 1 << 20, 1) for waiting in (0, window.size, 2 * window.size, 4 * window.size)]
    assert waits[0] == 0
    assert waits == sorted(waits)
    assert waits[1] > 0


def test_the_window_stays_within_its_bounds() -> None:
    window = AdmissionWindow(1000)
    for height in range(1, 50):
        window.decided(0, 10_000 * height, 0)
    assert window.size == WINDOW_MIN
    for height in range(50, 500):
        window.wait_ms(1 << 30, 1 << 30, 1)
        window.decided(5000, 10_000 * height, None)
    assert window.size == 1000
