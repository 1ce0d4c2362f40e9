"""What a trade costs one node: `python -m benchmarks.trade_path [--trades 100] [--bundle 0] [--rounds 7] [--profile]`.

One of four validators with the devnet's market, in this process and without a network: a quarter of the trades come
through its own API and three quarters by gossip, one block in four is its own proposal; every block is executed,
decided and recorded. `--bundle`: trades that two members sign together; 0: each by itself. CPU time of each stage, the
least of all rounds, so that figures are repeatable beside other load: microseconds a trade and node, and recoveries of
one signer. What the same blocks cost without trades is taken off.
HTTP, gossipsub and streams are not in it: `benchmarks.network` measures those.
"""

import argparse
import random
import signal
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType
from typing import Any

import trio

from benchmarks.figures import Figure
from clearing.accounts.signatories import signing_addresses
from clearing.base import bls, ed25519, eip712, secp256k1
from clearing.base.codec import encode
from clearing.base.errors import Bug
from clearing.base.hashing import sha256
from clearing.base.header import Header
from clearing.base.ids import Hash32, NetworkId
from clearing.base.validators import ValidatorSet
from clearing.initial_state import initial_state
from clearing.schema.blocks.block import BlockResult, PriceReport, VoteExtension, encode_extension
from clearing.schema.facts import DepositSeen
from clearing.schema.receipts.trades import TradeNovated
from clearing.schema.requests.trades import BundledTrade, Trade, TradeBundle
from clearing.schema.terms.genesis import Genesis, network_id
from clearing.state.state import State
from clearing.validators.validator_sets import validator_sets
from consensus.application import AppRoots, ExecutionContext, ObservedExtension
from devnet.genesis import DeployedChain, MemberIdentity, build_genesis
from devnet.market import load_market
from devnet.members import DevnetMember, make_members, signed_bundle, signed_trade
from member.api.submit import TransactionList
from member.statements.days import StatementDays
from node.agreement.application import ClearingApplication, DecidedHeight, encode_payload
from node.api import submit as submit_route
from node.api.calls import MSGPACK, ApiCall
from node.p2p.network import Incoming, Topic
from node.pool.journal import PoolJournal
from node.pool.mempool import Mempool
from node.pool.transaction_service import TransactionService, make_batch
from node.store.records import ReceiptRecord, receipt_records
from node.store.store import Store
from tests.kit.validator_records import made_validator

MEMBERS = 12
POSITIONS = 60
VALIDATORS = 4
BTC, ETH = 790_000, 20_000
FUNDS = 1_600_000 * 10**6
ROOT = str(Path(__file__).resolve().parents[1]) + "/"
START_MS = 1_584_000_000_000
SALT = b"\7" * 32
SAMPLE_SECONDS = 0.001
SHOWN = 60
ALL = "all stages"
SECRETS = tuple(bytes([at + 1]) * 32 for at in range(VALIDATORS))


class NoEpochs:
    """Commits to nothing."""

    def root_at(self, height: int, stated: tuple[Hash32, int] | None = None) -> tuple[Hash32, int]:  # noqa: ARG002
        return Hash32(bytes(32)), 0

    def snapshot_decided(self, height: int, epoch: int, state: State) -> None:
        pass


class Published:
    """A network that takes what is published."""

    def publish(self, topic: Topic, data: bytes) -> None:
        pass


class Stages:
    """CPU nanoseconds by stage; samples of stacks while a stage runs, if `sampled`."""

    def __init__(self) -> None:
        self.spent: dict[str, int] = defaultdict(int)
        self._samples: Counter[str] | None = None

    def sample(self, into: Counter[str]) -> None:
        """Count from now on how often each function is under way, with what it calls."""
        self._samples = into
        signal.signal(signal.SIGPROF, self._sample)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count what is done inside."""
        if self._samples is not None:
            signal.setitimer(signal.ITIMER_PROF, SAMPLE_SECONDS, SAMPLE_SECONDS)
        began = time.process_time_ns()
        try:
            yield
        finally:
            self.spent[name] += time.process_time_ns() - began
            signal.setitimer(signal.ITIMER_PROF, 0)

    def _sample(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        seen = {ALL}
        while frame is not None:
            seen.add(f"{frame.f_code.co_filename.removeprefix(ROOT)}:{frame.f_code.co_name}")
            frame = frame.f_back
        if self._samples is not None:
            self._samples.update(seen)


def made_genesis(members: Sequence[DevnetMember]) -> Genesis:
    """The devnet's market with four validators."""
    tokens = {"USDC": b"\x11" * 20, "WETH": b"\x12" * 20}
    market = load_market()
    chains = tuple(DeployedChain(31337 + at, f"chain{at}", bytes([at + 1]) * 20, 0, tokens) for at in range(2))
    made = [made_validator(ed25519.public_key(each), bls.secret_from_seed(each)) for each in SECRETS]
    validators = ValidatorSet(tuple(sorted(made, key=lambda each: each.envelope_key)))
    identities = [MemberIdentity(each.id, each.name, each.address) for each in members]
    return build_genesis(
        market,
        name="trade path",
        time_ms=START_MS,
        validators=validators,
        chains=chains,
        house=identities[0],
        members=tuple(identities[1:]),
    )


