"""Page "On chain": leaves, keys, digests and the proof that a contract checks."""

import hmac
from dataclasses import dataclass
from itertools import pairwise

from py_arkworks_bls12381 import G1Point

from tests.vectors.proofs.runner.certificates import G, address, recovered, times
from tests.vectors.proofs.runner.encoding import (
    P,
    Refused,
    combined,
    merkle_root,
    need,
    padded,
    point,
    scalar,
    sha,
    tagged,
    word,
)
from tests.vectors.proofs.runner.further import lagrange_point
from tests.vectors.proofs.runner.linear import Layout, omega, paired, row_weights

KEYS_TAG, CERTIFIED_TAG = "crossclear/onchain/epoch-keys/v2", "crossclear/onchain/certified-keys/v2"


@dataclass(frozen=True)
class Leaf:
    """One account; points as 48 bytes."""

    account: int
    sigma: int
    presenter: bytes
    c_w: bytes
    c_d: list[bytes]

    @property
    def words(self) -> bytes:
        points = b"".join(padded(point(data)) for data in (self.c_w, *self.c_d))
        return word(self.account) + word(self.sigma) + bytes(12) + self.presenter + points


@dataclass(frozen=True)
class Keys:
    """What a quorum certifies of an epoch."""

    n: int
    constant: int
    sigma: int
    u: list[G1Point]
    v: G1Point
    words: bytes


def row_challenge(root: bytes, layout: bytes, leaves_root: bytes) -> int:
    halves = [tagged("crossclear/onchain/y/v1", root, layout, leaves_root, word(i)) for i in (0, 1)]
    return int.from_bytes(b"".join(halves), "big") % P


def derive_keys(network: bytes, epoch: int, height: int, root: bytes, layout: Layout, leaves: list[Leaf]) -> Keys:
    leaves_root = merkle_root([leaf.words for leaf in leaves])
    rho, v, constant, counted = row_weights(layout, row_challenge(root, layout.digest, leaves_root))
    u: list[list[tuple[G1Point, int]]] = [[] for _ in range(layout.columns)]
    for weight, width, (column, start) in zip(rho, layout.widths, layout.places, strict=True):
        u[column] += [(lagrange_point(layout.n, start + k), weight * 256**k) for k in range(width)]
    u_points = [combined(terms) for terms in u]
    v_point = combined([(lagrange_point(layout.n, j), value) for j, value in enumerate(v)])
    words = words_of(
        network,
        epoch,
        height,
        root,
        layout.digest,
        layout.n,
        leaves_root,
        len(leaves),
        constant,
        counted,
        u_points,
        v_point,
    )
    return Keys(layout.n, constant, counted, u_points, v_point, words)


def words_of(
    network: bytes,
    epoch: int,
    height: int,
    root: bytes,
    layout: bytes,
    n: int,
    leaves_root: bytes,
    accounts: int,
    constant: int,
    sigma: int,
    u: list[G1Point],
    v: G1Point,
) -> bytes:
    words = [sha(KEYS_TAG.encode()), network, word(epoch), word(height), root, layout, word(n), leaves_root]
    words += [word(accounts), word(constant), word(sigma), word(len(u)), *(padded(at) for at in (*u, v))]
    return b"".join(words)


def certified_digest(keys: Keys, network: bytes, validators_hash: bytes, time_s: int) -> bytes:
    return sha(sha(CERTIFIED_TAG.encode()), network, validators_hash, sha(keys.words), word(time_s))


def presentation_digest(chain_id: int, verifier: bytes, caller: bytes, purpose: bytes, keys: Keys, leaf: Leaf) -> bytes:
    named = word(chain_id) + bytes(12) + verifier + bytes(12) + caller + purpose
    return tagged("crossclear/onchain/presentation/v1", named, sha(keys.words), leaf_hash(leaf))


def check_presentation(digest: bytes, r: bytes, vs: bytes, leaf: Leaf) -> None:
    """Whether the leaf's presenter signed."""
    parity, s = divmod(int.from_bytes(vs, "big"), 2**255)
    try:
        signer = recovered(digest, r + word(s) + bytes([27 + parity]))
    except Refused:
        signer = b""
    need(signer == leaf.presenter, "NOT_PRESENTED", "presentation")


