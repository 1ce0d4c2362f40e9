"""Page "The linear proof": domain, layout, statement, verification."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from py_arkworks_bls12381 import GT, G1Point, G2Point

from tests.vectors.proofs.runner.encoding import P, combined, need, packed, point, scalar, tagged
from tests.vectors.proofs.runner.trace import note
from tests.vectors.proofs.runner.transcript import Transcript

CEREMONY = bytes.fromhex("d39b9f2d047cc9dca2de58f264b6a09448ccd34db967881a6713eacacf0f26b7")
TAU_2 = bytes.fromhex(
    "b5bfd7dd8cdeb128843bc287230af38926187075cbfbefa81009a2ce615ac53d"
    "2914e5870cb452d2afaaab24f3499f72185cbfee53492714734429b7b38608e2"
    "3926c911cceceac9a36851477ba4c60b087041de621000edc98edada20c1def2"
)
Slot = tuple[int, int]
"""(width, offset)."""
Row = tuple[int, Sequence[Sequence[int]], int, bool]
"""(width, coefficients, constant, whether σ counts)."""


@dataclass(frozen=True)
class Layout:
    """A checked layout with its places."""

    n: int
    slots: list[Slot]
    rows: list[Row]
    places: list[tuple[int, int]]
    columns: int

    @property
    def widths(self) -> list[int]:
        return [width for width, _ in self.slots] + [row[0] for row in self.rows]

    @property
    def digest(self) -> bytes:
        table = [self.n, [list(s) for s in self.slots], [list(r) for r in self.rows], [list(p) for p in self.places]]
        return tagged("crossclear/proofs/layout/v1", packed(table))


def lay_out(n: int, slots: list[Slot], rows: list[Row], ranged_elsewhere: bool = False) -> Layout:
    def good(holds: bool, why: str) -> None:
        need(holds, "BAD_LAYOUT", why)

    good(n in (256, 512, 1024, 2048), "domain")
    good(1 <= len(slots) <= n, "slots")
    for width, offset in slots:
        good(width in (0, 5, 7, 8) and 0 <= offset < max(256**width, 1), "slot")
    for width, coefficients, constant, _ in rows:
        order = [slot for slot, _ in coefficients]
        good(width in (0, 5, 7, 8) and order == sorted(set(order)), "row")
        good(not order or order[-1] < len(slots), "row")
        good(all(0 < abs(a) < 2**62 for _, a in coefficients) and abs(constant) < 2**63, "row")
    for j, (width, _) in enumerate(slots):
        good(width > 0 or ranged_elsewhere or any(_ties(row, j, slots) for row in rows), "free slot")
    places, column, position = [], 0, 0
    for width in [width for width, _ in slots] + [row[0] for row in rows]:
        if position + width > n:
            column, position = column + 1, 0
        places.append((column, position) if width else (0, 0))
        position += width
    good(column < 16, "columns")
    found = Layout(n, slots, rows, places, column + 1)
    note("layout", n=n, columns=found.columns, places=places, digest=found.digest)
    return found


def _ties(row: Row, j: int, slots: list[Slot]) -> bool:
    width, coefficients, _, counts = row
    own = dict(map(tuple, coefficients)).get(j)
    return width == 0 and not counts and own in (1, -1) and all(slots[i][0] for i, _ in coefficients if i != j)


@dataclass(frozen=True)
class Statement:
    """What a proof is about; accounts are (number, σ, C_W)."""

    layout: Layout
    context: bytes
    accounts: list[tuple[int, int, bytes]]

    @property
    def proof_bytes(self) -> int:
        """How long its proof is."""
        return 128 * self.layout.columns * len(self.accounts) + 320

    def transcript(self) -> Transcript:
        numbers = [number for number, _, _ in self.accounts]
        need(bool(numbers) and numbers == sorted(set(numbers)), "BAD_STATEMENT", "accounts")
        need(all(0 <= sigma < 2**63 for _, sigma, _ in self.accounts), "BAD_STATEMENT", "shortfall")
        found = Transcript("crossclear/linear/v1")
        found.absorb("srs", "bytes", CEREMONY)
        found.integer("n", self.layout.n)
        found.absorb("layout", "bytes", self.layout.digest)
        found.absorb("context", "bytes", self.context)
        found.integer("accounts", len(numbers))
        for number, sigma, c_w in self.accounts:
            found.integer("account", number)
            found.integer("sigma", sigma)
            found.point("C_W", c_w)
        return found


# The domain.


@cache
def omega(n: int) -> int:
    return pow(7, (P - 1) // n, P)


@cache
def lagrange(n: int, z: int) -> list[int]:
    """L_i(z) of all i."""
    vanishing = (pow(z, n, P) - 1) % P
    need(vanishing != 0, "BAD_CHALLENGE", "zeta")
    root, found = 1, []
    for _ in range(n):
        found.append(root * vanishing * pow(n * (z - root), -1, P) % P)
        root = root * omega(n) % P
    return found


# Verification.


def verify(statement: Statement, data: bytes) -> Transcript:
    """The transcript after μ. Raises Refused."""
    layout, m = statement.layout, len(statement.accounts)
    n, columns = layout.n, layout.columns
    transcript = statement.transcript()
    need(len(data) == statement.proof_bytes, "BAD_LENGTH", "linear proof")
    for _, _, c_w in statement.accounts:
        point(c_w)
    c_d, c_f, d_bar, at = [], [], [], 0
    for _ in range(m):
        c_d += [data[at + 48 * c :][:48] for c in range(columns)]
        c_f += [data[at + 48 * (columns + c) :][:48] for c in range(columns)]
        d_bar += [scalar(data[at + 96 * columns + 32 * c :][:32]) for c in range(columns)]
        at += 128 * columns
    c_m, c_s, c_t1, c_t2 = (data[at + 48 * i :][:48] for i in range(4))
    s_bar = scalar(data[at + 192 : at + 224])
    pi_1, pi_2 = data[at + 224 : at + 272], data[at + 272 :]

    for each in c_d:
        transcript.point("C_D", each)
    transcript.point("C_m", c_m)
    alpha, y, beta = (transcript.draw(label) for label in ("alpha", "y", "beta"))
    need(-alpha % P >= 256, "BAD_CHALLENGE", "alpha")
    for each in c_f:
        transcript.point("C_f", each)
    delta = transcript.draw("delta")
    transcript.point("C_S", c_s)
    gamma = transcript.draw("gamma")
    transcript.point("C_t1", c_t1)
    transcript.point("C_t2", c_t2)
    zeta = transcript.draw("zeta")
    for value in d_bar:
        transcript.scalar("D(zeta)", value)
    transcript.scalar("S(omega zeta)", s_bar)
    r = transcript.draw("r")
    transcript.point("pi_1", pi_1)
    transcript.point("pi_2", pi_2)
    mu = transcript.draw("mu")

    ell = lagrange(n, zeta)
    u_bar, v_bar, constant, counted = weights(layout, y, ell)
    note("evaluations", u=u_bar, v=v_bar, D=d_bar, S=s_bar)
    t_bar = sum(i % 256 * value for i, value in enumerate(ell)) % P
    vanishing = pow(zeta, n, P) - 1
    own = [pow(delta, i, P) for i in range(m * columns)]
    e = [alpha + t_bar] + [1] * (m * columns - 1)
    terms = [(point(c_m), alpha + d_bar[0])]
    one = (gamma - mu) * s_bar
    for i in range(m * columns):
        terms.append((point(c_f[i]), own[i] * (alpha + d_bar[i]) * e[i] - gamma))
        terms.append((point(c_d[i]), pow(r, i + 1, P)))
        one -= own[i] * e[i] + pow(r, i + 1, P) * d_bar[i]
    for k, (_, sigma, c_w) in enumerate(statement.accounts):
        joint = own[k * columns] * gamma * beta
        terms.append((point(c_w), joint * v_bar))
        claimed = sum(u_bar[c] * d_bar[k * columns + c] for c in range(columns))
        one += joint * ((constant + counted * sigma) * pow(n, -1, P) - claimed)
    terms += [
        (point(c_s), mu - gamma),
        (point(c_t1), -vanishing),
        (point(c_t2), -vanishing * pow(zeta, n + 2, P)),
        (point(pi_1), zeta),
        (point(pi_2), mu * omega(n) * zeta),
        (G1Point(), one),
    ]
    left, right = combined([(point(pi_1), 1), (point(pi_2), mu)]), combined(terms)
    note("openings", T=t_bar, Z=vanishing % P, C_t1=c_t1, C_t2=c_t2, pi_1=pi_1, pi_2=pi_2)
    note("pairing", left=left, Q=right)
    need(paired(left, right), "PROOF_REFUSED", "pairing equation")
    return transcript


def paired(left: G1Point, right: G1Point) -> bool:
    """e(left, [τ]₂) = e(right, G₂)."""
    tau: Any = G2Point.from_compressed_bytes(TAU_2)
    return bool(GT.pairing_check([left, -right], [tau, G2Point()]))


def weights(layout: Layout, y: int, ell: Sequence[int]) -> tuple[list[int], int, int, int]:
    """(ū of each column, v̄, the constant part of c_k, what σ is multiplied by)."""
    rho, v, constant, counted = row_weights(layout, y)
    note("weights", y=y, rho=rho, v=v, u=u_values(layout, rho), c=constant, c_of_sigma=counted)
    u_bar = [0] * layout.columns
    for weight, width, (column, start) in zip(rho, layout.widths, layout.places, strict=True):
        u_bar[column] += sum(weight * 256**k * ell[start + k] for k in range(width))
    v_bar = sum(value * at for value, at in zip(v, ell, strict=False))
    return [value % P for value in u_bar], v_bar % P, constant, counted


def u_values(layout: Layout, rho: Sequence[int]) -> list[list[int]]:
    """The values of each u_c at positions 0, 1, …, up to the last that is not 0."""
    found: list[dict[int, int]] = [{} for _ in range(layout.columns)]
    for weight, width, (column, start) in zip(rho, layout.widths, layout.places, strict=True):
        found[column].update({start + k: weight * 256**k % P for k in range(width)})
    return [[column.get(i, 0) for i in range(max(column, default=-1) + 1)] for column in found]


def row_weights(layout: Layout, y: int) -> tuple[list[int], list[int], int, int]:
    """(ρ of slots and rows, v of each slot, the constant part of c_k, what σ is multiplied by)."""
    rho = [pow(y, r, P) for r in range(len(layout.widths))]
    of_row = rho[len(layout.slots) :]
    v = [rho[j] if width else 0 for j, (width, _) in enumerate(layout.slots)]
    for weight, (_, coefficients, _, _) in zip(of_row, layout.rows, strict=True):
        for slot, a in coefficients:
            v[slot] += weight * a
    constant = sum(rho[j] * offset for j, (width, offset) in enumerate(layout.slots) if width)
    constant += sum(weight * row[2] for weight, row in zip(of_row, layout.rows, strict=True))
    counted = sum(weight for weight, row in zip(of_row, layout.rows, strict=True) if row[3])
    return rho, [value % P for value in v], constant % P, counted % P
