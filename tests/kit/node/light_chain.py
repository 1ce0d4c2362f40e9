"""A chain of light blocks over the real curves, and servers of it over real HTTP: honest ones and liars."""

import json
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import msgspec

from clearing.base.hashing import sha256
from clearing.base.header import Header
from clearing.base.validators import ValidatorSet
from consensus.light_client import LightBlock, TrustPolicy
from node.api.chain import light_block_view
from tests.kit import certificates
from tests.kit.consensus.crypto import secrets_of, validator_set
from tests.kit.headers import make_header

NETWORK = sha256(b"light network")
PEOPLE = validator_set(9).validators
SECRETS = [secret for _, secret in secrets_of(9)]
BLOCK_MS = 1000
POLICY = TrustPolicy(trusting_period_ms=10_000_000)
NOW_MS = 1_000_000


@lru_cache(maxsize=64)
def set_of(members: frozenset[int]) -> ValidatorSet:
    return ValidatorSet(validators=tuple(PEOPLE[index] for index in sorted(members)))


def certified(header: Header, members: frozenset[int], after: frozenset[int], by: Iterable[int]) -> LightBlock:
    """`by`: people that sign."""
    validators, people = set_of(members), sorted(members)
    certificate = certificates.certified(
        header, validators, {people.index(each): SECRETS[each] for each in by if each in members}
    )
    return LightBlock(header=header, certificate=certificate, validators=validators, next_validators=set_of(after))


def header_of(
    height: int,
    parent: bytes,
    members: frozenset[int],
    after: frozenset[int],
    mark: bytes = b"",
    network: bytes = NETWORK,
    **fields: Any,
) -> Header:
    return make_header(height, set_of(members), set_of(after), mark, network=network, parent=parent, **fields)


def chain_of(
    members: Sequence[Iterable[int]], mark: bytes = b"", below: Sequence[LightBlock] = (), network: bytes = NETWORK
) -> list[LightBlock]:
    """Height h has the set members[h - 1]; the heights of `below` are taken from there, so that chains can fork."""
    sets = [frozenset(chosen) for chosen in members]
    blocks = list(below)
    for height in range(len(blocks) + 1, len(sets) + 1):
        now, after = sets[height - 1], sets[min(height, len(sets) - 1)]
        parent = blocks[-1].header.hash if blocks else network
        blocks.append(certified(header_of(height, parent, now, after, mark, network), now, after, now))
    return blocks


def turning(heights: int, every: int) -> list[set[int]]:
    """Sets of four of the first eight people, of whom one changes now and then."""
    return [{(index + height // every) % 8 for index in range(4)} for height in range(heights)]


def shown(block: LightBlock) -> bytes:
    """As a node answers."""
    return msgspec.json.encode(light_block_view(block))


Answer = tuple[int, bytes]


@dataclass
class Node:
    """An HTTP server of light blocks. `lie` may answer in place of the chain."""

    blocks: list[LightBlock]
    lie: Callable[[str], Answer | None] = lambda _: None
    asked: list[str] = field(default_factory=list)
    evidence: list[bytes] = field(default_factory=list)
    url: str = ""

    def answer(self, path: str) -> Answer:
        self.asked.append(path.rsplit("/", 1)[1])
        false_answer = self.lie(path)
        if false_answer is not None:
            return false_answer
        height = len(self.blocks) if path.endswith("latest") else int(path.rsplit("/", 1)[1])
        if not 1 <= height <= len(self.blocks):
            return 404, b"{}"
        return 200, shown(self.blocks[height - 1])


class _Handler(BaseHTTPRequestHandler):
    node: Node

    def do_GET(self) -> None:
        self._reply(*self.node.answer(self.path))

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.node.evidence.append(body)
        self._reply(202, json.dumps({"accused": []}).encode())

    def _reply(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@contextmanager
def serving(*nodes: Node) -> Iterator[list[str]]:
    """Run each on a port of its own; their URLs."""
    servers = []
    for node in nodes:
        handler = type("Handler", (_Handler,), {"node": node})
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        servers.append(server)
        node.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield [node.url for node in nodes]
    finally:
        for server in servers:
            server.shutdown()
            server.server_close()
