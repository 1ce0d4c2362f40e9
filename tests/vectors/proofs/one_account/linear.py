"""Page "The linear proof": transcript and verification, for one account."""

from hashlib import sha256

from py_ecc.optimized_bls12_381 import FQ2, G1, G2, Z1, add, multiply, pairing
from py_ecc.optimized_bls12_381 import curve_order as p
from py_ecc.optimized_bls12_381 import field_modulus as q

from tests.vectors.proofs.one_account.encoding import Point, g1, need, scalar, tagged, word
from tests.vectors.proofs.one_account.statement import Layout

SRS = bytes.fromhex("d39b9f2d047cc9dca2de58f264b6a09448ccd34db967881a6713eacacf0f26b7")
TAU = (
    "b5bfd7dd8cdeb128843bc287230af38926187075cbfbefa81009a2ce615ac53d2914e5870cb452d2afaaab24f3499f72"
    "185cbfee53492714734429b7b38608e23926c911cceceac9a36851477ba4c60b087041de621000edc98edada20c1def2"
)


def tau_2() -> Point:
    data = bytes.fromhex(TAU)
    x = FQ2([int.from_bytes(data[48:], "big"), int.from_bytes(bytes([data[0] & 0x1F]) + data[1:48], "big")])
    y = (x**3 + FQ2([4, 4])) ** ((q * q + 7) // 16)
    for root in range(8):  # an eighth root of unity times a candidate
        turned = y * FQ2([1, 1]) ** ((q * q - 1) // 8 * root)
        if turned**2 == x**3 + FQ2([4, 4]):
            y = turned
            break
    large = int(y.coeffs[1]) > (q - 1) // 2 or (int(y.coeffs[1]) == 0 and int(y.coeffs[0]) > (q - 1) // 2)
    return (x, y if large == bool(data[0] & 0x20) else -y, FQ2.one())


class Transcript:
    def __init__(self, protocol: str) -> None:
        self.state = tagged("crossclear/transcript/v1", sha256(protocol.encode()).digest())

    def absorb(self, label: str, kind: str, data: bytes) -> None:
        names = sha256(label.encode()).digest() + sha256(kind.encode()).digest()
        self.state = sha256(self.state + names + len(data).to_bytes(8, "big") + data).digest()

    def draw(self, label: str) -> int:
        self.absorb(label, "challenge", b"")
        wide = sha256(self.state + b"\0").digest() + sha256(self.state + b"\1").digest()
        return int.from_bytes(wide, "big") % p


def check_solvency(layout: Layout, context: bytes, account: int, sigma: int, c_w: bytes, proof: bytes) -> None:
    """The verification of a linear proof of one account."""
    n, columns = layout.n, layout.columns
    need(len(proof) == 128 * columns + 320, "solvency", "BAD_LENGTH")
    sizes = [48] * (2 * columns) + [32] * columns + [48] * 4 + [32] + [48] * 2
    parts = [proof[sum(sizes[:i]) : sum(sizes[: i + 1])] for i in range(len(sizes))]
    c_d, c_f, d_bar = parts[:columns], parts[columns : 2 * columns], parts[2 * columns : 3 * columns]
    c_m, c_s, c_t1, c_t2, s_bar, pi_1, pi_2 = parts[3 * columns :]
    points = {each: g1(each, "solvency") for each in (c_w, *c_d, *c_f, c_m, c_s, c_t1, c_t2, pi_1, pi_2)}
    d, s = [scalar(each) for each in d_bar], scalar(s_bar)

    script = Transcript("crossclear/linear/v1")
    opening = [("srs", SRS), ("n", word(n)), ("layout", layout.digest()), ("context", context), ("accounts", word(1))]
    for label, data in (*opening, ("account", word(account)), ("sigma", word(sigma))):
        script.absorb(label, "bytes" if label in ("srs", "layout", "context") else "integer", data)
    for label, group in (("C_W", [c_w]), ("C_D", c_d), ("C_m", [c_m])):
        for each in group:
            script.absorb(label, "point", each)
    alpha, y, beta = script.draw("alpha"), script.draw("y"), script.draw("beta")
    for each in c_f:
        script.absorb("C_f", "point", each)
    delta = script.draw("delta")
    script.absorb("C_S", "point", c_s)
    gamma = script.draw("gamma")
    script.absorb("C_t1", "point", c_t1)
    script.absorb("C_t2", "point", c_t2)
    zeta = script.draw("zeta")
    for each in d_bar:
        script.absorb("D(zeta)", "scalar", each)
    script.absorb("S(omega zeta)", "scalar", s_bar)
    r = script.draw("r")
    script.absorb("pi_1", "point", pi_1)
    script.absorb("pi_2", "point", pi_2)
    mu = script.draw("mu")
    need(-alpha % p >= 256 and pow(zeta, n, p) != 1, "solvency", "BAD_CHALLENGE")

    omega = pow(7, (p - 1) // n, p)
    z = (pow(zeta, n, p) - 1) % p
    at = [pow(omega, i, p) for i in range(n)]
    lagrange = [at[i] * z * pow(n * (zeta - at[i]), -1, p) % p for i in range(n)]
    rho = [pow(y, i, p) for i in range(len(layout.places))]
    u = [0] * columns
    for weight, (width, column, position) in zip(rho, layout.places, strict=True):
        u[column] += sum(weight * 256**k * lagrange[position + k] for k in range(width))
    v, c, slots = 0, 0, len(layout.slots)
    for j, (width, offset) in enumerate(layout.slots):
        v += rho[j] * lagrange[j] if width else 0
        c += rho[j] * offset if width else 0
    for weight, (_, coefficients, constant, counts) in zip(rho[slots:], layout.rows, strict=True):
        v += weight * sum(a * lagrange[j] for j, a in coefficients)
        c += weight * (constant + (sigma if counts else 0))
    table = sum((i % 256) * lagrange[i] for i in range(n))

    e = [alpha + table] + [1] * (columns - 1)
    own = [pow(delta, i, p) for i in range(columns)]
    terms = [(points[c_m], alpha + d[0])]
    terms += [(points[c_f[i]], own[i] * (alpha + d[i]) * e[i] - gamma) for i in range(columns)]
    terms += [(points[c_d[i]], pow(r, i + 1, p)) for i in range(columns)]
    terms += [(points[c_w], gamma * beta * v), (points[c_s], mu - gamma), (points[c_t1], -z)]
    terms += [(points[c_t2], -z * pow(zeta, n + 2, p)), (points[pi_1], zeta), (points[pi_2], mu * omega * zeta)]
    constant = (gamma - mu) * s - sum(own[i] * e[i] + pow(r, i + 1, p) * d[i] for i in range(columns))
    constant += gamma * beta * (c * pow(n, -1, p) - sum(u[i] * d[i] for i in range(columns)))
    terms.append((G1, constant))
    total = Z1
    for point, factor in terms:
        total = add(total, multiply(point, factor % p))
    left = pairing(tau_2(), add(points[pi_1], multiply(points[pi_2], mu)))
    need(left == pairing(G2, total), "solvency", "PROOF_REFUSED")
