"""Signed answers: what a node tells an owner of its leaf carries the node's signature, so that it is evidence.

Rule: by the key of its envelopes, which validator sets list; the node has it where another process signs its votes,
too.
"""

from collections.abc import Callable

from clearing.base import ed25519
from clearing.base.codec import encode
from node.epochs.member_files import AccountAtEpoch
from proofs.verify.signed_inclusion import ANSWER_FORMAT, NO_SIGNATURE, SignedInclusion, sign_inclusion


def answer_signer(network: bytes, envelope_secret: bytes) -> Callable[[AccountAtEpoch], bytes]:
    """Signs answers of this network by this secret; the result is bytes of a `SignedInclusion`."""
    own = ed25519.public_key(envelope_secret)

    def sign(found: AccountAtEpoch) -> bytes:
        answer = SignedInclusion(
            format=ANSWER_FORMAT,
            network=network,
            epoch=found.epoch,
            height=found.height,
            account=found.account,
            owner=found.bound,
            seed=found.seed,
            holdings=tuple(sorted(found.holdings.items())),
            signer=own,
            signature=NO_SIGNATURE,
        )
        return encode(sign_inclusion(answer, lambda digest: ed25519.sign(envelope_secret, digest)))

    return sign
