"""End a guardian's pause by the cold quorum: what its keys sign, and the transaction that carries the signatures.

Rule: no cold key comes here. Wallets and offline signers take the typed data (EIP-712); anybody may send what they
signed, because the vault checks it.
"""

from collections.abc import Sequence
from typing import Any

from bridge.codes import BridgeCode
from bridge.contracts.cold_quorum import PauseEnd, decision_digest, in_signer_order
from bridge.contracts.vault import end_pause_call
from bridge.relay.transactions import Mined, Sender
from bridge.relay.vault_reader import VaultReader
from bridge.rpc.endpoint import Endpoint
from clearing.base.errors import LocalFault
from member.api.types import Address, Body, Hash, Id, hexed
from member.vaults.standing import VaultStandingView, read_standing, send_named

_FIELDS = (("name", "string"), ("version", "string"), ("chainId", "uint256"), ("verifyingContract", "address"))


class PauseEndDecision(Body, frozen=True):
    """The decision that ends the pause under way. It is void once the pause is over or another decision was taken."""

    chain_id: Id
    vault: Address
    paused_until: Id
    nonce: Id
    digest: Hash
    """What each key signs."""
    typed_data: dict[str, Any]
    """The same for wallets: the parameter of eth_signTypedData_v4."""


async def pause_end(rpc: str, at: bytes) -> PauseEndDecision:
    """What the cold keys sign now. Raises LocalFault NOT_PAUSED, RemoteFault for an endpoint's faults."""
    async with Endpoint(rpc) as endpoint:
        return await _decision(endpoint, at)


async def end_pause(rpc: str, at: bytes, signatures: Sequence[bytes], secret: bytes) -> tuple[Mined, VaultStandingView]:
    """Send the signatures, in any order. `secret`: the key that pays.

    Raises LocalFault NOT_PAUSED, RemoteFault BAD_SIGNATURE, TRANSACTION_REVERTED with the vault's error before anything
    is sent, or an endpoint's fault.
    """
    async with Endpoint(rpc) as endpoint:
        decision = await _decision(endpoint, at)
        call = end_pause_call(in_signer_order(bytes.fromhex(decision.digest[2:]), signatures))
        mined = await send_named(endpoint, Sender(endpoint, decision.chain_id, secret), at, call)
        return mined, await read_standing(endpoint, at)


async def _decision(endpoint: Endpoint, at: bytes) -> PauseEndDecision:
    reader, chain_id = VaultReader(endpoint, at), await endpoint.chain_id()
    standing, nonce = await reader.standing(), await reader.cold_nonce()
    if not standing.is_paused:
        raise LocalFault(BridgeCode.NOT_PAUSED, "unpause", frozen=int(standing.is_frozen))
    end = PauseEnd(standing.paused_until)
    return PauseEndDecision(
        chain_id=chain_id,
        vault=hexed(at),
        paused_until=end.paused_until,
        nonce=nonce,
        digest=hexed(decision_digest(chain_id, at, end, nonce)),
        typed_data=_typed_data(chain_id, at, end, nonce),
    )


def _typed_data(chain_id: int, at: bytes, end: PauseEnd, nonce: int) -> dict[str, Any]:
    return {
        "types": {
            "EIP712Domain": [{"name": name, "type": kind} for name, kind in _FIELDS],
            "EndPause": [{"name": name, "type": "uint256"} for name in ("pausedUntil", "nonce")],
        },
        "primaryType": "EndPause",
        "domain": {
            "name": "crossclear vault",
            "version": "1",
            "chainId": chain_id,
            "verifyingContract": hexed(at),
        },
        "message": {"pausedUntil": end.paused_until, "nonce": nonce},
    }
