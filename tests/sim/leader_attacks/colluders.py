"""Colluders below a third against the order of leaders: who leads the heights when they fail on purpose.

Rule: the turns and the history are the product's; what a turn comes to is stated here, always for the colluders. All
honest votes are a quorum, so a vote of nil, a late vote or none does not make an honest proposer fail. A turn of a
colluder can: it hides a polka, and an honest leader of the next round fails with it. In the simulator of whole
networks this takes good timing; here it always succeeds.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from random import Random

from clearing.base.validators import ValidatorSet
from consensus.leaders import Leaders, period_of
from consensus.turns import turns_of
from tests.sim.leader_attacks.splitting import seats

HEIGHTS = 1000
"""Two periods."""


class Act(IntEnum):
    """What a colluder does with its turn."""

    LEAD = 0
    FAIL = 1
    HIDE = 2
    """Fail, and make the next one fail that is honest."""


FEATURES = 6
"""What a strategy looks at, a bit each: `Play._seen`."""
Strategy = tuple[Act, ...]
"""What to do, by what is seen: 2 ** FEATURES entries."""


def obedient() -> Strategy:
    """Leads whenever it can."""
    return (Act.LEAD,) * 2**FEATURES


@dataclass(frozen=True)
class Outcome:
    """Of some heights."""

    honest_led: int
    heights: int
    rounds: int
    """All that were begun."""

    @property
    def honest_percent(self) -> float:
        """The share of heights that an honest validator led."""
        return 100 * self.honest_led / self.heights


@dataclass(frozen=True)
class Network:
    """Powers, of which the first ones collude."""

    name: str
    colluding: tuple[int, ...]
    honest: tuple[int, ...]

    @property
    def fair_percent(self) -> float:
        """The honest share of the power."""
        return 100 * sum(self.honest) / (sum(self.honest) + sum(self.colluding))

    @property
    def bound_percent(self) -> float:
        """The least that honest validators lead if as many of them are passed over as ever can be."""
        left = sum(self.honest) - _heaviest(self.honest, (sum(self.honest) + sum(self.colluding)) // 3)
        return 100 * left / (left + sum(self.colluding))


def _heaviest(powers: Sequence[int], limit: int) -> int:
    """The most that some of them have together without exceeding the limit."""
    sums = {0}
    for power in powers:
        sums |= {each + power for each in sums if each + power <= limit}
    return max(sums)


NETWORKS = (
    Network("four equal, one colludes", (1,), (1,) * 3),
    Network("seven equal, two collude", (1,) * 2, (1,) * 5),
    Network("thirteen equal, four collude", (1,) * 4, (1,) * 9),
    Network("heavy and light ones", (10, 2, 1), (10, 9, 5, 3, 2)),
)


class Play:
    """Plays heights with one strategy for all colluders, and counts who led."""

    def __init__(self, network: Network) -> None:
        self.validators: ValidatorSet = seats((*network.colluding, *network.honest))
        self._colluding = len(network.colluding)

    def run(self, strategy: Strategy, heights: int = HEIGHTS) -> Outcome:
        """From the first height of a period on."""
        keys = [each.envelope_key for each in self.validators.validators]
        leaders, last, honest_led, rounds = Leaders(), (Leaders(), 0, 0), 0, 0
        for height in range(1, heights + 1):
            led = self._decide(turns_of(self.validators, height, leaders).proposer, leaders, strategy)
            honest_led += led[-1] >= self._colluding
            rounds += len(led)
            # The block of this height shows in which round its parent was decided: for the turns of the next height.
            shown_leaders, shown_height, shown_round = last
            last = (leaders, height, len(led) - 1)
            period = period_of(height + 1)
            if period != leaders.period:
                leaders = Leaders(period)
            elif shown_height and period_of(shown_height) == period:
                shown = turns_of(self.validators, shown_height, shown_leaders).led(shown_round)
                leaders = leaders.decided([keys[index] for index in shown])
        return Outcome(honest_led, heights, rounds)

    def _decide(self, proposer: Callable[[int], int], known: Leaders, strategy: Strategy) -> list[int]:
        """Who led the rounds of a height, up to the one that decided it."""
        led: list[int] = []
        hidden = False
        while True:
            leader = proposer(len(led))
            led.append(leader)
            if leader >= self._colluding:
                if not hidden:
                    return led
                hidden = False
                continue
            act = strategy[self._seen(leader, proposer(len(led)), known, hidden=hidden)]
            if act is Act.LEAD or len(led) > 2 * len(self.validators.validators):
                return led
            hidden = act is Act.HIDE

    def _seen(self, own: int, following: int, known: Leaders, *, hidden: bool) -> int:
        """The features: who follows, who of both failed, whether others stand before the own place, the own parity."""
        failures = dict(known.failures)
        keys = [self.validators.validators[index].envelope_key for index in (own, following)]
        bits = (
            following >= self._colluding,
            keys[0] in failures,
            keys[1] in failures,
            any(self._is_honest(key) for key in failures),
            hidden,
            own % 2 == 1,
        )
        return sum(1 << place for place, bit in enumerate(bits) if bit)

    def _is_honest(self, key: bytes) -> bool:
        return self.validators.index_of[key] >= self._colluding


@dataclass(frozen=True)
class Found:
    """The worst strategy of a search."""

    strategy: Strategy
    outcome: Outcome


def search(network: Network, seed: int, starts: int, steps: int, heights: int = HEIGHTS) -> Found:
    """Random strategies, then the best one changed in a few places as long as that makes it worse for the honest."""
    random, play = Random(f"colluders/{seed}"), Play(network)
    kinds = list(Act)

    def tried(strategy: Strategy) -> Found:
        return Found(strategy, play.run(strategy, heights))

    drawn = (tuple(random.choice(kinds) for _ in range(2**FEATURES)) for _ in range(starts))
    always = ((act,) * 2**FEATURES for act in Act)
    best = min((tried(strategy) for strategy in (*always, *drawn)), key=lambda found: found.outcome.honest_led)
    for _ in range(steps):
        changed = list(best.strategy)
        for place in random.sample(range(2**FEATURES), random.randint(1, 6)):
            changed[place] = random.choice(kinds)
        other = tried(tuple(changed))
        if other.outcome.honest_led <= best.outcome.honest_led:
            best = other
    return best
