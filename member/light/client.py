"""`LightClient`: from the store's trusted heights to any other, or to the newest one again and again.

Rule: one server's blocks are checked against the other servers' answers; a height is passed on only after it was
verified.
"""

import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import msgspec

from clearing.base.errors import CrossclearError, LocalFault, RemoteFault
from clearing.base.validators import ValidatorSet
from consensus.codes import ConsensusCode
from consensus.evidence.attack import LightClientAttack, cross_check
from consensus.light_client import (
    LightBlock,
    LightVerifier,
    TrustPolicy,
    bisection,
    check_anchor,
    check_block,
    verify_adjacent,
    with_sets_of,
)
from member.codes import NodeCode
from member.light.evidence import keep_attack, submit_everywhere
from member.light.source import LightSource
from member.light.store import LightStore
from member.light.trust import Trusted, TrustedGenesis, fetch_anchor

Result = TypeVar("Result")
BACKWARDS_MAX = 10_000
SEQUENTIAL_CHUNK = 200
SETS_KEPT = 64
LAG_S = 3.0
"""How long a witness may lack a height that the primary has."""
_LAG_STEP_S = 0.25


@dataclass(frozen=True, slots=True)
class LightOptions:
    """How to follow."""

    policy: TrustPolicy
    sequential: bool = False
    """Check every height in between, instead of skipping as far as the sets overlap."""
    lag_s: float = LAG_S


