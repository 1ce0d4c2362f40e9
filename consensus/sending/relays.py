"""Votes of others that are passed on when nothing moves: gossip of last resort.

The paper needs that what one correct validator has received, all receive in the end; streams between two promise that
for own words only. A liar that shows its vote to one alone can move that one a round on by it, and leave the others
with too few votes to follow and too few validators ahead of them to skip: they would wait for ever.

Rule: what is passed on is what brought the own state where it is: the last round's precommits (L47 and L65, or a final
certificate) and all votes of the running round (L34, L44, L55). In their own envelopes, so nothing is to be believed of
who passes them on. The larger the set, the fewer each passes on, and each begins elsewhere: together they pass on all,
and a network that is slow because it is overloaded does not drown in its own repetitions.
"""

from clearing.base.certificate import VoteKind
from clearing.base.codec import encode
from consensus.core.state import State
from consensus.messages import Envelope, MessageKind

HEARD_MAX = 96
"""Passed-on votes that one validator hears at a time when all pass on; of more votes, others each time."""
RELAYED_MIN = 2


def relays_of(validators: int) -> int:
    """How many votes one validator of so many passes on at a time."""
    return max(RELAYED_MIN, HEARD_MAX // validators)


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
    count = relays_of(len(state.validators.validators))
    if len(found) <= count:
        return found
    first = (turn + (state.own or 0)) * count % len(found)
    return (found + found)[first : first + count]
