"""A genesis file means the same to both verifiers: network, validator set, and what a package is held to."""

import json
from typing import Any

import msgspec
import pytest

from clearing.base.errors import CrossclearError
from clearing.genesis.json import genesis_from_json, genesis_to_json
from clearing.schema.terms.genesis import CrisisParameters, network_id
from clearing.schema.terms.withdrawals import (
    AssetWithdrawalLimits,
    InflowDelayTerms,
    InflowStep,
    WithdrawalControlTerms,
)
from member.verifying.package import anchor_of_genesis
from proofs.history.token_flows import outflow_limits
from proofs.verify.package_verifier import verify_package
from tests.kit.clearing.genesis import make_genesis
from tests.kit.proofs import listed_market, small_market
from tests.kit.proofs.browser_page import GOOD
from tests.kit.proofs.second_verifier import SecondVerifier

VALIDATORS = {"validators": small_market.validator_set()}
KIT = msgspec.structs.replace(make_genesis(), **VALIDATORS)
LISTED = msgspec.structs.replace(listed_market.genesis(), **VALIDATORS)
INFLOW = InflowDelayTerms(100, (InflowStep(1_000, 5),), ())
FILES = {
    "of the kit": KIT,
    "of the listed market": LISTED,
    "with terms of inflow": msgspec.structs.replace(KIT, inflow=INFLOW),
    "with limits of withdrawals": msgspec.structs.replace(
        KIT, crisis=CrisisParameters(gates=WithdrawalControlTerms((AssetWithdrawalLimits(KIT.assets[0].id, 0, 10**9),)))
    ),
    "with a name of other letters": msgspec.structs.replace(KIT, name='Zürich "😀" ' + "x" * 300),
}


@pytest.mark.parametrize("name", FILES)
def test_a_genesis_names_one_network_and_one_set(second: SecondVerifier, name: str) -> None:
    genesis = FILES[name]
    assert second.ask(genesis=genesis_to_json(genesis)) | {"cpu_seconds": 0} == {
        "network": network_id(genesis).hex(),
        "validators_hash": genesis.validators.hash.hex(),
        "time_ms": str(genesis.time_ms),
        "window_blocks": str(genesis.market.epoch_blocks),
        "limits": [
            [f"{chain_id}:{vault.hex()}:{token.hex()}", str(amount)]
            for (chain_id, vault, token), amount in outflow_limits(genesis).amounts
        ],
        "cpu_seconds": 0,
    }


def _without_defaults(value: Any, kind: type[msgspec.Struct]) -> Any:
    """The same JSON with every field left out that has its default, at the outermost level."""
    defaults = {field.name: field for field in msgspec.structs.fields(kind)}
    kept = {}
    for name, given in value.items():
        field = defaults[name]
        if field.default is msgspec.NODEFAULT:
            kept[name] = given
    return kept


def test_fields_that_are_left_out_have_their_defaults(second: SecondVerifier) -> None:
    genesis = KIT
    short = _without_defaults(json.loads(genesis_to_json(genesis)), type(genesis))
    short["market"] = {}
    short["risk"] = {"groups": short["risk"]["groups"]}
    short["instruments"] = [_without_defaults(each, type(genesis.instruments[0])) for each in short["instruments"]]
    data = json.dumps(short).encode()
    assert second.ask(genesis=data)["network"] == network_id(genesis_from_json(data)).hex()


CHANGES = {
    "a stray field": lambda tree: tree.__setitem__("colour", 1),
    "a missing field": lambda tree: tree.__delitem__("feeds"),
    "a fraction": lambda tree: tree.__setitem__("time_ms", 1.5),
    "a number as text": lambda tree: tree.__setitem__("time_ms", "1"),
    "a number for text": lambda tree: tree.__setitem__("name", 1),
    "a number that is too large": lambda tree: tree["feeds"][0].__setitem__("id", 2**32),
    "a negative number": lambda tree: tree["feeds"][0].__setitem__("id", -1),
    "an address that is too short": lambda tree: tree["assets"][0].__setitem__("vault", "0x00"),
    "an address without 0x": lambda tree: tree["assets"][0].__setitem__("vault", "00" * 20),
    "an address with a space": lambda tree: tree["assets"][0].__setitem__("vault", "0x" + "00 " * 20),
    "no kind of an instrument": lambda tree: tree["instruments"][0].__setitem__("kind", 99),
    "a number for a boolean": lambda tree: tree["crisis"]["default"].__setitem__("enabled", 1),
    "an object for a list": lambda tree: tree.__setitem__("feeds", {}),
    "a list for an object": lambda tree: tree.__setitem__("risk", []),
    "nothing": lambda tree: tree.__setitem__("risk", None),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_file_of_another_form_is_refused_by_both(second: SecondVerifier, name: str) -> None:
    tree = json.loads(genesis_to_json(KIT))
    CHANGES[name](tree)
    data = json.dumps(tree).encode()
    assert "R0102 MALFORMED: genesis" in second.ask(genesis=data)["refused"]
    with pytest.raises(CrossclearError):
        genesis_from_json(data)


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"{}x", b'{"name": "a", "name": "b"}', b'{"name": "\xff"}', b"[" * 10_000, b'{"name": "\\ud800"}'],
)
def test_what_is_no_json_is_refused(second: SecondVerifier, data: bytes) -> None:
    assert second.ask(genesis=data)["refused"].startswith("R0102 MALFORMED: genesis")
    with pytest.raises(CrossclearError):
        genesis_from_json(data)


def test_a_mark_of_the_byte_order_is_no_part_of_a_genesis(second: SecondVerifier) -> None:
    data = b"\xef\xbb\xbf" + genesis_to_json(KIT)
    assert second.ask(genesis=data)["refused"].startswith("R0102 MALFORMED: genesis")
    with pytest.raises(CrossclearError):
        genesis_from_json(data)


def test_a_package_is_held_to_the_genesis_in_the_words_of_the_command(second: SecondVerifier) -> None:
    data, genesis = (GOOD / "listed-custody.ccp").read_bytes(), LISTED
    known = verify_package(
        data,
        network=bytes([7]) * 32,
        validators_hash=genesis.validators.hash,
        genesis=genesis,
    )
    verdict = second.ask(
        file=data, genesis=genesis_to_json(genesis), network="07" * 32, validators_hash=genesis.validators.hash.hex()
    )
    assert [check["detail"] for check in verdict["checks"]] == [check.detail for check in known.checks]
    if known.ok:
        wanted = [line for line in known.not_proven if not line[0].isdigit()]
        assert [line for line in wanted if line not in verdict["notProven"]] == []


def test_without_an_amended_id_the_network_is_that_of_the_genesis(second: SecondVerifier) -> None:
    data, genesis = (GOOD / "listed-custody.ccp").read_bytes(), LISTED
    anchor = anchor_of_genesis(genesis_to_json(genesis))
    first = anchor.verify(data).checks[-1]
    verdict = second.ask(file=data, genesis=genesis_to_json(genesis))
    assert (verdict["refusal"]["check"], verdict["refusal"]["code"][:5]) == (first.name, f"R{first.code:04}")
