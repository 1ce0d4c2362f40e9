"""What a joint proof costs its verifier, step by step: the part of `benchmarks.proof_scale` for a verifying process.

Statement and proof come from that benchmark; a made-up proof costs a verifier what a good one does, up to the verdict.
"""

import os
import pickle
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import msgspec

from benchmarks.proofs import AMOUNTS, POSITIONS, ROWS
from proofs.algebra.group import GENERATOR, GENERATOR_2, encode_point, multi_scalar, multiply, pairings_equal
from proofs.algebra.many_points import decode_points
from proofs.algebra.srs import basis, tau_g2
from proofs.errors import ProofCode, VerificationFailed
from proofs.linear.layout import ProofLayout, RowRange, SlotRange, lay_out
from proofs.linear.messages import AccountPart, LinearProof, read_proof, write_proof
from proofs.linear.statement import LinearStatement
from proofs.linear.verifier import Equation, verify
from proofs.statement.arithmetization import DOMAIN

T = TypeVar("T")


def layout_of_columns(columns: int) -> ProofLayout:
    """Slots and rows of the design, so many times."""
    slots = (SlotRange(5, 2**39),) * POSITIONS * columns + (SlotRange(8, 2**63),) * AMOUNTS * columns
    rows = [
        tuple((j, (j * 7919 + s * 104_729) % 20_001 - 10_000 or 1) for j in range(len(slots)))
        for s in range(ROWS * columns)
    ]
    return lay_out(DOMAIN, slots, tuple(RowRange(8, row, 2**62, shortfall=True) for row in rows))


class Proven(msgspec.Struct, frozen=True):
    """What a proving process gives back. Seconds of CPU unless named otherwise; peaks in bytes."""

    statement: bytes
    """Pickled: the verifier's process has it from the same benchmark."""
    proof: bytes
    seconds: float
    """Of the wall."""
    prepared: float
    """Until the proof began, since the process did."""
    peak: int
    others: tuple[int, ...]
    """Peaks of the processes with shards that this one started."""
    good: bool = True


def made_up(accounts: int, columns: int) -> Proven:
    """A proof that proves nothing, of points that all decode: it costs a verifier what a good one does."""
    point, points = GENERATOR, []
    for _ in range(accounts * (2 * columns + 1)):
        point = point + GENERATOR
        points.append(encode_point(point))
    commitments, own = tuple(points[:accounts]), iter(points[accounts:])
    parts = tuple(
        AccountPart(tuple(next(own) for _ in range(columns)), tuple(next(own) for _ in range(columns)), (5,) * columns)
        for _ in range(accounts)
    )
    layout = layout_of_columns(columns)
    statement = LinearStatement(layout, bytes(32), tuple(range(accounts)), (0,) * accounts, commitments)
    proof = write_proof(LinearProof(parts, *points[:4], 7, *points[:2]))
    return Proven(pickle.dumps(statement), proof, 0.0, 0.0, 0, (), good=False)


def verify_linear(proven: Proven) -> dict[str, float]:
    """In a process of its own: verify, and then once more step by step."""
    statement: LinearStatement = pickle.loads(proven.statement)  # noqa: S301, our own process made it
    basis(statement.layout.size)
    began, cpu = time.perf_counter(), time.process_time()
    try:
        verify(statement, proven.proof)
    except VerificationFailed as refused:
        if proven.good or refused.code is not ProofCode.PROOF_REFUSED:
            raise
    found = {"seconds": time.perf_counter() - began, "cpu": time.process_time() - cpu, "peak": peak_of(os.getpid())}
    return found | verifying_steps(statement, proven.proof, proven.good)


def verifying_steps(statement: LinearStatement, data: bytes, expected: bool) -> dict[str, float]:
    """CPU seconds of each step of `proofs.linear.verifier.verify`."""
    found: dict[str, float] = {}

    def timed(name: str, what: Callable[[], T]) -> T:
        began = time.process_time()
        result = what()
        found[f"step: {name}"] = time.process_time() - began
        return result

    transcript = timed("absorb the statement", statement.transcript)
    proof = timed("read the proof", lambda: read_proof(data, len(statement.accounts), statement.layout.columns))
    points = timed("decode C_W", lambda: decode_points(statement.commitments, ("C_W",)))
    equation = Equation(statement, proof, points)
    timed("challenges", lambda: equation.draw(transcript))
    pi_1, pi_2 = timed("decode C_f and C_D, weigh all terms", equation.collect)
    right = timed("one multiplication of all points", lambda: multi_scalar(equation.points, equation.scalars))
    good = timed(
        "two pairings", lambda: pairings_equal(pi_1 + multiply(pi_2, equation.mu), tau_g2(), right, GENERATOR_2)
    )
    if good is not expected:
        raise SystemExit(f"expected {expected}, found {good}")
    return found


def peak_of(pid: int) -> int:
    """The most memory that a process ever had at once, in bytes; 0 where the system does not say."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) << 10 for line in lines if line.startswith("VmHWM")), 0)