class LightClient:
    """One network's. Sources: the first serves, the others are witnesses and take its place."""

    def __init__(
        self,
        store: LightStore,
        sources: Sequence[LightSource],
        options: LightOptions,
        verifier: LightVerifier,
        evidence: Path,
        now_ms: Callable[[], int],
        report: Callable[[str], None] = lambda _: None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """`evidence`: the folder for what contradicts. `report` hears in words what servers did."""
        self.store = store
        self._sources = list(sources)
        self._all = tuple(sources)
        self._options, self._verifier, self._evidence = options, verifier, evidence
        self._now_ms, self._report, self._sleep = now_ms, report, sleep
        self._sets: dict[bytes, ValidatorSet] = {}
        """Verified ones by hash. The hash leaves the proofs of possession out: a server could spoil them."""

    @property
    def sources(self) -> tuple[LightSource, ...]:
        """Those still asked, the one that serves first."""
        return tuple(self._sources)

    def begin(self, trusted: Trusted) -> LightBlock:
        """Trust a first height.

        Raises LocalFault LIGHT_STORE_UNUSABLE when the store trusts another of it, RemoteFault BROKEN_LINK when it
        contradicts what is trusted next to it, TRUST_EXPIRED for a genesis whose set may have retired: it loses nothing
        by certifying another first header, of any time.
        """
        now_ms = self._now_ms()
        if isinstance(trusted, TrustedGenesis) and trusted.time_ms + self._options.policy.trusting_period_ms <= now_ms:
            raise LocalFault(ConsensusCode.TRUST_EXPIRED, "genesis", time_ms=trusted.time_ms)
        block = self._with_primary(lambda source: fetch_anchor(trusted, source, self._verifier))
        self.store.add([block])
        return block

    def update(self, height: int | None = None) -> LightBlock:
        """Verify a height, by default the newest that the server has, and keep it.

        Raises LocalFault: LIGHT_NO_TRUST for an empty store, TRUST_EXPIRED, LIGHT_ATTACK, NO_WITNESS, or the last
        server's fault when none is left.
        """
        if height is not None and (found := self.store.at(height)) is not None:
            return found
        if self.store.newest() is None:
            raise LocalFault(NodeCode.LIGHT_NO_TRUST, "store")
        return self._with_primary(lambda source: self._update_from(source, height))

    def _update_from(self, source: LightSource, height: int | None) -> LightBlock:
        newest = self.store.newest()
        if height is None:
            block = self._block_of(source, None)
            height = block.header.height
            if newest is not None and height <= newest.header.height:
                return self._unchanged(source, newest, block)
        base = self.store.at_or_below(height)
        if base is None:
            return self._backwards(source, height)
        if self._options.sequential:
            return self._sequential(source, base, height)
        steps = bisection(base, height, self._options.policy, self._now_ms(), self._verifier)
        self._learn(base)
        trace = _answered(steps, lambda wanted: self._block_of(source, wanted))
        self._confirm(source, trace)
        self._keep(trace)
        return trace[-1]

    def _block_of(self, source: LightSource, height: int | None) -> LightBlock:
        """A server's block with sets that are known in place of its own of the same hash."""
        block = source.block(height)
        return msgspec.structs.replace(
            block,
            validators=self._sets.get(block.validators.hash, block.validators),
            next_validators=self._sets.get(block.next_validators.hash, block.next_validators),
        )

    def _learn(self, block: LightBlock) -> None:
        """The sets of a verified block."""
        for validators in (block.validators, block.next_validators):
            self._sets.setdefault(validators.hash, validators)
        while len(self._sets) > SETS_KEPT:
            del self._sets[next(iter(self._sets))]

    def _keep(self, trace: Sequence[LightBlock]) -> None:
        """Raises as `LightStore.add`."""
        self.store.add(trace[1:])
        for block in trace:
            self._learn(block)

    def _unchanged(self, source: LightSource, newest: LightBlock, block: LightBlock) -> LightBlock:
        """The server has nothing newer. Another header of the height that is trusted is an attack, or a lie."""
        if block.header.height < newest.header.height or block.header.hash == newest.header.hash:
            return newest
        below = self.store.at_or_below(newest.header.height - 1)
        if below is None:
            raise RemoteFault(ConsensusCode.BROKEN_LINK, "newest", stated=block.header.hash, trusted=newest.header.hash)
        steps = cross_check((below, newest), self._options.policy, self._now_ms(), self._verifier)
        self._learn(newest)
        attack = _answered(steps, lambda wanted: self._block_of(source, wanted))
        if attack is not None:
            self._attacked(attack, source, source)
        return newest

    def _sequential(self, source: LightSource, base: LightBlock, height: int) -> LightBlock:
        self._learn(base)
        while base.header.height < height:
            trace = [base]
            for at in range(base.header.height + 1, min(base.header.height + SEQUENTIAL_CHUNK, height) + 1):
                block = self._block_of(source, at)
                verify_adjacent(trace[-1], block, self._options.policy, self._now_ms(), self._verifier)
                trace.append(with_sets_of(trace[-1], block))
            self._confirm(source, trace)
            self._keep(trace)
            base = trace[-1]
        return base

    def _backwards(self, source: LightSource, height: int) -> LightBlock:
        """From a trusted header down its chain of parents; needs neither time nor witnesses."""
        above = self.store.above(height)
        if above is None or above.header.height - height > BACKWARDS_MAX:
            raise LocalFault(NodeCode.LIGHT_NO_TRUST, "store", height=height, backwards_max=BACKWARDS_MAX)
        while above.header.height > height:
            block = source.block(above.header.height - 1)
            if block.header.hash != above.header.parent:
                raise RemoteFault(
                    ConsensusCode.BROKEN_LINK, "parent", stated=block.header.hash, computed=above.header.parent
                )
            check_block(block)
            above = block
        # The header is bound by the hash; certificate and proofs of possession that came with it are not.
        check_anchor(above, above.header.hash, self._verifier)
        self.store.add([above])
        return above

    def _confirm(self, primary: LightSource, trace: Sequence[LightBlock]) -> None:
        """Ask the witnesses. Raises LocalFault LIGHT_ATTACK, NO_WITNESS.

        Where several servers were named, one alone is believed never: who drops the others by garbage would be.
        """
        witnesses = [source for source in self._sources if source is not primary]
        agreed = 0
        for witness in witnesses:
            try:
                steps = cross_check(trace, self._options.policy, self._now_ms(), self._verifier)
                attack = _answered(steps, lambda height, witness=witness: self._patient(witness, height))  # type: ignore[misc]
            except RemoteFault as fault:
                self._report(f"{witness.name} is no longer asked: {fault}")
                self._sources.remove(witness)
                continue
            except LocalFault as fault:
                if fault.code is ConsensusCode.TRUST_EXPIRED:
                    raise
                self._report(f"{witness.name} has not confirmed: {fault}")
                continue
            if attack is not None:
                self._attacked(attack, primary, witness)
            agreed += 1
        if len(self._all) > 1 and not agreed:
            raise LocalFault(ConsensusCode.NO_WITNESS, "witnesses", asked=len(witnesses))

    def _patient(self, witness: LightSource, height: int) -> LightBlock:
        """A witness may be some blocks behind."""
        waited = 0.0
        while True:
            try:
                return self._block_of(witness, height)
            except LocalFault as fault:
                if fault.code is not ConsensusCode.LIGHT_LACKING or waited >= self._options.lag_s:
                    raise
            self._sleep(_LAG_STEP_S)
            waited += _LAG_STEP_S

    def _attacked(self, attack: LightClientAttack, primary: LightSource, witness: LightSource) -> None:
        path = keep_attack(self._evidence, attack)
        submit_everywhere(attack, self._all, self._report)
        self._report(f"freeze each vault: crossclear vault freeze ADDRESS --rpc URL --evidence {path}")
        raise LocalFault(
            NodeCode.LIGHT_ATTACK,
            "servers",
            height=attack.first.header.height,
            primary=primary.name,
            witness=witness.name,
            evidence=str(path),
        )

    def _with_primary(self, ask: Callable[[LightSource], LightBlock]) -> LightBlock:
        """Ask the first source; a source that lies is dropped, one that fails is moved to the end, once."""
        fault: CrossclearError | None = None
        for source in tuple(self._sources):
            try:
                return ask(source)
            except RemoteFault as lie:
                fault = lie
                self._report(f"{source.name} is no longer asked: {lie}")
                self._sources.remove(source)
            except LocalFault as failed:
                if failed.code not in (NodeCode.NODE_UNREACHABLE, ConsensusCode.LIGHT_LACKING):
                    raise
                fault = failed
                self._report(f"{source.name} does not serve: {failed}")
                self._sources.remove(source)
                self._sources.append(source)
        raise fault or LocalFault(NodeCode.LIGHT_NO_TRUST, "servers", left=0)


def _answered(steps: Generator[int, LightBlock, Result], fetch: Callable[[int], LightBlock]) -> Result:
    """Run a generator that asks for blocks."""
    try:
        wanted = next(steps)
        while True:
            wanted = steps.send(fetch(wanted))
    except StopIteration as end:
        result: Result = end.value
        return result


STILL_MS = 60_000
_ENDING = (NodeCode.LIGHT_ATTACK, NodeCode.LIGHT_STORE_UNUSABLE, NodeCode.LIGHT_NO_TRUST, ConsensusCode.TRUST_EXPIRED)


def follow(
    client: LightClient,
    verified: Callable[[LightBlock], None],
    report: Callable[[str], None],
    wait: Callable[[], bool],
    now_ms: Callable[[], int] = lambda: 0,
) -> None:
    """Follow until `wait` returns False. Raises LocalFault for what ends it, and when no server is left.

    A server that shows nothing new cannot be last from a network that stands: that the newest header is old is said.
    """
    still = False
    last = client.store.newest()
    if last is not None:
        verified(last)
    while True:
        try:
            newest = client.update()
        except CrossclearError as fault:
            if not isinstance(fault, LocalFault) or fault.code in _ENDING or not client.sources:
                raise
            report(str(fault))
        else:
            if last is None or newest.header.height > last.header.height:
                verified(newest)
                last = newest
            age_ms = now_ms() - newest.header.time_ms
            if age_ms > STILL_MS and not still:
                report(f"the newest header served, {newest.header.height}, is {age_ms // 1000} s old")
            still = age_ms > STILL_MS
        if not wait():
            return
