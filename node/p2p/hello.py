"""`Hello`: the first message both sides of a connection send, and who is refused by it.

Rule: version and network are compared before any other byte is read; both sides send first and judge then, so that
each side's log names the mismatch.
"""

from clearing.base.codec import U32, Bytes32, Wire, decode
from clearing.base.errors import CrossclearError, RemoteFault
from node.p2p.codes import P2pCode

PROTOCOL_VERSION = 1
HELLO_BYTES_MAX = 256


class Hello(Wire, frozen=True):
    """Fields may only be added with a new version: the first stays what and where it is."""

    version: U32
    network: Bytes32
    boot: Bytes32
    """Random, once a process: tells a peer that restarted from one that dialed at the same moment as we."""


def check_hello(data: bytes, network: bytes, version: int = PROTOCOL_VERSION) -> Hello:
    """Read a peer's hello. Raises RemoteFault BAD_HELLO, WRONG_VERSION or WRONG_NETWORK."""
    try:
        hello = decode(data, Hello, HELLO_BYTES_MAX)
    except CrossclearError as fault:
        raise RemoteFault(P2pCode.BAD_HELLO, "hello", why=str(fault)) from None
    if hello.version != version:
        raise RemoteFault(P2pCode.WRONG_VERSION, "hello", theirs=hello.version, ours=version)
    if hello.network != network:
        raise RemoteFault(P2pCode.WRONG_NETWORK, "hello", theirs=hello.network, ours=network)
    return hello
