"""EIP-2335 version 4 keystores: one 32-byte secret under a password.

Rule: scrypt or PBKDF2, AES-128-CTR, SHA-256 checksum, as in https://eips.ethereum.org/EIPS/eip-2335; parameters that
would exhaust memory are refused before any work, weak ones are accepted only where the caller says devnet. The
container is used for the node's other 32-byte secrets too, distinguished by the extra member `kind`.
"""

import hashlib
import json
import secrets
import unicodedata
import uuid
from enum import Enum
from typing import Annotated

import msgspec
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from clearing.base.errors import LocalFault
from clearing.base.plain_json import read_json
from member.codes import NodeCode

SECRET_BYTES = 32
KEYSTORE_BYTES_MAX = 1 << 14
_SCRYPT_MEMORY_MAX = 1 << 30
_SCRYPT_PARALLEL_MAX = 16
_PBKDF2_ROUNDS_MAX = 10_000_000
_SCRYPT_STRONG_N = 1 << 17
_PBKDF2_STRONG_ROUNDS = 1 << 18

Hex = Annotated[str, msgspec.Meta(pattern="^([0-9a-fA-F]{2})*$", max_length=1024)]


class Strength(Enum):
    """Cost of guessing a password. DEVNET keys protect nothing of value, and open in milliseconds."""

    STANDARD = (1 << 18, 8, 1)
    DEVNET = (1 << 10, 8, 1)


class KdfParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Parameters of either derivation; which are needed depends on the function."""

    dklen: int
    salt: Hex
    n: int = 0
    r: int = 0
    p: int = 0
    c: int = 0
    prf: str = ""


class CipherParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The counter's initial value."""

    iv: Hex


class NoParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The checksum has none."""


class Kdf(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the key is derived from the password."""

    function: str
    params: KdfParams
    message: Hex = ""


