"""Proofs: time and size of committing, proving and verifying for 1, 10, 100 and 1,000 accounts; starting the verifier.

Run `python -m benchmarks.proofs [accounts …]` at the top of the repository: two minutes for all. The shape is the
design's: 256 positions, 16 signed amounts an account, 32 dense rows, 1664 digits in one column of n = 2048. One core,
but where stated otherwise. Median, with extremes in brackets. Peers: c-kzg, the library of Ethereum's clients (native
code around blst), measured here on the same group; Summa V1 by its own figures, which prove a sum and no margin.
"""

import os
import secrets
import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path

import ckzg
import msgspec

from benchmarks.figures import Figure, of_times, repeated
from benchmarks.machine import this_machine
from benchmarks.margin import NOW_MS, collateral, instruments, wide_grid
from benchmarks.margin import parameters as margin_parameters
from clearing.base.ids import Hash32, NetworkId
from clearing.margin.risk_arrays.arrays import build_risk_arrays
from clearing.margin.statement.rows import account_holdings, build_statement
from clearing.margin.statement.snapshot import PublicTotal
from clearing.schema.terms.assets import CashGroup
from proofs.algebra.commitment import Committer, commit
from proofs.algebra.field import ORDER, scalar_bytes
from proofs.algebra.group import encode_point, multi_scalar
from proofs.algebra.srs import CEREMONY_FILE, basis, powers_g1
from proofs.epoch.remote_shard import ProgressBoard
from proofs.epoch.workers import SHARD_ACCOUNTS_MIN, ShardWorkers
from proofs.linear.layout import ProofLayout, RowRange, SlotRange, lay_out
from proofs.linear.prover import prove, random_scalar
from proofs.linear.statement import LinearStatement, Witness, make_witness
from proofs.linear.verifier import verify, verify_batch
from proofs.statement.arithmetization import AuxiliaryWitness, complete_holdings, layout_of

POSITIONS, AMOUNTS, ROWS = 256, 16, 32
START = "import proofs.algebra.srs, proofs.verify.package_verifier; proofs.algebra.srs.basis(2048)"


def layout_of_the_design() -> ProofLayout:
    slots = (SlotRange(5, 2**39),) * POSITIONS + (SlotRange(8, 2**63),) * AMOUNTS
    coefficients = [
        tuple((j, (j * 7919 + s * 104_729) % 20_001 - 10_000 or 1) for j in range(len(slots))) for s in range(ROWS)
    ]
    return lay_out(2048, slots, tuple(RowRange(8, row, 2**62, shortfall=True) for row in coefficients))


def accounts_of(layout: ProofLayout, count: int) -> tuple[LinearStatement, list[Witness]]:
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
    return measured([1, 10] if quick else [1, 10, 100, 1_000])


def measured(counts: list[int]) -> list[Figure]:
    """Starting, the group, committing, proving, verifying."""
    root = Path(__file__).resolve().parent.parent
    start = repeated(lambda: subprocess.run([sys.executable, "-c", START], check=True, cwd=root), 5)
    timed = [of_times("start verifier", start), of_the_group()]
    powers_g1()
    layout = layout_of_the_design()
    timed += committing(layout)
    for count in counts:
        timed += proving(layout, count)
    return [*timed, *batches(layout, min(50, counts[-1])), *with_tokens(min(50, counts[-1]))]


def of_the_group() -> Figure:
    """One multi-scalar multiplication, beside c-kzg's of twice the length."""
    scalars = [secrets.randbelow(ORDER) for _ in range(4096)]
    setup = ckzg.load_trusted_setup(str(distribution("eth-account").locate_file(CEREMONY_FILE)), 0)
    blob = b"".join(map(scalar_bytes, scalars))
    theirs = of_times("", repeated(lambda: ckzg.blob_to_kzg_commitment(blob, setup), 5))
    ours = repeated(lambda: multi_scalar(basis(2048).lagrange, scalars[:2048]), 5)
    return of_times("commit to 2,048 full scalars", ours, peer=f"{theirs.value:.0f} for 4,096 in c-kzg")


def committing(layout: ProofLayout) -> list[Figure]:
    """An account's commitment, new and from the last epoch's with a quarter of its slots changed."""
    _, (one, *_) = accounts_of(layout, 1)
    committer = Committer(basis(layout.size))
    changed = [value + (value != 0 and j % 4 == 0) for j, value in enumerate(one.values)]
    committer.commit(0, one.values, one.blinders)
    turns = iter([changed, one.values] * 5)
    return [
        of_times("commit one account", repeated(lambda: commit(basis(2048), one.values, one.blinders), 9)),
        of_times("commit one account again", repeated(lambda: committer.commit(0, next(turns), one.blinders), 9)),
    ]


