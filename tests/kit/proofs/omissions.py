"""Proofs made when one item is left out of the transcript."""

import pytest

from proofs.algebra.commitment import commit
from proofs.algebra.group import encode_point
from proofs.algebra.srs import basis
from proofs.linear import statement as linear_statement_module
from proofs.linear.layout import RowRange, SlotRange, lay_out
from proofs.linear.prover import prove, random_scalar
from proofs.linear.statement import PROTOCOL, LinearStatement, make_witness
from tests.kit.proofs.forgers.linear import Forgery

N = 256


CASH, TOKEN, POSITION = SlotRange(8, 2**63), SlotRange(7, 0), SlotRange(5, 2**39)


LAYOUT = lay_out(
    N,
    (CASH, TOKEN, POSITION),
    tuple(RowRange(8, ((0, 1), (1, 3), (2, move)), 0, shortfall=True) for move in (-900, -300, -1, 1, 300, 700)),
)


RUINED = (5, -1, 2**38)
"""A negative token, and rows that are far below zero: false whatever σ and the rows' constants are."""


SHARED = ("C_m", "C_S", "C_t1", "C_t2", "S(omega zeta)", "pi_1", "pi_2", "layout")


PER_ACCOUNT = ("C_W", "C_D", "C_f", "D(zeta)")


def honest(accounts: int = 1, *, protocol: str = PROTOCOL, context: bytes = bytes(32)) -> Forgery:
    values = (5000, 7, -1)
    witnesses = [make_witness(LAYOUT, values, 0, (random_scalar(), random_scalar())) for _ in range(accounts)]
    commitments = tuple(encode_point(commit(basis(N), values, witness.blinders)) for witness in witnesses)
    statement = LinearStatement(LAYOUT, context, tuple(range(3, 3 + accounts)), (0,) * accounts, commitments)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(linear_statement_module, "PROTOCOL", protocol)
        return statement, prove(statement, witnesses)[0]
