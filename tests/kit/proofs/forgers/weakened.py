"""Verifiers weakened in one place each, and the provers that go with them: what they absorb is what they forget.

Rule: everything is the real code but for the one item; outside of the `with` the real code stands as it was.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from weakref import WeakKeyDictionary

import pytest

from proofs.algebra.transcript import Transcript
from proofs.linear import messages


@contextmanager
def leaving_out(*labels: str, only: int | None = None, protocol: str | None = None) -> Iterator[None]:
    """A transcript that does not absorb the items of these labels; the names of challenges stay in.

    With `only`, just the item of this number among those of its label in a transcript: one account's, say. With
    `protocol`, just in transcripts that begin with it.
    """
    begin, real = Transcript.__init__, Transcript._absorb
    protocols: WeakKeyDictionary[Transcript, str] = WeakKeyDictionary()
    seen: WeakKeyDictionary[Transcript, Counter[str]] = WeakKeyDictionary()

    def noting(self: Transcript, name: str) -> None:
        protocols[self] = name
        begin(self, name)

    def absorb(self: Transcript, label: str, kind: str, data: bytes) -> None:
        counts = seen.setdefault(self, Counter())
        number = counts[label]
        counts[label] += 1
        elsewhere = only not in (None, number) or protocol not in (None, protocols.get(self))
        if label not in labels or kind == "challenge" or elsewhere:
            real(self, label, kind, data)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Transcript, "__init__", noting)
        patch.setattr(Transcript, "_absorb", absorb)
        yield


@contextmanager
def without_names_of_challenges() -> Iterator[None]:
    """A transcript that does not absorb that a challenge was drawn, so that the next one is the same."""
    real = Transcript._absorb

    def absorb(self: Transcript, label: str, kind: str, data: bytes) -> None:
        if kind != "challenge":
            real(self, label, kind, data)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Transcript, "_absorb", absorb)
        yield


@contextmanager
def without_protocol() -> Iterator[None]:
    """A transcript that starts alike for every protocol."""
    real = Transcript.__init__
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Transcript, "__init__", lambda self, protocol: real(self, ""))
        yield


def early_y(transcript: Transcript) -> int:
    """A y that depends on the statement and on nothing that the prover sends."""
    return transcript.fork("crossclear/test/early-y").challenge("y")


@contextmanager
def y_before_digits() -> Iterator[None]:
    """A protocol that draws y before C_D; every other challenge as ever."""
    real = messages.after_digits

    def after_digits(transcript: Transcript, c_d: Sequence[Sequence[bytes]], c_m: bytes) -> messages.FirstChallenges:
        y = early_y(transcript)
        first = real(transcript, c_d, c_m)
        return messages.FirstChallenges(first.alpha, y, first.beta)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(messages, "after_digits", after_digits)
        yield
