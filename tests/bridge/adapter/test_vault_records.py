"""Payments and their proofs out of the calldata that made them."""

from hypothesis import given
from hypothesis import strategies as st

from bridge.contracts import vault
from bridge.contracts.vault import VaultClaim
from bridge.relay.vault_records import ShownPayments, read_payments

CLAIMS = tuple(VaultClaim(nonce, 7, b"\x70" * 20, b"\x33" * 20, 5 * nonce, 2**40) for nonce in (3, 4, 9))
SIBLINGS = (b"\x01" * 32, b"\x02" * 32)


def test_both_kinds_of_payment_state_their_claims_and_proof() -> None:
    one = vault.withdraw_call(CLAIMS[0], 12, SIBLINGS)
    assert read_payments(one) == ShownPayments(CLAIMS[:1], 12, SIBLINGS)
    assert read_payments(vault.withdraw_batch_call(CLAIMS, 13, SIBLINGS)) == ShownPayments(CLAIMS, 13, SIBLINGS)
    assert read_payments(vault.deposit_nonce_call()) is None


@given(st.sampled_from([vault.WITHDRAW, vault.WITHDRAW_BATCH, b""]), st.binary(max_size=600))
def test_no_calldata_breaks_the_reader(selector: bytes, data: bytes) -> None:
    found = read_payments(selector + data)
    assert found is None or isinstance(found, ShownPayments)


@given(st.integers(0, 600), st.binary(min_size=1, max_size=32))
def test_nor_does_damaged_calldata(at: int, junk: bytes) -> None:
    data = bytearray(vault.withdraw_batch_call(CLAIMS, 13, SIBLINGS))
    data[at : at + len(junk)] = junk
    read_payments(bytes(data))
