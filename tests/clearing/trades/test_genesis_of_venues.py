"""What genesis may say of venues and accounts."""

from typing import Any

import msgspec
import pytest

from clearing.base import bls
from clearing.base.errors import LocalFault
from clearing.base.validators import ValidatorSet
from clearing.genesis.checks import check_genesis
from clearing.genesis.json import genesis_from_json
from clearing.genesis.json import genesis_to_json as to_json
from clearing.schema.terms.genesis import OPENED_ACCOUNTS, AccountKind, AccountTerms, Genesis, VenueTerms
from tests.kit.clearing.desk import venue_genesis
from tests.kit.validator_records import made_validator

GOOD = VenueTerms(7, "seven", b"\x07" * 20)


@pytest.fixture(scope="module")
def genesis() -> Genesis:
    secret = bls.secret_from_seed(b"genesis of venues validator, 32+")
    validator = made_validator(b"\x01" * 32, secret)
    return msgspec.structs.replace(venue_genesis(), validators=ValidatorSet((validator,)))


def test_venues_and_client_keys_survive_json(genesis: Genesis) -> None:
    check_genesis(genesis)
    keyed = msgspec.structs.replace(
        genesis.members[-1], accounts=(AccountTerms(3, AccountKind.CLIENT, key=b"\x55" * 20),)
    )
    genesis = msgspec.structs.replace(genesis, members=(*genesis.members[:-1], keyed))
    assert genesis_from_json(to_json(genesis)) == genesis


def with_(**change: Any) -> VenueTerms:
    return msgspec.structs.replace(GOOD, **change)


@pytest.mark.parametrize(
    "venues",
    [
        pytest.param([with_(id=0)], id="none_is_number_0"),
        pytest.param([with_(signer=bytes(20))], id="each_has_a_signer"),
        pytest.param([with_(fee_ppm=100_001)], id="a_fee_is_a_tenth_at_most"),
        pytest.param([with_(fee_account=999)], id="a_fee_goes_to_somebody"),
        pytest.param([with_(id_chunks=0)], id="ids_have_a_window"),
        pytest.param([with_(band_ppm=2**20)], id="a_band_is_below_the_price"),
        pytest.param([GOOD, GOOD], id="they_are_ordered"),
        pytest.param([with_(id=each) for each in range(1, 66)], id="they_are_so_many"),
    ],
)
def test_venues_that_cannot_work_are_refused(genesis: Genesis, venues: list[VenueTerms]) -> None:
    with pytest.raises(LocalFault, match="venues"):
        check_genesis(msgspec.structs.replace(genesis, venues=tuple(venues)))


def test_genesis_gives_no_id_that_an_opening_could(genesis: Genesis) -> None:
    clash = msgspec.structs.replace(genesis.members[-1], accounts=(AccountTerms(OPENED_ACCOUNTS, AccountKind.HOUSE),))
    with pytest.raises(LocalFault, match="opened by request"):
        check_genesis(msgspec.structs.replace(genesis, members=(*genesis.members[:-1], clash)))


@pytest.mark.parametrize(("field", "value"), [("statement_days", 0), ("hold_retry_ms", 0)])
def test_a_genesis_whose_statements_or_held_trades_could_never_come_in_time_is_refused(
    genesis: Genesis, field: str, value: int
) -> None:
    market = msgspec.structs.replace(genesis.market, **{field: value})
    with pytest.raises(LocalFault, match=field):
        check_genesis(msgspec.structs.replace(genesis, market=market))
