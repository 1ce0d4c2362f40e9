"""The order of certified packages: one history, without gaps, forwards, each validator set named by the one before.

Rule: entries come ordered by the height of their headers. All but `link` judge headers whose certificates hold under
sets that lead from a trusted one, so a contradiction is a quorum against itself. It must not know proofs.
"""

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from clearing.base.certificate import signer_indices
from clearing.base.errors import CodeBook
from clearing.margin.statement.snapshot import RiskStatement
from proofs.epoch.package import EpochPackage
from proofs.errors import ProofCode
from proofs.history.token_flows import OutflowLimits, TokenFlow, flows_of

Chain = tuple[int, int, bytes]
"""(chain id, block number, block hash) of a custody snapshot."""


@dataclass(frozen=True)
class Finding:
    """A defect of a history."""

    code: CodeBook
    files: tuple[str, ...]
    detail: str


@dataclass(frozen=True)
class Entry:
    """What is kept of a package whose certificate holds."""

    index: int
    """Place among all files."""
    name: str
    height: int
    """Of the header."""
    hash: bytes
    time_ms: int
    signers: bytes
    validators_hash: bytes
    next_validators_hash: bytes
    root: bytes
    """The commitments root that the header carries, of the snapshot at `snapshot_height`."""
    snapshot_height: int
    withdrawals: int
    cursors: tuple[tuple[int, bytes, int], ...]
    """(chain id, vault, nonce)."""
    stated: bool
    """Whether the header carries the package's statement: what follows counts only then."""
    proven: bool
    epoch: int
    chains: tuple[Chain, ...]
    counters: tuple[tuple[str, int], ...] = ()
    """(name, value) of every vault counter, and of the block that it is of: they only grow."""
    flows: tuple[TokenFlow, ...] = ()
    accounts: bytes = b""
    """The numbers of the accounts that have commitments, eight bytes each (`packed`)."""
    outflow: OutflowLimits | None = None
    """Of the trusted genesis at the snapshot; None where none is trusted."""


def entry_of(index: int, name: str, package: EpochPackage, *, stated: bool, proven: bool) -> Entry:
    """The summary of a package."""
    header, statement = package.header, package.statement
    return Entry(
        index=index,
        name=name,
        height=header.height,
        hash=header.hash,
        time_ms=header.time_ms,
        signers=package.certificate.signers,
        validators_hash=header.validators_hash,
        next_validators_hash=header.next_validators_hash,
        root=header.commitments_root,
        snapshot_height=header.commitments_height,
        withdrawals=header.withdrawals_count,
        cursors=tuple(
            (deposit_cursor.chain_id, deposit_cursor.vault, deposit_cursor.nonce)
            for deposit_cursor in header.deposit_cursors
        ),
        stated=stated,
        proven=proven,
        epoch=statement.epoch if stated else 0,
        chains=tuple(sorted({(t.chain_id, t.block_number, t.block_hash) for t in statement.custody})) if stated else (),
        counters=tuple(_counters(statement)) if stated else (),
        flows=tuple(flows_of(statement)) if stated else (),
        accounts=packed([account for account, _ in package.commitments]) if stated else b"",
    )


def packed(accounts: Sequence[int]) -> bytes:
    """Account numbers as bytes, eight each: a summary of a package must be small."""
    return array("Q", accounts).tobytes()


def _counters(statement: RiskStatement) -> Iterator[tuple[str, int]]:
    for term in statement.custody:
        place = f"chain {term.chain_id}, vault {term.vault.hex()}, token {term.token.hex()}"
        # Each token's own: a vault that was robbed is full again in an older block, perhaps with the same counters.
        yield f"custody block on {place}", term.block_number
        yield f"deposited on {place}", int.from_bytes(term.deposited, "big")
        yield f"withdrawn on {place}", int.from_bytes(term.withdrawn, "big")


def equivocations(entries: Sequence[Entry]) -> Iterator[Finding]:
    """Two certified headers of one height; two roots of one snapshot height; two snapshots of one epoch."""
    of_height: dict[int, Entry] = {}
    of_snapshot: dict[int, Entry] = {}
    of_epoch: dict[int, Entry] = {}
    for entry in entries:
        first = of_height.setdefault(entry.height, entry)
        if first.hash != entry.hash:
            yield _equivocation(first, entry, f"two headers of height {entry.height}")
        first = of_snapshot.setdefault(entry.snapshot_height, entry)
        if first.root != entry.root:
            yield _equivocation(
                first, entry, f"two commitments roots of the snapshot at height {entry.snapshot_height}"
            )
        if entry.stated:
            first = of_epoch.setdefault(entry.epoch, entry)
            if first.root != entry.root:
                yield _equivocation(first, entry, f"two snapshots of epoch {entry.epoch}")


