"""Sizes: whether the parts of a package have the lengths that its counts demand, before anything in them is computed.

Rule: what an account, slot or scenario costs a verifier must be paid for in bytes. This reads lengths and kinds only:
it decodes no point and hashes nothing, so a file that does not fit itself is refused at the cost of reading it and
of its certificate, which comes first because two certified headers are evidence whatever else the files have. It
does not lay out the statement, whose exact number of columns `proofs.linear.verifier` compares later, before it decodes
points. With it, a package of B bytes costs at most B / 48 decoded points and a fixed number of pairings beside two for
each validator.
"""

from clearing.margin.statement.snapshot import SlotKind
from proofs.algebra.field import SCALAR_BYTES
from proofs.algebra.group import POINT_BYTES
from proofs.cover.verifier import LINK_BYTES
from proofs.epoch.matched_book import BLINDERS
from proofs.epoch.package import EpochPackage
from proofs.errors import ProofCode, VerificationFailed
from proofs.linear.layout import COLUMNS_MAX
from proofs.linear.messages import TAIL_BYTES, part_bytes


def check_sizes(package: EpochPackage) -> None:
    """Compare all lengths and counts with each other; O(slots). Raises VerificationFailed BAD_LENGTH."""
    statement, accounts = package.statement, len(package.commitments)
    kinds = [slot.kind for slot in statement.slots]
    _check_linear("joint proof", package.proof, accounts)
    if package.house:
        _check_linear("house's proof", package.house, 1)
    hidden = sum(not slot.is_public for slot in statement.slots)
    _require("book opening", len(package.book), POINT_BYTES + SCALAR_BYTES * (BLINDERS + hidden), exact=True)
    stresses = kinds.count(SlotKind.UNCOVERED)
    of_stresses = stresses * (POINT_BYTES + part_bytes(COLUMNS_MAX)) + TAIL_BYTES
    _require("cover proof", len(package.cover), of_stresses + LINK_BYTES + part_bytes(COLUMNS_MAX) + TAIL_BYTES)
    _require("listed shortfalls", len(statement.shortfalls), accounts)
    _require("totals", len(statement.totals), len(kinds))
    for terms in statement.cover:
        _require("members' accounts", len(terms.members), accounts)
        _require("deficits", len(terms.deficits), len(kinds))


def _check_linear(what: str, proof: bytes, accounts: int) -> None:
    """A proof has a share for each account, which is the same for all, in 1 to `COLUMNS_MAX` columns."""
    column = accounts * part_bytes(1)
    columns, rest = divmod(len(proof) - TAIL_BYTES, column) if column else (0, 0)
    if column and (rest or not 1 <= columns <= COLUMNS_MAX):
        raise VerificationFailed(ProofCode.BAD_LENGTH, what, bytes=len(proof), accounts=accounts)


def _require(what: str, found: int, limit: int, *, exact: bool = False) -> None:
    if found > limit or (exact and found != limit):
        raise VerificationFailed(ProofCode.BAD_LENGTH, what, count=found, expected=limit)
