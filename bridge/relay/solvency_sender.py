"""Sends certified epoch keys, and proofs of accounts, to a solvency verifier on a chain.

Rule: it is trusted with nothing but its own gas money; the contract checks everything. Anybody may send keys, so it
first checks whether that is done, and a call that lost the race is no error.
"""

from bridge.codes import BridgeCode
from bridge.contracts.solvency_verifier import ProvenAccount, check_call, keys_of_call, read_checked, show_call
from bridge.relay.transactions import Mined, Sender
from bridge.rpc.endpoint import Endpoint, view_call
from clearing.base.errors import RemoteFault

ANSWER_BYTES = 128
_NONE = bytes(32)


class SolvencySender:
    """Serves one verifier. `sender` pays."""

    def __init__(self, endpoint: Endpoint, sender: Sender, verifier: bytes) -> None:
        self._endpoint = endpoint
        self._sender = sender
        self._verifier = verifier

    async def keys_of(self, epoch: int) -> bytes:
        """Hash of the keys that the contract accepted for an epoch; zeros for none. Raises RemoteFault."""
        return await self._view(keys_of_call(epoch), 32)

    async def certify(self, epoch: int, keys_hash: bytes, data: bytes) -> Mined | None:
        """Send `solvency.certify_call`'s bytes; None when the contract already has these keys.

        Raises RemoteFault KEYS_ASTRAY when it has others of this epoch, TRANSACTION_REVERTED when it refuses them.
        """
        if await self._has(epoch, keys_hash):
            return None
        try:
            return await self._sender.send(self._verifier, data)
        except RemoteFault as fault:
            if fault.code is BridgeCode.TRANSACTION_REVERTED and await self._has(epoch, keys_hash):
                return None
            raise

    async def check(self, account: ProvenAccount) -> tuple[int, int, int, int]:
        """(epoch, account, shortfall, seconds), queried without a transaction, as if the zero address called.

        Raises RemoteFault ENDPOINT_REFUSED.
        """
        return read_checked(await self._view(check_call(account), ANSWER_BYTES))

    async def show(self, account: ProvenAccount) -> Mined:
        """Submit an account's proof, so that the contract logs it.

        Raises RemoteFault TRANSACTION_REVERTED if it is refused.
        """
        return await self._sender.send(self._verifier, show_call(account))

    async def _has(self, epoch: int, keys_hash: bytes) -> bool:
        found = await self.keys_of(epoch)
        if found not in (keys_hash, _NONE):
            raise RemoteFault(BridgeCode.KEYS_ASTRAY, "solvency verifier", epoch=epoch, believed=found, ours=keys_hash)
        return found == keys_hash

    async def _view(self, data: bytes, size: int) -> bytes:
        (answer,) = await self._endpoint.views([view_call(self._verifier, data)], size)
        return answer
