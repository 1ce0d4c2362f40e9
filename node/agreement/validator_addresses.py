"""`AddressWatch`: each validator announces where it listens, so that peers are found from peers.

Rule: a record is gossip that its validator's envelope key signs, and the newest of a validator counts. It says where to
dial a key, and noise proves who answers there, so a false one costs some attempts. A node announces itself only if its
operator names an address (`p2p.announce`). Bounded: one record a validator, one change of it in `CHANGE_SECONDS`.
"""

from collections.abc import Callable
from typing import Annotated, Protocol

import msgspec
import structlog
import trio

from clearing.base.codec import U63, Wire, decode, encode
from clearing.base.errors import RemoteFault
from node.p2p.config import Peer
from node.p2p.network import Incoming, Network, Topic

PUBLISH_SECONDS = 60.0
CHANGE_SECONDS = 10.0
RECORD_BYTES_MAX = 512

log = structlog.get_logger(__name__)


class AddressRecord(Wire, frozen=True):
    """Where one validator listens. `number` grows with each later record of its validator."""

    number: U63
    host: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9.:_-]{0,252}$")]
    """A name or an IP address."""
    port: Annotated[int, msgspec.Meta(ge=1, le=65_535)]


class Listed(Protocol):
    """Who is a validator: `Membership`, or what a node that joins knows of it."""

    @property
    def own_key(self) -> bytes:
        """This node's envelope key."""
        ...

    @property
    def keys(self) -> frozenset[bytes]:
        """Envelope keys of the validators."""
        ...

    @property
    def is_validator(self) -> bool:
        """Whether this node is one of them."""
        ...


class AddressWatch:
    """Publishes the own record, and passes the newest of each validator to `learn`."""

    def __init__(self, own: AddressRecord | None, membership: Listed, learn: Callable[[Peer], None]) -> None:
        self._own = own
        self._membership = membership
        self._learn = learn
        self._heard: dict[bytes, tuple[AddressRecord, float]] = {}

    @property
    def known(self) -> dict[bytes, AddressRecord]:
        """The newest record of each other validator that announced one."""
        return {key: record for key, (record, _) in self._heard.items()}

    async def run(self, network: Network) -> None:
        """Publish for ever: who connects later must hear it, too."""
        while True:
            if self._own is not None and self._membership.is_validator:
                network.publish(Topic.ADDRESSES, encode(self._own))
            await trio.sleep(PUBLISH_SECONDS)

    async def listen(self, incoming: trio.MemoryReceiveChannel[Incoming]) -> None:
        """Follow what validators announce, for ever."""
        async for message in incoming:
            try:
                self.hear(message.sender, read_record(message.data))
            except RemoteFault as fault:
                log.warning("address refused", peer=message.sender.hex(), fault=str(fault))

    def hear(self, sender: bytes, record: AddressRecord) -> None:
        """Keep a validator's newest record, and forget those of validators that left."""
        now, keys = trio.current_time(), self._membership.keys - {self._membership.own_key}
        self._heard = {key: heard for key, heard in self._heard.items() if key in keys}
        before = self._heard.get(sender)
        if sender not in keys or (before is not None and record.number <= before[0].number):
            return
        same = before is not None and (before[0].host, before[0].port) == (record.host, record.port)
        if before is not None and not same and now - before[1] < CHANGE_SECONDS:
            return
        self._heard[sender] = (record, before[1] if before is not None and same else now)
        if not same:
            self._learn(Peer(sender, record.host, record.port))


def read_record(data: bytes) -> AddressRecord:
    """Raises RemoteFault as `decode` does."""
    return decode(data, AddressRecord, RECORD_BYTES_MAX)


def valid_address(message: Incoming) -> bool:
    """Gossip validator: a record in bounds."""
    try:
        read_record(message.data)
    except RemoteFault:
        return False
    return True


def own_record(announced: str, number: int) -> AddressRecord | None:
    """The own record, from HOST:PORT of the configuration; None when it names nothing."""
    host, _, port = announced.rpartition(":")
    return AddressRecord(number=number, host=host.strip("[]"), port=int(port)) if announced else None
