"""A header has at most 64 deposit cursors and 16 module roots: nodes and verifiers refuse the same ones."""

from typing import Any

import pytest

from clearing.base.header import CHAINS_MAX, MODULES_MAX, DepositCursor
from proofs.verify.package_verifier import verify_package
from tests.kit.proofs.negatives.making import certified
from tests.kit.proofs.second_verifier import SecondVerifier

CURSORS = tuple(DepositCursor(chain, bytes(20), chain) for chain in range(CHAINS_MAX + 1))
ROOTS = tuple(bytes([number]) * 32 for number in range(MODULES_MAX + 1))


@pytest.mark.parametrize(
    ("changes", "short"),
    [
        ({"deposit_cursors": CURSORS[:-1], "module_roots": ROOTS[:-1]}, True),
        ({"deposit_cursors": (), "module_roots": ()}, True),
        ({"deposit_cursors": CURSORS}, False),
        ({"module_roots": ROOTS}, False),
    ],
    ids=["at both limits", "none", "a cursor more", "a root more"],
)
def test_a_header_beyond_a_limit_is_refused_although_a_quorum_signed_it(
    second: SecondVerifier, changes: dict[str, Any], short: bool
) -> None:
    data = certified({}, **changes)
    first, answer = verify_package(data), second.ask(file=data)
    assert (first.ok, answer["ok"]) == (short, short), (first.checks, answer["checks"])
    if not short:
        last = answer["checks"][-1]
        assert (first.checks[-1].name, last["name"], last["code"]) == ("encoding", "encoding", "R0102 malformed")
        assert first.checks[-1].code is not None
        assert first.checks[-1].code.name == "MALFORMED"
