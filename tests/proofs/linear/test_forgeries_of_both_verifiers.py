"""The forgeries of `test_transcript_omissions`, shown to the slow verifier, which was written from the notes alone.

Rule: what the notes' transcript absorbs is what saves the notes' equation: without one item the slow verifier believes
the same forgery that the fast one does. It opens at ζ and ωζ one by one, so it never needs μ: forgeries that play
π_1, π_2 or S̄ against each other are lies to it even then.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from proofs.linear.verifier import verify
from tests.kit.proofs.forgers.linear import Forger, Forgery
from tests.kit.proofs.forgers.weakened import leaving_out
from tests.kit.proofs.omissions import LAYOUT, RUINED
from tests.kit.proofs.slow_script import Script
from tests.kit.proofs.slow_verifier import plain_statement, state_after, why_refused

COMPLETE = os.environ.get("CROSSCLEAR_COMPLETE") == "1"
"""Each case takes two seconds: the ordinary run takes a sample."""
BELIEVED = ("layout", "C_D", "D(zeta)", "C_W", "C_m", "C_f", "C_S", "C_t1", "C_t2")
PLAYED = ("pi_2", "pi_1", "S(omega zeta)")


@contextmanager
def forgetting(item: str) -> Iterator[None]:
    """A slow verifier without this item."""
    real = Script.put
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            Script,
            "put",
            lambda self, label, kind, data: (
                real(self, label, kind, data) if label != item or kind == "challenge" else None
            ),
        )
        state_after.cache_clear()  # what is remembered was judged with the item
        yield
    state_after.cache_clear()


def forged(item: str) -> Forgery:
    """Believed by the fast verifier without this item."""
    with leaving_out(item):
        statement, proof = Forger(LAYOUT, [RUINED]).forge(item)
        verify(statement, proof)
    return statement, proof


@pytest.mark.parametrize("item", BELIEVED if COMPLETE else BELIEVED[:3])
def test_without_one_item_the_slow_verifier_believes_the_same_forgery(item: str) -> None:
    statement, proof = forged(item)
    with forgetting(item):
        assert why_refused(plain_statement(statement), proof) == ""
    assert why_refused(plain_statement(statement), proof) == "pairing equation"


@pytest.mark.parametrize("item", PLAYED if COMPLETE else PLAYED[:1])
def test_openings_that_are_checked_one_by_one_cannot_be_played_against_each_other(item: str) -> None:
    statement, proof = forged(item)
    with forgetting(item):
        assert why_refused(plain_statement(statement), proof) == "pairing equation"
