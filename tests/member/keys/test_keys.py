"""Rules of keystores and key files. Vectors: EIP-2335, "Test Cases"."""

import json
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import eth_keyfile
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clearing.base import bls, ed25519, secp256k1
from clearing.base.errors import LocalFault
from member.codes import NodeCode
from member.keys.key_folder import (
    KIND_OF,
    KeyKind,
    Purpose,
    key_path,
    list_keys,
    new_password,
    new_secret,
    read_key,
    write_key,
)
from member.keys.keystore import Strength, open_keystore, parse_keystore, password_bytes, seal_keystore
from member.keys.secret_files import make_secret_folder, read_password, read_secret, write_secret
from node.signer.node_keys import open_node_keys
from tests.kit.refusals import refused

PASSWORD = "𝔱𝔢𝔰𝔱𝔭𝔞𝔰𝔰𝔴𝔬𝔯𝔡🔑"
SECRET = bytes.fromhex("000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f")
PLAIN = "pw"
SALT = "d4e56740f876aef8c010b86a40d5f56745a118d0906a34e69aec8c0db1cb8fa3"


def vector(kdf: dict[str, Any], checksum: str, message: str) -> bytes:
    return json.dumps(
        {
            "crypto": {
                "kdf": kdf | {"message": ""},
                "checksum": {"function": "sha256", "params": {}, "message": checksum},
                "cipher": {
                    "function": "aes-128-ctr",
                    "params": {"iv": "264daa3f303d7259501c93d997d84fe6"},
                    "message": message,
                },
            },
            "description": "This is a test keystore",
            "pubkey": "",
            "path": "m/12381/60/0/0",
            "uuid": "1d85ae20-35c5-4611-98e8-aa14a633906f",
            "version": 4,
        }
    ).encode()


SCRYPT = vector(
    {"function": "scrypt", "params": {"dklen": 32, "n": 262144, "p": 1, "r": 8, "salt": SALT}},
    "d2217fe5f3e9a1e34581ef8a78f7c9928e436d36dacc5e846690a5581e8ea484",
    "06ae90d55fe0a6e9c5c3bc5b170827b2e5cce3929ed3f116c2811e6366dfe20f",
)
PBKDF2 = vector(
    {"function": "pbkdf2", "params": {"dklen": 32, "c": 262144, "prf": "hmac-sha256", "salt": SALT}},
    "8a9f5d9912ed7e75ea794bc5a89bca5f193721d30868ade6f73043c6ea6febf1",
    "cee03fde2af33149775b7223e7845e4fb2c8ae1792e5f99fe9ecf474cc8c16ad",
)


def devnet_keystore(secret: bytes = SECRET, password: str = PLAIN, public: bytes = b"") -> bytes:
    return seal_keystore(secret, password, kind="seed", public=public, description="test", strength=Strength.DEVNET)


@pytest.mark.parametrize("data", [SCRYPT, PBKDF2], ids=["scrypt", "pbkdf2"])
def test_the_standards_own_keystores_open(data: bytes) -> None:
    assert password_bytes(PASSWORD).hex() == "7465737470617373776f7264f09f9491"
    assert open_keystore(parse_keystore(data), PASSWORD) == SECRET


def test_another_library_opens_what_we_seal() -> None:
    secret = new_secret(KeyKind.BLS)
    data = devnet_keystore(secret, PASSWORD, bls.public_key(int.from_bytes(secret, "big")))
    assert eth_keyfile.decode_keyfile_json(json.loads(data), password_bytes(PASSWORD)) == secret


def test_a_wrong_password_is_told_as_such() -> None:
    with refused(NodeCode.KEY_PASSWORD, LocalFault):
        open_keystore(parse_keystore(devnet_keystore()), "other", allow_weak=True)


def test_weak_parameters_open_only_on_a_devnet() -> None:
    keystore = parse_keystore(devnet_keystore())
    assert open_keystore(keystore, "pw", allow_weak=True) == SECRET
    with refused(NodeCode.KEY_WEAK, LocalFault):
        open_keystore(keystore, "pw")


@pytest.mark.parametrize(
    "change",
    [
        *("n=1099511627776", "n=3", "n=0", "n=-1024", "n=1.5", "r=1073741824", "r=0", "p=10000", "dklen=16"),
        *('salt=""', 'salt="zz"'),
    ],
)
def test_parameters_that_exhaust_the_machine_are_refused_before_any_work(change: str) -> None:
    name, _, value = change.partition("=")
    assert_refused(f"crypto.kdf.params.{name}", json.loads(value))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("version", 3),
        ("crypto.cipher.function", "xor"),
        ("crypto.checksum.function", "md5"),
        ("crypto.cipher.message", "00"),
        ("crypto.cipher.params.iv", "00"),
        ("crypto.kdf.function", "none"),
    ],
)
def test_other_functions_and_versions_are_refused(path: str, value: object) -> None:
    assert_refused(path, value)


def assert_refused(path: str, value: object) -> None:
    """A keystore with another value at this place is not even parsed."""
    data = json.loads(devnet_keystore())
    node = data
    *above, last = path.split(".")
    for step in above:
        node = node[step]
    assert last in node
    node[last] = value
    with refused(NodeCode.KEY_FORMAT, LocalFault):
        parse_keystore(json.dumps(data).encode())


@given(data=st.binary(max_size=400))
def test_no_bytes_crash_the_keystore_reader(data: bytes) -> None:
    with pytest.raises(LocalFault):
        parse_keystore(data)


