"""Bytes that nest too deep are refused before a parser recurses, whatever limit a library has set."""

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearing.base.errors import BaseCode, RemoteFault
from clearing.base.plain_json import NESTING_MAX, check_nesting

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
    with pytest.raises(RemoteFault) as refused:
        check_nesting(opening * (NESTING_MAX // marks + 1), "file")
    assert refused.value.code == BaseCode.MALFORMED


def test_brackets_inside_texts_and_side_by_side_do_not_nest():
    check_nesting(b'["' + b"[" * 5_000 + rb"\"" + b"{" * 5_000 + b'"]', "file")
    check_nesting(b"[" + b"[]," * 5_000 + b"[]]", "file")


@given(st.binary(max_size=4_000), st.sampled_from([b'"', b'\\"', b'"\\', b"[]", b""]))
def test_any_bytes_are_judged_in_one_pass(data, filler):
    check_nesting(data[:NESTING_MAX] + filler * 100_000, "file")
