"""The keys of one node: names, files and purposes.

Rule: one keystore file a key, named by its purpose, in `HOME/keys`; the password is in a file of its own. Secrets are
never in arguments, environment, logs or exceptions.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from clearing.base import bls, ed25519, secp256k1
from clearing.base.errors import LocalFault
from clearing.base.hashing import tagged_hash
from clearing.base.validators import Validator, validator_of
from member.codes import NodeCode
from member.keys.keystore import Keystore, Strength, is_weak, open_keystore, parse_keystore, seal_keystore
from member.keys.secret_files import make_secret_folder, read_password, read_secret, write_secret

KEYS_FOLDER = "keys"
PASSWORD_FILE = "password"
SALT_TAG = "crossclear/key/derived/v1"
FINGERPRINT_TAG = "crossclear/key/fingerprint/v1"


class KeyKind(StrEnum):
    """What the 32 bytes are."""

    BLS = "bls"
    ED25519 = "ed25519"
    SECP256K1 = "secp256k1"
    SEED = "seed"
    """Secret entropy, identified by its fingerprint: the state salt and account seeds come from it."""


class Purpose(StrEnum):
    """The names of a node's keys, which are the names of their files."""

    VALIDATOR = "validator"
    """BLS: votes."""
    ENVELOPE = "envelope"
    """Ed25519: messages and the peer id."""
    CHECKPOINT = "checkpoint"
    """secp256k1: signs headers for vaults on chains without the BLS precompiles."""
    RELAYER = "relayer"
    """secp256k1: pays for transactions on the chains."""
    NETWORK_SEED = "network-seed"
    """Shared by the validators: state salts and account blinding seeds are derived from it. Back it up."""


KIND_OF = {
    Purpose.VALIDATOR: KeyKind.BLS,
    Purpose.ENVELOPE: KeyKind.ED25519,
    Purpose.CHECKPOINT: KeyKind.SECP256K1,
    Purpose.RELAYER: KeyKind.SECP256K1,
    Purpose.NETWORK_SEED: KeyKind.SEED,
}


@dataclass(frozen=True, slots=True)
class KeyEntry:
    """The public part of a key."""

    name: str
    kind: str
    public: str
    """Hex: 48 bytes of a BLS key, 32 of an Ed25519 key, 20 of a secp256k1 key's address, 32 of a seed's fingerprint."""
    path: Path


def public_of(kind: KeyKind, secret: bytes) -> bytes:
    """What identifies a secret in public. Raises LocalFault KEY_FORMAT for a secret out of range."""
    try:
        if kind is KeyKind.BLS:
            return bls.public_key(int.from_bytes(secret, "big"))
        if kind is KeyKind.ED25519:
            return ed25519.public_key(secret)
        # A seed has no public key. Its fingerprint identifies it: a keystore's own checksum leaves out the counter.
        return secp256k1.address(secret) if kind is KeyKind.SECP256K1 else tagged_hash(FINGERPRINT_TAG, secret)
    except (ValueError, LocalFault):
        raise LocalFault(NodeCode.KEY_FORMAT, "secret", kind=kind.value) from None


def new_secret(kind: KeyKind, entropy: bytes | None = None) -> bytes:
    """A fresh 32-byte secret, or the one that 32 bytes of entropy give (devnets with a seed)."""
    entropy = secrets.token_bytes(32) if entropy is None else entropy
    if kind is KeyKind.BLS:
        return bls.secret_from_seed(entropy).to_bytes(32, "big")
    if kind is KeyKind.SECP256K1:
        wide = tagged_hash("crossclear/key/secp256k1/0", entropy) + tagged_hash("crossclear/key/secp256k1/1", entropy)
        return (int.from_bytes(wide, "big") % (secp256k1.ORDER - 1) + 1).to_bytes(32, "big")
    return tagged_hash(SALT_TAG, entropy)


def key_path(home: Path, name: str) -> Path:
    """Where a key lies. Raises LocalFault KEY_FORMAT for a name that is no plain file name."""
    if not name or not all(c.isascii() and (c.isalnum() or c in "-_") for c in name) or len(name) > 64:
        raise LocalFault(NodeCode.KEY_FORMAT, "key name", name=name)
    return home / KEYS_FOLDER / f"{name}.json"


