"""A cluster of four worker processes proves the bytes that one process proves, whichever of them dies or lies.

Workers are real processes and are killed by their ids. A wrong answer is made where it arrives. The key of a proof is
the same in both proofs that are compared; otherwise every attempt draws its own.
"""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from itertools import count
from typing import Any

import pytest
from distributed import LocalCluster

from clearing.base.errors import Bug, LocalFault
from proofs.algebra.srs import basis
from proofs.epoch import dask_workers
from proofs.epoch import workers as shard_workers
from proofs.epoch.dask_workers import DaskShard
from proofs.epoch.remote_shard import ProgressBoard, ProofProgress
from proofs.epoch.workers import ShardWorkers
from proofs.errors import ProofCode
from proofs.linear.blinding import KEY_BYTES, ProofKeys, new_key
from proofs.linear.layout import RowRange, lay_out
from proofs.linear.prover import random_scalar
from proofs.linear.shard import ROUNDS, Shard
from proofs.linear.statement import LinearStatement, Witness
from proofs.linear.verifier import verify
from proofs.verify.package_verifier import verify_package
from tests.kit.proofs.linear_statements import CASH, POSITION, N, committed
from tests.kit.refusals import refused

ACCOUNTS, WORKERS = 11, 4
ROWS = tuple(RowRange(8, ((0, 1), (1, move)), 0, shortfall=True) for move in range(-90, -50))
LAYOUT = lay_out(N, (CASH, POSITION), ROWS)
KEY = bytes(range(KEY_BYTES))
CALLS = ("commit_digits", "commit_lookups", "sums", "evaluate", "opening")
Built = tuple[LinearStatement, list[Witness]]


@pytest.fixture(scope="module")
def built() -> Built:
    """Eleven accounts in two columns."""
    assert LAYOUT.columns == 2
    return committed(LAYOUT, [(100_000 + number, number) for number in range(ACCOUNTS)])


@pytest.fixture(scope="module")
def alone(built: Built) -> bytes:
    """The proof that this process makes under the key."""
    with ShardWorkers(1, ProgressBoard(1), key=lambda: KEY) as workers:
        workers.start(ACCOUNTS)
        proof, _ = workers.prove(*built)
    verify(built[0], proof)
    return proof


class Workers:
    """A scheduler, and worker processes that nothing restarts but `revive`."""

    def __init__(self, scheduler: LocalCluster) -> None:
        self.scheduler = scheduler
        self.address = "dask://" + scheduler.scheduler_address.partition("://")[2]
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self._numbers = count()

    def revive(self, wanted: int) -> None:
        """So many run, and the scheduler knows them and no other."""
        options = ("--no-nanny", "--nthreads", "1", "--no-dashboard", "--host", "127.0.0.1")
        command = [sys.executable, "-m", "distributed.cli.dask_worker", self.scheduler.scheduler_address, *options]
        self.processes = {name: each for name, each in self.processes.items() if each.poll() is None}
        while len(self.processes) < wanted:
            name = f"worker{next(self._numbers)}"
            self.processes[name] = subprocess.Popen([*command, "--name", name], stderr=subprocess.DEVNULL)
        while sorted(map(str, self._names().values())) != sorted(self.processes):
            time.sleep(0.05)

    def stop(self, address: str) -> None:
        """It keeps its connections and computes no more."""
        self._at(address).send_signal(signal.SIGSTOP)

    def kill(self, address: str) -> None:
        self.end(self._at(address))

    def end(self, worker: "subprocess.Popen[bytes]") -> None:
        worker.kill()
        worker.wait()

    def _at(self, address: str) -> "subprocess.Popen[bytes]":
        return self.processes[self._names()[address]]

    def _names(self) -> dict[str, str]:
        return {address: state.name for address, state in list(self.scheduler.scheduler.workers.items())}


@contextmanager
def workers_ended() -> Iterator[Workers]:
    with LocalCluster(n_workers=0, host="127.0.0.1", dashboard_address="127.0.0.1:0") as running:
        workers = Workers(running)
        try:
            yield workers
        finally:
            for worker in workers.processes.values():
                workers.end(worker)


@pytest.fixture(scope="module")
def processes() -> Iterator[Workers]:
    with workers_ended() as workers:
        yield workers


