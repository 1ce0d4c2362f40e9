"""The messages of the on-chain proof: rounds of bytes as they lie in the calldata, and the challenges between them.

Rule: the length follows from the number of columns alone; everything canonical, as the contract demands it too. A
point is as the precompiles of EIP-2537 take it, 64 bytes a coordinate of which 16 are zero; infinity is refused. C_m
‖ C_f… C_S ‖ C_t1 C_t2 ‖ D̄… ū… v̄ T̄ S̄ ‖ π_1 π_2: 1,056 bytes for one column, 192 for each further one.

Challenges are SHA-256 over the bytes of each round: s_0 = H(tag ‖ keys ‖ leaf), s_i = H(s_(i−1) ‖ round i), where the
rounds' lengths follow from the number of columns, which the keys fix. A challenge is s_i mod p, a second one H(s_i)
mod p; inputs of 32 bytes are hashed nowhere else. Of a 256-bit hash no value mod p is more likely than 3/2^256, which
is enough for challenges.
"""

import hashlib
from dataclasses import dataclass

from py_arkworks_bls12381 import G1Point

from clearing.base.hashing import tag_prefix
from proofs.algebra.field import ORDER, SCALAR_BYTES, read_scalar
from proofs.algebra.group import Point, decode_point
from proofs.errors import ProofCode, VerificationFailed

PADDED_BYTES = 128
_HALF, _PAD = 48, bytes(16)


def padded_point(point: Point) -> bytes:
    """128 bytes: x and y, each padded to 64."""
    xy = bytes(point.to_xy_bytes_be())
    return _PAD + xy[:_HALF] + _PAD + xy[_HALF:]


def pad_encoded(compressed: bytes, at: str) -> bytes:
    """The 128 bytes of a point of 48. Raises VerificationFailed BAD_POINT."""
    return padded_point(decode_point(compressed, at))


def read_padded(data: bytes, at: str) -> Point:
    """The point of 128 canonical bytes, in the subgroup and not infinity. Raises VerificationFailed BAD_POINT."""
    try:
        point = G1Point.from_xy_bytes_be(data[16:64] + data[80:])
        good = padded_point(point) == data and data != bytes(PADDED_BYTES)
    except (ValueError, TypeError):
        good = False
    if not good:
        raise VerificationFailed(ProofCode.BAD_POINT, at, bytes=data)
    return point


@dataclass(frozen=True)
class Rounds:
    """A proof as the bytes of its rounds."""

    table: bytes
    """C_m."""
    lookups: bytes
    """C_f of each column, C_S."""
    quotient: bytes
    """C_t1, C_t2."""
    evaluations: bytes
    """D(ζ) and U(ζ) of each column, V(ζ), T(ζ), S(ωζ)."""
    openings: bytes
    """π_1, π_2."""

    @property
    def data(self) -> bytes:
        """The proof."""
        return self.table + self.lookups + self.quotient + self.evaluations + self.openings


@dataclass(frozen=True)
class OnchainProof:
    """A proof's points and scalars, checked."""

    c_m: Point
    c_f: tuple[Point, ...]
    c_s: Point
    c_t1: Point
    c_t2: Point
    d_bar: tuple[int, ...]
    u_bar: tuple[int, ...]
    v_bar: int
    t_bar: int
    s_bar: int
    pi_1: Point
    pi_2: Point


def proof_bytes(columns: int) -> int:
    """Length of a proof."""
    return (6 + columns) * PADDED_BYTES + (3 + 2 * columns) * SCALAR_BYTES


def split_rounds(data: bytes, columns: int) -> Rounds:
    """The rounds of a proof. Raises VerificationFailed BAD_LENGTH."""
    if len(data) != proof_bytes(columns):
        raise VerificationFailed(ProofCode.BAD_LENGTH, "on-chain proof", bytes=len(data), columns=columns)
    sizes = (1, columns + 1, 2)
    ends = [PADDED_BYTES * sum(sizes[: i + 1]) for i in range(3)]
    ends.append(ends[-1] + (3 + 2 * columns) * SCALAR_BYTES)
    return Rounds(
        data[: ends[0]], data[ends[0] : ends[1]], data[ends[1] : ends[2]], data[ends[2] : ends[3]], data[ends[3] :]
    )


def read_rounds(rounds: Rounds, columns: int) -> OnchainProof:
    """Decode with all checks. Raises VerificationFailed BAD_POINT, BAD_SCALAR."""
    lookups, quotient, openings = (_points(part) for part in (rounds.lookups, rounds.quotient, rounds.openings))
    step = SCALAR_BYTES
    scalars = [
        read_scalar(rounds.evaluations[at : at + step], "evaluation") for at in range(0, len(rounds.evaluations), step)
    ]
    return OnchainProof(
        c_m=read_padded(rounds.table, "C_m"),
        c_f=lookups[:columns],
        c_s=lookups[columns],
        c_t1=quotient[0],
        c_t2=quotient[1],
        d_bar=tuple(scalars[:columns]),
        u_bar=tuple(scalars[columns : 2 * columns]),
        v_bar=scalars[2 * columns],
        t_bar=scalars[2 * columns + 1],
        s_bar=scalars[2 * columns + 2],
        pi_1=openings[0],
        pi_2=openings[1],
    )


def _points(data: bytes) -> tuple[Point, ...]:
    step = PADDED_BYTES
    return tuple(read_padded(data[at : at + step], "on-chain proof") for at in range(0, len(data), step))


PROTOCOL = "crossclear/onchain/linear/v1"


@dataclass(frozen=True)
class Challenges:
    """All of them."""

    alpha: int
    beta: int
    delta: int
    gamma: int
    zeta: int
    r: int
    mu: int


class ChallengeChain:
    """A running state; `draw` absorbs a round and gives two challenges, of which a caller may need only the first."""

    def __init__(self, keys_hash: bytes, leaf_hash: bytes) -> None:
        self._state = hashlib.sha256(tag_prefix(PROTOCOL) + keys_hash + leaf_hash).digest()

    def draw(self, data: bytes) -> tuple[int, int]:
        """(s mod p, H(s) mod p) after absorbing `data`."""
        self._state = hashlib.sha256(self._state + data).digest()
        second = hashlib.sha256(self._state).digest()
        return int.from_bytes(self._state, "big") % ORDER, int.from_bytes(second, "big") % ORDER


def check_alpha(alpha: int) -> None:
    """α + T must not vanish on H. Raises VerificationFailed BAD_CHALLENGE (2^-247)."""
    if -alpha % ORDER < 256:
        raise VerificationFailed(ProofCode.BAD_CHALLENGE, "alpha")


def replay(keys_hash: bytes, leaf_hash: bytes, rounds: Rounds) -> Challenges:
    """Every challenge of a whole proof. Raises VerificationFailed BAD_CHALLENGE."""
    chain = ChallengeChain(keys_hash, leaf_hash)
    alpha, beta = chain.draw(rounds.table)
    check_alpha(alpha)
    delta, gamma = chain.draw(rounds.lookups)
    zeta, _ = chain.draw(rounds.quotient)
    r, _ = chain.draw(rounds.evaluations)
    mu, _ = chain.draw(rounds.openings)
    return Challenges(alpha, beta, delta, gamma, zeta, r, mu)
