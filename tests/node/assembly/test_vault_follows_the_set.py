"""A vault on a real chain follows a change of validators that it missed for long, and pays under the new set."""

import time
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
import trio
from eth_account import Account
from web3 import Web3

from bridge.contracts import vault
from bridge.contracts.deploy import (
    VaultAsset,
    VaultTerms,
    deploy_token,
    deploy_vault,
    deploy_verifier,
    next_vault_address,
)
from bridge.contracts.schemes import CertificateScheme
from bridge.relay.relayer import Relayer
from bridge.relay.transactions import Sender
from bridge.rpc.endpoint import Endpoint
from bridge.watched_chain import FinalityPolicy, WatchedChain
from clearing.base import bls
from clearing.base.codec import encode
from clearing.base.validators import ValidatorSet
from clearing.schema.blocks.block import BlockResult, VoteExtension
from clearing.schema.blocks.receipt import Receipt
from clearing.schema.blocks.transaction import Transaction
from clearing.schema.facts import Fact
from clearing.schema.receipts.collateral import DepositCredited
from clearing.schema.receipts.validators import ValidatorChangeFinished, VaultRotated
from clearing.schema.receipts.withdrawals import WithdrawalConfirmed, WithdrawalReleased
from clearing.schema.terms.assets import Asset
from clearing.schema.terms.chains import ChainTerms
from clearing.schema.terms.genesis import MarketParameters
from clearing.validators.validator_sets import validator_sets
from consensus.blocks.executor import payload_root
from consensus.blocks.store import save_committed
from consensus.messages import Block, CommittedBlock, Evidence
from consensus.outputs import Decided
from devnet.anvil import Anvil
from node.chains.attestation_pool import AttestationPool
from node.chains.header_signatures import HeaderSignatures
from node.chains.relayer_service import RelayerService
from node.config import ChainConfig
from tests.kit.bridge.vault_chain import COLD_KEYS, USER, ChainUser
from tests.kit.bridge.watched_chain import Watch, watch
from tests.kit.certificates import certified
from tests.kit.chains import anvil, anvil_binary
from tests.kit.clearing.chamber import FOUR, chamber_genesis
from tests.kit.clearing.genesis import ALICE, BTC, ETH, USD
from tests.kit.clearing.signer import evm_secret_of, key_of, validator
from tests.kit.clearing.world import World, of_kind, reports
from tests.kit.consensus.memory_store import MemoryBlockStore
from tests.kit.headers import make_header

__all__ = ["anvil", "anvil_binary", "watch"]
pytestmark = pytest.mark.chain
CHAIN_ID, TOKEN = 31337, 1
RELAYER = bytes([9]) * 32
TO = b"\x33" * 20


