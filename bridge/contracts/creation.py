"""The transactions that create a vault's contracts, and the addresses that follow from them.

Rule: an address follows from the code, the constructor arguments and a salt, and from nothing else (CREATE2, EIP-1014):
not from who pays, nor from when. So a vault's address is known before it exists, and proves with what terms it was
created. The factory is the one that stands at the same address on nearly all chains, because its transaction is signed
once for all of them (github.com/Arachnid/deterministic-deployment-proxy).
"""

from dataclasses import dataclass
from typing import Any

from web3 import Web3

from bridge.contracts import load_artifact
from bridge.contracts.deploy import VaultTerms, vault_arguments, vault_settings
from clearing.base.codec import u256
from clearing.base.hashing import keccak256

FACTORY = bytes.fromhex("4e59b44847b379578588920ca78fbf26c0b4956c")
FACTORY_CODE = bytes.fromhex(
    "7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe0"
    "3601600081602082378035828234f58015156039578182fd5b8082525050506014600cf3"
)
"""It creates what follows the 32 bytes of the salt in its calldata."""


@dataclass(frozen=True, slots=True)
class Creation:
    """One contract that is created: what artifact, with what arguments (encoded as in ABI)."""

    name: str
    arguments: bytes
    salt: int = 0

    @property
    def code(self) -> bytes:
        """What runs to create it."""
        return load_artifact(self.name).bytecode + self.arguments

    @property
    def call(self) -> bytes:
        """Calldata for the factory."""
        return u256(self.salt) + self.code

    @property
    def address(self) -> bytes:
        """Where it is then."""
        return keccak256(b"\xff" + FACTORY + u256(self.salt) + keccak256(self.code))[12:]


def vault_creations(terms: VaultTerms, salt: int = 0) -> tuple[Creation, Creation, Creation]:
    """Verifier, extension and vault, in the order in which they are created.

    `salt`: of the vault, below 2^256. The others have no state, so that all vaults with the same code share them.
    Raises RemoteFault BAD_POINT.
    """
    verifier = _creation(terms.scheme.verifier)
    settings = vault_settings(verifier.address, terms)
    extension = _creation("VaultExtension", settings)
    return verifier, extension, _creation("Vault", *vault_arguments(settings, extension.address, terms), salt=salt)


def _creation(name: str, *arguments: Any, salt: int = 0) -> Creation:
    artifact = load_artifact(name)
    constructor = Web3().eth.contract(abi=artifact.abi, bytecode=artifact.bytecode).constructor(*arguments)
    code = bytes.fromhex(constructor.data_in_transaction[2:])
    return Creation(name, code[len(artifact.bytecode) :], salt)