@pytest.mark.parametrize("kind", list(KeyKind))
@given(at=st.integers(0, 10_000), byte=st.integers(0, 255))
@settings(deadline=None, max_examples=30)
def test_a_changed_byte_is_refused_or_leaves_the_secret_as_it_is(
    tmp_path_factory: pytest.TempPathFactory, kind: KeyKind, at: int, byte: int
) -> None:
    home = tmp_path_factory.mktemp("home")
    secret = new_secret(kind, SECRET)
    path = write_key(home, "key", kind, secret, PLAIN, Strength.DEVNET).path
    data = bytearray(path.read_bytes())
    data[at % len(data)] = byte
    path.write_bytes(data)
    try:
        assert read_key(home, "key", kind, PLAIN, allow_weak=True) == secret
    except LocalFault as refusal:
        assert refusal.code in (NodeCode.KEY_FORMAT, NodeCode.KEY_PASSWORD)


def test_a_deeply_nested_file_is_refused() -> None:
    with pytest.raises(LocalFault):
        parse_keystore(b'{"crypto":' + b"[" * 8000)


def test_a_secret_file_is_closed_to_others_and_never_overwritten(tmp_path: Path) -> None:
    folder = tmp_path / "home" / "keys"
    make_secret_folder(folder)
    path = folder / "a.json"
    write_secret(path, b"one")
    assert path.stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700
    with refused(NodeCode.KEY_EXISTS, LocalFault):
        write_secret(path, b"two")
    assert read_secret(path) == b"one"


def test_an_open_secret_file_or_folder_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    make_secret_folder(folder)
    path = folder / "a.json"
    write_secret(path, b"one")
    for mode in (0o640, 0o604, 0o666):
        path.chmod(mode)
        with refused(NodeCode.KEY_PERMISSIONS, LocalFault):
            read_secret(path)
    folder.chmod(0o755)
    for act in (lambda: write_secret(folder / "b.json", b"x"), lambda: make_secret_folder(folder)):
        with refused(NodeCode.KEY_PERMISSIONS, LocalFault):
            act()


def test_a_link_is_not_followed_when_a_secret_is_written(tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    make_secret_folder(folder)
    (folder / "a.json").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(LocalFault):
        write_secret(folder / "a.json", b"x")
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize(("content", "good"), [(b"pw\n", True), (b"pw\r\nmore", True), (b"", False), (b"\xff", False)])
def test_a_password_is_the_first_line_of_its_file(tmp_path: Path, content: bytes, good: bool) -> None:
    make_secret_folder(tmp_path / "home")
    write_secret(tmp_path / "home" / "password", content)
    with nullcontext() if good else pytest.raises(LocalFault):
        assert read_password(tmp_path / "home" / "password") == "pw"


def test_a_node_opens_all_its_keys_with_one_password_file(tmp_path: Path) -> None:
    home = tmp_path / "n0"
    password = new_password(home)
    assert new_password(home) == password
    made = {}
    for purpose, kind in KIND_OF.items():
        made[purpose] = new_secret(kind)
        write_key(home, purpose.value, kind, made[purpose], password, Strength.DEVNET)
    keys = open_node_keys(home, home / "password", allow_weak=True)
    assert keys.envelope == made[Purpose.ENVELOPE]
    assert keys.validator == int.from_bytes(made[Purpose.VALIDATOR], "big")
    assert str(made[Purpose.ENVELOPE]) not in repr(keys)
    shown = {entry.name: entry.public for entry in list_keys(home)}
    assert shown["envelope"] == ed25519.public_key(made[Purpose.ENVELOPE]).hex()
    assert shown["relayer"] == secp256k1.address(made[Purpose.RELAYER]).hex()
    assert shown["network-seed"] not in ("", made[Purpose.NETWORK_SEED].hex())
    with refused(NodeCode.KEY_EXISTS, LocalFault):
        write_key(home, "relayer", KeyKind.SECP256K1, made[Purpose.RELAYER], password, Strength.DEVNET)


def test_a_key_of_another_kind_or_with_another_public_key_is_refused(tmp_path: Path) -> None:
    home = tmp_path / "n0"
    password = new_password(home)
    entry = write_key(home, "relayer", KeyKind.ED25519, SECRET, password, Strength.DEVNET)
    with refused(NodeCode.KEY_FORMAT, LocalFault):
        read_key(home, "relayer", KeyKind.SECP256K1, password, allow_weak=True)
    entry.path.write_text(entry.path.read_text().replace(entry.public, "11" * 32))
    with pytest.raises(LocalFault):
        read_key(home, "relayer", KeyKind.ED25519, password, allow_weak=True)


@pytest.mark.parametrize("name", ["", "../x", "a/b", "a.b", "ä", "x" * 65])
def test_a_key_name_is_a_plain_file_name(tmp_path: Path, name: str) -> None:
    with pytest.raises(LocalFault):
        key_path(tmp_path, name)


@given(st.binary(min_size=32, max_size=32))
def test_every_entropy_gives_a_valid_secret_of_each_kind(entropy: bytes) -> None:
    for kind in (KeyKind.ED25519, KeyKind.SECP256K1, KeyKind.SEED):
        secret = new_secret(kind, entropy)
        assert len(secret) == 32
        assert secret == new_secret(kind, entropy)
    assert 0 < int.from_bytes(new_secret(KeyKind.SECP256K1, entropy), "big") < secp256k1.ORDER