@pytest.fixture
def four(processes: Workers, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of a scheduler with four workers."""
    monkeypatch.setattr(shard_workers, "SHARD_ACCOUNTS_MIN", 2)
    processes.revive(WORKERS)
    return processes.address


def proven_over(address: str, built: Built, key: Callable[[], bytes] = lambda: KEY) -> tuple[bytes, ProofProgress]:
    board = ProgressBoard(WORKERS + 1)
    with ShardWorkers(1, board, address, key=key) as workers:
        workers.start(ACCOUNTS)
        assert len(workers._others) == WORKERS
        return workers.prove(*built)[0], board.read()


def test_one_process_several_and_a_cluster_prove_the_same_bytes_under_one_key(four, built, alone):
    proof, progress = proven_over(four, built)
    assert proof == alone
    assert progress == ProofProgress(ACCOUNTS * ROUNDS, ACCOUNTS * ROUNDS)
    with ShardWorkers(3, ProgressBoard(3), key=lambda: KEY) as workers:
        workers.start(ACCOUNTS)
        assert len(workers._others) == 2
        assert workers.prove(*built)[0] == alone


def test_an_epoch_over_four_workers_is_the_package_of_one_process(four, market):
    holdings = tuple((account, (1_000 + account, 3, 0, 0)) for account in range(ACCOUNTS))
    shot, seeds = market.snapshot(holdings), {account: (account + 1).to_bytes(32, "big") for account, _ in holdings}
    packages = []
    for address in ("", four):
        with ShardWorkers(1, ProgressBoard(WORKERS + 1), address, key=lambda: KEY) as workers:
            packages.append(market.honest(shot, seeds, workers=workers, scalars=lambda: 5))
            assert len(workers._others) == (WORKERS if address else 0)
    assert packages[0] == packages[1]
    assert verify_package(packages[0]).ok


@pytest.mark.parametrize("at", CALLS)
@pytest.mark.parametrize("sent", [False, True], ids=["between two rounds", "while it is asked"])
def test_a_worker_killed_in_mid_proof_is_survived_with_the_same_bytes(
    processes, four, built, alone, monkeypatch, at, sent
):
    killed: list[str] = []
    asked, answered = DaskShard.ask, DaskShard._answer

    def kill(shard: DaskShard) -> None:
        killed.append(shard.where)
        processes.kill(shard.where)

    def ask(shard: DaskShard, call: str, *arguments: object) -> Any:
        chosen = call == at and shard._slot == 2 and not killed
        if chosen and not sent:
            kill(shard)
        elif chosen:
            monkeypatch.setattr(shard, "_answer", partial(answer, shard))
        return asked(shard, call, *arguments)

    def answer(shard: DaskShard, begin: Callable[[], Any]) -> Any:
        processes.stop(shard.where)  # else it may have answered before it is killed
        future = begin()
        kill(shard)
        return answered(shard, lambda: future)

    monkeypatch.setattr(DaskShard, "ask", ask)
    proof, progress = proven_over(four, built)
    assert len(killed) == 1
    assert progress == ProofProgress(ACCOUNTS * ROUNDS, ACCOUNTS * ROUNDS, lost=1)
    assert proof == alone


def test_a_worker_that_dies_before_it_has_a_shard_is_survived(processes, four, built, alone, monkeypatch):
    held, killed = DaskShard.hold, []

    def hold(shard: DaskShard, *arguments: Any) -> None:
        if shard._slot == 3 and not killed:
            killed.append(shard.where)
            processes.kill(shard.where)
        held(shard, *arguments)

    monkeypatch.setattr(DaskShard, "hold", hold)
    proof, progress = proven_over(four, built)
    assert (proof, progress.lost) == (alone, 1)


def test_workers_that_refuse_to_hold_a_shard_are_passed_over(four, built, alone, monkeypatch):
    """What the node's own process could begin, a worker has no reason to refuse; the third one takes it."""
    held, refusals = DaskShard.hold, []

    def hold(shard: DaskShard, *arguments: Any) -> None:
        if shard._slot == 2 and len(refusals) < 2:
            refusals.append(shard.where)
            raise LocalFault(ProofCode.WORKERS_LOST, "cluster")
        held(shard, *arguments)

    monkeypatch.setattr(DaskShard, "hold", hold)
    proof, progress = proven_over(four, built)
    assert (proof, progress.lost, len(set(refusals))) == (alone, 2, 2)


@pytest.fixture
def mortal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Workers]:
    """Two workers."""
    monkeypatch.setattr(shard_workers, "SHARD_ACCOUNTS_MIN", 2)
    monkeypatch.setattr(dask_workers, "RETURN_SECONDS", 0.2)
    with workers_ended() as workers:
        workers.revive(2)
        yield workers


def test_a_cluster_without_a_worker_left_refuses_the_proof_and_does_not_wait_for_ever(mortal, built, monkeypatch):
    first, second = mortal.processes.values()
    asked = DaskShard.ask

    def ask(shard: DaskShard, call: str, *arguments: object) -> Any:
        if call == "sums":
            mortal.end(first)
            mortal.end(second)
        return asked(shard, call, *arguments)

    monkeypatch.setattr(DaskShard, "ask", ask)
    board = ProgressBoard(3)
    with ShardWorkers(1, board, mortal.address) as workers:
        workers.start(ACCOUNTS)
        assert len(workers._others) == 2
        with refused(ProofCode.WORKERS_LOST, LocalFault):
            workers.prove(*built)
        assert board.read().lost >= 1


