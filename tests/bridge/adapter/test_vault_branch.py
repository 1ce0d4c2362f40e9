"""Checkpoints that a vault accepted are compared with the network's own headers; another one latches the chain."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from bridge.codes import BridgeCode
from bridge.evm.events import Checkpointed
from bridge.rpc.endpoint import Endpoint, Result, RpcCall
from bridge.watch.branch import AcceptedCheckpoint, BranchFile, BranchWatch
from bridge.watch.releases import release
from clearing.base.errors import LocalFault, RemoteFault
from clearing.base.hashing import sha256
from clearing.base.header import Header
from devnet.anvil import Anvil
from tests.kit.bridge.own_branch import OwnHeaders
from tests.kit.bridge.vault_chain import FOUR, UNIT, VaultChain, make_header
from tests.kit.bridge.watched_chain import CHAIN_ID, Liar, Watch
from tests.kit.refusals import refused


class Scene:
    """A vault on a real chain, its watcher, and the headers that the watcher's node has."""

    def __init__(self, vault: VaultChain, endpoint: Endpoint, folder: Path) -> None:
        self.vault, self.endpoint, self.folder = vault, endpoint, folder
        self.own = OwnHeaders()
        self.watch(endpoint)

    def watch(self, *sources: object, quorum: int = 1) -> None:
        """A watcher that begins where the last one ended."""
        chain = self.vault.watched()
        branch = BranchWatch(BranchFile(self.folder, CHAIN_ID), CHAIN_ID, chain.vault, self.own)
        self.branch, policy = branch, chain.finality
        chain = self.vault.watched(finality=type(policy)(quorum=quorum))
        self.now = Watch(chain, sources, self.folder, branch=branch)

    def post(self, height: int, name: bytes = b"own") -> Header:
        """The vault accepts a header; the chain has finalised it."""
        header = make_header(FOUR, height, payload_root=sha256(name))
        self.vault.certified(header)
        self.vault.chain.rpc("anvil_mine", hex(6))
        return header

    @property
    def halt(self) -> int:
        found = self.now.watcher.status.halt
        return 0 if found is None else found.code


@pytest.fixture
async def scene(anvil: Callable[..., Anvil], tmp_path: Path) -> AsyncIterator[Scene]:
    vault = VaultChain(anvil(CHAIN_ID), FOUR)
    async with Endpoint(vault.chain.url) as endpoint:
        yield Scene(vault, endpoint, tmp_path)


@pytest.mark.chain
async def test_the_networks_own_headers_latch_nothing(scene: Scene) -> None:
    for height in (3, 4, 9):
        scene.own.decide(scene.post(height))
    await scene.now.until_quiet()
    assert (scene.halt, scene.branch.waiting, scene.branch.strayed) == (0, (), None)


@pytest.mark.chain
async def test_a_header_of_another_branch_latches_the_chain_until_it_is_released(scene: Scene) -> None:
    scene.own.decide(make_header(FOUR, 3, payload_root=sha256(b"own")))
    false = scene.post(3, b"false")
    await scene.now.watcher.step()
    assert scene.halt == BridgeCode.VAULT_ON_OTHER_BRANCH, "in the poll that read it: the next may be a while off"
    assert scene.branch.strayed is not None
    assert (scene.branch.strayed.height, scene.branch.strayed.header_hash) == (3, false.hash)
    scene.watch(scene.endpoint)
    assert (scene.halt, scene.branch.strayed is not None) == (BridgeCode.VAULT_ON_OTHER_BRANCH, True)
    release(scene.folder, CHAIN_ID, BridgeCode.VAULT_ON_OTHER_BRANCH, "the cold quorum chose", 1)
    scene.vault.deposit(UNIT)
    scene.vault.chain.rpc("anvil_mine", hex(6))
    scene.watch(scene.endpoint)
    await scene.now.until_quiet()
    assert (scene.halt, scene.branch.strayed, scene.now.nonces) == (0, None, [1])


@pytest.mark.chain
@pytest.mark.parametrize("name", [b"own", b"false"])
async def test_a_node_that_is_behind_compares_when_it_has_the_header(scene: Scene, name: bytes) -> None:
    scene.post(7, name)
    await scene.now.until_quiet()
    scene.watch(scene.endpoint)
    await scene.now.until_quiet()
    assert (scene.halt, len(scene.branch.waiting)) == (0, 1)
    scene.own.decide(make_header(FOUR, 7, payload_root=sha256(b"own")))
    await scene.now.until_quiet()
    assert scene.halt == (0 if name == b"own" else BridgeCode.VAULT_ON_OTHER_BRANCH)
    assert scene.branch.waiting == ()


