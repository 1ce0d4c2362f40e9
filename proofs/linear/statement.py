"""The public statement of a linear proof, the weights that a challenge y turns it into, and the witness that satisfies
it.

Rule: everything the proof is about is absorbed before the first challenge; prover and verifier share this code. With
row weights ρ_r = y^r, all slots and rows of an account hold at once if ⟨u, D⟩ = ⟨v, W⟩ + c (but for 2^-240). A
witness is an account's secret: its values, their digits and its blinders. An honest prover checks it before it
proves. `check=False` exists so that tests can be the cheating prover; it then takes the digits modulo the range, or
those the test chose.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from operator import mul

from clearing.base.errors import LocalFault
from proofs.algebra.field import ORDER, inner_product, powers
from proofs.algebra.srs import CEREMONY_SHA256
from proofs.algebra.transcript import Transcript
from proofs.errors import ProofCode, VerificationFailed
from proofs.linear.layout import BASE, SHORTFALL_MAX, ProofLayout

PROTOCOL = "crossclear/linear/v1"


@dataclass(frozen=True)
class LinearStatement:
    """Accounts in ascending order, each with its 48-byte C_W and its public shortfall; `context` is what else binds."""

    layout: ProofLayout
    context: bytes
    """32 bytes: digest of whatever the caller's statement is (network, height, state root, prices…)."""
    accounts: tuple[int, ...]
    shortfalls: tuple[int, ...]
    commitments: tuple[bytes, ...]

    def transcript(self) -> Transcript:
        """A transcript that has absorbed protocol, SRS, layout with rows, context, accounts, shortfalls, C_W.

        Raises VerificationFailed BAD_STATEMENT for unordered or repeated accounts and lists of unequal length.
        """
        count = len(self.accounts)
        if not count or len(self.shortfalls) != count or len(self.commitments) != count or len(self.context) != 32:
            raise VerificationFailed(ProofCode.BAD_STATEMENT, "accounts", count=count)
        if any(a >= b for a, b in pairwise(self.accounts)):
            raise VerificationFailed(ProofCode.BAD_STATEMENT, "accounts are not strictly ascending")
        if any(not 0 <= shortfall < SHORTFALL_MAX for shortfall in self.shortfalls):
            raise VerificationFailed(ProofCode.BAD_STATEMENT, "shortfall out of range")
        transcript = Transcript(PROTOCOL)
        transcript.append_bytes("srs", CEREMONY_SHA256)
        transcript.append_integer("n", self.layout.size)
        transcript.append_bytes("layout", self.layout.digest)
        transcript.append_bytes("context", self.context)
        transcript.append_integer("accounts", count)
        for account, shortfall, commitment in zip(self.accounts, self.shortfalls, self.commitments, strict=True):
            transcript.append_integer("account", account)
            transcript.append_integer("sigma", shortfall)
            transcript.append_encoded_point("C_W", commitment)
        return transcript


@dataclass(frozen=True)
class Weights:
    """The weights of a layout under a challenge y."""

    rho: tuple[int, ...]
    """ρ_r = y^r for slots and then rows."""
    v: tuple[int, ...]
    """v_j = ρ_j + Σ_s ρ_{row s}·A[j][s], one a slot (the first term only where the slot has digits)."""
    constant: int
    """Σ offset_j·ρ_j + Σ_s ρ_{row s}·b_s."""
    shortfall: int
    """Σ ρ_{row s} over the rows that count the shortfall: c_k = constant + shortfall·σ_k."""

    def c(self, sigma: int) -> int:
        """c_k for an account with shortfall σ_k."""
        return (self.constant + self.shortfall * sigma) % ORDER


