"""Sums, multiples, pairings and maps of BLS12-381 against the vectors of EIP-2537, native and in pure Python.

The precompiles of a real chain stand the same test in `tests/bridge/contracts/test_bls_vectors.py`.
"""

from pathlib import Path

import pytest

from tests.kit.vectors.others import PRECOMPILES, precompile_cases
from tests.kit.vectors.precompiles import G1, G2, Native, Reference, operation

SLOW_BYTES = {"pairing": 2 * (G1 + G2), "msm": 4 * (G1 + 32)}
"""The reference takes no longer inputs: a pairing costs it a second, a multiple 10 ms."""


def outcome(run, data: bytes) -> bytes | None:
    try:
        return run(data)
    except ValueError:
        return None


@pytest.mark.parametrize("name", sorted(PRECOMPILES))
def test_the_native_library_gives_what_the_vectors_say(vectors_dir: Path, name: str) -> None:
    run = operation(Native(), name)
    for case, data, expected in precompile_cases(vectors_dir, name):
        assert outcome(run, data) == expected, case


@pytest.mark.parametrize("name", sorted(PRECOMPILES))
def test_the_reference_gives_what_the_vectors_say(vectors_dir: Path, name: str) -> None:
    run, judged = operation(Reference(), name), 0
    limit = next((most for part, most in SLOW_BYTES.items() if part in name), 1 << 20)
    for case, data, expected in precompile_cases(vectors_dir, name):
        if expected is None or len(data) <= limit:
            assert outcome(run, data) == expected, case
            judged += 1
    assert judged >= 5
