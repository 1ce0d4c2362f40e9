"""Chainlink's AggregatorV3: a round, its age and its bounds.

Source: docs.chain.link, "Using Data Feeds" and "L2 Sequencer Uptime Feeds". A feed is updated when the price deviates
or the heartbeat has passed, so between two updates a price is right and old. Old aggregators answer `minAnswer` for
whatever is below it: an answer at a bound says nothing. `answeredInRound` is deprecated and not read.
"""

from dataclasses import dataclass

from node.oracle.contracts.abi import ContractCall, address, selector, signed, unsigned, unusable, words
from node.oracle.readings import Reading, scaled_e18

LATEST, DECIMALS, AGGREGATOR = map(selector, ("latestRoundData()", "decimals()", "aggregator()"))
LEAST, MOST = map(selector, ("minAnswer()", "maxAnswer()"))
UP, DOWN = 0, 1
DECIMALS_MAX = 38


@dataclass(frozen=True, slots=True)
class Round:
    """`latestRoundData`. Times in seconds."""

    round_id: int
    answer: int
    started_s: int
    updated_s: int

    @property
    def phase(self) -> int:
        """Of a proxy's round: which aggregator."""
        return self.round_id >> 64

    @property
    def aggregator_round(self) -> int:
        """The aggregator's own number."""
        return self.round_id & (2**64 - 1)


def read_round(answer: bytes | None, at: str) -> Round:
    """Raises RemoteFault CONTRACT_PRICE_UNUSABLE."""
    round_id, price, started, updated, _ = words(answer, 5, at)
    times = (unsigned(started, 64, at), unsigned(updated, 64, at))
    return Round(unsigned(round_id, 80, at), signed(price, 192, at), *times)


def check_round(found: Round, block_s: int, at: str) -> None:
    """Refuse a round that is not complete, or of the future. Its age is the guard's to judge."""
    if found.round_id == 0 or found.updated_s == 0 or found.started_s == 0:
        raise unusable(at, "the round is not complete", round_id=found.round_id)
    if found.updated_s > block_s or found.started_s > found.updated_s:
        raise unusable(at, "the round is of the future", updated_s=found.updated_s, block_s=block_s)


def check_sequencer(found: Round, block_s: int, grace_s: int, at: str) -> None:
    """Refuse prices while a rollup's sequencer is down, and until users could act for `grace_s` after it came back."""
    if found.started_s == 0:
        raise unusable(at, "the sequencer's feed has no round")
    if found.answer == DOWN:
        raise unusable(at, "the sequencer is down", since_s=found.started_s)
    if found.answer != UP:
        raise unusable(at, "the sequencer's feed states neither up nor down")
    if block_s - found.started_s <= grace_s:
        raise unusable(at, "the sequencer came back", since_s=found.started_s, grace_s=grace_s)


class ChainlinkPrice:
    """A feed by its proxy; `sequencer`: the uptime feed of a rollup, None elsewhere."""

    def __init__(self, at: str, proxy: bytes, sequencer: bytes | None = None, grace_s: int = 3_600) -> None:
        self._at, self._proxy, self._sequencer, self._grace_s = at, proxy, sequencer, grace_s
        self._aggregator: bytes | None = None

    def calls(self) -> tuple[ContractCall, ...]:
        """The round, and the bounds of the aggregator that the proxy had last."""
        asked = [ContractCall(self._proxy, each) for each in (LATEST, DECIMALS, AGGREGATOR)]
        if self._sequencer is not None:
            asked.append(ContractCall(self._sequencer, LATEST))
        if self._aggregator is not None:
            asked += [ContractCall(self._aggregator, each) for each in (LEAST, MOST)]
        return tuple(asked)

    def read(self, answers: tuple[bytes | None, ...], block_s: int) -> Reading | None:
        """The answer of a complete round between the aggregator's bounds."""
        at = self._at
        if self._sequencer is not None:
            check_sequencer(read_round(answers[3], at), block_s, self._grace_s, at)
        # An aggregator that is asked without a proxy has no function of this name.
        aggregator = self._proxy if answers[2] is None else address(words(answers[2], 1, at)[0], at)
        if aggregator != self._aggregator:
            self._aggregator = aggregator
            return None
        found, (decimals,) = read_round(answers[0], at), words(answers[1], 1, at)
        check_round(found, block_s, at)
        if decimals > DECIMALS_MAX:
            raise unusable(at, "too many decimals", decimals=decimals)
        self._check_bounds(found.answer, *answers[-2:])
        return Reading(scaled_e18(found.answer, decimals), time_ms=found.updated_s * 1_000)

    def _check_bounds(self, answer: int, least: bytes | None, most: bytes | None) -> None:
        """Aggregators without bounds lack the functions."""
        if least is not None and answer <= signed(words(least, 1, self._at)[0], 192, self._at):
            raise unusable(self._at, "the answer is at the aggregator's least")
        if most is not None and answer >= signed(words(most, 1, self._at)[0], 192, self._at):
            raise unusable(self._at, "the answer is at the aggregator's greatest")
