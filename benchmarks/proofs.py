"""Proofs: time and size of committing, proving and verifying for 1, 10 and 100 accounts, and starting the verifier.

Run `python -m benchmarks.proofs [accounts …]` at the top of the repository. The shape is the design's: 256 positions,
16 signed amounts an account, 32 dense rows, 1664 digits in one column of n = 2048. Median, with extremes in brackets.
"""

import subprocess
import sys
from pathlib import Path

from benchmarks.figures import Figure, of_times, repeated
from proofs.commitment import commit
from proofs.group import encode_point
from proofs.layout import Layout, RowRange, SlotRange, lay_out
from proofs.linear.prover import prove, random_scalar
from proofs.linear.statement import LinearStatement
from proofs.linear.verifier import verify
from proofs.linear.witness import Witness, make_witness
from proofs.srs import basis, powers_g1

POSITIONS, AMOUNTS, ROWS = 256, 16, 32
START = "import proofs.srs, proofs.verify; proofs.srs.basis(2048)"


def layout_of_the_design() -> Layout:
    slots = (SlotRange(5, 2**39),) * POSITIONS + (SlotRange(8, 2**63),) * AMOUNTS
    coefficients = [
        tuple((j, (j * 7919 + s * 104_729) % 20_001 - 10_000 or 1) for j in range(len(slots))) for s in range(ROWS)
    ]
    return lay_out(2048, slots, tuple(RowRange(8, row, 2**62, shortfall=True) for row in coefficients))


def accounts_of(layout: Layout, count: int) -> tuple[LinearStatement, list[Witness]]:
    """Accounts with 40 positions and 4 amounts each, and their statement."""
    points, witnesses = basis(layout.size), []
    for account in range(count):
        values = [0] * (POSITIONS + AMOUNTS)
        for i in range(40):
            values[(account * 31 + i * 6) % POSITIONS] = (account + i) * (-1) ** i * 1_000
        for i in range(4):
            values[POSITIONS + i] = 10**12 + account
        witnesses.append(make_witness(layout, values, 0, (random_scalar(), random_scalar())))
    commitments = tuple(encode_point(commit(points, w.values, w.blinders)) for w in witnesses)
    return LinearStatement(layout, bytes(32), tuple(range(count)), (0,) * count, commitments), witnesses


def figures(*, quick: bool = False) -> list[Figure]:
    """See `benchmarks.__main__`."""
    return measured([1, 10] if quick else [1, 10, 100])


def measured(counts: list[int]) -> list[Figure]:
    """Starting, committing, proving, verifying."""
    root = Path(__file__).resolve().parent.parent
    start = repeated(lambda: subprocess.run([sys.executable, "-c", START], check=True, cwd=root), 5)
    told = [of_times("start verifier", start)]
    layout = layout_of_the_design()
    powers_g1()
    for count in counts:
        statement, witnesses = accounts_of(layout, count)
        one = witnesses[0]
        if count == counts[0]:
            told.append(
                of_times("commit one account", repeated(lambda w=one: commit(basis(2048), w.values, w.blinders), 5))
            )  # type: ignore[misc]
        proof = b""

        def run(statement: LinearStatement = statement, witnesses: list[Witness] = witnesses) -> None:
            nonlocal proof
            proof, _ = prove(statement, witnesses)

        times = repeated(run, 5 if count < 100 else 1)
        told.append(of_times(f"prove, an account of {count}", [each / count for each in times], goal="< 100"))
        times = repeated(lambda s=statement, p=proof: verify(s, p), 15)  # type: ignore[misc]
        goal = "<= 6" if count == 1 else "<= 0.3 of 1,000"
        told.append(of_times(f"verify, an account of {count}", [each / count for each in times], goal=goal))
        size, goal = (len(proof) + 48 * count) / count, "<= 500" if count == 1 else "<= 230 of 1,000"
        told.append(Figure(f"size with commitment, an account of {count}", size, "bytes", goal=goal))
    return told


def main(counts: list[int]) -> None:
    for figure in measured(counts):
        print(figure.line())


if __name__ == "__main__":
    main([int(argument) for argument in sys.argv[1:]] or [1, 10, 100])
