"""Two sessions talk over connections that break: each ends with every application message of the other, once."""

from dataclasses import dataclass, field, replace

from hypothesis import given
from hypothesis import strategies as st

from crossclear_fix import tags
from crossclear_fix.message import Message
from crossclear_fix.session_state import Limits
from tests.kit.fix import HOUSE, VENUE, Side

STEPS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["venue", "house"]), st.just("send")),
        st.tuples(st.sampled_from(["venue", "house"]), st.just("deliver")),
        st.tuples(st.just("both"), st.sampled_from(["break", "connect", "wait", "short wait"])),
    ),
    max_size=60,
)


@dataclass
class Line:
    """Two sides and the messages on their way, which a break loses."""

    venue: Side = field(default_factory=lambda: Side(VENUE, Limits(heartbeat_ms=30_000)))
    house: Side = field(default_factory=lambda: Side(HOUSE))
    to_house: list[Message] = field(default_factory=list)
    to_venue: list[Message] = field(default_factory=list)
    sent: dict[str, list[bytes]] = field(default_factory=lambda: {"venue": [], "house": []})

    def side(self, name: str) -> Side:
        return self.venue if name == "venue" else self.house

    def broken(self) -> None:
        self.to_house.clear()
        self.to_venue.clear()

    def connect(self) -> None:
        self.broken()
        self.house.connect()
        self.to_house += self.venue.connect()

    def deliver(self, name: str) -> bool:
        """Hand over the oldest message to a side."""
        queue, answers = (self.to_venue, self.to_house) if name == "venue" else (self.to_house, self.to_venue)
        if not queue:
            return False
        answers += self.side(name).take(queue.pop(0).fields)
        return True

    def send(self, name: str) -> None:
        side = self.side(name)
        if side.session.logged_on:
            text = f"{name} {len(self.sent[name])}".encode()
            self.sent[name].append(text)
            (self.to_house if name == "venue" else self.to_venue).extend(side.send(text))

    def wait(self, milliseconds: int) -> None:
        self.to_house += self.venue.wait(milliseconds)
        self.to_venue += self.house.wait(milliseconds)

    def play(self, who: str, what: str) -> None:
        if what == "send":
            self.send(who)
        elif what == "deliver":
            self.deliver(who)
        elif what == "break":
            self.broken()
        elif what == "connect":
            self.connect()
        else:
            self.wait(40_000 if what == "wait" else 9_000)

    def settle(self) -> None:
        """A whole connection: log on, and everything arrives."""
        self.connect()
        while self.deliver("house") or self.deliver("venue"):
            pass


def texts(side: Side) -> list[bytes]:
    return [message.get(tags.TEXT) or b"" for message in side.delivered]


@given(STEPS)
def test_every_application_message_arrives_once_and_in_order_whatever_breaks(steps: list[tuple[str, str]]) -> None:
    line = Line()
    line.connect()
    for who, what in steps:
        line.play(who, what)
    line.settle()
    assert not line.venue.ended, line.venue.ended
    assert not line.house.ended, line.house.ended
    assert texts(line.house) == line.sent["venue"]
    assert texts(line.venue) == line.sent["house"]
    assert line.venue.kept.state.outgoing == line.house.kept.state.incoming
    assert line.house.kept.state.outgoing == line.venue.kept.state.incoming


@given(st.lists(st.integers(0, 30), max_size=20), st.integers(0, 1_000))
def test_messages_that_are_lost_within_a_connection_come_again(lost: list[int], seed: int) -> None:
    """A faulty peer or a proxy that swallows some messages."""
    line = Line()
    line.settle()
    for number in range(30):
        line.send("venue" if (number + seed) % 3 else "house")
        if number in lost and line.to_house:
            line.to_house.pop()
        while line.deliver("house") or line.deliver("venue"):
            pass
    line.settle()
    assert texts(line.house) == line.sent["venue"]
    assert texts(line.venue) == line.sent["house"]


@given(st.lists(st.tuples(st.integers(0, 20), st.binary(max_size=12)), max_size=10), st.sampled_from(b"01234A5"))
def test_any_fields_leave_a_session_that_ended_or_goes_on(fields: list[tuple[int, bytes]], kind: int) -> None:
    line = Line()
    line.settle()
    before = replace(line.house.kept.state)
    numbers = [7, 16, 34, 35, 36, 43, 49, 52, 56, 58, 97, 98, 108, 112, 122, 123, 141, 8, 9, 10, 1]
    line.house.say(bytes((kind,)), before.incoming, *((numbers[at], value) for at, value in fields))
    assert line.house.ended or line.house.session.logged_on
    assert line.house.kept.state.outgoing >= before.outgoing
    assert line.house.kept.state.incoming >= before.incoming
    assert line.house.delivered == []
