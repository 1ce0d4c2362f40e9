"""The examination of endpoints: a good one has no faults, and each lie or lack is named with what to do about it."""

import time
from collections.abc import Callable
from typing import Any

import pytest
import trio

from bridge.probe import endpoint_exam
from bridge.probe.chain_exam import examine_chain
from bridge.probe.endpoint_exam import Needs
from bridge.probe.findings import Examined, Finding, Gravity
from bridge.rpc.chain_profiles import profile_of
from bridge.rpc.endpoint import Endpoint, Refusal, Result, RpcCall
from devnet.anvil import Anvil
from tests.kit.bridge.lying_server import served
from tests.kit.bridge.watched_chain import Liar

pytestmark = pytest.mark.chain
CHAIN_ID = 31337
Alter = Callable[[RpcCall, Result], Result]
REFUSED = Refusal(-32601, "the method does not exist")


def instead(method: str, value: object, *, at: str = "") -> Alter:
    """Every answer to a method, or only that about a block, is this."""

    def alter(call: RpcCall, result: Result) -> Result:
        asked = call.method == method and (not at or at in call.params)
        return value(result) if asked and callable(value) else value if asked else result

    return alter


def no_range_above(blocks: int) -> Alter:
    def alter(call: RpcCall, result: Result) -> Result:
        if call.method != "eth_getLogs":
            return result
        asked: Any = call.params[0]
        wide = int(asked["toBlock"], 16) - int(asked["fromBlock"], 16) >= blocks
        return Refusal(-32005, "too many blocks") if wide else result

    return alter


def no_state_below(number: int) -> Alter:
    def alter(call: RpcCall, result: Result) -> Result:
        if call.method != "eth_getProof" or int(str(call.params[2]), 16) >= number:
            return result
        return Refusal(-32000, "missing trie node")

    return alter


class Place:
    """A chain of some length, examined through servers that alter its answers."""

    def __init__(self, chain: Anvil, monkeypatch: pytest.MonkeyPatch) -> None:
        self.chain, self._patch = chain, monkeypatch
        self.needs = Needs(CHAIN_ID, profile_of(CHAIN_ID), 0, 0)
        chain.rpc("anvil_mine", hex(60))

    def exam(self, *alters: Alter, quorum: int = 1, now: Callable[[], float] = time.time) -> tuple[Examined, ...]:
        async def run() -> tuple[Examined, ...]:
            async with Endpoint(self.chain.url) as true, trio.open_nursery() as nursery:
                urls = await served(nursery, [Liar(true, alter) for alter in alters])
                async with trio.open_nursery():
                    endpoints = [Endpoint(url) for url in urls]
                    found = await examine_chain(endpoints, quorum, self.needs, now)
                    for endpoint in endpoints:
                        await endpoint.aclose()
                nursery.cancel_scope.cancel()
            return found

        return trio.run(run)

    def block(self, at: str) -> Any:
        return self.chain.rpc("eth_getBlockByNumber", at, *[False])

    def finding(self, check: str, alter: Alter = lambda _, result: result, **more: Any) -> Finding:
        (found,) = [each for each in self.exam(alter, **more)[0].findings if each.check == check]
        return found


@pytest.fixture
def place(anvil: Callable[..., Anvil], monkeypatch: pytest.MonkeyPatch) -> Place:
    return Place(anvil(), monkeypatch)


def test_a_good_endpoint_has_nothing_but_good_lines(place: Place) -> None:
    alone, together = place.exam(lambda _, result: result)
    checks = ["chain id", "latency", "head", "finality", "log range", "EIP-2537", "states", "receipts"]
    assert [(each.check, each.gravity) for each in alone.findings] == [(check, Gravity.OK) for check in checks]
    assert [each.check for each in together.findings] == ["quorum"]
    assert not any(each.advice for each in (*alone.findings, *together.findings))


def header_with(**changes: object) -> Callable[[Result], Result]:
    return lambda result: {**result, **changes} if isinstance(result, dict) else result


