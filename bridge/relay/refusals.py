"""Why a contract refused a call: its error by name."""

from bridge.contracts.errors import error_text
from bridge.evm.hexadecimal import read_data
from bridge.rpc.endpoint import Refusal
from clearing.base.errors import RemoteFault


def refusal_text(name: str, refusal: Refusal) -> str:
    """The error of the contract with this artifact; the endpoint's own message where it returned no such error."""
    try:
        return error_text(name, read_data(refusal.data, "revert data")) or refusal.message
    except RemoteFault:
        return refusal.message
