"""What the cover proof is about: V_s, its layout, and what ties it to the accounts' commitments.

Rule: for each stress scenario s one vector V_s = (x_1 … x_M, e_1 … e_M, t), all in [0, 2^64), with
fund + deficit_s − 2t − Σ x_m in [0, 2^64), by a joint linear proof; and x_m + t − e_m = U_m, the sum of slot u_s over
the accounts of member m, by the link (`proofs.cover.verifier`). So x_m ≥ U_m − t and x_m ≥ 0, hence the two largest U_m
sum to at most 2t + Σ x_m ≤ fund + deficit_s. It must not know money: the accounts' own proof has bounded the u_s.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from clearing.margin.statement.snapshot import CoverTerms, RiskStatement, SlotKind
from proofs.algebra.field import scalar_bytes
from proofs.algebra.group import POINT_BYTES
from proofs.algebra.transcript import Transcript
from proofs.errors import ProofCode, VerificationFailed
from proofs.linear.layout import ProofLayout, RowRange, SlotRange, lay_out
from proofs.linear.messages import TAIL_BYTES, part_bytes
from proofs.linear.statement import LinearStatement
from proofs.statement.row_checks import bounds_of

PROTOCOL = "crossclear/cover/v1"
BACKING_PROTOCOL = "crossclear/cover-backing/v1"
WIDTH = 8


@dataclass(frozen=True)
class CoverStatement:
    """The terms of one statement, checked against its accounts. Build it with `cover_of`."""

    terms: CoverTerms
    uncovered: tuple[int, ...]
    """The slot u_s of each stress scenario, in order."""
    names: tuple[str, ...]
    """Of the stress scenarios."""
    members: tuple[int, ...]
    """Each once, rising; member number i of all is members[i]."""
    size: int

    @cached_property
    def number_of(self) -> dict[int, int]:
        """The number of each account's member; the fund's account has none."""
        numbers = {member: number for number, member in enumerate(self.members)}
        return {account: numbers[member] for account, member in self.terms.members}

    @property
    def stresses(self) -> int:
        """How many scenarios."""
        return len(self.uncovered)

    @cached_property
    def layout(self) -> ProofLayout:
        """Slots of V_s: x of each member, e of each member, t; one row.

        Raises VerificationFailed BAD_LAYOUT for too many.
        """
        count = len(self.members)
        slots = (SlotRange(WIDTH, 0),) * (2 * count + 1)
        spent = (*((number, -1) for number in range(count)), (2 * count, -2))
        return lay_out(self.size, slots, (RowRange(WIDTH, spent, self.terms.fund, shortfall=True),))

    @property
    def proof_bytes(self) -> int:
        """Length of the joint proof over all V_s."""
        return self.stresses * part_bytes(self.layout.columns) + TAIL_BYTES

    def statement(self, commitments: Sequence[bytes], package: Transcript) -> LinearStatement:
        """What the joint proof over the V_s with these commitments states; `package`: after the accounts' proof."""
        context = scalar_bytes(package.fork(PROTOCOL).challenge("context"))
        numbers = tuple(range(self.stresses))
        return LinearStatement(self.layout, context, numbers, self.terms.deficits, tuple(commitments))


def cover_of(statement: RiskStatement, accounts: Sequence[int], size: int) -> CoverStatement | None:
    """The cover terms of a statement, or None without stress scenarios. Raises VerificationFailed BAD_STATEMENT.

    Every account must have a member, but for the fund's, which must be there.
    """
    uncovered = tuple(j for j, slot in enumerate(statement.slots) if slot.kind is SlotKind.UNCOVERED)
    if len(statement.cover) != bool(uncovered):
        raise VerificationFailed(
            ProofCode.BAD_STATEMENT, "cover terms", terms=len(statement.cover), stresses=len(uncovered)
        )
    if not uncovered:
        return None
    terms = statement.cover[0]
    if len(terms.deficits) != len(uncovered):
        raise VerificationFailed(ProofCode.BAD_STATEMENT, "deficits of the fund", count=len(terms.deficits))
    owned = [account for account, _ in terms.members]
    if any(a >= b for a, b in pairwise(owned)):
        raise VerificationFailed(ProofCode.BAD_STATEMENT, "members' accounts are not in order")
    if terms.fund_account in owned or sorted((*owned, terms.fund_account)) != sorted(accounts):
        raise VerificationFailed(ProofCode.BAD_STATEMENT, "accounts of members and of the fund", accounts=len(accounts))
    names = tuple(statement.slots[j].name.removeprefix("uncovered:") for j in uncovered)
    return CoverStatement(terms, uncovered, names, tuple(sorted({member for _, member in terms.members})), size)


def backing_statement(
    cover: CoverStatement, statement: RiskStatement, commitment: bytes, package: Transcript
) -> LinearStatement | None:
    """That the fund's account has the fund in cash, and keeps it in every stress; None for a fund of nothing.

    Its slots have their ranges from the accounts' own proof, on the same commitment.
    """
    fund = cover.terms.fund
    if not fund:
        return None
    cash = tuple((j, 1) for j, slot in enumerate(statement.slots) if slot.kind is SlotKind.CASH)
    rows = [RowRange(WIDTH, cash, -fund, shortfall=False)]
    bounds = bounds_of(statement)
    for slot in cover.uncovered:
        bound = bounds[slot][0]
        rows.append(RowRange(WIDTH, tuple(bound.public.items()), bound.row.constant - fund, shortfall=False))
    free = (SlotRange(0, 0),) * len(statement.slots)
    layout = lay_out(cover.size, free, tuple(rows), ranged_elsewhere=True)
    context = scalar_bytes(package.fork(BACKING_PROTOCOL).challenge("context"))
    return LinearStatement(layout, context, (cover.terms.fund_account,), (0,), (commitment,))


@dataclass(frozen=True)
class CoverParts:
    """The parts of a cover proof; points as bytes."""

    commitments: tuple[bytes, ...]
    """C_V of each stress scenario."""
    joint: bytes
    link: bytes
    backing: bytes


def write_cover(parts: CoverParts) -> bytes:
    """The bytes that the package carries."""
    return b"".join((*parts.commitments, parts.joint, parts.link, parts.backing))


def read_cover(data: bytes, cover: CoverStatement, link_bytes: int, backing_bytes: int) -> CoverParts:
    """Cut the bytes. Raises VerificationFailed BAD_LENGTH."""
    lengths = [POINT_BYTES] * cover.stresses + [cover.proof_bytes, link_bytes, backing_bytes]
    if len(data) != sum(lengths):
        raise VerificationFailed(ProofCode.BAD_LENGTH, "cover proof", bytes=len(data), wanted=sum(lengths))
    pieces, at = [], 0
    for length in lengths:
        pieces.append(data[at : at + length])
        at += length
    return CoverParts(tuple(pieces[: cover.stresses]), *pieces[cover.stresses :])
