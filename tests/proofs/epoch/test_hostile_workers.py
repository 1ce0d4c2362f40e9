"""A scheduler or worker that was taken over runs nothing in the process that proves.

Real workers, whose answers are pickles that would call `fire` where they are read; and a peer that speaks bytes of its
own choice.
"""

import pickle
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import suppress
from threading import Thread
from typing import Any

import msgpack
import pytest
from distributed import LocalCluster
from distributed.protocol import to_serialize
from distributed.protocol.serialize import ToPickle

from clearing.base.errors import LocalFault
from proofs.algebra.srs import basis
from proofs.epoch import dask_workers
from proofs.epoch import workers as shard_workers
from proofs.epoch.dask_calls import STATE_BYTES_MAX, BadReply, DaskPeer
from proofs.epoch.dask_shards import serve
from proofs.epoch.dask_workers import Cluster
from proofs.epoch.remote_shard import ProgressBoard
from proofs.epoch.shard_answers import answer_bytes, answer_bytes_max, decode_answer, encode_answer, encode_refusal
from proofs.epoch.workers import ShardWorkers
from proofs.errors import ProofCode
from proofs.linear.layout import RowRange, lay_out
from proofs.linear.prover import random_scalar
from proofs.linear.shard import OpeningWeights, Shard
from tests.kit.proofs.linear_statements import CASH, POSITION, N, committed
from tests.kit.refusals import refused

ACCOUNTS = 4
LAYOUT = lay_out(N, (CASH, POSITION), (RowRange(8, ((0, 1), (1, -3)), 0, shortfall=True),))
fired: list[str] = []


def fire() -> str:
    fired.append("run")
    return "run"


class Hostile:
    """What is read as a pickle calls `fire`."""

    def __reduce__(self) -> tuple[Callable[[], str], tuple[()]]:
        return fire, ()


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalCluster]:
    fired.clear()
    monkeypatch.setattr(shard_workers, "SHARD_ACCOUNTS_MIN", 2)
    monkeypatch.setattr(dask_workers, "RETURN_SECONDS", 0.1)
    with LocalCluster(
        n_workers=1,
        threads_per_worker=1,
        processes=False,
        protocol="tcp://",
        host="127.0.0.1",
        dashboard_address="127.0.0.1:0",
    ) as running:
        yield running


def address_of(running: LocalCluster) -> str:
    return "dask://" + running.scheduler_address.partition("://")[2]


ANSWERS: dict[str, Callable[[], Any]] = {
    "a pickled result": lambda: {"status": "OK", "result": to_serialize(Hostile())},
    "a pickle beside the result": lambda: {"status": "OK", "result": b"", "more": ToPickle(Hostile())},
    "a pickled error": lambda: {"status": "error", "exception": to_serialize(Hostile()), "exception_text": ""},
    "a pickle alone": lambda: ToPickle(Hostile()),
}


@pytest.mark.parametrize("kind", ANSWERS)
def test_a_worker_that_answers_with_a_pickle_is_lost_and_its_pickle_is_not_read(cluster, kind):
    async def answer(*_: Any, **__: Any) -> Any:
        return ANSWERS[kind]()

    for worker in cluster.workers.values():
        for operation in ("run", "actor_execute", "get_data"):
            worker.handlers[operation] = answer
    statement, witnesses = committed(LAYOUT, [(100 + number, number) for number in range(ACCOUNTS)])
    board = ProgressBoard(2)
    with ShardWorkers(1, board, address_of(cluster)) as workers:
        workers.start(ACCOUNTS)
        with refused(ProofCode.WORKERS_LOST, LocalFault):
            workers.prove(statement, witnesses)
    assert board.read().lost
    assert not fired


def test_a_scheduler_that_answers_with_a_pickle_is_refused_and_its_pickle_is_not_read(cluster):
    async def answer(*_: Any, **__: Any) -> Any:
        return {"workers": {}, "id": ToPickle(Hostile())}

    cluster.scheduler.handlers["identity"] = answer
    with refused(ProofCode.BAD_CLUSTER, LocalFault):
        Cluster(address_of(cluster))
    assert not fired


def framed(*frames: bytes) -> bytes:
    lengths = struct.pack(f"{len(frames) + 1}Q", len(frames), *map(len, frames))
    return struct.pack("Q", len(lengths) + sum(map(len, frames))) + lengths + b"".join(frames)


GREETING = framed(msgpack.packb({"compression": None, "python": (3, 11, 0), "pickle-protocol": 5}))
GOOD = msgpack.packb({"status": "OK", "result": {"__Serialized__": 1}})
PLAIN = msgpack.packb({"serializer": "dask", "compression": (None,), "num-sub-frames": 1})
LONG = struct.pack("3Q", 1 << 40, 1, 1 << 40)
"""Announces a terabyte."""


