"""The newest checkpoint, read from a real vault on a real chain."""

import pytest
import trio

from bridge.chain import FinalityPolicy
from bridge.rpc.endpoint import Endpoint
from bridge.rpc.quorum import EndpointQuorum
from bridge.rpc.vault_reads import newest_checkpoint
from tests.kit.bridge.vault_chain import VaultChain, make_header, make_signers

pytestmark = pytest.mark.chain


async def test_a_vault_tells_the_hash_of_the_header_that_it_took_last(anvil) -> None:  # type: ignore[no-untyped-def]
    four = make_signers((1, 1, 1, 1))
    deployed = await trio.to_thread.run_sync(VaultChain, anvil(), four)
    async with Endpoint(deployed.chain.url) as endpoint:

        async def read(span: int = 2_000) -> tuple[int, bytes]:
            return await newest_checkpoint(
                EndpointQuorum([endpoint], 1),
                FinalityPolicy(quorum=1),
                deployed.vault_at.address,
                deployed.vault_at.block_number,
                span,
            )

        deployed.chain.rpc("anvil_mine", hex(80))
        assert await read() == (0, b"")
        for height in (5, 9):
            header = make_header(four, height)
            await trio.to_thread.run_sync(deployed.checkpoint, header, four.certify(header, (0, 1, 2)))
        deployed.chain.rpc("anvil_mine", hex(80))
        assert await read() == (9, header.hash)
        assert await read(7) == (9, header.hash)
