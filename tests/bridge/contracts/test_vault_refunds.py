"""A deposit that the network cannot credit goes back, through the real vault, to who made it."""

from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from bridge.evm.events import event_fact, read_event
from bridge.evm.receipts import Log
from clearing.schema.facts import DepositSeen
from clearing.schema.receipts.collateral import DepositRefundDue, DepositsRefunded
from clearing.schema.terms.assets import Asset
from clearing.state.withdrawals_tree import withdrawal_proof, withdrawals_root
from tests.kit.bridge.vault_chain import UNIT, VaultChain, make_header, refused
from tests.kit.clearing.genesis import USD, USDC_1
from tests.kit.clearing.strays import tight_genesis
from tests.kit.clearing.world import World

pytestmark = pytest.mark.chain
NOBODY = 999


def deposit_fact(vault: VaultChain, receipt: Any) -> DepositSeen:
    """The deposit as a validator attests it."""
    for entry in receipt["logs"]:
        log = Log(bytes.fromhex(entry["address"][2:]), tuple(map(bytes, entry["topics"])), bytes(entry["data"]))
        event = read_event(log) if log.address == vault.vault_at.address else None
        if event is not None:
            block: Any = SimpleNamespace(number=receipt["blockNumber"], hash=bytes(receipt["blockHash"]))
            fact = event_fact(vault.chain.chain_id, log, event, block, 0, 0)
            assert isinstance(fact, DepositSeen)
            return fact
    raise AssertionError(receipt)


def ledger_of(vault: VaultChain) -> World:
    """A ledger whose only chain is the vault's, and which lists one of its tokens."""
    genesis = tight_genesis(stray_blocks=0)
    chain_id, at = vault.chain.chain_id, vault.vault_at.address
    chain = msgspec.structs.replace(genesis.chains[0], chain_id=chain_id, vault=at)
    listed = Asset(USDC_1, "USD", chain_id, at, vault.token_at.address, 8, 6, USD, 0, 0, 10**6)
    market = msgspec.structs.replace(genesis.market, withdrawal_valid_ms=10**13)
    return World(msgspec.structs.replace(genesis, chains=(chain,), assets=(listed,), market=market))


def test_strays_come_back_to_their_depositor_in_one_payment_of_each_token(vault: VaultChain) -> None:
    ledger = ledger_of(vault)
    deposits = [(3, vault.token_at), (4, vault.token_at), (5, vault.other_at)]
    facts = [deposit_fact(vault, vault.deposit(units * UNIT, NOBODY, at)) for units, at in deposits]
    assert {fact.depositor.hex() for fact in facts} == {vault.user.address[2:].lower()}
    tokens = [vault.token, vault.user.contract("TestToken", vault.other_at)]
    before = [token.functions.balanceOf(vault.user.address).call() for token in tokens]
    result = ledger.block(facts=facts)
    assert len([each for each in result.receipts if isinstance(each, DepositRefundDue)]) == 3
    refunds = [each for each in result.receipts if isinstance(each, DepositsRefunded)]
    count = ledger.state.now.withdrawals_released
    root = withdrawals_root(ledger.state)
    vault.certified(make_header(vault.signers, 7, withdrawals_root=root, withdrawals_count=count))
    for refund in refunds:
        nonce = refund.withdrawal
        leaf = ledger.state.withdrawals[nonce]
        amount = int.from_bytes(leaf.amount, "big")
        claim = (nonce, leaf.account, leaf.token, leaf.to, amount, leaf.not_after_s)
        proof = withdrawal_proof(ledger.state, (nonce,), count)
        vault.withdraw(claim, proof)
        assert refused(vault.withdraw, claim, proof) == "AlreadyPaid"
    after = [token.functions.balanceOf(vault.user.address).call() for token in tokens]
    assert [late - early for early, late in zip(before, after, strict=True)] == [7 * UNIT, 5 * UNIT]
