"""The network's headers, certificates, validator sets and withdrawals in the shapes that the vault's functions take.

Rule: nothing is chosen here; every byte follows from its argument. It knows shapes, not transports.
"""

from typing import TypeAlias

from clearing.base import bls
from clearing.base.certificate import Certificate
from clearing.base.codec import u256
from clearing.base.hashing import tag_word
from clearing.base.header import Header
from clearing.base.validators import SET_TAG, ValidatorSet

CertificateArgument: TypeAlias = tuple[int, int, bytes]
WithdrawalArgument: TypeAlias = tuple[int, bytes, bytes, int, int]
PROOF_SIBLINGS = 32


def validator_words(validators: ValidatorSet) -> bytes:
    """The words whose SHA-256 is the set's hash: constructor and `installValidators`. Raises RemoteFault BAD_POINT."""
    words = [tag_word(SET_TAG), u256(len(validators.validators))]
    for validator in validators.validators:
        words += [u256(validator.power), validator.envelope_key, *bls.key_coordinates(validator.bls_key)]
    return b"".join(words)


def checkpoint_arguments(header: Header, certificate: Certificate) -> tuple[bytes, CertificateArgument]:
    """Arguments of `checkpoint`. The certificate is shown as it is, its signature decompressed.

    Raises RemoteFault BAD_POINT when the aggregate is no point.
    """
    signers = int.from_bytes(certificate.signers, "big")
    return header.words, (certificate.round, signers, bls.signature_coordinates(certificate.aggregate))


def withdrawal_argument(nonce: int, token: bytes, to: bytes, amount: int, not_after_s: int) -> WithdrawalArgument:
    """First argument of `withdraw`; the second is the 32 siblings from the leaf up. `amount` in token base units."""
    return (nonce, token, to, amount, not_after_s)
