"""What one validator has reaches all over few links, and liars among them cannot make it cost much."""

from collections import Counter
from dataclasses import replace
from itertools import pairwise

import msgspec
import pytest

from clearing.base.certificate import NIL, signer_bitmap
from consensus.leaders import Leaders
from consensus.links import ANNOUNCE_INTERVAL_MS, EXPIRED_MS, LISTS_AT_ONCE, SERVED_HEIGHTS, Links
from consensus.messages import (
    Evidence,
    HaveList,
    LinkList,
    MessageKind,
    Proposal,
    UndecidedBlockRequest,
    Vote,
    read_envelope,
    read_message,
)
from consensus.outputs import Lane, Output, Send
from consensus.replica.dissemination import SERVINGS
from consensus.replica.inbox import EARLY_VOTES
from consensus.replica.replica import Replica
from consensus.timeouts import TimerKind
from consensus.turns import turns_of
from tests.kit.consensus.core import PREVOTE, V
from tests.kit.consensus.crypto import KEYS, VALIDATORS
from tests.kit.consensus.replicas import (
    faults,
    make_replica,
    messages_of,
    pass_time,
    receive,
    sealed,
    signer_of,
    vote,
)
from tests.sim.consensus.network import CALM, SimNetwork
from tests.sim.links import Case, Flood, heights

PROPOSER = turns_of(VALIDATORS, 1, Leaders()).proposer(0)
OWN, FAR, BETWEEN, OTHER = sorted(range(4), key=lambda index: (index == PROPOSER, index))
"""The proposer is linked."""
change = msgspec.structs.replace


# The graph


def graph_of(own: bytes, *edges: bytes) -> Links:
    """What a validator knows when all have sent true lists; each edge is two letters."""
    links, names = Links(own), sorted({bytes([name]) for edge in edges for name in edge})
    for name in names:
        linked = frozenset(bytes([other]) for edge in edges if name in edge for other in edge if other not in name)
        if name == own:
            for peer in linked:
                links.hear(peer, 0)
            links.renew(names, 0)
        else:
            links.learn(name, 1, linked, name, 0)
    return links


def test_in_a_full_mesh_nobody_passes_anything_on() -> None:
    links = graph_of(b"a", b"ab", b"ac", b"ad", b"bc", b"bd", b"cd")
    assert [links.targets(origin, 1, 2) for origin in (b"b", b"c", b"d")] == [[], [], []]
    assert links.missing == frozenset()


def test_of_several_relays_so_many_are_chosen_as_copies_are_wanted_in_turn() -> None:
    """a and e are linked over b, c and d."""
    edges = (b"ab", b"ac", b"ad", b"eb", b"ec", b"ed", b"bc", b"cd", b"bd")
    chosen = {
        height: [own for own in (b"b", b"c", b"d") if graph_of(own, *edges).targets(b"a", height, 2)]
        for height in range(3)
    }
    assert all(len(relays) == 2 for relays in chosen.values())
    assert len(set(map(tuple, chosen.values()))) == 3


def test_along_a_line_each_passes_on_to_the_next() -> None:
    line = [b"ab", b"bc", b"cd"]
    assert graph_of(b"b", *line).targets(b"a", 1, 2) == [b"c"]
    assert graph_of(b"c", *line).targets(b"a", 1, 2) == [b"d"]
    assert graph_of(b"c", *line).targets(b"d", 1, 2) == [b"b"]


def test_an_edge_that_one_end_claims_does_not_count() -> None:
    """x says that it hears everybody, so that it would be nearest to everything and could withhold it."""
    links = graph_of(b"c", b"ab", b"bc", b"cd", b"xd")
    links.learn(b"x", 2, frozenset((b"a", b"b", b"c", b"d")), b"x", 100)
    assert links.targets(b"a", 1, 1) == [b"d"]


def test_who_had_to_ask_is_served_at_once_for_some_heights() -> None:
    links = graph_of(b"b", b"ax", b"ab", b"xc", b"bc", b"cd", b"da")
    turns = range(1000, 1003)
    assert [links.targets(b"a", height, 1) for height in turns].count([b"c"]) == 1, "one in three"
    links.asked(b"c", b"a", 7)
    assert all(links.targets(b"a", height, 1) for height in range(7, 7 + SERVED_HEIGHTS))
    assert [links.targets(b"a", height, 1) for height in turns].count([b"c"]) == 1


def test_a_validator_that_fell_silent_is_forgotten() -> None:
    links = graph_of(b"b", b"ab", b"bc")
    links.hear(b"a", EXPIRED_MS)
    assert links.renew((b"a", b"b", b"c"), EXPIRED_MS)
    assert links.missing == {b"c"}
    assert not links.lacks(b"a", b"c")


# One replica: `FAR` and `BETWEEN` are not linked, and both are with it


def links_of(sender: int, number: int, *linked: int) -> LinkList:
    return LinkList(number=number, validators_hash=VALIDATORS.hash, linked=signer_bitmap(linked))