@pytest.mark.chain
async def test_while_too_many_headers_wait_nothing_more_is_read(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge.watch.branch.WAITING_MAX", 1)
    header = scene.post(7)
    await scene.now.watcher.step()
    scene.vault.deposit(UNIT)
    scene.vault.chain.rpc("anvil_mine", hex(6))
    with refused(BridgeCode.VAULT_AHEAD):
        await scene.now.until_quiet()
    assert scene.now.nonces == []
    scene.own.decide(header)
    await scene.now.until_quiet()
    assert scene.now.nonces == [1]


@pytest.mark.chain
@pytest.mark.parametrize("place", [0, 1, 2])
async def test_no_single_endpoint_that_lies_latches_a_chain(scene: Scene, place: int) -> None:
    own = scene.post(3)
    scene.own.decide(own)

    def alter(call: RpcCall, result: Result) -> Result:
        return _replaced(result, own.hash.hex(), sha256(b"false").hex())

    sources: list[Any] = [Liar(scene.endpoint, name=f"e{each}") for each in range(3)]
    sources[place] = Liar(scene.endpoint, alter, name="liar")
    scene.watch(*sources, quorum=2)
    for _ in range(20):
        try:
            await scene.now.watcher.step()
        except RemoteFault:
            continue
    assert (scene.halt, scene.branch.strayed) == (0, None)
    assert scene.now.watcher.status.scanned_number > 0


def _replaced(result: Any, old: str, new: str) -> Any:
    if isinstance(result, dict):
        return {key: _replaced(value, old, new) for key, value in result.items()}
    if isinstance(result, list):
        return [_replaced(value, old, new) for value in result]
    return result.replace(old, new) if isinstance(result, str) else result


VAULT = b"\x01" * 20


async def _always(number: int, checkpoint: Checkpointed) -> bool:
    return True


async def _never(number: int, checkpoint: Checkpointed) -> bool:
    return False


def accepted(height: int, name: bytes = b"own") -> AcceptedCheckpoint:
    return AcceptedCheckpoint(height, make_header(FOUR, height, payload_root=sha256(name)).hash, height)


async def test_what_no_receipt_proves_latches_nothing(tmp_path: Path) -> None:
    own = OwnHeaders()
    own.decide(make_header(FOUR, 3, payload_root=sha256(b"own")))
    branch = BranchWatch(BranchFile(tmp_path, CHAIN_ID), CHAIN_ID, VAULT, own)
    branch.add([accepted(3, b"false")])
    await branch.compare(_never)
    assert (branch.waiting, branch.strayed) == ((), None)


async def test_a_height_that_this_node_does_not_keep_latches_nothing(tmp_path: Path) -> None:
    own = OwnHeaders()
    own.decide(make_header(FOUR, 9))
    branch = BranchWatch(BranchFile(tmp_path, CHAIN_ID), CHAIN_ID, VAULT, own)
    branch.add([accepted(3, b"false")])
    await branch.compare(_always)
    assert (branch.waiting, branch.strayed) == ((), None)


async def test_a_record_of_another_vault_is_not_believed(tmp_path: Path) -> None:
    BranchWatch(BranchFile(tmp_path, CHAIN_ID), CHAIN_ID, VAULT, OwnHeaders()).add([accepted(3)])
    with pytest.raises(LocalFault):
        BranchWatch(BranchFile(tmp_path, CHAIN_ID), CHAIN_ID, b"\x02" * 20, OwnHeaders())


STEPS = st.lists(st.sampled_from(["read", "decide", "compare", "restart"]), max_size=40)


@given(steps=STEPS, false=st.sets(st.integers(1, 12)))
def test_the_first_header_of_another_branch_is_found_however_reading_and_deciding_interleave(
    tmp_path_factory: pytest.TempPathFactory, steps: list[str], false: set[int]
) -> None:
    file = BranchFile(tmp_path_factory.mktemp("branch"), CHAIN_ID)

    async def story() -> None:
        own, read = OwnHeaders(), 0
        branch = BranchWatch(file, CHAIN_ID, VAULT, own)
        for step in [*steps, *["read", "decide"] * 12, "compare"]:
            if step == "read" and read < 12:
                read += 1
                branch.add([accepted(read, b"false" if read in false else b"own")])
            elif step == "decide" and own.height() < 12:
                own.decide(make_header(FOUR, own.height() + 1, payload_root=sha256(b"own")))
            elif step == "restart":
                branch = BranchWatch(file, CHAIN_ID, VAULT, own)
            elif step == "compare":
                due = min(read, own.height())
                found = sorted(each for each in false if each <= due)
                try:
                    await branch.compare(_always)
                except RemoteFault as fault:
                    assert fault.code is BridgeCode.VAULT_ON_OTHER_BRANCH
                assert (branch.strayed.height if branch.strayed else None) == (found[0] if found else None)
                assert [each.height for each in branch.waiting] == list(range(due + 1, read + 1))

    trio.run(story)
