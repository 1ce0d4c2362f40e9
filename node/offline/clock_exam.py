"""The validators' clocks, as the newest blocks of a home show them.

Rule: a precommit carries the time by its validator's clock, under its signature. Printed is how far each lies from
the median of its height, typically over the newest heights: a late vote is an exception, a wrong clock is not. A
validator whose votes are in none of them is left out.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median

from bridge.probe.findings import Examined, Finding, fault, ok, warning
from clearing.base.codec import decode
from clearing.base.errors import LocalFault
from clearing.schema.terms.genesis import network_id
from consensus.blocks.store import load_committed, load_set
from consensus.blocks.vote_extensions import CLOCK_AHEAD_MS_MAX
from consensus.messages import BLOCK_BYTES_MAX, SignedExtension
from node.config import NodeConfig
from node.genesis_file import read_genesis
from node.store.blocks import StoredBlocks
from node.store.store import Store

HEIGHTS = 20
OFF_MS_MAX = 1_000
"""Prices of a validator are dropped as stale, and its proposals wait, long before its votes are refused."""


@dataclass(frozen=True, slots=True)
class ClockReading:
    """How far a validator's clock lay from the median of one height, in milliseconds."""

    validator: bytes
    offset_ms: int


def read_clocks(store: Store) -> tuple[ClockReading, ...]:
    """Of the newest heights of a store. Raises LocalFault STORE_CORRUPT."""
    blocks, readings = StoredBlocks(store), list[ClockReading]()
    for height in range(max(1, store.height() - HEIGHTS + 1), store.height() + 1):
        committed, record = load_committed(blocks, height), store.block(height)
        validators = load_set(blocks, committed.block.header.validators_hash) if committed is not None else None
        if record is None or validators is None:
            continue
        said: tuple[SignedExtension, ...] = decode(record.extended_commit, tuple[SignedExtension, ...], BLOCK_BYTES_MAX)
        middle = int(median(each.extension.time_ms for each in said)) if said else 0
        readings += [
            ClockReading(validators.validators[each.validator].envelope_key, each.extension.time_ms - middle)
            for each in said
        ]
    return tuple(readings)


def examine_clocks(config: NodeConfig, own: str) -> Examined:
    """One finding a validator. `own`: the envelope key of this node in hex. The node may run."""
    path = config.path(config.node.genesis)
    if not path.exists() or not config.path("node.sqlite").exists():
        return Examined("clocks", (ok("clocks", "no block yet: nothing shows them"),))
    try:
        with Store(config.path("node.sqlite"), network_id(read_genesis(path))) as store:
            return judge_clocks(read_clocks(store), own)
    except LocalFault as error:
        return Examined("clocks", (fault("clocks", str(error), error.code.remedy),))


def judge_clocks(readings: Iterable[ClockReading], own: str) -> Examined:
    """Judge each validator by the median of its offsets."""
    by_validator: dict[bytes, list[int]] = {}
    for reading in readings:
        by_validator.setdefault(reading.validator, []).append(reading.offset_ms)
    findings = tuple(_judge(key.hex(), median(offsets), own) for key, offsets in sorted(by_validator.items()))
    return Examined("clocks", findings or (ok("clocks", "no block yet: nothing shows them"),))


def _judge(key: str, offset_ms: float, own: str) -> Finding:
    check = "this node" if key == own else key[:10]
    found = f"{offset_ms / 1000:+.3f} s from the median of the validators"
    if abs(offset_ms) <= OFF_MS_MAX:
        return ok(check, found)
    if key != own:
        return warning(check, found, "Tell its operator: its votes and prices may be dropped.")
    advice = f"Run a time service (chrony, systemd-timesyncd). Beyond {CLOCK_AHEAD_MS_MAX // 1000} s votes are missed."
    return fault(check, found, advice)
