"""Returning after ten thousand heights: one replica, recorded blocks of four validators, real curves, a real store.

Rule: what is measured is the CPU time of the replica that returns, from the bytes of an answer to the stored block; the
peer that serves is measured apart. Blocks carry the extensions of a quorum and 2 kB of payload; executing them is a
toy's, so the time of `apply_block` comes on top.
"""

import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.figures import Figure
from clearing.base.validators import ValidatorSet
from consensus.application import ExecutionContext
from consensus.blocks.store import BlockStore
from consensus.chain_state import chain_at
from consensus.messages import BlockRequest, Status, read_envelope, read_message
from consensus.outputs import Send, StartTimer
from consensus.replica.replica import Replica, ReplicaConfig
from consensus.signing import CurveVerifier, seal
from consensus.timeouts import TimerKind
from node.signer.local import LocalSigner
from node.signer.sign_state import SignGuard
from node.store.blocks import StoredBlocks
from node.store.store import Store
from tests.kit.consensus.crypto import secrets_of, validator_set
from tests.kit.consensus.recorded_chain import RecordedChain
from tests.kit.consensus.toy import ToyApplication

NETWORK = bytes(range(32))
GENESIS_MS = 1_700_000_000_000
NODES = 4
PAYLOAD = 2_000


class _Loaded(ToyApplication):
    def prepare(self, context: ExecutionContext) -> Any:
        self.pending = [bytes(PAYLOAD)]
        return super().prepare(context)


class _Clock:
    def wall_ms(self) -> int:
        return GENESIS_MS

    def steady_ms(self) -> int:
        return time.monotonic_ns() // 1_000_000


def _signers(validators: ValidatorSet) -> list[LocalSigner]:
    return [LocalSigner(NETWORK, *secrets, SignGuard()) for secrets in secrets_of(len(validators.validators))]


def recorded(heights: int) -> RecordedChain:
    """Blocks as a network decides them."""
    validators = validator_set(NODES)
    application = _Loaded(validators, 0, 10**9)
    signers = _signers(validators)
    chain = RecordedChain(NETWORK, GENESIS_MS, application.position, application, CurveVerifier(), lambda _: signers)
    return chain.to(heights)


def _replica(own: int, store: BlockStore, source: RecordedChain | None = None) -> Replica:
    validators = validator_set(NODES)
    application = ToyApplication(validators, own, 10**9)
    chain = chain_at(NETWORK, GENESIS_MS, application.position, None) if source is None else source.chain
    signer = LocalSigner(NETWORK, *secrets_of(NODES)[own], SignGuard())
    return Replica(chain, application, store, signer, CurveVerifier(), _Clock(), ReplicaConfig(), lambda: False)


def run(heights: int, folder: Path) -> dict[str, float]:
    """Serve and fetch; CPU seconds of both."""
    source = recorded(heights)
    validators = validator_set(NODES)
    keys = [validator.envelope_key for validator in validators.validators]
    serving = {keys[index]: _replica(index, source.store, source) for index in range(1, NODES)}
    serve = fetch = 0.0
    with Store(folder / "node.sqlite", NETWORK) as store:
        replica = _replica(0, StoredBlocks(store))
        waiting: list[tuple[bytes, bytes]] = [
            (key, seal(_signers(validators)[keys.index(key)], Status(height=heights))) for key in serving
        ]
        began = time.perf_counter()
        while replica.chain.height < heights:
            started = time.process_time()
            outputs = replica.receive(*waiting.pop(0)) if waiting else replica.on_timer(TimerKind.APPLY, 0, 0)
            fetch += time.process_time() - started
            if not waiting and not any(isinstance(each, Send | StartTimer) for each in outputs):
                outputs += replica.on_timer(TimerKind.SYNC, 0, 0)
            for output in outputs:
                if isinstance(output, Send) and isinstance(read_message(read_envelope(output.data)), BlockRequest):
                    started = time.process_time()
                    answers = serving[output.to].receive(keys[0], output.data)
                    waiting += [(output.to, answer.data) for answer in answers if isinstance(answer, Send)]
                    serve += time.process_time() - started
        spent = time.perf_counter() - began
    return {"fetch": fetch, "serve": serve, "spent": spent}


def figures(*, quick: bool = False) -> list[Figure]:
    """See `benchmarks.__main__`."""
    heights = 300 if quick else 10_000
    with tempfile.TemporaryDirectory() as folder:
        found = run(heights, Path(folder))
    of = f"{heights} heights, {NODES} validators, {PAYLOAD // 1000} kB payload"
    return [
        Figure(f"block sync, {of}, CPU", heights / found["fetch"], "blocks/s"),
        Figure(f"block sync, {of}, wall time with serving in the same process", found["spent"], "s"),
        Figure("serving a block, CPU", 1e6 * found["serve"] / heights, "µs"),
    ]
