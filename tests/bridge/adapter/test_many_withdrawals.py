"""Three relayers, a thousand withdrawals, and as many of another chain that move the root: hardly a call is lost."""

import math
from bisect import bisect_right

import pytest
import trio
from eth_account import Account

from bridge.contracts.vault import VaultClaim
from bridge.relay.claim_queue import ClaimQueue, RelayerPlace
from bridge.relay.relayer import Relayable, Relayed, Relayer
from bridge.relay.transactions import Sender
from bridge.rpc.endpoint import Endpoint
from clearing.base.withdrawal_leaves import withdrawal_leaf_hash
from tests.kit.bridge.certified import LeafProofs
from tests.kit.bridge.vault_chain import VaultChain, make_header, make_signers
from tests.kit.until import patiently

pytestmark = pytest.mark.chain
CHAIN_ID = 31337
RELAYERS = 3
WITHDRAWALS = 1_000
CHECKPOINTS_MOST = 3
"""The newest checkpoint when a withdrawal is paid is at most so many after the one under which it could be claimed."""
A_ROUND = 50
"""Withdrawals that the network releases between two looks at it, as many again for other chains."""


class Network:
    """A network that releases withdrawals of two chains in turn, header by header."""

    def __init__(self, vault: VaultChain) -> None:
        self.vault = vault
        self.claims: list[VaultClaim] = []
        self.leaves: list[bytes] = []

    def release(self) -> None:
        token = self.vault.token_at.address
        for _ in range(A_ROUND):
            for here in (True, False):
                nonce = len(self.leaves)
                claim = VaultClaim(nonce, 1, token, (nonce + 1).to_bytes(20, "big"), 1, 2**40)
                chain = CHAIN_ID if here else CHAIN_ID + 1
                place = (chain, self.vault.vault_at.address, nonce, 1, token, claim.to, 1, 2**40)
                self.leaves.append(withdrawal_leaf_hash(*place))
                self.claims += [claim] if here else []

    def relayable(self, index: int) -> Relayable:
        """What it gives a relayer: it learns of no payment, because none becomes final before the end."""
        total = len(self.leaves)
        proofs = LeafProofs(self.leaves)
        signers = self.vault.signers
        header = make_header(signers, total + 1, withdrawals_root=proofs.root(total), withdrawals_count=total)
        certificate = signers.certify(header, (0, 1, 2))
        place = RelayerPlace(index, RELAYERS)
        return Relayable(header, certificate, signers.validators, tuple(self.claims), proofs, place=place)


def checkpoints_waited(vault: VaultChain) -> list[int]:
    """For each payment, how many checkpoints were accepted after the first under which it could be claimed."""
    events, counts, waited = vault.vault.events, list[int](), list[int]()
    logs = [*events.Checkpointed().get_logs(from_block=0), *events.Withdrawn().get_logs(from_block=0)]
    for log in sorted(logs, key=lambda log: (log["blockNumber"], log["logIndex"])):
        if log["event"] == "Checkpointed":
            counts.append(log["args"]["withdrawalsCount"])
        else:
            claimable = bisect_right(counts, log["args"]["nonce"])
            waited.append(len(counts) - 1 - claimable)
    assert len(waited) == WITHDRAWALS
    return waited


async def test_three_relayers_pay_a_thousand_withdrawals_and_lose_hardly_a_call(anvil) -> None:
    vault = VaultChain(anvil(), make_signers((1, 1, 1, 1)))
    await trio.to_thread.run_sync(vault.deposit, 100 * WITHDRAWALS)
    network, paid, relayed_rounds = Network(vault), set[int](), list[Relayed]()

    async def relay(index: int) -> None:
        secret = bytes([index + 20]) * 32
        vault.chain.fund(Account.from_key(secret).address)
        async with Endpoint(vault.chain.url) as endpoint:
            sender = Sender(endpoint, CHAIN_ID, secret)
            queue = ClaimQueue(takeover_seconds=3.0, retry_seconds=1.0, hold_seconds=math.inf)
            relayer = Relayer(endpoint, sender, vault.vault_at.address, 10**9, queue)
            for _ in patiently(f"{WITHDRAWALS} are never paid"):
                if len(paid) >= WITHDRAWALS:
                    break
                relayed = await relayer.relay(network.relayable(index))
                relayed_rounds.append(relayed)
                paid.update(relayed.claims)
                await trio.sleep(0.02)

    async with trio.open_nursery() as nursery:
        for index in range(RELAYERS):
            nursery.start_soon(relay, index)
        for _ in range(WITHDRAWALS // A_ROUND):
            network.release()
            await trio.sleep(0.2)
    assert vault.view("withdrawn", vault.token.address) == WITHDRAWALS
    assert max(checkpoints_waited(vault)) <= CHECKPOINTS_MOST, "nobody waits for long"
    claims = [relayed.claimed for relayed in relayed_rounds if relayed.claimed]
    refused = [nonce for relayed in relayed_rounds for nonce, _ in relayed.refused]
    assert len(refused) < WITHDRAWALS // 50
    assert len(claims) < WITHDRAWALS // 10, "most went in batches"
    assert sum(claim.gas_used for claim in claims) < 45_000 * WITHDRAWALS
