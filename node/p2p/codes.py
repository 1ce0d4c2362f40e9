"""`P2pCode`: what the network refuses, of peers and of its own users.

Rule: numbers 0875-0899, never changed, never used again; each has a remedy in `REMEDIES`.
"""

from clearing.base.errors import CodeBook


class P2pCode(CodeBook):
    """Refusals of the peer-to-peer layer."""

    BAD_GOSSIP = 875
    UNKNOWN_PEER = 880
    WRONG_NETWORK = 881
    WRONG_VERSION = 882
    BAD_HELLO = 883
    OVERSIZE_FRAME = 884
    HEARTBEAT_LOST = 885
    WRITE_STALLED = 886
    UNEXPECTED_STREAM = 887
    HANDSHAKE_TIMEOUT = 888
    REPLACED = 889
    NO_COMMON_PROTOCOL = 890
    OVERSIZE_MESSAGE = 891
    PORT_TAKEN = 892
    ALREADY_SUBSCRIBED = 893
    BAD_CONFIG = 894
    STREAM_ENDED = 895
    MISBEHAVED = 896
    BANNED = 897
    NO_LONGER_ADMITTED = 898
    FLOOD = 899


REMEDIES: dict[P2pCode, str] = {
    P2pCode.UNKNOWN_PEER: "The peer's key is not on the allow-list. Compare its envelope key with the validator set.",
    P2pCode.WRONG_NETWORK: "The peer runs another network. Compare the genesis files: the network id is their hash.",
    P2pCode.WRONG_VERSION: "The peer speaks another protocol version. Run the same release on both sides.",
    P2pCode.BAD_HELLO: "The peer's first message is no hello. Check what listens at that address.",
    P2pCode.OVERSIZE_FRAME: "The peer announced a message above the channel's limit and was disconnected.",
    P2pCode.HEARTBEAT_LOST: "The peer sent nothing for three heartbeats. Check its process and the network path.",
    P2pCode.WRITE_STALLED: "The peer accepts no more bytes. Check its load; it is dialled again automatically.",
    P2pCode.UNEXPECTED_STREAM: "The peer opened a second stream of one kind on one connection and was disconnected.",
    P2pCode.HANDSHAKE_TIMEOUT: "The peer connected, but did not finish its hello in time. Check its load.",
    P2pCode.REPLACED: "A newer connection of the same peer replaced this one. Nothing to do.",
    P2pCode.NO_COMMON_PROTOCOL: "The other side offers neither noise nor yamux. Plaintext and TLS are refused.",
    P2pCode.OVERSIZE_MESSAGE: "This node's message is above the channel's or the topic's limit. Send less at once.",
    P2pCode.PORT_TAKEN: "Another process listens at this address. Stop it or change the port.",
    P2pCode.ALREADY_SUBSCRIBED: "A topic has one consumer. Subscribe once and share its messages.",
    P2pCode.BAD_CONFIG: "A value of the network configuration cannot be used; the values name it.",
    P2pCode.BAD_GOSSIP: "The peer forwarded a gossip message that no honest program accepts. See its score.",
    P2pCode.MISBEHAVED: "The peer's faults cost it the connection. `crossclear status` shows them; compare versions.",
    P2pCode.BANNED: "The peer's faults cost it a ban, which ends by itself. `crossclear status` shows when and why.",
    P2pCode.NO_LONGER_ADMITTED: "The peer left the validator set. Delete it from the configuration.",
    P2pCode.FLOOD: "The peer sends faster than its limit. Compare versions. If the peer is malicious, vote it out.",
    P2pCode.STREAM_ENDED: "The peer ended a stream or the connection broke. It is dialled again automatically.",
}
