"""The verifier of the cover proof. Pure: the joint proof over the V_s, its link to the accounts, the fund's backing.

Rule: it runs after the joint proof of the accounts was accepted, whose transcript it continues and whose ranges it
relies on: slots u_s lie in [0, 2^64) and at or above what each account lacks.
"""

from collections.abc import Sequence

from clearing.margin.snapshot import RiskStatement
from proofs.cover.link import LINK_BYTES, verify_link
from proofs.cover.terms import Cover, backing_statement, cover_of, read_cover
from proofs.errors import ProofCode, Refused
from proofs.group import Point, decode_point
from proofs.linear.encoding import TAIL_BYTES, part_bytes
from proofs.linear.verifier import verify
from proofs.transcript import Transcript


def check_cover(
    statement: RiskStatement,
    commitments: Sequence[tuple[int, bytes]],
    points: Sequence[Point],
    size: int,
    data: bytes,
    transcript: Transcript,
) -> str:
    """Check a package's cover proof; what was found, in words. Raises Refused naming what failed.

    `points` are the decoded commitments, `transcript` is the accounts' joint proof's, after it.
    """
    cover = cover_of(statement, [account for account, _ in commitments], size)
    if cover is None:
        if data:
            raise Refused(ProofCode.BAD_STATEMENT, "a cover proof without stress scenarios", bytes=len(data))
        return "no stress scenarios: the default fund is not tested"
    if not data:
        raise Refused(ProofCode.FUND_NOT_COVERED, "no proof", stresses=cover.stresses)
    fund_holder = dict(commitments)[cover.terms.fund_account]
    backing = backing_statement(cover, statement, fund_holder, transcript)
    backing_bytes = part_bytes(backing.layout.columns) + TAIL_BYTES if backing else 0
    parts = read_cover(data, cover, LINK_BYTES, backing_bytes)
    vectors = [decode_point(each, "C_V") for each in parts.commitments]
    after = verify(cover.statement(parts.commitments, transcript), parts.joint, vectors)
    accounts = {account: point for (account, _), point in zip(commitments, points, strict=True)}
    verify_link(cover, vectors, accounts, parts.link, after)
    if backing is not None:
        verify(backing, parts.backing, [accounts[cover.terms.fund_account]])
    return _found(cover)


def _found(cover: Cover) -> str:
    terms = cover.terms
    short = [
        f"short by {deficit} in {name}" for name, deficit in zip(cover.names, terms.deficits, strict=True) if deficit
    ]
    said = "; ".join(short) if short else "covers what its two largest members lack"
    return (
        f"fund of {terms.fund} micros, held by account {terms.fund_account}, of {len(cover.members)} members, "
        f"in {cover.stresses} stress scenarios: {said}"
    )
