"""How long an amendment takes to judge, to try out on every account, and in the block in which it takes effect.

Among ten thousand accounts in positions, for three amendments: of a fee, of a risk group's range, of a new instrument.
The goal is a block in less than a second on one core. Run: python -m benchmarks.governance [accounts]
"""

import time
from collections.abc import Callable

import msgspec

from benchmarks.figures import Figure, of_times, print_measured
from benchmarks.liquidation import filled
from clearing.apply_block import apply_block
from clearing.base.errors import Bug
from clearing.genesis.paths import change_at
from clearing.governance.dry_run import amendment_impact
from clearing.governance.effects import validate_terms
from clearing.governance.votes import voting_set
from clearing.schema.blocks.block import BlockInput
from clearing.schema.receipts.governance import AmendmentEnacted
from clearing.schema.records.governance import GovernanceCounters, ProposalRecord, ProposalStage, VoteRecord
from clearing.schema.requests.governance import HOUSE_PROPOSER, TermsAmendment
from clearing.schema.terms.genesis import CrisisParameters
from clearing.schema.terms.governance import GovernanceTerms
from clearing.state.state import State

GOVERNED = GovernanceTerms(vote_ms=600_000, timelock_ms=2_000, timelock_floor_ms=1_000)
FAR_MS = 2**62


def due(state: State, amendment: TermsAmendment) -> State:
    """A fork in which everybody agreed on it, and its timelock is over."""
    fork = state.fork()
    fork.governance_counters.put(0, GovernanceCounters(1))
    proposal_record = ProposalRecord(
        1, bytes(32), HOUSE_PROPOSER, amendment, "", 1, FAR_MS, FAR_MS, ProposalStage.AGREED, 1
    )
    fork.proposals.put(bytes(32), proposal_record)
    for each in voting_set(fork).validators:
        fork.votes.put((1, each.envelope_key), VoteRecord(approve=True, revision=1))
    return fork


def timed(what: Callable[[], object], rounds: int) -> list[float]:
    """CPU seconds of each round."""
    took = []
    for _ in range(rounds):
        started = time.process_time()
        what()
        took.append(time.process_time() - started)
    return took


def applied(state: State, block: BlockInput) -> None:
    """Raises Bug when the amendment did not take effect, for then nothing was measured."""
    _, result = apply_block(state, block)
    if not any(isinstance(each, AmendmentEnacted) for each in result.receipts):
        raise Bug("no amendment took effect")


def figures(*, quick: bool = False) -> list[Figure]:
    """See `benchmarks.__main__`."""
    return measured(1_000 if quick else 10_000, 2 if quick else 5)


def measured(accounts: int, rounds: int = 5) -> list[Figure]:
    """Judged, tried out, in force; for each of three amendments."""
    world = filled(accounts, CrisisParameters(governance=GOVERNED))
    state, genesis = world.state, world.state.terms.genesis
    new = msgspec.structs.replace(genesis.instruments[0], id=9, name="NEW")
    places: dict[str, tuple[str, object]] = {
        "fee": ("market.trade_fee_ppm", 5),
        "range": ("risk.groups.1.range_ppm", 210_000),
        "listing": ("instruments.9", new),
    }
    found = []
    for name, place in places.items():
        amendment = TermsAmendment((change_at(genesis, *place),))
        agreed, block = due(state, amendment), world.make_block()
        found.append(of_times(f"{name}: judged", timed(lambda a=amendment: validate_terms(state, a), rounds)))
        found.append(
            of_times(
                f"{name}: tried out on {accounts:,} accounts",
                timed(lambda a=amendment: amendment_impact(state, a), rounds),
            )
        )
        in_effect = timed(lambda s=agreed, b=block: applied(s, b), rounds)
        found.append(of_times(f"{name}: block in which it takes effect", in_effect, goal="< 1000"))
    return found


if __name__ == "__main__":
    print_measured(measured, 10_000)