def proving(layout: ProofLayout, count: int) -> list[Figure]:
    """Proving, verifying and size for so many accounts."""
    statement, witnesses = accounts_of(layout, count)
    proof = b""

    def run() -> None:
        nonlocal proof
        proof, _ = prove(statement, witnesses)

    def spread(cores: int) -> None:
        with ShardWorkers(cores, ProgressBoard(cores)) as workers:
            workers.start(count)
            workers.prove(statement, witnesses)

    alone, cores = count == 1, os.cpu_count() or 1
    times = repeated(run, 5 if count < 100 else 3)
    peer = "381 in Summa V1, 32 cores" if alone else ""
    timed = [of_times(f"prove, an account of {count:,}", [each / count for each in times], goal="< 100", peer=peer)]
    if cores > 1 and count >= 2 * SHARD_ACCOUNTS_MIN:
        times = repeated(lambda: spread(cores), 3)
        timed.append(of_times(f"the same over {cores} processes", [each / count for each in times]))
    times = repeated(lambda: verify(statement, proof), 15 if count < 1_000 else 5)
    goal, peer = ("<= 6", "3.7 in Summa V1") if alone else ("<= 0.3 of 1,000", "")
    timed.append(of_times(f"verify, an account of {count:,}", [each / count for each in times], goal=goal, peer=peer))
    size, goal = (len(proof) + 48 * count) / count, "<= 500" if alone else "<= 230 of 1,000"
    peer = "1,632 in Summa V1" if alone else ""
    timed.append(Figure(f"size with commitment, an account of {count:,}", size, "bytes", goal=goal, peer=peer))
    return timed


def batches(layout: ProofLayout, count: int) -> list[Figure]:
    """Standalone proofs of as many provers, verified together."""
    claims = []
    for _ in range(count):
        statement, witnesses = accounts_of(layout, 1)
        claims.append((statement, prove(statement, witnesses)[0]))
    times = [each / count for each in repeated(lambda: verify_batch(claims), 5)]
    return [of_times(f"verify one of {count} standalone proofs together", times)]


def statement_with_tokens(count: int, *, inside: bool) -> tuple[LinearStatement, list[Witness], int]:
    """Accounts in 40 instruments of 4 groups, 64 scenarios, with a token of each group; and the coefficients of all
    rows. The rows and the holdings' auxiliary values are the engine's."""
    listing = (instruments(4), collateral(4, inside=inside), [CashGroup(1, "USD")])
    parameters = msgspec.structs.replace(margin_parameters(4), scenarios=wide_grid())
    arrays = build_risk_arrays(*listing, {}, dict.fromkeys(range(1, 5), 800_000), parameters, NOW_MS)
    stated = build_statement(
        arrays, parameters, network=NetworkId(bytes(32)), height=1, epoch=1, state_root=Hash32(bytes(32)), prices=(),
        totals=[PublicTotal(slot, 0) for slot in range(45)], custody=(), shortfalls={},
    )  # fmt: skip
    layout, least = layout_of(stated), AuxiliaryWitness(stated)
    witnesses = []
    for account in range(count):
        lots = [(account + i) % 7 * (-1) ** i * 100 for i in range(40)]
        held = account_holdings(arrays, account, [10**13], [10**7 + account] * 4, lots)
        values = complete_holdings(stated, held, least)
        blinders = tuple(random_scalar() for _ in range(2))
        witnesses.append(make_witness(layout, values, held.shortfall, blinders))
    points = basis(layout.size)
    commitments = tuple(encode_point(commit(points, w.values, w.blinders)) for w in witnesses)
    accounts = tuple(range(count))
    statement = LinearStatement(layout, bytes(32), accounts, (0,) * count, commitments)
    return statement, witnesses, sum(len(row.coefficients) for row in stated.rows)


def with_tokens(count: int) -> list[Figure]:
    """The same book with its tokens inside the scenarios and outside: digits, columns and size are the same."""
    found = []
    for inside in (False, True):
        statement, witnesses, coefficients = statement_with_tokens(count, inside=inside)
        proof, _ = prove(statement, witnesses)
        times = [each / count for each in repeated(lambda s=statement, w=witnesses: prove(s, w), 3)]  # type: ignore[misc]
        where = f"tokens {'inside' if inside else 'outside'}, {coefficients:,} coefficients, {count} accounts"
        found.append(of_times(f"prove, {where}", times))
        times = [each / count for each in repeated(lambda s=statement, p=proof: verify(s, p), 5)]  # type: ignore[misc]
        found.append(of_times(f"verify, {where}", times))
        found.append(Figure(f"size with commitment, {where}", (len(proof) + 48 * count) / count, "bytes"))
    return found


def main(counts: list[int]) -> None:
    print(this_machine().line())
    for figure in measured(counts):
        print(figure.line(), flush=True)


if __name__ == "__main__":
    main([int(argument) for argument in sys.argv[1:]] or [1, 10, 100, 1_000])
