"""The escape of a story's vault: silence, records shown in parts and again, claims in any order, and what must hold.

Rule: with an honest ledger each owner ends with what it paid in, or with its part where the token shrank. Where
accounts paid each other after the snapshot only sums are known, because the vault cannot know whose money moved.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from web3 import Web3

from bridge.contracts.escape import (
    ExitPayment,
    ExitPlace,
    PastDeposit,
    claim_exit_call,
    refund_deposit_call,
    walk_deposits_call,
)
from clearing.schema.records.exits import ExitTree, position_of
from tests.kit.bridge.exits import Exits
from tests.kit.bridge.vault_chain import Refused
from tests.sim.escape.ledger import Claim
from tests.sim.escape.place import DEPOSIT_REFUNDED, EXIT_PAID
from tests.sim.violation import Violation, require

if TYPE_CHECKING:
    from tests.sim.escape.story import Story

REFUSED_BY_TOKEN = ("NotInTheMood",)
Pay = Callable[[], int]


class Escaping:
    """The escape of a story's vault."""

    def __init__(self, story: Story) -> None:
        self.story, self.place = story, story.place
        self.draw, self.vault = story.draw, story.vault
        self.exits = Exits(story.vault)
        self.exits.tree = ExitTree(0, 0, (), ())
        self.claims: tuple[Claim, ...] = ()
        self.hidden: set[int] = set()

    # Silence and return

    def return_of_the_network(self) -> None:
        """A first escape that a newer header ends."""
        self._fall_silent()
        self.exits.wait(self.draw.randrange(1, self.exits.quarter() - 2_000))
        self.story.some(4, self.story.dying())
        self.story.checkpoint()
        require(self.vault.view("escapeFrom") == 0, "a newer header did not end the escape")
        self.story.some(12, self.story.living())

    def begin(self) -> None:
        """Silence, what is certified late, and the wait until only the exit tree counts."""
        early = self.vault.now()
        self._fall_silent()
        if self.story.chance(0.5):
            self.story.some(6, self.story.dying())
            self.story.checkpoint(early)
            require(self.vault.view("escapeFrom") != 0, "an older header ended the escape")
        self.story.some(2, [self.story.pay])
        self.exits.wait(self.exits.quarter() + 5)
        known = self.story.known
        if known is not None:
            self.exits.tree, self.claims = known.tree, known.claims
        if "hiding" in self.story.variant:
            self.hidden = {at for at in range(len(self.claims)) if self.story.chance(0.2)}

    def _fall_silent(self) -> None:
        self.exits.wait(2 * self.exits.quarter() + 5)
        self.exits.trigger()
        self.story.say("trigger")

    # Settlement

    def settle(self) -> None:
        """Everything is shown, in any order and in parts, some of it again."""
        steps: list[Callable[[], object]] = [self._opening(token) for token in self.place.tokens]
        steps += [self._show_payments, self._walk]
        self.draw.shuffle(steps)
        for step in [*steps, self._show_payments]:
            step()
        if self.story.chance(0.5):
            for at, claim in enumerate(self.claims):
                if claim.released is not None and claim.released.is_paid and at not in self.hidden:
                    self._claim(at)
        self.exits.begin_payments()

    def _opening(self, token: bytes) -> Callable[[], object]:
        totals = self.exits.tree.totals
        if not totals:
            return lambda: self.exits.open_without_a_tree(token)
        return lambda: self.exits.open(position_of(totals, (*self.story.ledger.place, token)), token)

    def _show_payments(self) -> None:
        self.exits.show_payments(*range(len(self.story.ledger.released) // 40 + 1))

    def _walk(self) -> None:
        deposits, newest = self.story.ledger.deposits, len(self.story.ledger.deposits)
        while newest:
            first = self.draw.randrange(newest)
            part = [PastDeposit(each.token, each.account, each.amount, each.sender) for each in deposits[first:newest]]
            self.place.send(walk_deposits_call(deposits[first - 1].hash_after if first else bytes(32), part), b"")
            newest = first

    # Payment

    def pay(self) -> None:
        """All claims, and for most stories again in another order from the same state."""
        story, had, ends = self.story, self.story.got.copy(), list[Counter[tuple[bytes, int]]]()
        if "losses" in story.variant:
            for token in self.place.tokens:
                if self.vault.balance(token) and story.chance(0.6):
                    self.place.take_from_vault(token, self.draw.randrange(self.vault.balance(token)))
                    story.say("lost", token, self.vault.balance(token))
        story.set_mood()
        for _ in range(2 if "losses" in story.variant or story.chance(0.3) else 1):
            with self.place.put_back():
                story.got = had.copy()
                self._claim_in_any_order()
                self._check()
            ends.append(story.got)
        self._compare(ends[0], ends[-1])

    def _claim_in_any_order(self) -> None:
        shown = [self._claiming(at) for at in range(len(self.claims)) if at not in self.hidden]
        shown += [self._refunding(at) for at in range(len(self.story.ledger.deposits))]
        for step in self.draw.sample(shown * 2, self.draw.randrange(len(shown) * 2 + 1)):
            step()
        if self.hidden or self.story.variant or self.story.chance(0.3):
            self._until_nothing_moves(shown)
            self.exits.wait(4 * self.exits.quarter())
        self._until_nothing_moves(shown)
        if self.hidden:
            self._check_shown()
            self._until_nothing_moves([*shown, *map(self._claiming, sorted(self.hidden))])

    def _until_nothing_moves(self, steps: Sequence[Pay]) -> None:
        quiet = 0
        while quiet < 2:  # a claim that is paid nothing may have settled what frees another's
            paid = [step() for step in self.draw.sample(steps, len(steps))]
            quiet = 0 if any(paid) else quiet + 1

    def _claiming(self, at: int) -> Pay:
        return lambda: self._claim(at)

    def _refunding(self, at: int) -> Pay:
        return lambda: self._refund(at)

    def _claim(self, at: int) -> int:
        leaf, tree = self.claims[at].leaf, self.exits.tree
        index = len(tree.totals) + at
        payment = ExitPayment(
            leaf.salt,
            int(leaf.kind),
            tree.epoch,
            leaf.number,
            leaf.token,
            leaf.to,
            leaf.amount,
            leaf.account,
            leaf.not_after_s,
        )
        call = claim_exit_call(payment, ExitPlace(index, tree.count, tree.proof(index)))
        return self._paid(leaf.token, self.claims[at].owner, call, EXIT_PAID)

    def _refund(self, at: int) -> int:
        each = self.story.ledger.deposits[at]
        call = refund_deposit_call(each.nonce, PastDeposit(each.token, each.account, each.amount, each.sender))
        cursors = [entry.deposit_cursor for entry in self.exits.tree.totals if entry.token == each.token]
        is_counted = bool(cursors) and each.nonce <= cursors[0]
        return self._paid(each.token, each.owner, call, DEPOSIT_REFUNDED, must_fail=is_counted)

    def _paid(self, token: bytes, owner: int, call: bytes, event: bytes, *, must_fail: bool = False) -> int:
        try:
            (found,) = self.place.send(call, event)
        except Refused as fault:
            if fault.name in (("AlreadyPaid",) if must_fail else REFUSED_BY_TOKEN):
                return 0
            raise Violation(f"refused: {fault.name} {fault.values}") from fault
        require(not must_fail, "a deposit of the snapshot was refunded", token=token.hex())
        amount = int.from_bytes(found.words[0], "big")
        self.story.got[token, owner] += amount
        self.story.say("claimed", token, owner, amount)
        return amount

    # What must hold

    def _check(self) -> None:
        """When everybody has claimed what there is: all in full, or all that there was."""
        due, got = self.story.ledger.due(), self.story.got
        for token in self.place.tokens:
            name, shown = token.hex()[:4], Web3.to_checksum_address(token)
            paid = sum(amount for (at, _), amount in got.items() if at == token)
            require(
                paid == self.vault.view("withdrawn", shown), "paid other than the vault knows", token=name, paid=paid
            )
            left = min(self.vault.view("deposited", shown) - paid, self.vault.balance(token))
            blocked = self._blocked(token)
            if "transfers" in self.story.variant:
                require(
                    left <= self._dust() or bool(blocked) or self._all_are_full(token), "locked", token=name, left=left
                )
                continue
            for owner in sorted(owner for at, owner in due if at == token):
                have, whole = got[token, owner], due[token, owner]
                require(have <= whole, "more than is due", owner=owner, token=name, got=have, due=whole)
                if have < whole and owner not in blocked:
                    require(
                        "losses" in self.story.variant, "less than is due", owner=owner, token=name, got=have, due=whole
                    )
                    require(left <= self._dust() or bool(blocked), "locked", token=name, left=left)

    def _check_shown(self) -> None:
        """Who hides a claim takes nothing from those who do not, once the time is up."""
        if self.story.variant & {"losses", "transfers"}:
            return
        hiding = {(self.claims[at].leaf.token, self.claims[at].owner) for at in self.hidden}
        for (token, owner), whole in self.story.ledger.due().items():
            if (token, owner) not in hiding and owner not in self._blocked(token):
                have = self.story.got[token, owner]
                require(have == whole, "less than is due beside hidden claims", owner=owner, got=have, due=whole)

    def _all_are_full(self, token: bytes) -> bool:
        """Whether every claim has got its net: what is left is nobody's."""
        for at, claim in enumerate(self.claims):
            _, net, paid = self.vault.view("exitLeaf", len(self.exits.tree.totals) + at)
            if claim.leaf.token == token and paid < net:
                return False
        return True

    def _blocked(self, token: bytes) -> set[int]:
        """Owners of claims that the moody token may refuse to pay."""
        blocked = Web3.to_bytes(hexstr="0x42") * 20
        refused = [claim for claim in self.claims if claim.leaf.to == blocked and claim.leaf.token == token]
        return {claim.owner for claim in refused} if token == self.story.moody else set()

    def _compare(self, one: Counter[tuple[bytes, int]], other: Counter[tuple[bytes, int]]) -> None:
        """The order of claims matters by no more than what divisions round down."""
        if self.hidden or "transfers" in self.story.variant:
            return
        for token, owner in self.story.ledger.due():
            gots = one[token, owner], other[token, owner]
            require(
                abs(gots[0] - gots[1]) <= self._dust(), "the order matters", owner=owner, one=gots[0], other=gots[1]
            )

    def _dust(self) -> int:
        """The most that divisions leave."""
        return len(self.claims) + len(self.story.ledger.deposits)