def weights_of(layout: ProofLayout, y: int) -> Weights:
    """ρ, v and c of a challenge; O(non-zero coefficients)."""
    table = layout.table
    rho = powers(y, len(layout.widths))
    of_rows = rho[len(table.slots) :]
    v = [
        (sum(map(mul, map(of_rows.__getitem__, rows), factors)) + (rho[j] if slot.width else 0)) % ORDER
        for j, (slot, (rows, factors)) in enumerate(zip(table.slots, layout.by_slot, strict=True))
    ]
    constant = sum(rho[j] * slot.offset for j, slot in enumerate(table.slots) if slot.width)
    constant += sum(weight * row.constant for weight, row in zip(of_rows, table.rows, strict=True))
    shortfall = sum(weight for weight, row in zip(of_rows, table.rows, strict=True) if row.shortfall)
    return Weights(tuple(rho), tuple(v), constant % ORDER, shortfall % ORDER)


def u_values(layout: ProofLayout, weights: Weights) -> list[dict[int, int]]:
    """u of each column as position -> ρ_r·256^k; zero elsewhere."""
    columns: list[dict[int, int]] = [{} for _ in range(layout.columns)]
    for weight, width, (column, start) in zip(weights.rho, layout.widths, layout.table.places, strict=True):
        for k in range(width):
            columns[column][start + k] = weight * BASE**k % ORDER
    return columns


def public_evaluations(layout: ProofLayout, weights: Weights, lagrange: list[int]) -> tuple[list[int], int]:
    """(ū of each column, v̄) at the point whose Lagrange values L_0, L_1, … are given."""
    u_bar = [0] * layout.columns
    for weight, width, (column, start) in zip(weights.rho, layout.widths, layout.table.places, strict=True):
        digit_sum = 0
        for k in range(width - 1, -1, -1):
            digit_sum = digit_sum * BASE + lagrange[start + k]
        u_bar[column] += weight * digit_sum
    v_bar = inner_product(weights.v, lagrange[: len(weights.v)])
    return [value % ORDER for value in u_bar], v_bar


def used_positions(layout: ProofLayout) -> int:
    """How many leading positions of H carry a slot or a digit."""
    ends = [start + width for width, (_, start) in zip(layout.widths, layout.table.places, strict=True)]
    return max(len(layout.table.slots), *ends)


@dataclass(frozen=True)
class Witness:
    """Values of all slots, base-256 digits on H for each column, blinders of C_W."""

    values: tuple[int, ...]
    digits: tuple[Sequence[int], ...]
    """Bytes, which take an eighth of the memory of a tuple; only a cheating prover of the tests has other numbers."""
    blinders: tuple[int, ...]


def constraint_values(layout: ProofLayout, values: Sequence[int], shortfall: int) -> list[int]:
    """What must lie in [0, 256^width): value + offset of each slot, then each row's value. Exact integers."""
    found = [value + slot.offset for value, slot in zip(values, layout.table.slots, strict=True)]
    for row in layout.table.rows:
        total = sum(coefficient * values[slot] for slot, coefficient in row.coefficients)
        found.append(total + row.constant + (shortfall if row.shortfall else 0))
    return found


def make_witness(
    layout: ProofLayout, values: Sequence[int], shortfall: int, blinders: Sequence[int], *, check: bool = True
) -> Witness:
    """Decompose into digits. Raises LocalFault WITNESS_OUT_OF_RANGE naming the slot or row, unless `check` is off."""
    found = constraint_values(layout, values, shortfall)
    slots = len(layout.table.slots)
    columns = [bytearray(layout.size) for _ in range(layout.columns)]
    for index, (value, width, (column, start)) in enumerate(
        zip(found, layout.widths, layout.table.places, strict=True)
    ):
        free = width == 0 and index < slots
        if check and not free and not 0 <= value < max(BASE**width, 1):
            where = f"slot {index}" if index < slots else f"row {index - slots}"
            # Never the value: faults are logged, and logs leave the machine.
            raise LocalFault(ProofCode.WITNESS_OUT_OF_RANGE, where, width=width)
        columns[column][start : start + width] = (value % BASE**width).to_bytes(width, "little")
    return Witness(tuple(values), tuple(map(bytes, columns)), tuple(blinders))
