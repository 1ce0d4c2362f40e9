"""False claims before the verifier on chain."""

from collections.abc import Sequence

from py_arkworks_bls12381 import G1Point

from proofs.algebra.field import ORDER, inverse
from proofs.algebra.polynomial import Masked, Poly
from proofs.onchain.messages import ChallengeChain, padded_point
from proofs.onchain.prover import LeafProver
from tests.kit.proofs.onchain_epoch import Epoch

# x = 4 is on the curve y² = x³ + 4 and not in the subgroup of prime order.
OUTSIDE = padded_point(G1Point.from_compressed_bytes_unchecked(bytes([0x80]) + bytes(46) + b"\x04"))


POINTS = (0, 128, 256, 384, 512, 800, 928)
"""Offsets of C_m, C_f, C_S, C_t1, C_t2, π_1, π_2 for one column; those of D̄, ū, v̄, T̄, S̄."""
SCALARS = (640, 672, 704, 736, 768)
MODULUS = 0x1A0111EA397FE69A4B1BA7B6434BACD764774B84F38512BF6730D2A0F6B0F6241EABFFFEB153FFFFB9FEFFFFFFFFAAAB
BAD_POINTS = {
    "infinity": lambda _: bytes(128),
    "off the curve": lambda point: point[:-1] + bytes([point[-1] ^ 1]),
    "outside the subgroup": lambda _: OUTSIDE,
    "x not reduced": lambda point: (int.from_bytes(point[:64], "big") + MODULUS).to_bytes(64, "big") + point[64:],
    "y not reduced": lambda point: point[:64] + (int.from_bytes(point[64:], "big") + MODULUS).to_bytes(64, "big"),
    "padding of x": lambda point: b"\1" + point[1:],
    "padding of y": lambda point: point[:79] + b"\1" + point[80:],
}


class Recording(ChallengeChain):
    """Remembers what it drew."""

    def __init__(self, *arguments) -> None:
        super().__init__(*arguments)
        self.drawn: list[tuple[int, int]] = []

    def draw(self, data: bytes) -> tuple[int, int]:
        self.drawn.append(super().draw(data))
        return self.drawn[-1]


class FalseClaim(LeafProver):
    """Closes a false row by a false claim of what one polynomial is at ζ, which it leaves out of π_1."""

    def __init__(self, epoch: Epoch, index: int, part: str) -> None:
        leaf, witness, seed = epoch.leaves[index], epoch.witnesses[index], epoch.seeds[index]
        super().__init__(epoch.layout, epoch.weights, epoch.keys, leaf, witness, seed)
        self.chain = self.record = Recording(epoch.keys.hash, leaf.hash)
        self.left_out = "DUVT".index(part)

    def _multiplicities(self) -> Masked:
        self.m = super()._multiplicities()
        return self.m

    def _lookups(self, alpha: int, m: Masked) -> list[Masked]:
        self.lookups = super()._lookups(alpha, m)
        return self.lookups

    def split(self, numerator: Poly, check: bool) -> tuple[Poly, Poly]:
        self.numerator, self.halves = numerator, super().split(numerator, check)
        return self.halves

    def claims(self, opened: Sequence[Poly], zeta: int) -> list[int]:
        claimed = super().claims(opened, zeta)
        d_bar, u_bar, _, t_bar = claimed
        (alpha, beta), (_, gamma) = self.record.drawn[:2]
        t1, t2 = self.halves
        whole = int((t1 + t2 * pow(zeta, self.size + 2, ORDER))(zeta))
        # What Lz(ζ) is with true claims: the remainder of the quotient that does not exist.
        missing = int(self.numerator(zeta)) - self.domain.vanishing(zeta) * whole
        f, m, w = (int(each.poly()(zeta)) for each in (self.lookups[0], self.m, self.values))
        slopes = (
            f * (alpha + t_bar) + m - gamma * beta * u_bar,
            -gamma * beta * d_bar,
            gamma * beta * w,
            f * (alpha + d_bar) - 1,
        )
        claimed[self.left_out] = (claimed[self.left_out] - missing * inverse(slopes[self.left_out])) % ORDER
        return claimed

    def joined(self, opened: Sequence[Poly], r: int) -> Poly:
        return super().joined(opened, r) - opened[self.left_out] * pow(r, self.left_out + 1, ORDER)
