"""Another implementation agrees on the certificate, and any bytes can be shown without a crash."""

import json
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearing.base.errors import RemoteFault
from member.verifying.proof_files import show_messagepack
from member.verifying.py_ecc_check import check_with_py_ecc
from proofs.epoch.package import EpochPackage, read_package, write_package

FROZEN = sorted((Path(__file__).resolve().parents[2] / "vectors/proofs/v2/good").glob("*.ccp"))


def test_py_ecc_agrees_with_a_good_certificate_and_refuses_a_changed_one() -> None:
    data = FROZEN[0].read_bytes()
    package = read_package(data)
    assert check_with_py_ecc(data).ok
    later = msgspec.structs.replace(package.certificate, round=package.certificate.round + 1)
    assert not check_with_py_ecc(write_package(msgspec.structs.replace(package, certificate=later))).ok
    broken = msgspec.structs.replace(package.certificate, aggregate=b"\xc0" + bytes(95))
    assert not check_with_py_ecc(write_package(msgspec.structs.replace(package, certificate=broken))).ok
    assert not check_with_py_ecc(b"\x90").ok


def test_a_package_is_shown_as_it_is() -> None:
    data = FROZEN[0].read_bytes()
    shown = json.loads(show_messagepack(data))
    assert shown[0] == read_package(data).format
    book = EpochPackage.__struct_fields__.index("book")
    assert shown[book] == "0x" + read_package(data).book.hex()


@given(st.binary(max_size=300))
def test_arbitrary_bytes_are_shown_or_refused(data: bytes) -> None:
    try:
        json.loads(show_messagepack(data))
    except RemoteFault:
        return


def test_deep_nesting_is_refused() -> None:
    with pytest.raises(RemoteFault):
        show_messagepack(b"\x91" * 100_000)
