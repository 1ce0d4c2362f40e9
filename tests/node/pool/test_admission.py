"""Rules of admission to the pool: what is accepted is decided soon, and nothing that fits is refused."""

from collections import deque
from dataclasses import dataclass, field

import pytest

from node.pool.admission import WINDOW_MIN, AdmissionWindow

WAITING_MAX = 50_000


@dataclass
class Queue:
    """A network that decides at most `per_block` transactions each `height_ms`; each waits `late_ms` for a proposer."""

    per_block: int
    height_ms: int
    late_ms: int = 60
    window: AdmissionWindow = field(default_factory=lambda: AdmissionWindow(WAITING_MAX))
    now_ms: int = 0
    waits_ms: list[int] = field(default_factory=list)
    refused: int = 0
    _waiting: deque[int] = field(default_factory=deque)

    def run(self, seconds: int, per_second: int) -> None:
        end_ms = self.now_ms + 1000 * seconds
        self.waits_ms.clear()
        self.refused = 0
        while self.now_ms < end_ms:
            self.now_ms += 1
            for _ in range(self.now_ms * per_second // 1000 - (self.now_ms - 1) * per_second // 1000):
                if self.window.wait_ms(len(self._waiting), 1, 1 << 20):
                    self.refused += 1
                else:
                    self._waiting.append(self.now_ms)
            if self.now_ms % self.height_ms == 0:
                self._decide()

    def _decide(self) -> None:
        """A block, of what its proposer had when it began."""
        selected_ms, count = self.now_ms - self.height_ms - self.late_ms, 0
        while self._waiting and self._waiting[0] <= selected_ms and count < self.per_block:
            self.waits_ms.append(self.now_ms - self._waiting.popleft())
            count += 1
        self.window.decided(count, self.now_ms, self._waiting[0] if self._waiting else None)

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
