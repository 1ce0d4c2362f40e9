"""Proofs made when one item is left out of the transcript."""

import pytest

from proofs.linear import statement as linear_statement_module
from proofs.linear.layout import lay_out
from proofs.linear.prover import prove
from proofs.linear.statement import PROTOCOL
from tests.kit.proofs.forgers.linear import Forgery
from tests.kit.proofs.linear_statements import SLOTS, N, committed, margin_rows

LAYOUT = lay_out(N, SLOTS, margin_rows(-900, -300, -1, 1, 300, 700))
RUINED = (5, -1, 2**38)
"""A negative token, and rows that are far below zero: false whatever σ and the rows' constants are."""
SHARED = ("C_m", "C_S", "C_t1", "C_t2", "S(omega zeta)", "pi_1", "pi_2", "layout")
PER_ACCOUNT = ("C_W", "C_D", "C_f", "D(zeta)")


def honest(accounts: int = 1, *, protocol: str = PROTOCOL, context: bytes = bytes(32)) -> Forgery:
    statement, witnesses = committed(LAYOUT, [(5000, 7, -1)] * accounts, context=context, first=3)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(linear_statement_module, "PROTOCOL", protocol)
        return statement, prove(statement, witnesses)[0]
