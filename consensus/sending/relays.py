"""Votes of others that are passed on when nothing moves: gossip of last resort.

The paper needs that what one correct validator has received, all receive in the end; streams between two promise that
for own words only. A liar that shows its vote to one alone can move that one a round on by it, and leave the others
with too few votes to follow and too few validators ahead of them to skip: they would wait for ever.

Rule: what is passed on is what brought the own state where it is: the last round's precommits (L47 and L65, or a final
certificate) and all votes of the running round (L34, L44, L55). In their own envelopes, so nothing is to be believed of
who passes them on.
"""

from clearing.base.certificate import VoteKind
from clearing.base.codec import encode
from consensus.core.state import State
from consensus.messages import Envelope, MessageKind

RELAYED_MAX = 32
"""Votes passed on at a time; of more, others each time."""


def relayed(state: State, turn: int) -> list[bytes]:
    """Envelopes of others' votes; `turn` counts how often nothing had moved."""
    round_ = state.round
    steps = ((round_ - 1, VoteKind.PRECOMMIT), (round_, VoteKind.PREVOTE), (round_, VoteKind.PRECOMMIT))
    found: list[bytes] = []
    for at, kind in steps:
        for index, validator in enumerate(state.validators.validators):
            sent = None if index == state.own else state.votes.sealed(at, kind, index)
            if sent is not None:
                vote, signature = sent
                envelope = Envelope(
                    sender=validator.envelope_key, kind=MessageKind.VOTE, body=encode(vote), signature=signature
                )
                found.append(encode(envelope))
    if len(found) <= RELAYED_MAX:
        return found
    first = turn * RELAYED_MAX % len(found)
    return (found + found)[first : first + RELAYED_MAX]
