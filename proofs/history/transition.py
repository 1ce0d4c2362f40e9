"""The transition between epochs: claims on a token change by certified flows alone, and no account leaves and returns.

Rule: for two packages that are proven, with Δ for later minus earlier,

    Δclaims = Δcounted - Δgiven_out - Δstrays - Δdust

holds exactly, because each package's reserves hold. Who under-reports claims has to call them something else, so each
other term is bound by what the ledger can do (`proofs/notes/transition.md`):

- counted deposits and dust never become less;
- strays grow by no more than what was counted since, and what was unpaid before and came back;
- dust is below a clearing unit for each deposit and each withdrawal that came back; where the unit is the same, it
  grows by no more than what was counted since, and what was stray or unpaid before;
- with a trusted genesis, claims fall by no more than its withdrawal limits let out between two epochs;
- a token with flows stays listed, and the number of a closed account is never used again.

Within these limits, what is called a withdrawal and is not paid yet remains the quorum's word: `movements` show it.
"""

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from clearing.schema.terms.withdrawals import DELAYED_WITHDRAWALS_MAX
from proofs.errors import ProofCode
from proofs.history.ordering import Entry, Finding
from proofs.history.token_flows import Place, TokenFlow


@dataclass(frozen=True)
class Movement:
    """How the claims on one token moved from one package to the next, in base units.

    claims_after - claims_before = deposits - withdrawals - strays - dust.
    """

    from_epoch: int
    to_epoch: int
    place: Place
    claims_before: int
    claims_after: int
    deposits: int
    """Counted in between."""
    withdrawals: int
    """Released in between, less what came back unpaid: negative where more came back."""
    strays: int
    """More deposits that nobody was credited with; negative where they were credited or refunded."""
    dust: int

    @property
    def returned(self) -> int:
        """At least so much of withdrawals came back unpaid: it was not among the claims before."""
        return max(-self.withdrawals, 0)


def in_epochs(entries: Sequence[Entry]) -> list[Entry]:
    """One entry of each epoch, ascending by the height of the snapshot."""
    first: dict[int, Entry] = {}
    for entry in sorted(entries, key=lambda entry: entry.snapshot_height):
        first.setdefault(entry.epoch, entry)
    return list(first.values())


def movements(entries: Sequence[Entry]) -> Iterator[Movement]:
    """The movement of every token between each package and the next one that has the token."""
    latest: dict[Place, tuple[Entry, TokenFlow]] = {}
    for entry in entries:
        for after in entry.flows:
            if after.place in latest:
                earlier, before = latest[after.place]
                yield _movement(earlier.epoch, entry.epoch, before, after)
            latest[after.place] = entry, after


def _movement(from_epoch: int, to_epoch: int, before: TokenFlow, after: TokenFlow) -> Movement:
    return Movement(
        from_epoch=from_epoch,
        to_epoch=to_epoch,
        place=after.place,
        claims_before=before.claims,
        claims_after=after.claims,
        deposits=after.counted - before.counted,
        withdrawals=after.given_out - before.given_out,
        strays=after.strays - before.strays,
        dust=after.dust - before.dust,
    )


def unexplained(entries: Sequence[Entry]) -> Iterator[Finding]:
    """Movements of claims that no certified flow explains, and tokens that were left out, in order."""
    latest: dict[Place, tuple[Entry, TokenFlow]] = {}
    absent: set[Place] = set()
    for entry in entries:
        left_out = latest.keys() - {flow.place for flow in entry.flows}
        for place in sorted(left_out - absent):
            earlier, before = latest[place]
            if before.counted or before.given_out:
                yield Finding(ProofCode.TOKEN_LEFT_OUT, (earlier.name, entry.name), f"{name_of(place)}: no term")
        absent = left_out
        for after in entry.flows:
            bound = dust_bound(entry, after)
            if after.dust > bound:
                detail = f"{name_of(after.place)}: dust of {after.dust}, above {bound}"
                yield Finding(ProofCode.CLAIMS_UNEXPLAINED, (entry.name,), detail)
            if after.place in latest:
                earlier, before = latest[after.place]
                for why in reasons(before, after):
                    detail = f"{name_of(after.place)} from epoch {earlier.epoch} to {entry.epoch}: {why}"
                    yield Finding(ProofCode.CLAIMS_UNEXPLAINED, (earlier.name, entry.name), detail)
                yield from _above_limits(earlier, entry, before, after)
            latest[after.place] = entry, after


def reasons(before: TokenFlow, after: TokenFlow) -> Iterator[str]:
    """What the ledger cannot have done between these."""
    moved = _movement(0, 0, before, after)
    if moved.deposits < 0:
        yield f"{-moved.deposits} of counted deposits are no longer counted"
    if moved.dust < 0:
        yield f"{-moved.dust} of dust are claims again"
    most = max(moved.deposits, 0) + before.strays + before.unpaid
    if before.unit == after.unit and moved.dust > most:
        yield f"{moved.dust} more of dust, of at most {most} that was counted, a stray or unpaid"
    if moved.strays > max(moved.deposits, 0) + before.unpaid:
        yield f"{moved.strays} more of strays, but {moved.deposits} counted and {before.unpaid} unpaid before"


def _above_limits(earlier: Entry, later: Entry, before: TokenFlow, after: TokenFlow) -> Iterator[Finding]:
    """Whether claims fell by more than limits let out. Only between neighbouring epochs under the same limits: of
    longer times nobody knows which limits were in force in between."""
    limits, fell = later.outflow, before.claims - after.claims - max(after.dust - before.dust, 0)
    if limits is None or limits != earlier.outflow or later.epoch != earlier.epoch + 1:
        return
    most = limits.largest(after.place, earlier.snapshot_height, later.snapshot_height)
    if most is not None and fell > most:
        which = f"{name_of(after.place)} from epoch {earlier.epoch} to {later.epoch}"
        detail = f"{which}: claims are {fell} less, and limits let out {most}"
        yield Finding(ProofCode.ABOVE_LIMITS, (earlier.name, later.name), detail)


def dust_bound(entry: Entry, flow: TokenFlow) -> int:
    """The dust that there can be at most: less than a clearing unit of each deposit that its vault counted, of each
    withdrawal that came back after its token's units became coarser, released or delayed, and of that change."""
    deposits = sum(nonce for chain_id, vault, nonce in entry.cursors if (chain_id, vault) == flow.place[:2])
    return (flow.unit - 1) * (deposits + entry.withdrawals + DELAYED_WITHDRAWALS_MAX + 1)


def reappeared(entries: Sequence[Entry]) -> Iterator[Finding]:
    """Accounts that a package does not list between two that do: their numbers are never used again."""
    gone: dict[int, Entry] = {}
    """By account, the first package that no longer had it."""
    before: Entry | None = None
    listed: set[int] = set()
    for entry in entries:
        now = set(array("Q", entry.accounts)) if before is None or entry.accounts != before.accounts else listed
        for account in sorted(now - listed):
            if account in gone:
                files = (gone.pop(account).name, entry.name)
                yield Finding(ProofCode.ACCOUNT_RETURNED, files, f"account {account}, which the first does not list")
        gone |= dict.fromkeys(listed - now, entry)
        before, listed = entry, now


def name_of(place: Place) -> str:
    """A token in words."""
    chain_id, vault, token = place
    return f"token {token.hex()} of vault {vault.hex()} on chain {chain_id}"
