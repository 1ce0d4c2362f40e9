"""Signing requests outside of a node."""

import pytest

from clearing.apply_block import apply_block
from clearing.base.secp256k1 import recover
from member.signing.requests import signed
from tests.kit.clearing.desk import venue_world
from tests.kit.clearing.genesis import ALICE, BOB
from tests.kit.clearing.requests import VENUE_SECRETS
from tests.kit.clearing.world import codes


def test_several_sign_one_after_another_and_the_block_takes_it() -> None:
    desk = venue_world(mandates=False)
    report = desk.report(ALICE, BOB, signers="")
    for field, key in (
        ("buyer_signature", desk.key_of(ALICE)),
        ("venue_signature", VENUE_SECRETS[report.venue]),
        ("seller_signature", desk.key_of(BOB)),
    ):
        report = signed(desk.network, report, **{field: key})
        assert recover(report.digest(desk.network), getattr(report, field))
    _, result = apply_block(desk.state, desk.make_block([report]))
    assert codes(result) == []


@pytest.mark.parametrize("field", ["signature", "lots", "nothing"])
def test_a_field_that_is_no_signature_of_the_request_is_refused(field: str) -> None:
    desk = venue_world(mandates=False)
    with pytest.raises(ValueError, match="no such signature"):
        signed(desk.network, desk.report(ALICE, BOB), **{field: b"\x01" * 32})
