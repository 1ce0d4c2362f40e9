"""House solvency: the clearing house itself owes nothing in any currency, proven on its own C_W.

Rule: cash slots are signed for every account, because members may owe within a limit and their collateral backs it. The
house's account makes the sums exact, so a debt hidden in it would be money that does not exist. Its token slots are
unsigned like those of every account. A house that owes cash cannot prove this: the package then has no proof, and the
verdict says so. It must not import provers.
"""

from collections.abc import Sequence

from clearing.base.ids import HOUSE_ACCOUNT
from clearing.margin.statement.snapshot import RiskStatement, SlotKind
from proofs.algebra.field import scalar_bytes
from proofs.algebra.group import Point
from proofs.algebra.transcript import Transcript
from proofs.errors import Inconclusive, ProofCode, VerificationFailed
from proofs.linear.layout import RowRange, SlotRange, lay_out
from proofs.linear.statement import LinearStatement
from proofs.linear.verifier import verify

PROTOCOL = "crossclear/house/v1"
WIDTH = 8


def house_statement(
    statement: RiskStatement, commitments: Sequence[tuple[int, bytes]], size: int, package: Transcript
) -> LinearStatement | None:
    """Every cash slot of the house lies in [0, 2^64); None where there is no such account or slot.

    The slots have their ranges from the accounts' own proof, on the same commitment; `package`: after that proof.
    """
    found = dict(commitments).get(HOUSE_ACCOUNT)
    cash = [j for j, slot in enumerate(statement.slots) if slot.kind is SlotKind.CASH]
    if found is None or not cash:
        return None
    free = (SlotRange(0, 0),) * len(statement.slots)
    rows = tuple(RowRange(WIDTH, ((j, 1),), 0, shortfall=False) for j in cash)
    layout = lay_out(size, free, rows, ranged_elsewhere=True)
    context = scalar_bytes(package.fork(PROTOCOL).challenge("context"))
    return LinearStatement(layout, context, (HOUSE_ACCOUNT,), (0,), (found,))


def check_house(
    statement: RiskStatement,
    commitments: Sequence[tuple[int, bytes]],
    points: Sequence[Point],
    size: int,
    data: bytes,
    transcript: Transcript,
) -> str:
    """Check a package's proof of the house's cash; returns the result as text. Raises VerificationFailed.

    `points` are the decoded commitments, `transcript` is the accounts' joint proof's, after it.
    """
    wanted = house_statement(statement, commitments, size, transcript)
    if wanted is None:
        if data:
            raise VerificationFailed(ProofCode.BAD_STATEMENT, "a proof of the house's cash without such an account")
        return Inconclusive("the house has no account here")
    if not data:
        return Inconclusive("not proven: the house may owe cash, within the limit that every account has")
    accounts = [account for account, _ in commitments]
    verify(wanted, data, [points[accounts.index(HOUSE_ACCOUNT)]])
    return f"account {HOUSE_ACCOUNT} owes nothing in {len(wanted.layout.table.rows)} currencies"
