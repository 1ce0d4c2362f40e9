"""Two certified headers of one height freeze every vault that a node writes to, and one relayer pays on each."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
import trio
from eth_account import Account

from bridge.contracts.schemes import CertificateScheme
from bridge.relay.claim_queue import RelayerPlace
from bridge.relay.transactions import Sender
from bridge.relay.vault_freeze import FreezeOutcome, VaultFreezer
from bridge.rpc.endpoint import Endpoint
from clearing.base.certificate import NIL, VoteKind
from clearing.base.codec import encode
from clearing.base.errors import RemoteFault
from clearing.base.hashing import sha256
from clearing.base.header import Header
from clearing.base.header_words import HeaderWords
from clearing.base.validators import VALIDATORS_MAX, ValidatorSet
from clearing.initial_state import initial_state
from clearing.schema.terms.chains import ChainTerms
from devnet.anvil import Anvil
from member.vaults.conflict import CONFLICT_BYTES_MAX, Conflict, certified_words
from node.chains.conflicts import KEPT_MAX, Conflicts, valid_conflict
from node.chains.relayer_service import RelayerService
from node.config import ChainConfig
from node.p2p.network import Incoming, Topic
from tests.kit.bridge.vault_chain import FOUR, NETWORK, Signers, VaultChain, make_header, make_signers
from tests.kit.chains import anvil, anvil_binary
from tests.kit.clearing.genesis import make_genesis
from tests.kit.consensus.memory_store import MemoryBlockStore
from tests.kit.node.memory_network import Hub
from tests.kit.until import until

__all__ = ["anvil", "anvil_binary"]
KEYS = [each.envelope_key for each in FOUR.validators.validators]
RELAYERS = [bytes([number]) * 32 for number in (41, 42)]
QUORUM = (0, 1, 2)

NO_SIGNATURES: Any = None
"""Nothing is decided here, so that no checkpoint is posted."""


def branches(height: int, signers: Signers = FOUR) -> list[Header]:
    """Two headers, the lower hash first."""
    made = [make_header(signers, height, payload_root=sha256(name)) for name in (b"one", b"two")]
    return sorted(made, key=lambda header: header.hash)


def conflict_at(height: int, signers: Signers = FOUR, by: tuple[int, ...] = QUORUM, **changes: Any) -> Conflict:
    """Two headers, each certified by three of four."""
    first, second = branches(height, signers)
    certificates = signers.certify(first, QUORUM), signers.certify(second, by, **changes)
    return Conflict(certified_words(first, certificates[0]), certified_words(second, certificates[1]))


def signed_conflict_at(height: int, signers: Signers = FOUR, by: tuple[int, ...] = QUORUM) -> Conflict:
    """The same by secp256k1 keys."""
    first, second = branches(height, signers)
    return Conflict(
        certified_words(first, signers.sign(first, QUORUM)), certified_words(second, signers.sign(second, by))
    )


def known_sets(hash_: bytes) -> ValidatorSet | None:
    return FOUR.validators if hash_ == FOUR.validators.hash else None


def conflicts_of(folder: Path, turn_s: float = 60.0) -> Conflicts:
    return Conflicts(folder, NETWORK, known_sets, turn_s)


def sent_by(vault: VaultChain, secret: bytes) -> int:
    return int(vault.user.web3.eth.get_transaction_count(Account.from_key(secret).address))


def profile(vault: VaultChain) -> str:
    return "evm" if vault.terms.scheme is CertificateScheme.BLS else "evm-ecdsa"


def relayer_of(index: int, node: Conflicts, vaults: list[VaultChain]) -> RelayerService:
    """Of a validator that has decided nothing yet."""
    genesis: Any = SimpleNamespace(
        chains=[ChainTerms(each.chain.chain_id, "one", each.vault_at.address, 4, 1) for each in vaults]
    )
    configs = {
        each.chain.chain_id: ChainConfig(
            chain_id=each.chain.chain_id, name="one", endpoints=(each.chain.url,), quorum=1, profile=profile(each)
        )
        for each in vaults
    }
    network = make_genesis()
    application: Any = SimpleNamespace(state=initial_state(network, bytes(32)))
    own = network.validators.validators[index].envelope_key
    return RelayerService(
        genesis, configs, RELAYERS[index], application, MemoryBlockStore(), 50, own, node, NO_SIGNATURES
    )


@pytest.mark.chain
@pytest.mark.parametrize("scheme", CertificateScheme)
async def test_what_one_node_learns_freezes_the_vaults_of_all_chains_once(
    anvil: Callable[..., Anvil], tmp_path: Path, scheme: CertificateScheme
) -> None:
    vaults = [VaultChain(anvil(chain_id), FOUR, scheme=scheme) for chain_id in (1001, 1002)]
    for vault in vaults:
        for secret in RELAYERS:
            vault.chain.fund(Account.from_key(secret).address)
    hub = Hub()
    nodes = [conflicts_of(tmp_path / str(index)) for index in (0, 1)]
    async with trio.open_nursery() as nursery:
        for index, node in enumerate(nodes):
            network = hub.join(KEYS[index])
            nursery.start_soon(node.listen, network.subscribe(Topic.CONFLICTS, valid_conflict))
            await nursery.start(network.run)
            nursery.start_soon(node.run, network)
            nursery.start_soon(relayer_of(index, node, vaults).run)
        conflict = conflict_at(9) if scheme is CertificateScheme.BLS else signed_conflict_at(9)
        assert nodes[0].learn(conflict)  # the first turn is that of the second, which only hears of it
        await until(lambda: all(node.standings() and node.standings()[0].is_shown for node in nodes))
        nursery.cancel_scope.cancel()
    for vault in vaults:
        assert vault.view("conflict")[2] == 9
        assert [sent_by(vault, secret) for secret in RELAYERS] == [0, 1]
    for node in nodes:
        outcomes = [answer.freeze.outcome for answer in node.standings()[0].vaults if answer.freeze]
        assert outcomes == [FreezeOutcome.FROZEN] * 2


@pytest.mark.chain
async def test_evidence_shown_again_and_a_higher_conflict_cost_nothing(vault_of: VaultChain, tmp_path: Path) -> None:
    node = conflicts_of(tmp_path)
    for height in (9, 7):
        node.learn(conflict_at(height), 0.0)
    async with Endpoint(vault_of.chain.url) as endpoint, trio.open_nursery() as nursery:
        freezer = VaultFreezer(endpoint, vault_of.vault_at.address)
        for secret in RELAYERS:
            sender = Sender(endpoint, vault_of.chain.chain_id, secret)
            shown = conflict_at(7)
            again = await freezer.freeze(*shown.shown, sender)
            assert again.outcome is FreezeOutcome.FROZEN
        assert [sent_by(vault_of, secret) for secret in RELAYERS] == [1, 0]
        place = RelayerPlace(0, 1)
        nursery.start_soon(node.show, 1001, freezer, sender, lambda: place, 0.05)
        await until(lambda: len(node.standings()) == 2 and all(each.is_shown for each in node.standings()))
        nursery.cancel_scope.cancel()
    assert [sent_by(vault_of, secret) for secret in RELAYERS] == [1, 0]


@pytest.fixture
def vault_of(anvil: Callable[..., Anvil]) -> VaultChain:
    vault = VaultChain(anvil(1001), FOUR)
    for secret in RELAYERS:
        vault.chain.fund(Account.from_key(secret).address)
    return vault


STRANGERS = make_signers((1, 1, 1, 1), b"strangers")
GOOD = conflict_at(5)
SIGNED = signed_conflict_at(5)
NO_CONFLICT = {
    "one header twice": msgspec.structs.replace(GOOD, second=GOOD.first),
    "in another order": Conflict(GOOD.second, GOOD.first),
    "one kind each": msgspec.structs.replace(GOOD, second=SIGNED.second),
    "signed under a quorum": signed_conflict_at(5, by=(0, 1)),
    "signed by strangers": signed_conflict_at(5, STRANGERS),
    "signed by strangers in the set's name": signed_conflict_at(5, replace(STRANGERS, validators=FOUR.validators)),
    "words of another layout": msgspec.structs.replace(
        GOOD, first=certified_words(HeaderWords(b"\0" + GOOD.first.header.words[1:]), GOOD.first.certificate)
    ),
    "two heights": msgspec.structs.replace(GOOD, second=conflict_at(6).second),
    "a set that the node does not know": conflict_at(5, STRANGERS),
    "under a quorum": conflict_at(5, by=(0, 1)),
    "prevotes": conflict_at(5, kind=VoteKind.PREVOTE),
    "nil": conflict_at(5, value=NIL),
    "another network": conflict_at(5, network=sha256(b"another")),
}


@pytest.mark.parametrize("case", NO_CONFLICT)
def test_what_is_no_conflict_of_the_network_is_not_learned(tmp_path: Path, case: str) -> None:
    node = conflicts_of(tmp_path)
    with pytest.raises(RemoteFault):
        node.learn(NO_CONFLICT[case], 0.0)
    assert node.standings() == []
    assert not list(tmp_path.iterdir())


def test_gossip_is_two_headers_of_one_height_in_order() -> None:
    def taken(data: bytes) -> bool:
        return valid_conflict(Incoming(KEYS[0], data))

    assert taken(encode(GOOD))
    refused = [NO_CONFLICT[case] for case in ("one header twice", "in another order", "one kind each", "two heights")]
    assert not any(taken(encode(each)) for each in refused)
    assert not taken(b"\xff")


@pytest.mark.parametrize("conflict", [GOOD, SIGNED], ids=["final", "signed"])
def test_a_restart_forgets_no_conflict_and_survives_a_spoiled_file(tmp_path: Path, conflict: Conflict) -> None:
    node = conflicts_of(tmp_path)
    assert node.learn(conflict, 0.0)
    assert not node.learn(conflict, 0.0)
    (tmp_path / "1-spoiled.conflict").write_bytes(b"?")
    assert conflicts_of(tmp_path).known == (conflict,)
    (kept,) = tmp_path.glob("5-*.conflict")
    assert kept.stat().st_mode & 0o777 == 0o600


def test_beyond_the_limit_the_oldest_that_no_vault_takes_goes(tmp_path: Path) -> None:
    node = conflicts_of(tmp_path)
    heights = [*range(100, 100 + KEPT_MAX), 50]
    for height in heights:
        node.learn(conflict_at(height), 0.0)
    assert [each.height for each in node.known] == sorted(heights[1:])
    assert len(list(tmp_path.iterdir())) == KEPT_MAX


def test_a_node_that_writes_to_no_vault_has_nothing_left_to_do(tmp_path: Path) -> None:
    node = conflicts_of(tmp_path)
    node.learn(GOOD, 0.0)
    (standing,) = node.standings()
    assert (standing.height, standing.vaults, standing.is_shown) == (5, (), True)


def test_a_conflict_of_the_largest_set_can_be_passed_on() -> None:
    many = make_signers((1,) * VALIDATORS_MAX, b"many")
    assert len(encode(signed_conflict_at(5, many, by=tuple(range(VALIDATORS_MAX))))) < CONFLICT_BYTES_MAX


@pytest.mark.chain
async def test_a_vault_is_shown_evidence_of_its_own_kind_only(anvil: Callable[..., Anvil], tmp_path: Path) -> None:
    vaults = [VaultChain(anvil(1001 + place), FOUR, scheme=scheme) for place, scheme in enumerate(CertificateScheme)]
    vaults[1].chain.fund(Account.from_key(RELAYERS[0]).address)
    node = conflicts_of(tmp_path, turn_s=0.0)
    node.learn(signed_conflict_at(9), 0.0)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(relayer_of(0, node, vaults).run)
        await until(lambda: node.standings()[0].vaults and node.standings()[0].is_shown)
        nursery.cancel_scope.cancel()
    assert [vault.view("conflict")[2] for vault in vaults] == [0, 9]
    assert [answer.chain_id for answer in node.standings()[0].vaults] == [1002]
