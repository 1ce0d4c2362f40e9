"""What a hostile package costs its verifier: seconds a MiB, and memory, of files built to be dear.

Run `python -m benchmarks.verify_cost [MiB]` at the top of the repository: half a minute, or for 48 MiB some minutes.
Each file is verified in a process of its own, which has its memory to itself. What bounds the cost, in operations
instead of seconds, is tested in `tests/proofs/verify/test_cost_of_a_package.py`.
"""

import multiprocessing
import time
from contextlib import suppress

import msgspec

from benchmarks.figures import Figure, print_measured
from clearing.base.evm.evidence import BlockEvidence
from clearing.base.evm.rlp_coding import encode as rlp
from clearing.base.hashing import keccak256
from clearing.margin.statement.rulebook import write_rulebook
from clearing.margin.statement.snapshot import CUSTODY_TERMS_MAX, Row, RowKind
from clearing.schema.risk.parameters import (
    SCENARIOS_MAX,
    STRESS_MAX,
    RiskGroup,
    RiskParameters,
    Scenario,
    StressScenario,
)
from clearing.schema.risk.volatility_surface import VolShock
from clearing.schema.terms.instruments import Instrument, InstrumentKind
from member.verifying.spent import peak_bytes
from proofs.algebra.group import GENERATOR, encode_point
from proofs.epoch.package import EpochPackage, attach_custody, read_package
from proofs.errors import VerificationFailed
from proofs.statement.rulebook_checks import check_rulebook
from proofs.verify.package_verifier import verify_package
from tests.kit.proofs import small_market
from tests.kit.proofs.cheated_package import signed_anew

REFUSED_MIB = 57
"""Of the list of accounts without a proof: the file that took 149 s."""
_ENTRY, _SHARE = 56, 128
_replace = msgspec.structs.replace


def figures(*, quick: bool = False) -> list[Figure]:
    """See `benchmarks.__main__`."""
    return measured(1 if quick else 4)


def measured(mib: int) -> list[Figure]:
    """Files of about so many MiB, but for the first."""
    found = []
    for name, make, size in (
        ("accounts without a proof", _without_proof, REFUSED_MIB),
        ("accounts with a proof of points that prove nothing", _with_points, mib),
        ("a statement of equality rows", _with_rows, 4),
        ("a thousand custody terms that share all trie nodes", _with_custody, 1),
    ):
        data = make(size << 20)
        seconds, memory, failed = _apart(data)
        label = f"{name}, {len(data) / (1 << 20):.1f} MiB: refused by {failed}"
        found += [
            Figure(label, seconds, "s"),
            Figure(f"  of it for each MiB, {name}", seconds / (len(data) / (1 << 20)), "s"),
            Figure(f"  memory for each byte, {name}", memory / len(data), "bytes"),
        ]
    return [*found, Figure("the check `rules` of 1,900 options in 80 scenarios", _seconds_of_options(), "s")]


def _good() -> EpochPackage:
    return read_package(small_market.honest(small_market.snapshot()))


def _without_proof(size: int) -> bytes:
    good = _good()
    point = good.commitments[0][1]
    return signed_anew(
        small_market, _replace(good, commitments=tuple((i, point) for i in range(size // _ENTRY)), proof=b"")
    )


def _with_points(size: int) -> bytes:
    good, count = _good(), size // (_ENTRY + _SHARE)
    point = good.commitments[0][1]
    proof = (point + point + bytes(32)) * count + point * 4 + bytes(32) + point * 2
    commitments, each = [], GENERATOR  # no two alike, which the check `roots` would refuse
    for account in range(count):
        commitments.append((account, encode_point(each)))
        each += GENERATOR
    return signed_anew(small_market, _replace(good, commitments=tuple(commitments), proof=proof))


def _with_rows(size: int) -> bytes:
    good = _good()
    last, count = good.statement.rows[-1], (size - 100_000) // 20
    kind = type(last.kind)(2)
    more = tuple(_replace(last, name=f"{i:x}", kind=kind, shortfall=False, constant=0) for i in range(count))
    return signed_anew(small_market, _replace(good, statement=_replace(good.statement, rows=more)))


def _seconds_of_options() -> float:
    """Slots and number of rows are the statement's, so all options are priced; none is worth anything."""
    grid = tuple(Scenario(1, 1000 - at, 1, skew_linear=1, skew_absolute=1) for at in range(SCENARIOS_MAX))
    stress = tuple(StressScenario(f"{at}", (grid[at],)) for at in range(STRESS_MAX))
    shock = VolShock(skew_linear_ppm=100_000, skew_absolute_ppm=100_000)
    option = Instrument(1, "", InstrumentKind.CALL, 1, 1, 1, 1, 1_584_086_400_000, 10**9)
    book = _replace(
        small_market.RULEBOOK,
        parameters=RiskParameters((RiskGroup(1, "g", 1, 1, 800_000, 100_000, shock=shock),), grid, stress=stress),
        instruments=tuple(_replace(option, id=at, name=f"{at:x}") for at in range(1, 1_901)),
        marks=(),
    )
    lines = tuple(Row(f"{at}", RowKind.AT_LEAST_ZERO, ()) for at in range(book.row_count))
    stated = _replace(small_market.statement(), rules=write_rulebook(book), slots=book.slots(), rows=lines)
    before = time.process_time()
    with suppress(VerificationFailed):
        check_rulebook(stated)
    return time.process_time() - before


def _with_custody(_: int) -> bytes:
    """As many terms as may be; each looks up three keys through one ladder of 64 full branches."""
    storage = _ladder(b"")
    state = _ladder(rlp([b"", b"", keccak256(storage[0]), bytes(32)]))
    words = [bytes(32)] * 2 + [bytes(20), keccak256(state[0])] + [bytes(32)] * 2 + [bytes(256), b"", b"\x67"]
    header = rlp([*words, *[b""] * 6])
    shot, zero = small_market.snapshot(), bytes(32)
    known = shot.statement.custody
    none = dict.fromkeys(("deposited", "withdrawn", "balance", "released", "later", "strays", "dust"), zero)
    block = {"chain_id": 3, "block_number": 0x67, "block_hash": keccak256(header), "held": 0}
    terms = tuple(
        _replace(known[-1], token=(at + 1).to_bytes(20, "big"), **block, **none)
        for at in range(CUSTODY_TERMS_MAX - len(known))
    )
    shot = _replace(shot, statement=_replace(shot.statement, custody=(*known, *terms)))
    return attach_custody(small_market.honest(shot), (BlockEvidence(3, header, (*state, *storage)),))


def _ladder(bottom: bytes) -> list[bytes]:
    """Branches from the top, each of which leads every key to the next one, down to a value."""
    nodes = [rlp([*[b""] * 16, bottom])]
    for _ in range(64):
        nodes.append(rlp([*[keccak256(nodes[-1])] * 16, b""]))
    return nodes[::-1]


def _apart(data: bytes) -> tuple[float, int, str]:
    """Seconds of CPU, bytes of memory beyond those of an empty verifier, and the check that refuses."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        empty = pool.apply(_verified, (b"",))[1]
    with context.Pool(1) as pool:
        seconds, memory, failed = pool.apply(_verified, (data,))
    return seconds, memory - empty, failed


def _verified(data: bytes) -> tuple[float, int, str]:
    before = time.process_time()
    failed = verify_package(data).failed or "nothing"
    taken = time.process_time() - before
    return taken, peak_bytes(), failed


if __name__ == "__main__":
    print_measured(measured, 4)