def link(entries: Sequence[Entry], trusted: bytes | None, *, adopt: bool) -> tuple[list[Entry], list[Finding]]:
    """The entries whose sets lead from the trusted one (or the first entry's) on, and a finding for each other one.

    A set is linked when the linked header before names it as next. Anybody can make up a set and sign with it, so
    an unlinked set's signatures contradict nothing. With `adopt`, a set at a later height is followed nevertheless:
    it may have changed twice since.
    """
    linked: list[Entry] = []
    findings: list[Finding] = []
    for entry in entries:
        last = linked[-1] if linked else None
        if last is None:
            expected = entry.validators_hash if trusted is None else trusted
        else:
            expected = last.next_validators_hash if entry.height > last.height else last.validators_hash
        if entry.validators_hash != expected:
            findings.append(_not_linked(last, entry, expected))
            if not adopt or (last is not None and last.height == entry.height):
                continue
        linked.append(entry)
    return linked, findings


def backwards(entries: Sequence[Entry]) -> Iterator[Finding]:
    """Counters that decreased at a later height, though they only grow."""
    for before, after in pairwise(entries):
        if before.height == after.height:
            continue
        for what, earlier, later in _growing(before, after):
            if later < earlier:
                yield _backwards(what, earlier, later, before, after)
        if after.time_ms == before.time_ms:
            detail = f"the clock stands still between heights {before.height} and {after.height}"
            yield Finding(ProofCode.HISTORY_BACKWARDS, (before.name, after.name), detail)
    # A package that leaves out a chain or vault must not reset what earlier packages stated of it.
    latest: dict[str, tuple[int, Entry]] = {}
    for after in entries:
        for what, later in _stated_growing(after):
            earlier, before = latest.get(what, (later, after))
            # Two books of one epoch are an equivocation.
            if later < earlier and before.height != after.height and before.epoch != after.epoch:
                yield _backwards(what, earlier, later, before, after)
            latest[what] = later, after


def _backwards(what: str, earlier: int, later: int, before: Entry, after: Entry) -> Finding:
    detail = f"{what} goes from {earlier} at height {before.height} to {later} at height {after.height}"
    return Finding(ProofCode.HISTORY_BACKWARDS, (before.name, after.name), detail)


def _growing(before: Entry, after: Entry) -> Iterator[tuple[str, int, int]]:
    yield "time_ms", before.time_ms, after.time_ms
    yield "snapshot height", before.snapshot_height, after.snapshot_height
    yield "withdrawals", before.withdrawals, after.withdrawals
    later: dict[tuple[int, bytes], int] = {}
    for chain, vault, nonce in after.cursors:
        # The least of a vault that is named twice, or the larger one would hide a fall.
        later[chain, vault] = min(nonce, later.get((chain, vault), nonce))
    for chain, vault, nonce in before.cursors:
        yield f"deposit cursor of chain {chain}, vault {vault.hex()}", nonce, later.get((chain, vault), -1)


def _stated_growing(entry: Entry) -> Iterator[tuple[str, int]]:
    if entry.stated:
        yield "epoch", entry.epoch
        yield from {f"custody block of chain {chain}": number for chain, number, _ in entry.chains}.items()
        yield from entry.counters


def chain_conflicts(entries: Sequence[Entry]) -> Iterator[Finding]:
    """One block of one chain with two hashes: a final block that changed, or that never was."""
    seen: dict[tuple[int, int], tuple[bytes, str]] = {}
    for entry in entries:
        for chain, number, block_hash in entry.chains:
            first, name = seen.setdefault((chain, number), (block_hash, entry.name))
            if first != block_hash:
                detail = f"block {number} of chain {chain} is {first.hex()} and {block_hash.hex()}"
                yield Finding(ProofCode.CHAIN_CONFLICT, (name, entry.name), detail)


def gaps(entries: Sequence[Entry]) -> Iterator[Finding]:
    """Epochs without a good package between two that have one."""
    by_epoch = {entry.epoch: entry.name for entry in entries}
    for before, after in pairwise(sorted(by_epoch)):
        if after > before + 1:
            missing = f"epoch {before + 1}" if after == before + 2 else f"epochs {before + 1} to {after - 1}"
            yield Finding(ProofCode.EPOCH_MISSING, (by_epoch[before], by_epoch[after]), f"{missing}: no good package")


def _equivocation(first: Entry, second: Entry, what: str) -> Finding:
    both = sorted(set(signer_indices(first.signers)) & set(signer_indices(second.signers)))
    same_set = first.validators_hash == second.validators_hash
    signed = f"; validators {', '.join(map(str, both))} signed both" if both and same_set else ""
    return Finding(ProofCode.EQUIVOCATION, (first.name, second.name), what + signed)


def _not_linked(last: Entry | None, entry: Entry, expected: bytes) -> Finding:
    label = f"validator set {entry.validators_hash.hex()[:16]}… of height {entry.height}"
    if last is None:
        return Finding(ProofCode.SET_NOT_LINKED, (entry.name,), f"{label} is not the trusted one")
    detail = f"{label} is not the one that follows height {last.height}, {expected.hex()[:16]}…"
    return Finding(ProofCode.SET_NOT_LINKED, (last.name, entry.name), detail)
