"""Paying a token into a vault from one's own wallet.

Rule: the vault's terms are asked first, and each call is tried before it is sent, so that a refusal costs no gas and
has the vault's reason. Amounts are base units of the token. The allowance is set to the amount, through zero where
there is another one: some tokens want that.
"""

from collections.abc import Callable

from bridge.codes import BridgeCode
from bridge.contracts.vault import allowance_call, approval_calls, balance_of_call, deposit_call
from bridge.evm.hexadecimal import malformed
from bridge.relay.transactions import Sender
from bridge.relay.vault_reader import VaultReader
from bridge.rpc.endpoint import Endpoint, view_call
from clearing.base.errors import RemoteFault
from clearing.genesis.json import genesis_from_json
from clearing.schema.terms.assets import Asset
from member.api.types import Address, Amount, Body, Hash, Id, hexed
from member.codes import NodeCode
from member.vaults.standing import send_named

WORD_BYTES = 32


class DepositMade(Body, frozen=True):
    """A deposit that is in a block. It is credited once the block is final and attested."""

    chain_id: Id
    vault: Address
    token: Address
    account: Id
    amount: Amount
    transaction: Hash
    block: Id


async def deposit_tokens(
    rpc: str,
    vault: bytes,
    token: bytes,
    account: int,
    amount: int,
    secret: bytes,
    progress: Callable[[str], None] = lambda _: None,
    on_chain: int | None = None,
) -> DepositMade:
    """Allow the vault to take `amount` of the wallet's token, and pay it in for an account.

    Raises RemoteFault TRANSACTION_REVERTED for what vault or token refuse, BAD_DEPOSIT for another amount than the
    vault's terms allow or the wallet has, WRONG_CHAIN for an endpoint of another chain than `on_chain`, and an
    endpoint's fault.
    """
    async with Endpoint(rpc) as endpoint:
        chain_id = await endpoint.chain_id()
        if on_chain not in (None, chain_id):
            raise RemoteFault(BridgeCode.WRONG_CHAIN, "rpc", chain_id=chain_id, expected=on_chain)
        sender = Sender(endpoint, chain_id, secret)
        terms = await VaultReader(endpoint, vault).listing(token)
        reads = (balance_of_call(sender.address), allowance_call(sender.address, vault))
        has, allowed = map(_amount, await endpoint.views([view_call(token, read) for read in reads]))
        if not terms.unit or amount % terms.unit or amount < terms.minimum or amount > has:
            raise RemoteFault(
                BridgeCode.BAD_DEPOSIT, "amount", amount=amount, unit=terms.unit, minimum=terms.minimum, balance=has
            )
        for call in approval_calls(vault, allowed, amount):
            await send_named(endpoint, sender, token, call)
            progress("the vault may take it")
        mined = await send_named(endpoint, sender, vault, deposit_call(token, amount, account))
    return DepositMade(
        chain_id=chain_id,
        vault=hexed(vault),
        token=hexed(token),
        account=account,
        amount=str(amount),
        transaction=hexed(mined.hash),
        block=mined.block_number,
    )


def check_listed(asset: Asset, genesis: bytes) -> None:
    """Raise RemoteFault VAULT_NOT_TRUSTED where this genesis file has no token at the same address, in the same vault
    and with the same decimals. Raises LocalFault for a file that is no genesis."""
    terms = genesis_from_json(genesis)
    wanted = (asset.chain_id, asset.vault, asset.token, asset.token_decimals)
    if wanted not in {(each.chain_id, each.vault, each.token, each.token_decimals) for each in terms.assets}:
        raise RemoteFault(
            NodeCode.VAULT_NOT_TRUSTED, asset.name, chain_id=asset.chain_id, vault=asset.vault, token=asset.token
        )


def _amount(answer: bytes) -> int:
    """Any of 256 bits: an allowance is often the largest there is."""
    if len(answer) != WORD_BYTES:
        raise malformed("token", len(answer))
    return int.from_bytes(answer, "big")
