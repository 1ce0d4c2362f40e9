"""The verdict: what must hold of every manifest once all processes have ended, and the figures of the run.

Rule: judged from what is on the nodes' disks and from what was seen outside, never from what a process says of itself.
- One chain: at each height all honest nodes hold the same block.
- Nothing lost: each accepted trade is in a block, and takes effect at most once.
- Roots equal: executing one node's chain again gives every root that its headers state (and headers are equal).
- Nobody honest is accused: misbehaviour is on record of liars only.
- Recovered: after each event the network was level within the manifest's time.
"""

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import msgspec

from clearing.base.errors import CrossclearError
from clearing.base.hashing import sha256
from clearing.schema.receipts.trades import TradeNovated
from clearing.state.state import State
from devnet.demo.main import network_seed
from node.agreement.application import DecidedHeight, state_salt
from node.api.chain import validators_of
from node.offline.replay import replay
from node.store.store import Store
from tests.testnets.blocks import Included
from tests.testnets.events import Outcome
from tests.testnets.load import Load, percentile
from tests.testnets.network import TestNetwork


class Verdict(msgspec.Struct, kw_only=True):
    """What is written to `verdict.json`."""

    name: str
    ok: bool = False
    broken: list[str] = []
    """What does not hold; empty is good."""
    ground: str = ""
    validators: int = 0
    heights: int = 0
    heights_per_second: float = 0.0
    height_ms_p50: int = 0
    """Between two heights becoming durable on the first node that has them, over the whole run."""
    height_ms_p99: int = 0
    accepted: int = 0
    in_blocks: int = 0
    in_two_blocks: int = 0
    """A node that lost its marks offers a trade again; the second time it is refused, which the replay checks."""
    novated: int = 0
    """Trades that took effect; without chains nobody has margin, and none does."""
    unanswered: int = 0
    refused: dict[str, int] = {}
    trade_ms_p50: int = 0
    """From handing in to the trade's block being durable on the node that took it in, over the whole run."""
    trade_ms_p99: int = 0
    offences: dict[str, dict[str, int]] = {}
    """What the replayed state has on record: by node, how often each kind of misbehaviour was proven."""
    replayed_root: str = ""
    first_heights: dict[str, int] = {}
    """Of nodes that started late: the lowest block that they hold."""
    events: list[Outcome] = []


def judge(network: TestNetwork, load: Load, outcomes: Sequence[Outcome], broken: Sequence[str]) -> Verdict:
    """Read the homes of the ended processes. `broken` is what failed while they ran."""
    manifest = network.manifest
    verdict = Verdict(
        name=manifest.name,
        ground=network.ground.kind,
        validators=manifest.validators,
        broken=list(broken),
        unanswered=load.unanswered,
        refused=dict(load.refused),
        events=list(outcomes),
    )
    chains = {name: _values(network, name) for name in manifest.honest}
    _one_chain(verdict, chains)
    # The replay begins at genesis, so of a node that holds every block.
    longest = max(sorted(chains), key=lambda name: len(chains[name]))
    _transactions(verdict, network, load, longest)
    _pace(verdict, network)
    for name in sorted(manifest.late & chains.keys()):
        first = verdict.first_heights[name] = min(chains[name], default=0)
        wanted = manifest.terms(name).join
        if (wanted == "snapshot") != (first > 1):
            verdict.broken.append(f"{name} was to join from {wanted}, but its first block is {first}")
    if manifest.replay:
        _replayed(verdict, network, longest)
    for outcome in outcomes:
        if outcome.recovery_seconds > manifest.recovery_seconds:
            verdict.broken.append(f"{outcome.event}: level again only after {outcome.recovery_seconds} s")
    verdict.ok = not verdict.broken
    return verdict


def _values(network: TestNetwork, name: str) -> dict[int, bytes]:
    """Digest of the block of each height that a node holds."""
    with Store(network.nodes[name].home / "node.sqlite", network.testnet.network) as store:
        return {record.height: sha256(record.block) for record in store.blocks()}


def _one_chain(verdict: Verdict, chains: dict[str, dict[int, bytes]]) -> None:
    seen: dict[int, tuple[str, bytes]] = {}
    for name, values in sorted(chains.items()):
        for height, value in values.items():
            other, first = seen.setdefault(height, (name, value))
            if first != value:
                verdict.broken.append(f"fork: {other} and {name} differ at height {height}")
                break
        if values and len(values) != max(values) - min(values) + 1:
            missing = next(height for height in range(min(values), max(values)) if height not in values)
            verdict.broken.append(f"{name} lacks height {missing}")
    verdict.heights = max(seen, default=0)


