"""Accountability: which signatures gathered in a height contradict each other.

Rule: it only names pairs that would be proof if their signatures verify; shares here are not verified yet. Called
once a height, when it is decided: later votes are not examined.
"""

from collections.abc import Iterator

from clearing.base.certificate import NIL, Certificate, VoteKind, signer_bitmap, signer_indices
from consensus.core.votes import VoteKeeper
from consensus.messages import EVIDENCE_POLKAS_MAX, ConflictingSignatures

FOUND_MAX = 32
"""Of one height."""


def contradictions(votes: VoteKeeper) -> list[ConflictingSignatures]:
    """Two values signed in one step, and prevotes against a lock that no known polka could have opened.

    Each signer is named once for each of the two; certificates before single votes, because they name more signers.
    """
    found: list[ConflictingSignatures] = []
    for offences in (_of_one_step(votes), _against_a_lock(votes)):
        blamed: set[int] = set()
        for pair in offences:
            both = set(signer_indices(pair.first.signers)) & set(signer_indices(pair.second.signers))
            if not both <= blamed and len(found) < FOUND_MAX:
                blamed |= both
                found.append(pair)
    return found


def _of_one_step(votes: VoteKeeper) -> Iterator[ConflictingSignatures]:
    for round_, kind in votes.steps:
        certificates = votes.certificates(round_, kind)
        if not certificates:
            continue  # Two single votes of one validator are reported on arrival.
        agreed = certificates[0].value if len(certificates) == 1 else None
        for statement in (*certificates, *_singles(votes, round_, kind, agreed)):
            for certificate in certificates:
                if statement.value != certificate.value and _overlap(statement, certificate):
                    low, high = sorted((statement, certificate), key=lambda signed: signed.value)
                    yield ConflictingSignatures(low, high)


def _against_a_lock(votes: VoteKeeper) -> Iterator[ConflictingSignatures]:
    rounds = sorted({round_ for round_, _ in votes.steps})
    for earlier in rounds[:-1]:
        locks = [statement for statement in _statements(votes, earlier, VoteKind.PRECOMMIT) if statement.value != NIL]
        for later in [round_ for round_ in rounds if earlier < round_ <= earlier + EVIDENCE_POLKAS_MAX + 1]:
            for prevote in _statements(votes, later, VoteKind.PREVOTE) if locks else ():
                polkas = _polkas(votes, range(earlier + 1, later), prevote.value)
                if prevote.value == NIL or polkas is None:
                    continue
                for lock in locks:
                    if lock.value != prevote.value and _overlap(lock, prevote):
                        yield ConflictingSignatures(lock, prevote, polkas)


def _polkas(votes: VoteKeeper, rounds: range, value: bytes) -> tuple[Certificate, ...] | None:
    """A polka of each round for anything else; None when one is missing."""
    found = []
    for round_ in rounds:
        others = [
            certificate for certificate in votes.certificates(round_, VoteKind.PREVOTE) if certificate.value != value
        ]
        if not others:
            return None
        found.append(others[0])
    return tuple(found)


def _statements(votes: VoteKeeper, round_: int, kind: VoteKind) -> Iterator[Certificate]:
    yield from votes.certificates(round_, kind)
    yield from _singles(votes, round_, kind)


def _singles(votes: VoteKeeper, round_: int, kind: VoteKind, agreed: bytes | None = None) -> Iterator[Certificate]:
    """Each vote as the aggregate of one; not those for `agreed`, which contradict nothing."""
    for vote in votes.votes(round_, kind):
        if vote.value == agreed:
            continue
        yield Certificate(
            kind=kind,
            height=vote.height,
            round=round_,
            value=vote.value,
            validators_hash=votes.validators.hash,
            signers=signer_bitmap([vote.validator]),
            aggregate=vote.share,
        )


def _overlap(first: Certificate, second: Certificate) -> bool:
    return int.from_bytes(first.signers, "big") & int.from_bytes(second.signers, "big") != 0