class OneNode:
    """A validator's way of trades, driven by hand."""

    def __init__(self, folder: Path) -> None:
        self.members = make_members(7, MEMBERS)
        self.genesis = made_genesis(self.members)
        self.network = network_id(self.genesis)
        self.now_ms = START_MS
        self.pool = Mempool(self.network, lambda who: signing_addresses(self.application.state, who))
        keys = frozenset(ed25519.public_key(each) for each in SECRETS)
        self.service = TransactionService(
            self.pool, self.network, SECRETS[0], lambda: keys, lambda: self.now_ms, lambda: None,
            PoolJournal(folder / "pool.journal"),
        )  # fmt: skip
        self.submit, self.journaled = self.service.submit, self.service.journaled
        self.application = ClearingApplication(
            self.genesis, initial_state(self.genesis, SALT), self.pool, NoEpochs(), lambda _: VoteExtension()
        )
        self.store = Store(folder / "node.sqlite", self.network)
        self.statements = StatementDays(self.application.state)
        self.results: list[tuple[BlockResult, tuple[ReceiptRecord, ...]]] = []
        self.application.listen(self._decided)
        self.stages = Stages()
        self._chance = random.Random(7)
        self._next = 0
        self._facts: tuple[DepositSeen, ...] = ()
        self._fund()

    def _decided(self, decided: DecidedHeight) -> None:
        self.service.decided(decided.block.transactions, decided.block.time_ms)
        records = receipt_records(decided.result)
        self.statements.decided(decided.header.time_ms, decided.result, decided.state)
        self.results.append((decided.result, records))

    def _fund(self) -> None:
        chain = self.genesis.chains[0]
        usdc = next(each for each in self.genesis.assets if each.chain_id == chain.chain_id and each.cash_group)
        self.height()
        for nonce, member in enumerate(self.members[1:], start=1):
            amount = usdc.to_amount(FUNDS).to_bytes(32, "big")
            self._facts = (
                DepositSeen(
                    chain.chain_id, chain.vault, nonce, usdc.token, member.id, amount, 100,
                    b"\x0b" * 32, nonce.to_bytes(32, "big"), b"\xde" * 20,
                ),
            )  # fmt: skip
            self.height()
        self._facts = ()
        self.height()

    def trades(self, count: int, *, lasting: bool = False) -> tuple[Trade, ...]:
        """Signed by both sides, at the marks; unless `lasting`, each second one gives back the one before."""
        marks = [(number, mark.ticks) for number, mark in self.application.state.marks.ordered()]
        made = []
        for at in range(count):
            if at % 2 == 0 or lasting:
                buyer, seller = self._chance.sample(self.members[1:], 2)
                instrument, ticks = self._chance.choice(marks)
                lots = self._chance.randint(1, 3)
            else:
                buyer, seller = seller, buyer
            self._next += 1
            made.append(signed_trade(self.network, self._next, buyer, seller, instrument, lots, ticks, self.now_ms))
        return tuple(made)

    def bundles(self, count: int, size: int) -> tuple[TradeBundle, ...]:
        """So many trades in bundles of `size`; each second bundle gives back the one before. Raises Bug for a rest."""
        if count % size:
            raise Bug(f"{count} trades are no bundles of {size}")
        marks = [(number, mark.ticks) for number, mark in self.application.state.marks.ordered()]
        made = []
        for at in range(count // size):
            if at % 2 == 0:
                account, counterparty = self._chance.sample(self.members[1:], 2)
                drawn = [(*self._chance.choice(marks), self._chance.choice((-3, -2, -1, 1, 2, 3))) for _ in range(size)]
            else:
                account, counterparty = counterparty, account
            first, self._next = self._next + 1, self._next + size
            trades = tuple(
                BundledTrade(first + number, instrument, lots, ticks)
                for number, (instrument, ticks, lots) in enumerate(drawn)
            )
            made.append(signed_bundle(self.network, account, counterparty, trades, self.now_ms))
        return tuple(made)

    def context(self) -> ExecutionContext:
        """The next height; every validator says the same prices."""
        state = self.application.state
        prices = tuple(PriceReport(feed, ticks, 0, 3, self.now_ms) for feed, ticks in ((1, BTC), (2, ETH)))
        said = encode_extension(VoteExtension(prices, self._facts))
        certified = validator_sets(state).last
        return ExecutionContext(
            height=self.application.height + 1,
            time_ms=self.now_ms,
            parent=Hash32(bytes(32)),
            extensions=tuple(ObservedExtension(at, each.power, said) for at, each in enumerate(certified.validators)),
            total_power=certified.total_power,
        )

    def height(self, *, propose: bool = True) -> int:
        """One height with all that waits, `propose`: by this node. Returns how many trades were novated."""
        self.now_ms += 50
        context = self.context()
        stages = self.stages
        if propose:
            with stages.stage("propose and execute"):
                payload, roots = self.application.prepare(context)
        else:
            # Another node's proposal.
            payload = encode_payload(self.pool.select(context.time_ms))
            with stages.stage("check and execute"):
                roots = self.application.process(context, payload)
        header = self._header(context, payload, roots)
        with stages.stage("commit"):
            self.application.commit(header)
        result, records = self.results.pop()
        with stages.stage("store receipts"):
            self.store.save_results(records)
        return sum(isinstance(each, TradeNovated) for each in result.receipts)

    def _header(self, context: ExecutionContext, payload: bytes, roots: AppRoots) -> Header:
        sets = validator_sets(self.application.state)
        return Header(
            network=self.network, parent=context.parent, height=context.height, time_ms=context.time_ms,
            payload_root=sha256(payload), module_roots=roots.module_roots, commitments_root=roots.commitments_root,
            commitments_height=roots.commitments_height, withdrawals_root=roots.withdrawals_root,
            withdrawals_count=roots.withdrawals_count, exit_root=roots.exit_root, epoch=roots.epoch,
            validators_hash=sets.now.hash, next_validators_hash=sets.next.hash, deposit_cursors=roots.deposit_cursors,
        )  # fmt: skip

    async def take_in(self, trades: tuple[Trade, ...] | tuple[TradeBundle, ...]) -> None:
        """The first quarter through the own API, the others by three batches of others."""
        quarter = len(trades) // VALIDATORS
        own, others = trades[:quarter], trades[quarter:]
        messages = [
            Incoming(
                ed25519.public_key(secret),
                encode(make_batch(self.network, secret, self.now_ms, others[at * quarter : (at + 1) * quarter])),
            )
            for at, secret in enumerate(SECRETS[1:])
        ]
        body = encode(TransactionList(own))
        view: Any = self
        secp256k1.recover.cache_clear()
        eip712.typed_data_digest.cache_clear()
        with self.stages.stage("own submissions"):
            await submit_route.submit(ApiCall(view, {}, body, MSGPACK))
        send, receive = trio.open_memory_channel[Incoming](8)
        for message in messages:
            send.send_nowait(message)
        send.close()
        with self.stages.stage("gossip in"):
            await self.service.listen(receive)
        published: Any = Published()
        with self.stages.stage("gossip out"):
            with trio.move_on_after(0.02):
                await self.service.run(published, 0)


async def measured_stages(
    trades: int, rounds: int, samples: Counter[str] | None = None, bundle: int = 0
) -> tuple[dict[str, float], float]:
    """Microseconds a trade by stage, and of one recovery: each the least of all rounds."""
    least: dict[tuple[int, str], float] = {}
    recovery_us = float("inf")
    with TemporaryDirectory() as folder:
        node = OneNode(Path(folder))
        await node.take_in(node.trades(POSITIONS, lasting=True))
        node.height()
        for count in (0, trades):
            for at in range(rounds * VALIDATORS):
                node.stages = Stages()
                if count and samples is not None:
                    node.stages.sample(samples)
                if count:
                    recovery_us = min(recovery_us, recovered_us(node.network, node.trades(count)))
                    await node.take_in(node.bundles(count, bundle) if bundle else node.trades(count))
                if node.height(propose=at % VALIDATORS == 0) != count:
                    raise Bug("a trade was refused")
                for name, spent in node.stages.spent.items():
                    least[count, name] = min(least.get((count, name), float("inf")), spent / 1000)
        node.store.close()
    shares = {"propose and execute": 1 / VALIDATORS, "check and execute": 1 - 1 / VALIDATORS}
    found = {
        name: (spent - least.get((0, name), 0.0)) / trades * shares.get(name, 1.0)
        for (count, name), spent in least.items()
        if count
    }
    return found, recovery_us


def recovered_us(network: NetworkId, trades: Sequence[Trade]) -> float:
    """Microseconds of recovering one signer."""
    recover = secp256k1.recover.__wrapped__
    signed = [(trade.digest(network), trade.buyer_signature) for trade in trades]
    began = time.thread_time_ns()
    for digest, signature in signed:
        recover(digest, signature)
    return (time.thread_time_ns() - began) / 1000 / len(signed)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--trades", type=int, default=100, help="in each block")
    parser.add_argument("--bundle", type=int, default=0, help="trades in each bundle; 0: each trade by itself")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--profile", action="store_true", help="show the functions that cost most, with what they call")
    options = parser.parse_args()
    samples: Counter[str] | None = Counter() if options.profile else None
    found, recovery_us = trio.run(measured_stages, options.trades, options.rounds, samples, options.bundle)
    for name, spent in {**found, ALL: sum(found.values())}.items():
        print(Figure(f"a trade and node, {name}", spent, "us").line(), f"{spent / recovery_us:6.2f} recoveries")
    print(Figure("one recovery of a signer", recovery_us, "us").line())
    for name, count in samples.most_common(SHOWN) if samples else ():
        print(f"  {100 * count / samples[ALL]:5.1f} %  {name}")  # type: ignore[index]


if __name__ == "__main__":
    main()
