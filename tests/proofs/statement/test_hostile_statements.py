"""Statements made to exhaust the verifier, or to claim rules that they leave out."""

import msgspec
import pytest

from clearing.base import bls
from clearing.base.errors import BaseCode, RemoteFault
from clearing.base.validators import Validator
from clearing.margin.statement.snapshot import Row, RowKind, Slot, SlotKind
from proofs.epoch.package import PART_BYTES_MAX, commitments_root, read_package, write_package
from proofs.statement.arithmetization import check_statement
from proofs.verify.package_verifier import verify_package


def shown(market, package, stated) -> bytes:
    """The package with this statement, certified by a set of the attacker's own."""
    good = read_package(package)
    header, certificate, validators = market.certified(commitments_root(stated, good.commitments, market.N))
    return write_package(
        msgspec.structs.replace(good, statement=stated, header=header, certificate=certificate, validators=validators)
    )


def many_maxima(stated, count, rows):
    slots = tuple(Slot(str(i), SlotKind.GROUP_MAX, i) for i in range(count))
    groups = tuple(map(str, range(count)))
    return msgspec.structs.replace(stated, scenarios=0, groups=groups, slots=slots, totals=(), rows=rows)


def test_rules_are_checked_in_a_time_that_grows_with_the_statement_only(market, package):
    """Work of maxima times rows, or of maxima times coefficients, would keep this test busy for hours."""
    rows = tuple(Row(str(i), RowKind.AT_LEAST_ZERO, ()) for i in range(60_000))
    assert verify_package(shown(market, package, many_maxima(market.statement(), 60_000, rows))).failed == "statement"
    dense = (Row("maintenance", RowKind.AT_LEAST_ZERO, tuple((i, -1) for i in range(400_000))),)
    assert verify_package(shown(market, package, many_maxima(market.statement(), 60_000, dense))).failed == "statement"


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
    crowd = tuple(Validator(i.to_bytes(32, "big"), i.to_bytes(48, "big"), 1, bytes(96)) for i in range(2_000))
    validators = msgspec.structs.replace(good.validators, validators=crowd)
    forged = write_package(msgspec.structs.replace(good, validators=validators))
    assert verify_package(forged, validators_hash=bytes(32)).failed == "encoding"
    few = msgspec.structs.replace(good.validators, validators=crowd[:257])
    forged = write_package(msgspec.structs.replace(good, validators=few))
    assert verify_package(forged, validators_hash=bytes(32)).failed in ("encoding", "certificate")
    assert bls.decode_key.cache_info().misses == 0


@pytest.mark.parametrize("data", [b"\x9a" + b"\x91" * 5_000, b"\x9a", b"\xdd\xff\xff\xff\xff", b"\x9b" + b"\xc0" * 11])
def test_parts_that_cannot_be_measured_fail_as_encoding(data):
    assert verify_package(data).failed == "encoding"


def replaced(row_at, change):
    def apply(stated):
        rows = list(stated.rows)
        at = next(i for i, row in enumerate(rows) if row.name == row_at)
        rows[at] = change(rows, rows[at])
        return msgspec.structs.replace(stated, rows=tuple(rows))

    return apply


def slots_of_one_group(stated):
    slots = tuple(msgspec.structs.replace(slot, group=0) for slot in stated.slots)
    return msgspec.structs.replace(stated, slots=slots)


LEFT_OUT = {
    "a scenario, by naming its neighbour twice": replaced("BTC/1", lambda rows, row: rows[0]),
    "a scenario, by a constant that pays for it": replaced(
        "BTC/1", lambda rows, row: msgspec.structs.replace(row, constant=2**62)
    ),
    "the requirement, by a constant that pays for it": replaced(
        "maintenance", lambda rows, row: msgspec.structs.replace(row, constant=2**62)
    ),
    "a group, by two maxima of another": slots_of_one_group,
    "a group, by naming another twice": lambda stated: msgspec.structs.replace(stated, groups=("BTC", "BTC")),
}


@pytest.mark.parametrize("what", LEFT_OUT)
def test_a_statement_that_claims_what_it_leaves_out_is_refused_as_statement(market, package, what):
    stated = LEFT_OUT[what](market.statement())
    with pytest.raises(RemoteFault, match="bad_statement"):
        check_statement(stated)
    assert verify_package(shown(market, package, stated)).failed == "statement"


def test_a_statement_of_no_scenario_is_no_statement_about_its_groups(market):
    stated = market.statement()
    rows = tuple(row for row in stated.rows if "/" not in row.name)
    with pytest.raises(RemoteFault, match="every scenario"):
        check_statement(msgspec.structs.replace(stated, scenarios=0, rows=rows))
