"""Examine all endpoints of a chain, each by itself and then against each other.

Rule: few are asked at once, so that memory is bounded however long their answers are. What they disagree about is a
finding of the chain: nobody knows yet which of them is wrong.
"""

from collections import Counter
from collections.abc import Callable, Sequence

import trio

from bridge.evm.header import read_header
from bridge.evm.hexadecimal import hex_quantity
from bridge.probe.endpoint_exam import Needs, examine
from bridge.probe.findings import Examined, Finding, Gravity, fault, ok, warning, worst
from bridge.rpc.block_receipts import Source
from bridge.rpc.endpoint import RpcCall, accepted
from clearing.base.errors import RemoteFault

AT_ONCE = 4
"""Endpoints that are examined at once."""
SPREAD_BLOCKS = 64
"""Their final blocks should not be further apart."""
COMPARE_SECONDS = 20.0


async def examine_chain(
    sources: Sequence[Source], quorum: int, needs: Needs, now: Callable[[], float]
) -> tuple[Examined, ...]:
    """Findings on each endpoint in order, then on all of them together."""
    alone: dict[int, Examined] = {}
    limit = trio.CapacityLimiter(AT_ONCE)

    async def one(index: int) -> None:
        async with limit:
            alone[index] = await examine(sources[index], needs, now)

    async with trio.open_nursery() as nursery:
        for index in range(len(sources)):
            nursery.start_soon(one, index)
    found = [alone[index] for index in range(len(sources))]
    good = sum(worst([each]) < Gravity.FAULT for each in found)
    together = [_quorum(good, quorum, len(sources)), *await _agreement(sources, found, quorum, needs)]
    return (*found, Examined("all endpoints", tuple(together)))


def _quorum(good: int, quorum: int, endpoints: int) -> Finding:
    shown = f"{good} of {endpoints} endpoints without a fault, quorum {quorum}"
    if good < quorum:
        return fault(
            "quorum", shown, "Nothing is credited on this chain until a quorum works. It never shrinks by itself."
        )
    if good == quorum and endpoints > 1:
        return warning("quorum", shown, "No endpoint is in reserve: the next one that fails stops the chain.")
    return ok("quorum", shown)


async def _agreement(sources: Sequence[Source], found: Sequence[Examined], quorum: int, needs: Needs) -> list[Finding]:
    """Whether they have one block at the lowest of their final heights, and how far these are apart."""
    finals = {index: each.final for index, each in enumerate(found) if each.final is not None}
    if len(finals) < 2:
        return []
    lowest, highest = min(finals.values()), max(finals.values())
    hashes: dict[int, str] = {}

    async def ask(index: int) -> None:
        try:
            (answer,) = await sources[index].batch((RpcCall("eth_getBlockByNumber", (hex_quantity(lowest), False)),))
            header = read_header(accepted(answer, "block"), needs.profile.layout.header)
        except RemoteFault:
            return
        if header.number == lowest:
            hashes[index] = header.hash.hex()

    with trio.move_on_after(COMPARE_SECONDS):
        async with trio.open_nursery() as nursery:
            for index in finals:
                nursery.start_soon(ask, index)
    votes = Counter(hashes[index] for index in sorted(hashes))
    shown = f"final block {lowest}: {', '.join(f'0x{hash_[:16]}… by {count}' for hash_, count in votes.most_common())}"
    findings = [ok("agreement", shown)] if votes else []
    if len(votes) > 1:
        agreed, count = votes.most_common(1)[0]
        alone = ", ".join(found[index].name for index, hash_ in sorted(hashes.items()) if hash_ != agreed)
        who = f"Replace {alone}" if count >= quorum else "Find out which of them is right"
        findings = [fault("agreement", shown, f"{who}: the chain is halted where final blocks differ.")]
    if silent := ", ".join(found[index].name for index in finals if index not in hashes):
        shown = f"final block {lowest} is not served by {silent}"
        findings.append(fault("agreement", shown, "Replace it: what lacks a final block stops the credits."))
    if highest - lowest > SPREAD_BLOCKS:
        late = ", ".join(found[index].name for index, final in finals.items() if highest - final > SPREAD_BLOCKS)
        spread = f"final blocks from {lowest} to {highest}"
        findings.append(warning("final heights", spread, f"Look after {late}: it keeps the others waiting."))
    return findings
