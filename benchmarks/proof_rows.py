"""What each term of the risk model adds to a proof: rows, size, CPU to prove and to verify.

The same accounts in the same positions under one rulebook after another, each with one more term than the one before.
Run: python -m benchmarks.proof_rows [accounts]

CPU seconds count what runs and not what waits. A row of the statement is one scenario of one group, one line of a
charge, or one bound; rows cost the prover little, because it proves a random combination of them all.
"""

import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

# Several threads of linear algebra on busy cores cost fifty times what they gain; before anything imports numpy.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import msgspec

from benchmarks.figures import Figure, print_measured
from benchmarks.growth.accounts import epoch_of, head_of
from benchmarks.liquidation import filled_of, genesis_of
from benchmarks.margin import EVERY_NET_CHARGE, past_moves, wide_grid
from benchmarks.proof_scale import verifying_command
from clearing.schema.risk.charges import LotCharge
from clearing.schema.risk.parameters import JointCredit, RiskParameters, collapse
from clearing.schema.terms.genesis import CrisisParameters, Genesis
from proofs.algebra.srs import powers_g1
from proofs.epoch.prover import commit_epoch, prove_epoch
from proofs.statement.arithmetization import DOMAIN, layout_of
from tests.kit.clearing.genesis import BTC_PERP
from tests.kit.clearing.inside import with_tokens_inside

JOINT_SCENARIOS = 64
VERIFYING = ("crossclear verify, wall", "crossclear verify, CPU")


def _with_risk(genesis: Genesis, **changes: object) -> Genesis:
    return msgspec.structs.replace(genesis, risk=msgspec.structs.replace(genesis.risk, **changes))


def _joint(risk: RiskParameters) -> JointCredit:
    """Joint scenarios that run through the columns of the groups."""
    width = 1 + risk.width
    columns = [tuple((at + 5 * group) % width for group in range(len(risk.groups))) for at in range(JOINT_SCENARIOS)]
    return JointCredit(collapse(columns), tail=2)


def rulebooks(accounts: int) -> Iterator[tuple[str, Genesis]]:
    """By name, each with what the ones before have, the last without joint scenarios."""
    genesis = genesis_of(accounts, CrisisParameters())
    yield "scan of 16 scenarios", genesis
    genesis = _with_risk(genesis, scenarios=wide_grid())
    yield "64 scenarios", genesis
    genesis = with_tokens_inside(genesis, 0)
    yield "tokens inside the scenarios", genesis
    genesis = _with_risk(genesis, charges=(LotCharge(BTC_PERP, 5_000, 1_000, 50_000, 10_000, 20_000),))
    yield "charges on lots", genesis
    groups = (msgspec.structs.replace(group, charges=EVERY_NET_CHARGE) for group in genesis.risk.groups)
    genesis = _with_risk(genesis, groups=tuple(groups))
    yield "charges on net amounts", genesis
    yield f"credit by {JOINT_SCENARIOS} joint scenarios", _with_risk(genesis, joint=_joint(genesis.risk))
    past = past_moves(len(genesis.risk.groups))
    yield f"{len(past.scenarios)} moves of history in place of joint scenarios", _with_risk(genesis, history=past)


def proven(name: str, genesis: Genesis, accounts: int) -> Iterator[Figure]:
    """One rulebook: what its package states and costs."""
    shot, seeds = epoch_of(filled_of(genesis, accounts))
    head = head_of(shot, commit_epoch(shot, seeds, DOMAIN))
    began = time.process_time()
    data = prove_epoch(shot, seeds, *head, domain=DOMAIN)
    spent = time.process_time() - began
    count = len(shot.accounts)
    yield Figure(f"{name}: slots", len(shot.statement.slots), "")
    yield Figure(f"{name}: rows", len(shot.statement.rows), "")
    yield Figure(f"{name}: columns of digits", layout_of(shot.statement).columns, "")
    yield Figure(f"{name}: package", len(data) / 1e3, "kB")
    yield Figure(f"{name}: prove, CPU an account", 1000 * spent / count, "ms")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "epoch.ccp"
        file.write_bytes(data)
        yield from (each for each in verifying_command(name, str(file), 3) if each.name.endswith(VERIFYING))


def figures(*, quick: bool = False) -> list[Figure]:
    """See `benchmarks.__main__`."""
    return measured(10 if quick else 200)


def measured(accounts: int) -> list[Figure]:
    """All rulebooks over so many accounts."""
    powers_g1()
    return [figure for name, genesis in rulebooks(accounts) for figure in proven(name, genesis, accounts)]


if __name__ == "__main__":
    print_measured(measured, 200)