def test_the_last_worker_computes_the_shards_of_all(mortal, built, alone, monkeypatch):
    first, _ = mortal.processes.values()
    asked = DaskShard.ask

    def ask(shard: DaskShard, call: str, *arguments: object) -> Any:
        if call == "evaluate":
            mortal.end(first)
        return asked(shard, call, *arguments)

    monkeypatch.setattr(DaskShard, "ask", ask)
    with ShardWorkers(1, ProgressBoard(3), mortal.address, key=lambda: KEY) as workers:
        workers.start(ACCOUNTS)
        assert workers.prove(*built)[0] == alone
        assert len({shard.where for shard in workers._others}) == 1


def test_a_worker_is_not_lost_because_it_and_its_scheduler_are_slow(four, built, alone, monkeypatch):
    """On a busy machine both may be silent for a while."""
    monkeypatch.setattr(dask_workers, "POLL_SECONDS", 0.001)
    monkeypatch.setattr(dask_workers, "_workers_of", lambda _: None)
    proof, progress = proven_over(four, built)
    assert (proof, progress.lost) == (alone, 0)


def test_a_silent_worker_that_the_scheduler_does_not_know_is_lost(four, built, alone, monkeypatch):
    """It lives, and its connection hangs."""
    known, silent = dask_workers._workers_of, list[str]()

    def without_one(client: Any) -> Any:
        found = dict(known(client))
        silent.extend(sorted(found)[:1] if not silent else ())
        return {address: about for address, about in found.items() if address not in silent}

    monkeypatch.setattr(dask_workers, "POLL_SECONDS", 0.001)
    monkeypatch.setattr(dask_workers, "_workers_of", without_one)
    proof, progress = proven_over(four, built)
    assert (proof, progress.lost) == (alone, 1)


def raised(points: list[tuple[bytes, ...]]) -> list[tuple[bytes, ...]]:
    """The first account's points in another order, or those of the second one."""
    return [points[1], *points[1:]]


def refuse(_: object) -> None:
    raise LocalFault(ProofCode.WITNESS_OUT_OF_RANGE, "row 1")


def lose_all(_: object) -> None:
    raise LocalFault(ProofCode.WORKERS_LOST, "cluster")


LIES: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "C_D of another account": ("commit_digits", lambda answer: (raised(answer[0]), answer[1])),
    "a digit counted once more": ("commit_digits", lambda answer: (answer[0], [answer[1][0] + 1, *answer[1][1:]])),
    "equal counts of another type": ("commit_digits", lambda answer: (answer[0], [float(each) for each in answer[1]])),
    "an account left out": ("commit_digits", lambda answer: (answer[0][1:], answer[1])),
    "C_f of another account": ("commit_lookups", raised),
    "no point at all": ("commit_lookups", lambda answer: [(b"", b""), *answer[1:]]),
    "another value in the sums": (
        "sums",
        lambda answer: replace(answer, values=replace(answer.values, values=[1, *answer.values.values[1:]])),
    ),
    "another quotient": (
        "sums",
        lambda answer: replace(answer, quotient=replace(answer.quotient, g=[1, *answer.quotient.g[1:]])),
    ),
    "nothing in the place of sums": ("sums", lambda answer: None),
    "another D at zeta": ("evaluate", lambda answer: [(answer[0][0] + 1, *answer[0][1:]), *answer[1:]]),
    "a refusal of what is in order": ("evaluate", refuse),
    "that all workers are lost": ("evaluate", lose_all),
    "another opening": ("opening", lambda answer: replace(answer, hiding=[1, *answer.hiding[1:]])),
}


@pytest.fixture(scope="module")
def threads() -> Iterator[str]:
    """Two workers that are threads: what they say is changed on its way."""
    with LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        processes=False,
        protocol="tcp://",
        host="127.0.0.1",
        dashboard_address="127.0.0.1:0",
    ) as running:
        yield "dask://" + running.scheduler_address.partition("://")[2]


def lying(monkeypatch: pytest.MonkeyPatch, lie: str, liars: int) -> list[str]:
    """So many workers lie from now on; returns those that did."""
    call_of_lie, changed = LIES[lie]
    asked, liars_found = DaskShard.ask, list[str]()

    def ask(shard: DaskShard, call: str, *arguments: object) -> Any:
        answer = asked(shard, call, *arguments)
        if call != call_of_lie or (len(liars_found) == liars and shard.where not in liars_found):
            return answer
        if shard.where not in liars_found:
            liars_found.append(shard.where)
        return changed(answer)

    monkeypatch.setattr(DaskShard, "ask", ask)
    monkeypatch.setattr(shard_workers, "SHARD_ACCOUNTS_MIN", 2)
    return liars_found