def _transactions(verdict: Verdict, network: TestNetwork, load: Load, name: str) -> None:
    """Which trades are in the longest chain, how often and since when."""
    included = Included(network.nodes[name].home / "node.sqlite")
    included.read_on()
    height_of = included.heights
    accepted = {key: each for key, each in load.handed.items() if each.accepted}
    lost = [each for key, each in accepted.items() if key not in height_of]
    verdict.in_two_blocks = sum(1 for heights in height_of.values() if len(heights) > 1)
    verdict.accepted, verdict.in_blocks = len(accepted), len(accepted) - len(lost)
    if lost:
        where = Counter(each.node for each in lost)
        verdict.broken.append(f"lost: {len(lost)} accepted trades are in no block, taken in by {dict(where)}")
    times = []
    for key, each in accepted.items():
        reached = network.watch.seen[each.node].reached(height_of[key][0]) if key in height_of else None
        if reached is not None:
            times.append(1000 * (reached - each.at))
    verdict.trade_ms_p50, verdict.trade_ms_p99 = round(percentile(times, 0.5)), round(percentile(times, 0.99))


def _pace(verdict: Verdict, network: TestNetwork) -> None:
    """How fast heights came, by their first appearance on any disk."""
    first: dict[int, float] = {}
    for seen in network.watch.seen.values():
        for height, time in zip(seen.heights, seen.times, strict=True):
            first[height] = min(time, first.get(height, time))
    marks = [first[height] for height in sorted(first)]
    if len(marks) > 1 and marks[-1] > marks[0]:
        heights = max(first) - min(first)
        verdict.heights_per_second = round(heights / (marks[-1] - marks[0]), 2)
        gaps = [1000 * (after - before) for before, after in pairwise(marks)]
        verdict.height_ms_p50, verdict.height_ms_p99 = round(percentile(gaps, 0.5)), round(percentile(gaps, 0.99))


def _replayed(verdict: Verdict, network: TestNetwork, name: str) -> None:
    """Execute a chain again from genesis, in this process."""
    novated: Counter[int] = Counter()
    last: list[State] = []

    def count(decided: DecidedHeight) -> None:
        last[:] = [decided.state]
        for receipt in decided.result.receipts:
            if isinstance(receipt, TradeNovated):
                novated[receipt.venue_trade_id] += 1

    node = network.testnet.nodes[network.nodes[name].index]
    try:
        with Store(node.home / "node.sqlite", network.testnet.network) as store:
            replayed = replay(network.genesis, state_salt(network_seed(node)), store.blocks(), count)
    except CrossclearError as fault:
        verdict.broken.append(f"replay of {name}: {fault}")
        return
    _offences(verdict, network, last[-1])
    verdict.replayed_root = replayed.state_root.hex()
    verdict.novated = len(novated)
    twice = [number for number, times in novated.items() if times > 1]
    if twice:
        verdict.broken.append(f"trades that took effect twice: {twice[:5]}")
    if replayed.height != verdict.heights:
        verdict.broken.append(f"replay ended at height {replayed.height} of {verdict.heights}")


def _offences(verdict: Verdict, network: TestNetwork, state: State) -> None:
    """Nothing may ever be proven of an honest validator, however often it was killed."""
    name_of = {"0x" + key.hex(): name for name, key in network.keys.items()}
    for each in validators_of(state).offences:
        name = name_of[each.envelope_key]
        verdict.offences.setdefault(name, {})[each.kind] = each.count
        if name not in network.manifest.liars:
            verdict.broken.append(f"{each.kind} proven of {name}, which is honest")


def write_verdict(verdict: Verdict, folder: Path) -> Path:
    path = folder / "verdict.json"
    path.write_bytes(msgspec.json.format(msgspec.json.encode(verdict), indent=2) + b"\n")
    return path


def as_text(verdict: Verdict) -> str:
    lines = [
        f"{verdict.name}: {'good' if verdict.ok else 'BROKEN'}, {verdict.validators} validators, {verdict.ground}",
        f"  {verdict.heights} heights, {verdict.heights_per_second} a second;"
        f" between heights p50 {verdict.height_ms_p50} ms, p99 {verdict.height_ms_p99} ms",
        f"  {verdict.accepted} trades accepted, {verdict.in_blocks} in blocks, {verdict.novated} took effect;"
        f" {verdict.unanswered} unanswered;"
        f" to durable p50 {verdict.trade_ms_p50} ms, p99 {verdict.trade_ms_p99} ms",
    ]
    if verdict.offences:
        lines.append(f"  proven: {verdict.offences}")
    lines += [
        f"  {each.event}: {each.heights} heights in {each.seconds} s, longest {each.longest_height_ms} ms,"
        f" {each.behind} behind, level after {each.recovery_seconds} s"
        f" ({each.recovery_cpu_seconds} s CPU)"
        for each in verdict.events
    ]
    return "\n".join([*lines, *(f"  BROKEN: {each}" for each in verdict.broken)])
