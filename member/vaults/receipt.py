"""The receipt of a deployment: the terms of a vault, and the transactions that created its contracts.

Rule: the terms lead to the addresses again, so that a receipt proves what its vault was created with; nothing else in
it is needed for that. It has no secret.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from bridge.codes import BridgeCode
from bridge.contracts import load_artifact
from bridge.contracts.cold_quorum import ColdKeys
from bridge.contracts.creation import Creation
from bridge.contracts.deploy import VaultAsset, VaultTerms
from bridge.contracts.schemes import CertificateScheme
from bridge.relay.transactions import Mined
from clearing.base.codec import decode, encode
from clearing.base.errors import CrossclearError, RemoteFault
from clearing.base.plain_json import read_json
from clearing.base.validators import ValidatorSet
from member.api.types import Address, Amount, Body, Hash, Hex, Id, hexed, octets
from member.durable_files import write_new, write_whole

FILE_BYTES_MAX = 1 << 20
VALIDATORS_BYTES_MAX = 1 << 16
TOKENS_MAX = 64
COLD_KEYS_MAX = 64


class ReceivedToken(Body, frozen=True):
    """A listed token. In base units: of one clearing unit, and of the least deposit."""

    token: Address
    unit: Amount
    minimum: Amount


class CreatedContract(Body, frozen=True):
    """One contract. Without `transaction` it stood already, or was only planned."""

    name: str
    address: Address
    artifact: Hash
    """SHA-256 of the committed code that creates it."""
    arguments: Hex
    """Constructor arguments, as explorers of chains ask for them."""
    gas: Id
    """Estimated before it was sent, used after."""
    block: Id = 0
    transaction: Hex = "0x"


class VaultReceipt(Body, frozen=True):
    """`crossclear vault deploy --out`. The last contract is the vault."""

    format: Literal["crossclear.vault.v1"]
    chain_id: Id
    salt: Amount
    network: Hash
    validators: Hex
    """The set, as the network encodes it."""
    guardian: Address
    cold_keys: Annotated[tuple[Address, ...], msgspec.Meta(max_length=COLD_KEYS_MAX)]
    cold_threshold: Id
    tokens: Annotated[tuple[ReceivedToken, ...], msgspec.Meta(max_length=TOKENS_MAX)]
    trusting_s: Id
    pause_s: Id
    wrapped_native: Address
    certificates: CertificateScheme
    """Which of them the vault takes."""
    contracts: Annotated[tuple[CreatedContract, ...], msgspec.Meta(min_length=1, max_length=8)]

    @property
    def vault(self) -> CreatedContract:
        """The vault itself."""
        return self.contracts[-1]


def receipt_of(chain_id: int, salt: int, terms: VaultTerms, contracts: Sequence[CreatedContract]) -> VaultReceipt:
    """The receipt of contracts that were created on these terms."""
    return VaultReceipt(
        format="crossclear.vault.v1",
        chain_id=chain_id,
        salt=str(salt),
        network=hexed(terms.network),
        validators=hexed(encode(terms.validators)),
        guardian=hexed(terms.guardian),
        cold_keys=tuple(map(hexed, terms.cold_keys.addresses)),
        cold_threshold=terms.cold_keys.threshold,
        tokens=tuple(
            ReceivedToken(token=hexed(asset.token), unit=str(asset.unit), minimum=str(asset.minimum or asset.unit))
            for asset in terms.assets
        ),
        trusting_s=terms.trusting_s,
        pause_s=terms.pause_s,
        wrapped_native=hexed(terms.wrapped_native or bytes(20)),
        certificates=terms.scheme,
        contracts=tuple(contracts),
    )


def created(creation: Creation, gas: int, mined: Mined | None = None) -> CreatedContract:
    """One contract of a receipt."""
    return CreatedContract(
        name=creation.name,
        address=hexed(creation.address),
        artifact=hexed(load_artifact(creation.name).hash),
        arguments=hexed(creation.arguments),
        gas=mined.gas_used if mined else gas,
        block=mined.block_number if mined else 0,
        transaction=hexed(mined.hash) if mined else "0x",
    )


def terms_of(receipt: VaultReceipt) -> VaultTerms:
    """The terms again. Raises RemoteFault BAD_VAULT_RECEIPT."""
    try:
        validators = decode(octets(receipt.validators), ValidatorSet, VALIDATORS_BYTES_MAX)
    except CrossclearError as fault:
        raise RemoteFault(BridgeCode.BAD_VAULT_RECEIPT, "validators", why=str(fault)[:200]) from None
    wrapped = octets(receipt.wrapped_native)
    return VaultTerms(
        network=octets(receipt.network),
        validators=validators,
        guardian=octets(receipt.guardian),
        cold_keys=ColdKeys(tuple(map(octets, receipt.cold_keys)), receipt.cold_threshold),
        assets=tuple(
            VaultAsset(octets(token.token), _uint(token.unit, 128), _uint(token.minimum, 128))
            for token in receipt.tokens
        ),
        trusting_s=receipt.trusting_s,
        pause_s=receipt.pause_s,
        wrapped_native=wrapped if any(wrapped) else b"",
        scheme=receipt.certificates,
    )


def salt_of(receipt: VaultReceipt) -> int:
    """The vault's salt. Raises RemoteFault BAD_VAULT_RECEIPT."""
    return _uint(receipt.salt, 256)


class ReceiptFile:
    """A file of mode 0644 that is new when transactions begin, and then says how far they are."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._is_mine = False

    def keep(self, receipt: Body) -> None:
        """Write it, durable on return. Raises LocalFault OUTPUT_EXISTS for another's file."""
        if not self._is_mine:
            write_new(self._path, b"")
            self._is_mine = True
        write_whole(self._path, msgspec.json.format(msgspec.json.encode(receipt), indent=1) + b"\n", 0o644)


def read_receipt(data: bytes) -> VaultReceipt:
    """The receipt out of anybody's bytes. Raises RemoteFault BAD_VAULT_RECEIPT."""
    if len(data) > FILE_BYTES_MAX:
        raise RemoteFault(BridgeCode.BAD_VAULT_RECEIPT, "receipt", bytes=len(data), limit=FILE_BYTES_MAX)
    try:
        return read_json(data, VaultReceipt)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RemoteFault(BridgeCode.BAD_VAULT_RECEIPT, "receipt", why=str(error)[:200]) from None


def _uint(text: str, bits: int) -> int:
    """A number that a word of this size has room for; the text is of digits."""
    if len(text) > 78 or text.startswith("-") or int(text) >> bits:
        raise RemoteFault(BridgeCode.BAD_VAULT_RECEIPT, "number", value=text[:80], bits=bits)
    return int(text)
