"""Shards of work for provers."""

from proofs.algebra.commitment import commit
from proofs.algebra.group import encode_point
from proofs.algebra.srs import basis
from proofs.linear.layout import RowRange, SlotRange, lay_out
from proofs.linear.prover import random_scalar
from proofs.linear.statement import LinearStatement, make_witness

N = 256


LAYOUT = lay_out(N, (SlotRange(8, 2**63), SlotRange(5, 2**39)), (RowRange(8, ((0, 1), (1, -90)), 0, shortfall=True),))


def build(accounts: int):
    witnesses = [make_witness(LAYOUT, (1_000 + i, i), 0, (random_scalar(), random_scalar())) for i in range(accounts)]
    points = basis(N)
    commitments = tuple(encode_point(commit(points, w.values, w.blinders)) for w in witnesses)
    return LinearStatement(LAYOUT, bytes(32), tuple(range(accounts)), (0,) * accounts, commitments), witnesses
