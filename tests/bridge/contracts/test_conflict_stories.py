"""Random stories of conflicts: whatever certified headers a vault was shown, there is a way out in small steps."""

from random import Random

import pytest

from bridge.contracts.cold_quorum import BranchChoice
from bridge.contracts.conflicts import choose_branch_call, extended_history, freeze_call, show_base_call
from clearing.base.hashing import sha256
from clearing.base.header import Header
from tests.kit.bridge.vault_chain import FOUR, UNIT, Refused, VaultChain, make_header

pytestmark = pytest.mark.chain
ZERO = bytes(32)
HIGHEST = 2**40 - 1
LATER_MAX = 1
"""Hashes that fit a transaction here, in place of some ten thousand."""


class Story:
    """A vault, and what it should know of its checkpoints."""

    def __init__(self, vault: VaultChain, seed: int) -> None:
        self.vault, self.random = vault, Random(seed)
        self.accepted: list[Header] = []
        """As the vault's history has them."""
        self.rest = 0
        """So many of them were not shown to lie at the conflict or above."""
        self.at = 0
        self.made: list[Header] = []
        """The two of the conflict."""
        self.numbered = 0

    def header(self, height: int) -> Header:
        self.numbered += 1
        mark = sha256(b"%d" % self.numbered)
        time_ms = self.vault.now() * 1000
        return make_header(FOUR, height, payload_root=mark, exit_root=mark, time_ms=time_ms)

    def history(self, count: int) -> bytes:
        found = ZERO
        for header in self.accepted[:count]:
            found = extended_history(found, header.hash)
        return found

    @property
    def base(self) -> int:
        """How many checkpoints are below the conflict."""
        return sum(header.height < self.at for header in self.accepted)

    @property
    def is_known(self) -> bool:
        return bool(self.vault.view("conflict")[4])

    def checkpoints(self) -> None:
        for _ in range(self.random.randrange(4)):
            newest = self.accepted[-1].height if self.accepted else 0
            lie = self.random.random() < 0.1
            height = HIGHEST - self.random.randrange(2) if lie else newest + self.random.randint(2, 4)
            if newest < height <= HIGHEST:
                header = self.header(height)
                try:
                    self.vault.certified(header)
                except Refused as refused:  # what follows a choice has to name it
                    assert refused.name == "HeaderRejected"
                    continue
                self.accepted.append(header)

    def guard(self) -> None:
        try:
            self.vault.guard()
        except Refused as refused:
            assert refused.name in {"PausedAlready", "PauseTooSoon"}

    def freeze(self, below: int) -> bool:
        """Whether two headers of a random height below this stop it."""
        height = self.random.randrange(max(1, below))
        pair = [self.header(height), self.header(height)]
        try:
            self.vault.call(freeze_call(*((header, FOUR.certify(header, (0, 1, 2))) for header in pair)))
        except Refused as refused:
            assert refused.name in {"HeaderRejected", "IsFrozen"}
            return False
        self.rest = self.rest if self.at else len(self.accepted)
        self.at, self.made = height, pair
        return True

    def show(self) -> None:
        """A part of the history, as long as fits."""
        first = max(self.base, self.rest - 1 - LATER_MAX)
        if self.base == self.rest:
            below = self.accepted[self.base - 1] if self.base else None
            self.vault.call(show_base_call(below, None, self.history(max(0, self.base - 1))))
            return
        later = [header.hash for header in self.accepted[first + 1 : self.rest]]
        self.vault.call(show_base_call(None, self.accepted[first], self.history(first), later))
        self.rest = first

    def show_too_much(self) -> None:
        """What would leave out the base is refused."""
        if self.base and not self.is_known:
            at = self.random.randrange(self.base)
            later = [header.hash for header in self.accepted[at + 1 : self.rest]]
            with pytest.raises(Refused) as caught:
                self.vault.call(show_base_call(None, self.accepted[at], self.history(at), later))
            assert caught.value.name == "NoConflict"

    def settle(self) -> None:
        """The way out: the base is shown, and the cold quorum chooses."""
        for _ in range(len(self.accepted) + 2):
            if not self.is_known:
                self.show()
        count = self.base
        left = self.accepted[count - 1].exit_root if count else ZERO
        assert tuple(self.vault.view("conflict")[4:]) == (True, self.history(count), left)
        chosen = self.random.choice(self.made)
        self.vault.call(choose_branch_call(chosen, self.vault.decided(BranchChoice(chosen.hash))))
        self.accepted = [*self.accepted[:count], chosen]
        self.at = 0
        assert self.vault.view("latest")[6] == self.history(count + 1)
        self.vault.deposit(UNIT)

    def brake(self) -> None:
        """The guardian can stop the vault again, as soon as after any pause."""
        ended = self.vault.view("pausedUntil")
        self.vault.at(max(ended + self.vault.terms.pause_s, self.vault.now() + 1))
        self.vault.guard()


@pytest.mark.parametrize("seed", range(6))
def test_every_conflict_has_a_way_out_in_small_steps(vault: VaultChain, seed: int) -> None:
    story = Story(vault, seed)
    for _ in range(3):
        story.checkpoints()
        if story.random.random() < 0.4:
            story.guard()
        newest = story.accepted[-1].height if story.accepted else 0
        if not story.freeze(min(newest + 3, 2**40)):
            continue
        for _ in range(story.random.randrange(4)):
            story.random.choice([story.show_too_much, lambda: story.is_known or story.show(), lambda: lower(story)])()
        story.settle()
    if story.accepted:
        story.brake()


def lower(story: Story) -> None:
    """Another conflict, below the known one."""
    known = story.is_known and story.base
    if story.freeze(story.at):
        story.rest = known or story.rest
