"""The endpoints of one chain, asked together: who is asked, how long the others are waited for, who rests.

Rule: an answer needs a quorum, which never shrinks. An endpoint that fails or is slow rests for a growing while, unless
a quorum would be missing. It knows no blocks: what is asked, and what an answer means, is the caller's.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Hashable, Sequence
from typing import TypeVar

import trio

from bridge.codes import BridgeCode
from bridge.rpc.block_receipts import Source
from bridge.rpc.endpoint import Result, RpcCall
from bridge.rpc.endpoint_health import EndpointHealth, MeasuredSource
from bridge.rpc.providers import is_quorum
from clearing.base.errors import LocalFault, RemoteFault

GRACE_SECONDS = 0.5
"""How long a quorum that has answered waits for the others."""
PATIENCE_SECONDS = 5.0
"""How long it waits for them where those that answered don't agree: else one quick liar would silence the slow ones."""
T = TypeVar("T")
K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class EndpointSet:
    """Answers of `endpoints`, of which `quorum` count. Raises LocalFault BAD_QUORUM unless 2·quorum > endpoints."""

    def __init__(self, endpoints: Sequence[Source], quorum: int) -> None:
        if not is_quorum(quorum, len(endpoints)):
            raise LocalFault(BridgeCode.BAD_QUORUM, "endpoints", quorum=quorum, endpoints=len(endpoints))
        self.quorum = quorum
        self.health = tuple(EndpointHealth(endpoint.name) for endpoint in endpoints)
        self._endpoints = tuple(map(MeasuredSource, endpoints, self.health))

    async def proven(self, calls: Sequence[RpcCall], judge: Callable[[list[Result]], V], *, blame: bool = True) -> V:
        """The result of `judge` on the first answer that it does not refuse: for data that proves itself.

        Raises RemoteFault: the last endpoint's fault, or why `judge` refused its answer.
        """

        async def ask(source: Source) -> V:
            return judge(await source.batch(calls))

        return await self.first_good(calls[0].method, ask, blame=blame)

    async def first_good(self, at: str, ask: Callable[[Source], Awaitable[V]], *, blame: bool) -> V:
        """What `ask` gets of the first endpoint of which it raises no RemoteFault, else the last endpoint's fault."""
        fault = RemoteFault(BridgeCode.ENDPOINT_QUORUM_LOST, at)
        for index in self._by_health():
            self.health[index].asked_alone += 1
            try:
                found = await ask(self._endpoints[index])
            except RemoteFault as error:
                fault = error
                if blame:
                    self.blame(index, error)
            else:
                return found
        raise fault

    async def agreed(self, calls: Sequence[RpcCall], parse: Callable[[list[Result]], K]) -> K:
        """The parsed result on which a quorum agrees.

        Raises RemoteFault ENDPOINTS_DISAGREE, ENDPOINT_QUORUM_LOST.
        """

        def judge(answers: dict[int, K]) -> K:
            value, votes = Counter(answers.values()).most_common(1)[0]
            if votes < self.quorum:
                raise RemoteFault(BridgeCode.ENDPOINTS_DISAGREE, calls[0].method, votes=votes, quorum=self.quorum)
            for index, other in answers.items():
                if other != value:
                    self.blame(index, RemoteFault(BridgeCode.ENDPOINTS_DISAGREE, calls[0].method))
            return value

        return await self._judged(calls, parse, judge)

    async def undisputed(self, calls: Sequence[RpcCall], parse: Callable[[list[Result]], K]) -> K:
        """The parsed result that a quorum reports and no endpoint that answers in time contradicts.

        Raises RemoteFault ENDPOINTS_DISAGREE, ENDPOINT_QUORUM_LOST.
        """
        answers = await self.read(calls, parse, patient=True)
        stated = Counter(answers.values())
        if len(stated) > 1:
            most = max(stated.values())
            shared = [value for value, votes in stated.items() if votes == most]
            apart = {self._endpoints[index].name for index, value in answers.items() if [value] != shared}
            alone = ", ".join(sorted(apart))
            raise RemoteFault(BridgeCode.ENDPOINTS_DISAGREE, calls[0].method, alone=alone, of=len(answers))
        return next(iter(stated))

    async def _judged(
        self, calls: Sequence[RpcCall], parse: Callable[[list[Result]], T], judge: Callable[[dict[int, T]], V]
    ) -> V:
        """The result of `judge` on the answers; without agreement, on those of the slow and resting endpoints too."""
        answers = await self.read(calls, parse)
        try:
            return judge(answers)
        except RemoteFault as fault:
            if fault.code not in (BridgeCode.ENDPOINTS_DISAGREE, BridgeCode.WRONG_CHAIN):
                raise
            if len(answers) == len(self._endpoints):
                raise
        return judge(await self.read(calls, parse, patient=True))

    async def read(
        self, calls: Sequence[RpcCall], parse: Callable[[list[Result]], T], *, patient: bool = False
    ) -> dict[int, T]:
        """Ask all endpoints at once; parsed results of those that answer well, by endpoint, at least a quorum.

        Endpoints that failed, or kept a quorum waiting, rest for a growing while, as long as a quorum is left without
        them; a patient call asks them too. Raises RemoteFault ENDPOINT_QUORUM_LOST with the last fault's text.
        """
        answers: dict[int, T] = {}
        asked = self._asked(patient=patient)
        grace = PATIENCE_SECONDS if patient else GRACE_SECONDS
        faults: list[RemoteFault] = []

        answered: set[int] = set()

        async def ask(index: int, patience: trio.CancelScope) -> None:
            try:
                answers[index] = parse(await self._endpoints[index].batch(calls))
            except RemoteFault as fault:
                faults.append(fault)
                self.blame(index, fault)
            else:
                self.health[index].note_good_answer()
            answered.add(index)
            if len(answers) == self.quorum:
                patience.deadline = min(patience.deadline, trio.current_time() + grace)

        if len(asked) == 1:
            await ask(asked[0], trio.CancelScope())
        else:
            async with trio.open_nursery() as nursery:
                for index in asked:
                    nursery.start_soon(ask, index, nursery.cancel_scope)
            for index in set(asked) - answered:
                self.blame(index, RemoteFault(BridgeCode.ENDPOINT_UNREACHABLE, self._endpoints[index].name, why="slow"))
        for index in set(asked) - answers.keys():
            self.health[index].is_lost |= patient
        if len(answers) < self.quorum:
            why = str(faults[-1]) if faults else "resting"
            raise RemoteFault(
                BridgeCode.ENDPOINT_QUORUM_LOST, calls[0].method, answered=len(answers), quorum=self.quorum, why=why
            )
        return dict(sorted(answers.items()))

    def _asked(self, *, patient: bool) -> Sequence[int]:
        """Whom to ask: those that are awake; patiently also those at rest, but for the lost ones among them."""
        now = trio.current_time()
        asked = [
            index
            for index, health in enumerate(self.health)
            if health.resting_until <= now or (patient and not health.is_lost)
        ]
        return asked if len(asked) >= self.quorum else range(len(self._endpoints))

    def _by_health(self) -> list[int]:
        """Those with the fewest faults first, of equals the one that was asked least: so each is tried in turn."""

        def key(index: int) -> tuple[int, int]:
            return self.health[index].faults_total, self.health[index].asked_alone

        return sorted(range(len(self._endpoints)), key=key)

    def blame(self, index: int, fault: RemoteFault) -> None:
        """Note a fault of one endpoint and let it rest, longer after each in a row."""
        self.health[index].note_fault(fault)
