"""How claims moved between the packages of a history, as JSON and as text.

Rule: it words what `proofs.history.transition` found, and judges nothing.
"""

from collections.abc import Sequence

import msgspec

from proofs.history.transition import Movement


class MovementReport(msgspec.Struct, frozen=True):
    """How the claims on one token moved between two good packages that follow each other.

    Token base units, as text: claims_after - claims_before = deposits - withdrawals - strays - dust.
    """

    from_epoch: int
    to_epoch: int
    chain_id: int
    vault: str
    token: str
    claims_before: str
    claims_after: str
    deposits: str
    withdrawals: str
    """Released, delayed ones included, less what came back unpaid; negative where more came back."""
    strays: str
    dust: str


def movement_report(moved: Movement) -> MovementReport:
    """The movement as JSON."""
    chain_id, vault, token = moved.place
    return MovementReport(
        from_epoch=moved.from_epoch,
        to_epoch=moved.to_epoch,
        chain_id=chain_id,
        vault="0x" + vault.hex(),
        token="0x" + token.hex(),
        claims_before=str(moved.claims_before),
        claims_after=str(moved.claims_after),
        deposits=str(moved.deposits),
        withdrawals=str(moved.withdrawals),
        strays=str(moved.strays),
        dust=str(moved.dust),
    )


def movement_lines(movements: Sequence[MovementReport]) -> list[str]:
    """One line for each token: all its movements together."""
    tokens: dict[tuple[int, str, str], list[MovementReport]] = {}
    for moved in movements:
        tokens.setdefault((moved.chain_id, moved.vault, moved.token), []).append(moved)
    lines = ["", "Claims on each token, in base units:"] if tokens else []
    for (chain_id, _, token), moves in sorted(tokens.items()):
        deposits, withdrawals, strays, dust = (
            sum(int(getattr(each, name)) for each in moves) for name in ("deposits", "withdrawals", "strays", "dust")
        )
        returned = sum(max(-int(each.withdrawals), 0) for each in moves)
        lines.append(
            f"  {token} on chain {chain_id}: {moves[0].claims_before} + {deposits} of deposits - {withdrawals} of "
            f"withdrawals - {strays} of strays - {dust} of dust = {moves[-1].claims_after}"
            + (f"; {returned} of withdrawals came back unpaid in between" if returned else "")
        )
    return lines
