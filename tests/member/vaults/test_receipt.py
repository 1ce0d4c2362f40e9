"""A receipt from anybody: read back as it was written, or refused with a code."""

from contextlib import suppress
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.contracts.creation import vault_creations
from bridge.contracts.deploy import VaultAsset, VaultTerms
from bridge.contracts.schemes import CertificateScheme
from clearing.base.errors import CrossclearError, LocalFault
from member.codes import NodeCode
from member.vaults.receipt import ReceiptFile, VaultReceipt, created, read_receipt, receipt_of, salt_of, terms_of
from member.vaults.verification import ExpectedVault, expected_by_receipt
from tests.kit.bridge.vault_chain import COLD_KEYS, FOUR, NETWORK

TERMS = VaultTerms(
    network=NETWORK,
    validators=FOUR.validators,
    guardian=b"\x01" * 20,
    cold_keys=COLD_KEYS,
    assets=(VaultAsset(b"\x02" * 20, 100, 500), VaultAsset(b"\x03" * 20, 1, 1)),
    wrapped_native=b"\x03" * 20,
)
SALT = 2**255
RECEIPT = receipt_of(31337, SALT, TERMS, [created(each, 7) for each in vault_creations(TERMS, SALT)])
PLAIN = msgspec.to_builtins(RECEIPT)
JUNK = st.one_of(
    st.none(), st.integers(), st.text(max_size=90), st.just("0x" + "ff" * 32), st.just("9" * 78), st.just([])
)


def test_a_receipt_leads_to_its_terms_and_its_address_again() -> None:
    again = read_receipt(msgspec.json.encode(RECEIPT))
    assert (terms_of(again), salt_of(again)) == (TERMS, SALT)
    assert bytes.fromhex(again.vault.address[2:]) == vault_creations(TERMS, SALT)[-1].address


def test_another_salt_or_any_other_term_is_another_address() -> None:
    changes = ({"pause_s": RECEIPT.pause_s + 1}, {"salt": "0"}, {"certificates": CertificateScheme.ECDSA})
    others = [msgspec.structs.replace(RECEIPT, **change) for change in changes]
    found = {vault_creations(terms_of(each), salt_of(each))[-1].address for each in (RECEIPT, *others)}
    assert len(found) == 4


@given(st.binary(max_size=300))
def test_no_bytes_break_the_reader(data: bytes) -> None:
    with suppress(CrossclearError):
        assert isinstance(read_receipt(data), VaultReceipt)


@given(st.sampled_from(sorted(PLAIN)), JUNK)
def test_nor_does_a_field_of_another_value(name: str, junk: object) -> None:
    with suppress(CrossclearError):
        assert isinstance(expected_by_receipt(read_receipt(msgspec.json.encode(PLAIN | {name: junk}))), ExpectedVault)


def test_the_file_of_a_deployment_is_new_and_then_its_own(tmp_path: Path) -> None:
    path = tmp_path / "vault.json"
    mine = ReceiptFile(path)
    mine.keep(RECEIPT)
    mine.keep(msgspec.structs.replace(RECEIPT, chain_id=1))
    assert read_receipt(path.read_bytes()).chain_id == 1
    with pytest.raises(LocalFault) as caught:
        ReceiptFile(path).keep(RECEIPT)
    assert caught.value.code is NodeCode.OUTPUT_EXISTS
