"""`deposit_tokens`: what a wallet pays into a vault, and what is refused before anything is sent."""

import pytest
import trio

from bridge.codes import BridgeCode
from bridge.contracts.deploy import Deployed
from member.vaults.deposit import DepositMade, deposit_tokens
from tests.kit.bridge.vault_chain import LEAST, UNIT, USER, VaultChain, address_of
from tests.kit.refusals import refused

pytestmark = pytest.mark.chain
STRANGER = b"\x5a" * 32


def pay(vault: VaultChain, at: Deployed, amount: int, secret: bytes = USER, account: int = 7) -> DepositMade:
    place = vault.chain.url, vault.vault_at.address, at.address
    return trio.run(deposit_tokens, *place, account, amount, secret)


def nonces(vault: VaultChain, secret: bytes) -> int:
    answer: str = vault.chain.rpc("eth_getTransactionCount", address_of(secret), "latest")
    return int(answer, 16)


@pytest.mark.parametrize("allowed", [0, 1, 5 * UNIT, 2**256 - 1])
def test_a_deposit_is_paid_in_for_the_account_whatever_was_allowed_before(vault: VaultChain, allowed: int) -> None:
    vault.user.send(vault.token.functions.approve(vault.vault.address, allowed))
    before = vault.balance(vault.token_at.address)
    made = pay(vault, vault.token_at, 3 * UNIT)
    assert (made.account, made.amount, made.chain_id) == (7, str(3 * UNIT), vault.chain.chain_id)
    assert vault.balance(vault.token_at.address) == before + 3 * UNIT
    receipt = vault.chain.rpc("eth_getTransactionReceipt", made.transaction)
    assert (int(receipt["status"], 16), int(receipt["blockNumber"], 16)) == (1, made.block)


@pytest.mark.parametrize(
    ("token", "amount"),
    [("token", UNIT + 1), ("token", UNIT - 1), ("other", LEAST - UNIT), ("token", 10**9 * UNIT), ("verifier", UNIT)],
)
def test_an_amount_that_vault_or_wallet_refuse_costs_nothing(vault: VaultChain, token: str, amount: int) -> None:
    sent = nonces(vault, USER)
    at = {"token": vault.token_at, "other": vault.other_at, "verifier": vault.verifier_at}[token]
    if token == "verifier":
        with pytest.raises(Exception, match="R06"):
            pay(vault, at, amount)
    else:
        with refused(BridgeCode.BAD_DEPOSIT):
            pay(vault, at, amount)
    assert nonces(vault, USER) == sent


def test_a_wallet_without_tokens_is_told_so(vault: VaultChain) -> None:
    vault.chain.fund(address_of(STRANGER))
    with refused(BridgeCode.BAD_DEPOSIT) as caught:
        pay(vault, vault.token_at, UNIT, STRANGER)
    assert "balance=0" in str(caught.value)
    assert nonces(vault, STRANGER) == 0
