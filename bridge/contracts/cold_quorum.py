"""The cold quorum of a vault: its keys, and what they sign.

Rule: a decision is typed data of EIP-712, bound to one vault on one chain and to the quorum's next nonce, so it takes
effect once and nowhere else; wallets show its fields. The vault wants the signatures in ascending order of their
signers. Nothing here sends or stores a key.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from clearing.base import secp256k1
from clearing.base.codec import u256
from clearing.base.hashing import keccak256
from clearing.base.ids import Hash32

_DOMAIN_TYPE = b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
_DOMAIN_NAME = b"crossclear vault"
_DOMAIN_VERSION = b"1"


@dataclass(frozen=True, slots=True)
class ColdKeys:
    """Addresses of the keys, ascending, and how many must sign: at least two, and more than half."""

    addresses: tuple[bytes, ...]
    threshold: int


class PauseEnd(NamedTuple):
    """End the pause that would end at `paused_until`, in seconds."""

    paused_until: int


class GuardianReplacement(NamedTuple):
    """Give the guardian's place to another key."""

    guardian: bytes


class BranchChoice(NamedTuple):
    """Settle a conflict: believe the header with this hash."""

    header: bytes


Decision: TypeAlias = PauseEnd | GuardianReplacement | BranchChoice

_TYPES: dict[type, bytes] = {
    PauseEnd: b"EndPause(uint256 pausedUntil,uint256 nonce)",
    GuardianReplacement: b"ReplaceGuardian(address guardian,uint256 nonce)",
    BranchChoice: b"ChooseBranch(bytes32 header,uint256 nonce)",
}


def decision_digest(chain_id: int, vault: bytes, decision: Decision, nonce: int) -> Hash32:
    """The 32 bytes that each key signs. `nonce`: the vault's `coldNonce`."""
    (subject,) = decision
    word = u256(subject) if isinstance(subject, int) else subject.rjust(32, b"\0")
    names = keccak256(_DOMAIN_NAME) + keccak256(_DOMAIN_VERSION)
    domain = keccak256(keccak256(_DOMAIN_TYPE) + names + u256(chain_id) + vault.rjust(32, b"\0"))
    struct = keccak256(keccak256(_TYPES[type(decision)]) + word + u256(nonce))
    return keccak256(b"\x19\x01" + domain + struct)


def in_signer_order(digest: bytes, signatures: Iterable[bytes]) -> tuple[bytes, ...]:
    """One signature of each signer, ordered as the vault wants them. Raises RemoteFault BAD_SIGNATURE."""
    by_signer = {secp256k1.recover(digest, signature): signature for signature in signatures}
    return tuple(by_signer[signer] for signer in sorted(by_signer))
