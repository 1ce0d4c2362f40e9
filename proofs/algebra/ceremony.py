"""The checks behind the pinned reference string: run by tests, and when a pin changes.

Rule: everything is re-derived from the ceremony file; nothing here is needed to prove or to verify.
Run as a module, it writes the basis file again and prints its SHA-256.
"""

import hashlib
import sys
from pathlib import Path

from py_arkworks_bls12381 import G1Point, G2Point

from clearing.base.errors import LocalFault
from proofs.algebra.domain import SIZE_MAX
from proofs.algebra.field import ORDER, powers
from proofs.algebra.group import GENERATOR, GENERATOR_2, multi_scalar, pairings_equal
from proofs.algebra.srs import POWERS, Basis, ceremony_lines, derive_basis, powers_g1, tau_g2, write_basis
from proofs.errors import ProofCode


def check_ceremony() -> None:
    """Decode every power with its subgroup check and test that both lists are powers of one τ. Raises LocalFault."""
    lines = ceremony_lines()
    try:
        second = [G2Point.from_compressed_bytes(bytes.fromhex(line)) for line in lines[2 + POWERS : 2 + POWERS + 65]]
        first = [G1Point.from_compressed_bytes(bytes.fromhex(line)) for line in lines[2 + POWERS + 65 :][:POWERS]]
    except ValueError as error:
        raise LocalFault(ProofCode.WRONG_SRS, "ceremony point", why=str(error)) from None
    if first[0] != GENERATOR or second[0] != GENERATOR_2 or second[1] != tau_g2():
        raise LocalFault(ProofCode.WRONG_SRS, "ceremony generators")
    # Random-looking weights fixed by the file itself: a wrong power would need to be chosen before its own hash.
    weight = int.from_bytes(hashlib.sha256("".join(lines).encode()).digest(), "big") % ORDER
    weights = powers(weight, POWERS - 1)
    if not pairings_equal(multi_scalar(first[1:], weights), GENERATOR_2, multi_scalar(first[:-1], weights), second[1]):
        raise LocalFault(ProofCode.WRONG_SRS, "ceremony progression of G1")
    for left, right in zip(second[1:], second[:-1], strict=True):
        if not pairings_equal(GENERATOR, left, first[1], right):
            raise LocalFault(ProofCode.WRONG_SRS, "ceremony progression of G2")


def derive_shipped_basis() -> Basis:
    """The basis of n = 2048, derived from the ceremony's powers (4 s)."""
    return derive_basis(SIZE_MAX, powers_g1())


def write_shipped_basis(folder: Path) -> str:
    """Write the basis file into `folder`; returns its SHA-256 in hex, to be pinned in `proofs.algebra.srs`."""
    check_ceremony()
    data = write_basis(derive_shipped_basis())
    (folder / "lagrange_2048.bin").write_bytes(data)
    return hashlib.sha256(data).hexdigest()


if __name__ == "__main__":
    sys.stdout.write(write_shipped_basis(Path(__file__).parent.parent / "data") + "\n")
