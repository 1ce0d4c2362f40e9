"""Rotations of commitment seeds: owners that choose one, take it back, or ask for what they may not.

Rule: as agents: asks, never writes. The audit keeps, apart from the rules, what every owner chose last and whose it is:
a seed is in force exactly as long as the address that chose it owns the account. All chance is its own, so that a story
without it is the same.
"""

from random import Random

from clearing.schema.blocks.block import BlockResult
from clearing.schema.blocks.transaction import Transaction
from clearing.schema.receipts.accounts import SeedRotated
from clearing.schema.requests.accounts import SeedRotation
from clearing.state.state import State
from tests.kit.clearing.signer import secret
from tests.sim.clearing.exchange import Exchange
from tests.sim.violation import require

ASKED = 0.2
NOTHING = (bytes(32),) * 3


class SeedRotations:
    """Of a story; the same seed asks for the same."""

    def __init__(self, seed: int) -> None:
        self.chance = Random(seed * 43 + 9)
        self.asked: list[Transaction] = []
        """In the last block; some are sent again, as they were."""
        self.chosen: dict[int, tuple[bytes, ...]] = {}
        """By account: the sealed words."""
        self.owners: dict[int, bytes] = {}
        """By account, after the last block."""

    def requests(self, world: Exchange) -> list[Transaction]:
        """For any account, mostly signed by its owner."""
        chance = self.chance
        accounts = [each for own in world.owned.values() for each in own]
        again = [each for each in self.asked if chance.random() < 0.1]
        made = [self._asked(world, chance.choice(accounts)) for _ in range(3) if chance.random() < ASKED]
        self.asked = made
        return [*made, *again]

    def _asked(self, world: Exchange, account: int) -> Transaction:
        chance = self.chance
        words = tuple(chance.randbytes(32) for _ in range(3))
        kind = chance.random()
        if kind < 0.2:
            words = NOTHING
        elif kind < 0.3:
            words = (bytes(32), *words[1:])
        signer = world.money_key(account) if chance.random() < 0.9 else secret(chance.choice(sorted(world.owned)))
        return world.request(SeedRotation, account, *words, key=signer)

    def block(self, after: State, requests: list[Transaction], result: BlockResult) -> None:
        """After a block: what was accepted is in force, and nothing else."""
        rotated = set()
        for receipt in result.receipts:
            if isinstance(receipt, SeedRotated):
                request = requests[receipt.index]
                require(isinstance(request, SeedRotation), "a rotation that nobody asked for", receipt=receipt)
                words = (request.ephemeral, request.masked, request.mac)
                require(receipt.chosen is (words != NOTHING), "a rotation of another kind", receipt=receipt)
                rotated.add(receipt.account)
                self.chosen.pop(receipt.account, None)
                if receipt.chosen:
                    self.chosen[receipt.account] = words
        owners = {account: owner_of(after, account) for account, _ in after.accounts.ordered()}
        found = {
            account: (record.ephemeral, record.masked, record.mac) for account, record in after.sealed_seeds.ordered()
        }
        for account in list(self.chosen):
            moved = owners.get(account) != self.owners.get(account)
            # Where an account is rotated and goes to another owner in one block, either may have come first.
            if moved and (account not in rotated or account not in found):
                del self.chosen[account]
        self.owners = owners
        listed = {"found": sorted(found), "chosen": sorted(self.chosen)}
        require(found == self.chosen, "seeds in force that are not their owners' last", **listed)


def owner_of(after: State, account: int) -> bytes:
    """The address that owns an account: its own key's, or its member's."""
    record = after.accounts[account]
    return record.key if any(record.key) else after.members[record.member].trade_address
