"""Choosing the root seed of an account's commitments through a node."""

from clearing.schema.requests.accounts import SeedRotation
from member.api.submit import SubmitResult
from member.client.node_client import NodeClient
from member.signing.sealed_seeds import seal_seed


async def rotate_seed(client: NodeClient, account: int, root: bytes) -> SubmitResult:
    """Seal a 32-byte root seed for the validators and submit it, signed with the client's key, which owns the account.

    The node states the key for which it is sealed: under another one than the validators', no validator opens the seed,
    and the next own check fails. Raises as `NodeClient`.
    """
    sealed = seal_seed(root, account, await client.seal_key())
    return await client.submit_own(SeedRotation, account, sealed.ephemeral, sealed.masked, sealed.mac)
