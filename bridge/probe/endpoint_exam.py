"""Examine one endpoint: everything that the adapter asks of it, once, in a bounded time.

Rule: an endpoint is believed in nothing. What it refuses, or answers wrongly, is a finding of that check and ends no
other. Where a check needs the head or the final block and there is none, the check is left out.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from statistics import median

import trio

from bridge.codes import BridgeCode
from bridge.evm.events import VAULT_TOPICS
from bridge.evm.header import BlockHeader, read_header
from bridge.evm.hexadecimal import hex_data, hex_quantity, malformed, read_list, read_object, read_quantity
from bridge.evm.receipts import LOGS_MAX
from bridge.probe.findings import Examined, Finding, fault, ok, warning
from bridge.rpc.block_receipts import Source, fetch_receipts
from bridge.rpc.chain_profiles import ChainProfile
from bridge.rpc.endpoint import Refusal, RpcCall, accepted
from bridge.rpc.precompiles import has_eip2537
from clearing.base.errors import RemoteFault

EXAM_SECONDS = 60.0
"""For all checks of one endpoint."""
LATENCY_TRIES = 5
SLOW_MS = 1_000
TAGS = ("finalized", "safe")
PLACE = bytes([0xCC]) * 20
"""An address that nobody uses: what is asked about it has short answers."""
STATES_SPARE = 32
"""Blocks below the final one whose state the adapter may ask for: the usual stride of custody evidence."""
STATE_DEPTHS = (128, 1_000, 10_000, 100_000)
"""How much deeper it is looked for the oldest state."""
FUTURE_SECONDS = 15
OLD_BLOCKS, OLD_SECONDS = 20, 60
"""A head is late beyond so many block times, and so many seconds."""
STOPPED_SECONDS = 3_600
"""A chain that is silent for so long takes no withdrawals any more."""


@dataclass(frozen=True, slots=True)
class Needs:
    """What the node needs of an endpoint. `tag`, `depth`: when a block is final; `log_range`: blocks asked for."""

    chain_id: int
    profile: ChainProfile
    depth: int
    log_range: int


async def examine(source: Source, needs: Needs, now: Callable[[], float]) -> Examined:
    """All findings on one endpoint. `now`: seconds since 1970 by the own clock. Raises nothing for what it answers."""
    exam = _Exam(source, needs, now)
    with trio.move_on_after(EXAM_SECONDS) as scope:
        await exam.run()
    if scope.cancelled_caught:
        slow = f"the checks took more than {EXAM_SECONDS:.0f} s"
        exam.findings.append(fault("time", slow, "Replace the endpoint, or ask its provider for a higher rate."))
    return Examined(source.name, tuple(exam.findings), exam.final.number if exam.final else None)


class _Exam:
    """One examination; `head` and `final` are known once their checks have passed."""

    def __init__(self, source: Source, needs: Needs, now: Callable[[], float]) -> None:
        self.findings: list[Finding] = []
        self.final: BlockHeader | None = None
        self._source = source
        self._needs = needs
        self._now = now
        self._head: BlockHeader | None = None

    async def run(self) -> None:
        """Every check, the chain id first: of another chain nothing else is worth knowing."""
        await self._check("chain id", self._chain_id)
        if self.findings[-1].gravity:
            return
        await self._check("latency", self._latency)
        await self._check("head", self._clock)
        if self._head is None:
            return
        await self._check("finality", self._finality)
        await self._check("log range", self._log_range)
        await self._check("EIP-2537", self._eip2537)
        if self.final is not None:
            await self._check("states", self._states)
            await self._check("receipts", self._receipts)

    async def _check(self, name: str, check: Callable[[], Awaitable[Finding]]) -> None:
        try:
            self.findings.append(await check())
        except RemoteFault as error:
            self.findings.append(fault(name, str(error), error.code.remedy))

    async def _chain_id(self) -> Finding:
        served = read_quantity(await self._answer("eth_chainId"), "eth_chainId", 63)
        if served != self._needs.chain_id:
            return fault("chain id", f"{served}, configured {self._needs.chain_id}", "Name an endpoint of this chain.")
        return ok("chain id", str(served))

    async def _latency(self) -> Finding:
        taken: list[float] = []
        for _ in range(LATENCY_TRIES):
            begun = trio.current_time()
            await self._answer("eth_blockNumber")
            taken.append(trio.current_time() - begun)
        middle = round(median(taken) * 1000)
        if middle > SLOW_MS:
            return warning("latency", f"{middle} ms", f"Take one nearer to this machine, under {SLOW_MS} ms.")
        return ok("latency", f"{middle} ms")

    async def _clock(self) -> Finding:
        self._head = await self._block("latest")
        late = round(self._now()) - self._head.timestamp
        found = f"block {self._head.number}, {abs(late)} s {'old' if late >= 0 else 'ahead of the own clock'}"
        if late < -FUTURE_SECONDS:
            return fault("head", found, "Set this machine's clock by NTP. If it is right, replace the endpoint.")
        if late > STOPPED_SECONDS:
            return fault(
                "head", found, "The chain stands still, the endpoint does not follow it, or the clock is wrong."
            )
        if late * 1000 > max(OLD_SECONDS * 1000, OLD_BLOCKS * self._needs.profile.facts.blocks.milliseconds):
            return warning("head", found, "Compare it with an explorer of the chain, and this clock with NTP.")
        return ok("head", found)

    async def _finality(self) -> Finding:
        facts = self._needs.profile.facts.finality
        head = self._head_number()
        numbers, refused = dict[str, int](), dict[str, str]()
        for tag in TAGS:
            try:
                numbers[tag] = (await self._block(tag)).number
            except RemoteFault as error:
                if error.code not in (BridgeCode.ENDPOINT_REFUSED, BridgeCode.UNTRUSTED_BLOCK):
                    raise
                refused[tag] = str(error)
        found = ", ".join([*(f"{tag} {number}" for tag, number in numbers.items()), *refused.values()])
        own = head if facts.tag == "latest" else numbers.get(facts.tag)
        if own is None:
            return fault("finality", found, f"The chain's profile needs the tag {facts.tag}: replace the endpoint.")
        final = max(min(own, head - self._needs.depth), 0)
        if final == 0:
            return fault("finality", f"final block 0; {found}", "Nothing is final, so nothing is credited: replace it.")
        order = [numbers[tag] for tag in TAGS if tag in numbers] + [head]
        if order != sorted(order):
            return fault("finality", f"head {head}, {found}", "The tags are out of order: replace the endpoint.")
        self.final = await self._block(hex_quantity(final))
        unknown = [tag for tag in TAGS if not numbers.get(tag)]
        if unknown:
            return warning("finality", found, f"The tag {unknown[0]} is absent or 0; the profile does not need it.")
        return ok("finality", f"{found}, {head - final} blocks under the head")

    async def _log_range(self) -> Finding:
        head, most = self._head_number(), self._needs.profile.log_range(self._needs.log_range).most
        span = most
        while True:
            answer = (await self._source.batch((RpcCall("eth_getLogs", (_log_filter(head, span),)),)))[0]
            if not isinstance(answer, Refusal):
                read_list(answer, "eth_getLogs", LOGS_MAX)
                break
            if span == 1:
                raise answer.fault("eth_getLogs")
            span //= 2
        first = self._needs.profile.log_range(self._needs.log_range).start
        shown = f"{min(span, head + 1)} blocks at once"
        if span < first:
            advice = f"Set logs_span to {span} for this chain: {first} blocks are asked for at first and refused."
            return warning("log range", shown, advice)
        return ok("log range", shown)

    async def _eip2537(self) -> Finding:
        found, stated = await has_eip2537(self._source), self._needs.profile.facts.precompiles.eip2537
        shown = "answered" if found else "not answered"
        if stated and not found:
            return fault(
                "EIP-2537", shown, "The chain's profile has it: the endpoint is of another chain, or outdated."
            )
        if not found:
            return warning("EIP-2537", shown, "As the profile says: a vault of this chain takes secp256k1 signatures.")
        return ok("EIP-2537", shown)

    async def _states(self) -> Finding:
        head, final = self._head_number(), self.final.number if self.final else 0
        needed = min(head - final + STATES_SPARE, head)
        oldest = None
        for depth in sorted({needed, *(depth for depth in STATE_DEPTHS if needed < depth <= head)}):
            why = await self._lacks_state(head - depth)
            if why:
                if oldest is None:
                    advice = f"The adapter needs {needed} blocks: take an endpoint that keeps them, such as an archive."
                    return fault("states", f"none {needed} blocks under the head: {why}", advice)
                break
            oldest = depth
        return ok("states", f"{oldest} blocks under the head answered, {needed} needed")

    async def _lacks_state(self, number: int) -> str:
        """Why a block's state is not served, by proof or by call; empty where it is."""
        at = hex_quantity(number)
        proof, view = await self._source.batch(
            (
                RpcCall("eth_getProof", (hex_data(PLACE), [hex_data(bytes(32))], at)),
                RpcCall("eth_call", ({"to": hex_data(PLACE), "data": "0x"}, at)),
            )
        )
        if isinstance(proof, Refusal):
            return f"eth_getProof refused: {proof.message}"
        if isinstance(view, Refusal):
            return f"eth_call refused: {view.message}"
        return "" if read_object(proof, "eth_getProof").get("accountProof") else "eth_getProof without a proof"

    async def _receipts(self) -> Finding:
        block = self.final
        if block is None:
            raise RemoteFault(BridgeCode.UNTRUSTED_BLOCK, self._source.name)
        (answer,) = await self._source.batch((RpcCall("eth_getBlockReceipts", (hex_quantity(block.number),)),))
        found = await fetch_receipts(self._source, self._needs.profile.layout.receipts, block)
        if isinstance(answer, Refusal) or answer is None:
            advice = "It works, with one request for each transaction. Take one with the method where blocks are full."
            return warning("receipts", "no eth_getBlockReceipts: fetched one by one", advice)
        return ok("receipts", f"{len(found)} of block {block.number} rebuild its root")

    def _head_number(self) -> int:
        return self._head.number if self._head else 0

    async def _block(self, at: str) -> BlockHeader:
        """A block whose hash is recomputed. Raises RemoteFault UNTRUSTED_BLOCK where there is none."""
        answer = await self._answer("eth_getBlockByNumber", at, False)  # noqa: FBT003
        if answer is None:
            raise RemoteFault(BridgeCode.UNTRUSTED_BLOCK, at, endpoint=self._source.name)
        header = read_header(answer, self._needs.profile.layout.header)
        if at.startswith("0x") and header.number != int(at, 16):
            raise malformed("header.number", header.number)
        return header

    async def _answer(self, method: str, *params: object) -> object:
        (answer,) = await self._source.batch((RpcCall(method, params),))
        return accepted(answer, method)


def _log_filter(head: int, span: int) -> dict[str, object]:
    topics: Sequence[str] = [hex_data(topic) for topic in VAULT_TOPICS]
    first = max(head - span + 1, 0)
    place = {"address": hex_data(PLACE), "topics": [topics]}
    return {**place, "fromBlock": hex_quantity(first), "toBlock": hex_quantity(head)}
