"""Presentations: for whom and for what purpose an account is shown to a contract.

Rule: a proof has the same bytes for every sender, because a second one over the same leaf would open it. So it is a
bearer's, and what ties it to a caller is a signature beside it. The key follows from the account's seed and the epoch's
commitments root, and its address is in the leaf; a presentation reveals no other key of the member. The digest names
chain, contract, caller, purpose, keys and leaf. What a purpose means, the asking contract decides.
"""

from contextlib import suppress

from clearing.base import secp256k1
from clearing.base.codec import U63, Bytes20, Bytes32, Wire, u256
from clearing.base.errors import RemoteFault
from clearing.base.hashing import sha256, tag_prefix
from clearing.base.ids import EvmAddress, Hash32
from proofs.errors import ProofCode, VerificationFailed
from proofs.onchain.keys import Leaf, presenter_secret

PRESENTATION_TAG = "crossclear/onchain/presentation/v1"
_PARITY = 1 << 255


class Audience(Wire, frozen=True):
    """Whom a presentation serves: `caller` is who calls the verifier, itself or through a contract that asks."""

    chain_id: U63
    verifier: Bytes20
    caller: Bytes20
    purpose: Bytes32


class Presentation(Wire, frozen=True):
    """A signature for one audience, EIP-2098: `vs` has the parity of the point in its highest bit."""

    audience: Audience
    r: Bytes32
    vs: Bytes32


def presentation_digest(audience: Audience, keys_hash: bytes, leaf_hash: bytes) -> Hash32:
    """The 32 bytes that the presenter signs."""
    addresses = (address.rjust(32, b"\0") for address in (audience.verifier, audience.caller))
    head = tag_prefix(PRESENTATION_TAG) + u256(audience.chain_id)
    return sha256(head + b"".join(addresses) + audience.purpose + keys_hash + leaf_hash)


def present(audience: Audience, keys_hash: bytes, leaf: Leaf, seed: bytes, context: bytes) -> Presentation:
    """Sign for an audience. `context` is the commitments root. Raises LocalFault BAD_LENGTH for a bad seed."""
    secret = presenter_secret(seed, context, leaf.account)
    signature = secp256k1.sign_digest(secret, presentation_digest(audience, keys_hash, leaf.hash))
    s = int.from_bytes(signature[32:64], "big")
    return Presentation(audience, signature[:32], u256(s | (_PARITY if signature[64] == 28 else 0)))


def check_presentation(presentation: Presentation, keys_hash: bytes, leaf: Leaf) -> None:
    """Whether the leaf's presenter signed. Raises VerificationFailed NOT_PRESENTED."""
    vs = int.from_bytes(presentation.vs, "big")
    signature = presentation.r + u256(vs % _PARITY) + bytes((27 + vs // _PARITY,))
    digest = presentation_digest(presentation.audience, keys_hash, leaf.hash)
    signer: EvmAddress | None = None
    with suppress(RemoteFault):
        signer = secp256k1.recover(digest, signature)
    if signer is None or signer != leaf.presenter:
        audience = presentation.audience
        raise VerificationFailed(
            ProofCode.NOT_PRESENTED, f"account {leaf.account}", caller=audience.caller, purpose=audience.purpose
        )