def derived_scalars(seed: bytes, purpose: bytes, binding: bytes, count: int) -> list[int]:
    """Section "Leaves": blinders of C_D, and the presenter's key."""
    key, found = hmac.digest(bytes(32), seed, "sha256"), []
    for i in range(count):
        info = b"crossclear/onchain/blinder/v1" + bytes([len(purpose)]) + purpose + binding + word(i)
        first = hmac.digest(key, info + b"\x01", "sha256")
        second = hmac.digest(key, first + info + b"\x02", "sha256")
        found.append(int.from_bytes(first + second, "big") % P)
    return found


def presenter_of(seed: bytes, root: bytes, account: int) -> bytes:
    (secret,) = derived_scalars(seed, b"presenter", root + word(account), 1)
    return address(times(secret, G))


def read_padded(data: bytes) -> G1Point:
    try:
        found = G1Point.from_xy_bytes_be(data[16:64] + data[80:])
    except ValueError:
        found = G1Point.identity()
    need(any(data) and padded(found) == data, "BAD_POINT", data.hex()[:32])
    return found


def verify(keys: Keys, leaf: Leaf, data: bytes) -> None:
    """Of a leaf whose path is known to be good."""
    n, columns = keys.n, len(keys.u)
    need(len(data) == 128 * (6 + columns) + 32 * (3 + 2 * columns), "BAD_LENGTH", "proof")
    sizes = [128, 128 * (columns + 1), 256, 32 * (3 + 2 * columns), 256]
    ends = [sum(sizes[:i]) for i in range(len(sizes) + 1)]
    rounds = [data[a:b] for a, b in pairwise(ends)]
    state, drawn = sha(sha(b"crossclear/onchain/linear/v1"), sha(keys.words), leaf_hash(leaf)), []
    for each in rounds:
        state = sha(state, each)
        drawn.append((int.from_bytes(state, "big") % P, int.from_bytes(sha(state), "big") % P))
    (alpha, beta), (delta, gamma), (zeta, _), (r, _), (mu, _) = drawn
    need(-alpha % P >= 256 and pow(zeta, n, P) != 1, "BAD_CHALLENGE", "proof")
    c_m, *c_f, c_s, c_t1, c_t2 = (read_padded(data[at : at + 128]) for at in range(0, ends[3], 128))
    claims = [scalar(rounds[3][at : at + 32]) for at in range(0, sizes[3], 32)]
    pi_1, pi_2 = read_padded(rounds[4][:128]), read_padded(rounds[4][128:])
    *claims, s_bar = claims
    d_bar, u_bar, (v_bar, t_bar) = claims[:columns], claims[columns : 2 * columns], claims[2 * columns :]
    opened = [*map(point, leaf.c_d), *keys.u, keys.v, combined([(lagrange_point(n, i), i % 256) for i in range(n)])]
    vanishing = pow(zeta, n, P) - 1
    terms = [(at, pow(r, 1 + i, P)) for i, at in enumerate(opened)]
    inner = sum(u * d for u, d in zip(u_bar, d_bar, strict=True))
    one = (gamma - mu) * s_bar
    one += gamma * beta * ((keys.constant + keys.sigma * leaf.sigma) * pow(n, -1, P) - inner)
    one -= sum(pow(r, 1 + i, P) * claim for i, claim in enumerate(claims))
    for c in range(columns):
        e = 1 if c else alpha + t_bar
        terms.append((c_f[c], pow(delta, c, P) * e * (alpha + d_bar[c]) - gamma))
        one -= pow(delta, c, P) * e
    terms += [
        (c_m, alpha + d_bar[0]),
        (point(leaf.c_w), gamma * beta * v_bar),
        (c_s, mu - gamma),
        (c_t1, -vanishing),
        (c_t2, -vanishing * pow(zeta, n + 2, P)),
        (pi_1, zeta),
        (pi_2, mu * omega(n) * zeta),
        (G1Point(), one),
    ]
    need(paired(combined([(pi_1, 1), (pi_2, mu)]), combined(terms)), "PROOF_REFUSED", "pairing equation")


def leaf_hash(leaf: Leaf) -> bytes:
    return tagged("crossclear/merkle/leaf/v1", leaf.words)
