"""Verifiers weakened in one place each, and the provers that go with them: what they absorb is what they forget.

Rule: everything is the real code but for the one item; outside of the `with` the real code stands as it was.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest

from proofs.linear import challenges
from proofs.transcript import Transcript


@contextmanager
def leaving_out(*labels: str) -> Iterator[None]:
    """A transcript that does not absorb the items of these labels; the challenges' own names are labels, too."""
    real = Transcript._absorb

    def absorb(self: Transcript, label: str, kind: str, data: bytes) -> None:
        if label not in labels:
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
    real = challenges.after_digits

    def after_digits(transcript: Transcript, c_d: Sequence[Sequence[bytes]], c_m: bytes) -> challenges.FirstChallenges:
        y = early_y(transcript)
        first = real(transcript, c_d, c_m)
        return challenges.FirstChallenges(first.alpha, y, first.beta)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(challenges, "after_digits", after_digits)
        yield