class Followed(World):
    """A chamber whose headers are certified by three of the set and kept, with one vault on a real chain."""

    def __init__(self, chain: Anvil, folder: Path, scheme: CertificateScheme) -> None:
        self.user = ChainUser(chain)
        token = deploy_token(self.user.web3, USER, "Dollar", "USD", 6)
        verifier = deploy_verifier(self.user.web3, USER, scheme)
        address = next_vault_address(self.user.web3, USER)
        base = chamber_genesis(FOUR, MarketParameters(move_cap_ppm=900_000, epoch_blocks=1_000))
        genesis = msgspec.structs.replace(
            base,
            time_ms=time.time_ns() // 1_000_000 - 3_600_000,
            chains=(ChainTerms(CHAIN_ID, "anvil", address, 4, verifier.block_number),),
            assets=(Asset(TOKEN, "USDC", CHAIN_ID, address, token.address, 6, 6, USD, 0, 0, 10**15),),
        )
        super().__init__(genesis, fresh=True)
        assets = (VaultAsset(token.address, 1),)
        terms = VaultTerms(self.network, genesis.validators, bytes([8]) * 20, COLD_KEYS, assets, scheme=scheme)
        self.vault_at = deploy_vault(self.user.web3, USER, verifier.address, terms)
        assert self.vault_at.address == address
        self.token = self.user.contract("TestToken", token)
        self.vault = self.user.contract("Vault", self.vault_at)
        self.user.send(self.token.functions.mint(self.user.address, 10**9))
        self.user.send(self.token.functions.approve(self.vault.address, 2**256 - 1))
        self.blocks_kept = MemoryBlockStore()
        self.parent: bytes = self.network
        profile = "evm" if scheme is CertificateScheme.BLS else "evm-ecdsa"
        self.configs = {CHAIN_ID: ChainConfig(chain_id=CHAIN_ID, name="anvil", endpoints=(chain.url,), profile=profile)}
        self.sets: dict[bytes, ValidatorSet] = {}
        self.signatures = {name: self._signatures(folder, name) for name in (1, 2, 3, 4, 5)}
        """Of each node; the relayer is the node of the last."""
        self.pools = {name: AttestationPool(key_of(name)) for name in (1, 2, 3, 4, 5)}

    def _signatures(self, folder: Path, name: int) -> HeaderSignatures:
        path = folder / f"signed-headers-{name}"
        made = HeaderSignatures(path, self.network, evm_secret_of(name), self.sets.get, self.configs)
        made.follow(self.genesis)
        return made

    def decide(self, *transactions: Transaction) -> BlockResult:
        """A block in which each that certified the height below says what its own pool has."""
        sets, at = validator_sets(self.state), self.state.now.time_ms + 1_000
        prices = reports((BTC, 790_000), (ETH, 20_000), time_ms=at)
        said = {name: VoteExtension(prices, self.pools[name].pending(self.state)) for name in self.speakers()}
        result = self.hear(said, *transactions)
        of_result = ("module_roots", "withdrawals_root", "withdrawals_count", "exit_root", "epoch", "deposit_cursors")
        header = make_header(
            result.height,
            sets.now,
            sets.next,
            network=self.network,
            parent=self.parent,
            time_ms=self.state.now.time_ms,
            payload_root=payload_root(b"", None, (), Evidence()),
            **{name: getattr(result, name) for name in of_result},
        )
        self.parent = header.hash
        names = [self.names[each.envelope_key] for each in sets.now.validators]
        secrets = {index: bls.secret_from_seed(bytes([name]) * 32) for index, name in enumerate(names[:3])}
        certificate = certified(header, sets.now, secrets)
        self.newest = CommittedBlock(Block(header, b"", None, (), Evidence()), certificate, ())
        save_committed(self.blocks_kept, self.newest)
        for validators in (sets.now, sets.next):
            self.sets[validators.hash] = validators
            self.blocks_kept.save_set(validators.hash, encode(validators))
        for node in self.signatures.values():
            node.decided(header)
        return result

    def hear_of(self, facts: Iterable[Fact]) -> None:
        """Every node's watcher saw these."""
        for pool in self.pools.values():
            for fact in facts:
                pool.add(fact)

    def until(self, kind: type[Receipt], blocks: int = 8) -> Any:
        """Decide heights until a receipt of this kind."""
        for _ in range(blocks):
            found = of_kind(self.decide(), kind)
            if found:
                return found[0]
        raise AssertionError(kind)

    def replace(self, left: int, entered: int) -> None:
        """Decide a change that everybody signed."""
        self.decide(self.signed(self.unsigned([left], [validator(entered)])))

    async def deposit(self, amount: int) -> None:
        call = self.vault.functions.deposit(Web3.to_checksum_address(self.genesis.assets[0].token), amount, ALICE)
        await trio.to_thread.run_sync(self.user.send, call)

    async def relayable(self) -> Any:
        """What a node's relayer has for the vault now, when the validators' signatures have reached it."""
        for name, node in self.signatures.items():
            for signed in await node.sign_wanted():
                assert self.signatures[5].learn(signed) is (name != 5)
        application: Any = SimpleNamespace(state=self.state)
        conflicts: Any = SimpleNamespace(learn=lambda _: None)
        service = RelayerService(
            self.genesis,
            self.configs,
            RELAYER,
            application,
            self.blocks_kept,
            1_000,
            bytes(32),
            conflicts,
            self.signatures[5],
        )
        service.decided(Decided(self.newest, 1, 0, fetched=False))
        return service._relayable(self.genesis.chains[0])