def between() -> Replica:
    replica = make_replica(OWN)
    for sender, linked in ((FAR, (OWN, OTHER)), (BETWEEN, (OWN, OTHER)), (OTHER, (OWN, FAR, BETWEEN))):
        assert faults(receive(replica, sender, links_of(sender, 1, *linked))) == []
    pass_time(replica, ANNOUNCE_INTERVAL_MS)
    replica.on_timer(TimerKind.STATUS, 0, 0)
    return replica


def passed_on(outputs: list[Output]) -> list[tuple[bytes, bytes]]:
    """(to, envelope) of what others have signed."""
    sent = [(output.to, output.data) for output in outputs if isinstance(output, Send)]
    return [(to, data) for to, data in sent if read_envelope(data).sender != KEYS[OWN]]


def test_a_checked_message_is_passed_on_once_in_its_own_envelope() -> None:
    replica, data = between(), sealed(FAR, vote(FAR, PREVOTE, 0, NIL))
    assert passed_on(replica.receive(KEYS[FAR], data)) == [(KEYS[BETWEEN], data)]
    for again in (FAR, OTHER):
        assert passed_on(replica.receive(KEYS[again], data)) == []


def test_a_message_does_not_go_back_to_who_passed_it_on() -> None:
    replica, data = between(), sealed(FAR, vote(FAR, PREVOTE, 0, NIL))
    assert passed_on(replica.receive(KEYS[BETWEEN], data)) == []


def test_what_does_not_verify_is_the_fault_of_the_relay_and_goes_no_further() -> None:
    replica = between()
    forged = change(read_envelope(sealed(FAR, vote(FAR, PREVOTE, 0, NIL))), signature=bytes(64))
    outputs = replica.receive(KEYS[OTHER], msgspec.msgpack.encode(forged))
    assert passed_on(outputs) == []
    bad = [output for output in outputs if faults([output])]
    assert [(output.peer, faults([output])) for output in bad] == [(KEYS[OTHER], ["BAD_ENVELOPE"])]  # type: ignore[union-attr]


def test_a_relay_cannot_fill_the_place_of_another_validators_early_votes() -> None:
    replica = between()
    for round_ in range(2 * EARLY_VOTES):
        forged = change(read_envelope(sealed(FAR, vote(FAR, PREVOTE, round_, NIL, height=2))), signature=bytes(64))
        replica.receive(KEYS[OTHER], msgspec.msgpack.encode(forged))
    assert KEYS[FAR] not in replica._inbox._early or replica._inbox._early[KEYS[FAR]] == []
    good = sealed(FAR, vote(FAR, PREVOTE, 0, NIL, height=2))
    for _ in range(3):
        assert faults(replica.receive(KEYS[BETWEEN], good)) == []
    assert len(replica._inbox._early[KEYS[FAR]]) == 1


def test_lists_of_links_are_read_and_passed_on_at_a_rate() -> None:
    replica = between()
    flood = [links_of(FAR, number, *(() if number % 2 else (OWN,))) for number in range(2, 500)]
    assert 0 < len(passed_on(receive(replica, FAR, *flood))) <= 3 * LISTS_AT_ONCE, "to a neighbour, and two lists back"
    pass_time(replica, 60_000)
    old = receive(replica, FAR, links_of(FAR, 1, OWN))
    assert passed_on(old) == [], "an old list again"
    foreign = change(links_of(FAR, 10**6, OWN), validators_hash=bytes(32))
    assert passed_on(receive(replica, FAR, foreign)) == []
    assert len(replica.context.links._records) == 3


def proposal_here(replica: Replica) -> tuple[Proposal, bytes]:
    """A good one of the first round, with its envelope."""
    maker = make_replica(OWN)
    block = maker.context.executor.build(maker.chain, Evidence())
    value = block.header.hash
    signature = signer_of(PROPOSER).sign_proposal(VALIDATORS.hash, 1, 0, -1, value)
    made = Proposal(height=1, round=0, pol_round=-1, block=block, certificate=None, signature=signature)
    return made, sealed(PROPOSER, made)


def test_a_block_is_served_to_a_peer_so_often_and_no_more() -> None:
    replica = between()
    made, data = proposal_here(replica)
    assert faults(replica.receive(KEYS[PROPOSER], data)) == []
    request = UndecidedBlockRequest(height=1, value=made.block.header.hash)
    served = passed_on(receive(replica, BETWEEN, *[request] * 50))
    assert served == [(KEYS[BETWEEN], data)] * SERVINGS
    assert passed_on(receive(replica, BETWEEN, change(request, value=V))) == []


