"""`NodeRefusal`: what a node refused, under the node's own code.

Rule: a code that this release knows has the same remedy and exit code here as at the node. The node's words are a
stranger's text: bounded, and printed without what could steer a terminal.
"""

from functools import cache

from bridge.codes import BridgeCode
from clearing.base.errors import BaseCode, CodeBook, LocalFault
from clearing.schema.codes import ClearingCode
from consensus.codes import ConsensusCode
from member.api.types import Problem
from member.codes import NodeCode
from proofs.errors import ProofCode

TEXT_CHARS_MAX = 1_000


class NodeRefusal(LocalFault):
    """A request that the node answered with a refusal; `status` is its HTTP status."""

    def __str__(self) -> str:
        message, status, node = (str(self.values[name]) for name in ("message", "status", "node"))
        return f"{message} (status {status} of {node})"


def refusal_of(problem: Problem, status: int, url: str) -> NodeRefusal:
    """The node's refusal; API_REFUSED with the node's words where the code is not known here."""
    code = _codes().get(problem.code, NodeCode.API_REFUSED)
    message = problem.message[:TEXT_CHARS_MAX]
    if code is NodeCode.API_REFUSED:
        message = f"{code.label} {code.name.lower()}: {problem.code[:16]}: {message} {problem.remedy[:TEXT_CHARS_MAX]}"
    return NodeRefusal(code, problem.at[:TEXT_CHARS_MAX], status=status, node=url, message=message)


def code_of(number: int) -> CodeBook | None:
    """The code with this number, of any package that a node runs; None where this release has none."""
    return _codes().get(f"R{number:04d}")


@cache
def _codes() -> dict[str, CodeBook]:
    books: tuple[type[CodeBook], ...] = (BaseCode, ClearingCode, ConsensusCode, BridgeCode, ProofCode, NodeCode)
    return {code.label: code for book in books for code in book}
