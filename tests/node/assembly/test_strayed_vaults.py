"""A vault that took another header than the network's is frozen by its history, the other vaults by both certificates,
and a frozen vault is shown where it stands below the conflict."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest
from eth_account import Account
from web3 import Web3

from bridge.codes import BridgeCode
from bridge.contracts import vault as vault_calls
from bridge.contracts.cold_quorum import BranchChoice
from bridge.contracts.conflicts import choose_branch_call, extended_history, freeze_call
from bridge.contracts.schemes import CertificateScheme
from bridge.contracts.vault import CertifiedHeader
from bridge.relay.claim_queue import ALONE, RelayerPlace
from bridge.relay.transactions import Sender
from bridge.relay.vault_freeze import FreezeOutcome, VaultFreezer
from bridge.relay.vault_history import NO_HISTORY, taken_headers
from bridge.rpc.endpoint import Endpoint
from bridge.watch.branch import AcceptedCheckpoint
from clearing.base.hashing import sha256
from clearing.base.header import Header
from consensus.blocks.store import save_committed
from consensus.messages import Block, CommittedBlock, Evidence
from devnet.anvil import Anvil
from member.vaults.conflict import Conflict, check_conflict
from node.chains.stored_branch import StoredBranch
from node.chains.strayed_vaults import StrayedVaults, VaultAccess
from tests.kit.bridge.vault_chain import FOUR, NETWORK, ChainUser, VaultChain, make_header
from tests.kit.chains import anvil, anvil_binary
from tests.kit.consensus.memory_store import MemoryBlockStore
from tests.kit.refusals import refused

__all__ = ["anvil", "anvil_binary"]
pytestmark = pytest.mark.chain
QUORUM = (0, 1, 2)
RELAYER = bytes([41]) * 32


def header(height: int, name: bytes = b"own") -> Header:
    return make_header(FOUR, height, payload_root=sha256(name), exit_root=sha256(b"exit %d" % height))


class Scene:
    """A node whose own headers reach from 1 to 9, and vaults that it writes to."""

    def __init__(self, anvil: Callable[..., Anvil], stack: AsyncExitStack, scheme: CertificateScheme) -> None:
        self._anvil, self._stack, self.scheme = anvil, stack, scheme
        blocks = MemoryBlockStore()
        for height in range(1, 10):
            block = Block(header(height), b"", None, (), Evidence())
            save_committed(blocks, CommittedBlock(block, FOUR.certify(header(height), QUORUM), ()))
        self.strayed: dict[int, AcceptedCheckpoint] = {}
        self.learned: list[Conflict] = []
        self.place = ALONE
        self.service = StrayedVaults(
            self.strayed.get, self.own, StoredBranch(blocks), self.learned.append, lambda: self.place
        )

    def certify(self, of: Header) -> Any:
        return FOUR.sign(of, QUORUM) if self.scheme is CertificateScheme.ECDSA else FOUR.certify(of, QUORUM)

    def own(self, height: int, scheme: CertificateScheme) -> CertifiedHeader | None:
        assert scheme is self.scheme
        return header(height), self.certify(header(height))

    async def vault(self, chain_id: int = 1001) -> tuple[VaultChain, VaultAccess]:
        made = VaultChain(self._anvil(chain_id), FOUR, scheme=self.scheme)
        made.chain.fund(Account.from_key(RELAYER).address)
        endpoint = await self._stack.enter_async_context(Endpoint(made.chain.url))
        sender = Sender(endpoint, chain_id, RELAYER)
        return made, VaultAccess(chain_id, made.vault_at.address, 0, self.scheme, endpoint, sender)

    def takes(self, vault: VaultChain, *headers: Header) -> None:
        for each in headers:
            vault.checkpoint(each, self.certify(each))

    def proven(self, vault: VaultChain, taken: Header) -> None:
        """The watcher found it."""
        self.strayed[vault.chain.chain_id] = AcceptedCheckpoint(taken.height, taken.hash, 1)


@pytest.fixture(params=CertificateScheme)
async def scene(request: Any, anvil: Callable[..., Anvil]) -> AsyncIterator[Scene]:
    async with AsyncExitStack() as stack:
        yield Scene(anvil, stack, request.param)


def paid(vault: VaultChain) -> int:
    """Transactions of the relayer."""
    return int(vault.user.web3.eth.get_transaction_count(Account.from_key(RELAYER).address))


async def test_a_strayed_vault_is_frozen_and_shown_its_base_and_its_header_freezes_the_others(scene: Scene) -> None:
    vault, access = await scene.vault()
    false = header(5, b"false")
    scene.takes(vault, header(2), header(4), false, header(8, b"on the false one"))
    scene.proven(vault, false)
    assert await scene.service.look(access)
    first, second, height, _, has_base, base, exit_root = vault.view("conflict")
    assert ({first, second}, height, has_base) == ({false.hash, header(5).hash}, 5, True)
    assert exit_root == header(4).exit_root
    assert base == extended_history(extended_history(NO_HISTORY, header(2).hash), header(4).hash)
    assert paid(vault) == 2
    assert await scene.service.look(access)
    assert paid(vault) == 2, "what is done costs nothing"
    (conflict,) = scene.learned
    check_conflict(conflict, {FOUR.validators.hash: FOUR.validators}.get, NETWORK)
    other, its = await scene.vault(1002)
    frozen = await VaultFreezer(its.endpoint, its.at).freeze(*conflict.shown, its.sender)
    assert (frozen.outcome, other.view("conflict")[2]) == (FreezeOutcome.FROZEN, 5)


async def test_a_vault_that_took_nothing_below_the_conflict_is_shown_that(scene: Scene) -> None:
    vault, access = await scene.vault()
    false = header(2, b"false")
    scene.takes(vault, false, header(3, b"on the false one"))
    scene.proven(vault, false)
    assert await scene.service.look(access)
    _, _, height, _, *base = vault.view("conflict")
    assert (height, base) == (2, [True, NO_HISTORY, bytes(32)])


async def test_the_base_is_shown_whoever_froze_the_vault_by_one_relayer_in_its_turn(scene: Scene) -> None:
    vault, access = await scene.vault()
    scene.takes(vault, header(3), header(8))
    both = [(each, scene.certify(each)) for each in (header(6), header(6, b"false"))]
    vault.call(freeze_call(*both))
    assert vault.view("conflict")[4] is False
    scene.place = RelayerPlace(1, 4)  # the first turn at height 6 is that of the third
    assert await scene.service.look(access)
    assert paid(vault) == 0
    scene.place = RelayerPlace(2, 4)
    assert await scene.service.look(access)
    assert (vault.view("conflict")[4], vault.view("conflict")[6]) == (True, header(3).exit_root)
    assert scene.learned == []


async def test_a_base_that_is_far_below_is_shown_in_parts(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("node.chains.strayed_vaults.SHOWN_AT_ONCE", 2)
    vault, access = await scene.vault()
    scene.takes(vault, *map(header, (2, 5, 6, 7, 9)))
    vault.call(freeze_call(*((each, scene.certify(each)) for each in (header(4), header(4, b"false")))))
    assert not await scene.service.look(access)
    assert vault.view("conflict")[4] is False
    assert await scene.service.look(access)
    assert (vault.view("conflict")[4], vault.view("conflict")[6]) == (True, header(2).exit_root)
    assert paid(vault) == 2


async def test_a_header_that_calldata_hides_is_named_and_nothing_is_sent(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    vault, access = await scene.vault()
    false = header(5, b"false")
    scene.takes(vault, false)
    scene.proven(vault, false)

    async def hidden(endpoint: Endpoint, transaction: bytes) -> bytes:
        return bytes(1000)

    monkeypatch.setattr("bridge.relay.vault_history.calldata_of", hidden)
    with refused(BridgeCode.HEADER_NOT_FOUND):
        await scene.service.look(access)
    assert (scene.learned, paid(vault)) == ([], 0)


async def test_a_header_that_another_contract_passed_to_the_vault_is_found(scene: Scene) -> None:
    vault, access = await scene.vault()
    false = header(5, b"false")
    call = vault_calls.checkpoint_call(false, scene.certify(false))
    # Calls the address that its calldata begins with, with the rest of it.
    code = bytes.fromhex("60143603601460003760006000601436036000600060003560601c5af100")
    init = bytes.fromhex(f"60{len(code):02x}600c60003960{len(code):02x}6000f3") + code
    user = ChainUser(vault.chain)
    deployed = vault.chain.rpc("eth_sendTransaction", {"from": user.address, "data": "0x" + init.hex()})
    forwarder = user.web3.eth.wait_for_transaction_receipt(deployed)["contractAddress"]
    user.send_data(Web3.to_checksum_address(forwarder), vault.vault_at.address + call)
    assert vault.view("latest")[0] == 5
    scene.proven(vault, false)
    assert await scene.service.look(access)
    assert (vault.view("conflict")[2], len(scene.learned)) == (5, 1)


async def test_after_a_choice_the_history_goes_on_from_below_it(scene: Scene) -> None:
    vault, access = await scene.vault()
    scene.takes(vault, header(2), header(7, b"false"))
    scene.proven(vault, header(7, b"false"))
    assert await scene.service.look(access)
    vault.call(choose_branch_call(header(7), vault.decided(BranchChoice(header(7).hash))))
    scene.takes(vault, header(9))
    taken = await taken_headers(access.endpoint, access.at, 0)
    assert [(each.height, each.header_hash) for each in taken] == [
        (each.height, each.hash) for each in (header(2), header(7), header(9))
    ]
    assert await scene.service.look(access), "what the quorum undid is no history any more"
    assert vault.view("conflict")[3] == 0