def test_a_block_with_a_polka_is_fetched_from_those_that_voted_for_it() -> None:
    replica = make_replica(OWN)
    made, data = proposal_here(replica)
    value = made.block.header.hash
    for voter in (FAR, BETWEEN, OTHER):
        receive(replica, voter, vote(voter, PREVOTE, 0, value))
    pass_time(replica, ANNOUNCE_INTERVAL_MS)
    replica.on_timer(TimerKind.STATUS, 0, 0)
    asked = []
    for _ in range(3):
        outputs = replica.on_timer(TimerKind.ASK, 1, 0)
        requests = [
            (output.to, read_message(read_envelope(output.data))) for output in outputs if isinstance(output, Send)
        ]
        asked += [to for to, message in requests if message == UndecidedBlockRequest(height=1, value=value)]
    assert sorted(asked) == sorted(KEYS[voter] for voter in (FAR, BETWEEN, OTHER)), "each in turn"
    answer = replica.receive(KEYS[FAR], data)
    assert faults(answer) == []
    assert any(isinstance(message, Vote) and message.value == value for message in messages_of(answer))
    assert messages_of(replica.on_timer(TimerKind.ASK, 1, 0)) == []


def test_a_connection_that_ends_is_announced_at_once() -> None:
    replica = between()
    pass_time(replica, ANNOUNCE_INTERVAL_MS)
    assert messages_of(replica.connected([KEYS[FAR], KEYS[BETWEEN], KEYS[OTHER]])) == []
    (shown,) = messages_of(replica.connected([KEYS[BETWEEN], KEYS[OTHER]]))
    assert isinstance(shown, LinkList)
    assert shown.linked == signer_bitmap((BETWEEN, OTHER))
    assert replica.context.links.missing == {KEYS[FAR]}


def test_a_stranger_gets_no_answers() -> None:
    replica = make_replica(OWN)
    for message in (HaveList(height=1, steps=(), polka_round=-1), UndecidedBlockRequest(height=1, value=V)):
        outputs = replica.receive(bytes(32), sealed(FAR, message))
        assert faults(outputs) == ["BAD_ENVELOPE"]


# Networks with liars


class Withholding(SimNetwork):
    """Liars say that they hear everybody, and pass nothing on. Counts what goes twice over one link."""

    LIARS: frozenset[int] = frozenset()

    def __init__(self, case: Case) -> None:
        self.relayed: Counter[tuple[int, int, bytes]] = Counter()
        self.lists = 0
        super().__init__(1, case.faults)

    def send(self, sender: int, to: int, lane: Lane, data: bytes) -> None:
        if not self.linked(sender, to):
            return
        envelope = read_envelope(data)
        if envelope.sender != self.nodes[sender].key:
            if sender in self.LIARS:
                return
            self.relayed[sender, to, data] += envelope.kind is not MessageKind.LINK_LIST
        elif sender in self.LIARS:
            message = read_message(envelope)
            if isinstance(message, HaveList | UndecidedBlockRequest):
                return
            if isinstance(message, LinkList):
                everybody = signer_bitmap([other for other in range(self.faults.nodes) if other != sender])
                data = sealed(sender, change(message, linked=everybody), self.validators)
        self.lists += envelope.kind is MessageKind.HAVE_LIST
        super().send(sender, to, lane, data)


class WithOne(Withholding):
    LIARS = frozenset({2})


class WithTwo(Withholding):
    LIARS = frozenset({0, 5})


RING = Case("ring", 4, ((0, 1), (2, 3)))
SEVEN = Case("seven", 7, tuple((one, (one + 3) % 7) for one in range(7)))


@pytest.mark.parametrize(("liars", "case"), [(WithOne, RING), (WithTwo, SEVEN)], ids=["ring", "seven"])
def test_relays_that_withhold_and_claim_every_link_stop_nobody(liars: type[Withholding], case: Case) -> None:
    """Their own turns to propose fail as well."""
    network = liars(case)
    network.run_for(10_000)
    made = min(node.height for node in network.nodes if node.index not in liars.LIARS)
    assert made * 3 >= heights(Flood(1, case.faults), 10_000)


def test_over_each_link_a_message_is_passed_on_once() -> None:
    network = Withholding(SEVEN)
    assert heights(network, 5000) > 30
    again = sum(count - 1 for count in network.relayed.values())
    assert again * 100 <= network.relayed.total(), "a few that were asked for at the start"


def test_a_link_that_breaks_is_noticed() -> None:
    """Heights are slow until the lists say so."""
    network = SimNetwork(1, replace(CALM, nodes=4))
    network.schedule(2_000_000, "happen")
    happen = network._happen

    def cut() -> None:
        network._cut = {(0, 1), (1, 0), (2, 3), (3, 2)}
        happen()

    network._happen = cut  # type: ignore[method-assign]
    at: list[int] = []
    decided = network.decided

    def noted(node: object, committed: object) -> None:
        at.append(network.now_us // 1000)
        decided(node, committed)  # type: ignore[arg-type]

    network.decided = noted  # type: ignore[method-assign]
    network.run_for(12_000)
    late = [moment for moment in at if moment > 9000]
    assert max(after - before for before, after in pairwise(late)) < 1000
    assert min(node.height for node in network.nodes) > 60
