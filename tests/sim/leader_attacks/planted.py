"""Weaknesses put into the order of leaders on purpose: the search for a strategy must find each.

Rule: a plant changes the product's rule, never the search, and is taken out again. Each takes two rules away: a
validator that a colluder made fail is the next to lead, and so forgiven, before anybody could gain by it.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from unittest.mock import patch

from clearing.base.validators import ValidatorSet
from consensus.leaders import Leaders


def _charged(self: Leaders, failed: Sequence[bytes]) -> Leaders:
    """Who leads a height after all stays on the list."""
    counts = dict(self.failures)
    for key in failed:
        counts[key] = counts.get(key, 0) + 1
    return replace(self, failures=tuple(counts.items()))


@contextmanager
def latest_first() -> Iterator[None]:
    """Of as many failures the latest is passed over first, for the whole period: the victim, not the liar."""
    sound = Leaders.passed_over

    def passed_over(self: Leaders, validators: ValidatorSet) -> frozenset[int]:
        return sound(replace(self, failures=tuple(reversed(self.failures))), validators)

    def decided(self: Leaders, led: Sequence[bytes]) -> Leaders:
        return _charged(self, led[:-1])

    with patch.object(Leaders, "passed_over", passed_over), patch.object(Leaders, "decided", decided):
        yield


def blames_the_last() -> AbstractContextManager[object]:
    """Of those that failed in a height only the last is charged, for the whole period."""

    def decided(self: Leaders, led: Sequence[bytes]) -> Leaders:
        return _charged(self, led[:-1][-1:])

    return patch.object(Leaders, "decided", decided)


PLANTED: dict[str, Callable[[], AbstractContextManager[object]]] = {
    "latest first": latest_first,
    "blames the last": blames_the_last,
}
