"""What a node signs of account 1 of the small market, for its owner or for somebody else."""

from clearing.base import ed25519
from clearing.base.codec import encode
from proofs.verify.signed_inclusion import ANSWER_FORMAT, NO_SIGNATURE, SignedInclusion, sign_inclusion
from tests.kit.proofs import small_market as market

HELD = {"cash:USD": 9_000, "position:BTC-PERP": -2, "token:31337:WETH": 40}
NODE = bytes([0x31]) * 32
ALICE = market.owner(1)
"""The owner of account 1."""


def answer_of(owner: bytes, secret: bytes, seed: bytes) -> bytes:
    """What a node with this key signs of account 1 at epoch 4."""
    holdings = tuple(sorted(HELD.items()))
    unsigned = SignedInclusion(
        ANSWER_FORMAT, market.NETWORK, 4, 40, 1, owner, seed, holdings, ed25519.public_key(secret), NO_SIGNATURE
    )
    return encode(sign_inclusion(unsigned, lambda digest: ed25519.sign(secret, digest)))
