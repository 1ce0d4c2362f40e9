"""The state of a vault as it says itself, and the guardian's brake.

Rule: one endpoint is believed; the vault alone decides who may pause it.
"""

from collections.abc import Sequence

from bridge.codes import BridgeCode
from bridge.contracts.vault import pause_call
from bridge.evm.hexadecimal import hex_data
from bridge.relay.refusals import refusal_text
from bridge.relay.transactions import Mined, Sender
from bridge.relay.vault_reader import VaultReader
from bridge.rpc.endpoint import Endpoint, Refusal, RpcCall
from clearing.base.errors import RemoteFault
from member.api.types import Address, Amount, Body, Hash, Id, hexed


class TokenAtVault(Body, frozen=True):
    """A token, in base units. `unit` is 0 where it is not listed."""

    token: Address
    unit: Amount
    minimum: Amount
    deposited: Amount
    withdrawn: Amount
    owed: Amount
    """Deposited minus withdrawn: what it has to have."""
    balance: Amount


class VaultStandingView(Body, frozen=True):
    """`crossclear vault status`. Times in seconds; 0: not."""

    chain_id: Id
    vault: Address
    network: Hash
    now: Id
    height: Id
    """Of the newest checkpoint; 0 before the first."""
    trusted_at: Id
    trusted_until: Id
    root_number: Id
    withdrawals_count: Id
    deposit_nonce: Id
    validators_hash: Hash
    has_keys: bool
    guardian: Address
    orders_from: Id
    """Orders of the network before this leaf of the withdrawals tree are void: one that it followed, too."""
    paused_until: Id
    is_frozen: bool
    """Conflicting headers were shown to it."""
    stage: str
    """Of its escape."""
    silent_from: Id
    escape_from: Id
    payments_from: Id
    tokens: tuple[TokenAtVault, ...]


async def vault_standing(rpc: str, at: bytes, tokens: Sequence[bytes]) -> VaultStandingView:
    """The state of the vault at an address. Raises RemoteFault for an endpoint's faults."""
    async with Endpoint(rpc) as endpoint:
        return await read_standing(endpoint, at, tokens)


async def read_standing(endpoint: Endpoint, at: bytes, tokens: Sequence[bytes] = ()) -> VaultStandingView:
    """The same through an endpoint."""
    reader = VaultReader(endpoint, at)
    bindings, trusted, standing = await reader.bindings(), await reader.trusted_set(), await reader.standing()
    checkpoint, times = standing.checkpoint, standing.times
    return VaultStandingView(
        chain_id=await endpoint.chain_id(),
        vault=hexed(at),
        network=hexed(bindings.network),
        now=standing.now,
        height=checkpoint.height,
        trusted_at=checkpoint.trusted_at,
        trusted_until=checkpoint.trusted_at + bindings.trusting_s,
        root_number=checkpoint.root_number,
        withdrawals_count=checkpoint.withdrawals_count,
        deposit_nonce=standing.deposit_nonce,
        validators_hash=hexed(trusted.hash),
        has_keys=trusted.keys_hash == trusted.hash,
        guardian=hexed(bindings.guardian),
        orders_from=standing.orders_from,
        paused_until=standing.paused_until if standing.is_paused else 0,
        is_frozen=standing.is_frozen,
        stage=standing.stage.name.lower(),
        silent_from=times.silent_from,
        escape_from=times.escape_from,
        payments_from=times.payments_from,
        tokens=tuple([await _token(reader, token) for token in tokens]),
    )


async def pause_vault(rpc: str, at: bytes, secret: bytes) -> tuple[Mined, VaultStandingView]:
    """Pause it with the guardian's key, which also pays for the transaction.

    Raises RemoteFault TRANSACTION_REVERTED with the vault's error, before anything is sent, or an endpoint's fault.
    """
    async with Endpoint(rpc) as endpoint:
        sender = Sender(endpoint, await endpoint.chain_id(), secret)
        return await send_named(endpoint, sender, at, pause_call()), await read_standing(endpoint, at)


async def send_named(endpoint: Endpoint, sender: Sender, at: bytes, data: bytes) -> Mined:
    """Try a call of a vault, then send it. Raises RemoteFault TRANSACTION_REVERTED with the vault's error by name."""
    call = {"from": hex_data(sender.address), "to": hex_data(at), "data": hex_data(data)}
    (answer,) = await endpoint.batch((RpcCall("eth_call", (call, "latest")),))
    if isinstance(answer, Refusal) and answer.is_revert:
        raise RemoteFault(BridgeCode.TRANSACTION_REVERTED, "vault", error=refusal_text("Vault", answer))
    return await sender.send(at, data)


async def _token(reader: VaultReader, token: bytes) -> TokenAtVault:
    listed, counters = await reader.listing(token), await reader.counters(token)
    return TokenAtVault(
        token=hexed(token),
        unit=str(listed.unit),
        minimum=str(listed.minimum),
        deposited=str(counters.deposited),
        withdrawn=str(counters.withdrawn),
        owed=str(counters.owed),
        balance=str(counters.balance),
    )
