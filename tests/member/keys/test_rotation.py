"""Rotated keys: none is lost, whatever moment the machine stops at."""

import os
from pathlib import Path

import pytest

from clearing.base.errors import LocalFault
from member.codes import NodeCode
from member.keys.key_folder import KIND_OF, Purpose, key_path, list_keys, new_secret, read_key, write_key
from member.keys.keystore import Strength
from member.keys.rotation import ROTATED, has_next_key, make_next_key, next_name, promote_next_key, read_next_key
from member.keys.secret_files import write_secret
from node.signer.node_keys import open_node_keys
from node.signer.rotation import KeyRotation, RotatedKey
from tests.kit.refusals import refused

WORDS = "secret words"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    for purpose in ROTATED:
        secret = new_secret(KIND_OF[purpose], purpose.value.encode().ljust(32))
        write_key(tmp_path, purpose.value, KIND_OF[purpose], secret, WORDS, Strength.DEVNET)
    return tmp_path


def secret_of(home: Path, name: str, purpose: Purpose) -> bytes:
    return read_key(home, name, KIND_OF[purpose], WORDS, allow_weak=True)


@pytest.mark.parametrize("purpose", ROTATED)
def test_a_next_key_is_made_once_and_takes_its_place_once(home: Path, purpose: Purpose) -> None:
    used = secret_of(home, purpose.value, purpose)
    assert read_next_key(home, purpose, WORDS, allow_weak=True) is None
    waiting = make_next_key(home, purpose, WORDS, Strength.DEVNET)
    assert make_next_key(home, purpose, WORDS, Strength.DEVNET) == waiting != used
    assert read_next_key(home, purpose, WORDS, allow_weak=True) == waiting
    assert secret_of(home, purpose.value, purpose) == used
    retired = promote_next_key(home, purpose)
    assert secret_of(home, purpose.value, purpose) == waiting
    assert secret_of(home, retired.stem, purpose) == used
    assert not has_next_key(home, purpose)
    assert all(entry.path.stat().st_mode & 0o777 == 0o600 for entry in list_keys(home))
    with refused(NodeCode.KEY_MISSING, LocalFault):
        promote_next_key(home, purpose)


@pytest.mark.parametrize("call", ["link", "replace"])
def test_a_rotation_that_broke_off_is_done_again(home: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    purpose = Purpose.VALIDATOR
    used = secret_of(home, purpose.value, purpose)
    waiting = make_next_key(home, purpose, WORDS, Strength.DEVNET)
    with monkeypatch.context() as broken:

        def fails(*_: object, **__: object) -> None:
            raise OSError("power is lost")

        broken.setattr(os, call, fails)
        with pytest.raises(OSError, match="power"):
            promote_next_key(home, purpose)
        assert secret_of(home, purpose.value, purpose) == used, "a start finds the key that is listed"
        assert secret_of(home, next_name(purpose), purpose) == waiting
    assert secret_of(home, promote_next_key(home, purpose).stem, purpose) == used
    assert secret_of(home, purpose.value, purpose) == waiting


def test_another_key_is_never_taken_for_the_retired_one(home: Path) -> None:
    purpose = Purpose.VALIDATOR
    make_next_key(home, purpose, WORDS, Strength.DEVNET)
    public = next(entry.public for entry in list_keys(home) if entry.name == purpose.value)
    in_the_way = key_path(home, f"{purpose.value}-retired-{public[:16]}")
    in_the_way.write_bytes(key_path(home, next_name(purpose)).read_bytes())
    in_the_way.chmod(0o600)
    with refused(NodeCode.KEY_EXISTS, LocalFault):
        promote_next_key(home, purpose)
    assert has_next_key(home, purpose)


def test_a_next_key_that_cannot_be_opened_does_not_stop_the_one_in_use(home: Path) -> None:
    """As of a command that was killed, or that another user ran."""
    write_secret(home / "password", WORDS.encode())
    for purpose in (Purpose.ENVELOPE, Purpose.RELAYER, Purpose.NETWORK_SEED):
        write_key(home, purpose.value, KIND_OF[purpose], new_secret(KIND_OF[purpose]), WORDS, Strength.DEVNET)
    torn = key_path(home, next_name(Purpose.VALIDATOR))
    added: list[bytes] = []
    rotated = RotatedKey(Purpose.VALIDATOR, added.append, lambda: ())
    rotation = KeyRotation(home, home / "password", (rotated,), allow_weak=True, known=())
    for spoil in (lambda: torn.write_bytes(b""), lambda: torn.chmod(0o644)):
        spoil()
        rotation.settle(rotation.open_new())
        assert added == []
        assert open_node_keys(home, home / "password", allow_weak=True).next_validator == 0
    torn.unlink()
    made = make_next_key(home, Purpose.VALIDATOR, WORDS, Strength.DEVNET)
    rotation.settle(rotation.open_new())
    assert added == [made]


def test_a_secret_has_its_name_only_when_it_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_: int) -> None:
        raise OSError("the disk is full")

    with monkeypatch.context() as broken:
        broken.setattr(os, "fsync", fails)
        with pytest.raises(OSError, match="full"):
            write_secret(tmp_path / "secret", b"words")
    assert list(tmp_path.iterdir()) == []
    write_secret(tmp_path / "secret", b"words")
    with refused(NodeCode.KEY_EXISTS, LocalFault):
        write_secret(tmp_path / "secret", b"others")
    assert (tmp_path / "secret").stat().st_nlink == 1
