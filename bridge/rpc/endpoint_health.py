"""What is known of each endpoint of a chain: faults by kind, how long it takes, how far it is, whether it rests.

Rule: a record depends on what the endpoint did, never on its place in the list. The name shows host and port only.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import trio

from bridge.rpc.block_receipts import Source
from bridge.rpc.endpoint import Result, RpcCall
from clearing.base.errors import RemoteFault

PAUSE_SECONDS_MIN = 0.5
PAUSE_SECONDS_MAX = 30.0


@dataclass(slots=True)
class EndpointHealth:
    """State of one endpoint: faults since its last good answer, in total, the last one, and until when it rests."""

    name: str
    faults_in_a_row: int = 0
    faults_total: int = 0
    last_fault: str = ""
    resting_until: float = 0.0
    is_lost: bool = False
    """It did not answer a patient call: while it rests, patient calls don't wait for it again."""
    faults: Counter[str] = field(default_factory=Counter)
    """By the name of the code."""
    answers: int = 0
    """Requests that it answered, with whatever."""
    answer_seconds: float = 0.0
    """What all of them took together."""
    final_number: int = 0
    """The final block that it reported last."""
    asked_alone: int = 0
    """How often it was asked for what one endpoint can prove."""

    def note_fault(self, fault: RemoteFault) -> None:
        """Count a fault, and let the endpoint rest, longer after each in a row."""
        self.faults_in_a_row += 1
        self.faults_total += 1
        self.faults[fault.code.name] += 1
        self.last_fault = str(fault)
        pause = min(PAUSE_SECONDS_MIN * 2 ** min(self.faults_in_a_row - 1, 10), PAUSE_SECONDS_MAX)
        self.resting_until = trio.current_time() + pause

    def note_good_answer(self) -> None:
        """It answered in form and in time."""
        self.faults_in_a_row = 0
        self.is_lost = False


def lags(healths: Sequence[EndpointHealth]) -> list[int]:
    """Final blocks that each endpoint is behind the one that reports the most, whether that is true or not."""
    best = max((health.final_number for health in healths), default=0)
    return [best - health.final_number for health in healths]


class MeasuredSource:
    """A source that notes in `health` how long its answers take."""

    def __init__(self, source: Source, health: EndpointHealth) -> None:
        self.name = source.name
        self._source = source
        self._health = health

    async def batch(self, calls: Sequence[RpcCall]) -> list[Result]:
        """As the source's."""
        started = trio.current_time()
        results = await self._source.batch(calls)
        self._health.answers += 1
        self._health.answer_seconds += trio.current_time() - started
        return results
