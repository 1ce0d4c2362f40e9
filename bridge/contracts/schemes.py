"""`CertificateScheme`: which signatures a vault takes for a certificate. It is fixed at the vault's deployment.

Rule: the profile of the chain names it, and nothing chooses another one silently.
"""

from enum import StrEnum


class CertificateScheme(StrEnum):
    """The value is its name in files and options."""

    BLS = "bls"
    """The consensus certificate itself; needs the precompiles of EIP-2537."""
    ECDSA = "ecdsa"
    """Signatures of the validators' secp256k1 keys."""

    @property
    def verifier(self) -> str:
        """The name of the contract that checks them."""
        return "BlsCertificateVerifier" if self is CertificateScheme.BLS else "EcdsaCertificateVerifier"