@pytest.fixture
def peer() -> Iterator[Callable[[bytes], DaskPeer]]:
    """Connects to a peer that says these bytes and nothing more."""
    listener = socket.create_server(("127.0.0.1", 0))
    threads = []

    def connected(said: bytes) -> DaskPeer:
        def speak() -> None:
            there, _ = listener.accept()
            with there, suppress(ConnectionError):
                there.sendall(said)
                there.shutdown(socket.SHUT_WR)
                while there.recv(1 << 16):
                    pass

        threads.append(Thread(target=speak))
        threads[-1].start()
        return DaskPeer(f"tcp://127.0.0.1:{listener.getsockname()[1]}", None, 60)

    yield connected
    listener.close()
    for thread in threads:
        thread.join()


def test_bytes_arrive_as_they_are(peer):
    found = peer(GREETING + framed(GOOD, PLAIN, b"ab", b"c"))
    assert found.run(serve, (b"", "end"), 3, 60) == b"abc"
    found.close()


@pytest.mark.parametrize(
    "said",
    [
        framed(GOOD, msgpack.packb({"serializer": "pickle", "writeable": ()}), pickle.dumps(Hostile())),
        framed(msgpack.packb({"status": "OK", "result": {"__Pickled__": 1}}), msgpack.packb({}), b""),
        framed(GOOD, msgpack.packb({"serializer": "dask", "compression": ("zlib",)}), b"abc"),
        framed(GOOD, msgpack.packb({"serializer": "dask", "compression": 7}), b"abc"),
        framed(GOOD),
        framed(GOOD, PLAIN, b"four"),
        framed(b""),
        framed(b"\x93" * 100_000),
        framed(b"\x91" * 60_000),
        struct.pack("2Q", 16, 0),
        struct.pack("2Q", 1 << 60, 1 << 57),
        LONG,
    ],
)
def test_an_answer_of_another_form_is_refused_before_more_is_read(peer, said):
    fired.clear()
    found = peer(GREETING + said)
    with pytest.raises(BadReply):
        found.run(serve, (b"", "end"), 3, 60)
    found.close()
    assert not fired


@pytest.mark.parametrize("said", [LONG, struct.pack("2Q", 8, 1 << 40)])
def test_a_greeting_that_announces_too_much_is_refused(peer, said):
    with pytest.raises(BadReply):
        peer(said)


@pytest.mark.parametrize(
    "state", [[], {}, {"workers": []}, {"workers": {7: {}}}, {"workers": {"tcp://h:1": {"nthreads": "1"}}}]
)
def test_a_state_without_workers_is_refused(peer, state):
    found = peer(GREETING + framed(msgpack.packb(state)))
    with pytest.raises(BadReply):
        found.workers(60)
    found.close()
    found = peer(GREETING + framed(b"\x00" * (STATE_BYTES_MAX + 1)))
    with pytest.raises(BadReply, match="at most"):
        found.workers(60)
    found.close()


def test_every_answer_of_a_shard_is_itself_after_its_bytes_and_has_one_length():
    _, witnesses = committed(LAYOUT, [(100 + number, number) for number in range(ACCOUNTS)])
    shard = Shard(LAYOUT, basis(N), witnesses, random_scalar)
    ones = [1] * (ACCOUNTS * LAYOUT.columns)
    calls: dict[str, tuple[Any, ...]] = {
        "commit_digits": (),
        "commit_lookups": (7,),
        "sums": ([5] * len(ones),),
        "evaluate": ([3] * N, 11, 13),
        "opening": (OpeningWeights(ones, ones, [1] * ACCOUNTS, 0),),
    }
    for call, arguments in calls.items():
        answer = getattr(shard, call)(*arguments)
        data = encode_answer(call, answer)
        assert len(data) == answer_bytes(call, LAYOUT, ACCOUNTS) <= answer_bytes_max(call, LAYOUT, ACCOUNTS)
        assert decode_answer(call, data, LAYOUT, ACCOUNTS) == answer
        for other in (b"", data[:-1], data + b"\0", b"\x02" + data[1:], b"\x01\x00", b"\x01\x00\x00at"):
            with pytest.raises(ValueError):
                decode_answer(call, other, LAYOUT, ACCOUNTS)


def test_a_refusal_keeps_its_code_and_the_beginning_of_its_place():
    data = encode_refusal(LocalFault(ProofCode.WITNESS_OUT_OF_RANGE, "é" * 500))
    with refused(ProofCode.WITNESS_OUT_OF_RANGE, LocalFault) as caught:
        decode_answer("hold", data, LAYOUT, ACCOUNTS)
    assert caught.value.at == "é" * 100
