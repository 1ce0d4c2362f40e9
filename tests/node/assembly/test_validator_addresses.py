"""Rules of how validators announce where they listen."""

from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
import trio
from trio.testing import MockClock

from clearing.base.codec import encode
from node.agreement.validator_addresses import CHANGE_SECONDS, AddressRecord, AddressWatch, own_record, valid_address
from node.p2p.config import Peer
from node.p2p.network import Incoming, Topic
from tests.kit.node.memory_network import Hub
from tests.kit.until import until

KEYS = [bytes([number]) * 32 for number in (1, 2, 3)]
GOOD = AddressRecord(number=1, host="validator-2.example", port=26_600)
change = msgspec.structs.replace


class Watched:
    """The watch of one validator, and what it would dial."""

    def __init__(self, index: int, own: AddressRecord | None = None) -> None:
        self.learnt: list[Peer] = []
        self.membership: Any = SimpleNamespace(own_key=KEYS[index], keys=frozenset(KEYS), is_validator=True)
        self.watch = AddressWatch(own, self.membership, self.learnt.append)


async def test_who_announces_an_address_is_dialed_there(autojump_clock: MockClock) -> None:
    hub, one, other = Hub(), Watched(0), Watched(1, GOOD)
    networks = [hub.join(key) for key in KEYS[:2]]
    heard = networks[0].subscribe(Topic.ADDRESSES, valid_address)
    async with trio.open_nursery() as nursery:
        for network in networks:
            await nursery.start(network.run)
        nursery.start_soon(one.watch.listen, heard)
        nursery.start_soon(other.watch.run, networks[1])
        await until(lambda: one.learnt == [Peer(KEYS[1], GOOD.host, GOOD.port)])
        nursery.cancel_scope.cancel()


async def test_the_newest_record_of_a_validator_counts_and_changes_slowly(autojump_clock: MockClock) -> None:
    watched = Watched(0)
    watch = watched.watch
    watch.hear(KEYS[1], GOOD)
    watch.hear(KEYS[1], change(GOOD, number=2))
    assert len(watched.learnt) == 1, "the same place"
    watch.hear(KEYS[1], change(GOOD, number=3, port=1))
    assert len(watched.learnt) == 1, "too soon"
    await trio.sleep(CHANGE_SECONDS)
    watch.hear(KEYS[1], change(GOOD, number=1, port=2))
    assert len(watched.learnt) == 1, "old"
    watch.hear(KEYS[1], change(GOOD, number=4, port=3))
    assert [peer.port for peer in watched.learnt] == [26_600, 3]


async def test_only_validators_are_followed_and_forgotten_with_their_membership(autojump_clock: MockClock) -> None:
    watched = Watched(0)
    for sender in (b"x" * 32, KEYS[0], KEYS[2]):
        watched.watch.hear(sender, GOOD)
    assert [peer.key for peer in watched.learnt] == [KEYS[2]]
    watched.membership.keys = frozenset(KEYS[:2])
    watched.watch.hear(KEYS[1], GOOD)
    assert set(watched.watch.known) == {KEYS[1]}


@pytest.mark.parametrize("bad", [{"host": ""}, {"host": "a b"}, {"host": "a" * 254}, {"port": 0}, {"port": 65_536}])
def test_a_record_out_of_bounds_is_refused(bad: dict[str, Any]) -> None:
    assert valid_address(Incoming(KEYS[1], encode(GOOD)))
    assert not valid_address(Incoming(KEYS[1], encode(change(GOOD, **bad))))


@pytest.mark.parametrize(
    ("announced", "host"), [("validator.example:26600", "validator.example"), ("[2001:db8::1]:26600", "2001:db8::1")]
)
def test_the_own_record_is_what_the_operator_names(announced: str, host: str) -> None:
    assert own_record(announced, 5) == AddressRecord(number=5, host=host, port=26_600)
    assert own_record("", 5) is None
