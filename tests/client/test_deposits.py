"""Calldata of deposits is what the vault takes, alike in both clients."""

import json
import subprocess

import pytest

from bridge.contracts.vault import approve_call, deposit_call, deposit_native_call
from bridge.evm.events import DEPOSITED
from clearing.base.hashing import keccak256
from crossclear_client import allowance_call, deposit_calls, deposit_number, native_deposit_call
from crossclear_client.errors import BadField
from devnet.toolchain import CLIENT, node_path

VAULT, TOKEN, AMOUNT, ACCOUNT = b"\x0a" * 20, b"\x0b" * 20, 10**30 + 7, 2**63 - 1
OWNER = b"\x0c" * 20
RECEIPT = {
    "logs": [
        {"address": "0x" + TOKEN.hex(), "topics": ["0x" + DEPOSITED.hex(), "0x1"]},
        {"address": "0x" + VAULT.hex(), "topics": ["0x" + bytes(32).hex(), "0x2"]},
        {"address": "0x" + VAULT.hex().upper(), "topics": ["0x" + DEPOSITED.hex(), "0x3"]},
    ]
}


def test_calls_are_those_of_the_vault() -> None:
    approval, deposit = deposit_calls(VAULT, TOKEN, AMOUNT, ACCOUNT)
    assert (approval.to, approval.data, approval.value) == (TOKEN, approve_call(VAULT, AMOUNT), 0)
    assert (deposit.to, deposit.data, deposit.value) == (VAULT, deposit_call(TOKEN, AMOUNT, ACCOUNT), 0)
    native = native_deposit_call(VAULT, AMOUNT, ACCOUNT)
    allowance = allowance_call(VAULT, TOKEN, OWNER)
    assert (allowance.to, allowance.value) == (TOKEN, 0)
    assert allowance.data == keccak256(b"allowance(address,address)")[:4] + bytes(12) + OWNER + bytes(12) + VAULT
    assert (native.to, native.data, native.value) == (VAULT, deposit_native_call(ACCOUNT), AMOUNT)


def test_the_number_of_a_deposit_is_the_vaults_alone() -> None:
    assert deposit_number(RECEIPT, VAULT) == 3
    with pytest.raises(BadField):
        deposit_number({"logs": RECEIPT["logs"][:2]}, VAULT)


@pytest.mark.parametrize(("vault", "amount"), [(VAULT[1:], 1), (VAULT, -1), (VAULT, 1 << 256)])
def test_what_is_no_address_or_amount_is_refused(vault: bytes, amount: int) -> None:
    with pytest.raises(BadField):
        deposit_calls(vault, TOKEN, amount, ACCOUNT)


def test_both_clients_make_the_same() -> None:
    vault, token, owner = ("0x" + each.hex() for each in (VAULT, TOKEN, OWNER))
    built = json.dumps(str(CLIENT / "build" / "index.js"))
    script = f"""
        import {{ allowanceCall, depositCalls, depositNumber, nativeDepositCall }} from {built};
        const [vault, amount, account] = ["{vault}", {AMOUNT}n, {ACCOUNT}n];
        const calls = [
          ...depositCalls(vault, "{token}", amount, account), nativeDepositCall(vault, amount, account),
          allowanceCall(vault, "{token}", "{owner}"),
        ];
        const number = depositNumber({json.dumps(RECEIPT["logs"])}, vault);
        console.log(JSON.stringify({{ calls, number: Number(number) }}));
    """
    words = [str(node_path()), "--input-type=module", "--eval", script]
    found = json.loads(subprocess.run(words, capture_output=True, text=True, check=True).stdout)
    calls = (
        *deposit_calls(VAULT, TOKEN, AMOUNT, ACCOUNT),
        native_deposit_call(VAULT, AMOUNT, ACCOUNT),
        allowance_call(VAULT, TOKEN, OWNER),
    )
    assert found["calls"] == [
        {"to": "0x" + each.to.hex(), "data": "0x" + each.data.hex(), "value": hex(each.value)} for each in calls
    ]
    assert found["number"] == 3
