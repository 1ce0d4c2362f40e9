"""What genesis may say of venues and accounts."""

from typing import Any

import msgspec
import pytest

from clearing.base import bls
from clearing.base.errors import LocalFault
from clearing.base.validators import Validator, ValidatorSet
from clearing.genesis.checks import check_genesis
from clearing.genesis.json import genesis_from_json
from clearing.genesis.json import genesis_to_json as to_json
from clearing.schema.terms.genesis import OPENED_ACCOUNTS, AccountKind, AccountTerms, Genesis, VenueTerms
from tests.kit.clearing.desk import venue_genesis

GOOD = VenueTerms(7, "seven", b"\x07" * 20)


@pytest.fixture(scope="module")
def genesis() -> Genesis:
    secret = bls.secret_from_seed(b"genesis of venues validator, 32+")
    validator = Validator(b"\x01" * 32, bls.public_key(secret), 1, bls.prove_possession(secret))
    return msgspec.structs.replace(venue_genesis(), validators=ValidatorSet((validator,)))


def test_venues_and_client_keys_survive_json(genesis: Genesis) -> None:
    check_genesis(genesis)
    keyed = msgspec.structs.replace(
        genesis.members[-1], accounts=(AccountTerms(3, AccountKind.CLIENT, key=b"\x55" * 20),)
    )
    genesis = msgspec.structs.replace(genesis, members=(*genesis.members[:-1], keyed))
    assert genesis_from_json(to_json(genesis)) == genesis


@pytest.mark.parametrize(
    "change",
    [
        {"id": 0},
        {"signer": bytes(20)},
        {"fee_ppm": 100_001},
        {"fee_account": 999},
        {"id_chunks": 0},
        {"band_ppm": 2**20},
    ],
)
def test_a_venue_that_cannot_work_is_refused(genesis: Genesis, change: dict[str, Any]) -> None:
    bad = msgspec.structs.replace(genesis, venues=(msgspec.structs.replace(GOOD, **change),))
    with pytest.raises(LocalFault, match="venues"):
        check_genesis(bad)


def test_venues_are_ordered_and_so_many(genesis: Genesis) -> None:
    many = tuple(msgspec.structs.replace(GOOD, id=each) for each in range(1, 66))
    for venues in ((GOOD, GOOD), many):
        with pytest.raises(LocalFault, match="venues"):
            check_genesis(msgspec.structs.replace(genesis, venues=venues))


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