class Checksum(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The hash by which a wrong password is recognised."""

    function: str
    message: Hex
    params: NoParams = NoParams()


class CipherModule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The encrypted secret."""

    function: str
    params: CipherParams
    message: Hex


class Crypto(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The three modules."""

    kdf: Kdf
    checksum: Checksum
    cipher: CipherModule


class Keystore(msgspec.Struct, frozen=True):
    """The file. Members that it does not know are ignored, as the standard lets tools add their own."""

    crypto: Crypto
    path: str
    uuid: str
    version: int
    pubkey: Hex = ""
    description: str = ""
    kind: str = "bls"
    """`bls` is what other tools mean by leaving it out."""


def parse_keystore(data: bytes) -> Keystore:
    """Read the JSON, check functions and bounds. Raises LocalFault KEY_FORMAT."""
    if len(data) > KEYSTORE_BYTES_MAX:
        raise LocalFault(NodeCode.KEY_FORMAT, "keystore", bytes=len(data), limit=KEYSTORE_BYTES_MAX)
    try:
        keystore = read_json(data, Keystore)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise LocalFault(NodeCode.KEY_FORMAT, "keystore", why=str(error)) from None
    crypto = keystore.crypto
    good = (
        keystore.version == 4
        and crypto.checksum.function == "sha256"
        and crypto.cipher.function == "aes-128-ctr"
        and len(crypto.checksum.message) == 64
        and len(crypto.cipher.params.iv) == 32
        and len(crypto.cipher.message) == 2 * SECRET_BYTES
        and _kdf_in_bounds(crypto.kdf)
    )
    if not good:
        raise LocalFault(NodeCode.KEY_FORMAT, "keystore", version=keystore.version, kdf=crypto.kdf.function)
    return keystore


def open_keystore(keystore: Keystore, password: str, *, allow_weak: bool = False) -> bytes:
    """The secret. Raises LocalFault KEY_PASSWORD, KEY_WEAK. Takes about a second at standard strength."""
    if not allow_weak and is_weak(keystore):
        raise LocalFault(NodeCode.KEY_WEAK, "keystore", kdf=keystore.crypto.kdf.function)
    key = _derive(keystore.crypto.kdf, password)
    ciphertext = bytes.fromhex(keystore.crypto.cipher.message)
    if not secrets.compare_digest(_checksum(key, ciphertext), bytes.fromhex(keystore.crypto.checksum.message)):
        raise LocalFault(NodeCode.KEY_PASSWORD, "keystore")
    return _aes_ctr(key, bytes.fromhex(keystore.crypto.cipher.params.iv), ciphertext)


def seal_keystore(
    secret: bytes, password: str, *, kind: str, public: bytes, description: str, strength: Strength
) -> bytes:
    """The JSON of a new keystore for a 32-byte secret, with fresh salt and counter."""
    if len(secret) != SECRET_BYTES:
        raise LocalFault(NodeCode.KEY_FORMAT, "secret", bytes=len(secret))
    n, r, p = strength.value
    kdf = Kdf("scrypt", KdfParams(dklen=32, salt=secrets.token_hex(32), n=n, r=r, p=p))
    key = _derive(kdf, password)
    iv = secrets.token_bytes(16)
    ciphertext = _aes_ctr(key, iv, secret)
    keystore = Keystore(
        crypto=Crypto(
            kdf=kdf,
            checksum=Checksum("sha256", _checksum(key, ciphertext).hex()),
            cipher=CipherModule("aes-128-ctr", CipherParams(iv.hex()), ciphertext.hex()),
        ),
        path="",
        uuid=str(uuid.uuid4()),
        version=4,
        pubkey=public.hex(),
        description=description,
        kind=kind,
    )
    return json.dumps(msgspec.to_builtins(keystore), indent=2).encode() + b"\n"


def password_bytes(password: str) -> bytes:
    """NFKD, without C0, C1 and Delete control codes, as UTF-8."""
    normal = unicodedata.normalize("NFKD", password)
    return "".join(c for c in normal if not (ord(c) < 0x20 or 0x7F <= ord(c) < 0xA0)).encode("utf-8", "replace")


def _kdf_in_bounds(kdf: Kdf) -> bool:
    params = kdf.params
    if params.dklen != 32 or not params.salt:
        return False
    if kdf.function == "pbkdf2":
        return params.prf == "hmac-sha256" and 0 < params.c <= _PBKDF2_ROUNDS_MAX
    power_of_two = params.n > 1 and params.n & (params.n - 1) == 0
    small = 128 * params.n * params.r <= _SCRYPT_MEMORY_MAX and 0 < params.p <= _SCRYPT_PARALLEL_MAX
    return kdf.function == "scrypt" and power_of_two and params.r > 0 and small


def is_weak(keystore: Keystore) -> bool:
    """Whether only a devnet accepts its key derivation."""
    kdf = keystore.crypto.kdf
    if kdf.function == "scrypt":
        return kdf.params.n < _SCRYPT_STRONG_N or kdf.params.r < 8
    return kdf.params.c < _PBKDF2_STRONG_ROUNDS


def _derive(kdf: Kdf, password: str) -> bytes:
    params, salt = kdf.params, bytes.fromhex(kdf.params.salt)
    if kdf.function == "scrypt":
        derivation = Scrypt(salt=salt, length=params.dklen, n=params.n, r=params.r, p=params.p)
        return derivation.derive(password_bytes(password))
    return PBKDF2HMAC(SHA256(), params.dklen, salt, params.c).derive(password_bytes(password))


def _checksum(key: bytes, ciphertext: bytes) -> bytes:
    return hashlib.sha256(key[16:32] + ciphertext).digest()


def _aes_ctr(key: bytes, iv: bytes, data: bytes) -> bytes:
    cipher = Cipher(algorithms.AES(key[:16]), modes.CTR(iv)).encryptor()
    return cipher.update(data) + cipher.finalize()
