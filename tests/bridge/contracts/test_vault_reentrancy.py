"""Nothing that moves money can be called from inside a token."""

from typing import Any

import pytest
from web3 import Web3

from clearing.base.codec import u256
from tests.kit.bridge.certified import certify, released
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


def asking_whether_it_is_paid(vault: VaultChain) -> str:
    """Code of a token with one balance, in slot 0. A transfer keeps in slot 1 whether withdrawal 0 is paid by then."""
    selector = vault.vault.encode_abi("isPaid", [0])[2:10].ljust(64, "0")
    move, answer_true, balance_of = "6024355f54035f55", "60015f5260205ff3", "5b5f545f5260205ff3"
    ask = f"7f{selector}5f526020604060245f335afa50604051600155"
    head = f"3660241460{7 + len(move + ask + answer_true) // 2:02x}57"
    return "0x" + head + move + ask + answer_true + balance_of


def test_a_payment_is_on_record_before_its_token_is_called(vault: VaultChain) -> None:
    vault.deposit(10 * UNIT, at=vault.moody_at)
    entry, leaf = released(vault, 0, token=vault.moody_at.address)
    tree, token = certify(vault, [leaf]), Web3.to_checksum_address(vault.moody_at.address)
    vault.chain.rpc("anvil_setCode", token, asking_whether_it_is_paid(vault))
    vault.chain.rpc("anvil_setStorageAt", token, "0x0", "0x" + u256(10 * UNIT).hex())
    vault.withdraw(entry, tree.proof(0))
    assert int(vault.chain.rpc("eth_getStorageAt", token, "0x1", "latest"), 16) == 1