@pytest.fixture(params=CertificateScheme)
def followed(anvil: Callable[..., Anvil], tmp_path: Path, request: pytest.FixtureRequest) -> Followed:
    # Without the precompiles of EIP-2537 where signatures take their place.
    chain = anvil(CHAIN_ID, hardfork="osaka" if request.param is CertificateScheme.BLS else "cancun")
    chain.fund(Account.from_key(RELAYER).address)
    return Followed(chain, tmp_path, request.param)


@pytest.fixture
async def endpoint(followed: Followed) -> AsyncIterator[Endpoint]:
    async with Endpoint(followed.user.chain.url) as endpoint:
        yield endpoint


@pytest.fixture
def watching(followed: Followed, endpoint: Endpoint, watch: Callable[..., Watch]) -> Watch:
    at, block = followed.vault_at.address, followed.vault_at.block_number
    return watch(WatchedChain(CHAIN_ID, at, block, (), FinalityPolicy(quorum=1), custody_stride=1_000_000), endpoint)


async def seen(followed: Followed, watching: Watch) -> None:
    """What happened on the chain so far becomes final and is heard of."""
    followed.user.chain.mine(10)
    fact_count = len(watching.facts)
    await watching.until_quiet()
    followed.hear_of(watching.facts[fact_count:])


async def test_a_vault_that_missed_a_change_is_rotated_and_pays_under_the_new_set(
    followed: Followed, endpoint: Endpoint, watching: Watch
) -> None:
    await followed.deposit(500)
    await seen(followed, watching)
    followed.until(DepositCredited)
    followed.replace(left=1, entered=5)
    made_at = followed.state.now.height
    for _ in range(12):
        followed.decide()  # nobody relays
    new = validator_sets(followed.state).last
    assert followed.newest.block.header.validators_hash == new.hash != followed.genesis.validators.hash
    assert followed.state.set_changes[0].height == made_at
    result = followed.decide(followed.withdrawal(ALICE, TOKEN, 300, TO))
    assert of_kind(result, WithdrawalReleased)

    relayer = Relayer(endpoint, Sender(endpoint, CHAIN_ID, RELAYER), followed.vault_at.address, 10**9)
    relayed = await relayer.relay(await followed.relayable())
    assert relayed.rotated
    assert relayed.checkpoint is not None
    assert relayed.claims == (0,)
    assert followed.token.functions.balanceOf(Web3.to_checksum_address(TO)).call() == 300
    assert followed.vault.functions.validatorsHash().call() == new.hash
    latest = vault.read_checkpoint(await relayer._view(vault.latest_call(), vault.CHECKPOINT_BYTES))
    assert latest.height == followed.newest.block.header.height

    await seen(followed, watching)
    rotated = followed.until(VaultRotated)
    assert (rotated.chain_id, rotated.vault, rotated.vaults_awaited) == (CHAIN_ID, followed.vault_at.address, 0)
    kinds = [type(each) for result in followed.results[-3:] for each in result.receipts]
    assert ValidatorChangeFinished in kinds
    assert WithdrawalConfirmed in kinds
    assert (await followed.relayable()).rotation is None
    # The next change is possible, and relayed in its own time.
    followed.replace(left=2, entered=1)
    followed.decide()
    again = await relayer.relay(await followed.relayable())
    assert again.rotated
    assert followed.vault.functions.validatorsHash().call() == validator_sets(followed.state).next.hash


async def test_a_new_validators_word_counts_and_who_left_is_silent(followed: Followed, watching: Watch) -> None:
    followed.replace(left=1, entered=5)
    for _ in range(4):
        followed.decide()
    await followed.deposit(500)
    followed.user.chain.mine(10)
    await watching.until_quiet()
    for name in (1, 3, 4):  # 1 has left: two of four know of it
        for fact in watching.facts:
            followed.pools[name].add(fact)
    for _ in range(4):
        followed.decide()
    assert followed.cash(ALICE) == 0
    for fact in watching.facts:
        followed.pools[5].add(fact)
    followed.until(DepositCredited)
    assert followed.cash(ALICE) == 500
