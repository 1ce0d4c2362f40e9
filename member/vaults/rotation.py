"""Bring a vault up to date by hand, when no relayer runs: validator sets one after another, then the newest header.

Rule: the node that serves the headers is trusted with nothing, because the vault checks every certificate; a lie of it
costs a refused call. A vault accepts from a set only what that set certified, so the header that ended each set that
it follows is found first, by bisection.
"""

from collections.abc import Callable
from functools import partial

import trio

from bridge.codes import BridgeCode
from bridge.relay.relayer import Relayable, Relayer, Rotation
from bridge.relay.transactions import Sender
from bridge.relay.vault_reader import VaultReader
from bridge.rpc.endpoint import Endpoint
from clearing.base.errors import RemoteFault
from consensus.light_client import LightBlock
from member.light.source import LightSource
from member.vaults.standing import VaultStandingView, read_standing

SETS_MAX = 64
"""How many sets one command follows."""


async def rotate_vault(
    rpc: str, at: bytes, source: LightSource, secret: bytes, from_height: int, on_sent: Callable[[str], None]
) -> VaultStandingView:
    """Post what the vault lacks up to the source's newest header; `on_sent`: what was done.

    `secret`: the key that pays. `from_height`: where the set that the vault follows was in force already; only needed
    for a vault without a checkpoint. Raises RemoteFault VAULT_ASTRAY when the source's set there is another,
    TRANSACTION_REVERTED, or a fault of endpoint or source.
    """
    async with Endpoint(rpc) as endpoint:
        sender = Sender(endpoint, await endpoint.chain_id(), secret)
        relayer, reader = Relayer(endpoint, sender, at, 0), VaultReader(endpoint, at)
        newest = await trio.to_thread.run_sync(source.block, None)
        for _ in range(SETS_MAX):
            before = (await reader.trusted_set()).hash
            rotation = None
            if before not in (newest.validators.hash, newest.next_validators.hash):
                low = max((await relayer.latest()).height + 1, from_height)
                rotation = await _rotation(source, before, low, newest)
            rotated, followed = await relayer.follow(_relayable(newest, rotation))
            if rotated:
                on_sent(f"rotated to set {followed.hex()}")
                continue
            if followed == newest.validators.hash and (await relayer.latest()).height < newest.header.height:
                await relayer.post_checkpoint(_relayable(newest, None))
                on_sent(f"header {newest.header.height} posted")
                continue
            break
        return await read_standing(endpoint, at)


def _relayable(newest: LightBlock, rotation: Rotation | None) -> Relayable:
    known = (newest.next_validators,)
    return Relayable(newest.header, newest.certificate, newest.validators, rotation=rotation, known=known)


async def _rotation(source: LightSource, followed: bytes, low: int, newest: LightBlock) -> Rotation:
    """The first header found from `low` on that ends the set `followed`."""
    high = newest.header.height
    ends = await _block(source, low)
    if ends.validators.hash != followed or low >= high:
        raise RemoteFault(
            BridgeCode.VAULT_ASTRAY, "rotate", follows=followed, height=low, in_force=ends.validators.hash
        )
    # The set is in force at `low` and not at `high`.
    while high - low > 1:
        middle = await _block(source, (low + high) // 2)
        if middle.validators.hash == followed:
            low, ends = middle.header.height, middle
        else:
            high = middle.header.height
    return Rotation(ends.header, ends.certificate, ends.validators, ends.next_validators)


async def _block(source: LightSource, height: int) -> LightBlock:
    return await trio.to_thread.run_sync(partial(source.block, height))
