"""Rules of the line for monitoring systems: its level, and that any plugin reader can take it apart."""

import re

import msgspec
import pytest

from member.api.state import Check, PeerView, Readiness, StateView
from member.client.ask import NodeStatus
from member.printing.monitoring import AgeLimits, Level, judge

LIMITS = AgeLimits(10, 60)
NOW_MS = 1_000_000
STATE = StateView("0x" + "00" * 32, 7, NOW_MS - 1_000, "0x" + "11" * 32, "0x" + "22" * 32, 1, 4, 0)
CONNECTED = PeerView(
    "ab" * 32,
    "validator",
    connected=True,
    connections=1,
    rtt_ms=3,
    score=100,
    faults=0,
    last_fault="",
    bans=0,
    banned_ms=0,
)
READY = Readiness(ready=True, checks=(Check("height", ok=True),))
GOOD = NodeStatus(STATE, READY, (CONNECTED,))
LINE = re.compile(r"CROSSCLEAR (OK|WARNING|CRITICAL|UNKNOWN) - [^|\n]+( \| (\w+=[0-9.]+[cs]?(;[0-9.]*){0,4} ?)+)?")


def aged(seconds: float) -> NodeStatus:
    state = msgspec.structs.replace(STATE, time_ms=NOW_MS - int(seconds * 1000))
    return NodeStatus(state, READY, (CONNECTED,))


APART = NodeStatus(STATE, READY, (msgspec.structs.replace(CONNECTED, connected=False),))
UNSET = NodeStatus(STATE, READY, (msgspec.structs.replace(CONNECTED, connected=False, role="observer"),))
NO_PRICES = Readiness(ready=False, checks=(Check("prices", ok=False, detail="none|for\n20 s"),))
FAILING = NodeStatus(STATE, NO_PRICES, (CONNECTED,))


@pytest.mark.parametrize(
    ("status", "level", "words"),
    [
        (GOOD, Level.OK, "height 7"),
        (aged(9.9), Level.OK, "height 7"),
        (aged(10), Level.WARNING, "newest block is 10 s old"),
        (aged(60), Level.CRITICAL, "newest block is 60 s old"),
        (aged(-5), Level.OK, "age=0.0s"),
        (NodeStatus(None, READY, ()), Level.CRITICAL, "no block"),
        (APART, Level.WARNING, "not connected to ababababab"),
        (UNSET, Level.OK, "peers=0;;;0;1"),
        (FAILING, Level.CRITICAL, "prices: none/for 20 s"),
        (NodeStatus(STATE, Readiness(ready=False, checks=()), ()), Level.CRITICAL, "not ready"),
    ],
)
def test_the_worst_that_is_seen_is_the_level(status: NodeStatus, level: Level, words: str) -> None:
    found, line = judge(status, NOW_MS, LIMITS)
    assert (found, words in line) == (level, True), line
    assert LINE.fullmatch(line), line


def test_many_reasons_are_cut_before_the_performance_data() -> None:
    many = Readiness(ready=False, checks=tuple(Check(f"check-{n}", ok=False, detail="x" * 50) for n in range(20)))
    _, line = judge(NodeStatus(STATE, many, ()), NOW_MS, LIMITS)
    assert len(line) < 400
    assert "height=7c" in line
