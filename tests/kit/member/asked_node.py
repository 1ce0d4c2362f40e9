"""A node that members ask from the command line: it shows a world's state, and decides a block of what it is handed."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from clearing.base import bls
from clearing.base.errors import Rejected
from clearing.genesis.json import genesis_to_json
from clearing.schema.blocks.receipt import Refused
from clearing.schema.terms.genesis import Genesis
from member.api.chain import ValidatorsView
from member.api.governance import GovernanceView
from member.api.submit import SubmitResult, SubmitResults
from member.keys.key_folder import KIND_OF, KeyKind, Purpose, new_password, write_key
from member.keys.keystore import Strength
from node.api.calls import problem_of
from node.api.chain import validators_of
from node.api.governance import governance_of
from tests.kit.clearing.signer import envelope_secret, evm_secret_of, secret
from tests.kit.clearing.world import World, of_kind

HASH = "0x" + "00" * 32


class AskedNode:
    def __init__(self, world: World, judge: Callable[[Any], object]) -> None:
        """`judge` says `Rejected` of a request that the node's pool would not take."""
        self.world, self.judge = world, judge
        self.lie: Callable[[GovernanceView], GovernanceView] = lambda view: view

    async def governance(self) -> GovernanceView:
        return self.lie(governance_of(self.world.state))

    async def terms(self) -> Genesis:
        return self.world.state.terms.genesis

    async def validators(self) -> ValidatorsView:
        return validators_of(self.world.state)

    async def submit(self, transactions: Sequence[Any]) -> SubmitResults:
        judgement = self.judge(transactions[0])
        if isinstance(judgement, Rejected):
            return SubmitResults(results=(SubmitResult(hash=HASH, status="refused", problem=problem_of(judgement)),))
        refused = of_kind(self.world.block(*transactions), Refused)
        assert not refused, refused
        return SubmitResults(results=(SubmitResult(hash=HASH, status="accepted"),))


def make_home(folder: Path, world: World, name: int) -> Path:
    """A home with the keys of a validator of this world, and the house's trade key."""
    home = folder / f"home{name}"
    home.mkdir(mode=0o700)
    password = new_password(home)
    voting = bls.secret_from_seed(bytes([name]) * 32).to_bytes(32, "big")
    own = {Purpose.ENVELOPE: envelope_secret(name), Purpose.VALIDATOR: voting, Purpose.CHECKPOINT: evm_secret_of(name)}
    for purpose, value in own.items():
        write_key(home, purpose.value, KIND_OF[purpose], value, password, Strength.DEVNET)
    write_key(home, "trade", KeyKind.SECP256K1, secret(0), password, Strength.DEVNET)
    (home / "genesis.json").write_bytes(genesis_to_json(world.genesis))
    return home