@pytest.mark.parametrize(
    ("check", "alter", "gravity", "says"),
    [
        ("chain id", instead("eth_chainId", "0x1"), Gravity.FAULT, "configured 31337"),
        ("chain id", instead("eth_chainId", REFUSED), Gravity.FAULT, "R0604"),
        ("chain id", instead("eth_chainId", [[]] * 9), Gravity.FAULT, "R0601"),
        ("latency", instead("eth_blockNumber", REFUSED), Gravity.FAULT, "R0604"),
        ("head", instead("eth_getBlockByNumber", header_with(gasUsed="0x7")), Gravity.FAULT, "R0610"),
        ("head", instead("eth_getBlockByNumber", None, at="latest"), Gravity.FAULT, "R0617"),
        ("finality", instead("eth_getBlockByNumber", REFUSED, at="finalized"), Gravity.FAULT, "method does not exist"),
        ("finality", instead("eth_getBlockByNumber", None, at="finalized"), Gravity.FAULT, "R0617"),
        ("finality", instead("eth_getBlockByNumber", REFUSED, at="safe"), Gravity.WARNING, "method does not exist"),
        ("log range", instead("eth_getLogs", REFUSED), Gravity.FAULT, "R0604"),
        ("log range", instead("eth_getLogs", {}), Gravity.FAULT, "R0601"),
        ("log range", no_range_above(16), Gravity.WARNING, "9 blocks at once"),
        ("EIP-2537", instead("eth_call", "0x"), Gravity.FAULT, "not answered"),
        ("states", instead("eth_getProof", REFUSED), Gravity.FAULT, "eth_getProof refused"),
        ("states", instead("eth_getProof", {}), Gravity.FAULT, "without a proof"),
        ("states", no_state_below(40), Gravity.FAULT, "missing trie node"),
        ("receipts", instead("eth_getBlockReceipts", REFUSED), Gravity.WARNING, "one by one"),
        ("receipts", instead("eth_getBlockReceipts", [{}]), Gravity.FAULT, "R06"),
    ],
)
def test_each_lie_or_lack_is_named(place: Place, check: str, alter: Alter, gravity: Gravity, says: str) -> None:
    found = place.finding(check, alter)
    assert (found.gravity, bool(found.advice)) == (gravity, True), found
    assert says in found.found


def test_a_finalized_block_of_zero_is_a_fault(place: Place) -> None:
    genesis = place.block("0x0")
    assert "final block 0" in place.finding("finality", instead("eth_getBlockByNumber", genesis, at="finalized")).found


def test_tags_out_of_order_are_a_fault(place: Place) -> None:
    genesis = place.block("0x0")
    found = place.finding("finality", instead("eth_getBlockByNumber", genesis, at="safe"))
    assert (found.gravity, "out of order" in found.advice) == (Gravity.FAULT, True)


@pytest.mark.parametrize(("later", "gravity"), [(0, 0), (-3600, 2), (900, 1), (2 * 3600, 2)])
def test_the_head_is_compared_with_the_own_clock(place: Place, later: int, gravity: int) -> None:
    assert place.finding("head", now=lambda: time.time() + later).gravity == gravity


def test_a_slow_endpoint_is_named(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint_exam, "SLOW_MS", -1)
    assert place.finding("latency").gravity is Gravity.WARNING


def test_an_examination_ends_however_long_an_endpoint_takes(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> Examined:
        async with Endpoint(place.chain.url) as true:
            return await endpoint_exam.examine(Liar(true, silent=True), place.needs, time.time)

    monkeypatch.setattr(endpoint_exam, "EXAM_SECONDS", 0.05)
    (found,) = trio.run(run).findings
    assert (found.check, found.gravity) == ("time", Gravity.FAULT)


def test_endpoints_that_disagree_about_a_final_block_are_named(place: Place, anvil: Callable[..., Anvil]) -> None:
    fork = anvil()
    fork.rpc("anvil_mine", hex(60), hex(2))

    async def run() -> Examined:
        async with Endpoint(place.chain.url) as true, Endpoint(fork.url) as false:
            return (await examine_chain([true, true, false], 2, place.needs, time.time))[-1]

    found = next(each for each in trio.run(run).findings if each.check == "agreement")
    assert (found.gravity, f"Replace 127.0.0.1:{fork.port}" in found.advice) == (Gravity.FAULT, True)


def test_a_block_of_another_number_is_no_final_block(place: Place) -> None:
    final = hex(int(place.block("finalized")["number"], 16))
    found = place.finding("finality", instead("eth_getBlockByNumber", place.block("0x5"), at=final))
    assert (found.gravity, "R0601" in found.found) == (Gravity.FAULT, True)


def test_a_chain_without_a_quorum_of_good_endpoints_is_a_fault(place: Place) -> None:
    dead = instead("eth_chainId", "0x1")
    *_, together = place.exam(lambda _, result: result, dead, dead, quorum=2)
    assert together.findings[0].gravity is Gravity.FAULT
    *_, together = place.exam(lambda _, result: result, lambda _, result: result, dead, quorum=2)
    assert together.findings[0].gravity is Gravity.WARNING, "none is in reserve"
