"""`P2pCode`: what the network refuses, of peers and of its own users.

Rule: numbers 0875-0899, never changed, never used again; each with its remedy.
"""

from clearing.base.errors import CodeBook


class P2pCode(CodeBook):
    """Refusals of the peer-to-peer layer."""

    BAD_GOSSIP = 875, "The peer forwarded a gossip message that no honest program accepts. See its score."
    UNKNOWN_PEER = 880, "The peer's key is not on the allow-list. Compare its envelope key with the validator set."
    WRONG_NETWORK = 881, "The peer runs another network. Compare the genesis files: the network id is their hash."
    WRONG_VERSION = 882, "The peer speaks another protocol version. Run the same release on both sides."
    BAD_HELLO = 883, "The peer's first message is no hello. Check what listens at that address."
    OVERSIZE_FRAME = 884, "The peer announced a message above the channel's limit and was disconnected."
    HEARTBEAT_LOST = 885, "The peer sent nothing for three heartbeats. Check its process and the network path."
    WRITE_STALLED = 886, "The peer accepts no more bytes. Check its load; it is dialled again automatically."
    UNEXPECTED_STREAM = 887, "The peer opened a second stream of one kind on one connection and was disconnected."
    HANDSHAKE_TIMEOUT = 888, "The peer connected, but did not finish its hello in time. Check its load."
    REPLACED = 889, "A newer connection of the same peer replaced this one. Nothing to do."
    NO_COMMON_PROTOCOL = 890, "The other side offers neither noise nor yamux. Plaintext and TLS are refused."
    OVERSIZE_MESSAGE = 891, "This node's message is above the channel's or the topic's limit. Send less at once."
    PORT_TAKEN = 892, "Another process listens at this address. Stop it or change the port."
    ALREADY_SUBSCRIBED = 893, "A topic has one consumer. Subscribe once and share its messages."
    BAD_CONFIG = 894, "A value of the network configuration cannot be used; the values name it."
    STREAM_ENDED = 895, "The peer ended a stream or the connection broke. It is dialled again automatically."
    MISBEHAVED = 896, "The peer's faults cost it the connection. `crossclear status` shows them; compare versions."
    BANNED = 897, "The peer's faults cost it a ban, which ends by itself. `crossclear status` shows when and why."
    NO_LONGER_ADMITTED = 898, "The peer left the validator set. Delete it from the configuration."
    FLOOD = 899, "The peer sends faster than its limit. Compare versions. If the peer is malicious, vote it out."
