"""Verifiers weakened in one place each, and the provers that go with them: what they absorb is what they forget.

Rule: everything is the real code but for the one item; outside of the `with` the real code stands as it was.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from typing import Any
from weakref import WeakKeyDictionary

import pytest

from proofs.algebra.transcript import Transcript
from proofs.linear import messages
from proofs.verify.package_verifier import verify_package
from tests.kit.proofs.forgers.linear import Forgery
from tests.kit.proofs.linear_statements import refused


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


def early(transcript: Transcript, name: str) -> int:
    """A challenge that depends on what was absorbed up to now, and on nothing that the prover sends later."""
    return transcript.fork("crossclear/test/early").challenge(name)


@contextmanager
def drawn_early(name: str) -> Iterator[None]:
    """A protocol that draws α or y before C_D and C_m, or δ before C_f; every other challenge as ever."""
    step = "after_lookups" if name == "delta" else "after_digits"
    real = getattr(messages, step)

    def after(transcript: Transcript, *sent: object) -> object:
        challenge = early(transcript, name)
        drawn = real(transcript, *sent)
        return challenge if name == "delta" else replace(drawn, **{name: challenge})

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(messages, step, after)
        yield


def proves_only_in(weakened: AbstractContextManager[None], forge: Callable[[], Forgery]) -> Forgery:
    """A forgery passes in this weakened protocol; the real verifier refuses it, and what is forged for the real one."""
    with weakened:
        forgery = forge()
        assert not refused(*forgery)
    assert refused(*forgery)
    assert refused(*forge())
    return forgery


def passes_only_in(
    weakened: AbstractContextManager[None],
    forge: Callable[[], bytes],
    failed: str,
    same_bytes: str = "",
    **trusted: Any,
) -> None:
    """The same for a package: the real verifier refuses it by the check `failed`, those bytes maybe by `same_bytes`."""
    with weakened:
        data = forge()
        verdict = verify_package(data, **trusted)
        assert verdict.ok, verdict.checks[-1]
    assert verify_package(data, **trusted).failed == (same_bytes or failed)
    assert verify_package(forge(), **trusted).failed == failed
