"""Genesis: its hash is the network; its file is readable; contradictions are named."""

import json

import msgspec
import pytest

from clearing.base import bls
from clearing.base.codec import decode, encode
from clearing.base.errors import CrossclearError, LocalFault, RemoteFault
from clearing.base.validators import Validator, ValidatorSet
from clearing.genesis.checks import check_genesis
from clearing.genesis.json import genesis_from_json, genesis_to_json
from clearing.schema.terms.genesis import Genesis, network_id
from tests.kit.clearing.genesis import make_genesis


@pytest.fixture(scope="module")
def genesis() -> Genesis:
    secret = bls.secret_from_seed(b"genesis test validator, 32 bytes+")
    validator = Validator(b"\x01" * 32, bls.public_key(secret), 1, bls.prove_possession(secret))
    return msgspec.structs.replace(make_genesis(), validators=ValidatorSet((validator,)))


def test_a_good_genesis_passes_and_survives_json_and_bytes(genesis: Genesis) -> None:
    check_genesis(genesis)
    assert genesis_from_json(genesis_to_json(genesis)) == genesis
    assert decode(encode(genesis), Genesis) == genesis


def test_any_change_is_another_network(genesis: Genesis) -> None:
    seen = {network_id(genesis)}
    for change in (
        {"name": "other"},
        {"time_ms": 5},
        {"market": msgspec.structs.replace(genesis.market, epoch_blocks=9)},
    ):
        seen.add(network_id(msgspec.structs.replace(genesis, **change)))
    assert len(seen) == 4


def test_a_file_may_leave_out_what_has_a_default(genesis: Genesis) -> None:
    told = json.loads(genesis_to_json(genesis))
    del told["version"]
    for instrument in told["instruments"]:
        if not instrument["strike_ticks"]:
            del instrument["strike_ticks"]
    del told["risk"]["scenarios"]
    assert genesis_from_json(json.dumps(told).encode()) == genesis


@pytest.mark.parametrize(
    "break_it",
    [
        lambda told: told.pop("chains"),
        lambda told: told.update(colour="red"),
        lambda told: told["chains"][0].update(vault="a1" * 20),
        lambda told: told["chains"][0].update(vault="0x1234"),
        lambda told: told["chains"][0].update(vault="0xzz"),
        lambda told: told.update(time_ms=-1),
        lambda told: told.update(time_ms=1.5),
        lambda told: told.update(feeds={}),
        lambda told: told.update(members=[7]),
        lambda told: told["instruments"][0].update(kind=77),
    ],
)
def test_a_malformed_file_is_refused(genesis: Genesis, break_it: object) -> None:
    told = json.loads(genesis_to_json(genesis))
    break_it(told)  # type: ignore[operator]
    with pytest.raises(RemoteFault, match="R0402"):
        genesis_from_json(json.dumps(told).encode())
    with pytest.raises(RemoteFault, match="R0402"):
        genesis_from_json(b"{")


def test_contradictions_are_named(genesis: Genesis) -> None:
    replace = msgspec.structs.replace
    first = genesis.assets[0]
    cases: list[Genesis] = [
        replace(genesis, members=genesis.members[1:]),
        replace(genesis, members=genesis.members[::-1]),
        replace(genesis, chains=genesis.chains[:1]),
        replace(genesis, chains=genesis.chains[::-1]),
        replace(genesis, feeds=genesis.feeds[:1]),
        replace(genesis, cash_groups=()),
        replace(genesis, assets=(replace(first, vault=b"\x00" * 20), *genesis.assets[1:])),
        replace(genesis, assets=(replace(first, cap_units=2**62), *genesis.assets[1:])),
        replace(genesis, instruments=(replace(genesis.instruments[0], group=9), *genesis.instruments[1:])),
        replace(genesis, market=replace(genesis.market, epoch_blocks=0)),
        replace(genesis, members=(*genesis.members, replace(genesis.members[1], id=9))),
        replace(genesis, validators=make_genesis().validators),
    ]
    for wrong in cases:
        with pytest.raises((LocalFault, CrossclearError)):
            check_genesis(wrong)