def write_key(home: Path, name: str, kind: KeyKind, secret: bytes, password: str, strength: Strength) -> KeyEntry:
    """Seal a secret into a new keystore. Raises LocalFault KEY_EXISTS, KEY_PERMISSIONS."""
    path = key_path(home, name)
    if path.exists():
        raise LocalFault(NodeCode.KEY_EXISTS, str(path))
    make_secret_folder(path.parent)
    public = public_of(kind, secret)
    data = seal_keystore(
        secret, password, kind=kind.value, public=public, description=f"crossclear {name}", strength=strength
    )
    write_secret(path, data)
    return KeyEntry(name, kind.value, public.hex(), path)


def read_key(home: Path, name: str, kind: KeyKind, password: str, *, allow_weak: bool = False) -> bytes:
    """Open a keystore and check that it is of the kind wanted and matches its stated public key."""
    keystore = _load_of_kind(home, name, kind)
    secret = open_keystore(keystore, password, allow_weak=allow_weak)
    public = public_of(kind, secret)
    if keystore.pubkey and bytes.fromhex(keystore.pubkey) != public:
        raise LocalFault(NodeCode.KEY_FORMAT, name, stated=keystore.pubkey, derived=public)
    return secret


def read_own_key(home: Path, purpose: Purpose, password_file: Path | None = None, *, allow_weak: bool = False) -> bytes:
    """The key of a purpose, which has the purpose's name. `password_file`: by default HOME/password."""
    password = read_password(password_file or home / PASSWORD_FILE)
    return read_key(home, purpose.value, KIND_OF[purpose], password, allow_weak=allow_weak)


def own_card(home: Path, password_file: Path | None = None, *, allow_weak: bool = False) -> dict[str, str]:
    """A new validator's card for its proposer, in hex. Raises LocalFault KEY_*."""
    purposes = (Purpose.ENVELOPE, Purpose.VALIDATOR, Purpose.CHECKPOINT)
    return card_of({each: read_own_key(home, each, password_file, allow_weak=allow_weak) for each in purposes})


def card_of(secrets_by_purpose: Mapping[Purpose, bytes]) -> dict[str, str]:
    """What others must know of a validator with these secrets, in hex: public keys and proofs of possession."""
    made = own_validator(secrets_by_purpose)
    return {
        "envelope": made.envelope_key.hex(),
        "validator": made.bls_key.hex(),
        "possession": made.possession.hex(),
        "checkpoint": made.evm_address.hex(),
        "checkpoint_possession": made.evm_possession.hex(),
    }


def own_validator(secrets_by_purpose: Mapping[Purpose, bytes], power: int = 1) -> Validator:
    """The record of the validator with these secrets."""
    return validator_of(
        ed25519.public_key(secrets_by_purpose[Purpose.ENVELOPE]),
        int.from_bytes(secrets_by_purpose[Purpose.VALIDATOR], "big"),
        secrets_by_purpose[Purpose.CHECKPOINT],
        power,
    )


def check_keystore(home: Path, name: str, kind: KeyKind, *, allow_weak: bool = False) -> str:
    """Everything that `read_key` checks and that needs no password; the stated public key in hex, perhaps empty.

    Raises LocalFault KEY_MISSING, KEY_PERMISSIONS, KEY_FORMAT, KEY_WEAK.
    """
    keystore = _load_of_kind(home, name, kind)
    if not allow_weak and is_weak(keystore):
        raise LocalFault(NodeCode.KEY_WEAK, name, kdf=keystore.crypto.kdf.function)
    return keystore.pubkey


def list_keys(home: Path) -> tuple[KeyEntry, ...]:
    """All keystores of a home, by name; nothing is decrypted."""
    entries = []
    for path in sorted((home / KEYS_FOLDER).glob("*.json")):
        keystore = _load(path)
        entries.append(KeyEntry(path.stem, keystore.kind, keystore.pubkey, path))
    return tuple(entries)


def new_password(home: Path) -> str:
    """Make `HOME/password` with 32 random hex digits, or read the one that is there."""
    path = home / PASSWORD_FILE
    if path.exists():
        return read_password(path)
    make_secret_folder(home)
    password = secrets.token_hex(16)
    write_secret(path, password.encode() + b"\n")
    return password


def _load_of_kind(home: Path, name: str, kind: KeyKind) -> Keystore:
    keystore = _load(key_path(home, name))
    if keystore.kind != kind.value:
        raise LocalFault(NodeCode.KEY_FORMAT, name, kind=keystore.kind, wanted=kind.value)
    return keystore


def _load(path: Path) -> Keystore:
    return parse_keystore(read_secret(path))