@pytest.mark.parametrize("lie", LIES)
def test_a_lying_workers_share_is_found_and_the_proof_begun_again_without_it(threads, built, monkeypatch, lie):
    liars, keys = lying(monkeypatch, lie, 1), list[bytes]()

    def key() -> bytes:
        keys.append(new_key())
        return keys[-1]

    board = ProgressBoard(3)
    with ShardWorkers(1, board, threads, key=key) as workers:
        workers.start(ACCOUNTS)
        proof, _ = workers.prove(*built)
        assert [shard.where for shard in workers._others] != liars
        assert board.read() == ProofProgress(ACCOUNTS * ROUNDS, ACCOUNTS * ROUNDS, refused=1)
    verify(built[0], proof)
    assert len(set(keys)) == 2, "blinders of a proof with a lie in it are not used again"


def test_where_all_workers_lie_the_proof_is_refused_by_the_name_of_one(threads, built, monkeypatch):
    liars = lying(monkeypatch, "another D at zeta", 2)
    with ShardWorkers(1, ProgressBoard(3), threads) as workers:
        workers.start(ACCOUNTS)
        with refused(ProofCode.SHARE_REFUSED, LocalFault) as caught:
            workers.prove(*built)
    assert caught.value.values["worker"] in liars


def test_an_own_fault_is_no_workers_lie(threads, market, monkeypatch):
    """A statement that these holdings do not satisfy: every share is right, and the fault is reported as it is."""
    monkeypatch.setattr(shard_workers, "SHARD_ACCOUNTS_MIN", 2)
    statement, witnesses = committed(LAYOUT, [(1, 1)] * ACCOUNTS, check=False)
    board = ProgressBoard(3)
    with ShardWorkers(1, board, threads) as workers:
        workers.start(ACCOUNTS)
        with pytest.raises(Bug, match="checked witness"):
            workers.prove(statement, witnesses)
    assert board.read().refused == 0


def test_a_worker_that_contradicts_a_lost_one_fails_the_attempt(threads, built, monkeypatch):
    """The lost one's answers are in the transcript already, so the proof begins again under another key."""
    asked, state = DaskShard.ask, dict[str, int]()

    def ask(shard: DaskShard, call: str, *arguments: object) -> Any:
        answer = asked(shard, call, *arguments)
        if call == "commit_digits" and not state:
            state["lied"] = shard._slot
            return (raised(answer[0]), answer[1])
        if call == "commit_lookups" and state == {"lied": shard._slot}:
            state["lost"] = 1
            raise BrokenExecutor
        return answer

    monkeypatch.setattr(DaskShard, "ask", ask)
    monkeypatch.setattr(shard_workers, "SHARD_ACCOUNTS_MIN", 2)
    board = ProgressBoard(3)
    with ShardWorkers(1, board, threads) as workers:
        workers.start(ACCOUNTS)
        verify(built[0], workers.prove(*built)[0])
        assert (board.read().lost, board.read().refused) == (1, 0)
        assert len(workers._others) == 1


def test_keys_give_other_blinders_for_another_account_statement_or_key(built):
    statement, _ = built
    other = replace(statement, context=bytes([1]) * 32)
    drawn = [
        shard_key
        for keys in (ProofKeys(KEY, statement), ProofKeys(KEY, other), ProofKeys(bytes(KEY_BYTES), statement))
        for shard_key in (*keys.of_accounts(0, 3).accounts, keys.of_accounts(0, 3).table)
    ]
    assert len(set(drawn)) == len(drawn)
    assert (
        ProofKeys(KEY, statement).of_accounts(0, 3).accounts[1:] == ProofKeys(KEY, statement).of_accounts(1, 2).accounts
    )
    with refused(ProofCode.BAD_LENGTH, LocalFault):
        ProofKeys(b"short", statement)


def test_only_the_shard_with_the_first_account_has_the_tables_key(built):
    statement, witnesses = built
    keys = ProofKeys(KEY, statement).of_accounts(3, 2)
    shard = Shard(LAYOUT, basis(N), witnesses[3:5], random_scalar, keys=keys)
    _, counts = shard.commit_digits()
    with refused(ProofCode.BLINDERS_REUSED, LocalFault):
        shard.carry_table(counts)
    with refused(ProofCode.BAD_LENGTH, LocalFault):
        Shard(LAYOUT, basis(N), witnesses[3:6], random_scalar, keys=keys)
