"""JSON of others is refused where a name stands twice in an object, and where it nests too deep."""

import ast
import json
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearing.base.errors import BaseCode, CodeBook, CrossclearError, LocalFault, RemoteFault
from clearing.base.plain_json import NESTING_MAX, DuplicateNameError, check_nesting, read_json
from clearing.genesis.json import genesis_from_json
from clearing.schema.codes import ClearingCode
from member.codes import NodeCode
from member.keys.keystore import parse_keystore
from member.signing.governance import read_value
from member.verifying.exits import read_exit_file
from member.verifying.fund import read_opening
from member.verifying.package import read_holdings
from node.api.calls import ApiRefusal
from node.api.calls import read_json as read_body
from tests.kit.refusals import refused
from tests.kit.sources import sources

TWICE = [
    b'{"a": 1, "a": 1}',
    b'{"a": 1, "b": {}, "\\u0061" : 2}',
    b'[[{"x": {"a": 1, "b": [{"c": 1, "d": 2, "c": {}}]}}]]',
    '{"Zürich": "a", "Z\\u00fcrich": "b"}'.encode(),
]
ONCE = [
    b'{"a": {"a": {"a": 1}}, "b": [{"a": 1}, {"a": 2}], "A": 1, "a ": 1}',
    b'{"a": "\\"a\\":", "b": "{\\"b\\":1,\\"b\\":2}", "c": "{\'a\':1,"}',
    b"12345678901234567890123456789",
    b'""',
]
READS_ITS_OWN = {
    "clearing/base/plain_json.py",
    "lab/models/named.py",  # refuses names that stand twice by itself
    "member/signing/governance.py",  # compares what it has written
    "devnet/anvil.py",  # a child process of the devnet
    "devnet/demo/main.py",
    "devnet/processes.py",
    "devnet/demo/report.py",
    "devnet/toolchain.py",
}

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=20,
)


@pytest.mark.parametrize("data", TWICE)
def test_a_name_that_stands_twice_is_refused_with_the_name(data: bytes) -> None:
    for given_as in (data, data.decode()):
        with pytest.raises(DuplicateNameError, match="occurs twice in one object"):
            read_json(given_as)


@pytest.mark.parametrize("data", ONCE)
def test_the_same_name_in_two_objects_is_none_twice(data: bytes) -> None:
    assert read_json(data) == msgspec.json.decode(data)


@given(values, st.booleans())
def test_what_has_each_name_once_is_read_as_it_is(value: object, escaped: bool) -> None:
    data = json.dumps(value, ensure_ascii=escaped).encode("utf-8", "replace")
    assert read_json(data) == msgspec.json.decode(data)


@given(st.dictionaries(st.text(max_size=4), st.integers(), min_size=1, max_size=5), st.data(), st.booleans())
def test_any_member_that_is_written_again_is_found(members: dict[str, int], data: st.DataObject, escaped: bool) -> None:
    name = data.draw(st.sampled_from(sorted(members)))
    again = json.dumps({name: 0}, ensure_ascii=escaped)[1:-1]
    parts = [json.dumps({each: value})[1:-1] for each, value in members.items()]
    parts.insert(data.draw(st.integers(0, len(parts))), again)
    text = "{" + ",".join(parts) + "}"
    with pytest.raises(DuplicateNameError):
        read_json(text)


@given(st.binary(max_size=60) | st.text(alphabet='{}[]",:\\a0 ', max_size=40).map(str.encode))
def test_any_bytes_are_read_as_before_or_refused_in_the_same_shape(data: bytes) -> None:
    try:
        plain = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        with pytest.raises((msgspec.DecodeError, UnicodeDecodeError, RecursionError)):
            read_json(data)
        return
    try:
        assert read_json(data) == plain
    except DuplicateNameError as refused:
        assert "occurs twice" in str(refused)


def test_the_body_of_a_request_is_refused() -> None:
    with pytest.raises(ApiRefusal) as body:
        read_body(b'{"a": 1, "a": 2}', dict[str, int])
    assert body.value.problem.code == NodeCode.API_BODY.label
    assert "occurs twice" in body.value.problem.message


@pytest.mark.parametrize(
    ("read", "fault", "code", "data"),
    [
        (genesis_from_json, RemoteFault, ClearingCode.BAD_GENESIS, b'{"name": "a", "name": "b"}'),
        (read_holdings, LocalFault, BaseCode.MALFORMED, b'{"cash:USD": "1", "cash:USD": "2"}'),
        (partial(read_value, "market"), LocalFault, BaseCode.MALFORMED, '{"trade_fee_ppm": 1, "trade_fee_ppm": 2}'),
    ],
)
def test_each_door_refuses_with_its_own_code(
    read: Callable[[Any], object], fault: type[CrossclearError], code: CodeBook, data: bytes | str
) -> None:
    with refused(code, fault) as caught:
        read(data)
    assert "occurs twice" in str(caught.value.values["why"])


@pytest.mark.parametrize(
    ("read", "code"),
    [(read_exit_file, BaseCode.MALFORMED), (read_opening, BaseCode.MALFORMED), (parse_keystore, NodeCode.KEY_FORMAT)],
)
def test_files_of_their_own_shape_are_refused_like_any_that_are_none(
    read: Callable[[bytes], object], code: CodeBook
) -> None:
    with refused(code, CrossclearError):
        read(b'{"format": "a", "format": "b"}')


def test_nothing_else_reads_json_of_others() -> None:
    for place, source in sources("clearing", "node", "proofs", "consensus").items():
        if place not in READS_ITS_OWN:
            calls = (found for found in ast.walk(ast.parse(source)) if isinstance(found, ast.Call))
            names = {ast.unparse(call.func) for call in calls}
            assert not names & {"json.loads", "json.load", "msgspec.json.decode"}, place


IMPORT_ALL = """
import importlib, pkgutil, sys
import msgspec
for package in ("clearing", "consensus", "proofs", "bridge", "node"):
    for module in pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}."):
        if module.name not in ("cli.__main__", "devnet.demo.main") and "node_modules" not in module.name:
            importlib.import_module(module.name)
assert "py_ecc" in sys.modules
try:
    msgspec.json.decode(b"[" * 1_000_000)
except RecursionError:
    print("refused")
"""


def test_no_module_leaves_the_recursion_limit_where_deep_bytes_end_the_process():
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", IMPORT_ALL], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "refused\n"), done.stderr[-500:]


@pytest.mark.parametrize("opening", [b"[", b'{"a":', b'[{"[":'])
def test_deep_nesting_is_refused_at_its_limit(opening):
    marks = sum(map(opening.replace(b'"["', b"").count, (b"[", b"{")))
    check_nesting(opening * (NESTING_MAX // marks), "file")
    with refused(BaseCode.MALFORMED):
        check_nesting(opening * (NESTING_MAX // marks + 1), "file")


def test_brackets_inside_texts_and_side_by_side_do_not_nest():
    check_nesting(b'["' + b"[" * 5_000 + rb"\"" + b"{" * 5_000 + b'"]', "file")
    check_nesting(b"[" + b"[]," * 5_000 + b"[]]", "file")


@given(st.binary(max_size=4_000), st.sampled_from([b'"', b'\\"', b'"\\', b"[]", b""]))
def test_any_bytes_are_judged_in_one_pass(data, filler):
    check_nesting(data[:NESTING_MAX] + filler * 100_000, "file")
