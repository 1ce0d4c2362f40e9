"""Both clients follow a node's real `/v1/stream`, by events and by WebSocket: nothing is lost, nothing comes twice."""

import json
import subprocess
from abc import abstractmethod
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest
from anyio.from_thread import start_blocking_portal

from crossclear_client import Client, Key, Retries, errors
from crossclear_client.frames import FrameStream
from devnet.toolchain import CLIENT, node_path
from node.api import stream_blocks
from node.http import connections
from tests.kit.node.streams import ALICE_KEY, BOB_KEY
from tests.kit.node.streams_in_thread import NodeInThread, cutting_proxy, node_in_thread

TOPICS = "heights,marks,receipts:1"
PATIENT = Retries(attempts=200, first_wait=0.05, longest_wait=0.1)
Frame = dict[str, Any]


class Reader(AbstractContextManager["Reader"]):
    """A client that reads one frame when it is asked for one."""

    def __init__(self, url: str, network: bytes, topics: str, key: bytes | None, *, websocket: bool) -> None:
        self.url, self.network, self.topics, self.key, self.websocket = url, network, topics, key, websocket

    @abstractmethod
    def next(self) -> Frame:
        """The next frame. Raises PermissionError with the node's code."""

    def several(self, count: int) -> list[Frame]:
        return [self.next() for _ in range(count)]

    def until(self, is_last: Callable[[Frame], bool]) -> list[Frame]:
        frames = [self.next()]
        while not is_last(frames[-1]):
            frames.append(self.next())
        return frames


class PythonReader(Reader):
    backend = "asyncio"

    def __enter__(self) -> "PythonReader":
        self._entered = ExitStack()
        self._portal = self._entered.enter_context(start_blocking_portal(self.backend))
        self._frames = self._entered.enter_context(self._portal.wrap_async_context_manager(self._following()))
        return self

    @asynccontextmanager
    async def _following(self) -> AsyncIterator[FrameStream]:
        key = Key(self.key) if self.key else None
        async with (
            Client(self.url, key, network=self.network, retries=PATIENT) as client,
            client.follow(*self.topics.split(","), websocket=self.websocket) as frames,
        ):
            yield frames

    def next(self) -> Frame:
        async def one(frames: FrameStream) -> Frame:
            frame = await anext(frames)
            return {"topic": frame.topic, "cursor": frame.cursor, "kind": frame.kind, "data": frame.data}

        try:
            return self._portal.call(one, self._frames)
        except errors.NodeRefused as refused:
            raise PermissionError(refused.code) from None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._entered.close()


class TrioReader(PythonReader):
    backend = "trio"


class TypeScriptReader(Reader):
    def __enter__(self) -> "TypeScriptReader":
        words = [str(node_path()), str(CLIENT / "test" / "follow.mjs"), self.url, self.network.hex()]
        words += [self.key.hex() if self.key else "-", self.topics, *(["websocket"] if self.websocket else [])]
        self._process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        return self

    def next(self) -> Frame:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write("\n")
        stdin.flush()
        found = json.loads(stdout.readline())
        if "frame" not in found:
            raise PermissionError(found["why"])
        frame: Frame = found["frame"]
        return frame

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._process as process:
            process.kill()


Kind = tuple[type[Reader], bool]
KINDS = {
    f"{name}-{'socket' if websocket else 'events'}": (kind, websocket)
    for name, kind in (("asyncio", PythonReader), ("trio", TrioReader), ("typescript", TypeScriptReader))
    for websocket in (False, True)
}


@pytest.fixture(params=KINDS.values(), ids=KINDS.keys())
def kind(request: pytest.FixtureRequest) -> Kind:
    found: Kind = request.param
    return found


@pytest.fixture
def node(tmp_path: Path) -> Iterator[NodeInThread]:
    with node_in_thread(tmp_path) as node:
        yield node


