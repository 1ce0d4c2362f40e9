"""Nothing that moves money can be called from inside a token."""

from typing import Any

import pytest
from web3 import Web3

from tests.kit.bridge.vault_chain import UNIT, VaultChain, refused

pytestmark = pytest.mark.chain
NOBODY = "0x" + "00" * 20
LEAF = (bytes(32), 1, 0, 0, NOBODY, NOBODY, 0, 0, 0)
CALLS: dict[str, tuple[Any, ...]] = {
    "deposit": (NOBODY, 0, 0),
    "depositWithPermit": (NOBODY, 0, 0, 0, 0, bytes(32), bytes(32)),
    "depositNative": (0,),
    "withdraw": ((0, 0, NOBODY, NOBODY, 0, 0), 0, []),
    "withdrawBatch": ([], 0, []),
    "claimExit": (LEAF, (0, 0, [])),
    "refundDeposit": (0, (NOBODY, 0, 0, NOBODY)),
}


def calling_back(data: bytes) -> bytes:
    """Code that answers every call by calling the caller with this data, and refuses with what it is told."""
    size = len(data).to_bytes(2, "big")
    # CODECOPY of the data, which follows the code; CALL; RETURNDATACOPY; REVERT.
    head = b"\x61" + size + b"\x61" + bytes([0, 30]) + bytes.fromhex("5f395f5f") + b"\x61" + size
    code = head + bytes.fromhex("5f5f335af1503d5f5f3e3d5ffd")
    return code.ljust(30, b"\0") + data


@pytest.mark.parametrize("name", CALLS)
def test_no_function_that_moves_money_is_called_from_inside_a_token(vault: VaultChain, name: str) -> None:
    data = bytes.fromhex(vault.vault.encode_abi(name, CALLS[name])[2:])
    token = Web3.to_checksum_address(vault.moody_at.address)
    vault.chain.rpc("anvil_setCode", token, "0x" + calling_back(data).hex())
    assert refused(vault.deposit, UNIT, at=vault.moody_at) == "ReentrancyGuardReentrantCall"
