"""Statements made to exhaust the verifier, or to claim rules that they leave out."""

import msgspec
import pytest

from clearing.base import bls
from clearing.base.errors import BaseCode, RemoteFault
from clearing.margin.statement.snapshot import Row, RowKind, Slot, SlotKind
from proofs.epoch.package import PART_BYTES_MAX, read_package, write_package
from proofs.statement.arithmetization import check_statement
from proofs.verify.package_verifier import verify_package
from tests.kit.proofs.cheated_package import signed_anew
from tests.kit.validator_records import unproven_validator


def shown(market, package, stated) -> bytes:
    """The package with this statement, certified by a set of the attacker's own."""
    return signed_anew(market, msgspec.structs.replace(read_package(package), statement=stated))


def many_maxima(stated, count, rows):
    slots = tuple(Slot(str(i), SlotKind.GROUP_MAX, i) for i in range(count))
    groups = tuple(map(str, range(count)))
    return msgspec.structs.replace(stated, scenarios=0, groups=groups, slots=slots, totals=(), rows=rows)


def test_rules_are_checked_in_a_time_that_grows_with_the_statement_only(market, package):
    """Work of maxima times rows, or of maxima times coefficients, would keep this test busy for hours."""
    many = tuple(Row(str(i), RowKind.AT_LEAST_ZERO, ()) for i in range(60_000))
    dense = (Row("maintenance", RowKind.AT_LEAST_ZERO, tuple((i, -1) for i in range(400_000))),)
    for rows in (many, dense):
        stated = many_maxima(market.statement(), 60_000, rows)
        book = bytes(48 + 32 * (2 + 60_000))  # as long as it must be
        forged = msgspec.structs.replace(read_package(package), statement=stated, book=book)
        assert verify_package(signed_anew(market, forged)).failed == "statement"


def test_a_statement_of_very_many_items_is_refused_before_it_is_built(market, package):
    """Three bytes of coefficient are eighty of memory."""
    tree = msgspec.msgpack.decode(package)
    place = read_package(package).__struct_fields__.index("statement")
    row = ["r", 1, [[0, 1]] * (PART_BYTES_MAX["statement"] // 3), 0, False]
    tree[place][7] = [row]
    with pytest.raises(RemoteFault, match="epoch package statement") as caught:
        read_package(msgspec.msgpack.encode(tree))
    assert caught.value.code == BaseCode.OVERSIZE


def test_more_validators_than_a_set_may_have_are_refused_before_their_keys_are_decoded(package):
    good = read_package(package)
    bls.decode_key.cache_clear()
    crowd = tuple(unproven_validator(i.to_bytes(32, "big"), i.to_bytes(48, "big")) for i in range(2_000))
    for count, failed in ((2_000, ("encoding",)), (257, ("encoding", "certificate"))):
        validators = msgspec.structs.replace(good.validators, validators=crowd[:count])
        forged = write_package(msgspec.structs.replace(good, validators=validators))
        assert verify_package(forged, validators_hash=bytes(32)).failed in failed
    assert bls.decode_key.cache_info().misses == 0


@pytest.mark.parametrize("data", [b"\x9a" + b"\x91" * 5_000, b"\x9a", b"\xdd\xff\xff\xff\xff", b"\x9b" + b"\xc0" * 11])
def test_parts_that_cannot_be_measured_fail_as_encoding(data):
    assert verify_package(data).failed == "encoding"


def paid_for(rows, name):
    """The rows with a constant in one that no loss exhausts."""
    return tuple(msgspec.structs.replace(row, constant=2**62) if row.name == name else row for row in rows)


def with_coefficient(stated, row_name, slot_name, coefficient):
    """The rows with another coefficient of this slot in one of them."""
    slot = [slot.name for slot in stated.slots].index(slot_name)
    return tuple(
        msgspec.structs.replace(row, coefficients=tuple(sorted((dict(row.coefficients) | {slot: coefficient}).items())))
        if row.name == row_name
        else row
        for row in stated.rows
    )


LEFT_OUT = {
    "a scenario, by naming its neighbour twice": lambda stated: {
        "rows": tuple(stated.rows[0] if row.name == "BTC/1" else row for row in stated.rows)
    },
    "a scenario, by a constant that pays for it": lambda stated: {"rows": paid_for(stated.rows, "BTC/1")},
    "the requirement, by a constant that pays for it": lambda stated: {"rows": paid_for(stated.rows, "maintenance")},
    "a group, by two maxima of another": lambda stated: {
        "slots": tuple(msgspec.structs.replace(slot, group=0) for slot in stated.slots)
    },
    "a group, by naming another twice": lambda _: {"groups": ("BTC", "BTC")},
    "a loss, by counting what the holder chooses as margin": lambda stated: {
        "rows": with_coefficient(stated, "maintenance", "max:BTC", 8)
    },
    "a group's own losses, by an instrument of another": lambda stated: {
        "rows": with_coefficient(stated, "ETH/0", "position:BTC-PERP", 1)
    },
}


@pytest.mark.parametrize("what", LEFT_OUT)
def test_a_statement_that_claims_what_it_leaves_out_is_refused_as_statement(market, package, what):
    stated = msgspec.structs.replace(market.statement(), **LEFT_OUT[what](market.statement()))
    with pytest.raises(RemoteFault, match="bad_statement"):
        check_statement(stated)
    assert verify_package(shown(market, package, stated)).failed == "statement"


def test_a_statement_of_no_scenario_is_no_statement_about_its_groups(market):
    stated = market.statement()
    rows = tuple(row for row in stated.rows if "/" not in row.name)
    with pytest.raises(RemoteFault, match="every scenario"):
        check_statement(msgspec.structs.replace(stated, scenarios=0, rows=rows))
