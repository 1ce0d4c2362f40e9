"""Claims of withdrawals at a vault by anybody who pays the transaction: what the vault knows of one, and the claim.

Rule: the node's proof is checked by the vault. The money always goes to the address in the withdrawal.
"""

from bridge.codes import BridgeCode
from bridge.contracts import vault
from bridge.contracts.vault import VaultClaim
from bridge.evm.hexadecimal import read_data
from bridge.relay.transactions import Mined, Sender
from bridge.rpc.endpoint import Endpoint, RpcCall, accepted, view_call
from clearing.base.errors import RemoteFault
from member.api.types import Body, Id, octets
from member.api.withdrawals import WithdrawalProofView
from member.client.node_client import NodeClient
from member.codes import NodeCode


class AtVault(Body, frozen=True):
    """A withdrawal as the network and its vault see it."""

    withdrawal: WithdrawalProofView
    vault_height: Id
    """Of the vault's newest checkpoint."""
    vault_count: Id
    """Withdrawals under its newest root."""
    root_number: Id
    paid: bool

    @property
    def is_known(self) -> bool:
        """Whether the withdrawal is under the vault's newest root."""
        return self.withdrawal.nonce < self.vault_count


async def find_at_vault(client: NodeClient, rpc: str, nonce: int) -> AtVault:
    """Ask the node, and the vault through an endpoint of its chain. Raises as `claim_at_vault`."""
    async with Endpoint(rpc) as endpoint:
        return await _look_up(client, endpoint, nonce)


async def claim_at_vault(client: NodeClient, rpc: str, nonce: int, secret: bytes) -> tuple[AtVault, Mined | None]:
    """Claim a withdrawal that its vault knows and has not paid; None for the claim when there is none to make.

    `secret`: the key that pays for the transaction. Raises RemoteFault: WRONG_CHAIN for an endpoint of another chain,
    TRANSACTION_REVERTED when the vault refuses, before anything is sent.
    """
    async with Endpoint(rpc) as endpoint:
        found = await _look_up(client, endpoint, nonce)
        if found.paid or not found.is_known:
            return found, None
        proven = await client.withdrawal_proof(nonce, found.vault_count)
        if _leaf(proven) != _leaf(found.withdrawal):
            raise RemoteFault(NodeCode.NODE_ANSWER, "withdrawal proof", why="another withdrawal than before")
        claim = VaultClaim(
            proven.nonce,
            proven.account,
            octets(proven.token),
            octets(proven.to),
            int(proven.amount),
            proven.not_after_s,
        )
        siblings = [octets(sibling) for sibling in proven.siblings]
        call = vault.withdraw_call(claim, found.root_number, siblings)
        return found, await Sender(endpoint, proven.chain_id, secret).send(octets(proven.vault), call)


async def _look_up(client: NodeClient, endpoint: Endpoint, nonce: int) -> AtVault:
    withdrawal = await client.withdrawal_proof(nonce)
    if withdrawal.nonce != nonce or int(withdrawal.amount) >> 256:
        raise RemoteFault(NodeCode.NODE_ANSWER, "withdrawal proof", nonce=withdrawal.nonce, asked=nonce)
    at = octets(withdrawal.vault)
    calls = [view_call(at, call) for call in (vault.latest_call(), vault.is_paid_call(nonce))]
    chain_id, latest, paid = await endpoint.batch((RpcCall("eth_chainId", ()), *calls))
    if chain_id != hex(withdrawal.chain_id):
        raise RemoteFault(BridgeCode.WRONG_CHAIN, "rpc", chain_id=str(chain_id)[:40], expected=withdrawal.chain_id)
    newest = vault.read_checkpoint(read_data(accepted(latest, "eth_call"), "latest", vault.CHECKPOINT_BYTES))
    return AtVault(
        withdrawal=withdrawal,
        vault_height=newest.height,
        vault_count=newest.withdrawals_count,
        root_number=newest.root_number,
        paid=any(read_data(accepted(paid, "eth_call"), "isPaid", 32)),
    )


def _leaf(view: WithdrawalProofView) -> tuple[object, ...]:
    """What is claimed, without its proof and its status."""
    return (view.nonce, view.chain_id, view.vault, view.account, view.token, view.to, view.amount, view.not_after_s)
