"""Whether a chain has the precompiles of EIP-2537, without which contracts cannot check BLS12-381 certificates."""

from bridge.evm.hexadecimal import hex_data, read_data
from bridge.rpc.block_receipts import Source
from bridge.rpc.endpoint import Refusal, RpcCall

G1_ADD = (11).to_bytes(20, "big")
"""The first precompile of EIP-2537."""
G1_POINT_BYTES = 128


async def has_eip2537(source: Source) -> bool:
    """Whether the newest block's state answers for them. Raises RemoteFault MALFORMED_ANSWER or a fault of the source.

    The sum of infinity and infinity is infinity. An absent precompile answers empty, as an address without code.
    """
    probe = {"to": hex_data(G1_ADD), "data": hex_data(bytes(2 * G1_POINT_BYTES))}
    (answer,) = await source.batch((RpcCall("eth_call", (probe, "latest")),))
    return not isinstance(answer, Refusal) and read_data(answer, "eth_call") == bytes(G1_POINT_BYTES)