@contextmanager
def reading(
    kind: Kind, node: NodeInThread, topics: str = TOPICS, key: bytes | None = ALICE_KEY, url: str = ""
) -> Iterator[Reader]:
    reader, websocket = kind
    with reader(url or node.url, node.network, topics, key, websocket=websocket) as found:
        yield found


def at(height: int) -> Callable[[Frame], bool]:
    """The last frame of a height: its receipts come after its header and its marks."""
    return lambda frame: frame["topic"] == "receipts:1" and frame["cursor"].startswith(f"{height}:")


def test_topics_begin_with_snapshots_and_go_on_with_every_event(kind: Kind, node: NodeInThread) -> None:
    with reading(kind, node) as reader:
        snapshots = reader.several(3)
        assert {each["kind"] for each in snapshots} == {"snapshot"}
        node.decide(5)
        events = reader.until(at(8))
    assert {each["kind"] for each in events} == {"delta"}
    assert [each["data"]["height"] for each in events if each["topic"] == "heights"] == [4, 5, 6, 7, 8]
    assert len({each["cursor"] for each in events}) == len(events)


def test_connections_that_break_off_anywhere_lose_nothing_and_repeat_nothing(kind: Kind, node: NodeInThread) -> None:
    """The first ones break among the snapshots, the others among the events, in the middle of frames."""
    cuts = (200, 700, 1_500, 4_000, *range(600, 4_000, 170))
    with cutting_proxy(node.port, *cuts) as url, reading(kind, node) as whole, reading(kind, node, url=url) as broken:
        whole.several(3)
        begun = broken.until(lambda frame: bool(frame["cursor"]))
        assert {each["kind"] for each in begun} == {"snapshot"}
        node.decide(12)
        expected = whole.until(at(15))
        assert broken.several(len(expected)) == expected


def test_after_a_restart_a_stream_goes_on_and_says_what_the_node_has_forgotten(kind: Kind, node: NodeInThread) -> None:
    with reading(kind, node) as reader:
        reader.several(3)
        node.decide(2)
        last = reader.until(at(5))[-1]
        node.end()
        node.decide(2)
        node.start()
        gap, *snapshots = reader.several(4)
        assert (gap["kind"], gap["cursor"], gap["data"]["code"]) == ("gap", last["cursor"], "R0960")
        assert [each["kind"] for each in snapshots] == ["snapshot"] * 3
        node.decide(1)
        assert [each["cursor"] for each in reader.until(at(8)) if each["topic"] == "heights"] == ["8:0"]


def test_a_restart_at_which_nothing_was_decided_loses_nothing(kind: Kind, node: NodeInThread) -> None:
    with reading(kind, node) as reader:
        reader.several(3)
        node.end()
        node.start()
        node.decide(1)
        assert reader.next()["cursor"] == "4:0"


def test_a_refusal_is_raised_with_the_nodes_code(kind: Kind, node: NodeInThread) -> None:
    for key, code in ((BOB_KEY, "R0848"), (None, "R0847")):
        with reading(kind, node, key=key) as reader, pytest.raises(PermissionError, match=code):
            reader.next()


def test_who_takes_frames_slowly_holds_up_nobody_and_is_not_filled(
    kind: Kind, node: NodeInThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Blocks of a megabyte: many times more than sockets and clients keep. The reader gets all of them all the same."""
    monkeypatch.setattr(connections, "UNREAD_MS_MAX", 500)
    big = b"x" * (1 << 19)
    real = stream_blocks.frame

    def frame(topic: str, cursor: Any, kind_: str, data: bytes) -> bytes:
        return real(topic, cursor, kind_, data[:-1] + b',"x":"%b"}' % big if topic == "heights" else data)

    monkeypatch.setattr(stream_blocks, "frame", frame)
    with reading(kind, node, "heights", None) as slow:
        assert slow.next()["kind"] == "snapshot"
        node.decide(60)
        assert [slow.next()["cursor"] for _ in range(60)] == [f"{height}:0" for height in range(4, 64)]
