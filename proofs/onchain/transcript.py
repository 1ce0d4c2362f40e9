"""The challenges of the on-chain proof, by SHA-256 over the bytes of each round as they lie in the calldata.

Rule: s_0 = H(tag ‖ keys ‖ leaf), s_i = H(s_(i−1) ‖ round i), where the rounds' lengths follow from the number of
columns, which the keys fix. A challenge is s_i mod p, a second one H(s_i) mod p; inputs of 32 bytes are hashed nowhere
else. Of a 256-bit hash no value mod p is more likely than 3/2^256, which is enough for challenges.
"""

import hashlib
from dataclasses import dataclass

from clearing.base.hashing import tag_word
from proofs.errors import ProofCode, Refused
from proofs.field import ORDER
from proofs.onchain.encoding import Rounds

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


class Chain:
    """A running state; `draw` absorbs a round and gives two challenges, of which a caller may need only the first."""

    def __init__(self, keys_hash: bytes, leaf_hash: bytes) -> None:
        self._state = hashlib.sha256(tag_word(PROTOCOL) + keys_hash + leaf_hash).digest()

    def draw(self, data: bytes) -> tuple[int, int]:
        """(s mod p, H(s) mod p) after absorbing `data`."""
        self._state = hashlib.sha256(self._state + data).digest()
        second = hashlib.sha256(self._state).digest()
        return int.from_bytes(self._state, "big") % ORDER, int.from_bytes(second, "big") % ORDER


def check_alpha(alpha: int) -> None:
    """α + T must not vanish on H. Raises Refused BAD_CHALLENGE (2^-247)."""
    if -alpha % ORDER < 256:
        raise Refused(ProofCode.BAD_CHALLENGE, "alpha")


def replay(keys_hash: bytes, leaf_hash: bytes, rounds: Rounds) -> Challenges:
    """Every challenge of a whole proof. Raises Refused BAD_CHALLENGE."""
    chain = Chain(keys_hash, leaf_hash)
    alpha, beta = chain.draw(rounds.table)
    check_alpha(alpha)
    delta, gamma = chain.draw(rounds.lookups)
    zeta, _ = chain.draw(rounds.quotient)
    r, _ = chain.draw(rounds.evaluations)
    mu, _ = chain.draw(rounds.openings)
    return Challenges(alpha, beta, delta, gamma, zeta, r, mu)
